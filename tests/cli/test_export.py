"""``lamella export``: products for other software, and stacks of what was exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella import PatchCoadd, Warp, read_product
from lamella.formats.afw.kinds import Kind, kind_of

from .conftest import fits_bits, lamella, lamella_ok
from .test_stack import PLANES, warps


def export_ok(*arguments: object) -> str:
    """Export; all that may be said is that afw draws PSFs with a kernel that was not that of the images."""
    ended = lamella("export", *arguments)
    assert ended.status == 0, ended.err
    told = " ".join(ended.err.split())
    assert not told or "afw resamples" in told
    return ended.out


@pytest.fixture(scope="module")
def exported(coadds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All products of the survey, in the layout of afw."""
    folder = tmp_path_factory.mktemp("exported") / "afw"
    assert export_ok(coadds, "-o", folder) == "Wrote 6 files.\n"
    return folder


def assert_same(first: Warp | PatchCoadd, second: Warp | PatchCoadd, planes: tuple[str, ...]) -> None:
    for plane in planes:
        assert getattr(first, plane).array.tobytes() == getattr(second, plane).array.tobytes(), plane


def test_a_folder_of_products_becomes_a_folder_of_files_of_afw(coadds: Path, exported: Path) -> None:
    originals = {
        path.name: path for path in [*(coadds / "warps").glob("*.fits"), *coadds.glob("coadd-*0.fits")]
    }
    assert {path.name for path in exported.iterdir()} == set(originals)
    for name, original in originals.items():
        assert kind_of(exported / name) is Kind.IMAGE
        found, wanted = read_product(exported / name), read_product(original)
        assert type(found) is type(wanted)
        assert_same(found, wanted, PLANES[:3])
        assert [(one.id, one.weight) for one in found.detectors] == [
            (one.id, one.weight) for one in wanted.detectors
        ]


def test_the_folder_of_one_file_is_made(coadds: Path, tmp_path: Path) -> None:
    product = next(coadds.glob("coadd-*0.fits"))
    assert export_ok(product, "-o", tmp_path / "new" / "x.fits") == "Wrote 1 file.\n"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.fits"]


@pytest.mark.parametrize("kind", ["MEANCLIP", "NOISECLIP", "MEDIAN"])
def test_stacks_of_exported_warps_have_the_same_bits(
    coadds: Path, exported: Path, tmp_path: Path, kind: str
) -> None:
    made = []
    for number, files in enumerate([warps(coadds), sorted(exported.glob("warp-r-*"))]):
        out = tmp_path / f"{number}.fits"
        lamella_ok(
            "stack", *files, "-o", out, "--skymap", coadds / "skymap.json", "--patch", "0,0",
            "--statistic", kind, "--workers", 1, "--memory", 16,
            # The layout of afw has no place for what detector images hold per sky area.
            "--weights", "variance",
        )  # fmt: skip
        made.append(read_product(out))
    first, second = made
    assert_same(first, second, PLANES)
    assert first.bbox == second.bbox
    assert [(one.id, one.weight, one.good_pixels) for one in first.detectors] == [
        (one.id, one.weight, one.good_pixels) for one in second.detectors
    ]
    assert (first.skymap, first.tract, first.patch) == (second.skymap, second.tract, second.patch)
    noise, again = first.noise, second.noise
    assert (noise.pixel_noise, noise.pixel, noise.correction) == (
        again.pixel_noise, again.pixel, again.correction,
    )  # fmt: skip
    # The PSF of the exported ones is drawn as afw draws it, with another kernel.
    assert again.flux_noise == pytest.approx(noise.flux_noise, rel=0.01)


def test_both_kinds_of_warps_can_be_mixed(coadds: Path, exported: Path, tmp_path: Path) -> None:
    mixed = [warps(coadds)[0], sorted(exported.glob("warp-r-*"))[1]]
    options = ("--workers", 1, "--weights", "variance")
    lamella_ok("stack", *mixed, "-o", tmp_path / "a.fits", *options)
    lamella_ok("stack", *warps(coadds), "-o", tmp_path / "b.fits", *options)
    assert_same(read_product(tmp_path / "a.fits"), read_product(tmp_path / "b.fits"), PLANES)


def test_inspect_describes_what_was_exported(exported: Path) -> None:
    text = lamella_ok("inspect", exported / "coadd-r-0-0,0.fits")
    assert "CoaddPsf" in text
    assert "1 nJy per unit everywhere" in text
    assert "4 detector images of 2 visits" in text


def test_one_product_becomes_the_file_that_is_named(coadds: Path, tmp_path: Path) -> None:
    coadd = coadds / "coadd-r-0-0,0.fits"
    out = tmp_path / "mine.fits"
    export_ok(coadd, "-o", out, "--no-compress")
    with fits.open(out, disable_image_compression=True) as hdus:
        assert hdus["IMAGE"].data.shape == read_product(coadd).bbox.shape
    export_ok(coadd, "-o", tmp_path / "plain.fits", "--format", "fits")
    assert (tmp_path / "plain.fits").read_bytes() == (coadds / "coadd-r-0-0,0-plain.fits").read_bytes()
    export_ok(coadd, "-o", tmp_path / "archive.fits", "--format", "archive", "--no-compress")
    found, wanted = read_product(tmp_path / "archive.fits"), read_product(coadd)
    assert_same(found, wanted, PLANES)
    # From afw and back, an archive of the pixels that were there.
    export_ok(out, "-o", tmp_path / "again.fits", "--format", "archive")
    assert_same(read_product(tmp_path / "again.fits"), wanted, PLANES[:3])


def test_the_same_product_makes_the_same_file(coadds: Path, exported: Path, tmp_path: Path) -> None:
    name = "coadd-r-0-0,0.fits"
    export_ok(coadds / name, "-o", tmp_path / name)
    assert (tmp_path / name).read_bytes() == (exported / name).read_bytes()
    assert fits_bits(tmp_path / name)


def test_files_are_not_replaced_unasked(coadds: Path, tmp_path: Path) -> None:
    there = tmp_path / "coadd-r-0-0,0.fits"
    there.write_text("mine")
    for out in (there, tmp_path):
        ended = lamella("export", coadds / there.name, "-o", out)
        assert (ended.status, "use --overwrite" in ended.err) == (1, True)
        assert there.read_text() == "mine"
    export_ok(coadds / there.name, "-o", tmp_path, "--overwrite")
    assert np.isfinite(read_product(there).image.array).any()


def test_mistakes_are_errors_and_leave_nothing(coadds: Path, tmp_path: Path) -> None:
    warp = warps(coadds)[0]
    cases = [
        ((warp, "-o", tmp_path / "a.fits", "--format", "fits"), 2, "warps have no plain FITS form"),
        ((tmp_path / "absent.fits", "-o", tmp_path / "a.fits"), 1, "absent.fits"),
        ((coadds / "skymap.json", "-o", tmp_path / "a.fits"), 1, "skymap.json"),
        ((tmp_path, "-o", tmp_path / "a.fits"), 1, "there is no warp and no coadd in this folder"),
        ((warp,), 2, "--output"),
    ]
    for arguments, status, message in cases:
        ended = lamella("export", *arguments)
        assert ended.status == status, ended.err
        assert message in ended.err
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / warp.name).write_bytes(warp.read_bytes())
    ended = lamella("export", warp, tmp_path / "other" / warp.name, "-o", tmp_path / "out")
    assert (ended.status, "would both be written to it" in ended.err) == (1, True)
    ended = lamella("export", tmp_path / "other" / warp.name, "-o", tmp_path / "other", "--overwrite")
    assert (ended.status, "it is the product itself" in ended.err) == (1, True)
    assert (tmp_path / "other" / warp.name).read_bytes() == warp.read_bytes()

"""What archives hold besides pixels is what `lsst.images` finds there."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from lsst.images import MaskedImage
from lsst.images.psfs import GaussianPointSpreadFunction
from lsst.images.serialization import ArrayReferenceModel, open_archive

from lamella.data.coadd import PatchCoadd
from lamella.data.warp import Warp
from lamella.errors import UnreadableFileError
from lamella.formats.archive import archive_tree
from lamella.formats.archive.archive_tree import open_tree
from lamella.formats.archive.products import ArchiveWarp, read_metadata
from lamella.formats.archive.write import write_archive
from lamella.psf.parameters import psf_to_parameters

from .test_products import make_warp
from .test_write import BOX, make_coadd


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_archive(make_warp(), tmp_path / "a.fits")
    return tmp_path / "a.fits"


@pytest.mark.parametrize("make", [make_warp, make_coadd])
@pytest.mark.parametrize("by", ["lamella", "lsst"])
def test_it_is_the_same_as_by_lsst_images(make: Any, by: str, tmp_path: Path) -> None:
    product, psf = make(), GaussianPointSpreadFunction(2.5, BOX, 21)
    if isinstance(product, PatchCoadd):
        product = product.replace(matched_psf=psf)
    else:
        product.matched_psf = psf
    product.metadata["observer"] = "Leavitt"
    if by == "lamella":
        write_archive(product, tmp_path / "a.fits")
    else:
        product.write(str(tmp_path / "a.fits"))
    with open_tree(tmp_path / "a.fits", MaskedImage) as quick, open_archive(str(tmp_path / "a.fits")) as slow:
        assert quick is not None
        assert quick.info == slow.info
        assert quick.get_tree().model_dump_json() == slow.get_tree().model_dump_json()
        assert quick.metadata == {**product.metadata}
        for name in ("sky_projection", "bbox"):
            assert quick.get_component(name) == slow.get_component(name)
        ours, expected = (
            [
                (d.id, d.bbox, d.projection, d.notes, psf_to_parameters(d.psf))
                for d in reader.get_component("detectors")
            ]
            for reader in (quick, slow)
        )
        assert repr(ours) == repr(expected)
        assert psf_to_parameters(quick.get_component("matched_psf"))[0] == "gaussian"
        # Planes come by way of `lsst.images`.
        box = BOX.factory[1003:1010, 2004:2020]
        for name in ("image", "mask"):
            cutout = quick.get_component(name, bbox=box)
            np.testing.assert_array_equal(cutout.array, slow.get_component(name, bbox=box).array)


@pytest.mark.parametrize("compress", [False, True])
def test_numbers_are_read_in_any_form(compress: bool, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.linspace(-1, 1, 5000)
    unit = fits.CompImageHDU if compress else fits.ImageHDU
    with fits.open(path, mode="append") as hdus:
        hdus.append(unit(numbers, name="NUMBERS", **({"quantize_level": 0} if compress else {})))
    model = ArrayReferenceModel(source="fits:NUMBERS", shape=[5000], datatype="float64")
    asked: list[object] = []
    real = archive_tree.FitsInputArchive.open

    def other(file: Any, **options: Any) -> Any:
        asked.append(file)
        return real(file, **options)

    monkeypatch.setattr(archive_tree.FitsInputArchive, "open", other)
    with open_tree(path, Warp) as reader:
        assert reader is not None
        if compress:  # which the index does not list
            with pytest.raises(Exception, match="NUMBERS"):
                reader._archive.get_array(model)
        else:
            np.testing.assert_array_equal(reader._archive.get_array(model), numbers)
    assert bool(asked) is compress


def test_other_things_are_left_to_lsst_images(path: Path, tmp_path: Path) -> None:
    fits.PrimaryHDU().writeto(tmp_path / "plain.fits")
    (tmp_path / "a.txt").write_bytes(path.read_bytes())
    for name in ("plain.fits", "absent.fits", "a.txt"):
        with open_tree(tmp_path / name, Warp) as reader:
            assert reader is None
    with open_tree(path, PatchCoadd) as reader:
        assert reader is None


@pytest.mark.parametrize(("key", "value"), [("FMTVER", 2), ("DATAMODL", "https://x.invalid/schemas/y-1.0.0")])
def test_an_archive_of_another_kind_is_left_to_lsst_images(path: Path, key: str, value: Any) -> None:
    fits.setval(path, key, value=value)
    with open_tree(path, Warp) as reader:
        assert reader is None
    with pytest.raises(UnreadableFileError, match=r"newer than this release|No registered schema"):
        ArchiveWarp(path)


def test_texts_in_another_form_are_left_to_lsst_images(path: Path) -> None:
    fits.setval(path, "TTYPE1", value="TEXTS", extname="JSON")
    with open_tree(path, Warp) as reader:
        assert reader is None


@pytest.mark.parametrize("share", [0.3, 0.8, 0.95])
def test_a_file_that_is_cut_is_damage(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    for read in (ArchiveWarp, read_metadata):
        with pytest.raises(UnreadableFileError, match=r"a\.fits"):
            read(path)


def test_a_text_that_is_damaged_is_an_error(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"schema_version"', b'"schema_verzion"').replace(b'"band"', b"'band'"))
    with pytest.raises(UnreadableFileError, match=r"a\.fits"):
        ArchiveWarp(path)


def test_nothing_of_the_web_is_needed(path: Path) -> None:
    # The address of a schema has `lsst.images` import what it takes to get files from the web.
    code = (
        "import sys, lamella; lamella.open_warp(sys.argv[1]); "
        "print([name for name in ('requests', 'urllib3', 'lsst.resources.http') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

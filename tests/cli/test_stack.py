"""``lamella stack``: the coadd of kept warps is that of the command."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.formats.archive.products import read_product
from lamella.run import stack_run as module

from .conftest import lamella, lamella_ok

PLANES = ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked")


def warps(coadds: Path, band: str = "r") -> list[Path]:
    return sorted((coadds / "warps").glob(f"warp-{band}-*"))


@pytest.mark.parametrize("n_open", [200, 1])
def test_kept_warps_give_the_same_bits_on_their_patch(
    coadds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_open: int
) -> None:
    monkeypatch.setattr(module, "_files_to_keep", lambda wanted: n_open)
    out, plain = tmp_path / "stack.fits", tmp_path / "plain.fits"
    text = lamella_ok(
        "stack", *warps(coadds)[::-1], "-o", out, "--plain", plain, "--skymap", coadds / "skymap.json",
        "--patch", "0,0", "--workers", 2, "--memory", 16,
    )  # fmt: skip
    ours, theirs = read_product(out), read_product(coadds / "coadd-r-0-0,0.fits")
    assert ours.bbox == theirs.bbox
    for plane in PLANES:
        assert getattr(ours, plane).array.tobytes() == getattr(theirs, plane).array.tobytes()
    assert [(d.id, d.weight) for d in ours.detectors] == [(d.id, d.weight) for d in theirs.detectors]
    assert (ours.skymap, ours.tract, ours.patch, ours.inner_bbox) == (
        theirs.skymap, theirs.tract, theirs.patch, theirs.inner_bbox,
    )  # fmt: skip
    for hdu in (1, 2, 3, 4):
        assert np.array_equal(
            fits.getdata(plain, hdu),
            fits.getdata(coadds / "coadd-r-0-0,0-plain.fits", hdu),
            equal_nan=True,
        )
    assert " r " in text


def test_without_a_patch_the_coadd_is_the_box_around_the_warps(coadds: Path, tmp_path: Path) -> None:
    out = tmp_path / "stack.fits"
    lamella_ok("stack", *warps(coadds), "-o", out)
    ours = read_product(out)
    boxes = [read_product(path).bbox for path in warps(coadds)]
    assert ours.bbox.y.start == min(box.y.start for box in boxes)
    assert ours.bbox.x.stop == max(box.x.stop for box in boxes)
    theirs = read_product(coadds / "coadd-r-0-0,0.fits")[ours.bbox]
    assert ours.image.array.tobytes() == theirs.image.array.tobytes()


def test_options_of_the_combination(coadds: Path, tmp_path: Path) -> None:
    lamella_ok("stack", *warps(coadds), "-o", tmp_path / "a.fits", "--statistic", "MEAN", "--no-fill-gaps")
    found = read_product(tmp_path / "a.fits")
    assert found.settings["assemble"]["statistic"] == "MEAN"
    empty = found.exposure_count.array == 0
    assert empty.any()
    assert np.isnan(found.image.array[empty]).all()


def test_a_warp_that_is_named_twice_counts_once(coadds: Path, tmp_path: Path) -> None:
    lamella_ok("stack", *warps(coadds), *warps(coadds), "-o", tmp_path / "a.fits")
    assert int(read_product(tmp_path / "a.fits").exposure_count.array.max()) == 2


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--patch", "0,0"], 2, "--skymap and --patch go together"),
        (["--skymap", "MAP", "--patch", "7,7"], 1, "7"),
        (["--skymap", "OTHER", "--patch", "0,0"], 1, "another pixel grid"),
    ],
)
def test_a_patch_that_does_not_fit_is_an_error(
    coadds: Path, tmp_path: Path, options: list[str], status: int, message: str
) -> None:
    lamella_ok(
        "skymap", "make", "--center", "150.1,2.2", "--size", "0.01", "--scale", "0.3",
        "-o", tmp_path / "other.json",
    )  # fmt: skip
    names = {"MAP": coadds / "skymap.json", "OTHER": tmp_path / "other.json"}
    ended = lamella(
        "stack", *warps(coadds), "-o", tmp_path / "a.fits", *(names.get(one, one) for one in options)
    )
    assert ended.status == status
    assert message in ended.err
    assert not (tmp_path / "a.fits").exists()


def test_files_are_not_replaced_unasked(coadds: Path, tmp_path: Path) -> None:
    for option in ("-o", "--plain"):
        there = tmp_path / "there.fits"
        there.write_text("mine")
        ended = lamella("stack", *warps(coadds), "-o", tmp_path / "new.fits", option, there)
        assert ended.status == 1
        assert "--overwrite" in ended.err
        assert there.read_text() == "mine"
    lamella_ok("stack", *warps(coadds), "-o", there, "--overwrite")
    assert read_product(there).band == "r"


def test_warps_that_do_not_belong_together_and_other_files_are_errors(coadds: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.fits"
    ended = lamella("stack", warps(coadds)[0], warps(coadds, "g")[0], "-o", out)
    assert (ended.status, "expected 'r'" in ended.err or "expected 'g'" in ended.err) == (1, True)
    ended = lamella("stack", coadds / "coadd-r-0-0,0.fits", "-o", out)
    assert (ended.status, "warp" in ended.err) == (1, True)
    cut = tmp_path / "cut.fits"
    cut.write_bytes(warps(coadds)[0].read_bytes()[:20000])
    ended = lamella("stack", cut, "-o", out)
    assert (ended.status, str(cut) in ended.err) == (1, True)
    twin = tmp_path / "twin.fits"
    shutil.copy(warps(coadds)[0], twin)
    ended = lamella("stack", warps(coadds)[0], twin, "-o", out)
    assert (ended.status, "two warps of this visit" in ended.err) == (1, True)
    assert not out.exists()


@pytest.mark.parametrize(
    ("limits", "kept", "raised"),
    [
        ((1024, 4096), 300, None),
        ((256, 4096), 300, (428, 4096)),
        ((256, 400), 272, (400, 400)),
        ((64, 64), 0, (64, 64)),
        ((-1, -1), 300, None),
        ((256, -1), 300, (428, -1)),
    ],
)
def test_many_files_are_kept_open_as_far_as_the_system_allows(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], kept: int, raised: tuple[int, int] | None
) -> None:
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(module.resource, "getrlimit", lambda kind: limits)
    monkeypatch.setattr(module.resource, "setrlimit", lambda kind, new: found.append(new))
    assert module._files_to_keep(300) == kept
    assert found == ([] if raised is None else [raised])


def frames(folder: Path, count: int = 3) -> list[Path]:
    """Write images of one shape without a WCS."""
    for number in range(count):
        image = np.random.default_rng(number).normal(100.0, 2.0, (50, 60)).astype(np.float32)
        fits.PrimaryHDU(image).writeto(folder / f"frame{number}.fits")
    return sorted(folder.glob("frame?.fits"))


def test_plain_images_need_no_wcs(tmp_path: Path) -> None:
    images, out = frames(tmp_path), tmp_path / "out.fits"
    text = lamella_ok("stack", *images, "-o", out, "--statistic", "MEAN")
    assert "frame0.fits and 2 more: Noise measured in the pixels" in " ".join(text.split())
    assert "MEAN of 3 images of 60 x 50 pixels" in " ".join(text.split())
    mean = np.mean([fits.getdata(path) for path in images], axis=0)
    np.testing.assert_allclose(fits.getdata(out), mean, atol=0.05)
    ended = lamella("stack", *images, "-o", out)
    assert (ended.status, "it exists" in ended.err) == (1, True)
    (tmp_path / "frames.csv").write_text("file,flux_scale\nframe0.fits,1\nframe1.fits,2\n")
    lamella_ok(
        "stack", tmp_path / "frames.csv", "-o", out, "--overwrite", "--noise", "none", "--statistic", "MAX"
    )
    expected = np.maximum(fits.getdata(images[0]), 2 * fits.getdata(images[1]))
    np.testing.assert_allclose(fits.getdata(out), expected, rtol=1e-6)


def test_options_of_warps_and_of_images_are_not_mixed(coadds: Path, tmp_path: Path) -> None:
    images = frames(tmp_path)
    ended = lamella("stack", *images, "-o", tmp_path / "x.fits", "--patch", "0,0", "--psf-matched")
    assert (ended.status, "--patch, --psf-matched: found beside plain images" in ended.err) == (2, True)
    ended = lamella("stack", *warps(coadds), "-o", tmp_path / "x.fits", "--normalize", "median")
    assert (ended.status, "do not go with warps" in ended.err) == (2, True)
    ended = lamella("stack", images[0], *warps(coadds), "-o", tmp_path / "x.fits")
    assert ended.status == 1
    assert "frame0.fits" in ended.err


def test_a_stack_that_was_killed_is_finished_by_the_same_command(coadds: Path, tmp_path: Path) -> None:
    words = ["stack", *map(str, warps(coadds)), "-o", "stack.fits", "--plain", "plain.fits"]
    code = (
        "import os, signal, sys; from lamella.run import stack_run\n"
        "stack_run.write_plain_fits = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from lamella.cli.main import main; main(sys.argv[1:])"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "stack.fits").exists()
    with contextlib.chdir(tmp_path):
        lamella_ok(*words)
        again = lamella(*words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain.fits", "stack.fits"]
    assert (again.status, "it exists (use --overwrite)" in again.err) == (1, True)


def test_a_stack_that_is_killed_on_its_way_out_is_given_again(coadds: Path, tmp_path: Path) -> None:
    words = ["stack", *map(str, warps(coadds)), "-o", "stack.fits"]
    code = (
        "import os, signal, sys; from lamella.cli import main as module; run = module._run\n"
        "module._run = lambda arguments: (run(arguments), os.kill(os.getpid(), signal.SIGKILL))\n"
        "module.main()"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    with contextlib.chdir(tmp_path):
        lamella_ok(*words)
    assert [path.name for path in tmp_path.iterdir()] == ["stack.fits"]

"""Stacks of plain images as a command and a program make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lamella.errors import CalibrationError, ConfigError, InputError
from lamella.formats.frame_control import FrameControl
from lamella.resources import Resources
from lamella.run import frame_run
from lamella.run.frame_run import FrameRecord, FrameRun
from lamella.run.patch_config import StackConfig

SHAPE = (120, 160)
HITS = 20


def pedestal(path: Path, seed: int, *, level: float = 1000.0, hit: float = 200.0, **cards: Any) -> np.ndarray:
    """Write an image with noise of 5 and cosmic rays; return which pixels these hit."""
    rng = np.random.default_rng(seed)
    image = rng.normal(level, 5.0, SHAPE)
    hits = np.zeros(SHAPE, bool)
    hits.flat[rng.choice(image.size, HITS, replace=False)] = True
    image[hits] += hit
    fits.PrimaryHDU(image.astype(np.float32), fits.Header(cards)).writeto(path)
    return hits


def run(output: Path, *images: Path, resources: Resources | None = None, **options: Any) -> FrameRecord:
    assemble = options.pop("assemble", {})
    config = StackConfig(frames=FrameControl(**options), assemble=assemble)
    return FrameRun(output=output, config=config, resources=resources or Resources())(images)


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"bias{number}.fits" for number in range(5)]
    for number, path in enumerate(paths):
        pedestal(path, number, FRAMENO=number, OBJECT="bias", BUNIT="adu")
    return paths


def test_a_master_has_the_header_of_the_first_and_no_cosmic_ray(images: list[Path], tmp_path: Path) -> None:
    record = run(tmp_path / "master.fits", *images)
    assert record.used == tuple(map(str, images))
    with fits.open(tmp_path / "master.fits") as hdus:
        head = hdus[0].header
        assert (head["FRAMENO"], head["OBJECT"], head["NCOMBINE"]) == (0, "bias", 5)
        assert "NOISECLIP of 5 frames" in str(head["HISTORY"])
        assert [hdu.name for hdu in hdus[1:]] == ["MASK", "VARIANCE", "COUNT", "INPUTS"]
        assert (head["BUNIT"], hdus["VARIANCE"].header["BUNIT"]) == ("adu", "adu2")
        residual = hdus[0].data - 1000.0
        assert residual.std() == pytest.approx(5.0 / 5**0.5, rel=0.03)
        assert np.abs(residual).max() < 15.0
        assert np.sqrt(np.median(hdus["VARIANCE"].data)) == pytest.approx(5.0 / 5**0.5, rel=0.03)
        assert (hdus["COUNT"].data < 5).sum() == pytest.approx(5 * HITS, abs=3)
        assert [row["path"] for row in hdus["INPUTS"].data] == list(map(str, images))
    assert record.noise == pytest.approx(5.0 / 5**0.5, rel=0.03)


def test_bits_do_not_depend_on_order_threads_and_memory(
    images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "a.out", *images)
    written: list[Path] = []
    write = frame_run.write_scratch
    monkeypatch.setattr(frame_run, "room_for_warps", lambda *_: 12 * SHAPE[0] * SHAPE[1] * 2)
    monkeypatch.setattr(frame_run, "write_scratch", lambda s, path: written.append(path) or write(s, path))
    run(tmp_path / "b.out", *images[::-1], resources=Resources(threads=2, memory=64))
    assert len(written) == 3
    assert not any(path.exists() for path in written)
    assert (tmp_path / "a.out").read_bytes() == (tmp_path / "b.out").read_bytes()


def test_flat_fields_are_scaled_by_their_medians(tmp_path: Path) -> None:
    pattern = 1.0 + 0.02 * np.random.default_rng(0).normal(size=SHAPE)
    for number, level in enumerate((20000.0, 26000.0, 14000.0, 22000.0)):
        rng = np.random.default_rng(number)
        image = rng.poisson(pattern * level).astype(np.float32)
        image.flat[rng.choice(image.size, HITS, replace=False)] += 6000.0
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(image, name="SCI"), fits.ImageHDU(image, name="VAR")]
        fits.HDUList(hdus).writeto(tmp_path / f"flat{number}.fits")
    record = run(tmp_path / "flat.fits", *sorted(tmp_path.glob("flat?.fits")), normalize="median")
    np.testing.assert_allclose(np.array(record.scales) * (20, 26, 14, 22), 20.0, rtol=1e-3)
    with fits.open(tmp_path / "flat.fits") as hdus:
        ratio = hdus[0].data / pattern / 20000.0
        # Four Poisson levels in the mean, without one cosmic ray.
        assert ratio.std() == pytest.approx((20000.0 * 82 / 20) ** -0.5, rel=0.05)
        assert np.abs(ratio - 1.0).max() < 0.025


def test_the_wcs_of_the_first_stays(tmp_path: Path) -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cdelt = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [-1e-4, 1e-4]
    for number in range(2):
        pedestal(tmp_path / f"{number}.fits", number, **dict(wcs.to_header()))
    run(tmp_path / "out.fits", tmp_path / "0.fits", tmp_path / "1.fits")
    again = WCS(fits.getheader(tmp_path / "out.fits"))
    assert again.pixel_to_world(30, 40).separation(wcs.pixel_to_world(30, 40)).mas < 1e-3


def test_a_stack_is_a_frame_again(images: list[Path], tmp_path: Path) -> None:
    run(tmp_path / "one.fits", *images[:3])
    run(tmp_path / "two.fits", *images[3:])
    record = run(tmp_path / "all.fits", tmp_path / "one.fits", tmp_path / "two.fits")
    assert record.noise == pytest.approx(5.0 / 5**0.5, rel=0.03)


def test_options_that_images_cannot_have(images: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="NOISECLIP"):
        run(tmp_path / "x.fits", *images, noise="none", assemble={"statistic": "NOISECLIP"})
    with pytest.raises(CalibrationError, match="stars in common"):
        run(tmp_path / "x.fits", *images, normalize="stars")
    fits.PrimaryHDU(np.zeros((3, 4), np.float32)).writeto(tmp_path / "small.fits")
    with pytest.raises(InputError, match=r"small\.fits.*4 x 3 pixels; expected 160 x 120"):
        run(tmp_path / "x.fits", *images, tmp_path / "small.fits")
    assert not (tmp_path / "x.fits").exists()

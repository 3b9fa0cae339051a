"""A made-up patch of sky: stars, galaxies, gaps, an edge of the survey."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from lsst.images import Box, SkyProjection

from lamella.coadd.summary import summarize
from lamella.data.coadd import PatchCoadd, Rejection
from lamella.data.detector import DetectorInput
from lamella.data.exposure import ExposureId
from lamella.data.origins import OriginSummary
from lamella.planes import Layout, make_schema
from lamella.report.composite import composite
from lamella.report.record import CoaddRecord, RunRecord, Skipped, coadd_record, picture_record

from .. import makers
from ..projections import turned_tan

SCALE = 0.2  # arcsec per pixel
SIGMA = 1.7  # pixels
BOX = Box.factory[100:640, 2000:2720]
HOSTILE = "<script>alert('x')</script>"


def make_projection(box: Box) -> SkyProjection[Any]:
    return turned_tan(150.1, 2.2, x=box.x.center, y=box.y.center, scale=SCALE, tract=box)


def _gaussian(box: Box, x: float, y: float, sigma: float, axis_ratio: float = 1, angle: float = 0) -> Any:
    grid = box.meshgrid()
    dx, dy = grid.x - x, grid.y - y
    along = dx * np.cos(angle) + dy * np.sin(angle)
    aside = (dy * np.cos(angle) - dx * np.sin(angle)) / axis_ratio
    return np.exp(-(along**2 + aside**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2 * axis_ratio)


def _sources(box: Box, band: str, crowd: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    slope = {"g": -1.0, "r": 0.0, "i": 0.6, "z": 1.0}[band]
    sky = np.zeros(box.shape)
    for _ in range(crowd):
        x, y = rng.uniform(box.x.start, box.x.stop), rng.uniform(box.y.start, box.y.stop)
        flux = 150 * rng.pareto(0.75) + 60
        color = rng.normal(0.55, 0.45)
        galaxy = rng.uniform() < 0.55
        shape = rng.uniform(2, 6), rng.uniform(0.3, 1), rng.uniform(0, np.pi)
        flux = min(flux, 4e5 if not galaxy else 2e4) * 10 ** (0.4 * slope * color)
        part = Box.factory[
            max(int(y) - 40, box.y.start) : min(int(y) + 41, box.y.stop),
            max(int(x) - 40, box.x.start) : min(int(x) + 41, box.x.stop),
        ]
        if part.x.size < 2 or part.y.size < 2:
            continue
        here = _gaussian(part, x, y, SIGMA) if not galaxy else _gaussian(part, x, y, *shape)
        sky[part.slice_within(box)] += flux * here
    return sky


def make_coadd(
    band: str = "r",
    *,
    box: Box = BOX,
    crowd: int = 500,
    star: tuple[float, float, float] | None = None,
    **changes: Any,
) -> PatchCoadd:
    """Make a coadd of 5 visits with noise of 2 nJy per pixel and visit; ``star`` is (x, y, flux)."""
    rng = np.random.default_rng(sum(map(ord, band)))
    x, y = box.meshgrid()
    across, up = (x - box.x.start) / box.x.size, (y - box.y.start) / box.y.size
    count = 2 + (across > 0.16).astype(int) + (up > 0.22 + 0.04 * across) + (across < 0.86)
    count[np.abs(across - 0.52 - 0.03 * up) < 0.006] = 2
    count[(up < 0.16 - 0.25 * across) | (np.hypot(across - 0.7, up - 0.35) < 0.025)] = 0
    variance = np.where(count > 0, 4.0 / np.maximum(count, 1), np.inf)
    schema = make_schema()
    bits = np.zeros(box.shape, dtype=np.int32)
    for name, where in (
        ("NO_DATA", count == 0),
        ("SENSOR_EDGE", (np.abs(across - 0.16) < 0.004) | (np.abs(across - 0.86) < 0.004)),
        ("INEXACT_PSF", np.abs(across - 0.52 - 0.03 * up) < 0.006),
        ("REJECTED", np.abs(up - 0.6 - 0.3 * across) < 0.004),
        ("CLIPPED", rng.uniform(size=box.shape) < 2e-4),
        ("BRIGHT_OBJECT", np.hypot((across - 0.3) * box.x.size, (up - 0.8) * box.y.size) < 28),
    ):
        bits[where] |= Layout(schema).bits([name])
    sky = _sources(box, band, crowd)
    if star is not None:
        sky += star[2] * _gaussian(box, star[0], star[1], SIGMA)
    sky += rng.normal(size=box.shape) * np.sqrt(np.where(count > 0, variance, 0))
    sky[count == 0] = np.nan
    planes = makers.make_planes(sky, variance, bits, box=box, unit=u.nJy, projection=make_projection(box))
    values: dict[str, Any] = {
        "band": band,
        "skymap": "made_up",
        "tract": 0,
        "patch": (5, 4),
        "detectors": make_detectors(band, box),
        "rejections": [
            Rejection(ExposureId("DECam", visit, detector), f"decam/{path}", stage, reason)
            for visit, detector, path, stage, reason in (
                (700007, 10, "bad_seeing.fits.fz", "select", "PSF of 1.82 arcsec is wider than 1.5 arcsec"),
                (700008, 10, "elsewhere.fits.fz", "select", "does not overlap the patch"),
                (700008, 11, "elsewhere2.fits.fz", "select", "does not overlap the patch"),
                (700009, 10, f"{HOSTILE}.fits", "read", f"HDU 1 is named {HOSTILE}"),
            )
        ],
        "settings": {
            "stack": {"statistic": "MEANCLIP", "sigma_clip": 3.0, "clip_iter": 2},
            "warp": {"kernel": "lanczos3", "tolerance": 0.001},
            "select": {"max_fwhm": None, "bad_planes": ["BAD", "SATURATED"]},
        },
        "versions": {"lamella": "0.1.0", "numpy": "2.5.5", "lsst-images": "30.2026.4300"},
        "notes": ("The sky was subtracted from 5 exposures with sep (mesh of 128 pixels).",),
    }
    return makers.make_coadd(planes, count, **values | changes)


def make_detectors(band: str, box: Box) -> list[DetectorInput]:
    """Make 5 visits of 2 detectors that have the pixels of the patch, and one Gaussian PSF."""
    return [
        makers.make_detector(
            700000 + n,
            ccd,
            box,
            make_projection(box),
            instrument="DECam",
            band=band,
            sigma=SIGMA,
            side=25,
            good_pixels=380000 - 900 * n,
            weight=(1 + 0.2 * n) * 1e-4,
            path=f"decam/c4d_190812_0431{n}_ooi_{band}_ccd{ccd}.fits.fz",
            psf_fwhm=0.75 + 0.03 * n if n else None,
            notes=("sky subtracted",) if n else (),
        )
        for n in range(5)
        for ccd in (10, 11)
    ]


@pytest.fixture(scope="session")
def star() -> tuple[float, float, float]:
    """Place (x, y) and flux (nJy) of a bright star near the upper left corner."""
    return BOX.x.start + 90.0, BOX.y.stop - 60.0, 1e5


@pytest.fixture(scope="session")
def coadd(star: tuple[float, float, float]) -> PatchCoadd:
    """A coadd in band r; tests must not change it."""
    return make_coadd(star=star)


@pytest.fixture(scope="session")
def three_bands() -> dict[str, PatchCoadd]:
    """Coadds of the same sky in g, r and i; tests must not change them."""
    return {band: make_coadd(band) for band in "gri"}


@pytest.fixture(scope="session")
def records(three_bands: dict[str, PatchCoadd]) -> tuple[CoaddRecord, ...]:
    """The records of three coadds."""
    return tuple(
        coadd_record(coadd, summarize(coadd, seconds=31.3), files={"Archive": f"{coadd.name}.fits"})
        for coadd in three_bands.values()
    )


@pytest.fixture(scope="session")
def run(records: tuple[CoaddRecord, ...], three_bands: dict[str, PatchCoadd]) -> RunRecord:
    """The record of a run with hostile texts in it."""
    color = composite({band: coadd.image for band, coadd in three_bands.items()}, max_side=400)
    assert color is not None
    return RunRecord(
        title=f"Field {HOSTILE}",
        command=f"lamella coadd '{HOSTILE}.fits' -o OUT",
        started="2026-03-02 14:05 UTC",
        seconds=104.2,
        skymap="discrete, one tract",
        coadds=records,
        origins=(OriginSummary(f"noise {HOSTILE}", "measured", "per mesh", 12, "5.1 to 5.3"),),
        skipped=(Skipped(f"{HOSTILE}.fits", "no WCS <b>at all</b>"),),
        failures=(Skipped("z 0 · 5,4", "disk full & out of luck"),),
        settings={"threads": 2},
        versions={"lamella": "0.1.0"},
        pictures=(picture_record(color),),
    )


@pytest.fixture(scope="session")
def hostile() -> str:
    """A text that would run as a script if it were not escaped."""
    return HOSTILE

"""Exposures as afw writes them, small, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from lamella.data.photometry import njy_per_count
from lamella.sky.projection import projection_from_header

from .conftest import ArchiveWriter
from .test_photo import calibration
from .test_psf import gaussian
from .test_psf_coadd import add_wcs, header

SHAPE = (50, 60)
SIGMA = 2.0
ZERO_POINT = 30.0
CARDS = header(scale=0.2 / 3600, x=29.5, y=24.5)
PLANES = {"MP_BAD": 0, "MP_SAT": 1, "MP_CR": 3, "HIERARCH MP_STREAK": 17}


def pixels(seed: int, shape: tuple[int, int] = SHAPE) -> dict[str, np.ndarray]:
    """Return planes with noise and a star, a cosmic ray, and a pixel without a measurement."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    star = 800.0 * np.exp(-0.5 * ((x - 30.0) ** 2 + (y - 25.0) ** 2) / SIGMA**2)
    image = (star + rng.normal(0.0, 3.0, shape)).astype(np.float32)
    mask = np.zeros(shape, dtype=np.int32)
    mask[10, 12 + seed % 5] = 1 << PLANES["MP_CR"]
    variance = np.full(shape, 9.0, dtype=np.float32)
    image[3, 4] = np.nan
    return {"IMAGE": image, "MASK": mask, "VARIANCE": variance}


def plane_units(planes: dict[str, np.ndarray], cards: dict[str, Any]) -> list[fits.ImageHDU]:
    units = []
    for name, array in planes.items():
        hdu = fits.ImageHDU(array, name=name)
        hdu.header["EXTTYPE"], hdu.header["INHERIT"] = name, True
        hdu.header.update(cards)
        if name == "MASK":
            hdu.header.update(PLANES)
        units.append(hdu)
    return units


def integers(**values: int) -> dict[str, np.ndarray]:
    return {name: np.array([value], dtype=np.int32) for name, value in values.items()}


def write_exposure(
    path: Path,
    *,
    visit: int = 7,
    detector: int = 3,
    band: str = "r",
    physical: str = "HSC-R",
    leave_out: tuple[str, ...] = (),
    add: dict[str, Any] | None = None,
    primary: dict[str, Any] | None = None,
    cards: dict[str, Any] | None = None,
    planes: dict[str, np.ndarray] | None = None,
) -> Path:
    """Write an exposure of layout 2.

    ``leave_out`` names components that it shall lack, and ``add`` has tables of
    further ones: the name of the component, and a function that adds it.
    """
    cards = CARDS if cards is None else cards
    writer = ArchiveWriter(path)
    writer.units = plane_units(pixels(visit) if planes is None else planes, cards)
    flags = {"band_exists": [bool(band)], "physical_exists": [bool(physical)]}
    table = {"flags": flags, "band": np.array([band]), "physical": np.array([physical])}
    box = integers(bbox_min_x=0, bbox_min_y=0, bbox_max_x=SHAPE[1] - 1, bbox_max_y=SHAPE[0] - 1)
    texts = {"name": np.array([f"ccd{detector}"]), "serial": np.array(["s"])}
    ids = {
        "SKYWCS": add_wcs(writer, cards),
        "PHOTOCALIB": writer.add(
            "PhotoCalib", calibration(njy_per_count(ZERO_POINT), 0.001, constant=True, field=0)
        ),
        "PSF": writer.add("GaussianPsf", gaussian(SIGMA, 21, 21)),
        "FILTER": writer.add("FilterLabel", table),
        "DETECTOR": writer.add("Detector", integers(id=detector) | texts | box),
    }
    for name, make in (add or {}).items():
        ids[name] = make(writer)
    writer.primary = {
        "EXPINFO_V": 2,
        "IDNUM": visit,
        "INSTRUMENT": "HSC",
        "EXPTIME": 30.0,
        "DATE-AVG": "2013-11-02T06:01:31.788",
        "TIMESYS": "TAI",
        **{f"ARCHIVE_ID_{name}": id for name, id in ids.items() if name not in leave_out},
        **(primary or {}),
    }
    return writer.write()


def sky_of(cards: dict[str, Any]) -> Any:
    return projection_from_header(cards, path="t", hdu=0)

"""Simulated exposures at the places of a real Hyper Suprime-Cam data set.

The manual of AssembleCoaddTask shows two commands on eleven visits of the
Hyper Suprime-Cam.  `write_hsc_example` makes exposures for them that have the
numbers, times, filters and regions on the sky of the real ones, but few and
coarse pixels, so that all 33 files take 2 MB; the sky map that goes with them
is `hsc_grid.hsc_skymap`.
"""

from __future__ import annotations

import dataclasses
from functools import cache, cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from lsst.images import DetectorFrame

from lamella.data.photometry import njy_per_count
from lamella.files import atomic_path, make_folder
from lamella.psf.gaussian import FWHM_PER_SIGMA
from lamella.sky.footprint import pixel_scale
from lamella.sky.projection import projection_from_header
from lamella.testing.render import SkySources, render
from lamella.testing.sky import magnitude_to_njy

from .hsc_grid import detector_geometry, hsc_skymap
from .hsc_records import DetectorRegion, VisitRecord, hsc_records

__all__ = ("HscExample", "write_hsc_example")

_SEED = 903334
_STARS = 500
_FIELD = (320.8, -0.3, 0.35)  # right ascension, declination and half width of the area with stars, degrees
_MAGNITUDES = (12.0, 19.0)
_COLOUR = {"r": 0.0, "i": -0.3}
_SEEING = (17.0, 21.0)  # arcsec: about two of the coarse pixels
_ZERO_POINTS = (26.8, 27.2)
_SKY_NOISE = (9.0, 14.0)  # counts
_GAIN = 3.0
_FULL = 60000.0  # counts
_COSMIC_RAYS = 3
_PLANES = {"BAD": 1, "SATURATED": 2, "COSMIC_RAY": 4}


@dataclasses.dataclass(frozen=True)
class HscExample:
    """The exposures of the manual's example, as files.

    Attributes
    ----------
    folder
        Where they are.
    """

    folder: Path

    @property
    def table(self) -> Path:
        """Table of the exposures, which ``lamella coadd`` and ``lamella butler ingest`` read."""
        return self.folder / "exposures.ecsv"

    @property
    def skymap_file(self) -> Path:
        """The sky map."""
        return self.folder / "skymap.json"

    @cached_property
    def pairs(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """Visit and detector of the exposures of each filter, ordered."""
        records = hsc_records()
        pairs: dict[str, tuple[tuple[int, int], ...]] = {}
        for region in records.regions:
            name = records.visits[region.visit].physical_filter
            pairs[name] = (*pairs.get(name, ()), (region.visit, region.detector))
        return pairs


def write_hsc_example(folder: str | PathLike[str]) -> HscExample:
    """Write the exposures, their table, and the sky map.

    The bytes are always the same.

    Parameters
    ----------
    folder
        Where to write; made if it is absent.

    Raises
    ------
    MissingPartError
        Raised when `lsst-daf-butler`, which has the regions, is not installed.
    OutputError
        Raised when the folder cannot be written to.
    """
    example = HscExample(make_folder(folder))
    make_folder(example.folder / "exposures")
    records = hsc_records()
    rows = []
    for region in records.regions:
        exposure = _Simulated(region, records.visits[region.visit])
        path = example.folder / exposure.row["file"]
        with atomic_path(path) as temporary:
            exposure.hdus().writeto(temporary)
        rows.append(exposure.row)
    units = {"zero_point": "mag", "psf_fwhm": "arcsec", "mjd": "d", "exposure_time": "s"}
    with atomic_path(example.table) as temporary:
        Table(rows=rows, units=units).write(temporary, format="ascii.ecsv")
    hsc_skymap().save(example.skymap_file)
    return example


@dataclasses.dataclass(frozen=True)
class _Visit:
    """What all exposures of a visit have in common."""

    zero_point: float
    fwhm: float
    sky_noise: float


@cache
def _conditions(visit: int) -> _Visit:
    rng = np.random.default_rng([_SEED, visit])
    zero_point, fwhm, noise = (rng.uniform(*limits) for limits in (_ZERO_POINTS, _SEEING, _SKY_NOISE))
    return _Visit(round(zero_point, 3), round(fwhm, 2), round(noise, 2))


@cache
def _stars(band: str) -> SkySources:
    rng = np.random.default_rng(_SEED)
    ra, dec, half = _FIELD
    magnitudes = rng.uniform(*_MAGNITUDES, _STARS) + _COLOUR.get(band, 0.0)
    return SkySources(
        ra=ra + rng.uniform(-half, half, _STARS),
        dec=dec + rng.uniform(-half, half, _STARS),
        flux=magnitude_to_njy(magnitudes),
        radius=np.zeros(_STARS),
        index=np.zeros(_STARS),
        axis_ratio=np.ones(_STARS),
        angle=np.zeros(_STARS),
    )


@dataclasses.dataclass(frozen=True)
class _Simulated:
    """One exposure, to be written."""

    region: DetectorRegion
    visit: VisitRecord

    @property
    def row(self) -> dict[str, Any]:
        """Its row in the table."""
        visit, detector, conditions = self.visit, self.region.detector, _conditions(self.visit.visit)
        return {
            "file": f"exposures/{visit.physical_filter}-{visit.visit}-{detector:03d}.fits",
            "image_hdu": "IMAGE",
            "variance_hdu": "VARIANCE",
            "mask_hdu": "MASK",
            "flags": " ".join(f"{name}={value}" for name, value in _PLANES.items()),
            "zero_point": conditions.zero_point,
            "psf_fwhm": conditions.fwhm,
            "band": visit.band,
            "physical_filter": visit.physical_filter,
            "visit": visit.visit,
            "detector": detector,
            "instrument": hsc_records().instrument,
            "mjd": visit.mjd,
            "exposure_time": visit.exposure_time,
        }

    def hdus(self) -> fits.HDUList:
        """Make the pixels: image and variance in counts, and mask."""
        header, box = detector_geometry(self.region)
        conditions = _conditions(self.visit.visit)
        rng = np.random.default_rng([_SEED, self.visit.visit, self.region.detector])
        frame = DetectorFrame(
            instrument=hsc_records().instrument,
            visit=self.visit.visit,
            detector=self.region.detector,
            bbox=box,
        )
        projection = projection_from_header(header, path="simulated", hdu=0, pixel_frame=frame)
        sigma = conditions.fwhm / pixel_scale(projection, box) / FWHM_PER_SIGMA
        flux = render(_stars(self.visit.band), projection, box, sigma)
        model = flux / njy_per_count(conditions.zero_point)
        variance = conditions.sky_noise**2 + model / _GAIN
        image = model + rng.standard_normal(model.shape) * np.sqrt(variance)
        mask = np.zeros(model.shape, dtype=np.uint8)
        hit = tuple(rng.integers(0, size, _COSMIC_RAYS) for size in model.shape)
        image[hit] += 1000.0
        mask[hit] |= _PLANES["COSMIC_RAY"]
        full = image >= _FULL
        image[full] = _FULL
        mask[full] |= _PLANES["SATURATED"]
        # The same column in all visits of a detector.
        mask[:, 10 + self.region.detector % 30] |= _PLANES["BAD"]
        header.update({"INSTRUME": hsc_records().instrument, "VISIT": self.visit.visit})
        header.update({"CCD": self.region.detector, "FILTER": self.visit.physical_filter})
        header["EXPTIME"] = self.visit.exposure_time
        return fits.HDUList(
            [
                fits.PrimaryHDU(),
                fits.ImageHDU(image.astype(np.float32), header=header, name="IMAGE"),
                fits.ImageHDU(mask, name="MASK"),
                fits.ImageHDU(variance.astype(np.float32), name="VARIANCE"),
            ]
        )

"""Bare exposures of one field, as people have them, beside an exposure table that tells all about them."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from .starfields import draw_stars

PIXEL = 0.5
GAIN, NOISE, SKY = 1.5, 10.0, 400.0
"""Electrons per count; scatter of blank sky and its level, in counts."""
ZERO_POINTS = (25.0, 24.9, 24.7, 24.8)
WIDTHS = (2.4, 2.9, 2.0, 3.5)
"""Of the four exposures, in pixels, before light falls on them."""
_CENTRE = (150.1, 2.2)
_SIGNIFICANT = (8e3, 1e5)
"""Counts, at the first zero point: in the exposure that is dim and wide, S/N is above 100."""
_FAINT = (200.0, 4e3)
_PIXEL_FWHM = 2.3548200450309493 / np.sqrt(12.0)


@dataclasses.dataclass(frozen=True)
class PlainField:
    """Stars that four exposures of differing seeing, zero point and pointing see."""

    seed: int
    stars: int = 20
    """Of S/N above 100 in each exposure."""
    faint: int = 0
    slope: float = 0.0
    """Rise of the sky from one corner to the other, relative to its level."""
    side: int = 260

    def truth(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return right ascensions and declinations in degrees, and nJy."""
        rng = np.random.default_rng([self.seed, 0])
        x, y = rng.uniform(20.0, self.side - 21.0, (2, self.stars + self.faint))
        counts = np.append(_fluxes(rng, self.stars, _SIGNIFICANT), _fluxes(rng, self.faint, _FAINT))
        ra, dec = self._wcs(np.zeros(2)).pixel_to_world_values(x, y)
        return ra, dec, counts * self.to_njy(0)

    @staticmethod
    def to_njy(number: int) -> float:
        """Return the nJy of a count."""
        return float(10.0 ** (0.4 * (31.4 - ZERO_POINTS[number])))

    @staticmethod
    def width(number: int) -> float:
        """Return the width of the PSF in arcseconds, with the pixel in it."""
        return PIXEL * float(np.hypot(WIDTHS[number], _PIXEL_FWHM))

    @staticmethod
    def variances() -> list[str]:
        """Return the files with the true variances of the exposures."""
        return [f"variance{number}.fits" for number in range(len(WIDTHS))]

    def write(self, folder: Path) -> Path:
        """Write the exposures into ``bare``, and return the table that says all about them."""
        bare = folder / "bare"
        bare.mkdir()
        rows = [self._write_exposure(bare, number) for number in range(len(WIDTHS))]
        table = folder / "exposures.csv"
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        return table

    def _write_exposure(self, folder: Path, number: int) -> dict[str, object]:
        rng = np.random.default_rng([self.seed, number + 1])
        ra, dec, flux = self.truth()
        wcs = self._wcs(rng.uniform(-8.0, 8.0, 2))
        x, y = wcs.world_to_pixel_values(ra, dec)
        shape = (self.side, self.side)
        light = draw_stars(shape, x, y, flux / self.to_njy(number), fwhm=WIDTHS[number])
        rows, columns = np.indices(shape) / self.side
        sky = SKY * (1.0 + 0.5 * self.slope * (rows + columns))
        variance = NOISE**2 * sky / SKY + light / GAIN
        image = (sky + light + np.sqrt(variance) * rng.normal(size=shape)).astype(np.float32)
        name, variance_name = f"img{number}.fits", self.variances()[number]
        header = wcs.to_header()
        header.update({"INSTRUME": "MyCam", "FILTER": "R", "EXPTIME": 60.0, "GAIN": GAIN})
        header["DATE-OBS"] = f"2026-03-0{number + 1}T03:00:00"
        fits.writeto(folder / name, image, header)
        fits.writeto(folder.parent / variance_name, variance.astype(np.float32))
        return {
            "file": f"bare/{name}", "variance_file": variance_name, "zero_point": ZERO_POINTS[number],
            "psf_fwhm": self.width(number), "band": "R", "visit": number, "detector": 1, "sky": "present",
            "instrument": "MyCam",
        }  # fmt: skip

    def _wcs(self, shift: np.ndarray) -> WCS:
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.crval = np.array(_CENTRE)
        wcs.wcs.crpix = 0.5 * self.side + shift
        wcs.wcs.cdelt = np.array([-PIXEL, PIXEL]) / 3600.0
        return wcs


def _fluxes(rng: np.random.Generator, count: int, limits: tuple[float, float]) -> np.ndarray:
    """Return counts, as many stars per flux squared."""
    low, high = (1.0 / limit for limit in limits)
    return 1.0 / (low + rng.uniform(size=count) * (high - low))

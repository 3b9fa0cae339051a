"""Small exposures of each format, written on the spot."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lamella.data.exposure import ExposureSource
from lamella.formats.recognise import open_exposures

SHAPE = (60, 80)
SCALE = 0.262 / 3600.0


def tan_header(shape: tuple[int, int] = SHAPE, *, ra: float = 180.0, dec: float = 20.0) -> fits.Header:
    """Return a TAN projection centred on an image, in arcseconds of DECam's pixels."""
    return fits.Header(
        {
            "CTYPE1": "RA---TAN",
            "CTYPE2": "DEC--TAN",
            "CUNIT1": "deg",
            "CUNIT2": "deg",
            "CRVAL1": ra,
            "CRVAL2": dec,
            "CRPIX1": 0.5 * (shape[1] + 1),
            "CRPIX2": 0.5 * (shape[0] + 1),
            "CD1_1": -SCALE,
            "CD1_2": 0.0,
            "CD2_1": 0.0,
            "CD2_2": SCALE,
        }
    )


def open_row(folder: Path, **cells: Any) -> ExposureSource:
    """Return the exposure of ``a.fits`` in a folder that a table of one row describes."""
    row = {"file": "a.fits", "zero_point": 27.0, "psf_fwhm": 1.0, "band": "g", "visit": 1, "detector": 1}
    Table([row | cells]).write(folder / "t.ecsv", overwrite=True)
    (source,) = open_exposures([folder / "t.ecsv"])
    return source


@dataclasses.dataclass
class DecamWriter:
    """Writes DECam triplets; each part of them can be changed before it is written."""

    folder: Path
    sky: float = 500.0
    sigma: float = 5.0

    def arrays(self, seed: int = 0) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        image = (self.sky + self.sigma * rng.normal(size=SHAPE)).astype(np.float32)
        weight = np.full(SHAPE, self.sigma**-2, dtype=np.float32)
        return {"i": image, "w": weight, "d": np.zeros(SHAPE, dtype=np.int32)}

    def primary(self, visit: int = 100) -> fits.Header:
        return fits.Header(
            {
                "INSTRUME": "DECam",
                "PROCTYPE": "InstCal",
                "PRODTYPE": "image",
                "EXPNUM": visit,
                "EXPTIME": 100.0,
                "MJD-OBS": 57000.0,
                "FILTER": "r DECam SDSS c0002 6415.0 1480.0",
                "MAGZERO": 30.0,
                "PLVER": "V4.8.2",
            }
        )

    def write(
        self,
        name: str = "c4d_150101_000000_ooi_r_v1.fits",
        *,
        visit: int = 100,
        ccds: dict[str, int] | None = None,
        change: Callable[[dict[str, np.ndarray]], Any] | None = None,
        primary: dict[str, Any] | None = None,
        header: dict[str, Any] | None = None,
        compress: bool = False,
        leave_out: str = "",
    ) -> Path:
        """Write the three files and return the path of the science image."""
        ccds = ccds or {"N3": 34}
        planes = {ccd: self.arrays(1000 * visit + number) for ccd, number in ccds.items()}
        if change is not None:
            for arrays in planes.values():
                change(arrays)
        for letter in "iwd":
            if letter in leave_out:
                continue
            first = self.primary(visit)
            first.update(primary or {})
            hdus: list[Any] = [fits.PrimaryHDU(header=first)]
            for ccd, number in ccds.items():
                cards = tan_header(ra=180.0 + 0.01 * number)
                cards.update({"CCDNUM": number, "FWHM": 4.0} | (header or {}))
                array = planes[ccd][letter]
                if compress:
                    hdu = fits.CompImageHDU(
                        array, header=cards, name=ccd, compression_type="GZIP_1", quantize_level=0
                    )
                else:
                    hdu = fits.ImageHDU(array, header=cards, name=ccd)
                hdus.append(hdu)
            fits.HDUList(hdus).writeto(self.folder / name.replace("_ooi_", f"_oo{letter}_"))
        return self.folder / name


@pytest.fixture
def decam(tmp_path: Path) -> DecamWriter:
    return DecamWriter(tmp_path)


@pytest.fixture
def tan_cards() -> Callable[..., fits.Header]:
    return tan_header

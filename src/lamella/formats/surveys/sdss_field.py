"""Companions of an SDSS field: calibration, noise and PSF."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from lsst.images import Box

from ...errors import InputError, MissingPartError
from ...fits.read import header_number, read_headers, read_table
from ...psf.basis import PolynomialBasisPsf
from .sdss_astrometry import FieldAstrometry

__all__ = ("BANDS", "BandRow", "photon_variance", "read_astrometry", "read_psf")

BANDS = "ugriz"
"""Bands, in the order of the files' columns."""
_STATISTICS_HDU = 6
"""Table of a psField file that holds gain, noise and seeing."""
_PIXELS_FROM_EDGES = 0.5
_PSF_UNIT = 1000.0
"""The PSF's polynomials are in units of 1000 pixels."""


class BandRow:
    """The numbers of one band in a one-row table that has five of each.

    Parameters
    ----------
    path
        The file.
    band
        Name of the band.
    hdu
        The table.
    """

    def __init__(self, path: Path, band: str, hdu: int = 1) -> None:
        self.path = path
        self.rows, _ = read_table(path, hdu)
        self.index = BANDS.index(band)

    def number(self, name: str) -> float:
        """Return a finite number.

        Raises
        ------
        MissingPartError
            Raised when there is no such column.
        InputError
            Raised when the number is not finite.
        """
        if not len(self.rows) or name not in self.rows.names:
            raise MissingPartError(self.path, where=name, found="no such column", expected="five numbers")
        value = float(self.rows[name][0][self.index])
        if not math.isfinite(value):
            raise InputError(self.path, where=name, found=str(value), expected="a finite number")
        return value


def read_astrometry(path: Path, band: str) -> FieldAstrometry:
    """Read the astrometric solution of a tsField file."""
    header = read_headers(path)[0]
    row = BandRow(path, band)
    return FieldAstrometry(
        mu=(row.number("a"), row.number("b"), row.number("c")),
        nu=(row.number("d"), row.number("e"), row.number("f")),
        row_terms=tuple(row.number(f"dRow{n}") for n in range(4)),
        column_terms=tuple(row.number(f"dCol{n}") for n in range(4)),
        node=header_number(header, "NODE", path=path),
        inclination=header_number(header, "INCL", path=path),
    )


def photon_variance(counts: np.ndarray, path: Path, band: str) -> np.ndarray:
    """Return the variance of counts (sky included) by a psField file: photons and dark current."""
    statistics = BandRow(path, band, _STATISTICS_HDU)
    gain, dark = statistics.number("gain"), statistics.number("dark_variance")
    if gain <= 0 or dark < 0:
        numbers = f"gain {gain:g}, dark_variance {dark:g}"
        raise InputError(path, found=numbers, expected="a positive gain and no negative noise")
    return np.asarray(np.maximum(counts, 0) / np.float32(gain) + np.float32(dark))


def read_psf(path: Path, band: str, bbox: Box) -> PolynomialBasisPsf:
    """Read a Karhunen-Loeve PSF: eigen-images, and polynomials of row and column for their amplitudes."""
    images: list[np.ndarray] = []
    powers: list[tuple[int, int]] = []
    coefficients: list[np.ndarray] = []
    for row in read_table(path, 1 + BANDS.index(band))[0]:
        shape = int(row["RNROW"]), int(row["RNCOL"])
        values = np.asarray(row["RROWS"], dtype=float)
        if values.size != shape[0] * shape[1]:
            expected = f"{shape[0]} x {shape[1]}"
            raise InputError(path, where="RROWS", found=f"{values.size} values", expected=expected)
        images.append(values.reshape(shape))
        powers.append((int(row["nrow_b"]), int(row["ncol_b"])))
        coefficients.append(np.array(row["c"][: powers[-1][0], : powers[-1][1]], dtype=float))
    if not images or len(set(powers)) != 1:
        raise InputError(path, where="nrow_b, ncol_b", found=str(powers), expected="the same for all images")
    edges = (-_PIXELS_FROM_EDGES, -_PIXELS_FROM_EDGES)
    return PolynomialBasisPsf(
        np.stack(images), np.stack(coefficients), bbox, zero=edges, scale=(_PSF_UNIT, _PSF_UNIT)
    )

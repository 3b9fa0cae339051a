"""The astrometric solution of an SDSS field, and its form as a FITS projection.

SDSS scans along great circles.  A ``tsField`` file maps rows and columns,
corrected by cubic polynomials of the column for the optics, to coordinates
(mu, nu) on the great circle by an affine transformation (Pier et al. 2003).
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.polynomial.polynomial import polyval

from ...errors import ProjectionError
from ...fits.read import Header

__all__ = ("FieldAstrometry", "fit_projection")

_ORDER = 4
"""Order of the SIP polynomials."""
_TOLERANCE_MAS = 1.0
_FIRST_PIXEL_CENTRE = 0.5
"""SDSS counts rows and columns from the edge of the first pixel."""


@dataclasses.dataclass(frozen=True)
class FieldAstrometry:
    """Pixels of one band of a field to the sky.

    Attributes
    ----------
    mu, nu
        Coefficients (constant, row, column) in degrees.
    row_terms, column_terms
        Corrections of row and column: polynomials of the column, in pixels.
    node, inclination
        The great circle: RA of its ascending node, and inclination to the
        equator, in degrees.
    """

    mu: tuple[float, float, float]
    nu: tuple[float, float, float]
    row_terms: tuple[float, ...] = ()
    column_terms: tuple[float, ...] = ()
    node: float = 95.0
    inclination: float = 0.0

    def to_sky(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return RA and Dec in degrees of pixel positions, the first pixel being at (0, 0).

        The small term that depends on a source's colour is left out.
        """
        column, row = np.asarray(x) + _FIRST_PIXEL_CENTRE, np.asarray(y) + _FIRST_PIXEL_CENTRE
        row = row + polyval(column, self.row_terms or (0.0,))
        column = column + polyval(column, self.column_terms or (0.0,))
        mu, nu = (c[0] + c[1] * row + c[2] * column for c in (self.mu, self.nu))
        # From the great circle to the equator.
        along, across, tilt = np.radians(mu - self.node), np.radians(nu), math.radians(self.inclination)
        a = np.cos(along) * np.cos(across)
        b = np.sin(along) * np.cos(across) * math.cos(tilt) - np.sin(across) * math.sin(tilt)
        c = np.sin(along) * np.cos(across) * math.sin(tilt) + np.sin(across) * math.cos(tilt)
        ra = (np.degrees(np.arctan2(b, a)) + self.node) % 360.0
        return ra, np.degrees(np.arctan2(c, np.hypot(a, b)))


def fit_projection(astrometry: FieldAstrometry, shape: tuple[int, int], path: Path) -> tuple[Header, float]:
    """Express a solution as a TAN-SIP projection.

    Parameters
    ----------
    astrometry
        The solution.
    shape
        Shape (y, x) of the image.
    path
        File, for messages.

    Returns
    -------
    `astropy.io.fits.Header`
        The projection.
    `float`
        Largest error of the fit over the image, in milliarcseconds.

    Raises
    ------
    ProjectionError
        Raised when the solution is not finite, or the error exceeds 1 mas.
    """
    height, width = shape
    x0, y0 = 0.5 * (width - 1), 0.5 * (height - 1)
    x, y = (
        axis.ravel() for axis in np.meshgrid(np.linspace(0, width - 1, 33), np.linspace(0, height - 1, 33))
    )
    ra0, dec0 = (float(angle) for angle in astrometry.to_sky(np.array(x0), np.array(y0)))
    # Gnomonic projection about the middle: degrees east and north.
    ra, dec = astrometry.to_sky(x, y)
    a, d, d0 = np.radians(ra - ra0), np.radians(dec), math.radians(dec0)
    depth = np.sin(d) * math.sin(d0) + np.cos(d) * math.cos(d0) * np.cos(a)
    xi = np.degrees(np.cos(d) * np.sin(a) / depth)
    eta = np.degrees((np.sin(d) * math.cos(d0) - np.cos(d) * math.sin(d0) * np.cos(a)) / depth)
    if not (np.isfinite(xi).all() and np.isfinite(eta).all()):
        raise ProjectionError(path, found="a solution that is not finite", expected="pixels to sky")
    matrix, terms, error = _fit_polynomial(x - x0, y - y0, xi, eta)
    error_mas = 3.6e6 * error
    if error_mas > _TOLERANCE_MAS:
        fit = f"a solution that TAN-SIP fits to {error_mas:.2g} mas only"
        raise ProjectionError(path, found=fit, expected=f"{_TOLERANCE_MAS:g} mas")
    return _header((x0, y0), (ra0, dec0), matrix, terms), error_mas


type _Terms = dict[tuple[int, int], np.ndarray]

# The reference point maps to itself, so that there is no constant.
_POWERS = [(p, q) for p in range(_ORDER + 1) for q in range(_ORDER + 1 - p) if p + q > 0]


def _fit_polynomial(
    u: np.ndarray, v: np.ndarray, xi: np.ndarray, eta: np.ndarray
) -> tuple[np.ndarray, _Terms, float]:
    """Fit the CD matrix and the SIP terms; return them and the largest error in degrees."""
    # Scaled to the unit square, or high powers of pixels would swamp the fit.
    size = float(max(np.abs(u).max(), np.abs(v).max()))
    design = np.stack([(u / size) ** p * (v / size) ** q for p, q in _POWERS], axis=1)
    values = np.stack([xi, eta], axis=1)
    solution = np.linalg.lstsq(design, values, rcond=None)[0]
    error = float(np.hypot(*(design @ solution - values).T).max())
    terms = {power: solution[n] / size ** sum(power) for n, power in enumerate(_POWERS)}
    matrix = np.stack([terms[1, 0], terms[0, 1]], axis=1)
    return matrix, {power: np.linalg.solve(matrix, t) for power, t in terms.items() if sum(power) > 1}, error


def _header(
    pixel: tuple[float, float], sky: tuple[float, float], matrix: np.ndarray, terms: _Terms
) -> Header:
    cards: dict[str, str | int | float] = {"RADESYS": "ICRS", "A_ORDER": _ORDER, "B_ORDER": _ORDER}
    for axis, name in ((0, "RA---TAN-SIP"), (1, "DEC--TAN-SIP")):
        cards[f"CTYPE{axis + 1}"] = name
        cards[f"CUNIT{axis + 1}"] = "deg"
        cards[f"CRPIX{axis + 1}"] = pixel[axis] + 1.0
        cards[f"CRVAL{axis + 1}"] = sky[axis]
        for other in (0, 1):
            cards[f"CD{axis + 1}_{other + 1}"] = float(matrix[axis, other])
        for (p, q), value in terms.items():
            cards[f"{'AB'[axis]}_{p}_{q}"] = float(value[axis])
    return fits.Header(cards)

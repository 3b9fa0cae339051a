"""The simulated camera and its visits: where detectors point, and their TAN-SIP headers."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from lsst.images import Box, DetectorFrame, SkyProjection

from ..data.photometry import njy_per_count
from .config import SurveyConfig
from .spherical import convergence, offset_sky

if TYPE_CHECKING:
    from astropy.io.fits import Header

__all__ = (
    "INSTRUMENT",
    "Visit",
    "detector_box",
    "detector_centre",
    "detector_projection",
    "plan_visits",
    "random_stream",
    "wcs_header",
)

INSTRUMENT = "LamellaSim"


_SIGMA_PER_FWHM = 1.0 / np.sqrt(8.0 * np.log(2.0))
_SIP_ORDER = 3
_INVERSE_ORDERS = range(4, 10)  # FITS headers have one digit for it
_INVERSE_ACCURACY = 3e-7  # px
_STREAMS = ("visit", "detector", "columns", "sources", "noise", "cosmic rays", "satellite", "asteroid")


def random_stream(config: SurveyConfig, purpose: str, *key: int) -> np.random.Generator:
    """Return the random numbers for one purpose.

    Each purpose, and each visit and detector, has a stream of its own, so
    that no draw depends on the order in which exposures are made.

    Parameters
    ----------
    config
        Gives the seed.
    purpose
        One of a fixed list.
    *key
        Which visit, detector, ...
    """
    spawn_key = (_STREAMS.index(purpose), *key)
    return np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=spawn_key))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One pointing of the camera.

    Attributes
    ----------
    visit
        Number.
    band
        Passband.
    mjd
        Middle of the exposure.
    ra, dec
        Where the camera's centre points, degrees.
    rotation
        Position angle of the rows' normal (+y) there, degrees east of north.
    psf_fwhm
        Arcseconds.
    sky_noise
        nJy per pixel.
    zero_point
        AB magnitude of one count.
    satellite
        Whether a satellite crosses the field.
    """

    visit: int
    band: str
    mjd: float
    ra: float
    dec: float
    rotation: float
    psf_fwhm: float
    sky_noise: float
    zero_point: float
    satellite: bool

    @property
    def to_njy(self) -> float:
        """NJy per count."""
        return njy_per_count(self.zero_point)

    def psf_sigma(self, pixel_scale: float) -> float:
        """Return the standard deviation of the PSF in pixels of a scale in arcseconds."""
        return float(self.psf_fwhm * _SIGMA_PER_FWHM / pixel_scale)


@lru_cache(maxsize=64)
def plan_visits(config: SurveyConfig) -> dict[int, Visit]:
    """Return the visits of a survey, by number; bands take turns."""
    visits = {}
    for k, number in enumerate(config.visits):
        rng = random_stream(config, "visit", k)
        turn, band = divmod(k, len(config.bands))
        east, north = rng.uniform(-config.dither, config.dither, 2)
        turns = random_stream(config, "satellite", band).permutation(config.visits_per_band)
        ra, dec = offset_sky(config.ra, config.dec, east, north)
        visits[number] = Visit(
            visit=config.first_visit + k,
            band=config.bands[band],
            mjd=round(config.first_mjd + k * config.cadence / 1440.0, 8),
            ra=round(float(ra), 9),
            dec=round(float(dec), 9),
            rotation=round(rng.uniform(-config.rotation, config.rotation), 6),
            psf_fwhm=round(rng.uniform(*config.seeing), 4),
            sky_noise=round(rng.uniform(*config.sky_noise), 3),
            zero_point=round(rng.uniform(*config.zero_point), 4),
            satellite=turn in turns[: config.satellites].tolist(),
        )
    return visits


def detector_box(config: SurveyConfig) -> Box:
    """Return the box of a detector's pixels."""
    rows, columns = config.detector_shape
    return Box.factory[0:rows, 0:columns]


def detector_centre(config: SurveyConfig, visit: Visit, detector: int) -> tuple[float, float, float]:
    """Return where the centre of a detector points, and the position angle of its +y there (degrees)."""
    height, width = config.detector_shape
    rows, columns = config.detector_grid
    row, column = divmod(detector, columns)
    x = (column - (columns - 1) / 2) * (width + config.chip_gap)
    y = (row - (rows - 1) / 2) * (height + config.chip_gap)
    east, north = _cd_matrix(config, visit.rotation) @ [x, y]
    ra, dec = (float(v) for v in offset_sky(visit.ra, visit.dec, 3600 * east, 3600 * north))
    return ra, dec, visit.rotation + convergence(visit.ra, visit.dec, ra, dec)


def _cd_matrix(config: SurveyConfig, rotation: float) -> np.ndarray:
    """Return d(east, north) / d(x, y) in degrees per pixel; east is to the left of north."""
    scale, angle = config.pixel_scale / 3600.0, np.radians(rotation)
    sin, cos = np.sin(angle), np.cos(angle)
    return scale * np.array([[-cos, sin], [sin, cos]])


def wcs_header(config: SurveyConfig, visit: Visit, detector: int) -> Header:
    """Return the projection of a detector as FITS cards: TAN-SIP, or TAN without distortion.

    The reference pixel is the centre of the detector, and the distortion has
    no linear part, so that the pixel scale there is the nominal one.
    """
    from astropy.io.fits import Header

    height, width = config.detector_shape
    ra, dec, rotation = detector_centre(config, visit, detector)
    cd = _cd_matrix(config, rotation)
    suffix = "-SIP" if config.distortion > 0 else ""
    cards: list[tuple[str, str | int | float]] = [("WCSAXES", 2), ("CTYPE1", f"RA---TAN{suffix}")]
    cards += [("CTYPE2", f"DEC--TAN{suffix}"), ("CUNIT1", "deg"), ("CUNIT2", "deg"), ("RADESYS", "ICRS")]
    cards += [("CRPIX1", (width + 1) / 2), ("CRPIX2", (height + 1) / 2), ("CRVAL1", ra), ("CRVAL2", dec)]
    cards += [(f"CD{i + 1}_{j + 1}", float(cd[i, j])) for i, j in np.ndindex(2, 2)]
    if config.distortion > 0:
        for name, terms in zip(("A", "B", "AP", "BP"), _distortion(config, detector), strict=False):
            cards.append((f"{name}_ORDER", max(p + q for p, q in terms)))
            cards += [(f"{name}_{p}_{q}", value) for (p, q), value in terms.items()]
    # The general way to format cards costs more time than the pixels.  Tools that copy projections keep 12
    # digits: give no more.
    text = ""
    for name, value in cards:
        form = "'{:8}'" if isinstance(value, str) else "{:20.11E}" if isinstance(value, float) else "{:20d}"
        text += f"{name:8}= {form.format(value)}".ljust(80)
    return Header.fromstring(text)


type _Polynomial = dict[tuple[int, int], float]


@lru_cache(maxsize=256)
def _distortion(config: SurveyConfig, detector: int) -> tuple[_Polynomial, ...]:
    """Return the SIP polynomials A, B and, if there are, AP, BP of a detector; all visits have the same."""
    rng = random_stream(config, "detector", detector)
    terms = [(p, q) for p in range(_SIP_ORDER + 1) for q in range(_SIP_ORDER + 1 - p) if p + q >= 2]
    half = np.array(config.detector_shape[::-1]) / 2.0
    size = float(np.hypot(*half))
    drawn = rng.normal(size=(2, len(terms)))
    a, b = ({term: c / size ** sum(term) for term, c in zip(terms, row, strict=True)} for row in drawn)
    u, v = (grid.ravel() for grid in np.meshgrid(*(np.linspace(-h, h, 21) for h in half)))
    factor = config.distortion / np.hypot(_evaluate(a, u, v), _evaluate(b, u, v)).max()
    a, b = ({term: float(f"{c * factor:.11e}") for term, c in p.items()} for p in (a, b))
    return (a, b, *_invert(a, b, half))


def _evaluate(polynomial: _Polynomial, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    total: np.ndarray = sum((value * u**p * v**q for (p, q), value in polynomial.items()), np.zeros_like(u))
    return total


def _invert(a: _Polynomial, b: _Polynomial, half: np.ndarray) -> tuple[_Polynomial, ...]:
    """Fit the inverse polynomials AP, BP over the detector and a margin, by least squares.

    They have the lowest order that is accurate enough.  Where none is, there
    are no such polynomials: tools then iterate.
    """
    reach = half + 0.2 * half.max()
    u, v = (grid.ravel() for grid in np.meshgrid(*(np.linspace(-r, r, 25) for r in reach)))
    shifts = np.stack([_evaluate(a, u, v), _evaluate(b, u, v)], axis=-1)
    scale = float(reach.max())
    s, t = (u + shifts[:, 0]) / scale, (v + shifts[:, 1]) / scale
    for order in _INVERSE_ORDERS:
        terms = [(p, q) for p in range(order + 1) for q in range(order + 1 - p) if p + q >= 1]
        basis = np.stack([s**p * t**q for p, q in terms], axis=-1)
        fit = np.linalg.lstsq(basis, -shifts, rcond=None)[0]
        if np.abs(basis @ fit + shifts).max() < _INVERSE_ACCURACY:
            rows = (fit / scale ** np.array([[p + q] for p, q in terms])).T
            return tuple(dict(zip(terms, map(float, row), strict=True)) for row in rows)
    return ()


@lru_cache(maxsize=1024)
def detector_projection(
    config: SurveyConfig, visit_number: int, detector: int
) -> SkyProjection[DetectorFrame]:
    """Return the projection of a detector in a visit, just as a reader of its file makes it."""
    from astropy.wcs import WCS

    box = detector_box(config)
    header = wcs_header(config, plan_visits(config)[visit_number], detector)
    frame = DetectorFrame(instrument=INSTRUMENT, visit=visit_number, detector=detector, bbox=box)
    return SkyProjection.from_fits_wcs(WCS(header), frame, pixel_bounds=box)

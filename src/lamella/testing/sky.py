"""What is on the simulated sky: stars, galaxies and asteroids."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..data.photometry import AB_FLUX_NJY
from .camera import Visit, random_stream
from .config import BAND_WAVELENGTHS, SurveyConfig
from .render import SkySources
from .spherical import offset_sky

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ("Asteroid", "magnitude_to_njy", "make_asteroids", "make_catalogue", "sources_in_band")

_REFERENCE = "r"
_TRIES = 200
_COLUMNS = {
    "ra": ("deg", "Right ascension, ICRS."),
    "dec": ("deg", "Declination, ICRS."),
    "radius": ("arcsec", "Half-light radius along the major axis; 0 for a star."),
    "index": ("", "Sersic index; 0 for a star."),
    "axis_ratio": ("", "Minor over major axis."),
    "angle": ("deg", "Position angle of the major axis, east of north."),
}


def magnitude_to_njy(magnitude: np.ndarray | float) -> np.ndarray:
    """Convert AB magnitudes to nJy."""
    return np.asarray(AB_FLUX_NJY * 10.0 ** (-0.4 * np.asarray(magnitude)))


@dataclasses.dataclass
class _Drawn:
    """Sources as they are drawn: offsets and half-light radii in arcseconds."""

    kind: list[str] = dataclasses.field(default_factory=list)
    east: list[float] = dataclasses.field(default_factory=list)
    north: list[float] = dataclasses.field(default_factory=list)
    magnitude: list[float] = dataclasses.field(default_factory=list)
    slope: list[float] = dataclasses.field(default_factory=list)
    radius: list[float] = dataclasses.field(default_factory=list)
    index: list[float] = dataclasses.field(default_factory=list)
    axis_ratio: list[float] = dataclasses.field(default_factory=list)
    angle: list[float] = dataclasses.field(default_factory=list)

    def add(self, kind: str, offsets: np.ndarray, magnitude: float, slope: float, *shape: float) -> None:
        """Take a source in; ``shape`` is radius, index, axis ratio and angle."""
        values = (kind, *offsets.tolist(), magnitude, slope, *(shape or (0.0, 0.0, 1.0, 0.0)))
        for field, value in zip(dataclasses.fields(self), values, strict=True):
            getattr(self, field.name).append(value)

    def is_free(self, offsets: np.ndarray, radius: float, isolation: float) -> bool:
        """Tell whether a source of some radius can be put at a place."""
        distance = np.hypot(np.array(self.east) - offsets[0], np.array(self.north) - offsets[1])
        star = radius == 0
        needed = np.where(
            (np.array(self.kind) == "star") | star, isolation + np.array(self.radius) + radius, 0.0
        )
        return bool(np.all(distance >= needed))


def make_catalogue(config: SurveyConfig) -> Table:
    """Return the stars and galaxies of a survey.

    Returns
    -------
    `astropy.table.Table`
        Columns ``id``, ``kind`` (``"star"`` or ``"galaxy"``), ``ra``, ``dec``
        (degrees), ``radius`` (half-light radius, arcseconds), ``index``
        (Sersic), ``axis_ratio``, ``angle`` (degrees), and ``flux_<band>``
        (nJy) for each band.  Every star is isolated as the configuration
        says.
    """
    return _make_catalogue(config).copy()


@lru_cache(maxsize=16)
def _make_catalogue(config: SurveyConfig) -> Table:
    from astropy.table import Table

    rng = random_stream(config, "sources")
    drawn = _Drawn()
    for count, limits in (
        (config.bright_stars, config.bright_magnitudes),
        (config.stars, config.star_magnitudes),
    ):
        for _ in range(count):
            magnitude, slope = rng.uniform(*limits), rng.uniform(-1.5, 3.0)
            offsets = _find_place(config, rng, drawn, 0.0)
            if offsets is not None:
                drawn.add("star", offsets, magnitude, slope)
    for _ in range(config.galaxies):
        # A blue disc or a red spheroid: faint ones are more frequent, and bright ones larger.
        bright, faint = config.galaxy_magnitudes
        magnitude = bright + (faint - bright) * rng.power(2.5)
        red = rng.random() < 0.35
        radius = float(np.clip(0.45 * 10 ** (0.13 * (22.5 - magnitude)) * rng.lognormal(0.0, 0.3), 0.15, 2.0))
        slope = rng.normal(2.6, 0.3) if red else rng.normal(0.3, 0.5)
        axis_ratio = rng.uniform(0.6, 1.0) if red else rng.uniform(0.25, 1.0)
        angle = rng.uniform(0.0, 180.0)
        offsets = _find_place(config, rng, drawn, radius)
        if offsets is not None:
            drawn.add("galaxy", offsets, magnitude, slope, radius, 2.5 if red else 1.0, axis_ratio, angle)
    ra, dec = offset_sky(config.ra, config.dec, np.array(drawn.east), np.array(drawn.north))
    table = Table()
    table["id"] = np.arange(1, len(ra) + 1)
    table["kind"] = np.array(drawn.kind, dtype="U6")
    values = {"ra": ra, "dec": dec} | {name: getattr(drawn, name) for name in list(_COLUMNS)[2:]}
    for name, (unit, text) in _COLUMNS.items():
        table[name] = np.array(values[name], dtype=float)
        table[name].unit, table[name].description = unit or None, text
    for band in config.bands:
        # Fluxes follow power laws of the wavelength.
        ratio = BAND_WAVELENGTHS[band] / BAND_WAVELENGTHS[_REFERENCE]
        flux = magnitude_to_njy(np.array(drawn.magnitude)) * ratio ** np.array(drawn.slope)
        table[f"flux_{band}"] = flux
        table[f"flux_{band}"].unit, table[f"flux_{band}"].description = "nJy", f"Flux in {band}."
    return table


def _find_place(
    config: SurveyConfig, rng: np.random.Generator, drawn: _Drawn, radius: float
) -> np.ndarray | None:
    """Return free offsets (east, north), or nothing where the field is full."""
    north, east = (size / 2 for size in config.field_size)
    for offsets in rng.uniform((-east, -north), (east, north), (_TRIES, 2)):
        if drawn.is_free(offsets, radius, config.isolation):
            return np.asarray(offsets)
    return None


def sources_in_band(catalogue: Table, band: str) -> SkySources:
    """Return the rows of a catalogue as sources in one band.

    Parameters
    ----------
    catalogue
        As `make_catalogue` makes it.
    band
        Which ``flux_<band>`` column to take.
    """
    columns = {name: np.asarray(catalogue[name], dtype=float) for name in _COLUMNS}
    return SkySources(flux=np.asarray(catalogue[f"flux_{band}"], dtype=float), **columns)


@dataclasses.dataclass(frozen=True, slots=True)
class Asteroid:
    """A point source that moves in a straight line.

    Attributes
    ----------
    number
        Counts from 0.
    ra, dec
        Position at ``mjd``, degrees.
    mjd
        When.
    east, north
        Motion in arcseconds per minute.
    flux
        nJy in all bands.
    """

    number: int
    ra: float
    dec: float
    mjd: float
    east: float
    north: float
    flux: float

    def position(self, mjd: float) -> tuple[float, float]:
        """Return right ascension and declination (degrees) at a time."""
        minutes = (mjd - self.mjd) * 1440.0
        ra, dec = offset_sky(self.ra, self.dec, self.east * minutes, self.north * minutes)
        return float(ra), float(dec)

    def in_visit(self, visit: Visit) -> SkySources:
        """Return it as a source at the middle of a visit."""
        ra, dec = self.position(visit.mjd)
        values = (ra, dec, self.flux, 0.0, 0.0, 1.0, 0.0)
        return SkySources(*(np.array([value]) for value in values))


@lru_cache(maxsize=16)
def make_asteroids(config: SurveyConfig) -> tuple[Asteroid, ...]:
    """Return the asteroids of a survey; they are near the field's centre halfway through it."""
    middle = config.first_mjd + (len(config.visits) - 1) / 2 * config.cadence / 1440.0
    flux = float(magnitude_to_njy(config.asteroid_magnitude))
    reach = min(config.field_size) / 6
    asteroids = []
    for number in range(config.asteroids):
        rng = random_stream(config, "asteroid", number)
        ra, dec = offset_sky(config.ra, config.dec, *rng.uniform(-reach, reach, 2))
        angle = rng.uniform(0.0, 2 * np.pi)
        east, north = config.asteroid_rate * np.sin(angle), config.asteroid_rate * np.cos(angle)
        asteroids.append(Asteroid(number, float(ra), float(dec), middle, float(east), float(north), flux))
    return tuple(asteroids)

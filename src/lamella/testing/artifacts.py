"""What single exposures show that is not on the static sky: cosmic rays, satellites, asteroids."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from lsst.images import SkyProjection

from .camera import Visit, detector_box, detector_centre, detector_projection, plan_visits, random_stream
from .config import SurveyConfig
from .render import draw_gaussians, project
from .sky import make_asteroids
from .spherical import offset_sky

__all__ = ("ARTIFACT_KINDS", "Artifact", "Injection", "draw_track", "inject_artifacts")

ARTIFACT_KINDS = ("COSMIC_RAY", "SATELLITE", "ASTEROID")
"""Kinds of artifacts, in the order of their bits in the truth masks."""

_THRESHOLD = 0.1  # of the sky noise: fainter parts are not injected, so that the truth mask is exact


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One artifact in one exposure.

    Attributes
    ----------
    visit, detector
        Where it is.
    kind
        One of `ARTIFACT_KINDS`.
    x, y
        One end, or the centre, in pixels of the detector (0-based).
    x_end, y_end
        The other end; the centre again for an asteroid.
    peak
        Largest injected value, nJy per pixel.
    pixels
        Number of pixels that got some of it.
    masked
        Whether the mask of the exposure tells of it.
    """

    visit: int
    detector: int
    kind: str
    x: float
    y: float
    x_end: float
    y_end: float
    peak: float
    pixels: int
    masked: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Injection:
    """All artifacts of one exposure.

    Attributes
    ----------
    image
        What was added, of shape (y, x), float64, nJy per pixel.
    planes
        By kind: which pixels got some of it, of shape (y, x), bool.
    masked
        Pixels that the mask of the exposure flags as COSMIC_RAY, of shape (y, x), bool.
    records
        The artifacts.
    """

    image: np.ndarray
    planes: dict[str, np.ndarray]
    masked: np.ndarray
    records: tuple[Artifact, ...]


_ENDS = ("x", "y", "x_end", "y_end")

type _Ends = tuple[float, float, float, float]


class _Painter:
    """Collects the artifacts of one exposure."""

    def __init__(self, config: SurveyConfig, visit: Visit, detector: int) -> None:
        shape = config.detector_shape
        self.visit, self.detector = visit, detector
        self.floor = _THRESHOLD * visit.sky_noise
        self.image = np.zeros(shape)
        self.planes = {kind: np.zeros(shape, dtype=bool) for kind in ARTIFACT_KINDS}
        self.masked = np.zeros(shape, dtype=bool)
        self.records: list[Artifact] = []

    def add(self, kind: str, signal: np.ndarray, ends: _Ends, *, masked: bool = False) -> None:
        """Add an image of one artifact, without its faintest parts."""
        touched = signal > self.floor
        if not touched.any():
            return
        self.image[touched] += signal[touched]
        self.planes[kind] |= touched
        if masked:
            self.masked |= touched
        self.records.append(
            Artifact(
                visit=self.visit.visit,
                detector=self.detector,
                kind=kind,
                **{name: round(float(v), 3) for name, v in zip(_ENDS, ends, strict=True)},
                peak=round(float(signal.max()), 3),
                pixels=int(touched.sum()),
                masked=masked,
            )
        )


def inject_artifacts(config: SurveyConfig, visit: int, detector: int) -> Injection:
    """Make the artifacts of one exposure.

    Parameters
    ----------
    config
        The survey.
    visit, detector
        The exposure.
    """
    painter = _Painter(config, plan_visits(config)[visit], detector)
    projection = detector_projection(config, visit, detector)
    rng = random_stream(config, "cosmic rays", painter.visit.visit, painter.detector)
    for _ in range(config.cosmic_rays):
        signal, ends = draw_track(rng, config.detector_shape, painter.visit.sky_noise)
        painter.add("COSMIC_RAY", signal, ends, masked=rng.random() >= config.unmasked_cosmic_rays)
    if painter.visit.satellite:
        _add_satellite(config, painter, projection)
    box, sigma = detector_box(config), painter.visit.psf_sigma(config.pixel_scale)
    ra, dec, _ = detector_centre(config, painter.visit, painter.detector)
    # As far from the centre of a detector, in arcseconds, a point source can still touch it.
    reach = config.pixel_scale * (0.5 * float(np.hypot(*config.detector_shape)) + 60.0)
    for asteroid in make_asteroids(config):
        source = asteroid.in_visit(painter.visit)
        offsets = _tangent_offsets(painter.visit, float(source.ra[0]), float(source.dec[0]))
        if np.hypot(*(offsets - _tangent_offsets(painter.visit, ra, dec))) > reach:
            continue
        spot = project(source, projection, sigma)
        ends = (spot.x[0], spot.y[0], spot.x[0], spot.y[0])
        painter.add("ASTEROID", draw_gaussians(spot, box), ends)
    return Injection(painter.image, painter.planes, painter.masked, tuple(painter.records))


def draw_track(
    rng: np.random.Generator, shape: tuple[int, int], sky_noise: float
) -> tuple[np.ndarray, _Ends]:
    """Draw the sharp track of a cosmic ray, one pixel wide: 12 to 400 times the noise of the sky.

    Parameters
    ----------
    rng
        Source of all random numbers.
    shape
        Rows and columns of the detector.
    sky_noise
        Noise of the sky in one pixel.

    Returns
    -------
    signal
        Image of shape (y, x), float64, in the unit of the noise.
    ends
        Positions x, y of the start and x, y of the end, in pixels.
    """
    height, width = shape
    x, y = rng.uniform(0, width - 1), rng.uniform(0, height - 1)
    length, angle = 1.0 + rng.exponential(5.0), rng.uniform(0, 2 * np.pi)
    energy = sky_noise * 10.0 ** rng.uniform(np.log10(12.0), np.log10(400.0))
    steps = np.arange(0.0, length, 0.25)
    xs, ys = x + steps * np.cos(angle), y + steps * np.sin(angle)
    rows, columns = np.rint(ys).astype(int), np.rint(xs).astype(int)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    signal = np.zeros(shape)
    signal[rows[inside], columns[inside]] = energy * rng.uniform(0.6, 1.4, len(steps))[inside]
    return signal, (x, y, xs[-1], ys[-1])


def _add_satellite(config: SurveyConfig, painter: _Painter, projection: SkyProjection[Any]) -> None:
    """Draw a straight trail with the profile of the PSF across it."""
    # Two points of the trail, about where it comes closest to the centre of the detector.
    rng = random_stream(config, "satellite", painter.visit.visit, 1)
    reach = min(config.field_size) / 8
    start, angle = rng.uniform(-reach, reach, 2), rng.uniform(0.0, np.pi)
    direction = np.array([np.sin(angle), np.cos(angle)])
    ra, dec, _ = detector_centre(config, painter.visit, painter.detector)
    centre = _tangent_offsets(painter.visit, ra, dec)
    closest = start + direction * float((centre - start) @ direction)
    half = 0.5 * config.pixel_scale * float(np.hypot(*config.detector_shape))
    east, north = np.array([closest - half * direction, closest + half * direction]).T
    lon, lat = np.radians(offset_sky(painter.visit.ra, painter.visit.dec, east, north))
    point = projection.sky_to_pixel_transform.apply_forward(x=lon, y=lat)
    x, y, x_end, y_end = (float(end) for end in (point.x[0], point.y[0], point.x[1], point.y[1]))
    grid = detector_box(config).meshgrid()
    length = np.hypot(x_end - x, y_end - y)
    distance = ((grid.x - x) * (y_end - y) - (grid.y - y) * (x_end - x)) / length
    sigma = painter.visit.psf_sigma(config.pixel_scale)
    peak = config.satellite_peak * painter.visit.sky_noise
    painter.add("SATELLITE", peak * np.exp(-0.5 * (distance / sigma) ** 2), (x, y, x_end, y_end))


def _tangent_offsets(visit: Visit, ra: float, dec: float) -> np.ndarray:
    """Return the gnomonic offsets (east, north) of a position from a visit's centre, in arcseconds."""
    a, d, d0 = np.radians([ra - visit.ra, dec, visit.dec])
    towards = np.sin(d0) * np.sin(d) + np.cos(d0) * np.cos(d) * np.cos(a)
    east = np.cos(d) * np.sin(a) / towards
    north = (np.cos(d0) * np.sin(d) - np.sin(d0) * np.cos(d) * np.cos(a)) / towards
    return np.degrees([east, north]) * 3600.0

"""Artifacts of single exposures in known numbers and brightnesses, to measure what finds them.

`lamella.testing.artifacts` gives the demo survey a few artifacts; here they
span the ranges that matter for the rejection of artifacts: trails from faint
to bright and from sharp to blurred, cosmic rays that no mask tells of, moving
objects, and ghosts far below the noise of a pixel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from lamella.config import Config, option
from lamella.testing.artifacts import draw_track
from lamella.testing.config import Finite, Positive

__all__ = ("KINDS", "Injected", "InjectionConfig", "draw_ghost", "draw_trail", "inject")

KINDS = ("SATELLITE", "COSMIC_RAY", "ASTEROID", "GHOST")
"""Kinds of artifacts."""

type _Range = tuple[Positive, Positive]


class InjectionConfig(Config):
    """How many artifacts of each kind a visit has, and how they look.

    Numbers are means of Poisson distributions.  Peaks are in units of the
    noise of the sky in one pixel and are drawn with equal probability per
    decade; other pairs are drawn from uniformly.
    """

    satellites: float = option(0.6, "Satellite trails per visit.", ge=0)
    cosmic_rays: float = option(4.0, "Cosmic rays per visit, none of them masked.", ge=0)
    asteroids: float = option(1.5, "Moving objects per visit.", ge=0)
    ghosts: float = option(0.6, "Ghosts per visit.", ge=0)
    satellite_peak: _Range = option((1.5, 50.0), "Peak of a trail.", unit="sigma")
    satellite_width: _Range = option((1.0, 3.0), "Width of a trail, relative to that of the PSF.")
    satellite_inside: float = option(
        0.3, "Fraction of trails with an end inside of the detector.", ge=0, le=1
    )
    asteroid_peak: _Range = option((5.0, 100.0), "Peak of a moving object.", unit="sigma")
    asteroid_trailed: float = option(0.5, "Fraction of moving objects that are trailed.", ge=0, le=1)
    asteroid_length: _Range = option((3.0, 30.0), "Length of their trails.", unit="px")
    ghost_peak: _Range = option((0.3, 3.0), "Surface brightness of a ghost.", unit="sigma")
    ghost_size: _Range = option((30.0, 200.0), "Diameter of a ghost.", unit="px")
    variable_stars: float = option(0.25, "Fraction of the stars that vary.", ge=0, le=1)
    variable_amplitude: tuple[Finite, Finite] = option(
        (0.1, 1.5), "Largest departure from the mean magnitude.", unit="mag"
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Injected:
    """One artifact.

    Attributes
    ----------
    kind
        One of `KINDS`.
    peak
        Largest value over the noise of the sky in one pixel.
    signal
        What it adds in units of that noise: shape (y, x) of the detector, float32.
    """

    kind: str
    peak: float
    signal: np.ndarray


_DIM = 0.01  # of the noise of the sky: fainter parts are left out


def inject(
    config: InjectionConfig, rng: np.random.Generator, shape: tuple[int, int], psf_sigma: float
) -> Iterator[Injected]:
    """Draw the artifacts of one exposure.

    Parameters
    ----------
    config
        How many, and how they look.
    rng
        Source of all random numbers.
    shape
        Rows and columns of the detector.
    psf_sigma
        Standard deviation of its PSF in pixels.
    """
    draw: dict[str, tuple[float, Callable[[], np.ndarray]]] = {
        "SATELLITE": (config.satellites, lambda: _satellite(config, rng, shape, psf_sigma)),
        "COSMIC_RAY": (config.cosmic_rays, lambda: draw_track(rng, shape, 1.0)[0]),
        "ASTEROID": (config.asteroids, lambda: _asteroid(config, rng, shape, psf_sigma)),
        "GHOST": (config.ghosts, lambda: _ghost(config, rng, shape)),
    }
    for kind, (mean, make) in draw.items():
        for _ in range(rng.poisson(mean)):
            signal = make().astype(np.float32)
            signal[np.abs(signal) < _DIM] = 0.0
            yield Injected(kind, float(signal.max()), signal)


def _per_decade(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(limits))))


def _satellite(
    config: InjectionConfig, rng: np.random.Generator, shape: tuple[int, int], psf_sigma: float
) -> np.ndarray:
    peak, width = _per_decade(rng, config.satellite_peak), rng.uniform(*config.satellite_width)
    middle = rng.uniform(0.15, 0.85, 2) * shape[::-1]
    angle = rng.uniform(0.0, 2.0 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    reach = float(np.hypot(*shape))
    first = reach
    if rng.random() < config.satellite_inside:
        first = rng.uniform(0.0, 0.2) * reach
    return peak * draw_trail(shape, middle - first * along, middle + reach * along, width * psf_sigma)


def _asteroid(
    config: InjectionConfig, rng: np.random.Generator, shape: tuple[int, int], psf_sigma: float
) -> np.ndarray:
    peak, angle = _per_decade(rng, config.asteroid_peak), rng.uniform(0.0, np.pi)
    length = rng.uniform(*config.asteroid_length) if rng.random() < config.asteroid_trailed else 0.0
    middle = rng.uniform(0.05, 0.95, 2) * shape[::-1]
    half = 0.5 * length * np.array([np.cos(angle), np.sin(angle)])
    return peak * draw_trail(shape, middle - half, middle + half, psf_sigma)


def _ghost(config: InjectionConfig, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    peak, size = _per_decade(rng, config.ghost_peak), rng.uniform(*config.ghost_size)
    hole = rng.uniform(0.2, 0.5) if rng.random() < 0.5 else 0.0
    return peak * draw_ghost(shape, rng.uniform(0.0, 1.0, 2) * shape[::-1], size, hole=hole)


def draw_trail(shape: tuple[int, int], start: np.ndarray, stop: np.ndarray, sigma: float) -> np.ndarray:
    """Draw what a source that moves from one place to another leaves, with a peak of 1.

    It is a line segment blurred by a round Gaussian; a segment of no length
    is a star.

    Parameters
    ----------
    shape
        Rows and columns of the image.
    start, stop
        Ends (x, y) in pixels.
    sigma
        Standard deviation of the Gaussian in pixels.

    Returns
    -------
    `numpy.ndarray`
        Image of shape (y, x), float64.
    """
    from scipy.special import ndtr

    start, stop = np.asarray(start, dtype=float), np.asarray(stop, dtype=float)
    length = float(np.hypot(*(stop - start)))
    unit = (stop - start) / length if length > 0 else np.array([1.0, 0.0])
    dy, dx = np.ogrid[: shape[0], : shape[1]]
    dx, dy = dx - start[0], dy - start[1]
    along, across = dx * unit[0] + dy * unit[1], dy * unit[0] - dx * unit[1]
    signal = np.zeros(shape)
    near = (np.abs(across) < 6 * sigma) & (along > -6 * sigma) & (along < length + 6 * sigma)
    profile = np.exp(-0.5 * (across[near] / sigma) ** 2)
    t = along[near] / sigma
    if length < 1e-6 * sigma:
        signal[near] = profile * np.exp(-0.5 * t**2)
        return signal
    highest = 2.0 * ndtr(0.5 * length / sigma) - 1.0
    signal[near] = profile * (ndtr(t) - ndtr(t - length / sigma)) / highest
    return signal


def draw_ghost(
    shape: tuple[int, int], centre: np.ndarray, size: float, *, hole: float = 0.0, softness: float = 0.05
) -> np.ndarray:
    """Draw a disc with a soft rim, as the image of a star out of focus has, with a height of 1.

    Parameters
    ----------
    shape
        Rows and columns of the image.
    centre
        Its centre (x, y) in pixels.
    size
        Diameter in pixels.
    hole
        Diameter of the dark centre, relative to ``size``.
    softness
        Scale of the rim's logistic profile, relative to ``size``.

    Returns
    -------
    `numpy.ndarray`
        Image of shape (y, x), float64.
    """
    from scipy.special import expit

    dy, dx = np.ogrid[: shape[0], : shape[1]]
    radius = np.hypot(dx - centre[0], dy - centre[1]) / size
    signal: np.ndarray = expit((0.5 - radius) / softness)
    if hole > 0:
        signal = signal * expit((radius - 0.5 * hole) / softness)
    return signal

"""Fields of stars on a sky, with noise, for tests of what is measured from pixels."""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy

FWHM_PER_SIGMA = 2.3548200450309493


@dataclasses.dataclass(frozen=True)
class Field:
    """What a field is made of."""

    shape: tuple[int, int] = (400, 400)
    stars: int = 60
    fwhm: float = 3.0
    """Pixels; of the light before it falls on pixels."""
    beta: float | None = None
    """Exponent of a Moffat profile; `None` for a Gaussian."""
    sky: float = 500.0
    sigma: float = 10.0
    gain: float | None = None
    flux: tuple[float, float] = (300.0, 1e5)
    """Range of fluxes, as many per flux squared."""
    seed: int = 0

    def truth(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return x, y and flux of the stars."""
        rng = np.random.default_rng(self.seed)
        y, x = (rng.uniform(8.0, size - 9.0, self.stars) for size in self.shape)
        low, high = (1.0 / flux for flux in self.flux)
        return x, y, 1.0 / (low + rng.uniform(size=self.stars) * (high - low))

    def light(self) -> np.ndarray:
        """Return the light of the stars, integrated over pixels: float64, shape (y, x)."""
        return draw_stars(self.shape, *self.truth(), fwhm=self.fwhm, beta=self.beta)

    def image(self) -> np.ndarray:
        """Return light, sky and noise: float32."""
        light, rng = self.light(), np.random.default_rng([self.seed, 1])
        variance = self.sigma**2 + (light / self.gain if self.gain else 0.0)
        return (light + self.sky + rng.normal(size=self.shape) * np.sqrt(variance)).astype(np.float32)


def draw_stars(
    shape: tuple[int, int],
    x: np.ndarray,
    y: np.ndarray,
    flux: np.ndarray,
    *,
    fwhm: float,
    beta: float | None = None,
) -> np.ndarray:
    """Return stars integrated over pixels."""
    image = np.zeros(shape)
    reach = int(np.ceil(4.0 * fwhm)) + 2 if beta is None else int(np.ceil(12.0 * fwhm))
    for at_x, at_y, total in zip(x, y, flux, strict=True):
        rows, columns = (
            np.arange(max(0, int(at) - reach), min(size, int(at) + reach + 1))
            for at, size in zip((at_y, at_x), shape, strict=True)
        )
        profile = _gaussian if beta is None else _moffat
        image[np.ix_(rows, columns)] += total * profile(rows - at_y, columns - at_x, fwhm, beta)
    return image


def _gaussian(dy: np.ndarray, dx: np.ndarray, fwhm: float, beta: float | None) -> np.ndarray:
    def shares(distance: np.ndarray) -> np.ndarray:
        edges = np.append(distance - 0.5, distance[-1] + 0.5)
        return np.diff(scipy.special.erf(edges * FWHM_PER_SIGMA / fwhm / np.sqrt(2.0))) / 2.0

    return np.outer(shares(dy), shares(dx))


def _moffat(dy: np.ndarray, dx: np.ndarray, fwhm: float, beta: float | None) -> np.ndarray:
    assert beta is not None
    samples = 7
    within = (np.arange(samples) + 0.5) / samples - 0.5
    y, x = ((distance[:, np.newaxis] + within).ravel() for distance in (dy, dx))
    alpha = fwhm / (2.0 * np.sqrt(2.0 ** (1.0 / beta) - 1.0))
    profile = (1.0 + (y[:, np.newaxis] ** 2 + x**2) / alpha**2) ** -beta
    profile *= (beta - 1.0) / (np.pi * alpha**2) / samples**2
    return profile.reshape(len(dy), samples, len(dx), samples).sum(axis=(1, 3))

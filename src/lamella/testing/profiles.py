"""Galaxy profiles as sums of Gaussians.

A sum of Gaussians stays one when a Gaussian PSF blurs it and when a linear
map deforms it, so that the image of a galaxy on any pixel grid is known in
closed form.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

__all__ = ("gaussian_mixture", "sersic_profile")


def sersic_profile(radius: np.ndarray, index: float) -> np.ndarray:
    """Return the surface brightness of a Sersic profile of unit flux.

    Parameters
    ----------
    radius
        Distances from the centre, in half-light radii.
    index
        Sersic index: 0.5 is a Gaussian, 1 an exponential disc, 4 a de
        Vaucouleurs profile.

    Returns
    -------
    `numpy.ndarray`
        Flux per square half-light radius.
    """
    from scipy.special import gamma, gammaincinv

    b = gammaincinv(2.0 * index, 0.5)
    flux = 2.0 * np.pi * index * gamma(2.0 * index) * b ** (-2.0 * index)
    profile: np.ndarray = np.exp(-b * np.asarray(radius) ** (1.0 / index)) / flux
    return profile


@lru_cache(maxsize=32)
def gaussian_mixture(index: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the sum of Gaussians that stands for a Sersic profile.

    The mixture is what is simulated: it is the truth, and not an
    approximation of one.  Half of its flux is within one half-light radius.

    Parameters
    ----------
    index
        Sersic index.

    Returns
    -------
    weights
        Fractions of the flux; they sum to 1.
    sigmas
        Standard deviations, in half-light radii.
    """
    from scipy.optimize import brentq, nnls

    radius = np.geomspace(0.02, 12.0, 300)
    sigmas = np.geomspace(0.05, 4.0, 9)
    basis = np.exp(-0.5 * (radius[:, None] / sigmas) ** 2) / (2 * np.pi * sigmas**2)
    # An error counts by the flux in its ring: r^2, as the rings are logarithmic.
    weights, _ = nnls(basis * radius[:, None] ** 2, sersic_profile(radius, index) * radius**2)
    kept = weights > 1e-3 * weights.sum()
    weights, sigmas = weights[kept] / weights[kept].sum(), sigmas[kept]
    # Rounded, so that the last bits of a linear algebra library do not matter.
    weights[1:] = np.round(weights[1:], 6)
    weights[0] = 1.0 - weights[1:].sum()

    def excess(radius: float) -> float:
        return float(np.sum(weights * -np.expm1(-0.5 * (radius / sigmas) ** 2))) - 0.5

    sigmas = np.round(sigmas / float(brentq(excess, 1e-3, 10.0, xtol=1e-12)), 6)
    return tuple(map(float, weights)), tuple(map(float, sigmas))

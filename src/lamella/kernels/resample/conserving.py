r"""A kernel of six taps that keeps a flat sky flat *and* the flux of stars, made for a pair of pixel grids.

A destination pixel at :math:`x_j = M j + t` of the source is :math:`\sum_i f_i h(x_j - i)`.  By Poisson's
summation formula the flux, the sum over all j times the area of a pixel, is

.. math:: \sum_k H(q_k) F(q_k) e^{2 \pi i q_k t}, \qquad q_k = M^{-T} k,

with the transforms H of the kernel and F of the samples, which has the period 1.  The term k = 0 is the
flux of the source; all others make the flux of a star depend on where it stands.  For grids of equal scale
with parallel axes the other q are whole numbers, where H vanishes if the weights sum to one; for others F
comes back near whole numbers, and H of a Lanczos function is not small beside them.

Here :math:`h = g * \mathrm{box}`, with a box of one source pixel, so that weights sum to one at any phase,
and an even g of five pixels, a Legendre series.  Of these functions that one is taken that is closest to
Lanczos-3 in the sense of least squares, while :math:`|H F|^2` at the q of the grids is charged for.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.polynomial import legendre

__all__ = ("conserving_shapes", "conserving_weights")

# Even Legendre polynomials of g: with fewer the kernel is further from Lanczos-3, with more no closer.
_TERMS = 12
# Half the width of g in pixels: half a pixel less than that of the kernel.
_REACH = 2.5
# What the squared terms of the flux weigh beside the squared distance from Lanczos-3. A third of it doubles
# the error of the flux; with three times as much, kernels for grids turned by 45 degrees become wide.
_CHARGE = 3e3
# Width of the stars whose flux is to be kept, in pixels: the narrowest that are common, FWHM 1.5.
_SIGMA = 1.5 / 2.3548
# Largest k along an axis.
_ORDERS = 6
# Frequencies beyond this, in cycles per source pixel, are weak in any kernel.
_FARTHEST = 6.0
# Frequencies below this belong to the stars themselves.
_LOWEST = 0.4
# Decimals of the coefficients: what processors round differently is cut off.
_DIGITS = 9


def conserving_weights(shape: Sequence[float], fraction: np.ndarray) -> np.ndarray:
    """Return the weights of the six taps along one axis, which sum to one.

    For a source position ``p`` with ``fraction = p - floor(p)``, tap ``k`` is
    the source pixel ``floor(p) + k - 2``.

    Parameters
    ----------
    shape
        Coefficients of the even Legendre polynomials of g in ``x / 2.5``, the
        first one 0.2, so that the integral of g is one.
    fraction
        Fractions in [0, 1]; any shape.

    Returns
    -------
    numpy.ndarray
        Weights; the shape of ``fraction`` and a last axis of six taps.
    """
    edges = (np.arange(-2, 5) - 0.5) - np.asarray(fraction, np.float64)[..., np.newaxis]
    # The integrals of g over pixels, one for each tap: their sum is the integral of all of g.
    series = np.zeros(2 * len(shape) - 1)
    series[::2] = shape
    integral = legendre.legint(series, lbnd=-1)
    return np.diff(_REACH * legendre.legval(np.clip(edges / _REACH, -1.0, 1.0), integral), axis=-1)


def conserving_shapes(derivatives: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the kernel along x and y of the source that fits a pair of grids.

    Parameters
    ----------
    derivatives : `numpy.ndarray` of float64, shape (n, 2, 2)
        ``[[dX/dx, dX/dy], [dY/dx, dY/dy]]`` of the position (X, Y) in the
        destination by that in the source, at one or several places: the kernel
        is the best for all of them together.

    Returns
    -------
    tuple [tuple [float, ...], tuple [float, ...]]
        Coefficients for `conserving_weights`.
    """
    k = np.array([(i, j) for i in range(-_ORDERS, _ORDERS + 1) for j in range(_ORDERS + 1) if j > 0 or i > 0])
    q = np.abs(np.asarray(derivatives, np.float64).transpose(0, 2, 1) @ k.T)
    alias = q - np.round(q)
    star = np.exp(-2.0 * (np.pi * _SIGMA) ** 2 * (alias**2).sum(axis=1))
    shapes = []
    u, w = _nodes()
    for own, other in ((q[:, 0], q[:, 1]), (q[:, 1], q[:, 0])):
        # A kernel along one axis has to answer for the frequencies that lie nearer to that axis.
        mine = (own >= other - 1e-9) & (own > _LOWEST) & (own < _FARTHEST)
        waves = np.cos(2.0 * np.pi * 3.0 * np.multiply.outer(other[mine], u)) * w
        charge = star[mine] * np.abs(3.0 * (waves @ _lanczos(3.0 * u)))
        counts = charge > 1e-6
        # The coefficients closest to Lanczos-3 whose transform is small at these frequencies.
        gram, target = _fit()
        frequencies = own[mine][counts]
        waves = np.cos(2.0 * np.pi * _REACH * np.multiply.outer(frequencies, u)) * w
        terms = legendre.legvander(u, 2 * _TERMS - 2)[:, ::2]
        transforms: np.ndarray = _REACH * np.sinc(frequencies)[:, np.newaxis] * (waves @ terms)
        rows = transforms * (charge[counts] / np.sqrt(len(q)))[:, np.newaxis]
        matrix = gram + _CHARGE * rows.T @ rows
        first = 1.0 / (2.0 * _REACH)
        rest = np.linalg.solve(matrix[1:, 1:], target[1:] - first * matrix[1:, 0])
        shapes.append((first, *(round(float(c), _DIGITS) for c in rest)))
    return shapes[0], shapes[1]


@functools.cache
def _fit() -> tuple[np.ndarray, np.ndarray]:
    """Return the integrals of products of the terms of h, and of their products with Lanczos-3."""
    fraction = (np.arange(120) + 0.5) / 120.0
    terms = np.stack([conserving_weights(row, fraction) for row in np.eye(_TERMS).tolist()])
    # Weights that are divided by their sum, as those of the images are.
    lanczos = _lanczos(np.arange(-2, 4) - fraction[:, np.newaxis])
    lanczos /= lanczos.sum(axis=-1, keepdims=True)
    return (
        np.einsum("ask,bsk->ab", terms, terms) / fraction.size,
        np.einsum("ask,sk->a", terms, lanczos) / fraction.size,
    )


def _lanczos(x: np.ndarray) -> np.ndarray:
    values: np.ndarray = np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)
    return values


@functools.cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of integrals from -1 to 1."""
    u, w = legendre.leggauss(64)
    return u, w

"""Weights of the resampling kernels, as polynomials for each tap."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from .conserving import conserving_weights
from .support import CONSERVING, ResamplingKernel, kernel_half_width

__all__ = ("CELLS", "LANES", "kernel_weights", "lanes_of", "weight_table", "weight_tables")

CELLS = 64
"""Number of intervals of the fraction in `weight_table`."""


def kernel_weights(kernel: str, fraction: np.ndarray) -> np.ndarray:
    """Return the weights of the taps of a kernel, normalised to a sum of one.

    For a source position ``p`` with ``fraction = p - floor(p)``, tap ``k`` is
    the source pixel ``floor(p) + k - (half_width - 1)``.  The Lanczos kernel of
    order a is sinc(t) sinc(t / a) for \\|t\\| < a [1]_.

    Parameters
    ----------
    kernel
        One of `KERNELS`.
    fraction
        Fractions in [0, 1); any shape.

    Returns
    -------
    numpy.ndarray
        Weights; the shape of ``fraction`` and a last axis of taps.

    References
    ----------
    .. [1] C. E. Duchon, "Lanczos filtering in one and two dimensions",
       Journal of Applied Meteorology 18, 1016 (1979).
    """
    half = kernel_half_width(kernel)
    f = np.asarray(fraction, np.float64)[..., np.newaxis]
    if kernel == "nearest":
        return np.concatenate([f < 0.5, f >= 0.5], axis=-1).astype(np.float64)
    if kernel == "bilinear":
        return np.concatenate([1.0 - f, f], axis=-1)
    offset = np.arange(1 - half, half + 1) - f
    weights: np.ndarray = np.sinc(offset) * np.sinc(offset / half)
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


@functools.cache
def weight_table(kernel: str) -> np.ndarray:
    """Return cubics for the weights in each of `CELLS` intervals of the fraction.

    Shape (cells + 1, 4, lanes), float32; the coefficients of the tap k are
    ``[cell, :, k]``, lowest power first, in the distance from the middle of the
    interval.  The cubics go through four Chebyshev nodes of their interval
    (error below 3e-9), so that the weights still sum to one.  The last row is
    the kernel of a position at a pixel centre.
    """
    if kernel in ("bilinear", "nearest"):
        # These are straight lines: exact, so that a tap of weight zero is zero.
        edges = kernel_weights(kernel, _MIDDLES)
        slope = np.array([-1.0, 1.0]) if kernel == "bilinear" else np.zeros(2)
        flat = np.zeros_like(edges)
        parts = np.stack([edges, np.broadcast_to(slope, edges.shape), flat, flat], axis=1)
    else:
        parts = _cubics(functools.partial(kernel_weights, kernel))
    table = _as_table(parts)
    table[-1, 0, kernel_half_width(kernel) - 1] = 1.0
    return table


@functools.lru_cache(maxsize=256)
def weight_tables(kernel: ResamplingKernel) -> tuple[np.ndarray, int]:
    """Return the weights along both axes of the source, and the row at which those along y begin.

    Shape (rows, 4, lanes): `weight_table`, once where both axes have the same.
    A kernel that is not one at pixel centres and zero at the others has no use
    for the last row of each axis.
    """
    if kernel.name != CONSERVING:
        return weight_table(kernel.name), 0
    shapes = tuple(dict.fromkeys(kernel.shapes))
    tables = [_as_table(_cubics(functools.partial(conserving_weights, shape))) for shape in shapes]
    return np.concatenate(tables), (CELLS + 1) * (len(shapes) - 1)


_MIDDLES = (np.arange(CELLS) + 0.5) / CELLS


def _cubics(weights: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the cubics through four values in each interval: shape (cells, 4, taps)."""
    nodes = np.cos(np.pi * np.array([1.0, 3.0, 5.0, 7.0]) / 8.0) / (2 * CELLS)
    values = weights(_MIDDLES[:, np.newaxis] + nodes)
    parts: np.ndarray = np.einsum("qd,ndk->nqk", np.linalg.inv(np.vander(nodes, 4, increasing=True)), values)
    return parts


def _as_table(parts: np.ndarray) -> np.ndarray:
    taps = parts.shape[2]
    table = np.zeros((CELLS + 1, 4, lanes_of(taps)), np.float32)
    table[:-1, :, :taps] = parts
    return table


LANES = 8
"""Pixels of a row that fill a register."""


def lanes_of(taps: int) -> int:
    """Return how many pixels of a row are loaded for a number of taps: six of eight are one register."""
    return LANES if taps == 6 else taps

"""Resampling of small images, such as PSF stamps, and the maps that it needs.

Beyond its edges a stamp is zero.  Two cases are told apart because they cost
differently: a change of scale and position along the axes, where the
interpolation is done axis by axis, and a general affine map, where the weights
differ from pixel to pixel.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from .._jit import jit, jit_inline
from ..arrays import Plane, Row
from .conserving import conserving_weights
from .support import CONSERVING, LANCZOS3, ResamplingKernel
from .tap_weights import kernel_weights

__all__ = ("evaluate_maps", "resample_stamp", "warp_stamp")

# Positions this close to a sample (in samples) are taken to be on it.
_NEAR = 1e-8


@jit
def _axis_weights(order: int, position: float, weights: Row) -> int:
    # weights[k] is for sample first + k, with first = floor(position) - order + 1.
    # The sine of the window is the only one that differs from tap to tap: the
    # other one alternates in sign, and is taken at the nearer sample because
    # sin(pi f) loses its digits as f comes close to 1.
    start = math.floor(position)
    fraction = position - start
    first = int(start) - order + 1
    weights[: 2 * order] = 0.0
    if fraction < _NEAR:
        weights[order - 1] = 1.0
        return first
    if 1.0 - fraction < _NEAR:
        weights[order] = 1.0
        return first
    sine = math.sin(math.pi * min(fraction, 1.0 - fraction))
    sign = sine if (order - 1) % 2 == 0 else -sine
    total = 0.0
    for k in range(2 * order):
        t = fraction + (order - 1 - k)
        weights[k] = sign * math.sin(math.pi * t / order) / (t * t)
        total += weights[k]
        sign = -sign
    for k in range(2 * order):
        weights[k] /= total
    return first


@jit
def resample_stamp(stamp: Plane, y0: float, x0: float, step: float, order: int, out: Plane) -> None:
    """Interpolate a stamp at the nodes of a regular grid that is parallel to its axes.

    Parameters
    ----------
    stamp : `numpy.ndarray` of float64, shape (y, x)
        Samples; zero is assumed beyond them.
    y0, x0
        Position of the first node, in samples from the centre of ``stamp[0, 0]``.
    step
        Distance of the nodes, in samples.
    order
        Order *a* of the Lanczos function, which has 2 *a* taps per axis.
    out : `numpy.ndarray` of float64, shape (y, x)
        Filled with the values at the nodes.

    Notes
    -----
    The weights of the taps of an axis are divided by their sum.
    """
    height, width = stamp.shape
    rows, columns = out.shape
    taps = 2 * order
    weights = np.empty(taps)
    half = np.zeros((height, columns))
    for j in range(columns):
        first = _axis_weights(order, x0 + j * step, weights)
        for k in range(max(0, -first), min(taps, width - first)):
            for y in range(height):
                half[y, j] += weights[k] * stamp[y, first + k]
    for i in range(rows):
        first = _axis_weights(order, y0 + i * step, weights)
        out[i, :] = 0.0
        for k in range(max(0, -first), min(taps, height - first)):
            for j in range(columns):
                out[i, j] += weights[k] * half[first + k, j]


def _linear_table(weights: Callable[[np.ndarray], np.ndarray], size: int) -> np.ndarray:
    # One row more than intervals need: x - floor(x) can be 1 after rounding.
    return weights(np.arange(size + 2) / size)


@functools.cache
def _explicit_table(name: str) -> np.ndarray:
    # Twelve sines and six divisions per pixel cost three times as much as linear
    # interpolation in this table, whose error is below 1e-7.
    return _linear_table(functools.partial(kernel_weights, name), 4096)


# The detectors of a large coadd have tables of their own, 25 kB each.
@functools.lru_cache(maxsize=2048)
def _conserving_table(shape: tuple[float, ...]) -> np.ndarray:
    return _linear_table(functools.partial(conserving_weights, shape), 512)


# Zeros around a stamp: as many as the widest kernel has taps.
_PAD = 10


@jit_inline
def _value(padded: Plane, x: float, y: float, x_table: Plane, y_table: Plane, taps: int) -> float:
    """Return the sum over the window around a position, which is within reach of the stamp."""
    size = x_table.shape[0] - 2
    column = math.floor(x)
    row = math.floor(y)
    tx = (x - column) * size
    ty = (y - row) * size
    nx = int(tx)
    ny = int(ty)
    tx -= nx
    ty -= ny
    # The window of a position within reach lies inside of the zeros around the stamp.
    left = int(column) + _PAD - taps // 2 + 1
    bottom = int(row) + _PAD - taps // 2 + 1
    total = 0.0
    for k in range(taps):
        line = padded[bottom + k]
        low, high = 0.0, 0.0
        for n in range(taps // 2):
            low += (x_table[nx, n] + tx * (x_table[nx + 1, n] - x_table[nx, n])) * line[left + n]
        for n in range(taps // 2, taps):
            high += (x_table[nx, n] + tx * (x_table[nx + 1, n] - x_table[nx, n])) * line[left + n]
        total += (y_table[ny, k] + ty * (y_table[ny + 1, k] - y_table[ny, k])) * (low + high)
    return total


@functools.cache
def _warper(taps: int) -> Callable[..., None]:
    """Return what warps a stamp with kernels of so many taps; it is compiled when it is first called."""
    half = taps // 2

    @jit
    def warp(
        padded: Plane,
        matrix: Plane,
        centre: Plane,
        offsets: Row,
        tables: tuple[np.ndarray, np.ndarray],
        bins: tuple[int, int],
        out: Plane,
    ) -> None:
        height = padded.shape[0] - 2 * _PAD
        width = padded.shape[1] - 2 * _PAD
        rows, columns = out.shape
        x_table, y_table = tables
        across = (np.arange(bins[0]) + 0.5) / bins[0] - 0.5
        along = (np.arange(bins[1]) + 0.5) / bins[1] - 0.5
        for i in range(rows):
            for j in range(columns):
                total = 0.0
                for t in range(along.size):
                    dy = offsets[0] + i + along[t]
                    for s in range(across.size):
                        dx = offsets[1] + j + across[s]
                        x = centre[1] + matrix[0, 0] * dx + matrix[0, 1] * dy
                        y = centre[0] + matrix[1, 0] * dx + matrix[1, 1] * dy
                        # Written so that a NaN is outside too.
                        if -half < x < width + half - 1.0 and -half < y < height + half - 1.0:
                            total += _value(padded, x, y, x_table, y_table, taps)
                out[i, j] = total
        if across.size * along.size > 1:
            out /= across.size * along.size

    return warp


def warp_stamp(
    stamp: Plane, matrix: Plane, centre: Plane, offsets: Row, out: Plane, kernel: ResamplingKernel = LANCZOS3
) -> None:
    """Resample a stamp through an affine map as `lamella.kernels.resample.resample` resamples images.

    Parameters
    ----------
    stamp : `numpy.ndarray` of float64, shape (y, x)
        Samples; zero is assumed beyond them.
    matrix : `numpy.ndarray` of float64, shape (2, 2)
        Derivatives of the position in the stamp by that in ``out``:
        ``[[dx/dx', dx/dy'], [dy/dx', dy/dy']]``.
    centre : `numpy.ndarray` of float64, shape (2,)
        Point (y, x) of the stamp that the origin of ``out`` maps to, in pixels
        from the centre of ``stamp[0, 0]``.
    offsets : `numpy.ndarray` of float64, shape (2,)
        Position (y, x) of ``out[0, 0]`` relative to the origin of ``out``.
    out : `numpy.ndarray` of float64, shape (y, x)
        Filled with the interpolated values, without a factor for the change
        of area.
    kernel
        What images are resampled with; Lanczos-3 by default.

    Notes
    -----
    Weights are interpolated linearly in a table.  With Lanczos functions a
    value is off by less than 1e-7 of the largest sample, with the kernel that
    is made for a detector by less than 1e-5.
    """
    padded = np.zeros((stamp.shape[0] + 2 * _PAD, stamp.shape[1] + 2 * _PAD))
    padded[_PAD:-_PAD, _PAD:-_PAD] = stamp
    # The weights along x and y at evenly spread fractions from 0 to 1: shape (fractions, taps).
    if kernel.name == CONSERVING:
        tables = _conserving_table(kernel.shapes[0]), _conserving_table(kernel.shapes[1])
    else:
        tables = (_explicit_table(kernel.name),) * 2
    warp = _warper(2 * kernel.half_width)
    warp(padded, matrix, centre, offsets, tables, kernel.bins, out)


@jit
def evaluate_maps(
    x: float, y: float, indices: Row, centre: Plane, half: Plane, coefficients: np.ndarray, out: Plane
) -> None:
    """Evaluate polynomials in x and y, and their derivatives, at one point.

    Parameters
    ----------
    x, y
        The point.
    indices : `numpy.ndarray` of int64, shape (n,)
        Which of the m pairs of polynomials.
    centre, half : `numpy.ndarray` of float64, shape (m, 2)
        The polynomials are in ``(x - centre) / half``; columns are x and y.
    coefficients : `numpy.ndarray` of float64, shape (m, 2, d, d)
        Coefficients of the polynomials for x and y: powers of y, then of x,
        whose sum is below d.
    out : `numpy.ndarray` of float64, shape (n, 2, 3)
        Filled with value, derivative by x and derivative by y.
    """
    order = coefficients.shape[2]
    for n in range(indices.shape[0]):
        m = indices[n]
        u = (x - centre[m, 0]) / half[m, 0]
        v = (y - centre[m, 1]) / half[m, 1]
        for c in range(2):
            value = 0.0
            by_u = 0.0
            by_v = 0.0
            for j in range(order - 1, -1, -1):
                row = 0.0
                slope = 0.0
                for i in range(order - 1 - j, -1, -1):
                    slope = slope * u + row
                    row = row * u + coefficients[m, c, j, i]
                by_v = by_v * v + value
                value = value * v + row
                by_u = by_u * v + slope
            out[n, c, 0] = value
            out[n, c, 1] = by_u / half[m, 0]
            out[n, c, 2] = by_v / half[m, 1]

"""Resampling of small images, such as PSF stamps, by Lanczos interpolation, and the maps that it needs.

Beyond its edges a stamp is zero.  Two cases are told apart because they cost
differently: a change of scale and position along the axes, where the
interpolation is done axis by axis, and a general affine map, where the weights
differ from pixel to pixel.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import jit

__all__ = ("evaluate_maps", "resample_stamp", "warp_stamp")

_NEAR = 1e-8
"""Positions this close to a sample (in samples) are taken to be on it."""


@jit
def _axis_weights(order: int, position: float, weights: np.ndarray) -> int:
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
def resample_stamp(stamp: np.ndarray, y0: float, x0: float, step: float, order: int, out: np.ndarray) -> None:
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


def _lanczos3_table(size: int) -> np.ndarray:
    # One row more than intervals need: x - floor(x) can be 1 after rounding.
    fraction = np.arange(size + 2)[:, np.newaxis] / size
    t = fraction - np.arange(-2, 4)
    weights = np.sinc(t) * np.sinc(t / 3.0)
    return weights / weights.sum(axis=1, keepdims=True)


# Twelve sines and six divisions per pixel cost three times as much as linear
# interpolation in this table, whose error is below 1e-7.
_TABLE = _lanczos3_table(4096)
_PAD = 6


@jit
def _warp(
    padded: np.ndarray,
    matrix: np.ndarray,
    centre: np.ndarray,
    offsets: np.ndarray,
    table: np.ndarray,
    out: np.ndarray,
) -> None:
    height = padded.shape[0] - 2 * _PAD
    width = padded.shape[1] - 2 * _PAD
    rows, columns = out.shape
    size = table.shape[0] - 2
    for i in range(rows):
        dy = offsets[0] + i
        for j in range(columns):
            dx = offsets[1] + j
            x = centre[1] + matrix[0, 0] * dx + matrix[0, 1] * dy
            y = centre[0] + matrix[1, 0] * dx + matrix[1, 1] * dy
            out[i, j] = 0.0
            # Written so that a NaN is outside too.
            if not (-3.0 < x < width + 2.0 and -3.0 < y < height + 2.0):
                continue
            column = math.floor(x)
            row = math.floor(y)
            tx = (x - column) * size
            ty = (y - row) * size
            nx = int(tx)
            ny = int(ty)
            tx -= nx
            ty -= ny
            left = int(column) + _PAD - 2
            bottom = int(row) + _PAD - 2
            w0 = table[nx, 0] + tx * (table[nx + 1, 0] - table[nx, 0])
            w1 = table[nx, 1] + tx * (table[nx + 1, 1] - table[nx, 1])
            w2 = table[nx, 2] + tx * (table[nx + 1, 2] - table[nx, 2])
            w3 = table[nx, 3] + tx * (table[nx + 1, 3] - table[nx, 3])
            w4 = table[nx, 4] + tx * (table[nx + 1, 4] - table[nx, 4])
            w5 = table[nx, 5] + tx * (table[nx + 1, 5] - table[nx, 5])
            total = 0.0
            for k in range(6):
                line = padded[bottom + k]
                value = w0 * line[left] + w1 * line[left + 1] + w2 * line[left + 2]
                value += w3 * line[left + 3] + w4 * line[left + 4] + w5 * line[left + 5]
                total += (table[ny, k] + ty * (table[ny + 1, k] - table[ny, k])) * value
            out[i, j] = total


def warp_stamp(
    stamp: np.ndarray, matrix: np.ndarray, centre: np.ndarray, offsets: np.ndarray, out: np.ndarray
) -> None:
    """Resample a stamp through an affine map by Lanczos-3 interpolation.

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

    Notes
    -----
    The weights of the six taps of an axis are divided by their sum, as in the
    resampling of images, and tabulated: an interpolated value is off by less
    than 1e-7 of the largest sample.
    """
    padded = np.zeros((stamp.shape[0] + 2 * _PAD, stamp.shape[1] + 2 * _PAD))
    padded[_PAD:-_PAD, _PAD:-_PAD] = stamp
    _warp(padded, matrix, centre, offsets, _TABLE, out)


@jit
def evaluate_maps(
    x: float,
    y: float,
    indices: np.ndarray,
    centre: np.ndarray,
    half: np.ndarray,
    coefficients: np.ndarray,
    out: np.ndarray,
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

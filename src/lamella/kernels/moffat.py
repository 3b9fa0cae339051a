"""The fit of an elliptical Moffat profile, integrated over pixels, to the pixels around a star."""

from __future__ import annotations

import math

import numpy as np

from ._jit import jit
from .arrays import Plane, Row, copy_row

__all__ = ("STEEPEST", "fit_moffat", "steepness_of")

STEEPEST, _FLATTEST = 0.02, 0.6
"""Bounds of 1 / beta: nearly a Gaussian, and wings that hold half of the light."""
_MOST_BEND = 8.0
_LOWEST = (-100.0, -100.0, math.log(0.15), -_MOST_BEND, -0.7, -0.7)
_HIGHEST = (100.0, 100.0, math.log(80.0), _MOST_BEND, 0.7, 0.7)
"""Bounds of the parameters; the shears give an axis ratio of a quarter."""
_SHAPE, _FLUX, _SKY, _DATA = 6, 6, 7, 8
"""Parameters of the shape come first; then rows of the profile, of a constant and of the pixels."""
_MOST_STEPS = 100
_FLAT, _SLIGHT, _SHORT = 1e-6, 3e-3, 1e-5
"""A fit ends when chi^2 falls by less than the first part of it and the second number, or parameters move by
less than the third."""


@jit
def steepness_of(bend: float) -> float:
    """Return 1 / beta, between its bounds, for any number."""
    bend = min(max(bend, -_MOST_BEND), _MOST_BEND)
    return STEEPEST + (_FLATTEST - STEEPEST) / (1.0 + math.exp(-bend))


@jit
def fit_moffat(
    values: Plane, weights: Plane, nodes: Plane, parameters: Row, normal: Plane
) -> tuple[float, float]:
    """Fit a Moffat profile (Moffat 1969) and a constant to a stamp.

    For any position and shape the amplitude and the constant solve a linear problem of two unknowns; for the
    others, steps are those of Levenberg and Marquardt.

    Parameters
    ----------
    values
        float64, shape (side, side), finite; positions are from its middle pixel.
    weights
        Inverse standard deviations, the same; 0 where a pixel does not count.
    nodes
        float64, shape (2, n): points along a side of a pixel around its middle, and their shares.
    parameters
        float64, shape (6,), changed: x, y, logarithm of the width, the number of `steepness_of`, and shears
        along the axes and the diagonals.
    normal
        float64, shape (6, 6), written: inverse of the covariance of the parameters; 0 for one at a bound.

    Returns
    -------
    squares
        Sum of the squares of what is left, in standard deviations; NaN where the fit does not end.
    signal
        Size of the profile in standard deviations, with its sign.
    """
    gram, trial = np.empty((9, 9)), np.empty((9, 9))
    moved, gradient = np.empty(_SHAPE), np.empty(_SHAPE)
    damping, going = 1e-3, True
    _fill_gram(values, weights, nodes, parameters, gram)
    squares, amplitude = _project(gram, normal, gradient)
    for _ in range(_MOST_STEPS):
        _take_step(normal, gradient, damping, parameters, moved)
        _fill_gram(values, weights, nodes, moved, trial)
        better = _squares(trial)
        if better <= squares:
            longest = np.max(np.abs(moved - parameters))
            going = squares - better > _FLAT * better + _SLIGHT and longest > _SHORT
            copy_row(moved, parameters)
            gram, trial = trial, gram
            squares, amplitude = _project(gram, normal, gradient)
            damping = max(0.1 * damping, 1e-12)
        else:
            damping *= 10.0
            going = damping < 1e12
        if not going:
            _drop_held(parameters, normal)
            return squares, amplitude * math.sqrt(gram[_FLUX, _FLUX])
    return math.nan, 0.0


@jit
def _drop_held(parameters: Row, normal: Plane) -> None:
    for k in range(_SHAPE):
        if parameters[k] <= _LOWEST[k] or parameters[k] >= _HIGHEST[k]:
            normal[k, :] = 0.0
            normal[:, k] = 0.0


@jit
def _take_step(normal: Plane, gradient: Row, damping: float, parameters: Row, moved: Row) -> None:
    """Write where a damped step leads, within the bounds."""
    step, free = np.empty(_SHAPE), np.ones(_SHAPE, np.bool_)
    for k in range(_SHAPE):
        # A parameter that changes nothing stays.
        free[k] = normal[k, k] > 1e-300
    for _ in range(_SHAPE):
        _solve(normal, gradient, damping, free, step)
        held = 0
        for k in range(_SHAPE):
            low, high = parameters[k] <= _LOWEST[k], parameters[k] >= _HIGHEST[k]
            if free[k] and ((low and step[k] < 0.0) or (high and step[k] > 0.0)):
                # The others must not count on it.
                free[k] = False
                held += 1
        if held == 0:
            break
    for k in range(_SHAPE):
        moved[k] = min(max(parameters[k] + step[k], _LOWEST[k]), _HIGHEST[k])


@jit
def _solve_linear(gram: Plane) -> tuple[float, float, float]:
    """Return the best amplitude and constant, and the determinant of their equations."""
    norm, cross, total = gram[_FLUX, _FLUX], gram[_FLUX, _SKY], gram[_SKY, _SKY]
    first, second = gram[_FLUX, _DATA], gram[_SKY, _DATA]
    determinant = norm * total - cross * cross
    if not determinant > 0.0:
        return 0.0, 0.0, 0.0
    amplitude = (total * first - cross * second) / determinant
    return amplitude, (norm * second - cross * first) / determinant, determinant


@jit
def _squares(gram: Plane) -> float:
    """Return what the best amplitude and constant leave."""
    amplitude, constant, _ = _solve_linear(gram)
    squares: float = gram[_DATA, _DATA] - amplitude * gram[_FLUX, _DATA] - constant * gram[_SKY, _DATA]
    return squares


@jit
def _project(gram: Plane, normal: Plane, gradient: Row) -> tuple[float, float]:
    """Write the normal equations of the shape alone; return what is left, and the amplitude."""
    amplitude, constant, determinant = _solve_linear(gram)
    norm, cross, total = gram[_FLUX, _FLUX], gram[_FLUX, _SKY], gram[_SKY, _SKY]
    for j in range(_SHAPE):
        p, q = gram[j, _FLUX], gram[j, _SKY]
        gradient[j] = amplitude * (gram[j, _DATA] - amplitude * p - constant * q)
        for k in range(_SHAPE):
            shared = 0.0
            if determinant > 0.0:
                r, s = gram[k, _FLUX], gram[k, _SKY]
                shared = (p * (total * r - cross * s) + q * (norm * s - cross * r)) / determinant
            normal[j, k] = amplitude * amplitude * (gram[j, k] - shared)
    return _squares(gram), amplitude


@jit
def _solve(normal: Plane, gradient: Row, damping: float, free: Row, step: Row) -> None:
    """Solve the damped normal equations of the free parameters, by elimination; the others do not move."""
    matrix = normal.copy()
    for k in range(_SHAPE):
        step[k] = gradient[k] if free[k] else 0.0
        matrix[k, k] *= 1.0 + damping
        if not free[k]:
            matrix[k, :] = 0.0
            matrix[:, k] = 0.0
            matrix[k, k] = 1.0
    for k in range(_SHAPE):
        pivot = matrix[k, k] if abs(matrix[k, k]) > 1e-300 else 1e-300
        for i in range(k + 1, _SHAPE):
            factor = matrix[i, k] / pivot
            for j in range(k, _SHAPE):
                matrix[i, j] -= factor * matrix[k, j]
            step[i] -= factor * step[k]
        matrix[k, k] = pivot
    for k in range(_SHAPE - 1, -1, -1):
        for j in range(k + 1, _SHAPE):
            step[k] -= matrix[k, j] * step[j]
        step[k] /= matrix[k, k]


@jit
def _fill_gram(values: Plane, weights: Plane, nodes: Plane, parameters: Row, gram: Plane) -> None:
    """Write the weighted products of derivatives of the profile, the profile, a constant and the pixels."""
    row, shape = np.empty(9), np.empty(12)
    _fill_shape(parameters, shape)
    half = values.shape[0] // 2
    gram[:] = 0.0
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            if weights[i, j] > 0.0:
                _fill_pixel(i - half - parameters[1], j - half - parameters[0], nodes, shape, row)
                row[_DATA] = values[i, j]
                square = weights[i, j] * weights[i, j]
                for m in range(9):
                    scaled = square * row[m]
                    for n in range(m + 1):
                        gram[m, n] += scaled * row[n]
    for m in range(9):
        for n in range(m):
            gram[n, m] = gram[m, n]


@jit
def _fill_shape(parameters: Row, shape: Row) -> None:
    """Write the numbers of a profile that do not differ from pixel to pixel.

    They are the coefficients of dy^2, dx^2 and dx dy, their derivatives by both shears, the factor on
    the quadratic form and its derivative by 1 / beta, and that by the parameter of it.
    """
    bend, along, across = parameters[3], parameters[4], parameters[5]
    # The exponential of a symmetric matrix without trace: it keeps areas.
    radius = math.hypot(along, across)
    even, odd, bent = 1.0 + 0.5 * radius**2, 1.0 + radius**2 / 6.0, 1.0 / 3.0
    if radius > 1e-4:
        even, odd = math.cosh(radius), math.sinh(radius) / radius
        bent = (even - odd) / radius**2
    shape[0], shape[1], shape[2] = even - odd * along, even + odd * along, 2.0 * odd * across
    shape[3] = odd * along - odd - along * along * bent
    shape[4] = odd * along + odd + along * along * bent
    shape[5] = 2.0 * across * along * bent
    shape[6] = odd * across - along * across * bent
    shape[7] = odd * across + along * across * bent
    shape[8] = 2.0 * odd + 2.0 * across * across * bent
    steepness = steepness_of(bend)
    narrow = math.exp(-2.0 * parameters[2])
    shape[9] = 4.0 * (2.0**steepness - 1.0) * narrow
    shape[10] = 4.0 * math.log(2.0) * 2.0**steepness * narrow
    shape[11] = steepness


@jit
def _fill_pixel(dy: float, dx: float, nodes: Plane, shape: Row, row: Row) -> None:
    """Write the derivatives of the profile in a pixel, the profile, and 1."""
    scale, steepness = shape[9], shape[11]
    level, by_x, by_y, by_scale, by_steepness, by_along, by_across = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for a in range(nodes.shape[1]):
        y = dy + nodes[0, a]
        for b in range(nodes.shape[1]):
            x, weight = dx + nodes[0, b], nodes[1, a] * nodes[1, b]
            form = shape[0] * y * y + shape[1] * x * x + shape[2] * x * y
            base = 1.0 + scale * form
            log = math.log(base)
            value = weight * math.exp(-log / steepness)
            # Derivative of the profile by the base.
            slope = -value / (steepness * base)
            level += value
            by_scale += slope * form
            by_steepness += value * log / (steepness * steepness)
            slope *= scale
            by_y -= slope * (2.0 * shape[0] * y + shape[2] * x)
            by_x -= slope * (2.0 * shape[1] * x + shape[2] * y)
            by_along += slope * (shape[3] * y * y + shape[4] * x * x + shape[5] * x * y)
            by_across += slope * (shape[6] * y * y + shape[7] * x * x + shape[8] * x * y)
    part = (steepness - STEEPEST) / (_FLATTEST - STEEPEST)
    bending = (_FLATTEST - STEEPEST) * part * (1.0 - part)
    row[0], row[1], row[2] = by_x, by_y, -2.0 * scale * by_scale
    row[3] = (by_steepness + by_scale * shape[10]) * bending
    row[4], row[5], row[_FLUX], row[_SKY] = by_along, by_across, level, 1.0

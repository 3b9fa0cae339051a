"""Sums over inputs, four inputs at a time, from which means and their errors are made.

Sums of a pixel are taken in input order.  Four inputs at a time they stay in
registers for four values, instead of going to memory and back for each; that
changes no bit, and is twice as fast.

What `scattered` and `noisy` share is written in both: as a function of its own it
cost the mean its vector instructions.

A value takes part where it is within ``reach`` of ``centre``, the limit
included; NaN never does, so that rows of NaN make up for inputs that lack.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._jit import jit
from .weights import row_weight

__all__ = (
    "INPUT_ERROR",
    "MOSAIC_ERROR",
    "NO",
    "SCATTER_ERROR",
    "YES",
    "add_noise",
    "add_probable",
    "add_scatter",
    "next_four",
    "rows_of",
    "set_origin",
)

SCATTER_ERROR = 0
INPUT_ERROR = 1
MOSAIC_ERROR = 2

NO, YES = np.False_, np.True_
"""Flags of `add_scatter` and `add_noise`, which would be compiled for each of those of Python."""


@jit
def next_four(rows: np.ndarray, k: int) -> tuple[int, int, int, int]:
    """Return four inputs from the k-th on; the last one makes up for those that lack."""
    last = rows.size - 1
    return rows[k], rows[min(k + 1, last)], rows[min(k + 2, last)], rows[min(k + 3, last)]


@jit
def rows_of(
    plane: np.ndarray, indices: tuple[int, int, int, int], start: int, stop: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a range of pixels of four inputs."""
    a, b, c, d = indices
    return plane[a, start:stop], plane[b, start:stop], plane[c, start:stop], plane[d, start:stop]


@jit
def set_origin(rows: tuple[Any, ...], count: np.ndarray, origin: np.ndarray) -> None:
    """Take the first usable value of each pixel as the origin of its sums, where there was none before."""
    least = count[0]
    for j in range(count.size):
        least = min(least, count[j])
    if least > 0:
        return
    x0, x1, x2, x3 = rows
    for j in range(origin.size):
        first = x2[j] if x2[j] == x2[j] else x3[j]
        first = x1[j] if x1[j] == x1[j] else first
        first = x0[j] if x0[j] == x0[j] else first
        origin[j] = np.float64(first) if count[j] == 0 else origin[j]


@jit
def scattered(
    x: np.float32,
    v: np.float32,
    m: np.int32,
    weight: float,
    flags: tuple[bool, bool],
    limits: tuple[float, float],
    sums: tuple[Any, ...],
) -> tuple[Any, ...]:
    """Return the sums of a pixel with one more value."""
    distance = np.float64(x) - limits[0]
    good = abs(distance) <= limits[1]
    w = (1.0 / np.float64(v) if flags[0] else weight) if good else 0.0
    d: float = distance if good else 0.0
    bits = (m if good else 0) if flags[1] else 0
    sw, swd, sww, swdd = sums[0] + w, sums[1] + w * d, sums[2] + w * w, sums[3] + w * d * d
    return sw, swd, sww, swdd, sums[4] | bits, sums[5] + (1 if good else 0)


@jit
def add_scatter(
    rows: tuple[Any, ...],
    variances: tuple[Any, ...],
    masks: tuple[Any, ...],
    weights: tuple[Any, Any, Any, Any],
    flags: tuple[bool, bool],
    limits: tuple[np.ndarray, np.ndarray],
    sums: tuple[Any, ...],
) -> None:
    """Add weights, distances from a centre, and the squares of both, for the mean and its scatter.

    Parameters
    ----------
    rows, variances, masks
        Values (float32), variances (float32) and masks (int32) of four inputs.
    weights
        Their weights: numbers, or rows (float64).
    flags
        Whether the weights are ``1/variance`` instead, and whether bits are wanted.
    limits
        Centre and reach (float64).
    sums
        Sums (float64) of weights ``w``, ``w*d``, ``w*w`` and ``w*d*d``; the bits
        of the values that take part, and their number (int32).
    """
    x0, x1, x2, x3 = rows
    v0, v1, v2, v3 = variances
    m0, m1, m2, m3 = masks
    w0, w1, w2, w3 = weights
    centre, reach = limits
    sw, swd, sww, swdd, bits, used = sums
    for j in range(sw.size):
        near = (centre[j], reach[j])
        s = (sw[j], swd[j], sww[j], swdd[j], bits[j], used[j])
        s = scattered(x0[j], v0[j], m0[j], row_weight(w0, j), flags, near, s)
        s = scattered(x1[j], v1[j], m1[j], row_weight(w1, j), flags, near, s)
        s = scattered(x2[j], v2[j], m2[j], row_weight(w2, j), flags, near, s)
        s = scattered(x3[j], v3[j], m3[j], row_weight(w3, j), flags, near, s)
        sw[j], swd[j], sww[j], swdd[j], bits[j], used[j] = s


@jit
def noisy(
    x: np.float32,
    v: np.float32,
    m: np.int32,
    weight: float,
    flags: tuple[bool, bool],
    error: int,
    limits: tuple[float, float],
    sums: tuple[Any, ...],
) -> tuple[Any, ...]:
    """Return the sums of a pixel with one more value."""
    distance = np.float64(x) - limits[0]
    good = abs(distance) <= limits[1]
    w = (1.0 / np.float64(v) if flags[0] else weight) if good else 0.0
    d: float = distance if good else 0.0
    noise: float = np.float64(v) if good else 0.0
    bits = (m if good else 0) if flags[1] else 0
    swv = sums[2] + w * (1.0 if error == MOSAIC_ERROR else w) * noise
    return sums[0] + w, sums[1] + w * d, swv, sums[3] | bits, sums[4] + (1 if good else 0)


@jit
def add_noise(
    rows: tuple[Any, ...],
    variances: tuple[Any, ...],
    masks: tuple[Any, ...],
    weights: tuple[Any, Any, Any, Any],
    flags: tuple[bool, bool],
    error: int,
    limits: tuple[np.ndarray, np.ndarray],
    sums: tuple[Any, ...],
) -> None:
    """Add weights, distances from a centre, and variances, for the mean and its noise.

    Parameters
    ----------
    rows, variances, masks, weights, flags, limits
        As for `add_scatter`.
    error
        `INPUT_ERROR`, or `MOSAIC_ERROR` for a variance that is weighted once.
    sums
        Sums (float64) of weights ``w``, ``w*d`` and ``w*w*variance``; the bits of
        the values that take part, and their number (int32).
    """
    x0, x1, x2, x3 = rows
    v0, v1, v2, v3 = variances
    m0, m1, m2, m3 = masks
    w0, w1, w2, w3 = weights
    centre, reach = limits
    sw, swd, swv, bits, used = sums
    for j in range(sw.size):
        near = (centre[j], reach[j])
        s = (sw[j], swd[j], swv[j], bits[j], used[j])
        s = noisy(x0[j], v0[j], m0[j], row_weight(w0, j), flags, error, near, s)
        s = noisy(x1[j], v1[j], m1[j], row_weight(w1, j), flags, error, near, s)
        s = noisy(x2[j], v2[j], m2[j], row_weight(w2, j), flags, error, near, s)
        s = noisy(x3[j], v3[j], m3[j], row_weight(w3, j), flags, error, near, s)
        sw[j], swd[j], swv[j], bits[j], used[j] = s


@jit
def probable(
    x: np.float32,
    v: np.float32,
    m: np.int32,
    weight: float,
    flags: tuple[bool, bool],
    error: int,
    limits: tuple[float, float, float, float],
    sums: tuple[Any, ...],
) -> tuple[Any, ...]:
    """Return the sums of a pixel with one more value, if `combine_rows.select_probable` chooses it."""
    distance, own = np.float64(x) - limits[0], np.float64(v)
    noise = limits[3] if (distance < 0.0) & (own < limits[3]) else own
    good = distance * distance <= limits[2] * (noise + limits[1])
    w = (1.0 / own if flags[0] else weight) if good else 0.0
    d: float = distance if good else 0.0
    noise = own if good else 0.0
    bits = (m if good else 0) if flags[1] else 0
    swv = sums[2] + w * (1.0 if error == MOSAIC_ERROR else w) * noise
    return sums[0] + w, sums[1] + w * d, swv, sums[3] | bits, sums[4] + (1 if good else 0)


@jit
def add_probable(
    rows: tuple[Any, ...],
    variances: tuple[Any, ...],
    masks: tuple[Any, ...],
    weights: tuple[Any, Any, Any, Any],
    flags: tuple[bool, bool],
    error: int,
    limits: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    sums: tuple[Any, ...],
) -> None:
    """Do what `combine_rows.select_probable` and `add_noise` do, in one loop.

    ``limits`` are centre, spread, limit and least variance; the others are as for `add_noise`.
    """
    x0, x1, x2, x3 = rows
    v0, v1, v2, v3 = variances
    m0, m1, m2, m3 = masks
    w0, w1, w2, w3 = weights
    centre, spread, limit, least = limits
    sw, swd, swv, bits, used = sums
    for j in range(sw.size):
        near = (centre[j], spread[j], limit[j], least[j])
        s = (sw[j], swd[j], swv[j], bits[j], used[j])
        s = probable(x0[j], v0[j], m0[j], row_weight(w0, j), flags, error, near, s)
        s = probable(x1[j], v1[j], m1[j], row_weight(w1, j), flags, error, near, s)
        s = probable(x2[j], v2[j], m2[j], row_weight(w2, j), flags, error, near, s)
        s = probable(x3[j], v3[j], m3[j], row_weight(w3, j), flags, error, near, s)
        sw[j], swd[j], swv[j], bits[j], used[j] = s

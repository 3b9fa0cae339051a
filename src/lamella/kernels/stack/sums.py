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

from typing import Any, NamedTuple

import numpy as np

from .._jit import jit, jit_inline
from .rules import MOSAIC_ERROR, SCATTER_ERROR, Inputs, Limits, Planes, Rows, Sums, Tallies
from .weights import four_weights, row_weight

__all__ = (
    "NO",
    "YES",
    "Adding",
    "Four",
    "Known",
    "Noise",
    "Scatter",
    "add_noise",
    "add_probable",
    "add_scatter",
    "add_within",
    "four_of",
    "next_four",
    "rows_of",
    "set_origin",
)

NO, YES = np.False_, np.True_
"""Flags of `Adding`: those of Python are parts of the types, and kernels would be compiled for each."""


class Four(NamedTuple):
    """Masks (int32), variances (float32) and weights, numbers or rows (float64), of four inputs."""

    mask: Rows
    variance: Rows
    weight: tuple[Any, Any, Any, Any]


class Adding(NamedTuple):
    """Which error is wanted, whether the weights are ``1/variance``, and whether bits are wanted."""

    error: int
    per_pixel: bool | np.bool
    keep_bits: bool | np.bool


class Scatter(NamedTuple):
    """Sums for a mean and its scatter, as in `Sums` and `Tallies`: rows, or the numbers of a pixel."""

    w: Any
    wd: Any
    ww: Any
    wdd: Any
    bits: Any
    used: Any


class Noise(NamedTuple):
    """Sums for a mean and its noise, as in `Sums` and `Tallies`: rows, or the numbers of a pixel."""

    w: Any
    wd: Any
    wv: Any
    bits: Any
    used: Any


class Known(NamedTuple):
    """Limits from known noise, as `rows.select_probable` takes them: rows (float64), or numbers."""

    centre: Any
    spread: Any
    limit: Any
    least: Any


@jit_inline
def next_four(rows: np.ndarray, k: int) -> tuple[int, int, int, int]:
    """Return four inputs from the k-th on; the last one makes up for those that lack."""
    last = rows.size - 1
    return rows[k], rows[min(k + 1, last)], rows[min(k + 2, last)], rows[min(k + 3, last)]


@jit
def rows_of(plane: np.ndarray, indices: tuple[int, int, int, int], start: int, stop: int) -> Rows:
    """Return a range of pixels of four inputs, from a plane of shape (n, pixels)."""
    a, b, c, d = indices
    return plane[a, start:stop], plane[b, start:stop], plane[c, start:stop], plane[d, start:stop]


@jit_inline
def four_of(planes: Planes, inputs: Inputs, k: int, p: int, q: int, space: np.ndarray) -> Four:
    """Return the pixels from ``p`` to ``q`` of four inputs; ``space`` holds their weights if these differ."""
    which = next_four(inputs.rows, k)
    weights = four_weights(inputs.weights, which, q - p, space)
    return Four(rows_of(planes.mask, which, p, q), rows_of(planes.variance, which, p, q), weights)


@jit
def set_origin(values: Rows, count: np.ndarray, origin: np.ndarray) -> None:
    """Take the first usable value of each pixel as the origin of its sums, where there was none before.

    ``count`` (int32) and ``origin`` (float64) have the shape (pixels,) of the values (float32).
    """
    least = count[0]
    for j in range(count.size):
        least = min(least, count[j])
    if least > 0:
        return
    x0, x1, x2, x3 = values
    for j in range(origin.size):
        first = x2[j] if x2[j] == x2[j] else x3[j]
        first = x1[j] if x1[j] == x1[j] else first
        first = x0[j] if x0[j] == x0[j] else first
        origin[j] = np.float64(first) if count[j] == 0 else origin[j]


@jit
def scattered(
    x: np.float32, v: np.float32, m: np.int32, weight: float, adding: Adding, limits: Limits, sums: Scatter
) -> Scatter:
    """Return the sums of a pixel with one more value."""
    distance = np.float64(x) - limits.centre
    good = abs(distance) <= limits.reach
    w = (1.0 / np.float64(v) if adding.per_pixel else weight) if good else 0.0
    d: float = distance if good else 0.0
    bits = (m if good else 0) if adding.keep_bits else 0
    sw, swd, sww, swdd = sums.w + w, sums.wd + w * d, sums.ww + w * w, sums.wdd + w * d * d
    return Scatter(sw, swd, sww, swdd, sums.bits | bits, sums.used + (1 if good else 0))


@jit
def add_scatter(values: Rows, four: Four, adding: Adding, limits: Limits, sums: Scatter) -> None:
    """Add weights, distances from a centre, and the squares of both, for the mean and its scatter.

    All rows have the shape (pixels,); values are float32.
    """
    x0, x1, x2, x3 = values
    v0, v1, v2, v3 = four.variance
    m0, m1, m2, m3 = four.mask
    w0, w1, w2, w3 = four.weight
    centre, reach = limits
    sw, swd, sww, swdd, bits, used = sums
    for j in range(sw.size):
        near = Limits(centre[j], reach[j])
        s = Scatter(sw[j], swd[j], sww[j], swdd[j], bits[j], used[j])
        s = scattered(x0[j], v0[j], m0[j], row_weight(w0, j), adding, near, s)
        s = scattered(x1[j], v1[j], m1[j], row_weight(w1, j), adding, near, s)
        s = scattered(x2[j], v2[j], m2[j], row_weight(w2, j), adding, near, s)
        s = scattered(x3[j], v3[j], m3[j], row_weight(w3, j), adding, near, s)
        sw[j], swd[j], sww[j], swdd[j], bits[j], used[j] = s


@jit
def noisy(
    x: np.float32, v: np.float32, m: np.int32, weight: float, adding: Adding, limits: Limits, sums: Noise
) -> Noise:
    """Return the sums of a pixel with one more value."""
    distance = np.float64(x) - limits.centre
    good = abs(distance) <= limits.reach
    w = (1.0 / np.float64(v) if adding.per_pixel else weight) if good else 0.0
    d: float = distance if good else 0.0
    noise: float = np.float64(v) if good else 0.0
    bits = (m if good else 0) if adding.keep_bits else 0
    swv = sums.wv + w * (1.0 if adding.error == MOSAIC_ERROR else w) * noise
    return Noise(sums.w + w, sums.wd + w * d, swv, sums.bits | bits, sums.used + (1 if good else 0))


@jit
def add_noise(values: Rows, four: Four, adding: Adding, limits: Limits, sums: Noise) -> None:
    """Add weights, distances from a centre, and variances, for the mean and its noise.

    All rows have the shape (pixels,); values are float32.
    """
    x0, x1, x2, x3 = values
    v0, v1, v2, v3 = four.variance
    m0, m1, m2, m3 = four.mask
    w0, w1, w2, w3 = four.weight
    centre, reach = limits
    sw, swd, swv, bits, used = sums
    for j in range(sw.size):
        near = Limits(centre[j], reach[j])
        s = Noise(sw[j], swd[j], swv[j], bits[j], used[j])
        s = noisy(x0[j], v0[j], m0[j], row_weight(w0, j), adding, near, s)
        s = noisy(x1[j], v1[j], m1[j], row_weight(w1, j), adding, near, s)
        s = noisy(x2[j], v2[j], m2[j], row_weight(w2, j), adding, near, s)
        s = noisy(x3[j], v3[j], m3[j], row_weight(w3, j), adding, near, s)
        sw[j], swd[j], swv[j], bits[j], used[j] = s


@jit
def probable(
    x: np.float32, v: np.float32, m: np.int32, weight: float, adding: Adding, limits: Known, sums: Noise
) -> Noise:
    """Return the sums of a pixel with one more value, if `rows.select_probable` chooses it."""
    distance, own = np.float64(x) - limits.centre, np.float64(v)
    noise = limits.least if (distance < 0.0) & (own < limits.least) else own
    good = distance * distance <= limits.limit * (noise + limits.spread)
    w = (1.0 / own if adding.per_pixel else weight) if good else 0.0
    d: float = distance if good else 0.0
    noise = own if good else 0.0
    bits = (m if good else 0) if adding.keep_bits else 0
    swv = sums.wv + w * (1.0 if adding.error == MOSAIC_ERROR else w) * noise
    return Noise(sums.w + w, sums.wd + w * d, swv, sums.bits | bits, sums.used + (1 if good else 0))


@jit
def add_probable(values: Rows, four: Four, adding: Adding, limits: Known, sums: Noise) -> None:
    """Do what `rows.select_probable` and `add_noise` do, in one loop over rows of shape (pixels,)."""
    x0, x1, x2, x3 = values
    v0, v1, v2, v3 = four.variance
    m0, m1, m2, m3 = four.mask
    w0, w1, w2, w3 = four.weight
    centre, spread, limit, least = limits
    sw, swd, swv, bits, used = sums
    for j in range(sw.size):
        near = Known(centre[j], spread[j], limit[j], least[j])
        s = Noise(sw[j], swd[j], swv[j], bits[j], used[j])
        s = probable(x0[j], v0[j], m0[j], row_weight(w0, j), adding, near, s)
        s = probable(x1[j], v1[j], m1[j], row_weight(w1, j), adding, near, s)
        s = probable(x2[j], v2[j], m2[j], row_weight(w2, j), adding, near, s)
        s = probable(x3[j], v3[j], m3[j], row_weight(w3, j), adding, near, s)
        sw[j], swd[j], swv[j], bits[j], used[j] = s


@jit_inline
def add_within(
    values: Rows, four: Four, adding: Adding, limits: Limits, sums: Sums, tallies: Tallies
) -> None:
    """Add what lies within limits, for the error that is wanted, to rows of shape (pixels,)."""
    if adding.error == SCATTER_ERROR:
        scatter = Scatter(sums.w, sums.wd, sums.ww, sums.wdd, tallies.bits, tallies.used)
        add_scatter(values, four, adding, limits, scatter)
    else:
        noise = Noise(sums.w, sums.wd, sums.wv, tallies.bits, tallies.used)
        add_noise(values, four, adding, limits, noise)

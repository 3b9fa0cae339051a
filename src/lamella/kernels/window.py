"""Weights of the resampling kernels, and the weighted sums over a window of pixels.

The sums are written as explicit SIMD operations, because the vectoriser may
not reorder a floating-point sum and leaves the obvious loops scalar, which is
four times slower.  The order of the additions is fixed, so that a window has
the same sum on every machine.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ("CELLS", "KERNELS", "kernel_half_width", "kernel_weights", "weight_table", "window_sums")

KERNELS = ("lanczos3", "lanczos4", "lanczos5", "bilinear", "nearest")
"""Names of the kernels."""

CELLS = 512
"""Number of intervals of the fraction in `weight_table`."""


def kernel_half_width(kernel: str) -> int:
    """Return half the number of taps of a kernel in one dimension.

    Raises
    ------
    ValueError
        Raised when there is no such kernel.
    """
    if kernel not in KERNELS:
        raise ValueError(f"There is no kernel {kernel!r}; there are: {', '.join(KERNELS)}.")
    return int(kernel[-1]) if kernel.startswith("lanczos") else 1


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
    """Return quadratics for the weights in each of `CELLS` intervals of the fraction.

    Shape (cells + 1, 3, taps).  The parabolas go through three Chebyshev nodes
    of their interval (error below 1e-8), so that the weights still sum to one.
    The last row is the kernel of a position at a pixel centre.
    """
    nodes = np.cos(np.pi * np.array([1.0, 3.0, 5.0]) / 6.0) / (2 * CELLS)
    middles = (np.arange(CELLS) + 0.5) / CELLS
    weights = kernel_weights(kernel, middles[:, np.newaxis] + nodes)
    if kernel in ("bilinear", "nearest"):
        # These are straight lines: exact, so that a tap of weight zero is zero.
        edges = kernel_weights(kernel, middles)
        slope = np.array([-1.0, 1.0]) if kernel == "bilinear" else np.zeros(2)
        parts = np.stack([edges, np.broadcast_to(slope, edges.shape), np.zeros_like(edges)], axis=1)
    else:
        parts = np.einsum("qd,ndk->nqk", np.linalg.inv(np.vander(nodes, 3, increasing=True)), weights)
    centre = np.zeros((1, *parts.shape[1:]))
    centre[0, 0, kernel_half_width(kernel) - 1] = 1.0
    table = np.concatenate([parts, centre])
    table_wide = np.zeros((*table.shape[:2], lanes_of(table.shape[2])))
    table_wide[..., : table.shape[2]] = table
    return table_wide


def lanes_of(taps: int) -> int:
    """Return how many pixels of a row are loaded for a number of taps: six of eight are one register."""
    return 8 if taps == 6 else taps


def _load(builder: Any, pointer: Any, offset: Any, kind: Any, align: int) -> Any:
    place = builder.bitcast(builder.gep(pointer, [offset]), kind.as_pointer())
    value = builder.load(place)
    value.align = align
    return value


def _shuffle(builder: Any, first: Any, lanes: Sequence[int], second: Any = None) -> Any:
    """Return lanes of a vector, or of two, of which the second one's count on."""
    second = ir.Constant(first.type, ir.Undefined) if second is None else second
    return builder.shuffle_vector(
        first, second, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), [*lanes])
    )


def _fold(builder: Any, vector: Any, width: int, join: Callable[[Any, Any], Any]) -> list[Any]:
    """Join the groups of ``width`` lanes of a vector pairwise, always in the same order."""
    groups = vector.type.count // width
    while groups % 2 == 0:
        half = groups // 2 * width
        vector = join(
            _shuffle(builder, vector, range(half)), _shuffle(builder, vector, range(half, 2 * half))
        )
        groups //= 2
    place = ir.IntType(32)
    results = []
    for first in range(width):
        lanes = [builder.extract_element(vector, place(first + k * width)) for k in range(groups)]
        while len(lanes) > 1:
            half = len(lanes) // 2
            lanes = [join(lanes[k], lanes[k + half]) for k in range(half)] + lanes[2 * half :]
        results += lanes
    return results


def _window_sums(
    typing: Any, pairs: Any, mask: Any, start: Any, table: Any, cells: Any, steps: Any, taps: Any
) -> Any:
    """Return weighted sum, sum with squared weights, and bitwise or of a window of (taps, taps) pixels.

    ``pairs`` holds values and variances in turn.  ``start`` is the index of the
    first pixel in the flattened planes; the weights come from two rows of the
    table, ``cells = (x, y)``, evaluated at the distances ``steps = (x, y)`` from
    the middles of their intervals.
    """
    n = taps.literal_value
    wide = lanes_of(n)
    weight, double = (ir.VectorType(ir.DoubleType(), lanes) for lanes in (wide, 2 * wide))
    single, integer = ir.VectorType(ir.FloatType(), 2 * wide), ir.VectorType(ir.IntType(32), wide)
    result = types.Tuple((types.float64, types.float64, types.int32))  # type: ignore[no-untyped-call]
    signature = result(pairs, mask, start, table, cells, steps, taps)

    def weights(builder: Any, pointer: Any, cell: Any, step: Any) -> Any:
        """Return the weights and their squares in turn."""
        base = builder.mul(cell, cell.type(3 * wide))
        c0, c1, c2 = (
            _load(builder, pointer, builder.add(base, cell.type(q * wide)), weight, 8) for q in range(3)
        )
        first = builder.insert_element(ir.Constant(weight, ir.Undefined), step, ir.IntType(32)(0))
        d = _shuffle(builder, first, [0] * wide)
        w = builder.fadd(c0, builder.fmul(d, builder.fadd(c1, builder.fmul(d, c2))))
        turns = [k // 2 + wide * (k % 2) for k in range(2 * wide)]
        return _shuffle(builder, w, turns, builder.fmul(w, w))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        planes = [context.make_array(sig.args[k])(context, builder, args[k]) for k in (0, 1, 3)]
        values, flags, tb = (plane.data for plane in planes)
        stride = builder.extract_value(planes[1].shape, 1)
        wx, wy = (
            weights(builder, tb, builder.extract_value(args[4], k), builder.extract_value(args[5], k))
            for k in range(2)
        )
        sums = ir.Constant(double, [0.0] * 2 * wide)
        bits = ir.Constant(integer, [0] * wide)
        row = args[2]
        for j in range(n):
            pixels = builder.fpext(_load(builder, values, builder.add(row, row), single, 4), double)
            factors = _shuffle(builder, wy, [2 * j, 2 * j + 1] * wide)
            sums = builder.fadd(sums, builder.fmul(factors, pixels))
            bits = builder.or_(bits, _load(builder, flags, row, integer, 4))
            row = builder.add(row, stride)
        bits = builder.and_(bits, ir.Constant(integer, [-1] * n + [0] * (wide - n)))
        found = _fold(builder, builder.fmul(sums, wx), 2, builder.fadd) + _fold(builder, bits, 1, builder.or_)
        return context.make_tuple(builder, sig.return_type, found)

    return signature, codegen


# Typed as anything: what a kernel calls lacks the first argument.
window_sums: Any = intrinsic(prefer_literal=True)(_window_sums)

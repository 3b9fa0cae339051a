"""Weights of the resampling kernels, and the weighted sums over a window of pixels.

The sums are written as explicit SIMD operations, because the vectoriser may
not reorder a floating-point sum and leaves the obvious loops scalar, which is
many times slower.  They are taken in single precision, as the pixels have it
and as the original pipelines take them.  The order of the additions is fixed,
and products are added without being rounded first wherever that is written
down, so that a window has the same sum on every machine.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .support import kernel_half_width

__all__ = (
    "CELLS",
    "fused",
    "kernel_weights",
    "lanes_of",
    "load_vector",
    "shuffle",
    "weight_table",
    "window_sums",
)


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
    nodes = np.cos(np.pi * np.array([1.0, 3.0, 5.0, 7.0]) / 8.0) / (2 * CELLS)
    middles = (np.arange(CELLS) + 0.5) / CELLS
    if kernel in ("bilinear", "nearest"):
        # These are straight lines: exact, so that a tap of weight zero is zero.
        edges = kernel_weights(kernel, middles)
        slope = np.array([-1.0, 1.0]) if kernel == "bilinear" else np.zeros(2)
        flat = np.zeros_like(edges)
        parts = np.stack([edges, np.broadcast_to(slope, edges.shape), flat, flat], axis=1)
    else:
        weights = kernel_weights(kernel, middles[:, np.newaxis] + nodes)
        parts = np.einsum("qd,ndk->nqk", np.linalg.inv(np.vander(nodes, 4, increasing=True)), weights)
    taps = parts.shape[2]
    table = np.zeros((CELLS + 1, 4, lanes_of(taps)), np.float32)
    table[:-1, :, :taps] = parts
    table[-1, 0, kernel_half_width(kernel) - 1] = 1.0
    return table


def lanes_of(taps: int) -> int:
    """Return how many pixels of a row are loaded for a number of taps: six of eight are one register."""
    return 8 if taps == 6 else taps


def load_vector(builder: Any, pointer: Any, offset: Any, kind: Any, align: int) -> Any:
    """Return a vector of numbers that lie one behind the other."""
    place = builder.bitcast(builder.gep(pointer, [offset]), kind.as_pointer())
    value = builder.load(place)
    value.align = align
    return value


def fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once."""
    name = f"llvm.fma.v{a.type.count}f32"
    function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
        builder.module, ir.FunctionType(a.type, [a.type] * 3), name
    )
    return builder.call(function, [a, b, c])


def shuffle(builder: Any, first: Any, lanes: Sequence[int], second: Any = None) -> Any:
    """Return lanes of a vector, or of two, of which the second one's count on."""
    second = ir.Constant(first.type, ir.Undefined) if second is None else second
    return builder.shuffle_vector(
        first, second, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), [*lanes])
    )


def _fold(builder: Any, vector: Any) -> list[Any]:
    """Add the pairs of lanes of a vector, halves first, always in the same order."""
    groups = vector.type.count // 2
    while groups % 2 == 0:
        vector = builder.fadd(
            shuffle(builder, vector, range(groups)), shuffle(builder, vector, range(groups, 2 * groups))
        )
        groups //= 2
    sums = shuffle(builder, vector, range(2))
    for k in range(1, groups):
        sums = builder.fadd(sums, shuffle(builder, vector, (2 * k, 2 * k + 1)))
    return [builder.extract_element(sums, ir.IntType(32)(k)) for k in range(2)]


def _window_sums(typing: Any, pairs: Any, start: Any, table: Any, cells: Any, steps: Any, taps: Any) -> Any:
    """Return weighted sum, and sum with squared weights, of a window of (taps, taps) pixels.

    ``pairs`` holds values and variances in turn, shape (y, x, 2), float32.
    ``start`` is the index of the first pixel in the flattened plane; the weights
    come from two rows of the table, ``cells = (x, y)``, evaluated at the
    distances ``steps = (x, y)``, float32, from the middles of their intervals.
    """
    n = taps.literal_value
    wide = lanes_of(n)
    single, paired = (ir.VectorType(ir.FloatType(), lanes) for lanes in (wide, 2 * wide))
    result = types.UniTuple(types.float32, 2)  # type: ignore[no-untyped-call]
    signature = result(pairs, start, table, cells, steps, taps)

    def weights(builder: Any, pointer: Any, cell: Any, step: Any) -> Any:
        """Return the weights and their squares in turn."""
        base = builder.mul(cell, cell.type(4 * wide))
        parts = [
            load_vector(builder, pointer, builder.add(base, cell.type(q * wide)), single, 4) for q in range(4)
        ]
        first = builder.insert_element(ir.Constant(single, ir.Undefined), step, ir.IntType(32)(0))
        d = shuffle(builder, first, [0] * wide)
        w = parts.pop()
        while parts:
            w = fused(builder, d, w, parts.pop())
        turns = [k // 2 + wide * (k % 2) for k in range(2 * wide)]
        return shuffle(builder, w, turns, builder.fmul(w, w))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        plane, tb = (context.make_array(sig.args[k])(context, builder, args[k]) for k in (0, 2))
        stride = builder.extract_value(plane.shape, 1)
        wx, wy = (
            weights(builder, tb.data, builder.extract_value(args[3], k), builder.extract_value(args[4], k))
            for k in range(2)
        )
        row, sums = args[1], ir.Constant(paired, [0.0] * 2 * wide)
        for j in range(n):
            pixels = load_vector(builder, plane.data, builder.add(row, row), paired, 4)
            factors = shuffle(builder, wy, [2 * j, 2 * j + 1] * wide)
            sums = fused(builder, factors, pixels, sums)
            row = builder.add(row, stride)
        return context.make_tuple(builder, sig.return_type, _fold(builder, builder.fmul(sums, wx)))

    return signature, codegen


# Typed as anything: what a kernel calls lacks the first argument.
window_sums: Any = intrinsic(prefer_literal=True)(_window_sums)

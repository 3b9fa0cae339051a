"""Weighted sums over a window of pixels.

The sums are written as explicit SIMD operations, because the vectoriser may
not reorder a floating-point sum and leaves the obvious loops scalar, which is
many times slower.  They are taken in single precision, as the pixels have it
and as the original pipelines take them.  The order of the additions is fixed,
and products are added without being rounded first wherever that is written
down, so that a window has the same sum on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .tap_weights import LANES, lanes_of

__all__ = ("add_weights", "axis_weights", "frame_sums", "fused", "load_vector", "shuffle", "window_sums")


def load_vector(builder: Any, pointer: Any, offset: Any, kind: Any, align: int) -> Any:
    """Return a vector of numbers that lie one behind the other."""
    value = builder.load(builder.bitcast(builder.gep(pointer, [offset]), kind.as_pointer()))
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


def axis_weights(builder: Any, pointer: Any, cell: Any, step: Any, kind: Any) -> Any:
    """Return the weights of the taps along one axis."""
    wide = kind.count
    base = builder.mul(cell, cell.type(4 * wide))
    parts = [load_vector(builder, pointer, builder.add(base, cell.type(q * wide)), kind, 4) for q in range(4)]
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), step, ir.IntType(32)(0))
    d = shuffle(builder, first, [0] * wide)
    w = parts.pop()
    while parts:
        w = fused(builder, d, w, parts.pop())
    return w


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
        w = axis_weights(builder, pointer, cell, step, single)
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


def _add_weights(
    typing: Any, total: Any, start: Any, stride: Any, table: Any, cells: Any, steps: Any, taps: Any
) -> Any:
    """Add the weights of a window of (taps, taps) pixels to a plane, float32, from one of its pixels on.

    ``start`` is the index of that pixel in the flattened plane, and ``stride``
    the length of its rows; weights are found as in `window_sums`, and columns
    beyond the window, up to `LANES`, get zero.
    """
    n = taps.literal_value
    wide = lanes_of(n)
    single = ir.VectorType(ir.FloatType(), wide)
    signature = types.void(total, start, stride, table, cells, steps, taps)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        plane, tb = (context.make_array(sig.args[k])(context, builder, args[k]) for k in (0, 3))
        wx, wy = (
            axis_weights(
                builder,
                tb.data,
                builder.extract_value(args[4], k),
                builder.extract_value(args[5], k),
                single,
            )
            for k in range(2)
        )
        row = args[1]
        for j in range(n):
            pixels = builder.bitcast(builder.gep(plane.data, [row]), single.as_pointer())
            before = builder.load(pixels)
            before.align = 4
            factors = shuffle(builder, wy, [j] * wide)
            builder.store(fused(builder, factors, wx, before), pixels).align = 4
            row = builder.add(row, args[2])
        return context.get_dummy_value()

    return signature, codegen


add_weights: Any = intrinsic(prefer_literal=True)(_add_weights)


def _frame_sums(typing: Any, pairs: Any, start: Any, weights: Any, rows: Any, blocks: Any) -> Any:
    """Return weighted sum, and sum with squared weights, of a frame of pixels.

    ``pairs`` and ``start`` are those of `window_sums`.  ``weights`` holds those
    of the frame, float32, row by row, each of ``blocks`` times `LANES`; they
    are zero beyond the frame, where pixels must be finite.
    """
    single, paired = (ir.VectorType(ir.FloatType(), lanes) for lanes in (LANES, 2 * LANES))
    result = types.UniTuple(types.float32, 2)  # type: ignore[no-untyped-call]
    signature = result(pairs, start, weights, rows, blocks)
    turns = [k // 2 + LANES * (k % 2) for k in range(2 * LANES)]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        plane, factors = (context.make_array(sig.args[k])(context, builder, args[k]) for k in (0, 2))
        stride = builder.extract_value(plane.shape, 1)
        zeros = ir.Constant(paired, [0.0] * 2 * LANES)
        sums = cgutils.alloca_once_value(builder, zeros)  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, args[3]) as row:
            first = builder.add(args[1], builder.mul(row.index, stride))
            block = builder.mul(row.index, args[4])
            with cgutils.for_range(builder, args[4]) as column:
                ahead = builder.mul(column.index, column.index.type(LANES))
                at = builder.mul(builder.add(block, column.index), block.type(LANES))
                w = load_vector(builder, factors.data, at, single, 4)
                pixel = builder.add(first, ahead)
                pixels = load_vector(builder, plane.data, builder.add(pixel, pixel), paired, 4)
                both = shuffle(builder, w, turns, builder.fmul(w, w))
                builder.store(fused(builder, both, pixels, builder.load(sums)), sums)
        return context.make_tuple(builder, sig.return_type, _fold(builder, builder.load(sums)))

    return signature, codegen


frame_sums: Any = intrinsic(prefer_literal=True)(_frame_sums)

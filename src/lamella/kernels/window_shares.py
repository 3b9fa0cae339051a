"""How much of a resampling kernel falls on pixels that are lost, or filled.

Written as explicit SIMD operations, as `lamella.kernels.window` is, and for the
same reason: pixels near defects are many, and a loop over their taps costs
several times the sum over their window.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .resample_source import FILLED, LOST
from .tap_weights import lanes_of
from .window import fused, load_vector, shuffle

__all__ = ("window_shares",)

_I32, _I8 = ir.IntType(32), ir.IntType(8)


def _window_shares(
    typing: Any, states: Any, start: Any, table: Any, cells: Any, steps: Any, taps: Any
) -> Any:
    """Return sums of weights over a window of (taps, taps) pixels, four numbers of float32.

    They are the sums of the absolute weights of lost pixels and of filled ones,
    the sum of the weights of lost pixels, and the sum of all absolute weights.
    ``states`` holds the states of the pixels, shape (y, x), uint8; ``taps`` is a
    tuple with that many numbers, whose length is known when this is compiled; the
    other arguments are those of `lamella.kernels.window.window_sums`.
    """
    n = taps.count
    wide = lanes_of(n)
    single, byte = ir.VectorType(ir.FloatType(), wide), ir.VectorType(_I8, wide)
    result = types.UniTuple(types.float32, 4)  # type: ignore[no-untyped-call]
    signature = result(states, start, table, cells, steps, taps)
    nothing = ir.Constant(single, [0.0] * wide)

    def splat(builder: Any, value: Any, lane: int = 0) -> Any:
        if not isinstance(value.type, ir.VectorType):
            value = builder.insert_element(nothing, value, _I32(0))
        return shuffle(builder, value, [lane] * wide)

    def weights(builder: Any, pointer: Any, cell: Any, step: Any) -> Any:
        base = builder.mul(cell, cell.type(4 * wide))
        terms = [
            load_vector(builder, pointer, builder.add(base, cell.type(q * wide)), single, 4) for q in range(4)
        ]
        distance, total = splat(builder, step), terms.pop()
        while terms:
            total = fused(builder, distance, total, terms.pop())
        return total

    def magnitude(builder: Any, vector: Any) -> Any:
        whole = ir.VectorType(_I32, wide)
        bits = builder.and_(builder.bitcast(vector, whole), ir.Constant(whole, [0x7FFFFFFF] * wide))
        return builder.bitcast(bits, single)

    def total(builder: Any, vector: Any) -> Any:
        """Add the lanes, always in the same order."""
        value = builder.extract_element(vector, _I32(0))
        for lane in range(1, wide):
            value = builder.fadd(value, builder.extract_element(vector, _I32(lane)))
        return value

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        plane, tb = (context.make_array(sig.args[k])(context, builder, args[k]) for k in (0, 2))
        stride = builder.extract_value(plane.shape, 1)
        wx, wy = (
            weights(builder, tb.data, builder.extract_value(args[3], k), builder.extract_value(args[4], k))
            for k in range(2)
        )
        ax, ay = magnitude(builder, wx), magnitude(builder, wy)
        row, lost, filled, gone = args[1], nothing, nothing, nothing
        for j in range(n):
            flags = load_vector(builder, plane.data, row, byte, 1)
            is_lost, is_filled = (
                builder.icmp_unsigned(
                    "!=",
                    builder.and_(flags, ir.Constant(byte, [int(bit)] * wide)),
                    ir.Constant(byte, [0] * wide),
                )
                for bit in (LOST, FILLED)
            )
            size = splat(builder, ay, j)
            lost = builder.fadd(lost, builder.select(is_lost, size, nothing))
            filled = builder.fadd(filled, builder.select(is_filled, size, nothing))
            gone = builder.fadd(gone, builder.select(is_lost, splat(builder, wy, j), nothing))
            row = builder.add(row, stride)
        whole = builder.fmul(total(builder, ax), total(builder, ay))
        sums = [total(builder, builder.fmul(a, b)) for a, b in ((ax, lost), (ax, filled), (wx, gone))]
        return context.make_tuple(builder, sig.return_type, [*sums, whole])

    return signature, codegen


# Typed as anything: what a kernel calls lacks the first argument.
window_shares: Any = intrinsic(_window_shares)

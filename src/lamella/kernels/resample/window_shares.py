"""How much of a resampling kernel falls on pixels that are lost, or filled, and what their masks say.

Written as explicit SIMD operations, as `lamella.kernels.resample.window` is, and for the
same reason: pixels near defects are many, and a loop over their taps costs
several times the sum over their window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .source import FILLED, LOST
from .tap_weights import lanes_of
from .window import fused, load_vector, shuffle

__all__ = ("filled_shares", "window_bits", "window_shares")

_I32, _I8 = ir.IntType(32), ir.IntType(8)


def _has(builder: Any, flags: Any, bits: int) -> Any:
    """Return which lanes of a vector of states have one of some bits."""
    wanted = ir.Constant(flags.type, [bits] * flags.type.count)
    return builder.icmp_unsigned(
        "!=", builder.and_(flags, wanted), ir.Constant(flags.type, [0] * flags.type.count)
    )


def _weights(builder: Any, pointer: Any, cell: Any, step: Any, wide: int) -> Any:
    """Return the weights of the taps along one axis, as `lamella.kernels.resample.window` has them."""
    single = ir.VectorType(ir.FloatType(), wide)
    base = builder.mul(cell, cell.type(4 * wide))
    terms = [
        load_vector(builder, pointer, builder.add(base, cell.type(q * wide)), single, 4) for q in range(4)
    ]
    first = builder.insert_element(ir.Constant(single, ir.Undefined), step, _I32(0))
    distance, total = shuffle(builder, first, [0] * wide), terms.pop()
    while terms:
        total = fused(builder, distance, total, terms.pop())
    return total


def _magnitude(builder: Any, vector: Any) -> Any:
    whole = ir.VectorType(_I32, vector.type.count)
    bits = builder.and_(builder.bitcast(vector, whole), ir.Constant(whole, [0x7FFFFFFF] * whole.count))
    return builder.bitcast(bits, vector.type)


def _totals(builder: Any, vectors: Sequence[Any], n: int) -> list[Any]:
    """Add the first n lanes of each of four vectors, always in the same order; four sums side by side."""
    a, b, c, d = vectors
    wide = a.type.count
    total = None
    for lane in range(n):
        pair, other = (shuffle(builder, one, (lane, wide + lane), two) for one, two in ((a, b), (c, d)))
        four = shuffle(builder, pair, range(4), other)
        total = four if total is None else builder.fadd(total, four)
    return [builder.extract_element(total, _I32(k)) for k in range(4)]


def _make_shares(kinds: Sequence[Any]) -> Any:
    def shares(typing: Any, states: Any, start: Any, table: Any, cells: Any, steps: Any, taps: Any) -> Any:
        n, count = taps.count, 4 if LOST in kinds else 2
        wide = lanes_of(n)
        single, byte = ir.VectorType(ir.FloatType(), wide), ir.VectorType(_I8, wide)
        signature = types.UniTuple(types.float32, count)(  # type: ignore[no-untyped-call]
            states, start, table, cells, steps, taps
        )
        nothing = ir.Constant(single, [0.0] * wide)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            plane, tb = (context.make_array(sig.args[k])(context, builder, args[k]) for k in (0, 2))
            stride = builder.extract_value(plane.shape, 1)
            wx, wy = (
                _weights(
                    builder,
                    tb.data,
                    builder.extract_value(args[3], k),
                    builder.extract_value(args[4], k),
                    wide,
                )
                for k in range(2)
            )
            ax, ay = _magnitude(builder, wx), _magnitude(builder, wy)
            row, lost, filled, gone = args[1], nothing, nothing, nothing
            for j in range(n):
                flags = load_vector(builder, plane.data, row, byte, 1)
                size = shuffle(builder, ay, [j] * wide)
                filled = builder.fadd(
                    filled, builder.select(_has(builder, flags, int(FILLED)), size, nothing)
                )
                if LOST in kinds:
                    is_lost, weight = _has(builder, flags, int(LOST)), shuffle(builder, wy, [j] * wide)
                    lost = builder.fadd(lost, builder.select(is_lost, size, nothing))
                    gone = builder.fadd(gone, builder.select(is_lost, weight, nothing))
                row = builder.add(row, stride)
            if LOST in kinds:
                vectors = [builder.fmul(a, b) for a, b in ((ax, lost), (ax, filled), (wx, gone))]
                first = _totals(builder, [*vectors, ax], n)
                last = _totals(builder, [ay, ay, ay, ay], n)[0]
                sums = [*first[:3], builder.fmul(first[3], last)]
            else:
                a, b, c, _ = _totals(builder, [builder.fmul(ax, filled), ax, ay, ay], n)
                sums = [a, builder.fmul(b, c)]
            return context.make_tuple(builder, sig.return_type, sums)

        return signature, codegen

    return shares


# Typed as anything: what a kernel calls lacks the first argument.
window_shares: Any = intrinsic(_make_shares((LOST, FILLED)))
"""Return sums of weights over a window of (taps, taps) pixels, four numbers of float32.

They are the sums of the absolute weights of lost pixels and of filled ones,
the sum of the weights of lost pixels, and the sum of all absolute weights.
The first argument holds the states of the pixels, shape (y, x), uint8; the last is a
tuple with a number for each tap, whose length is known when this is compiled; the
other arguments are those of `lamella.kernels.resample.window.window_sums`.
"""

filled_shares: Any = intrinsic(_make_shares((FILLED,)))
"""Return the second and the last of the sums of `window_shares`, which are all where no pixel is lost."""


def _window_bits(typing: Any, mask: Any, at: Any, states: Any, start: Any, taps: Any) -> Any:
    """Return the mask bits of the lost and filled pixels of a window of (taps, taps) pixels, or-ed.

    ``at`` and ``start`` are the indices of the first pixel in the flattened planes,
    the mask (int32) and the states (uint8); ``taps`` is that of `window_shares`.
    """
    n = taps.count
    wide = lanes_of(n)
    signature = types.int32(mask, at, states, start, taps)
    byte, word = ir.VectorType(_I8, wide), ir.VectorType(_I32, n)
    nothing = ir.Constant(word, [0] * n)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits, plane = (context.make_array(sig.args[k])(context, builder, args[k]) for k in (0, 2))
        strides = [builder.extract_value(one.shape, 1) for one in (bits, plane)]
        from_row, row, total = args[1], args[3], nothing
        for _ in range(n):
            flags = load_vector(builder, plane.data, row, byte, 1)
            missing = shuffle(builder, _has(builder, flags, int(LOST | FILLED)), range(n))
            # No column more than the window has: the mask may end there.
            said = load_vector(builder, bits.data, from_row, word, 4)
            total = builder.or_(total, builder.select(missing, said, nothing))
            from_row, row = builder.add(from_row, strides[0]), builder.add(row, strides[1])
        lanes = [builder.extract_element(total, _I32(k)) for k in range(n)]
        result = lanes.pop()
        while lanes:
            result = builder.or_(result, lanes.pop())
        return result

    return signature, codegen


window_bits: Any = intrinsic(_window_bits)

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
from .window import axis_weights, load_vector, shuffle

__all__ = ("filled_shares", "window_bits", "window_shares")

_I32, _I8 = ir.IntType(32), ir.IntType(8)


def _has(builder: Any, flags: Any, bits: int) -> Any:
    """Return which lanes of a vector of states have one of some bits."""
    wanted = ir.Constant(flags.type, [bits] * flags.type.count)
    return builder.icmp_unsigned(
        "!=", builder.and_(flags, wanted), ir.Constant(flags.type, [0] * flags.type.count)
    )


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
        pair, other = (shuffle(builder, v, (lane, wide + lane), w) for v, w in ((a, b), (c, d)))
        four = shuffle(builder, pair, range(4), other)
        total = four if total is None else builder.fadd(total, four)
    return [builder.extract_element(total, _I32(k)) for k in range(4)]


def _missing_rows(builder: Any, plane: Any, start: Any, wy: Any, n: int, with_lost: bool) -> list[Any]:
    """Return sums over the rows of a window, lane by lane, of weights along y.

    They are the absolute weights of filled pixels and, if asked for, of lost ones, and the weights of these.
    """
    wide, stride = wy.type.count, builder.extract_value(plane.shape, 1)
    byte, nothing = ir.VectorType(_I8, wide), ir.Constant(wy.type, [0.0] * wide)
    ay = _magnitude(builder, wy)
    kinds = [(FILLED, ay), (LOST, ay), (LOST, wy)] if with_lost else [(FILLED, ay)]
    row, sums = start, [nothing] * len(kinds)
    for j in range(n):
        flags = load_vector(builder, plane.data, row, byte, 1)
        for k, (state, weights) in enumerate(kinds):
            weight = shuffle(builder, weights, [j] * wide)
            share = builder.select(_has(builder, flags, int(state)), weight, nothing)
            sums[k] = builder.fadd(sums[k], share)
        row = builder.add(row, stride)
    return sums


def _make_shares(with_lost: bool) -> Any:
    def shares(typing: Any, states: Any, start: Any, table: Any, cells: Any, steps: Any, taps: Any) -> Any:
        n = taps.count
        single = ir.VectorType(ir.FloatType(), lanes_of(n))
        signature = types.UniTuple(types.float32, 4 if with_lost else 2)(  # type: ignore[no-untyped-call]
            states, start, table, cells, steps, taps
        )

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            plane, tb = (context.make_array(sig.args[k])(context, builder, args[k]) for k in (0, 2))
            pairs = [[builder.extract_value(args[i], k) for i in (3, 4)] for k in range(2)]
            wx, wy = (axis_weights(builder, tb.data, cell, step, single) for cell, step in pairs)
            ax, ay = _magnitude(builder, wx), _magnitude(builder, wy)
            sums = _missing_rows(builder, plane, args[1], wy, n, with_lost)
            if with_lost:
                filled, lost, gone = sums
                vectors = [builder.fmul(a, b) for a, b in ((ax, lost), (ax, filled), (wx, gone))]
                first = _totals(builder, [*vectors, ax], n)
                last = _totals(builder, [ay, ay, ay, ay], n)[0]
                totals = [*first[:3], builder.fmul(first[3], last)]
            else:
                a, b, c, _ = _totals(builder, [builder.fmul(ax, sums[0]), ax, ay, ay], n)
                totals = [a, builder.fmul(b, c)]
            return context.make_tuple(builder, sig.return_type, totals)

        return signature, codegen

    return shares


# Typed as anything: what a kernel calls lacks the first argument.
window_shares: Any = intrinsic(_make_shares(with_lost=True))
"""Return sums of weights over a window of (taps, taps) pixels, four numbers of float32.

They are the sums of the absolute weights of lost pixels and of filled ones,
the sum of the weights of lost pixels, and the sum of all absolute weights.
The first argument holds the states of the pixels, shape (y, x), uint8; the last is a
tuple with a number for each tap, whose length is known when this is compiled; the
other arguments are those of `lamella.kernels.resample.window.window_sums`.
"""

filled_shares: Any = intrinsic(_make_shares(with_lost=False))
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
        strides = [builder.extract_value(array.shape, 1) for array in (bits, plane)]
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

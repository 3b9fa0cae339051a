"""Weights of the inputs of a stack: one for all pixels of an input, or ranges of pixels with their own.

The kernels of stacks are compiled for both: what follows is chosen by the type of the weights when they
are compiled, so that one weight per input costs no more than it does alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload

from .._jit import jit
from .rules import WeightTable

__all__ = ("four_weights", "row_weight", "set_weights", "weight_space")


@jit
def fill_weights(table: WeightTable, p: int, q: int, space: np.ndarray) -> None:
    """Write the weights of all inputs from pixel ``p`` to ``q``.

    Parameters
    ----------
    table
        Weights of ranges of pixels.
    p, q
        Range of pixels.
    space
        float64 of shape (n, columns), written.
    """
    # Bisected here: numpy's search makes each process import the linear algebra of SciPy.
    weights, ends = table
    k, high = 0, ends.size
    while k < high:
        middle = (k + high) // 2
        if ends[middle] <= p:
            k = middle + 1
        else:
            high = middle
    start = p
    while start < q:
        stop = min(q, ends[k])
        for i in range(space.shape[0]):
            weight = weights[k, i]
            for j in range(start - p, stop - p):
                space[i, j] = weight
        start = stop
        k += 1


def weight_space(weights: np.ndarray | WeightTable, columns: int) -> np.ndarray:
    """Return space for the weights of a block, where they differ between its pixels."""
    raise NotImplementedError  # for the compiler alone


def set_weights(weights: np.ndarray | WeightTable, p: int, q: int, space: np.ndarray) -> None:
    """Write the weights of a block of pixels into the space for them, if there is some."""
    raise NotImplementedError


def four_weights(
    weights: np.ndarray | WeightTable, which: tuple[int, int, int, int], b: int, space: np.ndarray
) -> tuple[Any, Any, Any, Any]:
    """Return the weights of four inputs: numbers, or rows of the block."""
    raise NotImplementedError


def row_weight(weight: Any, j: int) -> float:
    """Return the weight of a pixel of a row, from one of `four_weights`."""
    raise NotImplementedError


def _differ(weights: Any) -> bool:
    from numba.core.types import BaseTuple

    return isinstance(weights, BaseTuple)


@overload(weight_space, strict=False)
def _weight_space(weights: Any, columns: Any) -> Any:
    if _differ(weights):
        return lambda weights, columns: np.empty((weights[0].shape[1], columns))
    return lambda weights, columns: np.empty((0, 0))


@overload(set_weights, strict=False)
def _set_weights(weights: Any, p: Any, q: Any, space: Any) -> Any:
    if _differ(weights):
        return lambda weights, p, q, space: fill_weights(weights, p, q, space)
    return lambda weights, p, q, space: None


@overload(four_weights, strict=False)
def _four_weights(weights: Any, which: Any, b: Any, space: Any) -> Any:
    if _differ(weights):
        return lambda weights, which, b, space: (
            space[which[0], :b],
            space[which[1], :b],
            space[which[2], :b],
            space[which[3], :b],
        )
    return lambda weights, which, b, space: (
        weights[which[0]],
        weights[which[1]],
        weights[which[2]],
        weights[which[3]],
    )


@overload(row_weight, strict=False)
def _row_weight(weight: Any, j: Any) -> Any:
    from numba.core.types import Array

    if isinstance(weight, Array):
        return lambda weight, j: weight[j]
    return lambda weight, j: weight

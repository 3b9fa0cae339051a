"""A statistic of the user's: a function of Python instead of one of the kernels."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from lsst.images import Box

from ...data.inputs import WarpInput
from ...data.owners import weight_ranges
from ...errors import CombineError, PixelTypeError, ShapeError, WrongTypeError
from ...image.planes import Planes
from ...planes import Layout
from .stack_control import StackControl
from .tiles import InputReader, StackedPlanes

__all__ = ("Combine", "combine_inputs", "require_function", "told_name")

type Combine = Callable[
    [np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray | tuple[np.ndarray, np.ndarray]
]
"""See `lamella.assemble`."""

_TILE_BYTES = 2**27
"""Of what a function gets at a time."""
_BYTES_PER_PIXEL = 28  # values, variances and weights in double precision, and a mask
_EMPTY = "All-NaN|Mean of empty slice|Degrees of freedom|invalid value|divide by zero"
"""What numpy says of pixels that no input has."""
_AGREEMENT = 1e-4


def told_name(function: Any) -> str:
    """Return the name of a function for a record: module and qualified name."""
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    if not hasattr(inner, "__qualname__"):
        inner = type(inner)
    return f"{inner.__module__}.{inner.__qualname__}"


def require_function(function: Any) -> None:
    """Raise a `WrongTypeError` for what cannot be called."""
    if not callable(function):
        raise WrongTypeError.of(function, "combine", expected="a function of four arrays")


def combine_inputs(
    function: Combine,
    inputs: Sequence[WarpInput],
    planes: StackedPlanes,
    layout: Layout,
    rules: StackControl,
    removed: int = 0,
) -> bool:
    """Put what a function makes of some inputs in the place of their mean.

    Parameters
    ----------
    function
        See `lamella.assemble`.
    inputs
        Warps with weights, in the order of their identities.
    planes
        Their mean, whose image is replaced, and its variance where the function gives one.  Where the
        function has no value there is no measurement any more.
    layout, rules, removed
        As in `lamella.coadd.stack.tiles.stack_inputs`.

    Returns
    -------
    bool
        Whether the function gave variances.

    Raises
    ------
    CombineError
        Raised when the function fails, or looks at other pixels than its own.
    ShapeError, PixelTypeError
        Raised when it returns something else than it should.
    """
    caller = _Caller(function, told_name(function))
    readers = [InputReader(record, layout) for record in inputs]
    gave = False
    # The functions of numpy say something of pixels without any input, of which there are many.
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.filterwarnings("ignore", _EMPTY, RuntimeWarning)
        for number, tile in enumerate(_tiles(planes.box, len(inputs))):
            cube = _cube(readers, tile, rules, removed)
            image, variance = caller.call(cube)
            if not number:
                caller.require_pixelwise(cube, image)
            gave = variance is not None
            _put(planes.part(tile), image, variance, layout)
    return gave


def _tiles(box: Box, inputs: int) -> Iterator[Box]:
    """Yield tiles of whole rows; their size depends on nothing but the pixels and the number of inputs."""
    rows = max(1, _TILE_BYTES // (_BYTES_PER_PIXEL * inputs * box.x.size))
    for start in range(box.y.start, box.y.stop, rows):
        yield Box.factory[start : min(start + rows, box.y.stop), box.x.start : box.x.stop]


def _cube(
    readers: Sequence[InputReader], tile: Box, rules: StackControl, removed: int
) -> tuple[np.ndarray, ...]:
    """Return values, variances, masks and weights of all inputs, shape (n, y, x)."""
    shape = (len(readers), *tile.shape)
    values, variances, weights = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape)
    masks = np.full(shape, rules.no_good_mask, np.int32)
    for index, reader in enumerate(readers):
        box = reader.overlap(tile)
        if box is None:
            continue
        read, at = reader.read(box), box.slice_within(tile)
        used = (read.mask & np.int32(rules.bad_mask) == 0) & np.isfinite(read.image)
        values[index][at] = np.where(used, read.image, np.nan)
        variances[index][at] = np.where(used, read.variance, np.nan)
        weights[index][at] = np.where(used, _weights(reader, box, read), 0.0)
        masks[index][at] = read.mask & ~np.int32(removed)
    return values, variances, masks, weights


def _weights(reader: InputReader, box: Box, read: Planes) -> np.ndarray:
    """Return the weight of each pixel of an input, shape (y, x)."""
    ranges = weight_ranges([reader.weights], box)
    if isinstance(ranges, np.ndarray):
        return np.full(read.image.shape, float(ranges[0]))
    lengths = np.diff(ranges.ends, prepend=0)
    return np.repeat(ranges.weights[:, 0], lengths).reshape(read.image.shape)


class _Caller:
    """Calls the function of a user, and names it in errors."""

    def __init__(self, function: Combine, name: str) -> None:
        self.function, self.name = function, name

    def call(self, cube: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray | None]:
        """Return image, and variance if there is one, of shape (y, x)."""
        try:
            result = self.function(*(plane.copy() for plane in cube))
        except Exception as err:
            reason = " ".join(str(err).split()).rstrip(".")
            raise CombineError(self.name, reason=f"{type(err).__name__}: {reason}") from err
        image, variance = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
        shape = cube[0].shape[1:]
        return self._plane(image, "value", shape), (
            None if variance is None else self._plane(variance, "variance", shape)
        )

    def _plane(self, plane: Any, what: str, shape: tuple[int, ...]) -> np.ndarray:
        name = f"{what} of combine function {self.name}"
        array = np.ma.filled(plane, np.nan) if isinstance(plane, np.ma.MaskedArray) else np.asarray(plane)
        if array.dtype.kind not in "iufb":
            raise PixelTypeError(name, found=f"values of type {array.dtype}", expected="real numbers")
        if array.shape != shape:
            raise ShapeError(name, found=array.shape, expected=f"{shape}, (y, x) of its arguments")
        return array.astype(np.float32)

    def require_pixelwise(self, cube: tuple[np.ndarray, ...], image: np.ndarray) -> None:
        """Call the function with a corner of the pixels, which must get the same values."""
        y, x = (max(1, size // 2) for size in image.shape)
        corner, _ = self.call(tuple(plane[:, :y, :x] for plane in cube))
        if not np.allclose(corner, image[:y, :x], rtol=_AGREEMENT, atol=0.0, equal_nan=True):
            reason = "its value at a pixel depends on other pixels, so that it would depend on tiles"
            raise CombineError(self.name, reason=reason)


def _put(part: StackedPlanes, image: np.ndarray, variance: np.ndarray | None, layout: Layout) -> None:
    used = part.count > 0
    lost = used & ~np.isfinite(image)
    part.image[used] = image[used]
    if variance is not None:
        part.variance[used] = variance[used]
    part.image[lost], part.variance[lost], part.count[lost] = np.nan, np.inf, 0
    part.mask[lost] |= np.int32(layout.no_data)

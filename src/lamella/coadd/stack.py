"""Stack statistics: the inputs on one pixel grid become image, mask, variance and count.

Two modes exist.  The default does the right thing; ``strict`` repeats the
original pipelines to the last bit, quirks included.  The manual page
``docs/stack-statistics.md`` lists where the two differ and why.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import pydantic
from numpy.typing import ArrayLike

from ..config import Config, option
from ..errors import ConfigError, NoInputsError, ShapeError
from ..kernels import combine, combine_clip, combine_median, combine_sort, combine_spread, combine_strict

__all__ = ("StackControl", "StackResult", "Statistic", "StreamingMean", "statistics_stack")

Statistic = Literal[
    "MEAN",
    "MEANCLIP",
    "NOISECLIP",
    "MEDIAN",
    "VARIANCE",
    "VARIANCECLIP",
    "STDEV",
    "STDEVCLIP",
    "IQRANGE",
    "MIN",
    "MAX",
    "SUM",
    "MEANSQUARE",
    "NPOINT",
]

_MAX_BITS = 2**31 - 1
_ZERO = np.float32(0.0)
_BELOW_ZERO = np.nextafter(_ZERO, np.float32(-1.0))


class StackControl(Config):
    """What is computed from the inputs of each pixel, and which of them are used."""

    statistic: Statistic = option("MEAN", "Statistic that makes a pixel of the result.")
    sigma_clip: float = option(3.0, "Clip values further than this from the centre.", unit="sigma", gt=0)
    clip_iter: int = option(2, "Number of passes of a clip; all are made.", ge=1)
    flux_tolerance: float = option(
        0.1,
        "NOISECLIP: scatter (one sigma) between inputs that is not noise, as a fraction of the pixel's "
        "value; differences of seeing and registration make it.",
        ge=0,
    )
    bad_mask: int = option(0, "Mask bits, or-ed together, that reject a pixel.", ge=0, le=_MAX_BITS)
    nan_safe: bool = option(True, "Reject pixels that are not finite; otherwise they make the result NaN.")
    weighted: bool | None = option(
        None,
        "True: by the weights given or, without any, by the inverse of each pixel's variance; "
        "False: weights are not used; unset: weights are used if given.",
    )
    error_from_input_variance: bool = option(
        False, "Variance of the result from the variances of the inputs; otherwise from their scatter."
    )
    mosaic_error: bool = option(
        False, "Variance of the result as the mean variance of the inputs, for inputs that hardly overlap."
    )
    no_good_mask: int = option(0, "Mask bits of pixels without any input.", ge=0, le=_MAX_BITS)
    clipped_mask: int = option(0, "Mask bits of pixels where a clip left out a value.", ge=0, le=_MAX_BITS)
    excuse: int = option(
        0, "Bits of bad_mask that do not set clipped_mask; without effect if mask_map is given.", ge=0
    )
    mask_map: tuple[tuple[int, int], ...] | None = option(
        None,
        "Pairs (from, to): where a rejected input has bits of from, the result gets those of to; "
        "unset: bad_mask without excuse gives clipped_mask.",
    )
    propagation_thresholds: dict[int, float] = option(
        {},
        "Bit numbers and limits: the result gets the bit where the rejected inputs that have it hold "
        "more than this fraction of the weight.",
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> StackControl:
        if self.error_from_input_variance and self.mosaic_error:
            raise ValueError("error_from_input_variance and mosaic_error exclude each other")
        wrong = [bit for bit in self.propagation_thresholds if not 0 <= bit < 31]
        if wrong:
            raise ValueError(f"propagation_thresholds needs bit numbers from 0 to 30; found {wrong[0]}")
        return self


@dataclasses.dataclass(frozen=True, slots=True)
class StackResult:
    """Result of a stack: arrays of shape (y, x).

    Attributes
    ----------
    image
        The statistic (float32); NaN where no input was used.
    mask
        Bits (int32) of the inputs that were used, and those that the control adds.
    variance
        Variance of the statistic (float32); NaN where it is not known, +inf
        where no input was used (NaN there in strict mode).
    count
        Number of inputs used, after clipping (int32); in strict mode before.
    """

    image: np.ndarray
    mask: np.ndarray
    variance: np.ndarray
    count: np.ndarray

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> StackResult:
        """Make a result whose pixels have no value yet."""
        return cls(*(np.empty(shape, dtype) for dtype in (np.float32, np.int32, np.float32, np.int32)))

    def flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return views of the arrays with all pixels in one axis."""
        return self.image.ravel(), self.mask.ravel(), self.variance.ravel(), self.count.ravel()


def statistics_stack(
    image: ArrayLike,
    mask: ArrayLike,
    variance: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    control: StackControl,
    strict: bool = False,
    threads: int = 1,
) -> StackResult:
    """Combine inputs on one pixel grid, pixel by pixel.

    Parameters
    ----------
    image, mask, variance
        Planes of the inputs, of shape (n, y, x); they are used as float32, int32
        and float32, best C-contiguous.  Values that are masked by
        ``control.bad_mask`` or not finite are not used; nor are those whose
        variance is not finite or is negative, where the variance matters.
    weights
        One weight per input, of shape (n,); an input of weight zero is left out.
    control
        What is computed.
    strict
        Whether to repeat the original pipelines bit for bit.
    threads
        Number of threads; the result does not depend on it.

    Returns
    -------
    StackResult
        Image, mask, variance and count of shape (y, x).

    Raises
    ------
    NoInputsError
        Raised when there are no inputs, or all weights are zero.
    ShapeError
        Raised when arrays do not have the shapes above.
    ConfigError
        Raised when a weight is negative or not finite, when the mask is not of an
        integer type, or for the statistic NOISECLIP in strict mode.
    """
    cube = _cube(image, mask, variance)
    n = len(cube[0])
    shape = cube[0].shape[1:]
    planes = tuple(plane.reshape(n, -1) for plane in cube)
    result = StackResult.empty(shape)
    if strict:
        work = _strict_work(planes, _vector(weights, n), control, result)
    else:
        vector = _checked_weights(weights, n) if control.weighted is not False else None
        work = _default_work(planes, vector, control, result)
    _run(work, planes[0].shape[1], threads)
    if not control.nan_safe and not strict:
        _poison(result, _is_poison(cube[0], cube[1], control).any(axis=0))
    return result


class StreamingMean:
    """A mean that takes its inputs one at a time.

    The result has the same bits as that of `statistics_stack` for all inputs at
    once; the memory does not grow with their number.

    Parameters
    ----------
    shape
        Shape (y, x) of the inputs.
    control
        What is computed; the statistic must be MEAN.

    Raises
    ------
    ConfigError
        Raised when the statistic is another one.
    """

    def __init__(self, shape: tuple[int, int], control: StackControl) -> None:
        if control.statistic != "MEAN":
            raise ConfigError(
                f"a streaming stack needs the statistic MEAN; found {control.statistic}.",
                option="statistic",
                found=control.statistic,
            )
        self._shape = tuple(shape)
        self._control = control
        pixels = self._shape[0] * self._shape[1]
        self._sums = np.zeros((5 if _error(control) == combine.SCATTER_ERROR else 4, pixels))
        self._tallies = np.zeros((3, pixels), np.int32)
        self._lost = np.zeros((len(control.propagation_thresholds), pixels))
        self._poisoned = np.zeros(self._shape, bool)
        self._has_weights: bool | None = None

    def add(
        self, image: ArrayLike, mask: ArrayLike, variance: ArrayLike, weight: float | None = None
    ) -> None:
        """Add one input.

        Parameters
        ----------
        image, mask, variance
            Planes of shape (y, x).
        weight
            Weight of this input; given for all inputs or for none.

        Raises
        ------
        ShapeError
            Raised when the planes have another shape.
        ConfigError
            Raised when the weight is negative or not finite, or when some inputs
            have a weight and others have none.
        """
        control = self._control
        planes = _cube(*(np.asarray(plane)[np.newaxis] for plane in (image, mask, variance)))
        if planes[0].shape[1:] != self._shape:
            raise ShapeError("image", found=planes[0].shape[1:], expected=self._shape)
        self._check_weight(weight)
        vector = None if weight is None or control.weighted is False else _valid_weights(np.array([weight]))
        if vector is not None and vector[0] == 0.0:
            return
        x, m, v = (plane.reshape(-1) for plane in planes)
        rules = _rules(control, vector)
        share = 1.0 if vector is None else float(vector[0])
        combine.add_to_mean(x, m, v, share, rules, _masking(control), self._sums, self._tallies, self._lost)
        if not control.nan_safe:
            self._poisoned |= _is_poison(planes[0][0], planes[1][0], control)

    def result(self) -> StackResult:
        """Return the mean of the inputs so far; more may be added afterwards.

        Raises
        ------
        NoInputsError
            Raised when there is no input yet.
        """
        if self._has_weights is None:
            raise NoInputsError("no input was added to the mean.")
        result = StackResult.empty(self._shape)
        rules = _rules(self._control, None)
        masking = _masking(self._control)
        combine.read_mean(rules, masking, self._sums, self._tallies, self._lost, result.flat())
        _poison(result, self._poisoned)
        return result

    def _check_weight(self, weight: float | None) -> None:
        if self._has_weights not in (None, weight is not None):
            raise ConfigError(
                "either all inputs of a mean have a weight, or none.", option="weight", found=weight
            )
        self._has_weights = weight is not None


_Work = Callable[[int, int], None]
_Planes = tuple[np.ndarray, ...]


def _strict_work(
    planes: _Planes, weights: np.ndarray | None, control: StackControl, result: StackResult
) -> _Work:
    if control.statistic == "NOISECLIP":
        raise ConfigError(
            "the original pipelines have no NOISECLIP; it cannot be strict.",
            option="statistic",
            found="NOISECLIP",
        )
    kind = combine_strict.KINDS[control.statistic]
    per_pixel = bool(control.weighted) and weights is None
    used = np.ones(len(planes[0]))
    if control.weighted and weights is not None:
        used = weights.astype(np.float32).astype(np.float64)
    rules = (control.bad_mask, control.nan_safe, per_pixel, _error(control))
    clip = (control.sigma_clip, control.clip_iter)
    masking = _masking(control)
    out = result.flat()

    def work(start: int, stop: int) -> None:
        combine_strict.stack_strict(planes, used, kind, rules, clip, masking, start, stop, out)

    return work


def _default_work(
    planes: _Planes, weights: np.ndarray | None, control: StackControl, result: StackResult
) -> _Work:
    given = np.ones(len(planes[0])) if weights is None else weights
    inputs = (np.flatnonzero(given), given)
    rules, masking, out = _rules(control, weights), _masking(control), result.flat()
    network = combine_sort.sorting_network(inputs[0].size)
    clip = (control.sigma_clip, control.clip_iter)

    def work(start: int, stop: int) -> None:
        span = (start, stop, out)
        if control.statistic == "MEAN":
            combine.stack_mean(planes, inputs, rules, masking, *span)
        elif control.statistic == "MEDIAN":
            combine_median.stack_median(planes, inputs, rules, masking, network, *span)
        elif control.statistic in ("MEANCLIP", "NOISECLIP"):
            full = (control.statistic == "NOISECLIP", *clip, control.flux_tolerance)
            combine_clip.stack_clip(planes, inputs, rules, full, masking, network, *span)
        else:
            kind = combine_strict.KINDS[control.statistic]
            combine_spread.stack_spread(planes, inputs, kind, rules, clip, masking, *span)

    return work


def _run(work: _Work, pixels: int, threads: int) -> None:
    if threads <= 1:
        work(0, pixels)
        return
    step = -(-pixels // threads)
    with ThreadPoolExecutor(threads) as pool:
        # list() so that an error in a thread reaches the caller.
        list(pool.map(work, range(0, pixels, step or 1), range(step, pixels + step, step or 1)))


def _error(control: StackControl) -> int:
    if control.error_from_input_variance:
        return combine.INPUT_ERROR
    return combine.MOSAIC_ERROR if control.mosaic_error else combine.SCATTER_ERROR


def _rules(control: StackControl, weights: np.ndarray | None) -> tuple[Any, ...]:
    """Return the rules by which kernels choose values."""
    per_pixel = bool(control.weighted) and weights is None
    divides = per_pixel or control.statistic == "NOISECLIP"
    error = _error(control)
    use_variance = divides or error != combine.SCATTER_ERROR
    return control.bad_mask, use_variance, _ZERO if divides else _BELOW_ZERO, per_pixel, error


def _masking(control: StackControl) -> tuple[Any, ...]:
    """Return what kernels need to make the mask."""
    maps = control.mask_map
    if maps is None:
        maps = ((control.bad_mask & ~control.excuse, control.clipped_mask),)
    thresholds = control.propagation_thresholds
    return (
        control.no_good_mask,
        control.clipped_mask,
        np.array(maps, np.int32).reshape(-1, 2),
        np.array([1 << bit for bit in thresholds], np.int32),
        np.array(list(thresholds.values()), np.float64),
    )


def _cube(
    image: ArrayLike, mask: ArrayLike, variance: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the planes in the types and the layout of the kernels, checked."""
    image, mask, variance = np.asarray(image), np.asarray(mask), np.asarray(variance)
    if image.ndim != 3:
        raise ShapeError("image", found=image.shape, expected="(n, y, x)")
    if len(image) == 0:
        raise NoInputsError("there are no inputs to combine.")
    for name, plane in (("mask", mask), ("variance", variance)):
        if plane.shape != image.shape:
            raise ShapeError(name, found=plane.shape, expected=image.shape)
    if not np.can_cast(mask.dtype, np.int32):
        raise ConfigError(
            f"mask is of type {mask.dtype}; expected int32 or a smaller integer.",
            option="mask",
            found=str(mask.dtype),
        )
    # Arrays that cannot be written would make numba compile everything once more.
    return (
        np.require(image, np.float32, ("C", "A", "W")),
        np.require(mask, np.int32, ("C", "A", "W")),
        np.require(variance, np.float32, ("C", "A", "W")),
    )


def _vector(weights: ArrayLike | None, n: int) -> np.ndarray | None:
    if weights is None:
        return None
    vector = np.array(weights, dtype=np.float64)
    if vector.shape != (n,):
        raise ShapeError("weights", found=vector.shape, expected=(n,))
    return vector


def _checked_weights(weights: ArrayLike | None, n: int) -> np.ndarray | None:
    vector = _vector(weights, n)
    if vector is None:
        return None
    if not _valid_weights(vector).any():
        raise NoInputsError(f"the weights of all {n} inputs are zero.")
    return vector


def _valid_weights(vector: np.ndarray) -> np.ndarray:
    wrong = ~((vector >= 0.0) & np.isfinite(vector))
    if wrong.any():
        index = int(np.flatnonzero(wrong)[0])
        raise ConfigError(
            f"weight {index} is {vector[index]}; expected a finite number that is not negative.",
            option="weights",
            found=float(vector[index]),
        )
    return vector


def _is_poison(image: np.ndarray, mask: np.ndarray, control: StackControl) -> np.ndarray:
    """Return where unmasked values are not finite."""
    poison: np.ndarray = ((mask & control.bad_mask) == 0) & ~np.isfinite(image)
    return poison


def _poison(result: StackResult, where: np.ndarray) -> None:
    result.image[where] = np.nan
    result.variance[where] = np.nan

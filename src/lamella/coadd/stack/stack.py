"""Stack statistics: the inputs on one pixel grid become image, mask, variance and count.

Two modes exist.  The default does the right thing; ``strict`` repeats the
original pipelines to the last bit, quirks included.  The manual page
``docs/stack-statistics.md`` lists where the two differ and why.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...data.owners import WeightRanges
from ...errors import ConfigError, NoInputsError, PixelTypeError, ShapeError
from ...kernels.stack import clip as combine_clip
from ...kernels.stack import mean as combine
from ...kernels.stack import median as combine_median
from ...kernels.stack import noise as combine_noise
from ...kernels.stack import sort as combine_sort
from ...kernels.stack import spread as combine_spread
from ...kernels.stack import strict as combine_strict
from .packing import (
    checked_ranges,
    error_kind,
    kernel_masking,
    kernel_planes,
    kernel_rules,
    ranges_of,
    weight_vector,
)
from .stack_control import StackControl, Statistic

__all__ = ("StackControl", "StackResult", "Statistic", "StreamingMean", "neighbours", "statistics_stack")


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
    weights: ArrayLike | WeightRanges | None = None,
    *,
    control: StackControl,
    strict: bool = False,
    threads: int = 1,
    out: StackResult | None = None,
) -> StackResult:
    """Combine inputs on one pixel grid, pixel by pixel.

    NOISECLIP looks at the pixels around each, too; see `neighbours`.

    Parameters
    ----------
    image, mask, variance
        Planes of the inputs, of shape (n, y, x); they are used as float32, int32
        and float32, best C-contiguous.  Values that are masked by
        ``control.bad_mask`` or not finite are not used; nor are those whose
        variance is not finite or is negative, where the variance matters; nor
        are elements that an array of `numpy.ma` masks.
    weights
        One weight per input, of shape (n,), or weights that differ between ranges of pixels; an input of
        weight zero is left out.
    control
        What is computed.
    strict
        Whether to repeat the original pipelines bit for bit.
    threads
        Number of threads; the result does not depend on it.
    out
        C-contiguous arrays of shape (y, x) to write to; by default new ones.

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
    PixelTypeError
        Raised when arrays of ``out`` have another type than `StackResult` says.
    ConfigError
        Raised when a weight is negative or not finite, when the mask is not of an
        integer type, and in strict mode for the statistic NOISECLIP or weights that differ between pixels.
    """
    cube = kernel_planes(image, mask, variance)
    n = len(cube[0])
    shape = cube[0].shape[1:]
    pixels = shape[0] * shape[1]
    planes = tuple(plane.reshape(n, pixels) for plane in cube)
    result = StackResult.empty(shape) if out is None else _checked(out, shape)
    if strict:
        if isinstance(weights, WeightRanges):
            raise ConfigError(
                "the original pipelines have one weight per input; others cannot be strict.",
                option="weights",
                found="weights that differ between pixels",
            )
        _run(_strict_work(planes, weight_vector(weights, n), control, result), pixels, threads)
        return result
    table = checked_ranges(weights, n, pixels, control)
    if control.statistic == "NOISECLIP":
        _clip_noise(planes, table, control, result, threads)
    else:
        _run(_default_work(planes, table, control, result), pixels, threads)
    if not control.nan_safe:
        for i in range(n) if table is None else np.flatnonzero(table.weights.any(axis=0)):
            _poison(result, _is_poison(cube[0][i], cube[1][i], control))
    return result


def _checked(out: StackResult, shape: tuple[int, ...]) -> StackResult:
    expected = {"image": np.float32, "mask": np.int32, "variance": np.float32, "count": np.int32}
    for name, kind in expected.items():
        plane = getattr(out, name)
        if plane.shape != shape or not plane.flags.c_contiguous:
            found = (plane.shape, "in one piece" if plane.flags.c_contiguous else "in pieces")
            raise ShapeError(f"out.{name}", found=found, expected=(shape, "in one piece"))
        if plane.dtype != kind:
            raise PixelTypeError(f"out.{name}", found=plane.dtype, expected=np.dtype(kind).name)
    return out


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
        self._sums = np.zeros((5 if error_kind(control) == combine.SCATTER_ERROR else 4, pixels))
        self._tallies = np.zeros((3, pixels), np.int32)
        self._lost = np.zeros((len(control.propagation_thresholds), pixels))
        self._poisoned = np.zeros(self._shape, bool)
        self._has_weights: bool | None = None

    def add(
        self,
        image: ArrayLike,
        mask: ArrayLike,
        variance: ArrayLike,
        weight: ArrayLike | WeightRanges | None = None,
    ) -> None:
        """Add one input.

        Parameters
        ----------
        image, mask, variance
            Planes of shape (y, x).
        weight
            Weight of this input, or weights that differ between ranges of its pixels; given for all
            inputs or for none.

        Raises
        ------
        ShapeError
            Raised when the planes have another shape.
        ConfigError
            Raised when the weight is negative or not finite, or when some inputs
            have a weight and others have none.
        """
        control = self._control
        planes = kernel_planes(*(np.asanyarray(plane)[np.newaxis] for plane in (image, mask, variance)))
        if planes[0].shape[1:] != self._shape:
            raise ShapeError("image", found=planes[0].shape[1:], expected=self._shape)
        self._note_weight(weight)
        if weight is not None and not isinstance(weight, WeightRanges):
            weight = np.reshape(np.asarray(weight, dtype=np.float64), (1,))
        x, m, v = (plane.reshape(-1) for plane in planes)
        table = ranges_of(weight, 1, x.size, control)
        if table is not None and not table.weights.any():
            return
        rules = kernel_rules(control, None if table is None else table.weights)
        used = np.ones(1) if table is None else _kernel_weights(table)
        combine.add_to_mean(
            x, m, v, used, rules, kernel_masking(control), self._sums, self._tallies, self._lost
        )
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
        rules = kernel_rules(self._control, None)
        masking = kernel_masking(self._control)
        combine.read_mean(rules, masking, self._sums, self._tallies, self._lost, result.flat())
        _poison(result, self._poisoned)
        return result

    def _note_weight(self, weight: object) -> None:
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
    rules = (control.bad_mask, control.nan_safe, per_pixel, error_kind(control))
    clip = (control.sigma_clip, control.clip_iter)
    masking = kernel_masking(control)
    out = result.flat()

    def work(start: int, stop: int) -> None:
        combine_strict.stack_strict(planes, used, kind, rules, clip, masking, start, stop, out)

    return work


def _default_work(
    planes: _Planes, table: WeightRanges | None, control: StackControl, result: StackResult
) -> _Work:
    inputs, rules = _kernel_inputs(len(planes[0]), table, control)
    masking, out = kernel_masking(control), result.flat()
    network = combine_sort.sorting_network(inputs[0].size)
    clip = (control.sigma_clip, control.clip_iter)

    def work(start: int, stop: int) -> None:
        span = (start, stop, out)
        if control.statistic == "MEAN":
            combine.stack_mean(planes, inputs, rules, masking, *span)
        elif control.statistic == "MEDIAN":
            combine_median.stack_median(planes, inputs, rules, masking, network, *span)
        elif control.statistic == "MEANCLIP":
            combine_clip.stack_clip(planes, inputs, rules, clip, masking, network, *span)
        else:
            kind = combine_strict.KINDS[control.statistic]
            combine_spread.stack_spread(planes, inputs, kind, rules, clip, masking, *span)

    return work


def _kernel_weights(table: WeightRanges) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Return weights as kernels take them: one per input where they are the same in all pixels."""
    return table.weights[0] if table.ends.size == 1 else (table.weights, table.ends)


def _kernel_inputs(
    n: int, table: WeightRanges | None, control: StackControl
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return what kernels take as inputs and as rules."""
    rows = np.arange(n) if table is None else np.flatnonzero(table.weights.any(axis=0))
    weights = np.ones(n) if table is None else _kernel_weights(table)
    return (rows, weights), kernel_rules(control, None if table is None else table.weights)


def _clip_noise(
    planes: _Planes, table: WeightRanges | None, control: StackControl, result: StackResult, threads: int
) -> None:
    """Write the mean clipped against the known noise: the only statistic that looks at pixels around each."""
    inputs, rules = _kernel_inputs(len(planes[0]), table, control)
    masking, out = kernel_masking(control), result.flat()
    network = combine_sort.sorting_network(inputs[0].size)
    lower, median, shared = (np.empty(result.image.shape) for _ in range(3))
    reach = np.zeros(result.image.shape)
    centres = (lower.reshape(-1), median.reshape(-1), reach.reshape(-1))
    limit = max(control.sigma_clip, control.least_noise_clip)
    clip = (limit, control.clip_iter, (control.flux_tolerance, control.gradient_tolerance))

    def order(start: int, stop: int) -> None:
        combine_noise.find_centres(
            planes, inputs, rules, network, start, stop, *centres[:2], shared.reshape(-1)
        )

    def work(start: int, stop: int) -> None:
        combine_noise.stack_noise_clip(planes, inputs, rules, clip, masking, centres, start, stop, out)

    pixels = result.image.size
    _run(order, pixels, threads)
    if control.gradient_tolerance > 0.0:
        combine_noise.local_range(shared, reach)
    _run(work, pixels, threads)


def neighbours(control: StackControl) -> int:
    """Return how many pixels around each matter to its result.

    Those who cut an image into parts let `statistics_stack` see so many more on each side.
    """
    return 1 if control.statistic == "NOISECLIP" and control.gradient_tolerance > 0.0 else 0


def _run(work: _Work, pixels: int, threads: int) -> None:
    """Do the work on all pixels, in one range for each thread."""
    if threads <= 1:
        work(0, pixels)
        return
    edges = [pixels * k // threads for k in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        # list() so that an error in a thread reaches the caller.
        list(pool.map(work, edges[:-1], edges[1:]))


def _is_poison(image: np.ndarray, mask: np.ndarray, control: StackControl) -> np.ndarray:
    """Return where unmasked values are not finite."""
    poison: np.ndarray = ((mask & control.bad_mask) == 0) & ~np.isfinite(image)
    return poison


def _poison(result: StackResult, where: np.ndarray) -> None:
    result.image[where] = np.nan
    result.variance[where] = np.nan

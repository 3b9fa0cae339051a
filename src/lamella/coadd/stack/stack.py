"""Stack statistics: the inputs on one pixel grid become image, mask, variance and count.

Two modes exist.  The default does the right thing; ``strict`` repeats the
original pipelines to the last bit, quirks included.  The manual page
``docs/stack-statistics.md`` lists where the two differ and why.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from ...data.owners import WeightRanges
from ...errors import ConfigError, NoInputsError, PixelTypeError, ShapeError
from ...kernels.stack.mean import MeanSums, add_to_mean, read_mean
from ...kernels.stack.rules import SCATTER_ERROR, Clip, Inputs, Output, Planes, Stack
from ...kernels.stack.statistics import stack_pixels
from .packing import (
    error_kind,
    kernel_inputs,
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

    def flat(self) -> Output:
        """Return views of the arrays with all pixels in one axis."""
        return Output(self.image.ravel(), self.mask.ravel(), self.variance.ravel(), self.count.ravel())


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

    Examples
    --------
    >>> import lamella
    >>> import numpy as np
    >>> image = np.full((5, 2, 3), 10.0, dtype=np.float32)
    >>> image[2, 0, 1] = 500.0  # a cosmic ray
    >>> variance = np.ones_like(image)
    >>> mask = np.zeros(image.shape, dtype=np.int32)
    >>> control = lamella.StackControl(statistic="NOISECLIP", error_from_input_variance=True)
    >>> result = lamella.statistics_stack(image, mask, variance, control=control)
    >>> result.image.tolist(), result.count[0].tolist()
    ([[10.0, 10.0, 10.0], [10.0, 10.0, 10.0]], [5, 4, 5])
    """
    cube = kernel_planes(image, mask, variance)
    n, shape = len(cube.image), cube.image.shape[1:]
    result = StackResult.empty(shape) if out is None else _checked(out, shape)
    pixels = result.image.size
    if strict:
        inputs, weighted = _strict_inputs(n, weights, control), weights is not None
    else:
        table = ranges_of(weights, n, pixels, control)
        if table is not None and not table.weights.any():
            raise NoInputsError(f"the weights of all {n} inputs are zero.")
        inputs, weighted = kernel_inputs(n, table), table is not None
    noise = control.statistic == "NOISECLIP"
    limit = max(control.sigma_clip, control.least_noise_clip) if noise else control.sigma_clip
    stack = Stack(
        Planes(*(plane.reshape(n, pixels) for plane in cube)),
        inputs,
        kernel_rules(control, weighted),
        Clip(limit, control.clip_iter, control.flux_tolerance, control.gradient_tolerance),
        kernel_masking(control),
        result.flat(),
    )
    stack_pixels(stack, control.statistic, shape, strict=strict, threads=threads)
    if not control.nan_safe and not strict:
        for i in inputs.rows:
            _poison(result, _is_poison(cube.image[i], cube.mask[i], control))
    return result


def _strict_inputs(n: int, weights: ArrayLike | WeightRanges | None, control: StackControl) -> Inputs:
    """Return the inputs of the original pipelines: weights in single precision, those of zero among them."""
    if isinstance(weights, WeightRanges):
        raise ConfigError(
            "the original pipelines have one weight per input; others cannot be strict.",
            option="weights",
            found="weights that differ between pixels",
        )
    vector = weight_vector(weights, n)
    if control.statistic == "NOISECLIP":
        raise ConfigError(
            "the original pipelines have no NOISECLIP; it cannot be strict.",
            option="statistic",
            found="NOISECLIP",
        )
    if not control.weighted or vector is None:
        vector = np.ones(n)
    return Inputs(np.arange(n), vector.astype(np.float32).astype(np.float64))


def _checked(out: StackResult, shape: tuple[int, ...]) -> StackResult:
    expected = {"image": np.float32, "mask": np.int32, "variance": np.float32, "count": np.int32}
    for name, kind in expected.items():
        plane = getattr(out, name)
        if plane.shape != shape or not plane.flags.c_contiguous:
            layout = "in one piece" if plane.flags.c_contiguous else "in pieces"
            raise ShapeError(f"out.{name}", found=(plane.shape, layout), expected=(shape, "in one piece"))
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
        self._sums = MeanSums(
            np.zeros((5 if error_kind(control) == SCATTER_ERROR else 4, pixels)),
            np.zeros((3, pixels), np.int32),
            np.zeros((len(control.propagation_thresholds), pixels)),
        )
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
        if planes.image.shape[1:] != self._shape:
            raise ShapeError("image", found=planes.image.shape[1:], expected=self._shape)
        if self._has_weights not in (None, weight is not None):
            raise ConfigError(
                "either all inputs of a mean have a weight, or none.", option="weight", found=weight
            )
        self._has_weights = weight is not None
        if weight is not None and not isinstance(weight, WeightRanges):
            weight = np.reshape(np.asarray(weight, dtype=np.float64), (1,))
        table = ranges_of(weight, 1, planes.image.size, control)
        if table is not None and not table.weights.any():
            return
        rules, masking = kernel_rules(control, table is not None), kernel_masking(control)
        flat = Planes(*(plane.reshape(1, plane.size) for plane in planes))
        add_to_mean(flat, kernel_inputs(1, table), rules, masking, self._sums)
        if not control.nan_safe:
            self._poisoned |= _is_poison(planes.image[0], planes.mask[0], control)

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
        rules, masking = kernel_rules(self._control, weighted=False), kernel_masking(self._control)
        read_mean(rules, masking, self._sums, result.flat())
        _poison(result, self._poisoned)
        return result


def neighbours(control: StackControl) -> int:
    """Return how many pixels around each matter to its result.

    Those who cut an image into parts let `statistics_stack` see so many more on each side.
    """
    return 1 if control.statistic == "NOISECLIP" and control.gradient_tolerance > 0.0 else 0


def _is_poison(image: np.ndarray, mask: np.ndarray, control: StackControl) -> np.ndarray:
    """Return where unmasked values are not finite."""
    poison: np.ndarray = ((mask & control.bad_mask) == 0) & ~np.isfinite(image)
    return poison


def _poison(result: StackResult, where: np.ndarray) -> None:
    result.image[where] = np.nan
    result.variance[where] = np.nan

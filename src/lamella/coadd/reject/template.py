"""The static sky that epochs are compared with, and how far they may differ from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import scipy
from lsst.images import Box, MaskSchema

from ...data.inputs import WarpInput, WarpSource
from ...data.weights import WeightProblem, warp_weight
from ...errors import NoMatchedWarpsError
from ...planes import bits_of
from ...resources import Resources
from ..stack.sources import read_rows
from ..stack.tiles import stack_inputs
from .compare_control import TemplateControl

if TYPE_CHECKING:
    from ..assemble_control import AssembleConfig

__all__ = ("Template", "make_template", "matched_inputs", "pixel_weight", "slope_of")

_NOISE = np.float32(3.0)  # sigma that are no source yet
_WEIGHT_ROWS = 64  # that the weight of a matched warp is measured on


@dataclasses.dataclass(frozen=True, slots=True)
class Template:
    """The static sky; arrays of shape (y, x).

    Attributes
    ----------
    bbox
        Box of the arrays.
    image, variance
        float32; NaN and +inf where there is no epoch.
    epochs
        int32; number of epochs that could have been used.
    tolerance
        float32; difference (one sigma) of a matched warp that is no sign of an artifact.
    direct_tolerance
        float32; the same for a warp that is not matched.
    left_out
        Instrument and number of visits whose matched warp could not be used, and why.
    """

    bbox: Box
    image: np.ndarray
    variance: np.ndarray
    epochs: np.ndarray
    tolerance: np.ndarray
    direct_tolerance: np.ndarray
    left_out: Mapping[tuple[str, int], str] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls, bbox: Box, image: np.ndarray, variance: np.ndarray, epochs: np.ndarray, control: TemplateControl
    ) -> Self:
        """Make a template of a coadd of matched warps.

        Parameters
        ----------
        bbox
            Box of the arrays.
        image, variance
            float32 of shape (y, x); NaN and +inf where there is no epoch.
        epochs
            int32 of shape (y, x); number of epochs that could have been used.
        control
            How far epochs may differ from it.
        """
        known = np.isfinite(image)
        sky = np.where(known, image, np.float32(0.0))
        # The brightest of several pixels of noise is not a source.
        sources = np.maximum(sky - _NOISE * np.sqrt(np.where(known, variance, np.float32(0.0))), 0.0)
        tolerances = _matched_tolerance(sky, control), _direct_tolerance(sources, control)
        return cls(bbox, image, variance, epochs, *tolerances)


def matched_inputs(inputs: Sequence[WarpInput], bad_mask_planes: Sequence[str]) -> list[WarpInput]:
    """Return the inputs that have a matched warp, with it in the place of the other one.

    They have weights of their own: matching makes the noise of a pixel the
    smaller the better the seeing was.  The variances of some rows tell it.  What has no valid
    weight is left out.
    """
    return [one for one in _weighed(inputs, bad_mask_planes) if isinstance(one, WarpInput)]


def _weighed(
    inputs: Sequence[WarpInput], bad_mask_planes: Sequence[str]
) -> Iterator[WarpInput | WeightProblem | None]:
    """Return for each input the one with its matched warp, or why it has no weight, or nothing."""
    for one in inputs:
        if one.matched is None:
            yield None
            continue
        weight = pixel_weight(one.matched, one.matched_scale, bad_mask_planes)
        if isinstance(weight, WeightProblem):
            yield weight
            continue
        matched = dataclasses.replace(one, source=one.matched, scale=one.matched_scale)
        yield dataclasses.replace(matched, weight=weight, owners=None, alternate=None)


def pixel_weight(source: WarpSource, scale: float, bad_mask_planes: Sequence[str]) -> float | WeightProblem:
    """Return one over the typical variance of the pixels of a warp, from some of its rows."""
    rows = source.bbox.y.range
    step = max(1, len(rows) // _WEIGHT_ROWS)
    found = read_rows(source, rows[step // 2 :: step])
    bad = bits_of(source.schema, bad_mask_planes, missing_ok=True)
    weight = warp_weight(found.variance, found.mask, bad, scale=scale, image=found.image)
    if weight is WeightProblem.NO_GOOD_PIXEL:
        # On a small detector, planes that spread with a wide kernel can cover all pixels, which hold
        # values of good ones all the same.
        no_data = bits_of(source.schema, ("NO_DATA",))
        weight = warp_weight(found.variance, found.mask, no_data, scale=scale, image=found.image)
    return weight


def make_template(
    inputs: Sequence[WarpInput],
    bbox: Box,
    schema: MaskSchema,
    config: AssembleConfig,
    control: TemplateControl,
    resources: Resources,
) -> Template:
    """Make the static sky from the matched warps.

    It is the mean of the epochs that agree within their known noise.  Where two
    epochs disagree it is the lower one, and where half of them disagree with the
    other half it is the lower half: light is more often added than taken away.

    Parameters
    ----------
    inputs
        The inputs of the coadd, with their matched warps.
    bbox
        Box of the template.
    schema
        A schema with all planes of the matched warps.
    config
        How the coadd is made.
    control
        How the template is made.
    resources
        Threads and memory.

    Raises
    ------
    NoMatchedWarpsError
        Raised when there is no matched warp at all.
    """
    weighed = list(_weighed(inputs, config.bad_mask_planes))
    matched = [one for one in weighed if isinstance(one, WarpInput)]
    if not matched:
        raise NoMatchedWarpsError(
            "Epochs cannot be compared: no warp has a PSF-matched one beside it.  Make matched warps, or "
            'reject with "safe_clip", or not at all ("none").'
        )
    how = config.replace(
        reject={"method": "none"},
        statistic="NOISECLIP",
        sigma_clip=control.sigma_clip,
        clip_iter=control.clip_iter,
        flux_tolerance=control.clip_flux_tolerance,
        # Matched warps have the same PSF, and what they differ by is looked for.
        gradient_tolerance=0.0,
        least_noise_clip=0.0,
        error_from_input_variance=True,
        bad_mask_planes=control.bad_mask_planes,
        mask_propagation_thresholds={},
    )
    rules, removed = how.stack_control(schema), bits_of(schema, config.remove_mask_planes, missing_ok=True)
    planes = stack_inputs(matched, bbox, schema, rules, resources.replace(streaming=False), removed)
    template = Template.of(bbox, planes.image, planes.variance, planes.unmasked, control)
    problems = {
        one.key: str(found)
        for one, found in zip(inputs, weighed, strict=True)
        if isinstance(found, WeightProblem)
    }
    return dataclasses.replace(template, left_out=problems)


def _matched_tolerance(sky: np.ndarray, control: TemplateControl) -> np.ndarray:
    tolerance: np.ndarray = np.hypot(
        np.float32(control.flux_tolerance) * sky, np.float32(control.registration) * slope_of(sky)
    )
    return tolerance


def slope_of(sky: np.ndarray) -> np.ndarray:
    """Return by how much an image changes from pixel to pixel: float32 of shape (y, x)."""
    across, up = (np.gradient(sky, axis=axis) if sky.shape[axis] > 1 else sky * 0 for axis in (1, 0))
    slope: np.ndarray = np.hypot(across, up, dtype=np.float32)
    return slope


def _direct_tolerance(sources: np.ndarray, control: TemplateControl) -> np.ndarray:
    brightest = scipy.ndimage.maximum_filter(sources, size=2 * control.reach + 1, mode="nearest")
    tolerance: np.ndarray = np.float32(control.direct_flux_tolerance) * brightest
    return tolerance

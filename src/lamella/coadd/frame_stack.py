"""Stacks of images of one shape, pixel by pixel, without a sky map."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ..data.coadd import Rejection
from ..data.inputs import WarpInput
from ..data.options import Normalization
from ..errors import ConfigError, NoInputsError
from ..planes import Layout
from ..resources import Resources
from .assemble_control import AssembleConfig
from .stack.prepare import prepare_inputs
from .stack.tiles import StackedPlanes, stack_inputs

__all__ = ("FrameStack", "frame_rules", "stack_frames")


@dataclasses.dataclass(frozen=True)
class FrameStack:
    """Images that became one."""

    planes: StackedPlanes
    """Image, mask, variance and counts of shape (y, x); NaN, NO_DATA and +inf where no image is good."""
    layout: Layout
    """Planes of the mask."""
    inputs: tuple[WarpInput, ...]
    """The images, with weights."""
    rejected: tuple[Rejection, ...] = ()
    """Those without a weight; their ``visit`` is the number of the image."""


def frame_rules(
    config: AssembleConfig, *, has_noise: bool, has_sky: bool, normalization: Normalization
) -> AssembleConfig:
    """Return how images are combined: without noise by their scatter alone.

    Parameters
    ----------
    config
        How a user wants it.
    has_noise
        Whether the variances of the images say something.
    has_sky
        Whether pixels hold more than the light of sources: NOISECLIP then allows no scatter in proportion to
        their values, unless a user says how much.
    normalization
        What was made equal.  Images with one median are flat fields: NOISECLIP then allows no scatter in
        proportion to the differences of neighbours either, which registration and seeing make.

    Raises
    ------
    ConfigError
        Raised when options need a noise, or a PSF, that images do not have.
    """
    if config.reject.method != "none":
        raise ConfigError(
            f"reject.method: found {config.reject.method}, which compares warps; expected none for images.",
            option="assemble.reject.method",
            found=config.reject.method,
        )
    if has_noise:
        # A cosmic ray on a pedestal is a small part of its pixel.
        applies = {"flux_tolerance": has_sky, "gradient_tolerance": has_sky and normalization == "median"}
        untold = {name for name, value in applies.items() if value} - config.model_fields_set
        return config.replace(**dict.fromkeys(untold, 0.0))
    if "statistic" in config.model_fields_set and config.statistic == "NOISECLIP":
        raise ConfigError(
            "statistic: found NOISECLIP, which clips at the noise, and no noise; expected another one.",
            option="assemble.statistic",
            found="NOISECLIP",
        )
    statistic = "MEANCLIP" if config.statistic == "NOISECLIP" else config.statistic
    return config.replace(statistic=statistic, error_from_input_variance=False)


def stack_frames(
    inputs: Sequence[WarpInput], config: AssembleConfig, resources: Resources | None = None
) -> FrameStack:
    """Combine images of one shape.

    Parameters
    ----------
    inputs
        The images, all of one box, with their scales; those without a weight get one from their variance.
    config
        How to combine; gaps are not filled.
    resources
        Threads and memory; the result does not depend on them.

    Raises
    ------
    NoInputsError
        Raised when no image has a valid weight.
    """
    prepared = prepare_inputs(inputs, config.weights, config.bad_mask_planes)
    if not prepared.inputs:
        reasons = "; ".join(rejection.reason for rejection in prepared.rejected) or "there are none"
        raise NoInputsError(f"No image can be stacked: {reasons}.")
    layout = Layout.of(*(image.source.schema for image in prepared.inputs))
    box, removed = prepared.inputs[0].source.bbox, layout.bits(config.remove_mask_planes, missing_ok=True)
    planes = stack_inputs(
        prepared.inputs, box, layout, config.stack_control(layout), resources or Resources(), removed
    )
    return FrameStack(planes, layout, prepared.inputs, prepared.rejected)

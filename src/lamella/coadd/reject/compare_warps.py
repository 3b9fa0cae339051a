"""CompareWarp: artifacts are what single epochs show and the static sky does not.

Each visit is compared with a template of all visits, twice: its PSF-matched
warp, in which stars vanish and what is left is wider than a pixel; and the warp
itself, in which cosmic rays are sharp, away from sources.  What differs is kept
as footprints.  A footprint is an artifact when it is seen in few visits, and
is not a source that varies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from lsst.images import Box, MaskSchema

from ...data.inputs import WarpInput
from ...data.removals import VisitArtifacts
from ...data.weights import WeightProblem
from ...image.spans import Runs
from ...resources import Resources
from .compare import Compared, Comparison
from .compare_control import CompareWarpControl
from .ghosts import find_ghosts
from .last_visit import keep_last
from .template import Template, make_template, pixel_weight

if TYPE_CHECKING:
    from ..assemble_control import AssembleConfig

__all__ = ("CompareWarpControl", "compare_warps", "compare_with", "max_epochs")

_FAINT = 0.25  # of the noise of an epoch: errors of the match that are below it are not seen


def max_epochs(epochs: np.ndarray | float, control: CompareWarpControl, *, sky: bool = False) -> np.ndarray:
    """Return in how many of some epochs an artifact may be seen at one place.

    It is not rounded.  It is at least one, so that also two epochs can be compared.

    Parameters
    ----------
    epochs
        Number of epochs.
    control
        Options.
    sky
        Whether the template holds no source there.
    """
    number = np.asarray(epochs, dtype=np.float64)
    if sky:
        return np.maximum(control.max_fraction_epochs_sky * number, 1.0)
    few = control.max_fraction_epochs_low * number
    many = control.max_epochs + control.max_fraction_epochs_high * number
    return np.maximum(np.minimum(few, many), 1.0)


def compare_warps(
    inputs: Sequence[WarpInput],
    bbox: Box,
    schema: MaskSchema,
    config: AssembleConfig,
    control: CompareWarpControl,
    resources: Resources,
    fwhm: Sequence[float],
) -> list[VisitArtifacts]:
    """Find the artifacts of all inputs.

    Parameters
    ----------
    inputs
        The inputs of a coadd, with matched warps.
    bbox
        Box of the coadd.
    schema
        A schema with all planes of the inputs and their matched warps.
    config
        How the coadd is made.
    control
        How artifacts are found.
    resources
        Threads and memory; each thread works on one visit.
    fwhm
        Full width at half maximum of the PSF of each input before matching, in pixels.

    Returns
    -------
    list of VisitArtifacts
        One for each input.

    Raises
    ------
    NoInputsError
        Raised when no input has a matched warp.
    """
    template = make_template(inputs, bbox, schema, config, control.template, resources)
    return compare_with(template, inputs, schema, config, control, resources, fwhm)


def compare_with(
    template: Template,
    inputs: Sequence[WarpInput],
    schema: MaskSchema,
    config: AssembleConfig,
    control: CompareWarpControl,
    resources: Resources,
    fwhm: Sequence[float],
) -> list[VisitArtifacts]:
    """Find the artifacts of all inputs, given the static sky; see `compare_warps`."""
    bbox = template.bbox
    noise = float(np.median([_pixel_weight(one, config) ** -0.5 for one in inputs]))
    comparison = Comparison(template, schema, config, control, noise)
    with ThreadPoolExecutor(resources.threads) as pool:
        list(pool.map(comparison.count, inputs))
        compared = list(pool.map(comparison.compare, inputs, fwhm))
        few = _few_epochs(comparison.counts, template, control)
        few_foreign = _few_epochs(comparison.foreign_counts, template, control, foreign=True)
        transients = list(pool.map(lambda one: _transients(one, few, few_foreign, bbox, control), compared))
    ghosts = find_ghosts(
        [one.bins for one in compared],
        bbox,
        control.ghosts,
        float(max_epochs(len(inputs), control, sky=True)),
    )
    artifacts = [
        VisitArtifacts(
            {"transient": transient, "ghost": ghost, **one.others},
            one.valid,
            one.alone,
            one.edges,
            one.notes,
            (one.offset.x, one.offset.y),
        )
        for one, transient, ghost in zip(compared, transients, ghosts, strict=True)
    ]
    return keep_last(artifacts, inputs, bbox, schema, comparison.usable)


def _pixel_weight(one: WarpInput, config: AssembleConfig) -> float:
    """Return one over the variance of a pixel of a visit."""
    if config.weights.rule == "variance" and one.weight is not None:
        return one.weight
    found = pixel_weight(one.source, one.scale, config.bad_mask_planes)
    return math.inf if isinstance(found, WeightProblem) else found


def _few_epochs(
    counts: np.ndarray, template: Template, control: CompareWarpControl, *, foreign: bool = False
) -> np.ndarray:
    """Return where few enough epochs differ: bool of shape (y, x).

    A source that varies does so in many epochs, and so does the error of the match of a bright one.
    For what has not its shape (foreign) a source counts as one only if it is bright enough for the latter.
    """
    # Few pixels differ at all.
    y, x = np.nonzero(counts)
    few = np.zeros(counts.shape, dtype=bool)
    epochs = template.epochs[y, x]
    if foreign:
        sky = template.tolerance[y, x] ** 2 < _FAINT**2 * epochs * template.variance[y, x]
    else:
        sky = template.direct_tolerance[y, x] == 0.0
    limit = np.where(sky, max_epochs(epochs, control, sky=True), max_epochs(epochs, control))
    few[y, x] = counts[y, x] <= limit
    return few


def _transients(
    one: Compared, few: np.ndarray, few_foreign: np.ndarray, bbox: Box, control: CompareWarpControl
) -> Runs:
    """Return the pixels of a visit's footprints that are seen in few epochs."""
    at = one.candidates.pixels(bbox)
    share = np.where(one.foreign, at.sum(at.of(few_foreign)), at.sum(at.of(few))) / one.candidates.areas
    return one.candidates.select(share > control.spatial_threshold).grow(control.grow, bbox).runs()

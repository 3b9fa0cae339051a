"""SafeClip: what a clipped mean leaves out is removed where it belongs to one or two visits.

The difference between a mean and a clipped mean shows artifacts, and also
stars, whose PSF differs between visits.  A footprint of it is removed from a
visit when this visit, and hardly any other, has a detection there.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import scipy
from lsst.images import Box, MaskSchema

from ...data.inputs import WarpInput
from ...data.removals import VisitArtifacts
from ...image.footprints import Footprints
from ...image.planes import overlap
from ...image.runs import no_runs, pixels_of, united_runs
from ...image.spans import Runs
from ...planes import bits_of
from ...psf.gaussian import FWHM_PER_SIGMA
from ...resources import Resources
from ..stack.tiles import InputReader, StackedPlanes, stack_inputs
from .reject_control import SafeClipControl

if TYPE_CHECKING:
    from ..assemble_control import AssembleConfig

__all__ = (
    "Detected",
    "add_big_detections",
    "attribute_footprints",
    "detect",
    "difference_of_means",
    "find_clipped",
    "safe_clip",
)


@dataclasses.dataclass(frozen=True)
class Detected:
    """Detections of one visit, and what they cover of each footprint.

    Attributes
    ----------
    detections
        Where something is detected.
    valid
        Pixels that are not masked.
    bad, covered
        Pixels of each footprint that the visit does not have or that are masked, and
        those that it has and detects: int64 of shape (footprint,).
    """

    detections: Footprints
    valid: Runs
    bad: np.ndarray
    covered: np.ndarray


def safe_clip(
    inputs: Sequence[WarpInput],
    bbox: Box,
    schema: MaskSchema,
    config: AssembleConfig,
    control: SafeClipControl,
    resources: Resources,
    fwhm: Sequence[float],
) -> list[VisitArtifacts]:
    """Find the pixels of all inputs that are to be clipped.

    Parameters
    ----------
    inputs
        The inputs of a coadd.
    bbox
        Box of the coadd.
    schema
        A schema with all planes of the inputs.
    config
        How the coadd is made.
    control
        How artifacts are found.
    resources
        Threads and memory.
    fwhm
        Full width at half maximum of the PSF of each input in pixels.

    Returns
    -------
    list of VisitArtifacts
        One for each input.
    """
    sigmas = [width / FWHM_PER_SIGMA for width in fwhm]
    difference, variance = difference_of_means(inputs, bbox, schema, config, control, resources)
    footprints = find_clipped(difference, variance, bbox, control, float(np.mean(sigmas)))

    def look(one: WarpInput, sigma: float) -> Detected:
        return detect(one, sigma, footprints, bbox, schema, config, control)

    with ThreadPoolExecutor(resources.threads) as pool:
        detected = list(pool.map(look, inputs, sigmas))
    bad, covered = (np.array([getattr(one, name) for one in detected]) for name in ("bad", "covered"))
    clipped = attribute_footprints(footprints.areas, bad, covered, control)
    found = [footprints.select(mine).runs() for mine in clipped]
    return [
        VisitArtifacts({"clipped": add_big_detections(runs, one.detections, bbox, control)}, one.valid)
        for runs, one in zip(found, detected, strict=True)
    ]


def difference_of_means(
    inputs: Sequence[WarpInput],
    bbox: Box,
    schema: MaskSchema,
    config: AssembleConfig,
    control: SafeClipControl,
    resources: Resources,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean less the clipped mean, and the sum of their variances: shape (y, x).

    The parameters are those of `safe_clip`.
    """

    def stack(**how: object) -> StackedPlanes:
        plain = config.replace(reject={"method": "none"}, **how)
        rules, removed = (
            plain.stack_control(schema),
            bits_of(schema, config.remove_mask_planes, missing_ok=True),
        )
        return stack_inputs(inputs, bbox, schema, rules, resources.replace(streaming=False), removed)

    mean = stack(statistic="MEAN")
    clipped = stack(statistic="MEANCLIP", sigma_clip=control.sigma_clip, clip_iter=control.clip_iter)
    return mean.image - clipped.image, mean.variance + clipped.variance


def find_clipped(
    difference: np.ndarray, variance: np.ndarray, bbox: Box, control: SafeClipControl, sigma: float
) -> Footprints:
    """Find where two means differ.

    Parameters
    ----------
    difference, variance
        What `difference_of_means` returned.
    bbox
        Box of these arrays.
    control
        How artifacts are found.
    sigma
        Standard deviation of the PSF in pixels.
    """
    known = np.isfinite(difference) & np.isfinite(variance)
    found = Footprints.find(_significant(difference, variance, known, sigma, control.threshold), bbox)
    found = found.select(found.areas >= control.min_pixels)
    radius = int(control.grow * sigma + 0.5)
    merged = found.grow(radius, bbox).runs().to_array(bbox)
    return Footprints.find(merged, bbox)


def _significant(
    image: np.ndarray, variance: np.ndarray, known: np.ndarray, sigma: float, threshold: float
) -> np.ndarray:
    """Return where an image that is smoothed with a Gaussian PSF is beyond its noise: bool of shape (y, x).

    The square of a Gaussian, which smooths the variance, is a narrower one of sum 1 / (4 pi sigma^2).
    """
    nothing = np.float32(0.0)
    smooth = scipy.ndimage.gaussian_filter(np.where(known, image, nothing), sigma, mode="constant")
    noise = scipy.ndimage.gaussian_filter(
        np.where(known, variance, nothing), sigma / math.sqrt(2.0), mode="constant"
    )
    noise *= np.float32(1.0 / max(4.0 * math.pi * sigma * sigma, 1.0))
    found: np.ndarray = known & (smooth * smooth >= np.float32(threshold**2) * noise)
    return found


def detect(
    one: WarpInput,
    sigma: float,
    footprints: Footprints,
    bbox: Box,
    schema: MaskSchema,
    config: AssembleConfig,
    control: SafeClipControl,
) -> Detected:
    """Measure how much of each footprint the detections of a visit cover.

    Parameters
    ----------
    one
        The visit.
    sigma
        Standard deviation of its PSF in pixels.
    footprints
        What `find_clipped` returned.
    bbox, schema, config, control
        As for `safe_clip`.
    """
    box = overlap(one.source.bbox, bbox)
    if box is None:
        return Detected(Footprints.none(), no_runs(), footprints.areas, np.zeros(footprints.count, np.int64))
    planes = InputReader(one, schema).read(box)
    bad = ((planes.mask & bits_of(schema, config.bad_mask_planes)) != 0) | ~np.isfinite(planes.image)
    seen = (planes.mask & bits_of(schema, ("DETECTED", "DETECTED_NEGATIVE"))) != 0
    if not seen.any():
        known = ~bad & np.isfinite(planes.variance)
        found = Footprints.find(
            _significant(planes.image, planes.variance, known, sigma, control.detection), box
        )
        seen = found.grow(int(control.detection_grow * sigma + 0.5), box).runs().to_array(box)
    at = footprints.pixels(box)
    inside = at.sum(np.ones(len(at.y)))
    outside = footprints.areas - inside
    return Detected(
        Footprints.find(seen, box),
        Runs.from_array(~bad, box),
        (at.sum(at.of(bad)) + outside).astype(np.int64),
        at.sum(at.of(seen & ~bad)).astype(np.int64),
    )


def attribute_footprints(
    areas: np.ndarray, bad: np.ndarray, covered: np.ndarray, control: SafeClipControl
) -> np.ndarray:
    """Decide which visits a footprint is clipped from.

    Parameters
    ----------
    areas
        Pixels of each footprint: shape (footprint,).
    bad
        Pixels of each footprint that a visit does not have or that are masked: shape (visit, footprint).
    covered
        Pixels of each footprint that a visit has and detects: shape (visit, footprint).
    control
        Limits.

    Returns
    -------
    numpy.ndarray
        bool of shape (visit, footprint).

    Notes
    -----
    A visit takes part when more than half of the footprint is good, something
    is detected, and not less than is bad.  The part of the good pixels that is
    detected decides: a single visit is clipped beyond ``overlap_single``;
    of several, the two that are beyond ``overlap_double`` if there are at least
    four and no other is beyond ``max_overlap_double``; else the one that is
    beyond ``overlap``, if it is the only one.
    """
    good = areas - bad
    takes_part = (bad <= covered) & (good > 0.5 * areas) & (covered > 0)
    part = np.where(takes_part, covered / np.maximum(good, 1), 0.0)
    number = takes_part.sum(axis=0)
    single = takes_part & (number == 1) & (part > control.overlap_single)
    high = takes_part & (part > control.overlap)
    one = high & (high.sum(axis=0) == 1) & (number > 1)
    pair = takes_part & (part > control.overlap_double)
    others = np.where(pair, 0.0, part).max(axis=0, initial=0.0)
    is_double = (pair.sum(axis=0) == 2) & (number > 3) & (others <= control.max_overlap_double)
    clipped: np.ndarray = single | np.where(is_double, pair, one)
    return clipped


def add_big_detections(clipped: Runs, detections: Footprints, bbox: Box, control: SafeClipControl) -> Runs:
    """Add whole detections of a visit of which a good part is clipped already.

    Parameters
    ----------
    clipped
        What is clipped from the visit.
    detections
        Where something is detected in it.
    bbox, control
        As for `safe_clip`.
    """
    y, x, _ = pixels_of(clipped.y, clipped.x0, clipped.x1, bbox)
    painted = np.zeros(bbox.shape, dtype=bool)
    painted[y, x] = True
    at = detections.pixels(bbox)
    hit = at.sum(at.of(painted)) > control.min_big_overlap
    big = detections.select(hit & (detections.areas >= control.min_big_overlap))
    return united_runs(clipped, big.runs())

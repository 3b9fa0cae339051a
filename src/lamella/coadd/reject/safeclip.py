"""SafeClip: what a clipped mean leaves out is removed where it belongs to one or two visits.

The difference between a mean and a clipped mean shows artifacts, and also
stars, whose PSF differs between visits.  A footprint of it is removed from a
visit when this visit, and hardly any other, has a detection there.
"""

from __future__ import annotations

import dataclasses
import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import scipy
from lsst.images import Box

from ...data.inputs import WarpInput
from ...data.removals import VisitArtifacts
from ...image.footprints import Footprints
from ...image.spans import Runs, no_runs, united_runs
from ...psf.gaussian import FWHM_PER_SIGMA
from .reject_control import SafeClipControl
from .scene import Scene

__all__ = (
    "Clipped",
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


@dataclasses.dataclass(frozen=True)
class Clipped:
    """Footprints in which two means differ, and the visits that they are clipped from.

    Attributes
    ----------
    footprints
        The footprints.
    detected
        Detections of each visit.
    visits
        Which visits each footprint is clipped from: bool of shape (visit, footprint).
    """

    footprints: Footprints
    detected: list[Detected]
    visits: np.ndarray

    @property
    def runs(self) -> list[Runs]:
        """Pixels that are clipped from each visit."""
        return [self.footprints.select(mine).runs() for mine in self.visits]


def safe_clip(scene: Scene) -> list[VisitArtifacts]:
    """Find the pixels of all inputs of a scene that are to be clipped."""
    clipped, control = find_clipped(scene, *difference_of_means(scene)), scene.control.safe_clip
    return [
        VisitArtifacts(
            {"clipped": add_big_detections(runs, visit.detections, scene.bbox, control)}, visit.valid
        )
        for runs, visit in zip(clipped.runs, clipped.detected, strict=True)
    ]


def difference_of_means(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean less the clipped mean, and the sum of their variances: shape (y, x)."""
    control = scene.control.safe_clip
    mean = scene.stack(statistic="MEAN")
    clipped = scene.stack(statistic="MEANCLIP", sigma_clip=control.sigma_clip, clip_iter=control.clip_iter)
    return mean.image - clipped.image, mean.variance + clipped.variance


def find_clipped(scene: Scene, difference: np.ndarray, variance: np.ndarray) -> Clipped:
    """Find where two means differ, and which visits that is due to.

    Parameters
    ----------
    scene
        The inputs.
    difference, variance
        The result of `difference_of_means`.
    """
    control, bbox = scene.control.safe_clip, scene.bbox
    sigmas = [width / FWHM_PER_SIGMA for width in scene.fwhm]
    sigma = float(np.mean(sigmas))
    finite = np.isfinite(difference) & np.isfinite(variance)
    peaks = Footprints.find(_significant(difference, variance, finite, sigma, control.threshold), bbox)
    peaks = peaks.select(peaks.areas >= control.min_pixels)
    # Those that touch when they are grown are one.
    grown = peaks.grow(int(control.grow * sigma + 0.5), bbox).runs()
    footprints = Footprints.find(grown.to_array(bbox), bbox)
    with ThreadPoolExecutor(scene.resources.threads) as pool:
        visits = pool.map(partial(detect, scene, footprints), scene.inputs, sigmas)
        detected = list(scene.resources.counted("comparing", visits, len(scene.inputs)))
    bad, covered = (np.array([getattr(visit, name) for visit in detected]) for name in ("bad", "covered"))
    return Clipped(footprints, detected, attribute_footprints(footprints.areas, bad, covered, control))


def _significant(
    image: np.ndarray, variance: np.ndarray, finite: np.ndarray, sigma: float, threshold: float
) -> np.ndarray:
    """Return where an image that is smoothed with a Gaussian PSF is beyond its noise: bool of shape (y, x).

    The square of a Gaussian, which smooths the variance, is a narrower one of sum 1 / (4 pi sigma^2).
    """
    nothing = np.float32(0.0)
    # Pixels without a value count as blank sky without noise.
    smooth = scipy.ndimage.gaussian_filter(np.where(finite, image, nothing), sigma, mode="constant")
    noise = scipy.ndimage.gaussian_filter(
        np.where(finite, variance, nothing), sigma / math.sqrt(2.0), mode="constant"
    )
    # A PSF narrower than a pixel does not smooth, and must not raise the noise.
    noise *= np.float32(1.0 / max(4.0 * math.pi * sigma * sigma, 1.0))
    flags: np.ndarray = finite & (smooth * smooth >= np.float32(threshold**2) * noise)
    return flags


def detect(scene: Scene, footprints: Footprints, warp: WarpInput, sigma: float) -> Detected:
    """Measure how much of each footprint the detections of a visit cover.

    Parameters
    ----------
    scene
        The scene that the visit belongs to.
    footprints
        Where the two means differ.
    warp
        The visit.
    sigma
        Standard deviation of its PSF in pixels.
    """
    if (planes := scene.read(warp)) is None:
        return Detected(Footprints.none(), no_runs(), footprints.areas, np.zeros(footprints.count, np.int64))
    box, control = planes.box, scene.control.safe_clip
    bad = ((planes.mask & scene.rules.bad_mask) != 0) | ~np.isfinite(planes.image)
    seen = (planes.mask & scene.layout.bits(("DETECTED", "DETECTED_NEGATIVE"))) != 0
    # A warp that comes with detections keeps them: they were made before it was resampled.
    if not seen.any():
        finite = ~bad & np.isfinite(planes.variance)
        flags = _significant(planes.image, planes.variance, finite, sigma, control.detection)
        radius = int(control.detection_grow * sigma + 0.5)
        seen = Footprints.find(flags, box).grow(radius, box).runs().to_array(box)
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
    # The rules are those of the original SafeClip; its counts of pixels wrapped at 16 bits.
    takes_part = (bad <= covered) & (good > 0.5 * areas) & (covered > 0)
    share = np.where(takes_part, covered / np.maximum(good, 1), 0.0)
    number = takes_part.sum(axis=0)
    single = takes_part & (number == 1) & (share > control.overlap_single)
    high = takes_part & (share > control.overlap)
    only = high & (high.sum(axis=0) == 1) & (number > 1)
    pair = takes_part & (share > control.overlap_double)
    # Two of three visits are a majority, and may be the sky.
    others = np.where(pair, 0.0, share).max(axis=0, initial=0.0)
    is_double = (pair.sum(axis=0) == 2) & (number > 3) & (others <= control.max_overlap_double)
    clipped: np.ndarray = single | np.where(is_double, pair, only)
    return clipped


def add_big_detections(clipped: Runs, detections: Footprints, bbox: Box, control: SafeClipControl) -> Runs:
    """Add whole detections of a visit of which a good part is clipped already.

    Parameters
    ----------
    clipped
        What is clipped from the visit.
    detections
        Where something is detected in it.
    bbox
        Box of the coadd.
    control
        Limits.
    """
    at = detections.pixels(bbox)
    # A small part of a trail stands out of the clipped mean; all of it belongs to the visit.
    hit = at.sum(at.of(clipped.to_array(bbox))) > control.min_big_overlap
    big = detections.select(hit & (detections.areas >= control.min_big_overlap))
    return united_runs(clipped, big.runs())

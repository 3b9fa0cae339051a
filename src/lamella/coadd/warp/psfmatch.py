"""Warps that are matched to a common PSF, so that visits can be compared pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from lsst.images import Box, SkyProjection
from lsst.images.psfs import PointSpreadFunction

from ...data.detector import DetectorInput
from ...data.warp import MatchRecord, Warp
from ...errors import PsfMatchError
from ...image.planes import overlap
from ...psf.blas import one_blas_thread
from ...psf.match_control import MatchControl
from ...psf.matching import kernel_side, target_psf
from .match_kernels import DetectorPsf, RegionKernels
from .match_planes import MatchedPlanes
from .ownership import detector_regions

__all__ = ("MatchControl", "match_warp", "patch_target_psf", "target_fwhm")


@one_blas_thread()
def target_fwhm(
    detectors: Iterable[DetectorInput],
    projection: SkyProjection[Any],
    box: Box,
    control: MatchControl | None = None,
) -> float:
    """Return the width of the PSF that the visits of a patch are matched to.

    It is the option ``fwhm``, or ``fwhm_factor`` times the greatest width that
    the PSF models of the detectors, resampled to the patch, have along their
    long axes anywhere on it, but at least ``min_fwhm``.

    Parameters
    ----------
    detectors
        Detectors of all visits of the patch.
    projection
        Projection of the tract.
    box
        Box of the patch.
    control
        Options.

    Returns
    -------
    `float`
        Full width at half maximum in pixels of the patch.

    Raises
    ------
    PsfMatchError
        Raised when no detector has a PSF on the patch.
    """
    control = control or MatchControl()
    if control.fwhm is not None:
        return control.fwhm
    widths = [width for detector in detectors for width in DetectorPsf(detector, projection, box).widths()]
    if not widths:
        raise PsfMatchError("There is no PSF to match to: no detector has one on the patch.")
    return max(control.fwhm_factor * max(widths), control.min_fwhm)


def patch_target_psf(fwhm: float, box: Box, control: MatchControl | None = None) -> PointSpreadFunction:
    """Return the PSF of a given width that the visits of a patch are matched to."""
    return target_psf(fwhm, box, control or MatchControl())


def match_warp(warp: Warp, target: PointSpreadFunction, control: MatchControl | None = None) -> Warp:
    """Convolve a warp so that its PSF becomes a model.

    The pixels of each detector are convolved with kernels for its own PSF,
    which vary over it.  A lost pixel (NaN, infinite variance, NO_DATA, or a plane of
    the warp's ``bad_mask_planes`` without INTERPOLATED) counts nothing in its
    neighbours, and has no value.  A neighbour whose kernel has
    more than ``max_lost_weight`` on lost pixels is lost, too; above
    ``edge_weight`` it gets DETECTION_EDGE.  In between the remaining weights
    are scaled up, so that they sum to one.  Other planes spread as far as the
    weights are at least ``mask_threshold`` of the largest.

    Parameters
    ----------
    warp
        A warp with its own PSF.
    target
        The model; wider than the PSF of the warp.
    control
        Options.

    Returns
    -------
    Warp
        On the same box, with ``matched_psf`` and one record per detector.  Its
        variance is that of each pixel; pixels now share noise with their
        neighbours.

    Raises
    ------
    PsfMatchError
        Raised when the model is so much narrower than the PSF of the warp that
        the match passes ``max_noise_gain`` or ``max_residual`` (unless
        ``narrower`` is ``"regularize"``), when a detector has no PSF, or when the warp has no
        projection or was matched before.
    """
    control = control or MatchControl()
    if warp.matched_psf is not None:
        raise PsfMatchError(f"{warp.instrument} visit {warp.visit} is matched to a PSF already.")
    if warp.sky_projection is None:
        raise PsfMatchError(f"{warp.instrument} visit {warp.visit} has no projection to the sky.")
    planes = MatchedPlanes(warp)
    # The target is the same everywhere: it is asked for in the middle of its bounds.
    x, y = (side.start + side.size // 2 for side in (target.bounds.bbox.x, target.bounds.bbox.y))
    wanted = np.asarray(target.compute_kernel_image(x=float(x), y=float(y)).array, dtype=np.float64)
    side = kernel_side(target, control)
    records = []
    for region in detector_regions(warp.detectors, warp.sky_projection, warp.bbox):
        detector = warp.detectors[region.index]
        # Around it, so that the pixels at its edges see what is beyond.
        frame = overlap(region.box.dilated_by(side), warp.bbox)
        assert frame is not None, "the region is in the warp"
        psf = DetectorPsf(detector, warp.sky_projection, region.box)
        kernels = RegionKernels.find(psf, wanted, frame, side, control)
        quality, problem = kernels.quality, ""
        if quality.noise_gain > control.max_noise_gain:
            problem = f"the match would multiply its noise by {quality.noise_gain:.2f}"
        elif kernels.typical_residual > control.max_residual:
            problem = f"the match leaves {100 * kernels.typical_residual:.2g} % of the peak"
        if problem and control.narrower != "regularize":
            raise PsfMatchError(
                f"{detector.id}: {problem}; the target is too narrow for its PSF. Choose a wider target "
                "(fwhm), or narrower = 'regularize'.",
                residual=quality.residual,
                noise_gain=quality.noise_gain,
            )
        records.append(MatchRecord(detector.id, quality.residual, quality.noise_gain))
        planes.fill(region, frame, kernels, control)
    return planes.as_warp(warp, target, records)

"""What a process takes, so that it keeps to the memory that it was given."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lsst.images import Box

from ..coadd.stack.tiles import MAX_TILE_BYTES
from ..coadd.warp.match_kernels import most_places
from ..data.exposure import ExposureInfo
from ..data.inputs import CoaddTarget
from ..kernels.convolve import CELL
from ..psf.match_control import MatchControl
from ..psf.matching import kernel_side, solve_bytes, target_psf
from ..resources import Resources
from ..sky.footprint import pixel_scale

__all__ = (
    "BYTES_PER_WARP_PIXEL",
    "expected_matching_bytes",
    "matching_bytes",
    "matching_threads",
    "room_for_tiles",
    "room_for_warps",
)

BYTES_PER_WARP_PIXEL = 12
"""Image, mask and variance."""

_MEBIBYTE = 2**20
# As measured: a process by itself; for each thread an exposure with its copies and its warp; later, instead
# of these, the coadd with all that is made of it, and tiles.
_PROCESS = 260 * _MEBIBYTE
_PER_EXPOSURE_PIXEL = 36
_PER_COADD_PIXEL = 24
_PER_NODE_PIXEL = 28
"""The kernels at the nodes, their squares, and a copy while they are written as products (18 as measured)."""
_PER_MATCHED_PIXEL = 36
_PER_BAND_PIXEL = 36
_LEAST_TILE = MAX_TILE_BYTES // 4
"""Smaller tiles, of a thread, are parts of rows when there are many warps, and take much longer."""
_WIDEST = 200.0
"""Greatest width in pixels that memory is set aside for: what a header says beyond is hardly of a PSF."""


def matching_bytes(fwhm: float, control: MatchControl, box: Box) -> int:
    """Return how many bytes it takes to match one visit.

    Parameters
    ----------
    fwhm
        Width of the target in pixels.
    control
        How to match.
    box
        Box of the patch.
    """
    target = target_psf(fwhm, box, control)
    side, stamp = kernel_side(target, control), control.model.stamp_size(fwhm)
    height, width = box.shape
    nodes = (-(-height // CELL) + 1) * (-(-width // CELL) + 1)
    kernels = solve_bytes(most_places(box), stamp, side) + _PER_NODE_PIXEL * nodes * side**2
    return kernels + _PER_MATCHED_PIXEL * box.area + _PER_BAND_PIXEL * width * min(height, 6 * CELL)


def expected_matching_bytes(
    exposures: Iterable[ExposureInfo], target: CoaddTarget, control: MatchControl
) -> int:
    """Return about how many bytes it takes to match one visit, before the width of the target is known.

    That is known when all visits are warped.

    Parameters
    ----------
    exposures
        Those of all visits.
    target
        Pixels of the patch.
    control
        How to match.
    """
    widths = (info.psf_fwhm for info in exposures)
    widest = max((fwhm for fwhm in widths if fwhm is not None and math.isfinite(fwhm)), default=0.0)
    pixels = control.fwhm_factor * widest / pixel_scale(target.projection, target.outer_bbox)
    return matching_bytes(control.fwhm or min(max(pixels, 1.0), _WIDEST), control, target.outer_bbox)


def matching_threads(resources: Resources, kept: int, matching: int) -> int:
    """Return how many visits are matched at a time, so that a process keeps to its memory: at least one.

    Parameters
    ----------
    resources
        Threads and memory.
    kept
        Bytes of the warps in memory.
    matching
        Bytes that it takes to match one visit.
    """
    room = int(resources.memory * _MEBIBYTE) - _PROCESS - kept
    return max(1, min(resources.threads, room // matching))


def room_for_warps(resources: Resources, coadd: int, exposure: int, matching: int = 0) -> int:
    """Return how many bytes of warps may stay in memory, so that a process keeps to what it was given.

    Negative when the rest alone takes more.

    Parameters
    ----------
    resources
        Threads and memory.
    coadd, exposure
        Pixels of the coadd and of the largest exposure.
    matching
        Bytes that it takes to match one visit, where visits are matched.
    """
    warping = resources.threads * exposure * _PER_EXPOSURE_PIXEL
    stacking = coadd * _PER_COADD_PIXEL + resources.threads * MAX_TILE_BYTES
    return int(resources.memory * _MEBIBYTE) - _PROCESS - max(warping, stacking, resources.threads * matching)


def room_for_tiles(resources: Resources, coadd: int) -> Resources:
    """Return the resources of a stack, so that a process keeps to what it was given.

    Warps in memory are not counted: `room_for_warps` leaves them no room that tiles could use.

    Parameters
    ----------
    resources
        Threads, and memory of the process.
    coadd
        Pixels of the coadd.

    Returns
    -------
    Resources
        Threads, and memory for tiles; the least that tiles need when there is not so much.
    """
    room = int(resources.memory * _MEBIBYTE) - _PROCESS - coadd * _PER_COADD_PIXEL
    return resources.replace(memory=max(room, resources.threads * _LEAST_TILE) / _MEBIBYTE)

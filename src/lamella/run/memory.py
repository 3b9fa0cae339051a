"""What a process takes, so that it keeps to the memory that it was given."""

from __future__ import annotations

from ..coadd.assemble_control import Resources
from ..coadd.tiles import MAX_TILE_BYTES

__all__ = ("room_for_tiles", "room_for_warps")

_MEBIBYTE = 2**20
# As measured: a process by itself; for each thread an exposure with its copies and its warp; later, instead
# of these, the coadd with all that is made of it, and tiles.
_PROCESS = 260 * _MEBIBYTE
_PER_EXPOSURE_PIXEL = 36
_PER_COADD_PIXEL = 24
_LEAST_TILE = MAX_TILE_BYTES // 4
"""Smaller tiles, of a thread, are parts of rows when there are many warps, and take much longer."""


def room_for_warps(resources: Resources, coadd: int, exposure: int) -> int:
    """Return how many bytes of warps may stay in memory, so that a process keeps to what it was given.

    Negative when the rest alone takes more.

    Parameters
    ----------
    resources
        Threads and memory.
    coadd, exposure
        Pixels of the coadd and of the largest exposure.
    """
    warping = resources.threads * exposure * _PER_EXPOSURE_PIXEL
    stacking = coadd * _PER_COADD_PIXEL + resources.threads * MAX_TILE_BYTES
    return int(resources.memory * _MEBIBYTE) - _PROCESS - max(warping, stacking)


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

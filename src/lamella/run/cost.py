"""What a coadd costs before it is made: time, memory and disk, by a model.

The CPU time is linear in the work: a start of the program, and so much for each
exposure, each pixel of the warps and each pixel of the coadd.
`benchmarks.cost_model` fits the constants to small runs and tests them on a
larger one, on a machine that was not busy.  Machines differ by a factor of two,
and so does a thread whose core is shared; compiling, at the first run after an
installation, comes on top.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ..resources import Resources
from .jobs import PatchJob
from .memory import BYTES_PER_WARP_PIXEL, expected_matching_bytes, room_for_warps
from .patch import visits_of, warp_area
from .patch_config import PatchConfig

__all__ = (
    "START_SECONDS",
    "PatchCost",
    "cost_of_patch",
    "cost_of_warps",
    "measuring_seconds",
    "wall_seconds",
)

START_SECONDS = 1.6
"""CPU time of a process, without compiling."""
_PER_COADD = 0.8
"""Files, summary and pictures of a coadd, whatever its size."""
_PER_EXPOSURE = 19e-3
_PER_WARP_PIXEL = 121e-9
_PER_COADD_PIXEL = 132e-9
_PER_COMPARED = 1.0
"""What compare-warp adds to that."""
_COMPARING = 2.8
"""Work of compare-warp, which matches each visit, relative to a mean without rejection."""
_MATCHING = 1.8
"""What matched warps add to warps, relative to these."""
_PER_MEASURED_PIXEL = 0.5e-6
_SERIAL = 0.2
"""Part of the work on a patch that one thread does."""

_MEBIBYTE = 2**20
_COADD_BYTES = 27
"""Of a pixel of a coadd: plain file 16, archive 6 to 10, picture 1."""
_PICTURE_BYTES = 800_000
"""The pictures of the page, twice: as files, and in the page."""


@dataclasses.dataclass(frozen=True)
class PatchCost:
    """What the work on a patch takes."""

    warp_pixels: int
    """Pixels of all its warps, in the boxes around their data."""
    cpu_seconds: float
    memory: float
    """MiB of the process."""
    disk: int
    """Bytes of the products."""
    scratch: int
    """Bytes of warps that wait on disk meanwhile."""


def cost_of_patch(
    job: PatchJob, config: PatchConfig, resources: Resources, *, keep_warps: bool = False
) -> PatchCost:
    """Estimate what a coadd costs.

    Parameters
    ----------
    job
        The exposures and the patch.
    config
        How.
    resources
        Threads and memory of the process that does the work.
    keep_warps
        Whether the warps are written, too.
    """
    target = job.target()
    area, kinds = target.outer_bbox.area, 2 if config.needs_matched else 1
    warps = _warp_pixels(job)
    matching = _matching_bytes(job, config)
    room = room_for_warps(resources, area, _largest(job), matching)
    held = kinds * BYTES_PER_WARP_PIXEL * warps
    used = int(resources.memory * _MEBIBYTE) - room + min(held, max(room, 0))
    work = _PER_EXPOSURE * len(job.sources) + _PER_WARP_PIXEL * warps + _PER_COADD_PIXEL * area
    return PatchCost(
        warps,
        _PER_COADD + (_PER_COMPARED + _COMPARING * work if config.needs_matched else work),
        used / _MEBIBYTE,
        _COADD_BYTES * area + _PICTURE_BYTES + (held if keep_warps else 0),
        max(held - max(room, 0), 0),
    )


def cost_of_warps(job: PatchJob, config: PatchConfig, resources: Resources) -> PatchCost:
    """Estimate what the warps of a patch cost, direct ones and those that are matched."""
    kinds = 2 if config.warp_type == "psf_matched" else 1
    warps = _warp_pixels(job)
    room = room_for_warps(resources, 0, _largest(job), _matching_bytes(job, config) if kinds == 2 else 0)
    work = _PER_EXPOSURE * len(job.sources) + _PER_WARP_PIXEL * warps
    used = int(resources.memory) - room / _MEBIBYTE
    return PatchCost(
        warps, work * (1 + _MATCHING * (kinds - 1)), used, kinds * BYTES_PER_WARP_PIXEL * warps, 0
    )


def measuring_seconds(pixels: int) -> float:
    """Return the CPU time to measure exposures that do not tell their PSF, noise or scale."""
    return _PER_MEASURED_PIXEL * pixels


def wall_seconds(cpu: Sequence[float], threads: int) -> float:
    """Return the wall time of patches on some cores that nobody else uses, without the start.

    Parameters
    ----------
    cpu
        CPU seconds of each patch.
    threads
        Number of cores: patches are worked on side by side, and on those that are left over by threads.
    """
    processes = max(1, min(threads, len(cpu)))
    each = threads / processes
    alone = [seconds * (_SERIAL + (1 - _SERIAL) / each) for seconds in cpu]
    return max(sum(alone) / processes, max(alone, default=0.0))


def _warp_pixels(job: PatchJob) -> int:
    target = job.target()
    return sum(warp_area([source.info for source in visit], target) for visit in visits_of(job))


def _largest(job: PatchJob) -> int:
    return max((source.info.bbox.area for source in job.sources), default=0)


def _matching_bytes(job: PatchJob, config: PatchConfig) -> int:
    """Return what it takes to match a visit; nothing where that is not done."""
    if not config.needs_matched:
        return 0
    return expected_matching_bytes((source.info for source in job.sources), job.target(), config.match)

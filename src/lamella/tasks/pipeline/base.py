"""What the PipelineTasks of this package share."""

from __future__ import annotations

import logging
from typing import Any

import astropy.units as u
from lsst.pipe.base import PipelineTask, QuantumContext

from ...data.inputs import CoaddTarget
from ...resources import Resources
from ...run.jobs import patch_target
from ...sky.skymap import SkyMap
from ...sky.tract import Patch

__all__ = ("CoaddPipelineTask", "place_of", "resources_of")

_LOGGER = logging.getLogger("lsst.lamella")
"""Below ``lsst``, whose level the commands of the middleware set: what a task says then reaches the
screen and the log dataset."""


class CoaddPipelineTask(PipelineTask):
    """A PipelineTask whose messages are heard without further ado."""

    def __init__(self, *, log: Any = None, **kwargs: Any) -> None:
        super().__init__(log=log or _LOGGER, **kwargs)


def place_of(butlerQC: QuantumContext, skymap: SkyMap[Any]) -> tuple[Patch, CoaddTarget]:
    """Return the patch of a quantum, and the pixel grid of its coadd."""
    found = butlerQC.quantum.dataId
    assert found is not None
    patch = skymap[int(found["tract"])].patch(int(found["patch"]))
    return patch, patch_target(skymap, patch)


def resources_of(butlerQC: QuantumContext, memory: float) -> Resources:
    """Return the threads and the memory that a quantum may use.

    Parameters
    ----------
    butlerQC
        Knows the cores (``pipetask run --cores-per-quantum``) and the memory
        (``--memory-per-quantum``) of the quantum.
    memory
        Memory for pixels in MiB; half of the quantum's if that is less.
    """
    limit = butlerQC.resources.max_mem
    if limit is not None:
        memory = min(memory, 0.5 * float(limit.to_value(u.MiB)))
    return Resources(threads=butlerQC.resources.num_cores, memory=memory)

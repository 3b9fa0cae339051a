"""Base, connections and resources of the PipelineTasks."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import astropy.units as u
import lsst.pipe.base.connectionTypes as ct
from lsst.pex.config import ChoiceField
from lsst.pipe.base import InputQuantizedConnection as Inputs
from lsst.pipe.base import OutputQuantizedConnection as Outputs
from lsst.pipe.base import PipelineTask, QuantumContext

from ...data.inputs import CoaddTarget
from ...resources import Resources
from ...run.jobs import patch_target
from ...sky.skymap import SkyMap
from ...sky.tract import Patch
from ..stored_exposures import STORAGE_CLASSES, VISIT_IMAGE

__all__ = (
    "CALEXPS",
    "SKY_MAP",
    "CoaddPipelineTask",
    "Inputs",
    "Outputs",
    "exposures_of",
    "patch_of",
    "resources_of",
    "storage_class_field",
)

SKY_MAP = ct.Input(
    doc="Tracts and patches.",
    name="{datasetPrefix}skyMap",
    storageClass="LamellaSkyMap",
    dimensions=("skymap",),
)
CALEXPS = ct.Input(
    doc="Calibrated exposures that may overlap the patch.",
    name="{datasetPrefix}calexp",
    storageClass="LamellaExposure",
    dimensions=("instrument", "visit", "detector"),
    multiple=True,
    deferLoad=True,
)

_VISIT_IMAGE = "visit_image"


def storage_class_field() -> Any:
    """Return the option of tasks that says how exposures are stored."""
    return ChoiceField[str](
        doc="How the exposures are stored; unset: as VisitImage where the name of the dataset type ends with "
        "visit_image, else as exposures of lamella.",
        allowed=dict(STORAGE_CLASSES),
        optional=True,
        default=None,
    )


def exposures_of(connection: ct.Input, storageClass: str | None) -> ct.Input:
    """Return the connection of exposures for the dataset type that a person chose.

    What is asked for as what it is has its description read without its pixels.
    """
    if storageClass is None and connection.name.endswith(_VISIT_IMAGE):
        storageClass = VISIT_IMAGE
    return dataclasses.replace(connection, storageClass=storageClass or connection.storageClass)


_LOGGER = logging.getLogger("lsst.lamella")
"""Below ``lsst``, whose level the commands of the middleware set: what a task says then reaches the
screen and the log dataset."""


class CoaddPipelineTask(PipelineTask):
    """A PipelineTask whose messages are heard without further ado."""

    def __init__(self, *, log: Any = None, **kwargs: Any) -> None:
        super().__init__(log=log or _LOGGER, **kwargs)


def patch_of(butlerQC: QuantumContext, skymap: SkyMap[Any]) -> tuple[Patch, CoaddTarget]:
    """Return the patch of a quantum, and the pixel grid of its coadd."""
    dataId = butlerQC.quantum.dataId
    assert dataId is not None
    patch = skymap[int(dataId["tract"])].patch(int(dataId["patch"]))
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

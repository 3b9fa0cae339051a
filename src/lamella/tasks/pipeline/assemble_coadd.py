"""From the warps of a patch to its coadd."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import lsst.pipe.base.connectionTypes as ct
from lsst.daf.butler import DeferredDatasetHandle
from lsst.pex.config import ConfigurableField, Field
from lsst.pipe.base import (
    InputQuantizedConnection,
    NoWorkFound,
    OutputQuantizedConnection,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    Struct,
    Task,
)

from ...coadd.archive import PatchCoadd, Rejection, Warp
from ...coadd.assemble import AssembleConfig, Resources, assemble
from ...coadd.brightmask import BrightObjectCatalog
from ...coadd.inputs import CoaddTarget, WarpInput
from ...coadd.prepare import input_of, weigh
from ...run.scratch import write_scratch
from ..derive import derive_config, derive_field, to_core
from .base import CoaddPipelineTask, place_of, resources_of
from .make_warp import warp_rejections
from .select import selected_visits, selection_rejections

__all__ = (
    "AssembleCoaddPipelineConfig",
    "AssembleCoaddPipelineConnections",
    "AssembleCoaddPipelineTask",
    "AssembleWarpsConfig",
    "AssembleWarpsTask",
)

_BYTES_PER_PIXEL = 12  # image, mask and variance
_SHARE_OF_WARPS = 0.5
_MEBIBYTE = 2**20


class AssembleWarpsConfig(derive_config(AssembleConfig)):  # type: ignore[misc]
    """How warps become a coadd."""


class AssembleWarpsTask(Task):
    """Weigh warps and combine them.

    To retarget it, give a task whose methods have the same arguments and results.
    """

    ConfigClass = AssembleWarpsConfig
    _DefaultName = "assemble"

    def weigh(self, warp: Warp) -> WarpInput | list[Rejection]:
        """Return the record of a warp with its weight, or why it has none."""
        control: AssembleConfig = to_core(self.config)
        return weigh(input_of(warp), control.weights, control.bad_mask_planes)

    def run(
        self,
        inputs: Sequence[WarpInput],
        target: CoaddTarget,
        *,
        brightObjects: BrightObjectCatalog | None = None,
        rejected: Sequence[Rejection] = (),
        resources: Resources | None = None,
    ) -> Struct:
        """Combine warps.

        Parameters
        ----------
        inputs
            Warps with weights, in any order.
        target
            Pixel grid of the coadd.
        brightObjects
            Objects whose masks are painted on the coadd.
        rejected
            Exposures left out earlier, for the record.
        resources
            Threads and memory.

        Returns
        -------
        lsst.pipe.base.Struct
            ``coadd``.
        """
        coadd = assemble(
            inputs,
            to_core(self.config),
            target=target,
            bright_objects=brightObjects,
            rejected=rejected,
            resources=resources,
        )
        return Struct(coadd=coadd)


class AssembleCoaddPipelineConnections(
    PipelineTaskConnections,
    dimensions=("skymap", "tract", "patch", "band"),
    defaultTemplates={
        "inputCoaddName": "deep",
        "outputCoaddName": "deep",
        "warpType": "direct",
        "warpTypeSuffix": "",
    },
):
    """What `AssembleCoaddPipelineTask` reads and writes."""

    inputWarps = ct.Input(
        doc="Warps of the patch.",
        name="{inputCoaddName}Coadd_{warpType}Warp",
        storageClass="LamellaWarp",
        dimensions=("instrument", "skymap", "tract", "patch", "visit"),
        multiple=True,
        deferLoad=True,
    )
    skyMap = ct.Input(
        doc="Tracts and patches.", name="skyMap", storageClass="LamellaSkyMap", dimensions=("skymap",)
    )
    selectedVisits = ct.Input(
        doc="Visits to coadd, and exposures that were left out, with reasons.",
        name="{outputCoaddName}Visits",
        storageClass="StructuredDataDict",
        dimensions=("skymap", "tract", "patch", "band"),
    )
    brightObjectMask = ct.PrerequisiteInput(
        doc="Objects whose masks are painted on the coadd.",
        name="brightObjectMask",
        storageClass="LamellaBrightObjects",
        dimensions=("skymap", "tract", "patch", "band"),
        minimum=0,
    )
    coaddExposure = ct.Output(
        doc="The coadd, with mask, variance, counts, inputs and PSF.",
        name="{outputCoaddName}Coadd{warpTypeSuffix}",
        storageClass="LamellaPatchCoadd",
        dimensions=("skymap", "tract", "patch", "band"),
    )
    nImage = ct.Output(
        doc="Number of visits at each pixel that are not masked there; the coadd has it, too.",
        name="{outputCoaddName}Coadd{warpTypeSuffix}_nImage",
        storageClass="ImageV2",
        dimensions=("skymap", "tract", "patch", "band"),
    )

    def __init__(self, *, config: Any = None) -> None:
        super().__init__(config=config)
        if not config.doSelectVisits:
            del self.selectedVisits
        if not config.doMaskBrightObjects:
            del self.brightObjectMask
        if not config.doNImage:
            del self.nImage


class AssembleCoaddPipelineConfig(PipelineTaskConfig, pipelineConnections=AssembleCoaddPipelineConnections):
    """Options of `AssembleCoaddPipelineTask`."""

    assemble: Any = ConfigurableField(doc="Weighs and combines the warps.", target=AssembleWarpsTask)
    doSelectVisits = Field[bool](
        doc="Coadd the visits that selectDeepCoaddVisits chose; otherwise all warps.", default=True
    )
    doMaskBrightObjects = Field[bool](
        doc="Paint the masks of bright objects, where there are any for the patch.", default=True
    )
    doNImage = Field[bool](doc="Write the number of visits at each pixel as a dataset, too.", default=False)
    memory: Any = derive_field(Resources, "memory")


class AssembleCoaddPipelineTask(CoaddPipelineTask):
    """Combine the warps of one patch and band."""

    ConfigClass = AssembleCoaddPipelineConfig
    _DefaultName = "assembleCoadd"
    config: AssembleCoaddPipelineConfig
    assemble: AssembleWarpsTask

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.makeSubtask("assemble")

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Make the coadd of the quantum's patch and band."""
        inputs = butlerQC.get(inputRefs)
        _, target = place_of(butlerQC, inputs["skyMap"])
        selection = inputs.get("selectedVisits")
        result = self.run(
            _choose(inputs["inputWarps"], selection),
            target,
            brightObjects=inputs.get("brightObjectMask"),
            rejected=selection_rejections(selection) if selection is not None else (),
            resources=resources_of(butlerQC, self.config.memory),
        )
        butlerQC.put(result, outputRefs)

    def run(
        self,
        inputWarps: Iterable[DeferredDatasetHandle],
        target: CoaddTarget,
        *,
        brightObjects: BrightObjectCatalog | None = None,
        rejected: Sequence[Rejection] = (),
        resources: Resources | None = None,
    ) -> Struct:
        """Read warps one after the other, weigh them, and combine them.

        Each warp is read once.  When all together would take more than half of
        the memory, they wait in scratch files (in the folder of ``TMPDIR``),
        from which boxes are read.

        Parameters
        ----------
        inputWarps
            References to warps of one band.
        target
            Pixel grid of the coadd.
        brightObjects
            Objects whose masks are painted on the coadd.
        rejected
            Exposures that were not selected, for the record.
        resources
            Threads and memory; the result does not depend on them.

        Returns
        -------
        lsst.pipe.base.Struct
            ``coaddExposure`` and ``nImage``.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            Raised when there is no warp, or none with a valid weight.
        """
        handles = list(inputWarps)
        resources = resources or Resources()
        with tempfile.TemporaryDirectory(prefix="lamella-", ignore_cleanup_errors=True) as folder:
            expected = _BYTES_PER_PIXEL * target.outer_bbox.area * len(handles) / _MEBIBYTE
            scratch = Path(folder) if expected > _SHARE_OF_WARPS * resources.memory else None
            inputs, left_out = self._read(handles, scratch)
            if not inputs:
                reasons = "; ".join(sorted({f"{one.id}: {one.reason}" for one in left_out}))
                raise NoWorkFound(f"Nothing to coadd: {reasons or 'no warp is selected'}.")
            coadd: PatchCoadd = self.assemble.run(
                inputs,
                target,
                brightObjects=brightObjects,
                rejected=sorted((*rejected, *left_out)),
                resources=resources,
            ).coadd
        self._describe(coadd)
        return Struct(coaddExposure=coadd, nImage=coadd.exposure_count_unmasked)

    def _read(
        self, handles: Sequence[DeferredDatasetHandle], scratch: Path | None
    ) -> tuple[list[WarpInput], list[Rejection]]:
        inputs: list[WarpInput] = []
        rejected: list[Rejection] = []
        for number, handle in enumerate(handles):
            warp = handle.get()
            rejected += warp_rejections(warp)
            one = self.assemble.weigh(warp)
            if not isinstance(one, WarpInput):
                self.log.warning("Left out visit %d: %s", warp.visit, one[0].reason)
                rejected += one
            elif scratch is None:
                inputs.append(one)
            else:
                put_away = write_scratch(one.source, scratch / f"{number}.warp")
                inputs.append(dataclasses.replace(one, source=put_away))
        return inputs, rejected

    def _describe(self, coadd: PatchCoadd) -> None:
        visits = {(one.id.instrument, one.id.visit) for one in coadd.detectors}
        self.log.info(
            "Coadded %d visits with %d exposures; %d exposures were left out.",
            len(visits), len(coadd.detectors), len(coadd.rejections),
        )  # fmt: skip
        self.metadata["visits"] = len(visits)
        self.metadata["exposures"] = len(coadd.detectors)
        self.metadata["rejected"] = len(coadd.rejections)


def _choose(handles: Sequence[DeferredDatasetHandle], selection: Any) -> list[DeferredDatasetHandle]:
    if selection is None:
        return list(handles)
    visits = selected_visits(selection)
    return [h for h in handles if (str(h.dataId["instrument"]), int(h.dataId["visit"])) in visits]

"""From the exposures of a visit to its warp on a patch."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import lsst.pipe.base.connectionTypes as ct
from lsst.daf.butler import DeferredDatasetHandle
from lsst.pex.config import ConfigurableField
from lsst.pipe.base import (
    AnnotatedPartialOutputsError,
    InputQuantizedConnection,
    NoWorkFound,
    OutputQuantizedConnection,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    Struct,
    Task,
)

from ...coadd.archive import Rejection, Warp
from ...coadd.inputs import CoaddTarget, Exposure, ExposureInfo, ExposureSource
from ...coadd.warp import WarpControl
from ...errors import UnreadableFileError
from ...run.jobs import PatchConfig
from ...run.patch import warp_visit
from ...sky.tract import Patch
from ..derive import derive_config, to_core
from .base import CoaddPipelineTask, place_of
from .select import SelectExposuresTask, rejection_from_plain, rejection_to_plain

__all__ = (
    "ExposureHandle",
    "MakeWarpConfig",
    "MakeWarpConnections",
    "MakeWarpTask",
    "WarpVisitConfig",
    "WarpVisitTask",
    "warp_rejections",
)

_REJECTED = "rejected"
"""Key in a warp's metadata under which the exposures stand that are not in it."""


class ExposureHandle:
    """An exposure in the Butler as a `lamella.coadd.inputs.ExposureSource`.

    Parameters
    ----------
    handle
        Reference to a dataset ``calexp``.
    """

    def __init__(self, handle: DeferredDatasetHandle) -> None:
        self._handle = handle
        self.info: ExposureInfo = handle.get(component="info")

    def read(self) -> Exposure:
        """Read the pixels.

        Raises
        ------
        UnreadableFileError
            Raised when they cannot be read.
        """
        try:
            exposure: Exposure = self._handle.get()
        except (ValueError, OSError) as err:  # the Butler makes a ValueError of what a formatter says
            reason = " ".join(str(err.__cause__ or err).split())
            raise UnreadableFileError(self.info.path, found=reason, expected="an exposure") from err
        return exposure


class WarpVisitConfig(derive_config(WarpControl)):  # type: ignore[misc]
    """How exposures are resampled to the pixel grid of a tract."""


class WarpVisitTask(Task):
    """Resample the exposures of one visit, and merge them.

    To retarget it, give a task whose `run` has the same arguments and result.
    """

    ConfigClass = WarpVisitConfig
    _DefaultName = "warp"

    def run(self, sources: Sequence[ExposureSource], target: CoaddTarget) -> Struct:
        """Make the warp of some exposures.

        Parameters
        ----------
        sources
            Exposures of one visit.
        target
            Pixel grid.

        Returns
        -------
        lsst.pipe.base.Struct
            ``warp``, `None` without a valid pixel; and ``rejected``, what is
            not in it, and why.
        """
        made = warp_visit(sources, target, PatchConfig(warp=to_core(self.config)))
        return Struct(warp=made.warp, rejected=made.rejected)


class MakeWarpConnections(
    PipelineTaskConnections,
    dimensions=("instrument", "skymap", "tract", "patch", "visit"),
    defaultTemplates={"coaddName": "deep", "warpType": "direct"},
):
    """What `MakeWarpTask` reads and writes."""

    calexps = ct.Input(
        doc="Calibrated exposures of the visit that may overlap the patch.",
        name="calexp",
        storageClass="LamellaExposure",
        dimensions=("instrument", "visit", "detector"),
        multiple=True,
        deferLoad=True,
    )
    skyMap = ct.Input(
        doc="Tracts and patches.", name="skyMap", storageClass="LamellaSkyMap", dimensions=("skymap",)
    )
    warp = ct.Output(
        doc="The visit on the pixel grid of the patch.",
        name="{coaddName}Coadd_{warpType}Warp",
        storageClass="LamellaWarp",
        dimensions=("instrument", "skymap", "tract", "patch", "visit"),
    )


class MakeWarpConfig(PipelineTaskConfig, pipelineConnections=MakeWarpConnections):
    """Options of `MakeWarpTask`."""

    select: Any = ConfigurableField(doc="Chooses the exposures.", target=SelectExposuresTask)
    warp: Any = ConfigurableField(doc="Resamples the exposures.", target=WarpVisitTask)


class MakeWarpTask(CoaddPipelineTask):
    """Resample one visit to a patch.

    An exposure that cannot be resampled is left out.  So is one whose pixels
    cannot be read; but then the quantum is reported as one with partial outputs,
    which ``pipetask run`` counts as a failure unless it is told otherwise.
    """

    ConfigClass = MakeWarpConfig
    _DefaultName = "makeWarp"
    select: SelectExposuresTask
    warp: WarpVisitTask

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.makeSubtask("select")
        self.makeSubtask("warp")

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Make the warp of the quantum's visit and patch."""
        patch, target = place_of(butlerQC, butlerQC.get(inputRefs.skyMap))
        sources = [ExposureHandle(handle) for handle in butlerQC.get(inputRefs.calexps)]
        result = self.run(sources, patch, target)
        butlerQC.put(result, outputRefs)
        unread = [one for one in result.rejected if one.stage == "read"]
        if unread:
            error = _read_error(unread)
            raise AnnotatedPartialOutputsError.annotate(error, self, log=self.log) from error

    def run(self, sources: Sequence[ExposureSource], patch: Patch, target: CoaddTarget) -> Struct:
        """Make the warp of one visit.

        Parameters
        ----------
        sources
            Exposures of the visit; those that do not overlap the patch are passed over.
        patch
            Patch of the sky map.
        target
            Its pixel grid.

        Returns
        -------
        lsst.pipe.base.Struct
            ``warp``, and ``rejected``: exposures that overlap the patch and are
            not in the warp.  The warp's metadata has them, too.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            Raised when the visit has no valid pixel on the patch.
        UnreadableFileError
            Raised when there would be one if the exposures could be read.
        """
        chosen = self.select.run([source.info for source in sources], patch)
        kept = set(chosen.kept)
        made = self.warp.run([source for source in sources if source.info.id in kept], target)
        for one in made.rejected:
            level = logging.WARNING if one.stage == "read" else logging.INFO
            self.log.log(level, "Left out %s: %s", one.id, one.reason)
        rejected = sorted((*chosen.rejected, *made.rejected))
        if made.warp is None:
            unread = [one for one in rejected if one.stage == "read"]
            if unread:
                raise _read_error(unread)
            reasons = "; ".join(sorted({one.reason for one in rejected})) or "none overlaps the patch"
            raise NoWorkFound(f"None of {len(sources)} exposures has data on the patch: {reasons}")
        self._describe(made.warp, len(sources))
        made.warp.metadata[_REJECTED] = json.dumps([rejection_to_plain(one) for one in made.rejected])
        return Struct(warp=made.warp, rejected=tuple(rejected))

    def _describe(self, warp: Warp, offered: int) -> None:
        pixels = sum(detector.good_pixels for detector in warp.detectors)
        self.log.info("Warped %d of %d exposures; %d pixels have data.", len(warp.detectors), offered, pixels)
        self.metadata["exposures"] = len(warp.detectors)
        self.metadata["goodPixels"] = pixels


def warp_rejections(warp: Warp) -> list[Rejection]:
    """Return the exposures of a visit that were selected, but are not in its warp."""
    return [rejection_from_plain(row) for row in json.loads(str(warp.metadata.get(_REJECTED, "[]")))]


def _read_error(unread: Sequence[Rejection]) -> UnreadableFileError:
    first = unread[0]
    more = f" (and {len(unread) - 1} others)" if len(unread) > 1 else ""
    return UnreadableFileError(first.path, found=first.reason, expected=f"a readable exposure{more}")

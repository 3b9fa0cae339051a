"""Which exposures and visits go into a coadd: a subtask, and the task that writes it down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lsst.pipe.base.connectionTypes as ct
from lsst.pex.config import ConfigurableField
from lsst.pipe.base import (
    NoWorkFound,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    Struct,
    Task,
)

from ...coadd.select.select import select_exposures
from ...coadd.select.select_control import SelectControl
from ...data.coadd import Rejection
from ...data.exposure import ExposureInfo
from ...sky.tract import Patch
from ..derive import derive_config, to_core
from ..history import plain_settings, rejection_from_plain, rejection_to_plain
from .base import CALEXPS, SKY_MAP, CoaddPipelineTask, Inputs, Outputs, patch_of

__all__ = (
    "SelectDeepCoaddVisitsConfig",
    "SelectDeepCoaddVisitsConnections",
    "SelectDeepCoaddVisitsTask",
    "SelectExposuresConfig",
    "SelectExposuresTask",
    "selected_visits",
    "selection_rejections",
)


class SelectExposuresConfig(derive_config(SelectControl)):  # type: ignore[misc]
    """Which exposures are used."""


class SelectExposuresTask(Task):
    """Choose exposures by footprint, image quality, time and seeing.

    To retarget it, give a task whose `run` has the same arguments and result.
    """

    ConfigClass = SelectExposuresConfig
    _DefaultName = "select"

    def run(self, infos: Sequence[ExposureInfo], patch: Patch) -> Struct:
        """Choose the exposures of a patch.

        Parameters
        ----------
        infos
            Exposures of one band, in any order.
        patch
            Where the coadd is.

        Returns
        -------
        lsst.pipe.base.Struct
            ``kept``, the identities of those that are used, in their order;
            and ``rejected``, a `lamella.data.coadd.Rejection` for each
            other one that overlaps the patch.
        """
        selection = select_exposures(infos, patch, to_core(self.config))
        # The middleware offers all whose region touches that of the patch; to miss its pixels is no news.
        rejected = tuple(item.record() for item in selection.rejected if item.code != "footprint")
        return Struct(kept=tuple(info.id for info in selection.kept), rejected=rejected)


_NUMBER = "number"
"""Key of the number that a visit has in the repository."""


class SelectDeepCoaddVisitsConnections(
    PipelineTaskConnections,
    dimensions=("skymap", "tract", "patch", "band"),
    defaultTemplates={"outputCoaddName": "deep"},
):
    """Datasets of `SelectDeepCoaddVisitsTask`."""

    calexps = CALEXPS
    skyMap = SKY_MAP
    selectedVisits = ct.Output(
        doc="Visits to coadd, and exposures that were left out, with reasons.",
        name="{outputCoaddName}Visits",
        storageClass="StructuredDataDict",
        dimensions=("skymap", "tract", "patch", "band"),
    )


class SelectDeepCoaddVisitsConfig(PipelineTaskConfig, pipelineConnections=SelectDeepCoaddVisitsConnections):
    """Options of `SelectDeepCoaddVisitsTask`."""

    select: Any = ConfigurableField(doc="Chooses the exposures.", target=SelectExposuresTask)


class SelectDeepCoaddVisitsTask(CoaddPipelineTask):
    """Choose the visits of a patch and a band, and write down why others are left out."""

    ConfigClass = SelectDeepCoaddVisitsConfig
    _DefaultName = "selectDeepCoaddVisits"
    select: SelectExposuresTask

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.makeSubtask("select")

    def runQuantum(self, butlerQC: QuantumContext, inputRefs: Inputs, outputRefs: Outputs) -> None:
        """Read what is known of the exposures, without pixels, and choose."""
        patch, _ = patch_of(butlerQC, butlerQC.get(inputRefs.skyMap))
        handles = butlerQC.get(inputRefs.calexps)
        infos = [handle.get(component="info") for handle in handles]
        result = self.run(infos, patch)
        numbers = {
            (info.id.instrument, info.id.visit): int(handle.dataId["visit"])
            for info, handle in zip(infos, handles, strict=True)
        }
        for row in result.selectedVisits["selected"]:
            row[_NUMBER] = numbers[row["instrument"], row["visit"]]
        butlerQC.put(result, outputRefs)

    def run(self, infos: Sequence[ExposureInfo], patch: Patch) -> Struct:
        """Choose the visits of a patch.

        Parameters
        ----------
        infos
            Exposures of one band, in any order.
        patch
            Where the coadd is.

        Returns
        -------
        lsst.pipe.base.Struct
            ``selectedVisits``, plain values: under ``selected`` a list of
            instrument, visit and detectors, under ``rejected`` a list of
            exposures with reasons, and the options under ``settings``.
            `runQuantum` adds to each visit its number in the repository, which
            is another where a visit has several bands.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            Raised when no exposure is selected.
        """
        chosen = self.select.run(infos, patch)
        if not chosen.kept:
            reasons = (
                "; ".join(sorted({item.reason for item in chosen.rejected})) or "none overlaps the patch"
            )
            raise NoWorkFound(f"None of {len(infos)} exposures is selected: {reasons}")
        visits: dict[tuple[str, int], list[int]] = {}
        for id in chosen.kept:
            visits.setdefault((id.instrument, id.visit), []).append(id.detector)
        result: dict[str, Any] = {
            "selected": [
                {"instrument": instrument, "visit": visit, "detectors": detectors}
                for (instrument, visit), detectors in visits.items()
            ],
            "rejected": [rejection_to_plain(item) for item in chosen.rejected],
            "settings": {"select": plain_settings(self.select.config)},
        }
        self.log.info(
            "Selected %d visits with %d of %d exposures.",
            len(result["selected"]), len(chosen.kept), len(chosen.kept) + len(chosen.rejected),
        )  # fmt: skip
        for item in chosen.rejected:
            self.log.verbose("Left out %s: %s", item.id, item.reason)
        return Struct(selectedVisits=result)


def selected_visits(content: Mapping[str, Any]) -> set[tuple[str, int]]:
    """Return instrument and number in the repository of each visit of a dataset ``deepCoaddVisits``."""
    return {(str(row["instrument"]), int(row.get(_NUMBER, row["visit"]))) for row in content["selected"]}


def selection_rejections(content: Mapping[str, Any]) -> list[Rejection]:
    """Return the exposures that a dataset ``deepCoaddVisits`` says were left out."""
    return [rejection_from_plain(row) for row in content["rejected"]]

"""Which exposures and visits go into a coadd: a subtask, and the task that writes it down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lsst.pipe.base.connectionTypes as ct
from lsst.pex.config import ConfigurableField, Field
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
from ...data.exposure import ExposureId, ExposureInfo
from ...run.patch import require_all
from ...sky.tract import Patch
from ..derive import derive_config, to_core
from ..history import plain_settings, rejection_from_plain, rejection_to_plain
from .base import (
    CALEXPS,
    SKY_MAP,
    CoaddPipelineTask,
    Inputs,
    Outputs,
    exposures_of,
    patch_of,
    storage_class_field,
)
from .exposures import lost_exposure, open_handles
from .lost import lost_datasets, require_datasets

__all__ = (
    "SelectDeepCoaddVisitsConfig",
    "SelectDeepCoaddVisitsConnections",
    "SelectDeepCoaddVisitsTask",
    "SelectExposuresConfig",
    "SelectExposuresTask",
    "selected_exposures",
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
    defaultTemplates={"outputCoaddName": "deep", "datasetPrefix": ""},
):
    """Datasets of `SelectDeepCoaddVisitsTask`."""

    calexps = CALEXPS
    skyMap = SKY_MAP
    selectedVisits = ct.Output(
        doc="Visits to coadd, and exposures that were left out, with reasons.",
        name="{datasetPrefix}{outputCoaddName}Visits",
        storageClass="StructuredDataDict",
        dimensions=("skymap", "tract", "patch", "band"),
    )

    def __init__(self, *, config: Any = None) -> None:
        super().__init__(config=config)
        self.calexps = exposures_of(self.calexps, config.exposureStorageClass)

    def adjustQuantum(self, inputs: Any, outputs: Any, label: str, data_id: Any) -> Any:
        """Require a sky map and an exposure whose files are there."""
        require_datasets(inputs, "skyMap", "calexps")
        return super().adjustQuantum(inputs, outputs, label, data_id)


class SelectDeepCoaddVisitsConfig(PipelineTaskConfig, pipelineConnections=SelectDeepCoaddVisitsConnections):
    """Options of `SelectDeepCoaddVisitsTask`."""

    select: Any = ConfigurableField(doc="Chooses the exposures.", target=SelectExposuresTask)
    exposureStorageClass = storage_class_field()
    strict = Field[bool](
        doc="Fail when an exposure cannot be read, where it is left out otherwise.", default=False
    )


class SelectDeepCoaddVisitsTask(CoaddPipelineTask):
    """Choose the visits of a patch and a band, and write down why others are left out."""

    ConfigClass = SelectDeepCoaddVisitsConfig
    _DefaultName = "selectDeepCoaddVisits"
    config: SelectDeepCoaddVisitsConfig
    select: SelectExposuresTask

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.makeSubtask("select")

    def runQuantum(self, butlerQC: QuantumContext, inputRefs: Inputs, outputRefs: Outputs) -> None:
        """Read what is known of the exposures, without pixels, and choose."""
        patch, _ = patch_of(butlerQC, butlerQC.get(inputRefs.skyMap))
        sources, unread = open_handles(butlerQC.get(inputRefs.calexps))
        name = inputRefs.calexps[0].datasetType.name
        unread += [lost_exposure(ref) for ref in lost_datasets(butlerQC, name, inputRefs.calexps)]
        infos = [source.info for source in sources]
        result = self.run(infos, patch, unread=unread)
        in_repository = {(source.info.id.instrument, source.info.id.visit): source for source in sources}
        for row in result.selectedVisits["selected"]:
            source = in_repository[row["instrument"], row["visit"]]
            row |= {_NUMBER: source.number, "band": source.info.band}
        butlerQC.put(result, outputRefs)

    def run(self, infos: Sequence[ExposureInfo], patch: Patch, *, unread: Sequence[Rejection] = ()) -> Struct:
        """Choose the visits of a patch.

        Parameters
        ----------
        infos
            Exposures of one band, in any order.
        patch
            Where the coadd is.
        unread
            Further exposures, of which nothing can be read.

        Returns
        -------
        lsst.pipe.base.Struct
            ``selectedVisits``, plain values: under ``selected`` a list of
            instrument, visit and detectors, under ``rejected`` a list of
            exposures with reasons, and the options under ``settings``.
            `runQuantum` adds to each visit its band, and its number in the
            repository, which is another where a visit has several bands.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            Raised when no exposure is selected.
        InputError
            Raised when none can be read; with ``strict``, when one cannot.
        """
        for item in unread:
            self.log.warning("Left out %s: %s", item.id, item.reason)
        if self.config.strict or not infos:
            require_all(unread)
        chosen = self.select.run(infos, patch)
        rejected = sorted((*unread, *chosen.rejected))
        if not chosen.kept:
            reasons = "; ".join(sorted({item.reason for item in rejected})) or "none overlaps the patch"
            raise NoWorkFound(f"None of {len(infos) + len(unread)} exposures is selected: {reasons}")
        visits: dict[tuple[str, int], list[int]] = {}
        for id in chosen.kept:
            visits.setdefault((id.instrument, id.visit), []).append(id.detector)
        result: dict[str, Any] = {
            "selected": [
                {"instrument": instrument, "visit": visit, "detectors": detectors}
                for (instrument, visit), detectors in visits.items()
            ],
            "rejected": [rejection_to_plain(item) for item in rejected],
            "settings": {"select": plain_settings(self.select.config)},
        }
        self.log.info(
            "Selected %d visits with %d of %d exposures.",
            len(result["selected"]), len(chosen.kept), len(chosen.kept) + len(rejected),
        )  # fmt: skip
        for item in chosen.rejected:
            self.log.verbose("Left out %s: %s", item.id, item.reason)
        return Struct(selectedVisits=result)


def selected_exposures(content: Mapping[str, Any]) -> dict[tuple[str, int], list[ExposureId]]:
    """Return the exposures of each visit of a dataset ``deepVisits``.

    The keys are instrument and number of the visit in the repository.
    """
    return {
        (str(row["instrument"]), int(row.get(_NUMBER, row["visit"]))): [
            ExposureId(str(row["instrument"]), int(row["visit"]), int(detector), str(row.get("band", "")))
            for detector in row["detectors"]
        ]
        for row in content["selected"]
    }


def selection_rejections(content: Mapping[str, Any]) -> list[Rejection]:
    """Return the exposures that a dataset ``deepVisits`` says were left out."""
    return [rejection_from_plain(row) for row in content["rejected"]]

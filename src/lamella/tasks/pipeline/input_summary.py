"""Which exposures are in the coadds of a tract or a sky map, and which are not, as one table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import lsst.pipe.base.connectionTypes as ct
import numpy as np
from astropy.table import Column, Table, vstack
from lsst.pipe.base import (
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantaAdjuster,
    QuantumContext,
    Struct,
)

from ...data.coadd import Rejection
from ...data.detector import DetectorInput
from ...errors import ConfigError
from .base import CoaddPipelineTask, Inputs, Outputs

__all__ = (
    "CoaddInputSummaryConfig",
    "CoaddInputSummaryConnections",
    "CoaddInputSummaryTask",
    "CoaddInputs",
    "ConsolidateCoaddInputSummaryConfig",
    "ConsolidateCoaddInputSummaryConnections",
    "ConsolidateCoaddInputSummaryTask",
)


class CoaddInputs(NamedTuple):
    """The inputs of one coadd."""

    tract: int
    patch: int
    """Number of the patch in the tract."""
    band: str
    detectors: Sequence[DetectorInput]
    rejected: Sequence[Rejection]


class CoaddInputSummaryConnections(
    PipelineTaskConnections,
    dimensions=("skymap", "tract", "band"),
    defaultTemplates={"coaddName": "deep", "datasetPrefix": ""},
):
    """Datasets of `CoaddInputSummaryTask`."""

    coadds = ct.Input(
        doc="Coadds of the tract, of which the lists of inputs are read.",
        name="{datasetPrefix}{coaddName}Coadd",
        storageClass="LamellaPatchCoadd",
        dimensions=("skymap", "tract", "patch", "band"),
        multiple=True,
        deferLoad=True,
    )
    summary = ct.Output(
        doc="One row per patch and exposure.",
        name="{datasetPrefix}{coaddName}Coadd_inputSummary_tract",
        storageClass="ArrowAstropy",
        dimensions=("skymap", "tract", "band"),
    )

    def adjust_all_quanta(self, adjuster: QuantaAdjuster) -> None:
        """Check that no table is taken over from another run while its tract gets more coadds."""
        _require_fresh(adjuster, "coadds")


class CoaddInputSummaryConfig(PipelineTaskConfig, pipelineConnections=CoaddInputSummaryConnections):
    """Options of `CoaddInputSummaryTask`: none of its own."""


class CoaddInputSummaryTask(CoaddPipelineTask):
    """List the exposures of all coadds of a tract and a band."""

    ConfigClass = CoaddInputSummaryConfig
    _DefaultName = "coaddInputSummary"

    def runQuantum(self, butlerQC: QuantumContext, inputRefs: Inputs, outputRefs: Outputs) -> None:
        """Read the lists of inputs, without pixels, and make the table."""
        coadds = (
            CoaddInputs(
                tract=int(handle.dataId["tract"]),
                patch=int(handle.dataId["patch"]),
                band=str(handle.dataId["band"]),
                detectors=handle.get(component="detectors"),
                rejected=handle.get(component="rejected"),
            )
            for handle in butlerQC.get(inputRefs.coadds)
        )
        butlerQC.put(self.run(coadds), outputRefs)

    def run(self, coadds: Iterable[CoaddInputs]) -> Struct:
        """Make the table.

        Parameters
        ----------
        coadds
            Inputs of the coadds, in any order.

        Returns
        -------
        lsst.pipe.base.Struct
            ``summary``, an `astropy.table.Table` with one row per patch and
            exposure, sorted.  An exposure that is not in the coadd has a
            weight of 0, and ``stage`` and ``reason`` tell why.
        """
        rows: list[tuple[Any, ...]] = []
        for coadd in coadds:
            items: tuple[DetectorInput | Rejection, ...] = (*coadd.detectors, *coadd.rejected)
            for item in items:
                patch = coadd.tract, coadd.patch, coadd.band
                exposure = (*patch, item.id.instrument, item.id.visit, item.id.detector)
                if isinstance(item, Rejection):
                    rows.append((*exposure, 0.0, 0, np.nan, np.nan, np.nan, item.stage, item.reason))
                else:
                    numbers = [item.psf_fwhm, item.times.middle, item.times.exposure_time]
                    numbers = [np.nan if number is None else number for number in numbers]
                    rows.append((*exposure, item.weight, item.good_pixels, *numbers, "", ""))
        rows.sort()
        table = Table()
        for index, (name, (dtype, unit, description)) in enumerate(_COLUMNS.items()):
            values = np.array([row[index] for row in rows], dtype=dtype)
            table[name] = Column(values, unit=unit or None, description=description)
        used = int(np.count_nonzero(table["good_pixels"]))
        self.log.info("%d exposures are in coadds, %d are not.", used, len(table) - used)
        return Struct(summary=table)


class ConsolidateCoaddInputSummaryConnections(
    PipelineTaskConnections,
    dimensions=("skymap",),
    defaultTemplates={"coaddName": "deep", "datasetPrefix": ""},
):
    """Datasets of `ConsolidateCoaddInputSummaryTask`."""

    tables = ct.Input(
        doc="Tables of all tracts and bands.",
        name="{datasetPrefix}{coaddName}Coadd_inputSummary_tract",
        storageClass="ArrowAstropy",
        dimensions=("skymap", "tract", "band"),
        multiple=True,
    )
    summary = ct.Output(
        doc="One row per patch, band and exposure.",
        name="{datasetPrefix}{coaddName}Coadd_inputSummary",
        storageClass="ArrowAstropy",
        dimensions=("skymap",),
    )

    def adjust_all_quanta(self, adjuster: QuantaAdjuster) -> None:
        """Check that no table is taken over from another run while more tables of tracts are made."""
        _require_fresh(adjuster, "tables")


class ConsolidateCoaddInputSummaryConfig(
    PipelineTaskConfig, pipelineConnections=ConsolidateCoaddInputSummaryConnections
):
    """Options of `ConsolidateCoaddInputSummaryTask`: none of its own."""


class ConsolidateCoaddInputSummaryTask(CoaddPipelineTask):
    """Make one table of the tables of all tracts and bands of a sky map."""

    ConfigClass = ConsolidateCoaddInputSummaryConfig
    _DefaultName = "consolidateCoaddInputSummary"

    def run(self, tables: Sequence[Table]) -> Struct:
        """Put tables one below the other.

        Parameters
        ----------
        tables
            What `CoaddInputSummaryTask` made, at least one, in any order.

        Returns
        -------
        lsst.pipe.base.Struct
            ``summary``, an `astropy.table.Table` of the same columns, sorted
            by tract, patch, band and exposure.
        """
        # Notes on the tables as such belong to one of them; those on columns are kept.
        summary = vstack(list(tables), metadata_conflicts="silent")
        summary.sort(["tract", "patch", "band", "instrument", "visit", "detector"])
        self.log.info("%d tables have %d rows.", len(tables), len(summary))
        return Struct(summary=summary)


def _require_fresh(adjuster: QuantaAdjuster, connection: str) -> None:
    """Require that whatever is made of the inputs of a task goes into what the task makes.

    With ``--skip-existing-in`` the middleware takes a table over from another run when there is one,
    also when coadds are made that it lacks.

    Raises
    ------
    ConfigError
        Raised when a table would lack what is made now.
    """
    # The hook is given the quanta of its own task; those of others are not for the public.
    graph, skeleton = getattr(adjuster, "_pipeline_graph", None), getattr(adjuster, "_skeleton", None)
    if graph is None or skeleton is None:
        return
    inputs = adjuster.task_node.inputs[connection].parent_dataset_type_name
    producer = graph.producer_of(inputs)
    if producer is None or not skeleton.has_task(producer.label):
        return
    dimensions = adjuster.task_node.dimensions.required
    produced = QuantaAdjuster(producer.label, graph, skeleton, adjuster.butler).iter_data_ids()
    wanted = {tuple(data_id[name] for name in dimensions) for data_id in produced}
    stale = wanted - {tuple(data_id[name] for name in dimensions) for data_id in adjuster.iter_data_ids()}
    if stale:
        where = ", ".join(f"{name} {value}" for name, value in zip(dimensions, min(stale), strict=True))
        raise ConfigError(
            f"{adjuster.task_label} would be taken over from the run that is skipped, without the "
            f"{producer.label} of this one ({where}). Make the coadds with the subset #patches of the "
            "pipeline, then all tables with #tables, without --skip-existing-in and in a run of their own.",
            option="skip-existing-in",
        )


_COLUMNS: dict[str, tuple[str, str, str]] = {
    "tract": ("i8", "", "Number of the tract."),
    "patch": ("i8", "", "Number of the patch in the tract."),
    "band": ("U", "", "Short name of the passband."),
    "instrument": ("U", "", "Name of the instrument."),
    "visit": ("i8", "", "Number of the visit."),
    "detector": ("i4", "", "Number of the detector."),
    "weight": (
        "f8",
        "",
        "Weight of its pixels in the coadd, arcsec2 / nJy2 (1 / nJy2 by the rule of variance), or in the "
        "unit of the coadd without a zero point; 0 for what is not in it.",
    ),
    "good_pixels": ("i8", "", "Pixels of the patch that the exposure owns in the warp."),
    "psf_fwhm": ("f8", "arcsec", "Width of the PSF at half maximum; NaN if not known."),
    "mjd": ("f8", "d", "Middle of the exposure, modified Julian date in UTC; NaN if not known."),
    "exposure_time": ("f8", "s", "Exposure time; NaN if not known."),
    "stage": ("U", "", "Where the exposure was left out: read, select, warp or weight."),
    "reason": ("U", "", "Why it was left out."),
}

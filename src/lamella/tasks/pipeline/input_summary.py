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
    QuantumContext,
    Struct,
)

from ...data.coadd import Rejection
from ...data.detector import DetectorInput
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

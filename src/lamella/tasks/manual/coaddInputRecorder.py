"""Which exposures contributed to a warp or a coadd, with their weights."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from astropy.table import Table
from lsst.images import Box
from lsst.pex.config import Config, Field

from ...data.coadd import PatchCoadd
from ...data.detector import DetectorInput
from ...data.exposure import Exposure, ExposureId
from ...data.warp import Warp
from ..cmdline.task import Task

__all__ = (
    "CoaddInputRecorderConfig",
    "CoaddInputRecorderTask",
    "CoaddInputs",
    "CoaddTempExpInputRecorder",
    "VisitInput",
)


@dataclasses.dataclass(frozen=True)
class VisitInput:
    """Record of a visit."""

    instrument: str
    id: int
    """Number of the visit."""
    filter: str
    bbox: Box
    """Box of the visit's warp, in the tract's pixel frame."""
    goodpix: int
    weight: float


@dataclasses.dataclass
class CoaddInputs:
    """Records of the visits and of their detectors; the lists may be changed.

    Attributes
    ----------
    visits
        One record per visit.
    ccds
        One record per detector, see `lamella.data.detector.DetectorInput`.
    """

    visits: list[VisitInput] = dataclasses.field(default_factory=list)
    ccds: list[DetectorInput] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, image: Warp | PatchCoadd) -> CoaddInputs:
        """Return the records of the detectors of a warp or a coadd."""
        return cls(ccds=list(image.detectors))

    def visitTable(self) -> Table:
        """Return the visits as a table."""
        rows = [
            {"id": v.id, "goodpix": v.goodpix, "weight": v.weight, "filter": v.filter} for v in self.visits
        ]
        return Table(rows, names=("id", "goodpix", "weight", "filter"), dtype=("i8", "i8", "f8", "U32"))

    def ccdTable(self) -> Table:
        """Return the detectors as a table; ``visit`` is the ``id`` of a row of the visits."""
        rows = [
            {
                "ccd": d.id.detector,
                "visit": d.id.visit,
                "goodpix": d.good_pixels,
                "weight": d.weight,
                "filter": d.band,
            }
            for d in self.ccds
        ]
        names = ("ccd", "visit", "goodpix", "weight", "filter")
        return Table(rows, names=names, dtype=("i4", "i8", "i8", "f8", "U32"))


class CoaddInputRecorderConfig(Config):
    """What is recorded."""

    saveEmptyCcds = Field[bool]("Record detectors that gave no good pixel", default=False)
    saveErrorCcds = Field[bool]("Record detectors that could not be used", default=False)
    saveVisitGoodPix = Field[bool]("Record the number of good pixels of each visit", default=True)
    saveCcdWeights = Field[bool]("Record the weight of each detector", default=True)


class CoaddTempExpInputRecorder:
    """Collects the records of one warp while it is made.

    Parameters
    ----------
    task
        Its configuration says what is recorded.
    visitId
        Number of the visit.
    num
        Number of exposures that are expected; not needed here.
    """

    def __init__(self, task: CoaddInputRecorderTask, visitId: int, num: int = 0) -> None:
        self.task = task
        self.visitId = visitId
        self.coaddInputs = task.makeCoaddInputs()

    def addCalExp(self, calExp: Exposure, ccdId: int, nGoodPix: int) -> None:
        """Record one exposure of the visit.

        Parameters
        ----------
        calExp
            The exposure as it was before it was resampled.
        ccdId
            Number of its detector.
        nGoodPix
            Number of good pixels of the warp that come from it.
        """
        if nGoodPix == 0 and not self.task.config.saveEmptyCcds:
            return
        identity = ExposureId(calExp.info.id.instrument, self.visitId, ccdId)
        self.coaddInputs.ccds.append(
            DetectorInput.of(calExp, id=identity, bbox=calExp.pixels.bbox, good_pixels=nGoodPix)
        )

    def finish(self, coaddTempExp: Warp, nGoodPix: int) -> None:
        """Record the visit, and put the records of its detectors into the warp."""
        good = nGoodPix if self.task.config.saveVisitGoodPix else 0
        self.coaddInputs.visits.append(
            VisitInput(coaddTempExp.instrument, self.visitId, coaddTempExp.band, coaddTempExp.bbox, good, 1.0)
        )
        # What a detector was resampled with is on record in the warp alone.
        kernels = {detector.id: detector.kernel for detector in coaddTempExp.detectors}
        coaddTempExp.detectors = tuple(
            dataclasses.replace(ccd, kernel=kernels.get(ccd.id, ccd.kernel)) for ccd in self.coaddInputs.ccds
        )


class CoaddInputRecorderTask(Task):
    """Records which exposures are in a warp, and which warps in a coadd."""

    ConfigClass: ClassVar[type[Config]] = CoaddInputRecorderConfig
    _DefaultName = "inputRecorder"
    config: CoaddInputRecorderConfig

    def makeCoaddTempExpRecorder(self, visitId: int, num: int = 0) -> CoaddTempExpInputRecorder:
        """Return what collects the records of one warp."""
        return CoaddTempExpInputRecorder(self, visitId, num)

    def makeCoaddInputs(self) -> CoaddInputs:
        """Return empty records."""
        return CoaddInputs()

    def addVisitToCoadd(
        self, coaddInputs: CoaddInputs, coaddTempExp: Warp, weight: float
    ) -> VisitInput | None:
        """Record a warp among the inputs of a coadd.

        Parameters
        ----------
        coaddInputs
            Records to add to.
        coaddTempExp
            The warp; one pixel of it is enough.
        weight
            Its weight in the coadd, which its detectors get as well.

        Returns
        -------
        VisitInput or `None`
            The record of the visit; `None`, with a warning, when the warp does not say what it was made from.
        """
        if not coaddTempExp.detectors:
            self.log.warning(
                "The warp of visit %d names no detector; it is not recorded.", coaddTempExp.visit
            )
            return None
        for detector in coaddTempExp.detectors:
            if detector.id.visit != coaddTempExp.visit:
                self.log.warning("%s is in the warp of visit %d.", detector.id, coaddTempExp.visit)
        share = weight if self.config.saveCcdWeights else 1.0
        coaddInputs.ccds += [dataclasses.replace(ccd, weight=share) for ccd in coaddTempExp.detectors]
        good = sum(int(ccd.good_pixels) for ccd in coaddTempExp.detectors)
        record = VisitInput(
            coaddTempExp.instrument,
            coaddTempExp.visit,
            coaddTempExp.band,
            coaddTempExp.bbox,
            good if self.config.saveVisitGoodPix else 0,
            weight,
        )
        coaddInputs.visits.append(record)
        return record

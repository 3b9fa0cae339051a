"""Record of one detector's part in a warp or coadd, and its archived form."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Generic, Self, TypeVar

import numpy as np
import pydantic
from lsst.images import (
    Box,
    Polygon,
    SkyProjection,
)
from lsst.images import SkyProjectionSerializationModel as ProjectionModel
from lsst.images.psfs import PointSpreadFunction
from lsst.images.serialization import (
    ArrayReferenceModel,
    InlineArrayModel,
    InputArchive,
    OutputArchive,
)

from ..errors import InvalidPsfError
from ..kernels.resample.support import LANCZOS3, ResamplingKernel
from ..psf.coadd import CoaddPsf, PsfComponent
from .exposure import Exposure, ExposureId
from .flux_unit import NJY, FluxUnit
from .psf_archive import PsfModel, dump_psf, load_numbers, load_psf
from .times import UNKNOWN_TIMES, ExposureTimes

__all__ = ("SHARED_FIELDS", "DetectorInput", "psf_components")

SHARED_FIELDS = ("id", "path", "band", "bbox", "projection", "polygon", "psf_fwhm", "times", "flux_unit")
"""Fields that the record of a detector and the description of an exposure share."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorInput:
    """Record of one detector's part in a warp, as the coadd's PSF and tables need it."""

    id: ExposureId
    band: str
    bbox: Box
    """Box of the detector's pixels."""
    projection: SkyProjection[Any]
    """Detector pixels to ICRS."""
    psf: PointSpreadFunction
    polygon: Polygon | None = None
    """Valid region in detector pixels; `None` means all of ``bbox``."""
    good_pixels: int = 0
    """Number of pixels of the warp that this detector owns and that hold data."""
    weight: float = 1.0
    """1 in a warp; in a coadd the weight of the pixels that it owns."""
    information: float | None = None
    """Information of its image per sky area (see `lamella.coadd.warp.information`), arcsec2 / nJy2 (or
    the square of ``flux_unit``); `None` where that is not known."""
    path: str = ""
    psf_fwhm: float | None = None
    """Arcseconds."""
    times: ExposureTimes = UNKNOWN_TIMES
    """When the exposure was taken, as far as known."""
    notes: tuple[str, ...] = ()
    flux_unit: FluxUnit = NJY
    """Unit of its fluxes in the warp."""
    kernel: ResamplingKernel = LANCZOS3
    """Kernel that its pixels were resampled with."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", dataclasses.replace(self.id, band=self.band))

    @classmethod
    def of(cls, exposure: Exposure, **fields: Any) -> Self:
        """Make the record of an exposure, with fields that say what a warp has of it."""
        shared = {name: getattr(exposure.info, name) for name in SHARED_FIELDS}
        return cls(**{**shared, "psf": exposure.psf, "notes": exposure.notes, **fields})


def make_psf(
    detectors: Sequence[DetectorInput], projection: SkyProjection[Any] | None, bbox: Box
) -> CoaddPsf:
    """Return the PSF of a warp or coadd from the records of its detectors.

    Raises
    ------
    InvalidPsfError
        Raised when no detector is on record.
    """
    if not detectors or projection is None:
        raise InvalidPsfError("There is no PSF, because no input is on record.")
    return CoaddPsf(psf_components(detectors), projection, bbox)


def psf_components(detectors: Sequence[DetectorInput]) -> list[PsfComponent]:
    """Return the records of detectors as the inputs of a PSF."""
    names = ("psf", "projection", "bbox", "polygon", "weight", "good_pixels", "kernel")
    return [
        PsfComponent(label=str(detector.id), **{name: getattr(detector, name) for name in names})
        for detector in detectors
    ]


# Archives ask for a web address; the schemas are not on the web, and this top-level domain never is.
SCHEMA_URL = "https://lamella.invalid/schemas"


P = TypeVar("P", bound=pydantic.BaseModel)


"""Type of the pointers of an archive to its arrays.

Models with a parameter of their own each would have pydantic make all their
parts anew, which takes longer than anything else that is done on import.
"""


class IdModel(pydantic.BaseModel):
    """Serialized form of an `ExposureId`."""

    instrument: str
    visit: int
    detector: int
    band: str = ""  # Not in files of version 0.1.0.

    @classmethod
    def of(cls, record: Any) -> Self:
        """Make the serialized form of a record with an ``id`` and fields of the same names."""
        return cls(
            **dataclasses.asdict(record.id),
            **{name: getattr(record, name) for name in cls._names_of_fields()},
        )

    def to_id(self, band: str = "") -> ExposureId:
        """Make the identity; ``band`` is that of what the record is in, for files that do not say it."""
        return ExposureId(self.instrument, self.visit, self.detector, self.band or band)

    def fields(self) -> dict[str, Any]:
        """Return the values that are no part of the identity."""
        return {name: getattr(self, name) for name in self._names_of_fields()}

    @classmethod
    def _names_of_fields(cls) -> list[str]:
        return [name for name in cls.model_fields if name not in IdModel.model_fields]


class DetectorModel(IdModel, Generic[P]):  # noqa: UP046
    """Serialized form of a `DetectorInput`."""

    bbox: Box
    projection: ProjectionModel[P]
    psf: PsfModel
    polygon: str | None
    good_pixels: int
    weight: float
    information: float | None = None
    path: str
    psf_fwhm: float | None
    times: ExposureTimes | None = None  # Not in files of version 0.1.0.
    notes: list[str]
    flux_unit: str = pydantic.Field(default=NJY.name, description="Unit of fluxes; nJy in older archives.")
    flux_reference: str = pydantic.Field(
        default="", description="The exposure whose pixels are in that unit, where no zero point is known."
    )
    kernel: ResamplingKernel = pydantic.Field(
        default=LANCZOS3,
        description="What the pixels were resampled with; Lanczos-3 in older archives, which do not say.",
    )


_PLAIN_FIELDS = ("bbox", "good_pixels", "weight", "information", "path", "psf_fwhm", "kernel")
"""Fields of a detector that an archive holds as they are."""


class DetectorsModel(pydantic.BaseModel, Generic[P]):  # noqa: UP046
    """Serialized form of the inputs of a warp or a coadd."""

    rows: list[DetectorModel[P]] = pydantic.Field(description="One record per detector.")
    numbers: ArrayReferenceModel | InlineArrayModel | None = pydantic.Field(
        default=None, description="The arrays of all PSF models, one behind the other, as float64."
    )

    def deserialize(self, archive: InputArchive[Any]) -> tuple[DetectorInput, ...]:
        """Make the values."""
        numbers = load_numbers(self.numbers, archive)
        return tuple(load_detector(row, numbers, archive) for row in self.rows)


def serialize_detectors(
    detectors: Sequence[DetectorInput], archive: OutputArchive[Any]
) -> DetectorsModel[Any]:
    numbers: list[np.ndarray] = []
    # Detectors of one visit may share a PSF object; it is then stored once.
    psfs: dict[int, PsfModel] = {}
    rows: list[DetectorModel[Any]] = []
    for index, detector in enumerate(detectors):
        key = id(detector.psf)
        if key not in psfs:
            psfs[key] = dump_psf(detector.psf, numbers)
        projection = archive.serialize_direct(f"rows/{index}/projection", detector.projection.serialize)
        rows.append(
            DetectorModel.model_construct(
                **dataclasses.asdict(detector.id),
                **{name: getattr(detector, name) for name in _PLAIN_FIELDS},
                projection=projection,
                psf=psfs[key],
                polygon=None if detector.polygon is None else detector.polygon.wkt,
                times=detector.times,
                notes=list(detector.notes),
                flux_unit=detector.flux_unit.name,
                flux_reference=detector.flux_unit.reference,
            )
        )
    array = archive.add_array(np.concatenate(numbers), name="numbers") if numbers else None
    return DetectorsModel.model_construct(rows=rows, numbers=array)


def load_detector(row: DetectorModel[Any], numbers: np.ndarray, archive: InputArchive[Any]) -> DetectorInput:
    polygon = Polygon.from_wkt(row.polygon) if row.polygon is not None else None
    return DetectorInput(
        **{name: getattr(row, name) for name in _PLAIN_FIELDS},
        id=row.to_id(),
        band=row.band,
        projection=row.projection.deserialize(archive),
        psf=load_psf(row.psf, numbers, row.bbox),
        polygon=polygon if isinstance(polygon, Polygon) else None,
        times=row.times or UNKNOWN_TIMES,
        notes=tuple(row.notes),
        flux_unit=FluxUnit(row.flux_unit, row.flux_reference),
    )

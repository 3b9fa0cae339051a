"""Warps and coadds as values, and their form in `lsst.images` archives.

`Warp` and `PatchCoadd` are `lsst.images.MaskedImage` objects with a few more
parts.  Their schemas are registered under the entry-point group
``lsst.images.schemas``, so that ``lsst.images.open_archive`` and its command-line
tools read our files, with components and with parts of the pixels.

This module and `lamella.coadd.exposure_archive` are the only ones that say what
an archive holds; how it lies in a file is a matter of `lamella.formats`.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from types import EllipsisType
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import numpy as np
import pydantic
from astropy.table import Column as TableColumn
from astropy.table import Table
from lsst.images import Box, Image, ImageSerializationModel, Mask, MaskedImage, Polygon
from lsst.images import MaskedImageSerializationModel as MaskedImageModel
from lsst.images import SkyProjectionSerializationModel as ProjectionModel
from lsst.images.psfs import PointSpreadFunction
from lsst.images.serialization import (
    ArrayReferenceModel,
    InlineArrayModel,
    InputArchive,
    InvalidParameterError,
    MetadataValue,
    OutputArchive,
)

from ..astlock import guard_ast
from ..errors import InvalidPsfError, ShapeError
from ..image.masked_arrays import settle_masked
from ..image.planes import conform_mask
from ..kernels.resample.support import LANCZOS3, ResamplingKernel
from ..planes import make_schema, plane_names
from ..psf.coadd import CoaddPsf, PsfComponent
from ..psf.parameters import psf_from_parameters, psf_to_parameters
from .inputs import DetectorInput, ExposureId, MeanVariance
from .owners import Owners
from .removals import KINDS, Removal
from .scale import measure_variance
from .skynoise import SkyNoise
from .times import UNKNOWN_TIMES, ExposureTimes, TotalTimes
from .visits import VisitCheck

__all__ = (
    "MatchRecord",
    "PatchCoadd",
    "PatchCoaddSerializationModel",
    "Rejection",
    "Warp",
    "WarpSerializationModel",
    "psf_components",
    "weight_unit",
)

guard_ast()


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Rejection:
    """An exposure that is not in a coadd, and why."""

    id: ExposureId
    path: str
    stage: str
    """Where it was left out: ``"read"``, ``"select"``, ``"warp"``, ``"weight"`` or ``"match"``."""
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class MatchRecord:
    """How well the PSF of one detector of a warp was matched to the model."""

    id: ExposureId
    residual: float
    """Greatest difference from the model, as a fraction of the model's peak."""
    noise_gain: float
    """Noise of a matched pixel relative to that of a pixel before, if pixels share none."""


class Warp(MaskedImage):
    """One visit resampled to the pixel grid of a tract.

    Parameters
    ----------
    image
        Image in nJy, shape (y, x), NaN where the visit has no data.  Its box is
        the part of the patch that the visit covers.
    mask
        int32 mask with the schema of `lamella.planes.make_schema`.
    variance
        Variance in nJy squared, +inf where the visit has no data.
    instrument, visit, band
        Identity of the visit.
    detectors
        The detectors that were merged into this warp.
    owners
        Which of several detectors each pixel is from; `None` where there is one, or where it is not known.
    matched_psf
        The model that the PSF was matched to; `None` for a warp with its own PSF.
    match_records
        How well that was done, detector by detector.
    bad_mask_planes
        Planes whose pixels had no influence on others; empty if there are none,
        `None` if it is not known.
    metadata
        Flexible metadata.
    """

    def __init__(
        self,
        image: Image,
        *,
        mask: Mask,
        variance: Image,
        instrument: str,
        visit: int,
        band: str,
        detectors: Sequence[DetectorInput] = (),
        owners: Owners | None = None,
        matched_psf: PointSpreadFunction | None = None,
        match_records: Sequence[MatchRecord] = (),
        bad_mask_planes: Sequence[str] | None = None,
        metadata: dict[str, MetadataValue] | None = None,
    ) -> None:
        planes = settle_masked(MaskedImage(image, mask=mask, variance=variance))
        super().__init__(planes.image, mask=planes.mask, variance=planes.variance, metadata=metadata)
        self.instrument = instrument
        self.visit = visit
        self.band = band
        self.detectors = tuple(detectors)
        self.owners = owners
        self.matched_psf = matched_psf
        self.match_records = tuple(match_records)
        self.bad_mask_planes = None if bad_mask_planes is None else plane_names(bad_mask_planes)

    @property
    def psf(self) -> PointSpreadFunction:
        """PSF of the warp: the model it was matched to, or that of the detector at the position, warped."""
        return self.matched_psf or _make_psf(self)

    @property
    def times(self) -> TotalTimes:
        """When the visit was taken, and how long it was exposed."""
        return TotalTimes.of([self.detectors])

    def __getitem__(self, bbox: Box | EllipsisType) -> Warp:
        part = super().__getitem__(bbox)
        return self._transfer_metadata(self._with_planes(part), bbox=part.bbox)

    def copy(self) -> Warp:
        """Deep-copy the planes."""
        return self._transfer_metadata(self._with_planes(super().copy()), copy=True)

    def _with_planes(self, planes: MaskedImage) -> Warp:
        return Warp(
            planes.image,
            mask=planes.mask,
            variance=planes.variance,
            instrument=self.instrument,
            visit=self.visit,
            band=self.band,
            detectors=self.detectors,
            owners=self.owners,
            matched_psf=self.matched_psf,
            match_records=self.match_records,
            bad_mask_planes=self.bad_mask_planes,
        )

    def serialize(self, archive: OutputArchive[Any]) -> WarpSerializationModel[Any]:
        """Write the warp into an archive."""
        model = self._serialize_impl(WarpSerializationModel, archive)
        model.instrument = self.instrument
        model.visit = self.visit
        model.band = self.band
        model.bad_mask_planes = None if self.bad_mask_planes is None else list(self.bad_mask_planes)
        # Measured when it is written, so that it is that of these very pixels.
        schema = make_schema(self.mask.schema.names)
        found = measure_variance(
            self.variance.array, conform_mask(self, schema), schema, image=self.image.array
        )
        model.mean_variance = None if found is None else MeanVarianceModel.from_value(found)
        model.detectors = archive.serialize_direct(
            "detectors", functools.partial(_serialize_detectors, self.detectors)
        )
        if self.owners is not None:
            model.owners = archive.serialize_direct(
                "owners", functools.partial(_serialize_owners, self.owners)
            )
        if self.matched_psf is not None:
            model.matched = archive.serialize_direct(
                "matched", functools.partial(_serialize_match, self.matched_psf, self.match_records)
            )
        return model

    @staticmethod
    def _get_archive_tree_type[P: pydantic.BaseModel](
        pointer_type: type[P],
    ) -> type[WarpSerializationModel[P]]:
        return WarpSerializationModel[pointer_type]  # type: ignore[valid-type]


class PatchCoadd(MaskedImage):
    """The coadd of one band in one patch of a sky map.

    Parameters
    ----------
    image
        Image in nJy, shape (y, x); NaN where no input contributed and the gap was not filled.
    mask
        int32 mask; NO_DATA where no input contributed, also under filled gaps.
    variance
        Variance in nJy squared; +inf where there is no measurement.
    exposure_count
        Number of visits really used at each pixel (int32).
    exposure_count_unmasked
        Number of visits whose pixel was not masked, whether or not it was NaN
        or clipped (int32): what the original pipelines call ``nImage``.
    band, skymap, tract, patch
        Identity; ``patch`` is (x, y).
    inner_bbox
        Part of the box that belongs to this patch alone.
    detectors
        The inputs, each with its visit's weight.
    rejected
        Exposures that were left out, with reasons.
    settings
        All options that the coadd was made with, as plain values.
    versions
        Versions of the packages that matter.
    notes
        What a user should know of the inputs.
    noise
        What was measured of the noise of blank sky; `None` if nothing was.
    removals
        How much of each visit was removed as artifacts; empty if none were looked for.
    visit_checks
        How positions, fluxes and noise of each visit compare with the coadd; empty if that is not known.
    matched_psf
        The model that all inputs were matched to; `None` if they were not.
    metadata
        Flexible metadata.
    """

    def __init__(
        self,
        image: Image,
        *,
        mask: Mask,
        variance: Image,
        exposure_count: Image,
        exposure_count_unmasked: Image,
        band: str,
        skymap: str,
        tract: int,
        patch: tuple[int, int],
        inner_bbox: Box,
        detectors: Sequence[DetectorInput] = (),
        rejected: Sequence[Rejection] = (),
        settings: Mapping[str, Any] | None = None,
        versions: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
        noise: SkyNoise | None = None,
        removals: Sequence[Removal] = (),
        visit_checks: Sequence[VisitCheck] = (),
        matched_psf: PointSpreadFunction | None = None,
        metadata: dict[str, MetadataValue] | None = None,
    ) -> None:
        super().__init__(image, mask=mask, variance=variance, metadata=metadata)
        for name, counts in (("exposure_count", exposure_count), ("unmasked count", exposure_count_unmasked)):
            if counts.bbox != image.bbox:
                raise ShapeError(name, found=counts.bbox, expected=image.bbox)
        self.exposure_count = exposure_count
        self.exposure_count_unmasked = exposure_count_unmasked
        self.band = band
        self.skymap = skymap
        self.tract = tract
        self.patch = (int(patch[0]), int(patch[1]))
        self.inner_bbox = inner_bbox
        self.detectors = tuple(detectors)
        self.rejections = tuple(rejected)
        self.settings = dict(settings or {})
        self.versions = dict(versions or {})
        self.notes = tuple(notes)
        self.noise = noise
        self.removals = tuple(removals)
        self.visit_checks = tuple(visit_checks)
        self.matched_psf = matched_psf

    @functools.cached_property
    def psf(self) -> PointSpreadFunction:
        """PSF of the coadd.

        It is the model that all inputs were matched to; without one, the
        weighted mean of the warped PSFs of the inputs that cover a position.
        """
        return self.matched_psf or _make_psf(self)

    @property
    def inputs(self) -> Table:
        """One row per detector: identity, weight, good pixels, PSF width, times, file, notes, polygon."""
        table = _make_table(_INPUT_COLUMNS, self.detectors)
        table["weight"].unit = weight_unit(self.settings)
        return table

    @property
    def times(self) -> TotalTimes:
        """When the inputs were taken, and how long they are in all; each visit counts once."""
        visits: dict[tuple[str, int], list[DetectorInput]] = {}
        for detector in sorted(self.detectors, key=lambda one: one.id):
            visits.setdefault((detector.id.instrument, detector.id.visit), []).append(detector)
        return TotalTimes.of(visits.values())

    @property
    def rejected(self) -> Table:
        """One row per exposure that was left out: identity, file, stage, reason."""
        return _make_table(_REJECTION_COLUMNS, self.rejections)

    @property
    def artifacts(self) -> Table:
        """One row per visit: its pixels, those removed as artifacts by kind, their part of all, a warning."""
        return _make_table(_REMOVAL_COLUMNS, self.removals)

    @property
    def name(self) -> str:
        """Name that is unique in a run, e.g. ``r_0_5,4``."""
        return f"{self.band}_{self.tract}_{self.patch[0]},{self.patch[1]}"

    def __getitem__(self, bbox: Box | EllipsisType) -> PatchCoadd:
        part = super().__getitem__(bbox)
        counts = self.exposure_count[bbox], self.exposure_count_unmasked[bbox]
        return self._transfer_metadata(self._with_planes(part, *counts), bbox=part.bbox)

    def copy(self) -> PatchCoadd:
        """Deep-copy the planes."""
        counts = self.exposure_count.copy(), self.exposure_count_unmasked.copy()
        return self._transfer_metadata(self._with_planes(super().copy(), *counts), copy=True)

    def _with_planes(self, planes: MaskedImage, used: Image, unmasked: Image) -> PatchCoadd:
        return PatchCoadd(
            planes.image,
            mask=planes.mask,
            variance=planes.variance,
            exposure_count=used,
            exposure_count_unmasked=unmasked,
            rejected=self.rejections,
            **{name: getattr(self, name) for name in _COADD_FIELDS},
        )

    def serialize(self, archive: OutputArchive[Any]) -> PatchCoaddSerializationModel[Any]:
        """Write the coadd into an archive."""
        model = self._serialize_impl(PatchCoaddSerializationModel, archive)
        for name in ("exposure_count", "exposure_count_unmasked"):
            save = functools.partial(getattr(self, name).serialize, save_projection=False)
            setattr(model, name, archive.serialize_direct(name, save))
        model.detectors = archive.serialize_direct(
            "detectors", functools.partial(_serialize_detectors, self.detectors)
        )
        if self.matched_psf is not None:
            model.matched = archive.serialize_direct(
                "matched", functools.partial(_serialize_match, self.matched_psf, ())
            )
        model.rejected = [RejectionModel.from_value(r) for r in self.rejections]
        for name in _COADD_PLAIN_FIELDS:
            setattr(model, name, getattr(self, name))
        return model

    @staticmethod
    def _get_archive_tree_type[P: pydantic.BaseModel](
        pointer_type: type[P],
    ) -> type[PatchCoaddSerializationModel[P]]:
        return PatchCoaddSerializationModel[pointer_type]  # type: ignore[valid-type]


_COADD_PLAIN_FIELDS = (
    "band",
    "skymap",
    "tract",
    "patch",
    "inner_bbox",
    "settings",
    "versions",
    "notes",
    "noise",
    "removals",
    "visit_checks",
)
_COADD_FIELDS = (*_COADD_PLAIN_FIELDS, "detectors", "matched_psf")


class _Column(NamedTuple):
    """How a column of a table is made from a record."""

    dtype: str
    value: Callable[[Any], Any]
    unit: str = ""


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


_ID_COLUMNS = {
    "instrument": _Column("U", lambda record: record.id.instrument),
    "visit": _Column("i8", lambda record: record.id.visit),
    "detector": _Column("i4", lambda record: record.id.detector),
    "band": _Column("U", lambda record: record.id.band),
}
_INPUT_COLUMNS = {
    **_ID_COLUMNS,
    "weight": _Column("f8", lambda d: d.weight),
    "good_pixels": _Column("i8", lambda d: d.good_pixels),
    "psf_fwhm": _Column("f8", lambda d: _or_nan(d.psf_fwhm), "arcsec"),
    "date_obs": _Column("U", lambda d: d.times.date),
    "mjd_begin": _Column("f8", lambda d: _or_nan(d.times.begin), "d"),
    "mjd": _Column("f8", lambda d: _or_nan(d.times.middle), "d"),
    "mjd_end": _Column("f8", lambda d: _or_nan(d.times.end), "d"),
    "exposure_time": _Column("f8", lambda d: _or_nan(d.times.exposure_time), "s"),
    "path": _Column("U", lambda d: d.path),
    "notes": _Column("U", lambda d: " ".join(d.notes)),
    "polygon": _Column("U", lambda d: "" if d.polygon is None else d.polygon.wkt),
}
_REJECTION_COLUMNS = {
    **_ID_COLUMNS,
    "path": _Column("U", lambda r: r.path),
    "stage": _Column("U", lambda r: r.stage),
    "reason": _Column("U", lambda r: r.reason),
}
_REMOVAL_NUMBERS = ("visit", "valid", "removed", *KINDS, "alone")
_REMOVAL_COLUMNS = {
    "instrument": _Column("U", lambda r: r.instrument),
    **{name: _Column("i8", operator.attrgetter(name)) for name in _REMOVAL_NUMBERS},
    "fraction": _Column("f8", lambda r: r.fraction),
    "shift_x": _Column("f8", lambda r: np.nan if r.shift_x is None else r.shift_x, "pix"),
    "shift_y": _Column("f8", lambda r: np.nan if r.shift_y is None else r.shift_y, "pix"),
    "warning": _Column("U", lambda r: r.warning),
}


def weight_unit(settings: Mapping[str, Any]) -> str:
    """Return the unit of the weights of a coadd that was made with some options."""
    rule = settings.get("assemble", {}).get("weights", {}).get("rule", "variance")
    return "arcsec2 nJy-2" if rule == "information" else "nJy-2"


def _make_table(columns: Mapping[str, _Column], records: Sequence[Any]) -> Table:
    table = Table()
    for name, column in columns.items():
        values = np.array([column.value(record) for record in records], dtype=column.dtype)
        table[name] = TableColumn(values, unit=column.unit or None)
    return table


def _make_psf(image: Warp | PatchCoadd) -> CoaddPsf:
    if not image.detectors or image.sky_projection is None:
        raise InvalidPsfError("There is no PSF, because no input is on record.")
    return CoaddPsf(psf_components(image.detectors), image.sky_projection, image.bbox)


def psf_components(detectors: Sequence[DetectorInput]) -> list[PsfComponent]:
    """Return the records of some detectors as the inputs of a PSF."""
    return [
        PsfComponent(
            label=str(d.id),
            psf=d.psf,
            projection=d.projection,
            bbox=d.bbox,
            polygon=d.polygon,
            weight=d.weight,
            good_pixels=d.good_pixels,
            kernel=d.kernel,
        )
        for d in detectors
    ]


# Archives ask for a web address; the schemas are not on the web, and this top-level domain never is.
_SCHEMA_URL_BASE = "https://lamella.invalid/schemas"
P = TypeVar("P", bound=pydantic.BaseModel)
"""How an archive points at what it holds.

Models with a parameter of their own each would have pydantic make all their
parts anew, which takes longer than anything else that is done on import.
"""


class IdModel(pydantic.BaseModel):
    """Serialized form of an `ExposureId`."""

    instrument: str
    visit: int
    detector: int
    band: str = ""  # Not in files of version 0.1.0.

    def to_id(self, band: str = "") -> ExposureId:
        """Make the value; ``band`` is that of what the record is in, for files that do not say it."""
        return ExposureId(self.instrument, self.visit, self.detector, self.band or band)


class RejectionModel(IdModel):
    """Serialized form of a `Rejection`."""

    path: str
    stage: str
    reason: str

    @classmethod
    def from_value(cls, value: Rejection) -> Self:
        """Make the serialized form."""
        return cls(**dataclasses.asdict(value.id), path=value.path, stage=value.stage, reason=value.reason)

    def to_value(self, band: str) -> Rejection:
        """Make the value; ``band`` is that of the coadd."""
        return Rejection(self.to_id(band), self.path, self.stage, self.reason)


class MatchRecordModel(IdModel):
    """Serialized form of a `MatchRecord`."""

    residual: float
    noise_gain: float

    @classmethod
    def from_value(cls, value: MatchRecord) -> Self:
        """Make the serialized form."""
        return cls(**dataclasses.asdict(value.id), residual=value.residual, noise_gain=value.noise_gain)

    def to_value(self) -> MatchRecord:
        """Make the value."""
        return MatchRecord(self.to_id(), self.residual, self.noise_gain)


class NumbersModel(pydantic.BaseModel):
    """Where an array stands in the one array that holds the numbers of all PSF models."""

    start: int
    shape: list[int]
    dtype: str


class PsfModel(pydantic.BaseModel):
    """Serialized form of a PSF model: its kind, plain values, and where its arrays stand."""

    kind: str
    values: dict[str, float | int | str | bool]
    arrays: dict[str, NumbersModel]


class TimesModel(pydantic.BaseModel):
    """Serialized form of the `ExposureTimes` of a detector: dates are modified Julian dates in UTC."""

    begin: float | None = None
    middle: float | None = None
    end: float | None = None
    exposure_time: float | None = None


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
    times: TimesModel | None = None  # Not in files of version 0.1.0.
    notes: list[str]
    kernel: ResamplingKernel = pydantic.Field(
        default=LANCZOS3,
        description="What the pixels were resampled with; Lanczos-3 in older archives, which do not say.",
    )


class DetectorsModel(pydantic.BaseModel, Generic[P]):  # noqa: UP046
    """Serialized form of the inputs of a warp or a coadd."""

    rows: list[DetectorModel[P]] = pydantic.Field(description="One record per detector.")
    numbers: ArrayReferenceModel | InlineArrayModel | None = pydantic.Field(
        default=None, description="The arrays of all PSF models, one behind the other, as float64."
    )

    def deserialize(self, archive: InputArchive[Any]) -> tuple[DetectorInput, ...]:
        """Make the values."""
        numbers = _load_numbers(self.numbers, archive)
        return tuple(_load_detector(row, numbers, archive) for row in self.rows)


class OwnersModel(pydantic.BaseModel):
    """Serialized form of `Owners`."""

    steps: ArrayReferenceModel | InlineArrayModel = pydantic.Field(
        description="Row, column and detector of each step: int32 of shape (3, step)."
    )

    def deserialize(self, archive: InputArchive[Any]) -> Owners:
        """Make the value."""
        return Owners(*np.asarray(archive.get_array(self.steps), dtype=np.int32))


def _serialize_owners(owners: Owners, archive: OutputArchive[Any]) -> OwnersModel:
    steps = np.stack([owners.y, owners.x, owners.detector]).astype(np.int32)
    return OwnersModel(steps=archive.add_array(steps, name="steps"))


def _load_owners(model: OwnersModel | None, archive: InputArchive[Any]) -> Owners | None:
    return None if model is None else model.deserialize(archive)


class MatchModel(pydantic.BaseModel):
    """Serialized form of the PSF that pixels were matched to, and of how well that was done."""

    psf: PsfModel
    bounds: Box
    records: list[MatchRecordModel]
    numbers: ArrayReferenceModel | InlineArrayModel | None = pydantic.Field(
        default=None, description="The arrays of the PSF model, one behind the other, as float64."
    )

    def deserialize_psf(self, archive: InputArchive[Any]) -> PointSpreadFunction:
        """Make the PSF model."""
        return _load_psf(self.psf, _load_numbers(self.numbers, archive), self.bounds)

    def to_records(self) -> tuple[MatchRecord, ...]:
        """Make the records."""
        return tuple(record.to_value() for record in self.records)


def _serialize_match(
    psf: PointSpreadFunction, records: Sequence[MatchRecord], archive: OutputArchive[Any]
) -> MatchModel:
    numbers: list[np.ndarray] = []
    return MatchModel(
        psf=_dump_psf(psf, numbers),
        bounds=psf.bounds.bbox,
        records=[MatchRecordModel.from_value(record) for record in records],
        numbers=archive.add_array(np.concatenate(numbers), name="numbers") if numbers else None,
    )


def _load_numbers(
    numbers: ArrayReferenceModel | InlineArrayModel | None, archive: InputArchive[Any]
) -> np.ndarray:
    return np.zeros(0) if numbers is None else np.asarray(archive.get_array(numbers))


def _serialize_detectors(
    detectors: Sequence[DetectorInput], archive: OutputArchive[Any]
) -> DetectorsModel[Any]:
    numbers: list[np.ndarray] = []
    # Detectors of one visit may share a PSF object; it is then stored once.
    psfs: dict[int, PsfModel] = {}
    rows = []
    for index, detector in enumerate(detectors):
        key = id(detector.psf)
        if key not in psfs:
            psfs[key] = _dump_psf(detector.psf, numbers)
        projection = archive.serialize_direct(f"rows/{index}/projection", detector.projection.serialize)
        rows.append(_dump_detector(detector, psfs[key], projection))
    array = archive.add_array(np.concatenate(numbers), name="numbers") if numbers else None
    return DetectorsModel.model_construct(rows=rows, numbers=array)


def _dump_detector(detector: DetectorInput, psf: PsfModel, projection: Any) -> DetectorModel[Any]:
    return DetectorModel.model_construct(
        **dataclasses.asdict(detector.id),
        bbox=detector.bbox,
        projection=projection,
        psf=psf,
        polygon=detector.polygon.wkt if detector.polygon is not None else None,
        good_pixels=detector.good_pixels,
        weight=detector.weight,
        information=detector.information,
        path=detector.path,
        psf_fwhm=detector.psf_fwhm,
        times=TimesModel(**dataclasses.asdict(detector.times)),
        notes=list(detector.notes),
        kernel=detector.kernel,
    )


def _load_detector(row: DetectorModel[Any], numbers: np.ndarray, archive: InputArchive[Any]) -> DetectorInput:
    polygon = Polygon.from_wkt(row.polygon) if row.polygon is not None else None
    return DetectorInput(
        id=row.to_id(),
        band=row.band,
        bbox=row.bbox,
        projection=row.projection.deserialize(archive),
        psf=_load_psf(row.psf, numbers, row.bbox),
        polygon=polygon if isinstance(polygon, Polygon) else None,
        good_pixels=row.good_pixels,
        weight=row.weight,
        information=row.information,
        path=row.path,
        psf_fwhm=row.psf_fwhm,
        times=UNKNOWN_TIMES if row.times is None else ExposureTimes(**dict(row.times)),
        notes=tuple(row.notes),
        kernel=row.kernel,
    )


def _dump_psf(psf: PointSpreadFunction, numbers: list[np.ndarray]) -> PsfModel:
    kind, parameters = psf_to_parameters(psf)
    values: dict[str, float | int | str | bool] = {}
    arrays: dict[str, NumbersModel] = {}
    for name, value in parameters.items():
        if isinstance(value, np.ndarray):
            start = sum(array.size for array in numbers)
            arrays[name] = NumbersModel(start=start, shape=list(value.shape), dtype=str(value.dtype))
            numbers.append(np.asarray(value, dtype=np.float64).ravel())
        else:
            values[name] = value
    return PsfModel(kind=kind, values=values, arrays=arrays)


def _load_psf(model: PsfModel, numbers: np.ndarray, bounds: Box) -> PointSpreadFunction:
    parameters: dict[str, Any] = dict(model.values)
    for name, place in model.arrays.items():
        flat = numbers[place.start : place.start + int(np.prod(place.shape))]
        parameters[name] = flat.reshape(place.shape).astype(place.dtype)
    return psf_from_parameters(model.kind, parameters, bounds)


def _load_matched_psf(model: MatchModel | None, archive: InputArchive[Any]) -> PointSpreadFunction | None:
    return None if model is None else model.deserialize_psf(archive)


class MeanVarianceModel(pydantic.BaseModel):
    """Serialized form of a `MeanVariance`."""

    mean: float = pydantic.Field(description="Clipped mean of the variance plane.", gt=0, allow_inf_nan=False)
    bad_mask_planes: list[str] = pydantic.Field(description="Pixels with one of these do not count.")
    sigma_clip: float = pydantic.Field(description="Half-width of the clipping interval in sigma.")
    clip_iter: int = pydantic.Field(description="Number of clipping passes.")

    @classmethod
    def from_value(cls, value: MeanVariance) -> MeanVarianceModel:
        """Return the serialized form."""
        planes = sorted(value.bad_mask_planes)
        return cls(
            mean=value.mean, bad_mask_planes=planes, sigma_clip=value.sigma_clip, clip_iter=value.clip_iter
        )

    def to_value(self) -> MeanVariance:
        """Return the value."""
        return MeanVariance(self.mean, frozenset(self.bad_mask_planes), self.sigma_clip, self.clip_iter)


class WarpSerializationModel(MaskedImageModel[P], Generic[P]):  # noqa: UP046
    """Serialized form of a `Warp`."""

    SCHEMA_NAME: ClassVar[str] = "lamella_warp"
    SCHEMA_VERSION: ClassVar[str] = "1.3.0"
    MIN_READ_VERSION: ClassVar[int] = 1
    SCHEMA_URL_BASE: ClassVar[str] = _SCHEMA_URL_BASE
    PUBLIC_TYPE: ClassVar[type] = Warp

    instrument: str = pydantic.Field(description="Name of the instrument.")
    visit: int = pydantic.Field(description="Number of the visit.")
    band: str = pydantic.Field(description="Short name of the passband.")
    detectors: DetectorsModel[P] = pydantic.Field(description="The detectors merged into this warp.")
    owners: OwnersModel | None = pydantic.Field(
        default=None, description="Which of several detectors each pixel is from."
    )
    matched: MatchModel | None = pydantic.Field(
        default=None, description="The PSF that the warp was matched to; absent where it was not."
    )
    mean_variance: MeanVarianceModel | None = pydantic.Field(
        default=None, description="Clipped mean of the variance, from which the weight of the warp follows."
    )
    bad_mask_planes: list[str] | None = pydantic.Field(
        default=None, description="Planes whose pixels had no influence on others; null if it is not known."
    )

    def deserialize(self, archive: InputArchive[Any], *, bbox: Box | None = None, **kwargs: Any) -> Warp:
        """Read the warp, or a box of it."""
        planes = super().deserialize(archive, bbox=bbox, **kwargs)
        return Warp(
            planes.image,
            mask=planes.mask,
            variance=planes.variance,
            instrument=self.instrument,
            visit=self.visit,
            band=self.band,
            detectors=self.detectors.deserialize(archive),
            owners=_load_owners(self.owners, archive),
            matched_psf=_load_matched_psf(self.matched, archive),
            match_records=() if self.matched is None else self.matched.to_records(),
            bad_mask_planes=self.bad_mask_planes,
        )._finish_deserialize(self)

    def deserialize_component(self, component: str, archive: InputArchive[Any], **kwargs: Any) -> Any:
        """Read one part."""
        if component == "detectors":
            return self.detectors.deserialize(archive)
        if component == "owners":
            return _load_owners(self.owners, archive)
        if component == "matched_psf":
            return _load_matched_psf(self.matched, archive)
        if component == "masked_image":
            return super().deserialize(archive, **kwargs)
        return super().deserialize_component(component, archive, **kwargs)


class PatchCoaddSerializationModel(MaskedImageModel[P], Generic[P]):  # noqa: UP046
    """Serialized form of a `PatchCoadd`."""

    SCHEMA_NAME: ClassVar[str] = "lamella_patch_coadd"
    SCHEMA_VERSION: ClassVar[str] = "1.2.0"
    MIN_READ_VERSION: ClassVar[int] = 1
    SCHEMA_URL_BASE: ClassVar[str] = _SCHEMA_URL_BASE
    PUBLIC_TYPE: ClassVar[type] = PatchCoadd

    exposure_count: ImageSerializationModel[P] = pydantic.Field(description="Visits used at each pixel.")
    exposure_count_unmasked: ImageSerializationModel[P] = pydantic.Field(
        description="Visits unmasked at each pixel."
    )
    band: str = pydantic.Field(description="Short name of the passband.")
    skymap: str = pydantic.Field(description="Name of the sky map.")
    tract: int = pydantic.Field(description="Number of the tract in the sky map.")
    patch: tuple[int, int] = pydantic.Field(description="Column and row of the patch in the tract.")
    inner_bbox: Box = pydantic.Field(description="Box of the pixels that belong to this patch alone.")
    detectors: DetectorsModel[P] = pydantic.Field(description="The inputs, with weights.")
    rejected: list[RejectionModel] = pydantic.Field(description="Exposures left out, with reasons.")
    settings: dict[str, Any] = pydantic.Field(description="Options the coadd was made with.")
    versions: dict[str, str] = pydantic.Field(description="Versions of packages.")
    notes: tuple[str, ...] = pydantic.Field(description="What a user should know of the inputs.")
    noise: SkyNoise | None = pydantic.Field(default=None, description="Noise of blank sky, as measured.")
    matched: MatchModel | None = pydantic.Field(
        default=None, description="The PSF that all inputs were matched to; absent where they were not."
    )
    removals: tuple[Removal, ...] = pydantic.Field(
        default=(), description="What was removed from each visit as artifacts."
    )
    visit_checks: tuple[VisitCheck, ...] = pydantic.Field(
        default=(), description="How positions, fluxes and noise of each visit compare with the coadd."
    )

    def deserialize(
        self, archive: InputArchive[Any], *, bbox: Box | None = None, **kwargs: Any
    ) -> PatchCoadd:
        """Read the coadd, or a box of it."""
        planes = super().deserialize(archive, bbox=bbox, **kwargs)
        return PatchCoadd(
            planes.image,
            mask=planes.mask,
            variance=planes.variance,
            exposure_count=self.exposure_count.deserialize(archive, bbox=bbox),
            exposure_count_unmasked=self.exposure_count_unmasked.deserialize(archive, bbox=bbox),
            detectors=self.detectors.deserialize(archive),
            rejected=[r.to_value(self.band) for r in self.rejected],
            matched_psf=_load_matched_psf(self.matched, archive),
            **{name: getattr(self, name) for name in _COADD_PLAIN_FIELDS},
        )._finish_deserialize(self)

    def deserialize_component(self, component: str, archive: InputArchive[Any], **kwargs: Any) -> Any:
        """Read one part."""
        if component == "masked_image":
            return super().deserialize(archive, **kwargs)
        if component in ("exposure_count", "exposure_count_unmasked"):
            return getattr(self, component).deserialize(archive, **kwargs)
        if kwargs and component not in ("image", "mask", "variance"):
            raise InvalidParameterError(f"Part {component!r} takes no parameters; found {set(kwargs)}.")
        if component == "detectors":
            return self.detectors.deserialize(archive)
        if component == "rejected":
            return tuple(r.to_value(self.band) for r in self.rejected)
        if component == "matched_psf":
            return _load_matched_psf(self.matched, archive)
        return super().deserialize_component(component, archive, **kwargs)

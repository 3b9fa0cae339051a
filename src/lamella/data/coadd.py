"""The coadd of a patch, and its archived form."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Never

import astropy.units as u
import numpy as np
import pydantic
from astropy.table import Table
from lsst.images import Box, Image, ImageSerializationModel, Mask, MaskedImage
from lsst.images import MaskedImageSerializationModel as MaskedImageModel
from lsst.images.psfs import PointSpreadFunction
from lsst.images.serialization import (
    InputArchive,
    InvalidParameterError,
    MetadataValue,
    OutputArchive,
)

from ..errors import ShapeError
from ..fits.text import unit_text
from ..image.planes import plane_pixels, require_box
from .cutouts import box_around
from .detector import SCHEMA_URL, DetectorInput, DetectorsModel, IdModel, P, make_psf, serialize_detectors
from .exposure import ExposureId
from .flux_unit import NJY, FluxUnit, flux_unit_of
from .noise import SkyNoise
from .removals import Removal
from .tables import INPUT_COLUMNS, REJECTION_COLUMNS, REMOVAL_COLUMNS, make_table
from .texts import coadd_text, provenance_text
from .times import TotalTimes
from .upward import above
from .visit_check import VisitCheck
from .warp import MatchModel, load_matched_psf, serialize_match

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.io.fits import HDUList
    from astropy.nddata import CCDData

__all__ = ("PatchCoadd", "PatchCoaddSerializationModel", "PatchId", "Provenance", "Rejection", "weight_unit")


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Rejection:
    """An exposure that is not in a coadd, and why."""

    id: ExposureId
    path: str
    stage: str
    """Where it was left out: ``"read"``, ``"select"``, ``"warp"``, ``"weight"`` or ``"match"``."""
    reason: str


@dataclasses.dataclass(frozen=True)
class PatchId:
    """Identity of a coadd: its band, and its patch of a sky map."""

    band: str
    skymap: str
    tract: int
    patch: tuple[int, int]
    """Column and row of the patch in the tract."""
    inner_bbox: Box
    """Box of the pixels that belong to this patch alone."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "patch", (int(self.patch[0]), int(self.patch[1])))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Provenance:
    """Record of what a coadd was made from and how, and of what was measured on the way."""

    detectors: tuple[DetectorInput, ...] = ()
    """The inputs, each with its visit's weight."""
    rejections: tuple[Rejection, ...] = ()
    """Exposures that were left out, with reasons."""
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """All options that the coadd was made with, as plain values."""
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Versions of the packages that matter."""
    notes: tuple[str, ...] = ()
    """Remarks on the inputs for a user."""
    noise: SkyNoise | None = None
    """Noise of blank sky; `None` if it was not measured."""
    removals: tuple[Removal, ...] = ()
    """How much of each visit was removed as artifacts; empty if none were looked for."""
    visit_checks: tuple[VisitCheck, ...] = ()
    """Positions, fluxes and noise of each visit against those of the coadd; empty if not compared."""
    matched_psf: PointSpreadFunction | None = None
    """The model that all inputs were matched to; `None` if they were not."""

    def __repr__(self) -> str:
        return provenance_text(self)


class _Stated[T]:
    """Attribute of a coadd that is read and never set."""

    def __init__(self, value: Callable[[PatchCoadd], T]) -> None:
        self._value = value

    def __get__(self, coadd: PatchCoadd | None, owner: type[PatchCoadd] | None = None) -> T:
        if coadd is None:  # asked of the class, as `help` does
            return self  # type: ignore[return-value]
        return self._value(coadd)

    def __set__(self, coadd: PatchCoadd, value: Never) -> None:
        raise AttributeError("A coadd is made once: replace() returns one with another identity or record.")


class PatchCoadd(MaskedImage):
    """The coadd of one band in one patch of a sky map.

    It has the fields of `PatchId` and `Provenance` as attributes.  They are not set: `replace` returns a
    coadd of the same pixels with other ones.

    Parameters
    ----------
    image
        Image in nJy (`flux_unit`), shape (y, x); NaN where no input contributed and the gap was not filled.
    mask
        int32 mask; NO_DATA where no input contributed, also under filled gaps.
    variance
        Variance in the square of that; +inf where there is no measurement.
    exposure_count
        Number of visits really used at each pixel (int32).
    exposure_count_unmasked
        Number of visits whose pixel was not masked, whether or not it was NaN
        or clipped (int32): what the original pipelines call ``nImage``.
    id
        Band, sky map, tract and patch.
    provenance
        Inputs, options and measurements.
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
        id: PatchId,
        provenance: Provenance | None = None,
        metadata: dict[str, MetadataValue] | None = None,
    ) -> None:
        super().__init__(image, mask=mask, variance=variance, metadata=metadata)
        for name, counts in (("exposure_count", exposure_count), ("unmasked count", exposure_count_unmasked)):
            if counts.bbox != image.bbox:
                raise ShapeError(name, found=counts.bbox, expected=image.bbox)
        self._counts = exposure_count, exposure_count_unmasked
        self._id = id
        self._provenance = provenance or Provenance()

    id = _Stated(lambda coadd: coadd._id)
    provenance = _Stated(lambda coadd: coadd._provenance)
    exposure_count = _Stated(lambda coadd: coadd._counts[0])
    exposure_count_unmasked = _Stated(lambda coadd: coadd._counts[1])
    band = _Stated(lambda coadd: coadd._id.band)
    skymap = _Stated(lambda coadd: coadd._id.skymap)
    tract = _Stated(lambda coadd: coadd._id.tract)
    patch = _Stated(lambda coadd: coadd._id.patch)
    inner_bbox = _Stated(lambda coadd: coadd._id.inner_bbox)
    detectors = _Stated(lambda coadd: coadd._provenance.detectors)
    rejections = _Stated(lambda coadd: coadd._provenance.rejections)
    settings = _Stated(lambda coadd: coadd._provenance.settings)
    versions = _Stated(lambda coadd: coadd._provenance.versions)
    notes = _Stated(lambda coadd: coadd._provenance.notes)
    noise = _Stated(lambda coadd: coadd._provenance.noise)
    removals = _Stated(lambda coadd: coadd._provenance.removals)
    visit_checks = _Stated(lambda coadd: coadd._provenance.visit_checks)
    matched_psf = _Stated(lambda coadd: coadd._provenance.matched_psf)

    @functools.cached_property
    def psf(self) -> PointSpreadFunction:
        """PSF of the coadd.

        It is the model that all inputs were matched to; without one, the
        weighted mean of the warped PSFs of the inputs that cover a position.
        """
        return self.matched_psf or make_psf(self.detectors, self.sky_projection, self.bbox)

    @property
    def inputs(self) -> Table:
        """One row per detector: identity, weight, good pixels, PSF width, times, file, notes, polygon."""
        return _input_table(self.detectors, self.settings)

    @property
    def flux_unit(self) -> FluxUnit:
        """Unit of the fluxes: nJy, or that of a reference exposure where no zero point is known."""
        return flux_unit_of(self.detectors)

    @property
    def times(self) -> TotalTimes:
        """When the inputs were taken, and how long they are in all; each visit counts once."""
        detectors = sorted(self.detectors, key=lambda detector: detector.id)
        visits = itertools.groupby(detectors, key=lambda item: (item.id.instrument, item.id.visit))
        return TotalTimes.of(visit for _, visit in visits)

    @property
    def rejected(self) -> Table:
        """One row per exposure that was left out: identity, file, stage, reason."""
        return make_table(REJECTION_COLUMNS, self.rejections)

    @property
    def artifacts(self) -> Table:
        """One row per visit: its pixels, those removed as artifacts by kind, their part of all, a warning."""
        return make_table(REMOVAL_COLUMNS, self.removals)

    @property
    def name(self) -> str:
        """Name that is unique in a run, e.g. ``r_0_5,4``."""
        return f"{self.band}_{self.tract}_{self.patch[0]},{self.patch[1]}"

    def __getitem__(self, bbox: Box | EllipsisType) -> PatchCoadd:
        require_box(bbox)
        box = super().__getitem__(bbox)
        return self._transfer_metadata(
            self._with_planes(box, *(n[bbox] for n in self._counts)), bbox=box.bbox
        )

    def copy(self) -> PatchCoadd:
        """Deep-copy the planes."""
        counts = (number.copy() for number in self._counts)
        return self._transfer_metadata(self._with_planes(super().copy(), *counts), copy=True)

    def plane(self, name: str) -> np.ndarray:
        """Return where a mask plane is set: bool, shape (y, x).

        Parameters
        ----------
        name
            Name of the plane in either spelling: ``SATURATED`` or ``SAT``.

        Raises
        ------
        MaskPlaneError
            Raised when there is no such plane.
        """
        return plane_pixels(self.mask, name)

    def cutout(
        self,
        position: SkyCoord | tuple[float, float],
        size: float | u.Quantity | tuple[float | u.Quantity, float | u.Quantity],
    ) -> PatchCoadd:
        """Return the part of the coadd around a position, with its PSF and inputs.

        Parameters
        ----------
        position
            A position on the sky, or (x, y) in the pixel frame of ``bbox``.
        size
            Height and width, or the side of a square, in pixels or as Quantity (pixels or an angle).  What
            lies beyond the edges of the coadd is cut off.

        Returns
        -------
        PatchCoadd
            Its planes are views of those of this coadd.

        Raises
        ------
        NoOverlapError
            Raised when no pixel is left.
        WrongTypeError
            Raised when position or size are something else.
        """
        return self[box_around(position, size, self.bbox, self.sky_projection)]

    def to_ccddata(self) -> CCDData:
        """Return the coadd as `~astropy.nddata.CCDData`, in copies.

        The uncertainty is the variance (`~astropy.nddata.VarianceUncertainty`), the mask is True where there
        is no measurement (NO_DATA, also under filled gaps), and the flags are the bits of all mask planes,
        which the cards ``MP_*`` of ``meta`` name.  ``psf`` is a stamp at the centre of the data.
        """
        data: CCDData = above("coadd_ccddata")(self)
        return data

    def to_hdulist(self) -> HDUList:
        """Return the HDUs that `lamella.write_plain_fits` writes: IMAGE, MASK, VARIANCE, COUNT, PSF, tables.

        Raises
        ------
        ProjectionError
            Raised when a FITS header cannot hold the projection.
        """
        hdus: HDUList = above("coadd_hdus")(self)
        return hdus

    def plot(self, plane: str = "image", *, ax: Any = None, **options: Any) -> Any:
        """Draw a plane with its axes on the sky; matplotlib is needed (``pip install 'lamella[plot]'``).

        Parameters
        ----------
        plane
            ``"image"``, ``"variance"``, ``"exposure_count"``, or the name of a mask plane.
        ax
            Axes to draw on, e.g. an `~astropy.visualization.wcsaxes.WCSAxes`; by default those of a new
            figure.
        **options
            For ``imshow``, e.g. ``cmap``, ``norm``, ``vmin``.

        Returns
        -------
        `~astropy.visualization.wcsaxes.WCSAxes`
            The axes, with what was drawn in ``images[-1]``.

        Raises
        ------
        MissingPackageError
            Raised where matplotlib is not installed.
        MaskPlaneError
            Raised when there is no such plane.
        """
        return above("plot_image")(self, plane, ax=ax, **options)

    def __repr__(self) -> str:
        return coadd_text(self)

    def __str__(self) -> str:
        return coadd_text(self)

    def _repr_html_(self) -> str:
        html: str = above("coadd_html")(self)
        return html

    def replace(self, **changes: Any) -> PatchCoadd:
        """Return a coadd of the same pixels with another identity or record.

        Parameters
        ----------
        **changes
            Fields of `PatchId` and `Provenance`.
        """
        identity = {name: changes.pop(name) for name in _IDENTITY if name in changes}
        coadd = self._with_planes(self, *self._counts)
        coadd._id = dataclasses.replace(self._id, **identity)
        coadd._provenance = dataclasses.replace(self._provenance, **changes)
        if "psf" in vars(self) and not {"detectors", "matched_psf"} & set(changes):
            vars(coadd)["psf"] = self.psf  # with the stamps that it has warped already
        return self._transfer_metadata(coadd)

    def _with_planes(self, planes: MaskedImage, used: Image, unmasked: Image) -> PatchCoadd:
        return PatchCoadd(
            planes.image,
            mask=planes.mask,
            variance=planes.variance,
            exposure_count=used,
            exposure_count_unmasked=unmasked,
            id=self._id,
            provenance=self._provenance,
        )

    def serialize(self, archive: OutputArchive[Any]) -> PatchCoaddSerializationModel[Any]:
        """Write the coadd into an archive."""
        model = self._serialize_impl(PatchCoaddSerializationModel, archive)
        for name in ("exposure_count", "exposure_count_unmasked"):
            save = functools.partial(getattr(self, name).serialize, save_projection=False)
            setattr(model, name, archive.serialize_direct(name, save))
        model.detectors = archive.serialize_direct(
            "detectors", functools.partial(serialize_detectors, self.detectors)
        )
        if self.matched_psf is not None:
            model.matched = archive.serialize_direct(
                "matched", functools.partial(serialize_match, self.matched_psf, ())
            )
        model.rejected = [RejectionModel.of(rejection) for rejection in self.rejections]
        for name in (*_IDENTITY, *_PLAIN_FIELDS):
            setattr(model, name, getattr(self, name))
        return model

    @staticmethod
    def _get_archive_tree_type[P: pydantic.BaseModel](
        pointer_type: type[P],
    ) -> type[PatchCoaddSerializationModel[P]]:
        return PatchCoaddSerializationModel[pointer_type]  # type: ignore[valid-type]


_IDENTITY = tuple(field.name for field in dataclasses.fields(PatchId))
_PLAIN_FIELDS = ("settings", "versions", "notes", "noise", "removals", "visit_checks")
"""Fields of the record that an archive holds as they are."""


def weight_unit(settings: Mapping[str, Any], flux_unit: FluxUnit = NJY) -> str:
    """Return the unit of the weights of a coadd that was made with some options, as text of a FITS header."""
    rule = settings.get("assemble", {}).get("weights", {}).get("rule", "variance")
    unit = flux_unit.unit**-2
    return unit_text(u.arcsec**2 * unit if rule == "information" else unit)


def _input_table(detectors: Sequence[DetectorInput], settings: Mapping[str, Any]) -> Table:
    table = make_table(INPUT_COLUMNS, detectors)
    table["weight"].unit = weight_unit(settings, flux_unit_of(detectors))
    return table


class RejectionModel(IdModel):
    """Serialized form of a `Rejection`."""

    path: str
    stage: str
    reason: str

    def to_value(self, band: str) -> Rejection:
        """Make the value; ``band`` is that of the coadd."""
        return Rejection(self.to_id(band), **self.fields())


class PatchCoaddSerializationModel(MaskedImageModel[P], Generic[P]):  # noqa: UP046
    """Serialized form of a `PatchCoadd`."""

    SCHEMA_NAME: ClassVar[str] = "lamella_patch_coadd"
    SCHEMA_VERSION: ClassVar[str] = "1.3.0"
    MIN_READ_VERSION: ClassVar[int] = 1
    SCHEMA_URL_BASE: ClassVar[str] = SCHEMA_URL
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
            id=PatchId(**{name: getattr(self, name) for name in _IDENTITY}),
            provenance=Provenance(
                detectors=self.detectors.deserialize(archive),
                rejections=tuple(r.to_value(self.band) for r in self.rejected),
                matched_psf=load_matched_psf(self.matched, archive),
                **{name: getattr(self, name) for name in _PLAIN_FIELDS},
            ),
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
        if component == "inputs":
            return _input_table(self.detectors.deserialize(archive), self.settings)
        if component == "artifacts":
            return make_table(REMOVAL_COLUMNS, self.removals)
        if component == "rejected":
            return tuple(r.to_value(self.band) for r in self.rejected)
        if component == "matched_psf":
            return load_matched_psf(self.matched, archive)
        return super().deserialize_component(component, archive, **kwargs)

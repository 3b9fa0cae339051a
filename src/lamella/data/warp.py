"""One visit resampled to a patch, and its archived form."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from types import EllipsisType
from typing import Any, ClassVar, Generic, Self

import numpy as np
import pydantic
from lsst.images import Box, Image, Mask, MaskedImage
from lsst.images import MaskedImageSerializationModel as MaskedImageModel
from lsst.images.psfs import PointSpreadFunction
from lsst.images.serialization import (
    ArrayReferenceModel,
    InlineArrayModel,
    InputArchive,
    MetadataValue,
    OutputArchive,
)

from ..image.masked_arrays import settle_masked
from ..image.planes import conform_mask, plane_pixels, require_box
from ..planes import Layout, plane_names
from .detector import SCHEMA_URL, DetectorInput, DetectorsModel, IdModel, P, make_psf, serialize_detectors
from .exposure import ExposureId
from .flux_unit import FluxUnit, flux_unit_of
from .owners import Owners, OwnersModel, load_owners, serialize_owners
from .psf_archive import PsfModel, dump_psf, load_numbers, load_psf
from .texts import warp_text
from .times import TotalTimes
from .upward import above
from .weights import MeanVariance, measure_variance

__all__ = ("MatchRecord", "Warp", "WarpSerializationModel")


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
        Image in nJy (`flux_unit`), shape (y, x), NaN where the visit has no data.  Its box is
        the part of the patch that the visit covers.
    mask
        int32 mask with the schema of `lamella.planes.make_schema`.
    variance
        Variance in the square of that, +inf where the visit has no data.
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
        return self.matched_psf or make_psf(self.detectors, self.sky_projection, self.bbox)

    @property
    def flux_unit(self) -> FluxUnit:
        """Unit of the fluxes: nJy, or that of a reference exposure where no zero point is known."""
        return flux_unit_of(self.detectors)

    @property
    def times(self) -> TotalTimes:
        """When the visit was taken, and how long it was exposed."""
        return TotalTimes.of([self.detectors])

    def plane(self, name: str) -> np.ndarray:
        """Return where a mask plane, in either spelling, is set: bool, shape (y, x).

        Raises
        ------
        MaskPlaneError
            Raised when there is no such plane.
        """
        return plane_pixels(self.mask, name)

    def plot(self, plane: str = "image", *, ax: Any = None, **options: Any) -> Any:
        """Draw a plane with its axes on the sky, as `lamella.PatchCoadd.plot` does.

        Parameters
        ----------
        plane
            ``"image"``, ``"variance"``, or the name of a mask plane.
        ax, **options
            As there.

        Returns
        -------
        `~astropy.visualization.wcsaxes.WCSAxes`
            The axes.

        Raises
        ------
        MissingPackageError
            Raised where matplotlib is not installed.
        MaskPlaneError
            Raised when there is no such plane.
        """
        return above("plot_image")(self, plane, ax=ax, **options)

    def __repr__(self) -> str:
        return warp_text(self)

    def __str__(self) -> str:
        return warp_text(self)

    def _repr_html_(self) -> str:
        html: str = above("warp_html")(self)
        return html

    def __getitem__(self, bbox: Box | EllipsisType) -> Warp:
        require_box(bbox)
        cut = super().__getitem__(bbox)
        return self._transfer_metadata(self.with_planes(cut), bbox=cut.bbox)

    def copy(self) -> Warp:
        """Deep-copy the planes."""
        return self._transfer_metadata(self.with_planes(super().copy()), copy=True)

    @classmethod
    def of(cls, pixels: MaskedImage, **record: Any) -> Self:
        """Make the warp of some planes; ``record`` is what else `Warp` takes."""
        return cls(pixels.image, mask=pixels.mask, variance=pixels.variance, **record)

    def with_planes(self, pixels: MaskedImage, **record: Any) -> Warp:
        """Return a warp of other planes with the record of this one, but for what is given."""
        own = {name: getattr(self, name) for name in (*_IDENTITY, *_RECORD)}
        return Warp.of(pixels, **own | record)

    def serialize(self, archive: OutputArchive[Any]) -> WarpSerializationModel[Any]:
        """Write the warp into an archive."""
        model = self._serialize_impl(WarpSerializationModel, archive)
        for name in _IDENTITY:
            setattr(model, name, getattr(self, name))
        model.bad_mask_planes = None if self.bad_mask_planes is None else list(self.bad_mask_planes)
        # Measured when it is written, so that it is that of these very pixels.
        layout = Layout.of(self.mask.schema)
        mean = measure_variance(
            self.variance.array, conform_mask(self.mask, layout), layout, image=self.image.array
        )
        model.mean_variance = None if mean is None else MeanVarianceModel.of(mean)
        model.detectors = archive.serialize_direct(
            "detectors", functools.partial(serialize_detectors, self.detectors)
        )
        if self.owners is not None:
            model.owners = archive.serialize_direct(
                "owners", functools.partial(serialize_owners, self.owners)
            )
        if self.matched_psf is not None:
            model.matched = archive.serialize_direct(
                "matched", functools.partial(serialize_match, self.matched_psf, self.match_records)
            )
        return model

    @staticmethod
    def _get_archive_tree_type[P: pydantic.BaseModel](
        pointer_type: type[P],
    ) -> type[WarpSerializationModel[P]]:
        return WarpSerializationModel[pointer_type]  # type: ignore[valid-type]


_IDENTITY = ("instrument", "visit", "band")
_RECORD = ("detectors", "owners", "matched_psf", "match_records", "bad_mask_planes")


class MatchRecordModel(IdModel):
    """Serialized form of a `MatchRecord`."""

    residual: float
    noise_gain: float


class MatchModel(pydantic.BaseModel):
    """Serialized form of the PSF that pixels were matched to, and of how well that was done."""

    psf: PsfModel
    bounds: Box
    records: list[MatchRecordModel]
    numbers: ArrayReferenceModel | InlineArrayModel | None = pydantic.Field(
        default=None, description="The arrays of the PSF model, one behind the other, as float64."
    )


def serialize_match(
    psf: PointSpreadFunction, records: Sequence[MatchRecord], archive: OutputArchive[Any]
) -> MatchModel:
    numbers: list[np.ndarray] = []
    return MatchModel(
        psf=dump_psf(psf, numbers),
        bounds=psf.bounds.bbox,
        records=[MatchRecordModel.of(record) for record in records],
        numbers=archive.add_array(np.concatenate(numbers), name="numbers") if numbers else None,
    )


def load_matched_psf(model: MatchModel | None, archive: InputArchive[Any]) -> PointSpreadFunction | None:
    if model is None:
        return None
    return load_psf(model.psf, load_numbers(model.numbers, archive), model.bounds)


class MeanVarianceModel(pydantic.BaseModel):
    """Serialized form of a `MeanVariance`."""

    mean: float = pydantic.Field(description="Clipped mean of the variance plane.", gt=0, allow_inf_nan=False)
    bad_mask_planes: list[str] = pydantic.Field(description="Pixels with one of these do not count.")
    sigma_clip: float = pydantic.Field(description="Half-width of the clipping interval in sigma.")
    clip_iter: int = pydantic.Field(description="Number of clipping passes.")

    @classmethod
    def of(cls, value: MeanVariance) -> Self:
        """Make the serialized form."""
        return cls(**dataclasses.asdict(value) | {"bad_mask_planes": sorted(value.bad_mask_planes)})

    def to_value(self) -> MeanVariance:
        """Make the value."""
        return MeanVariance(**dict(self) | {"bad_mask_planes": frozenset(self.bad_mask_planes)})


class WarpSerializationModel(MaskedImageModel[P], Generic[P]):  # noqa: UP046
    """Serialized form of a `Warp`."""

    SCHEMA_NAME: ClassVar[str] = "lamella_warp"
    SCHEMA_VERSION: ClassVar[str] = "1.4.0"
    MIN_READ_VERSION: ClassVar[int] = 1
    SCHEMA_URL_BASE: ClassVar[str] = SCHEMA_URL
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
        records = () if self.matched is None else self.matched.records
        return Warp.of(
            planes,
            **{name: getattr(self, name) for name in _IDENTITY},
            detectors=self.detectors.deserialize(archive),
            owners=load_owners(self.owners, archive),
            matched_psf=load_matched_psf(self.matched, archive),
            match_records=tuple(MatchRecord(record.to_id(), **record.fields()) for record in records),
            bad_mask_planes=self.bad_mask_planes,
        )._finish_deserialize(self)

    def deserialize_component(self, component: str, archive: InputArchive[Any], **kwargs: Any) -> Any:
        """Read one part."""
        if component == "detectors":
            return self.detectors.deserialize(archive)
        if component == "owners":
            return load_owners(self.owners, archive)
        if component == "matched_psf":
            return load_matched_psf(self.matched, archive)
        if component == "masked_image":
            return super().deserialize(archive, **kwargs)
        return super().deserialize_component(component, archive, **kwargs)

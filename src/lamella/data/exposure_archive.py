"""Calibrated exposures in `lsst.images` archives, for copies that stand on their own.

A copy holds all that a coadd needs of an exposure of any format: planes, PSF
model, scale, identity and geometry.  Like warps, it can be read whole, by box,
or by part.
"""

from __future__ import annotations

import dataclasses
import functools
from types import EllipsisType
from typing import Any, ClassVar, Generic

import numpy as np
import pydantic
from lsst.images import Box, Mask, MaskedImage
from lsst.images import MaskedImageSerializationModel as MaskedImageModel
from lsst.images.fields import BaseField, FieldSerializationModel
from lsst.images.serialization import InputArchive, InvalidParameterError, OutputArchive

from ..image.planes import conform_mask
from ..planes import Layout, make_schema
from .detector import SCHEMA_URL, SHARED_FIELDS, DetectorInput, DetectorsModel, P, serialize_detectors
from .exposure import Exposure, ExposureInfo
from .origins import Origin
from .times import UNKNOWN_TIMES, ExposureTimes

__all__ = ("ExposureImage", "ExposureSerializationModel")


class ExposureImage(MaskedImage):
    """An exposure as an image that archives can hold.

    Parameters
    ----------
    exposure
        The exposure.

    Notes
    -----
    The image is in the units of the exposure; `to_njy` of `exposure` puts it in nJy.
    """

    def __init__(self, exposure: Exposure) -> None:
        pixels = exposure.pixels
        super().__init__(
            pixels.image,
            mask=pixels.mask,
            variance=pixels.variance,
            sky_projection=exposure.info.projection,
        )
        self.exposure = exposure

    def __getitem__(self, bbox: Box | EllipsisType) -> ExposureImage:
        image = super().__getitem__(bbox)
        return self._transfer_metadata(ExposureImage(_cut(self.exposure, image)), bbox=image.bbox)

    def copy(self) -> ExposureImage:
        """Deep-copy the planes."""
        planes = super().copy()
        return self._transfer_metadata(ExposureImage(dataclasses.replace(self.exposure, pixels=planes)))

    def serialize(self, archive: OutputArchive[Any]) -> ExposureSerializationModel[Any]:
        """Write the exposure into an archive.

        Raises
        ------
        InvalidPsfError
            Raised when the PSF model is not made of numbers.
        """
        model = self._serialize_impl(ExposureSerializationModel, archive)
        info, scale = self.exposure.info, self.exposure.to_njy
        model.detectors = archive.serialize_direct(
            "detectors", functools.partial(serialize_detectors, [DetectorInput.of(self.exposure)])
        )
        for name in _PLAIN_FIELDS:
            setattr(model, name, getattr(info, name))
        model.mjd, model.exposure_time = info.mjd, info.exposure_time
        model.quality = dict(info.quality)
        model.origins = dict(info.origins)
        is_field = isinstance(scale, BaseField)
        model.to_njy = None if is_field else float(scale)  # type: ignore[arg-type]
        model.to_njy_field = (
            archive.serialize_direct("to_njy_field", scale.serialize) if is_field else None  # type: ignore
        )
        return model

    @staticmethod
    def _get_archive_tree_type[P: pydantic.BaseModel](
        pointer_type: type[P],
    ) -> type[ExposureSerializationModel[P]]:
        return ExposureSerializationModel[pointer_type]  # type: ignore[valid-type]


_PLAIN_FIELDS = ("physical_filter", "format")


def _cut(exposure: Exposure, pixels: MaskedImage) -> Exposure:
    info = dataclasses.replace(exposure.info, bbox=pixels.bbox)
    return dataclasses.replace(exposure, info=info, pixels=pixels)


def _our_mask(mask: Mask) -> Mask:
    """Return a mask of an archive, which has bytes, as one with int32 bits."""
    schema = make_schema(mask.schema.names, descriptions=dict(mask.schema.descriptions))
    bits = conform_mask(mask, Layout(schema))
    return Mask(bits[..., np.newaxis], schema=schema, bbox=mask.bbox, sky_projection=mask.sky_projection)


def _with_our_mask(image: MaskedImage) -> MaskedImage:
    mask = _our_mask(image.mask)
    return MaskedImage(image.image, mask=mask, variance=image.variance, sky_projection=image.sky_projection)


class ExposureSerializationModel(MaskedImageModel[P], Generic[P]):  # noqa: UP046
    """Serialized form of an `ExposureImage`."""

    SCHEMA_NAME: ClassVar[str] = "lamella_exposure"
    SCHEMA_VERSION: ClassVar[str] = "1.2.0"
    MIN_READ_VERSION: ClassVar[int] = 1
    SCHEMA_URL_BASE: ClassVar[str] = SCHEMA_URL
    PUBLIC_TYPE: ClassVar[type] = ExposureImage

    detectors: DetectorsModel[P] = pydantic.Field(
        description="One record: identity, geometry and PSF model of the exposure."
    )
    physical_filter: str = pydantic.Field(description="Full name of the filter.")
    quality: dict[str, float] = pydantic.Field(description="Further numbers that selection can use.")
    # Files of version 0.1.0 have none.
    origins: dict[str, Origin] = pydantic.Field(
        default_factory=dict, description="Where values come from, by what they are."
    )
    mjd: float | None = pydantic.Field(description="Middle of the exposure, modified Julian date.")
    exposure_time: float | None = pydantic.Field(description="Exposure time in seconds.")
    format: str = pydantic.Field(description="Format of the original files.")
    to_njy: float | None = pydantic.Field(description="nJy per unit of the image, if constant.")
    to_njy_field: FieldSerializationModel | None = pydantic.Field(
        description="nJy per unit of the image, if it varies."
    )

    def deserialize(
        self, archive: InputArchive[Any], *, bbox: Box | None = None, **kwargs: Any
    ) -> ExposureImage:
        """Read the exposure, or a box of it."""
        planes = _with_our_mask(super().deserialize(archive, bbox=bbox, **kwargs))
        record = self._record(archive)
        exposure = Exposure(
            info=self._info(record),
            pixels=planes,
            psf=record.psf,
            to_njy=self._scale(archive),
            notes=record.notes,
        )
        return ExposureImage(_cut(exposure, planes))._finish_deserialize(self)

    def deserialize_component(self, component: str, archive: InputArchive[Any], **kwargs: Any) -> Any:
        """Read one part."""
        if component == "masked_image":
            return _with_our_mask(super().deserialize(archive, **kwargs))
        if component == "mask":
            return _our_mask(super().deserialize_component(component, archive, **kwargs))
        if kwargs and component not in ("image", "mask", "variance"):
            raise InvalidParameterError(f"Part {component!r} takes no parameters; found {set(kwargs)}.")
        if component == "info":
            return self._info(self._record(archive))
        if component == "psf":
            return self._record(archive).psf
        if component == "to_njy":
            return self._scale(archive)
        return super().deserialize_component(component, archive, **kwargs)

    def _record(self, archive: InputArchive[Any]) -> DetectorInput:
        return self.detectors.deserialize(archive)[0]

    def _info(self, record: DetectorInput) -> ExposureInfo:
        info = ExposureInfo(
            quality=dict(self.quality),
            origins=dict(self.origins),
            **{name: getattr(record, name) for name in SHARED_FIELDS},
            **{name: getattr(self, name) for name in _PLAIN_FIELDS},
        )
        if record.times != UNKNOWN_TIMES:
            return info
        # The record of a file of version 0.1.0 has none.
        times = ExposureTimes.of(middle=self.mjd, exposure_time=self.exposure_time)
        return dataclasses.replace(info, times=times)

    def _scale(self, archive: InputArchive[Any]) -> float | BaseField:
        if self.to_njy_field is not None:
            field: BaseField = self.to_njy_field.deserialize(archive)
            return field
        assert self.to_njy is not None  # one of the two is written
        return self.to_njy

"""Functions of position in an archive: Chebyshev polynomials, products, pixel areas, and those of coadds."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from lsst.images import Box, Polygon, SkyProjection
from lsst.images.fields import BaseField, ChebyshevField, ProductField

from .afw_archive import Archive, ObjectRecord
from .persistables import persistable

__all__ = ("ApertureCorrections", "CoaddField", "FieldValue", "evaluate")

_AREA_ORDER = 6
_AREA_POINTS = 25
_AREA_TOLERANCE = 1e-6

type FieldValue = float | BaseField | CoaddField
"""A constant, or a function of the pixel."""

type ApertureCorrections = dict[str, FieldValue]
"""Aperture corrections by the name of the flux, and of its error."""


def evaluate(field: FieldValue, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return a field at some pixels, as an array of the shape of ``x`` and ``y``."""
    x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    if isinstance(field, float):
        return np.full(x.shape, field)
    return np.asarray(field(x=x, y=y), dtype=np.float64)


@persistable("ChebyshevBoundedField")
def build_chebyshev(record: ObjectRecord, archive: Archive) -> float | ChebyshevField:
    """Return a Chebyshev polynomial on its box grown by half a pixel, or a number when it has no box."""
    row = record.row()
    bbox, coefficients = row.box("bbox"), row.array("coefficients").astype(np.float64)
    columns = row.integer("order_x") + 1
    if columns < 1 or coefficients.size == 0 or coefficients.size % columns:
        record.fail(found=f"{coefficients.size} coefficients in rows of {columns}", expected="whole rows")
    if not np.isfinite(coefficients).all():
        record.fail(found="coefficients that are not finite", expected="numbers")
    if bbox is None:
        if coefficients.size != 1:
            record.fail(found="a polynomial without a box", expected="a box that is not empty")
        return float(coefficients[0])
    return ChebyshevField(bbox, coefficients.reshape(-1, columns))


@persistable("ProductBoundedField")
def build_product(record: ObjectRecord, archive: Archive) -> FieldValue:
    """Return the product of fields."""
    factors = [archive.get(row.integer("id")) for row in record.rows()]
    fields: list[Any] = [factor for factor in factors if isinstance(factor, BaseField)]
    numbers = [factor for factor in factors if isinstance(factor, float)]
    if not factors or len(fields) + len(numbers) != len(factors):
        kinds = ", ".join(type(factor).__name__ for factor in factors) or "nothing"
        record.fail(found=f"a product of {kinds}", expected="a product of fields")
    constant = float(np.prod(numbers))
    return ProductField(fields) * constant if fields else constant


@persistable("PixelAreaBoundedField")
def build_pixel_area(record: ObjectRecord, archive: Archive) -> ChebyshevField:
    """Return the area of pixels on the sky times a factor, as a polynomial that fits it to a millionth."""
    row = record.row()
    bbox = row.box("bbox")
    projection = archive.require(row.integer("wcs"), SkyProjection)
    if bbox is None:
        record.fail(found="an empty box", expected="pixels")
    x, y = (
        axis.ravel()
        for axis in np.meshgrid(
            *(np.linspace(i.start - 0.5, i.stop - 0.5, _AREA_POINTS) for i in (bbox.x, bbox.y))
        )
    )

    def direction(dx: float, dy: float) -> np.ndarray:
        sky = projection.pixel_to_sky(x=x + dx, y=y + dy)
        ra, dec = sky.ra.rad, sky.dec.rad
        return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)

    along_x = direction(0.5, 0.0) - direction(-0.5, 0.0)
    along_y = direction(0.0, 0.5) - direction(0.0, -0.5)
    # Steradians times the factor.
    area = np.linalg.norm(np.cross(along_x, along_y), axis=-1) * row.number("scaling")
    if not (np.isfinite(area).all() and np.ptp(area) < abs(area.mean())):
        record.fail(found="pixels without a finite area", expected="a projection")
    # Fitted about its mean, or the tolerance would be that of the fit of a constant.
    field = ChebyshevField.fit(bbox, area / area.mean(), order=_AREA_ORDER, y=y, x=x)
    error = float(np.abs(evaluate(field, x, y) * area.mean() / area - 1.0).max())
    if error > _AREA_TOLERANCE:
        record.fail(
            found=f"an area that a polynomial fits to {error:.1g} only", expected=f"{_AREA_TOLERANCE:g}"
        )
    return field * float(area.mean())


@dataclasses.dataclass(frozen=True)
class CoaddInputField:
    """Part of one input in a `CoaddField`."""

    field: FieldValue
    bbox: Box | None
    """Where the input has data; `None` where its field is a constant without a box."""
    projection: SkyProjection[Any]
    """Pixels of the input to the sky."""
    polygon: Polygon | None
    weight: float


@dataclasses.dataclass(frozen=True)
class CoaddField:
    """A function of the pixel of a coadd that is the weighted mean of those of its inputs.

    Attributes
    ----------
    bbox
        Box of the coadd.
    projection
        Pixels of the coadd to the sky.
    inputs
        What is averaged.
    """

    bbox: Box | None
    projection: SkyProjection[Any]
    inputs: tuple[CoaddInputField, ...]

    def __call__(self, *, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the mean over the inputs that contain each position; NaN where there is none."""
        x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
        total, weights = np.zeros(x.shape), np.zeros(x.shape)
        sky = self.projection.pixel_to_sky(x=x, y=y)
        for field in self.inputs:
            pixels = field.projection.sky_to_pixel(sky)
            px, py = np.asarray(pixels.x), np.asarray(pixels.y)
            inside = np.isfinite(px) & np.isfinite(py)
            if field.bbox is not None:
                box = field.bbox
                inside &= (px >= box.x.start - 0.5) & (px < box.x.stop - 0.5)
                inside &= (py >= box.y.start - 0.5) & (py < box.y.stop - 0.5)
            if field.polygon is not None and inside.any():
                inside[inside] = field.polygon.contains(x=px[inside], y=py[inside])
            if inside.any():
                total[inside] += field.weight * evaluate(field.field, px[inside], py[inside])
                weights[inside] += field.weight
        with np.errstate(invalid="ignore"):
            mean: np.ndarray = total / np.where(weights > 0, weights, np.nan)
        return mean


@persistable("CoaddBoundedField")
def build_coadd_field(record: ObjectRecord, archive: Archive) -> CoaddField:
    """Return a mean over the inputs of a coadd."""
    row = record.row()
    parts = []
    for entry in record.rows(1):
        field = archive.get(entry.integer("field"))
        if not isinstance(field, float | BaseField | CoaddField):
            record.fail(found=f"a {type(field).__name__} as an input", expected="a field")
        parts.append(
            CoaddInputField(
                field=field,
                bbox=field.bounds.bbox if isinstance(field, BaseField) else getattr(field, "bbox", None),
                projection=archive.require(entry.integer("wcs"), SkyProjection),
                polygon=archive.get(entry.integer("validPolygon"), Polygon),
                weight=entry.number("weight"),
            )
        )
    projection = archive.require(row.integer("coaddWcs"), SkyProjection)
    return CoaddField(row.box("bbox"), projection, tuple(parts))


@persistable("ApCorrMap")
def build_aperture_corrections(record: ObjectRecord, archive: Archive) -> ApertureCorrections:
    """Return fields by name; one of a class that is not known is left out, and was warned of."""
    fields = (
        {row.text("name"): archive.get(row.integer("field")) for row in record.rows()} if len(record) else {}
    )
    return {
        name: field for name, field in fields.items() if isinstance(field, float | BaseField | CoaddField)
    }

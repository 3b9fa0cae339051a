"""Masks of an afw-written file, whose planes are mapped by name; image, mask and variance together."""

from __future__ import annotations

import numpy as np
from lsst.images import Box, Image, Mask, MaskedImage

from ...fits.hdus import Container, Unit
from ...planes import Layout, make_schema, plane_name
from ..pixels import as_unsigned
from .plane_hdus import find_plane, plane_bbox, plane_unit, read_plane, read_stored, require_plane

__all__ = ("plane_bits", "read_flags", "read_mask", "read_masked_image")


def plane_bits(unit: Unit) -> dict[str, int]:
    """Return the mask planes that a header defines: names of lamella, and their bits in the file.

    Raises
    ------
    InputError
        Raised when two planes have one name or one bit, or a bit does not exist.
    """
    cards = [card for card in unit.header.cards if card.keyword.startswith("MP_")]
    bits: dict[str, int] = {}
    width = abs(unit.header.get("ZBITPIX", unit.header.get("BITPIX", 32)))
    for card in cards:
        name, bit = plane_name(card.keyword.removeprefix("MP_")), card.value
        number = isinstance(bit, int) and not isinstance(bit, bool) and 0 <= bit < width
        if not number or name in bits or bit in bits.values():
            raise unit.problem(repr(bit), f"a bit of its own, below {width}", card.keyword)
        bits[name] = bit
    return bits


def read_flags(container: Container, box: Box | None = None) -> dict[str, np.ndarray]:
    """Read the mask as one boolean array per plane.

    Parameters
    ----------
    container
        The file.
    box
        Part to read; by default all of it.

    Returns
    -------
    `dict`
        For each plane that the file defines, by its name in lamella, an array
        [y, x].  Pixels with a bit that the header does not name are BAD.

    Raises
    ------
    MissingPartError
        Raised when there is no mask.
    InputError
        Raised when it is damaged.
    """
    unit, (bits, undefined) = require_plane(container, "MASK"), _read_bits(container, box)
    planes = plane_bits(unit)
    flags = {name: _bit(bits, bit).astype(bool) for name, bit in planes.items()}
    unnamed = _unnamed(bits, planes)
    if unnamed is not None:
        flags["BAD"] = flags.get("BAD", False) | unnamed
    if undefined is not None:
        flags |= {name: flags.get(name, False) | undefined for name in _NOTHING_TOLD}
    return flags


_NOTHING_TOLD = ("BAD", "NO_DATA")
"""Planes of pixels whose flags are undefined (BLANK)."""


def _unnamed(bits: np.ndarray, planes: dict[str, int]) -> np.ndarray | None:
    """Return where a bit is set that has no name, so that the pixel may be anything; `None` if nowhere."""
    named = sum(1 << bit for bit in planes.values())
    every = int(np.iinfo(bits.dtype).max)
    result = (bits & bits.dtype.type(every & ~named)) != 0
    return result if result.any() else None


def _read_bits(container: Container, box: Box | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the flags, 0 where they are undefined, and where that is."""
    unit = require_plane(container, "MASK")
    values, undefined = read_stored(unit, box)
    if values.dtype.kind not in "iu":
        raise unit.problem(f"pixels of type {values.dtype}", "whole numbers")
    bits = as_unsigned(values)
    return (bits, None) if undefined is None else (np.where(undefined, bits.dtype.type(0), bits), undefined)


def _bit(bits: np.ndarray, number: int) -> np.ndarray:
    """Return one bit of unsigned numbers, as 0 or 1."""
    result: np.ndarray = (bits >> bits.dtype.type(number)) & bits.dtype.type(1)
    return result


def read_mask(container: Container, box: Box | None = None) -> Mask:
    """Read the mask with the schema of `lamella.planes.make_schema`; planes are mapped by name.

    Pixels with a bit that the header does not name are BAD.

    Raises
    ------
    MissingPartError
        Raised when there is no mask.
    InputError
        Raised when it is damaged.
    MaskPlaneError
        Raised when it has more planes of its own than fit.
    """
    unit = require_plane(container, "MASK")
    planes = plane_bits(unit)
    bits, undefined = _read_bits(container, box)
    layout = Layout.of(names=planes)
    mask = Mask(0, schema=layout.schema, bbox=plane_bbox(unit) if box is None else box)
    target = mask.array[..., 0]
    used = int(np.bitwise_or.reduce(bits, axis=None)) if bits.size else 0
    for name, bit in planes.items():
        if used >> bit & 1:
            target |= _bit(bits, bit).astype(np.int32) * np.int32(layout.bits([name]))
    unnamed = _unnamed(bits, planes)
    if unnamed is not None:
        target[unnamed] |= np.int32(layout.bad)
    if undefined is not None:
        target[undefined] |= np.int32(layout.bits(_NOTHING_TOLD))
    return mask


def read_masked_image(container: Container, box: Box | None = None) -> MaskedImage:
    """Read image, mask and variance, as they are in the file.

    Parameters
    ----------
    container
        The file.
    box
        Part to read; by default all of it.

    Returns
    -------
    lsst.images.MaskedImage
        Image and variance as float32.  Without a variance plane it is NaN, and
        without a mask no bit is set.

    Raises
    ------
    MissingPartError
        Raised when there is no image.
    InputError
        Raised when a plane is damaged, or the boxes of the planes differ.
    """
    unit = require_plane(container, "IMAGE")
    bbox, pixel_unit = plane_bbox(unit), plane_unit(unit)
    box = bbox if box is None else box
    mask_unit, variance_unit = (find_plane(container, kind) for kind in ("MASK", "VARIANCE"))
    for other in (mask_unit, variance_unit):
        if other is not None and plane_bbox(other) != bbox:
            raise other.problem(f"pixels {plane_bbox(other)}", f"pixels {bbox}")
    image = np.asarray(read_plane(unit, box), np.float32)
    variance = np.full_like(image, np.nan)
    if variance_unit is not None:
        variance = np.asarray(read_plane(variance_unit, box), np.float32)
    return MaskedImage(
        Image(image, bbox=box, unit=pixel_unit),
        mask=Mask(0, schema=make_schema(), bbox=box) if mask_unit is None else read_mask(container, box),
        variance=Image(variance, bbox=box, unit=None if pixel_unit is None else pixel_unit**2),
    )

"""The planes of an afw-written file: which HDUs they are, and their pixels, a box at a time."""

from __future__ import annotations

import math

import astropy.units as u
import numpy as np
from lsst.images import Box

from ...errors import UnitError
from ...fits.hdus import Container, Unit
from ...fits.planes_by_box import open_plane
from ...fits.scaling import physical_values, with_nan
from ..units import is_counts, is_electrons

__all__ = ("find_plane", "plane_bbox", "plane_unit", "read_plane", "read_stored", "require_plane")

_POSITIONS = {"IMAGE": 1, "MASK": 2, "VARIANCE": 3}
_MAX_PIXELS = 1 << 28


def find_plane(container: Container, kind: str) -> Unit | None:
    """Return the HDU of ``"IMAGE"``, ``"MASK"`` or ``"VARIANCE"``, or `None`.

    It is found by EXTTYPE and else by its position: HDUs 1 to 3 behind an empty
    primary HDU, which in old files has an EXTTYPE, too.  An image in the
    primary HDU is the image, and there is no more.
    """
    named = [unit for unit in container.units if unit.kind == kind and unit.has_data]
    if named:
        return named[0]
    primary = container.units[0]
    if primary.shape is not None:
        return primary if kind == "IMAGE" else None
    unit = container.unit(_POSITIONS[kind])
    usable = unit is not None and not unit.kind and unit.shape is not None
    return unit if usable else None


def require_plane(container: Container, kind: str) -> Unit:
    """Return the HDU of ``"IMAGE"``, ``"MASK"`` or ``"VARIANCE"``.

    Raises
    ------
    MissingPartError
        Raised when there is none.
    """
    unit = find_plane(container, kind)
    if unit is None:
        raise container.missing("no such HDU", f"one of {kind}", kind)
    return unit


def plane_bbox(unit: Unit) -> Box:
    """Return the box of a plane, in the frame of the parent image.

    The first pixel (xy0) is that of the linear WCS "A", if its reference pixel
    is the first one, or of LTV1 and LTV2, or else (0, 0).

    Raises
    ------
    InputError
        Raised when the HDU is not a 2-d image.
    """
    shape = unit.shape
    if shape is None or min(shape) < 1 or shape[0] * shape[1] > _MAX_PIXELS:
        size = unit.cards.get("NAXIS") if shape is None else shape
        raise unit.problem(f"axes {size}", "a 2-d image")
    return Box.from_shape(shape, start=(_first(unit, 2), _first(unit, 1)))


def _first(unit: Unit, axis: int) -> int:
    header = unit.cards
    if f"CRVAL{axis}A" in header and all(header.get(f"CRPIX{n}A") == 1 for n in (1, 2)):
        key, sign = f"CRVAL{axis}A", 1
    else:
        key, sign = f"LTV{axis}", -1
    value = header.get(key, 0)
    if not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 2**31:
        raise unit.problem(repr(value), "a pixel coordinate", key)
    return sign * round(value)


def plane_unit(unit: Unit) -> u.UnitBase | None:
    """Return the unit of the pixels (BUNIT), or `None` when none is given.

    Raises
    ------
    UnitError
        Raised when BUNIT is not understood.
    """
    text = str(unit.cards.get("BUNIT", "")).strip()
    if not text:
        return None
    if is_counts(text):
        return u.electron if is_electrons(text) else u.adu
    try:
        return u.Unit(text)
    except (ValueError, TypeError) as err:
        raise unit.container.problem(repr(text), "a unit", f"{unit.label}, BUNIT", kind=UnitError) from err


def read_plane(unit: Unit, box: Box | None = None) -> np.ndarray:
    """Read the pixels of a plane, or of a box of it; lossy and lossless compression are undone.

    Parameters
    ----------
    unit
        The HDU.
    box
        Part to read, in the frame of `plane_bbox`; by default all of it.

    Returns
    -------
    `numpy.ndarray`
        Array [y, x] in the machine's byte order.  Integers with the offset that
        FITS uses for those of the other sign stay integers; with another
        scaling, or where some are undefined (BLANK, which become NaN), they are
        floating point numbers.

    Raises
    ------
    InputError
        Raised when the box is not inside of the plane, or sizes contradict each other.
    UnreadableFileError
        Raised when compressed pixels are damaged.
    """
    return with_nan(*read_stored(unit, box))


def read_stored(unit: Unit, box: Box | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """Read the pixels of a plane as `read_plane` does, but tell apart where integers are undefined.

    Returns
    -------
    `numpy.ndarray`
        Array [y, x].
    `numpy.ndarray` or None
        True where an integer is the BLANK; `None` when none is.

    Raises
    ------
    InputError, UnreadableFileError
        As in `read_plane`.
    """
    bbox = plane_bbox(unit)
    box = bbox if box is None else box
    if not bbox.contains(box):
        raise unit.problem(f"pixels {bbox}", f"pixels {box}")
    at, plane = box.slice_within(bbox), open_plane(unit)
    pixels = np.empty(box.shape, plane.dtype)
    plane.read(at.y, at.x, pixels)
    return physical_values(pixels, unit.cards, unit.container.path, unit.label)

"""The flags of the exposure of a row: its mask, and what the values of the pixels say."""

from __future__ import annotations

import numpy as np

from ..fits.read import ImageData, hdu_label, require_shape
from ..image.defects import find_defects
from .bayer import worst_of_super_pixels
from .cards import Cards
from .pixels import Flags
from .row_cells import RowCells
from .row_places import Place, RowPlaces
from .table_flags import Location, decode_mask

__all__ = ("find_row_defects", "flags_of_values", "read_mask", "unusable")


def read_mask(
    places: RowPlaces, place: Place, plane: ImageData, shape: tuple[int, ...]
) -> tuple[Flags, str, np.ndarray | None]:
    """Return the flags of a mask, a note on them, and where they are undefined (BLANK): `None` for nowhere.

    Raises
    ------
    ShapeError
        Raised when the mask has another shape than the image.
    InputError
        Raised when its flags cannot be understood.
    """
    cells, (path, hdu) = places.cells, place
    mask, header, undefined = plane
    require_shape(f"{path}: mask", mask, shape)
    told = cells.text("flags", "")
    if undefined is not None:
        mask = np.where(undefined, mask.dtype.type(0), mask)
    cell = Location(cells.table, cells.where("flags"))
    flags, note = decode_mask(mask, header, told, Location(path, hdu_label(hdu)), cell)
    if places.pattern is not None and places.color is not None:
        flags = Flags(worst_of_super_pixels(flags.values, places.pattern, places.color), flags.planes)
        if undefined is not None:
            undefined = worst_of_super_pixels(undefined, places.pattern, places.color)
    return flags, note, undefined


def flags_of_values(
    image: np.ndarray, cells: RowCells, cards: Cards, defects: dict[str, np.ndarray] | None = None
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return what the values of pixels say of them.

    Parameters
    ----------
    image
        Pixels as they are in the file, shape (y, x).
    cells, cards
        The row; its columns saturation and bad_value are used.
    defects
        What `find_row_defects` has found.

    Returns
    -------
    dict
        bool arrays of shape (y, x) by the names of their planes.
    list
        Notes.
    """
    planes: dict[str, np.ndarray] = {}
    saturation, bad_value = cells.optional("saturation", cards), cells.optional("bad_value", cards)
    if saturation is not None:
        with np.errstate(invalid="ignore"):
            planes["SATURATED"] = np.asarray(image >= saturation)
    if bad_value is not None:
        planes["NO_DATA"] = np.asarray(image == bad_value)
    notes = [
        f"{np.count_nonzero(plane)} pixels {why}."
        for plane, why in (
            (planes.get("SATURATED"), f"saturated, of {saturation} or more"),
            (planes.get("NO_DATA"), f"of {bad_value} taken as no data"),
        )
        if plane is not None and plane.any()
    ]
    for name, plane in (defects or {}).items():
        planes[name] = planes[name] | plane if name in planes else plane
        if plane.any():
            notes.append(f"{np.count_nonzero(plane)} pixels taken as {name} for their values.")
    return planes, notes


def find_row_defects(image: np.ndarray, cells: RowCells, cards: Cards) -> dict[str, np.ndarray] | None:
    """Return the planes of `lamella.image.defects.find_defects` where the column defects asks for them."""
    if not cells.is_measured("defects"):
        return None
    whole = np.issubdtype(image.dtype, np.integer)
    return find_defects(image, saturation=cells.optional("saturation", cards), whole=whole)


def unusable(flags: Flags | None, shape: tuple[int, ...]) -> np.ndarray:
    """Return where flags say that a pixel must not be used for sky and noise: bool, shape (y, x)."""
    if flags is None:
        return np.zeros(shape, bool)
    names = {name: 1 for name in flags.planes if not name.startswith("DETECTED")}
    return np.asarray(flags.translate(names) != 0)

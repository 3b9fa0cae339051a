"""Integer flags of pixels, and the two ways of FITS headers to tell what their bits mean."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np

from ..errors import InputError, MissingPartError
from .fitsio import Header
from .pixels import Flags

__all__ = ("Place", "decode_mask", "flag_values")

_ITEM = re.compile(r"^(\w+)=(0[xX][0-9a-fA-F]+|\d+)$")


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the meaning of flags stands, for messages."""

    path: Path
    where: str


def decode_mask(mask: np.ndarray, header: Header, told: str, image: Place, cell: Place) -> Flags:
    """Find the meaning of integer flags.

    Parameters
    ----------
    mask
        Flags, shape (y, x).
    header
        Header of the HDU that holds them.
    told
        Meaning of the flags as a person wrote it (see `flag_values`); when
        empty it is taken from the cards ``MP_name = bit`` or ``MSKNnnnn = name``.
    image, cell
        Where the flags, and ``told``, stand.

    Returns
    -------
    Flags
        The flags, and the bits of each plane.

    Raises
    ------
    MissingPartError
        Raised when nothing says what the flags mean.
    InputError
        Raised when the mask is not of integers, or a bit is set that has no meaning.
    """
    if not np.issubdtype(mask.dtype, np.integer):
        raise InputError(
            image.path, where=image.where, found=f"flags of type {mask.dtype}", expected="integers"
        )
    values = flag_values(told, cell) if told else _values_of_header(header, image)
    used = int(np.bitwise_or.reduce(mask, axis=None))
    known = 0
    for value in values.values():
        known |= value
    if used & ~known:
        unknown = used & ~known
        names = ", ".join(f"{name}={value}" for name, value in values.items()) or "none"
        raise InputError(
            image.path, where=image.where, found=f"the unknown flag(s) {unknown:#x}", expected=names
        )
    return Flags(mask, values)


def flag_values(told: str, cell: Place) -> dict[str, int]:
    """Parse flags written as ``NAME=value NAME=value``.

    A value is the number that stands in a pixel (1, 2, 4 ... or a sum of
    them), not the index of a bit; it may be hexadecimal.

    Raises
    ------
    InputError
        Raised when the text is of another form.
    """
    values: dict[str, int] = {}
    for item in told.replace(",", " ").split():
        matched = _ITEM.match(item)
        if matched is None or int(matched[2], 0) == 0:
            raise InputError(cell.path, where=cell.where, found=repr(item), expected="NAME=value, e.g. BAD=1")
        values[matched[1]] = values.get(matched[1], 0) | int(matched[2], 0)
    return values


def _values_of_header(header: Header, image: Place) -> dict[str, int]:
    by_bit = {key[3:]: 1 << int(header[key]) for key in header if key.startswith("MP_")}
    by_name = {str(header[key]): 1 << int(key[4:]) for key in header if re.match(r"MSKN\d+$", key)}
    values = by_bit or by_name
    if not values:
        raise MissingPartError(
            image.path,
            where=image.where,
            found="flags without a meaning",
            expected="a column 'flags', or MP_ or MSKN cards in the header",
        )
    return values

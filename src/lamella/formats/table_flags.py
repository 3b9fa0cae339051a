"""Flags of pixels: bits, codes or zeros and others, and two conventions of FITS headers for their meaning."""

from __future__ import annotations

import dataclasses
import functools
import operator
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import InputError, MissingPartError
from ..fits.read import Header
from ..planes import STANDARD_PLANES, is_standard, plane_name, suggestion
from .pixels import Flags, as_unsigned

__all__ = ("CODES", "HARMLESS", "NONZERO", "Location", "check_flags", "decode_mask", "flag_values")

CODES = "codes:"
"""First word of flags whose values exclude each other."""
NONZERO = "NONZERO"
"""Name of all values but zero, which then mean one plane."""
ZERO = "ZERO"
"""Name of the value zero, which then means one plane: others, but NaN, are good."""
HARMLESS = "IGNORE"
"""Name of the bits that say nothing against a pixel."""
_EVERY_BIT = 2**64 - 1
_EXACT = 2**53
"""Floating point numbers below this hold each whole number."""

_ITEM = re.compile(r"^(\w+)=(0[xX][0-9a-fA-F]+|\d+)$")


@dataclasses.dataclass(frozen=True)
class Location:
    """File, and HDU or cell, for messages."""

    path: Path
    where: str

    def error(self, content: str, expected: str, kind: type[InputError] = InputError) -> InputError:
        """Return an error about the content of the location."""
        return kind(self.path, where=self.where, found=content, expected=expected)


def decode_mask(
    mask: np.ndarray, header: Header, told: str, image: Location, cell: Location
) -> tuple[Flags, str]:
    """Find the meaning of integer flags.

    Parameters
    ----------
    mask
        Flags, shape (y, x): integers, or floating point numbers that are whole (``NONZERO``, ``ZERO``:
        any), of which those that are not finite are bad.
    header
        Header of the HDU that holds them.
    told
        Meaning of the flags as a person wrote it: ``NONZERO=PLANE``, ``ZERO=PLANE``, codes that exclude
        each other (``codes: BAD=1 BAD=2 ...``), or bits (see `flag_values`); when
        empty it is taken from the cards ``MP_name = bit`` or ``MSKNnnnn = name``.
    image, cell
        Where the flags, and ``told``, stand.

    Returns
    -------
    Flags
        The flags, and the bits of each plane.  A bit that is set and has no
        name, or one of a header that is no plane of lamella, is BAD.
    `str`
        Note on such bits; empty when there are none.

    Raises
    ------
    MissingPartError
        Raised when nothing says what the flags mean.
    InputError
        Raised when the mask is not of whole numbers, or a name is unknown.
    """
    if _is_simple(told):
        plane = _simple_plane(told, cell)
        with np.errstate(invalid="ignore"):
            marked = (mask == 0) | (mask != mask) if told.upper().startswith(f"{ZERO}=") else mask != 0
        return Flags(marked.view(np.uint8), {plane: 1}), ""
    mask, lost = _as_integers(mask, image)
    if told.lower().startswith(CODES):
        mask, told = _bits_of_codes(mask, told, cell)
    flags, note = _decode_bits(mask, header, told, image, cell)
    if lost is None:
        return flags, note
    more = f"{np.count_nonzero(lost)} pixels whose flags are not finite taken as BAD."
    return flags.with_planes({"BAD": lost}), f"{note} {more}".strip()


def _decode_bits(
    mask: np.ndarray, header: Header, told: str, image: Location, cell: Location
) -> tuple[Flags, str]:
    values = flag_values(told, cell) if told else _values_of_header(header, image)
    harmless = values.pop(HARMLESS, 0)
    planes = {name: value for name, value in values.items() if is_standard(name)}
    strange = {name: value for name, value in values.items() if not is_standard(name)}
    bits = as_unsigned(mask)
    named = _union(values.values()) | harmless
    unnamed = int(np.bitwise_or.reduce(bits, axis=None)) & ~named
    bad = unnamed | _union(strange.values())
    if bad:
        planes["BAD"] = planes.get("BAD", 0) | bad
    return Flags(mask, planes), _note_unnamed(bits, strange, unnamed)


def check_flags(told: str, cell: Location) -> None:
    """Raise an `InputError` where the meaning of flags is not written as `decode_mask` reads it."""
    if _is_simple(told):
        _simple_plane(told, cell)
    elif told.lower().startswith(CODES):
        _code_values(told, cell)
    else:
        flag_values(told, cell)


def _is_simple(told: str) -> bool:
    """Return whether flags are zeros and others."""
    return told.upper().startswith((f"{NONZERO}=", f"{ZERO}="))


def _simple_plane(told: str, cell: Location) -> str:
    name = told.partition("=")[2].strip()
    if plane_name(name) not in STANDARD_PLANES:
        expected = f"one of {', '.join(STANDARD_PLANES)}{suggestion(name)}"
        raise cell.error(f"the unknown plane {name}", expected)
    return plane_name(name)


def _as_integers(mask: np.ndarray, image: Location) -> tuple[np.ndarray, np.ndarray | None]:
    """Return flags as integers, and where they are not finite; `None` when they all are."""
    if mask.dtype == np.bool_:
        return mask.view(np.uint8), None
    if np.issubdtype(mask.dtype, np.integer):
        return mask, None
    finite = np.isfinite(mask)
    whole = np.where(finite, mask, 0.0)
    with np.errstate(invalid="ignore"):
        integers = whole.astype(np.int64)
    if not (integers == whole).all() or np.abs(whole).max(initial=0.0) >= _EXACT:
        expected = f"integers, or {NONZERO}=BAD for a mask of zeros and others"
        raise image.error(f"flags of type {mask.dtype} that are not whole", expected)
    return integers, None if finite.all() else ~finite


def _code_values(told: str, cell: Location) -> dict[int, list[str]]:
    """Return the planes of each code, without those of ``*``; that of the harmless others is -1."""
    codes: dict[int, list[str]] = {}
    for item in told[len(CODES) :].replace(",", " ").split():
        name, value = _split_item(item, cell)
        codes.setdefault(-1 if value is None else value, []).append(name)
    return codes


def _bits_of_codes(mask: np.ndarray, told: str, cell: Location) -> tuple[np.ndarray, str]:
    """Turn codes that exclude each other into bits, and tell the meaning of these."""
    codes = _code_values(told, cell)
    names = list(dict.fromkeys(name for planes in codes.values() for name in planes if name != HARMLESS))
    others = 1 << len(names)
    if not codes.keys() & {-1}:
        bits = np.where(mask == 0, 0, others).astype(np.uint32)
    else:
        bits = np.zeros(mask.shape, np.uint32)
    for code, planes in codes.items():
        if code >= 0:
            bits[mask == code] = sum(1 << names.index(name) for name in planes if name != HARMLESS)
    return bits, " ".join(f"{name}={1 << index}" for index, name in enumerate(names)) or f"{HARMLESS}=*"


def _union(values: Iterable[int]) -> int:
    return functools.reduce(operator.or_, values, 0)


def _note_unnamed(bits: np.ndarray, strange: dict[str, int], unnamed: int) -> str:
    """Return a note on bits that are bad because their meaning is unknown."""
    causes = {f"without a name ({unnamed:#x})": unnamed} if unnamed else {}
    causes |= {f"{name}, which is no plane here,": value for name, value in strange.items()}
    every = int(np.iinfo(bits.dtype).max)
    set_in = {
        cause: int(np.count_nonzero(bits & bits.dtype.type(value & every))) for cause, value in causes.items()
    }
    texts = [f"{cause} in {count} pixels" for cause, count in set_in.items() if count]
    if not texts:
        return ""
    hint = f"{HARMLESS}=value in the column 'flags' calls them harmless"
    return f"Flags taken as BAD: {'; '.join(texts)} ({hint})."


def flag_values(told: str, cell: Location) -> dict[str, int]:
    """Parse flags written as ``NAME=value NAME=value``.

    A value is the number that stands in a pixel (1, 2, 4 ... or a sum of
    them), not the index of a bit; it may be hexadecimal.  Names are those of
    `lamella.planes`, or IGNORE for bits that are harmless; ``IGNORE=*`` is all
    that have no other name.

    Raises
    ------
    InputError
        Raised when the text is of another form, a name is not known, or a bit
        is called harmless and something else, too.
    """
    values: dict[str, int] = {}
    others_harmless = False
    for item in told.replace(",", " ").split():
        name, value = _split_item(item, cell)
        others_harmless |= value is None
        if value is not None:
            values[name] = values.get(name, 0) | value
    named = _union(value for name, value in values.items() if name != HARMLESS)
    if both := named & values.get(HARMLESS, 0):
        raise cell.error(f"{both:#x} as {HARMLESS} and as something else", "one of them")
    if others_harmless:
        values[HARMLESS] = _EVERY_BIT & ~named
    return values


def _split_item(item: str, cell: Location) -> tuple[str, int | None]:
    """Return name and value of one item; no value for ``IGNORE=*``."""
    if item == f"{HARMLESS}=*":
        return HARMLESS, None
    matched = _ITEM.match(item)
    if matched is None or int(matched[2], 0) == 0:
        raise cell.error(repr(item), "NAME=value, e.g. BAD=1")
    name, value = plane_name(matched[1]), int(matched[2], 0)
    if name != HARMLESS and name not in STANDARD_PLANES:
        planes = ", ".join(STANDARD_PLANES)
        expected = f"one of {planes}, or {HARMLESS} for what is harmless{suggestion(matched[1])}"
        raise cell.error(f"the unknown plane {matched[1]}", expected)
    if value > _EVERY_BIT:
        raise cell.error(repr(item), "a value of at most 64 bits")
    return name, value


def _values_of_header(header: Header, image: Location) -> dict[str, int]:
    by_bit = {key[3:]: _bit(header, key, header[key], image) for key in header if key.startswith("MP_")}
    by_name = {
        str(header[key]).strip(): _bit(header, key, int(key[4:]), image)
        for key in header
        if re.match(r"MSKN\d+$", key)
    }
    values = by_bit or by_name
    if not values:
        expected = "a column 'flags', or MP_ or MSKN cards in the header"
        raise image.error("flags without a meaning", expected, MissingPartError)
    merged: dict[str, int] = {}
    for name, value in values.items():
        merged[plane_name(name)] = merged.get(plane_name(name), 0) | value
    return merged


def _bit(header: Header, key: str, number: object, image: Location) -> int:
    """Return the value of a bit that a card defines."""
    whole = isinstance(number, int) and not isinstance(number, bool)
    if not whole or not 0 <= int(str(number)) < _EVERY_BIT.bit_length():
        where = f"{image.where}, {key}"
        raise InputError(image.path, where=where, found=repr(header[key]), expected="a bit from 0 to 63")
    return 1 << int(str(number))

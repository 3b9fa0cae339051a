"""Cards of a header that define its primary projection, under their present names and checked."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any, Self

import astropy.units as u
import numpy as np

from ..errors import ProjectionError

__all__ = ("LATITUDES", "WcsCards")

LATITUDES = {"RA": "DEC", "GLON": "GLAT", "ELON": "ELAT", "SLON": "SLAT"}
"""Names of the celestial axes: longitudes, and the latitude that goes with each."""

# PCiiijjj and CDiiijjj of the drafts before FITS paper I, and numbers filled up with zeros.
_DRAFT = re.compile(r"(PC|CD)(\d{3})(\d{3})")
_PADDED = re.compile(r"(PC|CD|PV)0*([1-9])_0*(\d+)")
_OF_WCS = re.compile(
    r"Z?NAXIS|WCSAXES|C(TYPE|UNIT|RVAL|RPIX|DELT|ROTA)\d|(CD|PC|PV|PS|DP|DQ)\d|PROJP|L(ON|AT)POLE|RAD[EY]"
    r"|RADECSYS|EQUINOX|EPOCH|MJD|DATE|[AB]P?_(ORDER|\d)|D2IM|C[PQ](DIS|ERR)|AXISCORR|WAT[12]_"
)
# Beginnings of the keywords that a projection can have; others are not parsed.
_RECORD = re.compile(r"(DP|DQ|D2IM)\d")
_FIELD = re.compile(r"\s*([A-Za-z][\w.]*)\s*:\s*(\S+)\s*")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([EDed][+-]?\d+)?")
_PLURALS = {"degs": "deg", "degree": "deg", "degrees": "deg", "arcsecs": "arcsec", "arcmins": "arcmin"}


@dataclasses.dataclass(frozen=True)
class WcsCards:
    """Values of a header by keyword.

    Attributes
    ----------
    values
        Values; matrices and parameters under the names of FITS papers I and II
        (``PC001001`` is ``PC1_1``), fields of records as ``DP1.EXTVER``.
    path, where
        File and HDU, for messages.
    """

    values: Mapping[str, Any]
    path: str | PathLike[str]
    where: str

    @classmethod
    def of(cls, header: Mapping[str, Any], path: str | PathLike[str], hdu: int | str) -> Self:
        """Take the cards of a header.

        Raises
        ------
        ProjectionError
            Raised when two spellings of one keyword have different values.
        """
        where = f"HDU {hdu}" if isinstance(hdu, int) else str(hdu)
        values: dict[str, Any] = {}
        spelled: dict[str, str] = {}
        for old, value in _fields(header):
            key = _present_name(old)
            if key in values and old != spelled[key] and values[key] != value:
                raise ProjectionError(
                    path,
                    where=f"{where}, {spelled[key]}, {old}",
                    found=f"{values[key]!r} and {value!r} for the same element",
                    expected="one of them, or the same in both",
                )
            values.setdefault(key, value)
            spelled.setdefault(key, old)
        return cls(values, path, where)

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.values

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def error(self, keyword: str, value: str, expected: str) -> ProjectionError:
        """Return the error of a card."""
        return ProjectionError(self.path, where=f"{self.where}, {keyword}", found=value, expected=expected)

    def number(self, keyword: str, default: float | None = None) -> float:
        """Return a finite number, also of a card that spells it as a text.

        Raises
        ------
        ProjectionError
            Raised when the card is absent and has no default, or is not a finite number.
        """
        value = self.values.get(keyword, default)
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            value = float(value.strip().upper().replace("D", "E"))
        if value is None or _is_blank(value):
            value = default
        if value is None:
            raise self.error(keyword, "nothing", "a number")
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise self.error(keyword, f"{value!r}", "a number")
        if not math.isfinite(value):
            raise self.error(keyword, f"{value}", "a finite number")
        return float(value)

    def text(self, *keywords: str) -> str:
        """Return the first text that is not empty, without blanks around it."""
        values = (self.values.get(keyword) for keyword in keywords)
        texts = ("" if value is None else str(value).strip() for value in values)
        return next((text for text in texts if text), "")

    def types(self) -> tuple[tuple[str, str], str, str]:
        """Return the names of both axes, the code of the projection, and what follows it.

        Raises
        ------
        ProjectionError
            Raised when the first two axes are no pair of celestial axes.
        """
        ctypes = [self.text(f"CTYPE{axis}") for axis in (1, 2)]
        if not all(ctypes):
            raise self.error("CTYPE1, CTYPE2", "no projection to the sky", "a celestial WCS")
        matches = [re.fullmatch(r"([A-Z]+)-+([A-Z]{3})(-[A-Z]+)?", ctype) for ctype in ctypes]
        for axis, (ctype, match) in enumerate(zip(ctypes, matches, strict=True), start=1):
            if match is None or match[3] not in (None, "-SIP"):
                raise self.error(f"CTYPE{axis}", f"{ctype!r}", _PROJECTIONS)
        names = (str(matches[0][1]), str(matches[1][1]))  # type: ignore[index]
        tails = {(match[2], match[3] or "") for match in matches if match}
        if names[1] not in (LATITUDES.get(names[0]), _LONGITUDES.get(names[0])) or len(tails) != 1:
            raise self.error("CTYPE1, CTYPE2", f"{ctypes[0]!r} and {ctypes[1]!r}", "a pair of celestial axes")
        code, suffix = tails.pop()
        if not _CODES.fullmatch(code):
            raise self.error("CTYPE1", f"{ctypes[0]!r}", _PROJECTIONS)
        return names, code, suffix

    def unit_scale(self, axis: int) -> float:
        """Return the degrees in the unit of an axis, which may be spelled in any case.

        Raises
        ------
        ProjectionError
            Raised when it is no unit of angle.
        """
        unit = self.text(f"CUNIT{axis}") or "deg"
        plain = unit.lower()
        try:
            return float(u.Unit(_PLURALS.get(plain, plain)).to(u.deg))
        except (ValueError, u.UnitConversionError) as err:
            raise self.error(f"CUNIT{axis}", f"{unit!r}", "a unit of angle") from err


_LONGITUDES = {latitude: longitude for longitude, latitude in LATITUDES.items()}
# Those of FITS paper II, HPX, NCP and GLS of AIPS, TPV (TAN with a polynomial in PV), TNX and ZPX of IRAF.
_CODES = re.compile(
    "AZP|SZP|TAN|STG|SIN|ARC|ZPN|ZEA|AIR|CYP|CEA|CAR|MER|COP|COE|COD|COO|"
    "SFL|PAR|MOL|AIT|BON|PCO|TSC|CSC|QSC|HPX|NCP|GLS|TPV|TNX|ZPX"
)
_PROJECTIONS = "a projection of the FITS standard, also with SIP, or TPV, TNX, ZPX"


def _is_blank(value: Any) -> bool:
    # An undefined card of astropy is no text.
    return type(value).__name__ == "Undefined" or (isinstance(value, str) and not value.strip())


def _fields(header: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield keywords and values; records that are still texts (``DP1 = 'EXTVER: 1'``) as their fields."""
    for key in dict.fromkeys(header):
        if not _OF_WCS.match(key):
            continue
        value = header[key]
        field = _FIELD.fullmatch(value) if isinstance(value, str) and _RECORD.fullmatch(key) else None
        if field is None:
            yield key, value
        else:
            yield f"{key}.{field[1]}", field[2]


def _present_name(keyword: str) -> str:
    if match := _DRAFT.fullmatch(keyword):
        return f"{match[1]}{int(match[2])}_{int(match[3])}"
    if match := _PADDED.fullmatch(keyword):
        return f"{match[1]}{match[2]}_{int(match[3])}"
    return keyword

r"""Texts in FITS files, which hold printable ASCII alone.

Other characters, and the backslash, are written as escapes, as Python and other
languages write them: ``é`` as ``\xe9``, ``星`` as ``\u661f``, a backslash as
``\\``.  Nothing is lost, and a text of plain ASCII stays as it is.  JSON, pages
and archives of `lsst.images` hold the texts themselves.
"""

from __future__ import annotations

import re

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.table import Column, Table

__all__ = ("OWN_CARD", "from_fits", "own_text", "table_hdu", "to_fits", "unit_text")

OWN_CARD = "LAMELLA"
"""Card of the primary header of files that lamella wrote."""

_PLAIN = re.compile(r"[ -\[\]-~]*")
"""Printable ASCII without the backslash."""


def to_fits(text: str) -> str:
    """Return a text as a FITS file can hold it."""
    return text if _PLAIN.fullmatch(text) else text.encode("unicode_escape").decode("ascii")


def from_fits(text: str) -> str:
    """Return the text that `to_fits` was given; a text that it cannot have made stays as it is."""
    if "\\" not in text:
        return text
    try:
        return text.encode("ascii").decode("unicode_escape")
    except ValueError:
        return text


def own_text(header: fits.Header, key: str) -> str:
    """Return a text from a header without surrounding blanks, or an empty text; decoded if it is ours."""
    text = str(header.get(key, "")).strip()
    return from_fits(text) if OWN_CARD in header else text


def unit_text(unit: u.UnitBase) -> str:
    """Return a unit as text of a header: in the form of the FITS standard, if that knows the unit."""
    try:
        return str(unit.to_string(format="fits"))
    except ValueError:  # the standard only recommends its units
        return str(unit.to_string())


def table_hdu(table: Table, name: str) -> fits.BinTableHDU:
    """Return a table as an HDU, with its texts as `to_fits` has them."""
    plain = table.copy(copy_data=False)
    for column in table.colnames:
        if table[column].dtype.kind == "U":
            texts = [to_fits(str(text)) for text in table[column]]
            plain[column] = Column(np.array(texts, dtype=str if texts else "U1"), unit=table[column].unit)
    return fits.table_to_hdu(plain, name=name)

"""Cards beside an image that override those of its header: ``.head`` of SCAMP, ``.wcs`` of plate solvers."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from astropy.io import fits

from ..errors import InputError, UnreadableFileError
from ..fits.quiet import quiet_astropy
from ..fits.read import Header
from ..texts import read_text

__all__ = ("override_cards", "read_head")

_WCS_CARD = re.compile(
    r"(CTYPE|CRVAL|CRPIX|CDELT|CROTA|CUNIT)\d|(CD|PC|PV)\d+_\d+|PC\d{6}|(A|B|AP|BP)_(ORDER|DMAX|\d+_\d+)"
    r"|(LON|LAT)POLE|RADESYS|RADECSYS|EQUINOX|WCSAXES|(CPDIS|CQDIS|D2IMDIS|DP|DQ|D2IM)\d.*"
)
_NO_VALUE = ("COMMENT", "HISTORY", "END", "", "SIMPLE", "BITPIX", "NAXIS", "EXTEND")
"""What is no card of the image."""
_MAX_TEXT = 4_000_000
"""Bytes, as of a header of FITS."""
_EXPECTED = "cards of a header, as SCAMP writes them"


def read_head(path: Path) -> tuple[Header, ...]:
    """Read the headers of a file of cards, one for each image; comments are left out.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, or has no card.
    """
    try:
        stamp = path.stat()
        return _read_head(path, stamp.st_mtime_ns, stamp.st_size)
    except UnreadableFileError:
        raise
    except OSError as err:
        raise UnreadableFileError(path, found=err.strerror or str(err), expected=_EXPECTED) from err


@functools.lru_cache(maxsize=64)
def _read_head(path: Path, mtime: int, size: int) -> tuple[Header, ...]:
    headers = [fits.Header()]
    with quiet_astropy():
        # SCAMP signs with a character that is no ASCII.
        text = read_text(path, _EXPECTED, encoding="latin-1", limit=_MAX_TEXT)
        # Astrometry.net writes a FITS header, whose cards are not lines.
        cards = text.splitlines() if "\n" in text else re.findall(".{1,80}", text)
        for line in cards:
            if line.split()[:1] == ["END"]:
                headers.append(fits.Header())
            if line[:8].strip() in _NO_VALUE:
                continue
            card = fits.Card.fromstring(line[:80].ljust(80))
            try:
                card.verify("silentfix+exception")
                headers[-1].append(card, end=True)
            except (fits.VerifyError, ValueError) as err:
                raise UnreadableFileError(path, found=repr(line[:80]), expected=_EXPECTED) from err
    filled = tuple(header for header in headers if len(header))
    if not filled:
        raise UnreadableFileError(path, found="no card", expected=_EXPECTED)
    return filled


def override_cards(header: Header, path: Path, number: int) -> Header:
    """Return a header with the cards of a file put over its own.

    Parameters
    ----------
    header
        Header of the image.
    path
        The file of cards.
    number
        Number of the image among those of its file, counted from 0: the file of cards has as many headers,
        or one for a file with one image.

    Returns
    -------
    `astropy.io.fits.Header`
        A new header.  Where the cards have a WCS, it takes the place of the whole other one.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, or no such file.
    InputError
        Raised when it has no header of this number.
    """
    heads = read_head(path)
    if number >= len(heads):
        content = f"{len(heads)} header{'s' if len(heads) > 1 else ''}"
        raise InputError(path, found=content, expected=f"one for image {number + 1} of the file, too")
    merged = header.copy()
    if "CTYPE1" in heads[number]:
        for key in [key for key in merged if _WCS_CARD.fullmatch(key)]:
            del merged[key]
    for card in heads[number].cards:
        merged[card.keyword] = card.value
    return merged

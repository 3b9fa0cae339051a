"""From names of bands and instruments to names of files: another name is another file, in the same folder."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

__all__ = ("coadd_stem", "file_word")

_KEPT = " +.=@_-"
"""Kept as they are, beside letters and digits of ASCII; no comma, by which a patch is told."""
_LONGEST = 80
"""Characters of a word; two of them, and what is around, fit into the 255 bytes that a name may have."""
_HEAD = 36
_ESCAPE = "~"
"""Not %, which some libraries take for that of an address."""


def file_word(name: str) -> str:
    """Return a name as it stands in names of files.

    Parameters
    ----------
    name
        Any text.

    Returns
    -------
    str
        The same text where it is of letters and digits of ASCII, blanks, and some marks.  Other characters
        are their bytes in hexadecimal digits (``r/X`` is ``r~2FX``), and what is too long is cut and ends
        with ``~~`` and a hash.
    """
    word = quote(name, safe=_KEPT, errors="surrogatepass").replace("~", "%7E").replace("%", _ESCAPE)
    if len(word) <= _LONGEST:
        return word
    head = re.sub("~.?$", "", word[:_HEAD])  # no half of a byte
    return f"{head}~~{hashlib.sha256(word.encode()).hexdigest()[:40]}"


def coadd_stem(name: str) -> str:
    """Return the name of a coadd, such as ``r-0-5,4``, as it stands in names of files."""
    band, tract, patch = name.rsplit("-", 2)
    return f"{file_word(band)}-{tract}-{patch}"

"""Which header of a file holds the WCS of an image."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from ..errors import ProjectionError
from ..fits.read import Header, hdu_label, header_text, parsed
from .table_hdus import flat_shape, hdu_names, is_other_plane

__all__ = ("inherits_wcs", "wcs_index")

_WCS_CARD = re.compile(r"(CTYPE|CRVAL|CRPIX|CDELT|CROTA)\d|(CD|PC)\d_\d|[AB]_(ORDER|\d+_\d+)|PV\d_\d+")
_CELESTIAL = re.compile(r"(RA|DEC|\wLON|\wLAT)-.*")
_COMPLETE = tuple(f"{key}{axis}" for key in ("CTYPE", "CRVAL", "CRPIX") for axis in (1, 2))


def wcs_index(
    headers: Sequence[Header], image: int, taken: Collection[int], path: Path, *, named: bool
) -> int:
    """Return the index of the HDU whose header holds the WCS of an image.

    Parameters
    ----------
    headers
        All headers of the file.
    image
        Index of the image.
    taken
        Indices of HDUs that are other planes.
    path
        The file, for messages.
    named
        Whether the user says which HDU is the image.

    Returns
    -------
    int
        That of the image; 0 where the image has no card of a WCS, and a
        primary HDU without pixels has a complete one.

    Raises
    ------
    ProjectionError
        Raised when the WCS of the primary header could belong to several images, and nobody
        says which is meant.
    """
    if not inherits_wcs(headers, image, path):
        return image
    if named:
        return 0
    sharing = [index for index in range(len(headers)) if _may_share(headers, index, taken, path)]
    if len(sharing) > 1:
        names = hdu_names(headers, sharing)
        raise ProjectionError(
            path,
            where=f"{hdu_label(0)}, the primary header",
            found=f"one WCS, which cannot belong to {len(sharing)} images without their own (HDUs {names})",
            expected="a WCS in the header of each image, or a column image_hdu that says whose it is",
        )
    return 0


def inherits_wcs(headers: Sequence[Header], image: int, path: Path) -> bool:
    """Return whether the WCS of an image can only be that of the primary header."""
    if image == 0 or any(map(_WCS_CARD.fullmatch, headers[image])) or headers[0].get("NAXIS") != 0:
        return False
    if parsed(headers[image], path).get("INHERIT") is False:
        return False
    primary = parsed(headers[0], path)
    types = [header_text(primary, f"CTYPE{axis}").upper() for axis in (1, 2)]
    return all(key in primary for key in _COMPLETE) and all(map(_CELESTIAL.fullmatch, types))


def _may_share(headers: Sequence[Header], index: int, taken: Collection[int], path: Path) -> bool:
    """Return whether an HDU is an image of the sky whose WCS would be that of the primary header."""
    header = headers[index]
    if index in taken or flat_shape(header) is None or is_other_plane(header):
        return False
    return inherits_wcs(headers, index, path)

"""The pixel grid of any FITS image, or of a text file of header cards."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import Any

from astropy.io import fits

from ..errors import MissingPartError, UnreadableFileError
from ..fits.read import Header, hdu_label, read_headers
from ..sky.image import ImageSkyMap, skymap_from_header
from ..texts import hdu_of, read_text, require_file
from .table_hdus import default_image, flat_shape, hdu_index, wcs_index

__all__ = ("skymap_from_image", "split_hdu")

_MAX_TEXT = 4_000_000
_LINE = 80  # characters of a card, so that a text has a line end within them


def skymap_from_image(
    path: str | PathLike[str], hdu: str | int | None = None, *, name: str = "", **options: Any
) -> ImageSkyMap:
    """Make a sky map of one tract with exactly the pixels of a FITS image.

    Parameters
    ----------
    path
        A FITS file, or a text file of header cards, one per line, ``NAXIS1`` and ``NAXIS2`` among them.
    hdu
        Name or index of its HDU; by default the first 2-d image that is no weight, variance or mask.
    name
        Name of the sky map.
    **options
        ``patch_size`` and ``patch_border`` of `lamella.sky.image.skymap_from_header`.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, damaged or something else.
    MissingPartError
        Raised when there is no such HDU, or no 2-d image in it.
    ProjectionError
        Raised when it has no projection that is understood, or one that headers of results cannot hold.
    """
    path = Path(path)
    headers = _text_headers(path) or read_headers(path)
    index = default_image(headers, (), path) if hdu is None else hdu_index(headers, hdu, path)
    shape = flat_shape(headers[index])
    if shape is None or not all(shape):
        raise MissingPartError(
            path, where=hdu_label(index), found="no 2-d image", expected="a grid of pixels"
        )
    sky = wcs_index(headers, index, (), path, named=hdu is not None)
    return skymap_from_header(headers[sky], shape, path=path, hdu=sky, name=name, **options)


def _text_headers(path: Path) -> tuple[Header, ...]:
    """Return the header in a text file of cards; nothing for a file of another kind."""
    expected = "a FITS image, or cards of a header"
    require_file(path, expected)
    try:
        with path.open("rb") as file:
            beginning = file.read(_LINE + 1)
        if b"\n" not in beginning or b"=" not in beginning:
            return ()
        return (fits.Header.fromstring(read_text(path, expected, limit=_MAX_TEXT), sep="\n"),)
    except (OSError, ValueError) as err:
        if isinstance(err, UnreadableFileError):
            raise
        reason = getattr(err, "strerror", None) or str(err)
        raise UnreadableFileError(path, found=reason, expected=expected) from err


def split_hdu(text: str) -> tuple[Path, str | int | None]:
    """Return file and HDU of a text ``FILE`` or ``FILE,HDU``; a file of that very name goes first."""
    name, comma, hdu = text.rpartition(",")
    if not comma or os.path.exists(text):
        return Path(text), None
    return Path(name), hdu_of(hdu)

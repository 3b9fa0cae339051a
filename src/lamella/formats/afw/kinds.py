"""What kind of file afw wrote, from its first headers."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from ...errors import InputError
from ...fits.hdus import primary_cards
from ...fits.read import Header, header_text, read_headers
from ..file_index import is_fits_name

__all__ = ("Kind", "is_afw_image", "kind_of", "kind_of_headers")


class Kind(enum.Enum):
    """What a file holds."""

    IMAGE = "image"
    """Image, mask and variance: an exposure, a warp or a coadd."""
    CATALOG = "catalogue of exposures"
    """E.g. a visit summary."""
    BACKGROUND = "background"
    TABLE = "table"
    """Another table, e.g. a catalogue of sources."""
    OBJECT = "object"
    """An archive without an image: a projection, a calibration."""


def kind_of_headers(headers: Sequence[Header]) -> Kind | None:
    """Return the kind of a file, or `None` when afw did not write it.

    Parameters
    ----------
    headers
        Those of the first two HDUs.
    """
    if len(headers) < 2:
        return None
    primary, second = headers[0], headers[1]
    if "DATAMODL" in primary or header_text(primary, "CREATOR").startswith("lamella"):
        return None
    extension = header_text(second, "EXTTYPE").upper()
    if header_text(second, "AFW_TYPE").upper() == "EXPOSURE":
        return Kind.CATALOG
    if extension == "ARCHIVE_INDEX":
        return Kind.OBJECT
    if "AFW_TYPE" in second or "AFW_TABLE_VERSION" in second:
        return Kind.TABLE
    if "BKGD_X0" in primary:
        return Kind.BACKGROUND
    kinds = extension, header_text(primary, "EXTTYPE").upper()
    if "IMAGE" in kinds or "EXPINFO_V" in primary or "AR_HDU" in primary:
        return Kind.IMAGE
    return None


def kind_of(path: str | PathLike[str]) -> Kind | None:
    """Return the kind of a file, or `None` when afw did not write it.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent or damaged.
    """
    path = Path(path)
    return kind_of_headers(read_headers(path, limit=2)) if is_fits_name(path) else None


def is_afw_image(path: str | PathLike[str]) -> bool:
    """Return whether afw wrote a file and it is an image; of a damaged file this cannot be said."""
    # Most files that are asked about are archives, and headers of those are read much faster raw.
    if "DATAMODL" in primary_cards(path):
        return False
    try:
        return kind_of(path) is Kind.IMAGE
    except InputError:
        return False

"""The pictures of a page as files of their own, so that records hold numbers and words only.

Records of version 0.1.0 hold their pictures themselves, as ``data:`` URIs, and
are read as they are.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..config import PlainValues
from ..errors import OutputError
from ..files import make_folder, write_bytes
from ..texts import read_bytes
from .picture import Scale, Swatch

__all__ = ("PICTURES", "PictureRecord", "data_uri", "embed_pictures", "remove_pictures", "write_pictures")

PICTURES = "pictures"
"""Name of the folder, beside the records, of the pictures of the page."""

_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png"}
_URI = re.compile(r"data:(image/jpeg|image/png);base64,(.*)", re.DOTALL)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PictureRecord(PlainValues):
    """An encoded picture with its legend."""

    name: str
    title: str
    alt: str
    width: int
    height: int
    source: str = dataclasses.field(repr=False)
    """The picture as a ``data:`` URI; in a file of a record the path of its file, relative to that."""
    swatches: tuple[Swatch, ...] = ()
    scale: Scale | None = None


def data_uri(content: bytes, kind: str) -> str:
    """Return a file as a ``data:`` URI; ``kind`` is its media type, e.g. ``"image/png"``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def write_pictures(pictures: Iterable[PictureRecord], folder: Path, stem: str) -> tuple[PictureRecord, ...]:
    """Write pictures into files, all or nothing each.

    Parameters
    ----------
    pictures
        Pictures that are ``data:`` URIs.
    folder
        Folder of the record.
    stem
        What the names of the files begin with.

    Returns
    -------
    tuple of PictureRecord
        The same, with the paths of the files relative to ``folder``.

    Raises
    ------
    OutputError
        Raised when a file cannot be written.
    ValueError
        Raised when a picture is not a ``data:`` URI of JPEG or PNG.
    """
    written = []
    if not folder.is_dir():
        raise OutputError(folder, reason="there is no such folder")
    for picture in pictures:
        kind, content = _decode(picture.source)
        path = make_folder(folder / PICTURES) / f"{stem}-{picture.name}{_SUFFIXES[kind]}"
        write_bytes(path, content)
        written.append(dataclasses.replace(picture, source=f"{PICTURES}/{path.name}"))
    return tuple(written)


def remove_pictures(folder: Path, stem: str) -> None:
    """Remove the files that `write_pictures` wrote for an earlier record of the same name."""
    own = re.compile(rf"{re.escape(stem)}-[a-z_]+\.(jpg|png)")
    for path in (folder / PICTURES).glob("*"):
        if own.fullmatch(path.name):
            path.unlink(missing_ok=True)


def embed_pictures(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the plain values of a record, read from a file, with its pictures as ``data:`` URIs.

    Parameters
    ----------
    values
        Plain values, with ``pictures``.
    folder
        Folder of the record.

    Raises
    ------
    OSError
        Raised when a file of a picture cannot be read.
    ValueError, TypeError, KeyError
        Raised when the values are none of a record.
    """
    pictures = [
        {**picture, "source": _embedded(str(picture["source"]), folder)}
        for picture in values.get("pictures", ())
    ]
    return {**values, "pictures": pictures}


def _embedded(source: str, folder: Path) -> str:
    if source.startswith("data:"):
        return source
    # Whatever a record says, no other folder is looked into.
    path = folder / PICTURES / PurePosixPath(source).name
    kinds = {suffix: kind for kind, suffix in _SUFFIXES.items()}
    if path.suffix not in kinds:
        raise ValueError(f"found the picture {source}; expected one of {', '.join(kinds)}")
    return data_uri(read_bytes(path, "a picture"), kinds[path.suffix])


def _decode(source: str) -> tuple[str, bytes]:
    match = _URI.fullmatch(source)
    if match is None:
        raise ValueError("found a picture that is no data: URI of JPEG or PNG")
    try:
        return match[1], base64.b64decode(match[2], validate=True)
    except binascii.Error as err:
        raise ValueError("found a picture whose text is damaged") from err

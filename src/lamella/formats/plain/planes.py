"""What else a plain file, or a file beside it, holds for an image: noise, flags, cards."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ...errors import MissingPartError
from ...fits.read import header_text, image_axes, read_headers
from ..described.siblings import ImagePlace
from ..file_index import FileIndex, bare_name, split_name
from ..noise_maps import KIND_BY_UTYPE
from ..table_hdus import hdu_index

__all__ = ("companions_of", "head_of", "is_companion_name", "mask_cells", "noise_cells")

_NUMBER = r"(?:[_-]?\d+)?"
_HDUS = {
    "stddev": rf"(?:ERR|ERRORS?|RMS|SIGMA|STD|STDEV|STDDEV|UNC|UNCERT|UNCERTAINTY){_NUMBER}",
    "variance": rf"(?:VAR|VARIANCE){_NUMBER}",
    "weight": rf"(?:IVAR|INVVAR|INVVARIANCE){_NUMBER}",
    # Nobody says whether weights are inverse variances or relative to each other: their scale is measured.
    "confidence": rf"(?:WHT|WGT|WEIGHTS?|WEIGHT_?MAP|WTMAP|CONF|CONFIDENCE){_NUMBER}",
}
_MASK_HDU = rf"(?:DQ|MASK|MSK|BPM|BADPIX|FLAGS?|FLG|QUALITY|DQMASK){_NUMBER}"
_WORDS = {
    "weight": "confidence",
    "wht": "confidence",
    "conf": "confidence",
    "rms": "stddev",
    "sigma": "stddev",
    "err": "stddev",
    "unc": "stddev",
    "var": "variance",
    "ivar": "weight",
    "invvar": "weight",
    "mask": "mask",
    "flag": "mask",
    "flags": "mask",
    "bpm": "mask",
    "dq": "mask",
}
"""Ends of the names of files that belong to an image, behind a dot, hyphen or underscore."""
_COMPANION = re.compile(rf"[._-](?:{'|'.join(_WORDS)})\.(?:fits|fit|fts)", re.IGNORECASE)
_HEADS = (".head", ".wcs")
"""Cards beside an image: of SCAMP, and of astrometry.net and ASTAP."""


@dataclasses.dataclass(frozen=True)
class Plane:
    """A plane of an image."""

    cells: dict[str, str]
    origin: str


def is_companion_name(path: Path) -> bool:
    """Return whether a file has the name of weights, noise or flags of another one."""
    return _COMPANION.search(bare_name(path)) is not None


def companions_of(path: Path, files: FileIndex) -> Iterator[tuple[str, Path]]:
    """Iterate over the files that belong to a plain image, with what they are."""
    stem, suffix = split_name(bare_name(path))
    names = [(kind, f"{stem}{mark}{word}{suffix}") for word, kind in _WORDS.items() for mark in ".-_"]
    for kind, name in (*names, *(("head", stem + extension) for extension in _HEADS)):
        file = files.find(name, near=path)
        if file is not None:
            yield kind, file


def head_of(path: Path, files: FileIndex) -> Path | None:
    """Return the file of cards beside an image, if there is one."""
    return next((file for kind, file in companions_of(path, files) if kind == "head"), None)


def noise_cells(place: ImagePlace, files: FileIndex) -> Plane | None:
    """Return the cells of the noise of an image, from an HDU or a file beside it; `None` without one."""
    for kind, pattern in _HDUS.items():
        hdu = _sibling(place, pattern)
        if hdu is not None:
            kind = _kind_by_utype(place, hdu) or kind
            return Plane({f"{kind}_hdu": hdu}, f"file HDU {hdu} ({kind})")
    for kind, file in companions_of(place.path, files):
        if kind not in ("head", "mask"):
            cells = _cells_of_file(place, kind, file)
            return Plane(cells, f"file {_ending(place.path, file)} ({kind})")
    return None


def mask_cells(place: ImagePlace, files: FileIndex) -> Plane | None:
    """Return the cells of the flags of an image; without a meaning in their header, all but zero are bad."""
    hdu = _sibling(place, _MASK_HDU)
    file = next((file for kind, file in companions_of(place.path, files) if kind == "mask"), None)
    if hdu is not None:
        cells, headers, told = {"mask_hdu": hdu}, place.headers, f"HDU {hdu}"
    elif file is not None:
        cells, headers, told = (
            _cells_of_file(place, "mask", file),
            read_headers(file),
            _ending(place.path, file),
        )
    else:
        return None
    path = place.path if hdu is not None else file
    assert path is not None
    index = hdu_index(headers, _spelled(cells["mask_hdu"]), path)
    if any(re.match(r"MP_|MSKN\d", key) for key in headers[index]):
        return Plane(cells, f"file {told}, by its cards")
    return Plane(cells | {"flags": "NONZERO=BAD"}, f"file {told}: all but 0 is bad")


def _sibling(place: ImagePlace, pattern: str) -> str | None:
    if len(place.headers) < 2:
        return None
    try:
        hdu = place.sibling(pattern, None)
    except MissingPartError:
        return None
    shape = image_axes(place.headers[hdu_index(place.headers, _spelled(hdu), place.path)])[-2:]
    return hdu if shape == image_axes(place.headers[place.index])[-2:] else None


def _spelled(hdu: str) -> str | int:
    return int(hdu) if hdu.isdecimal() else hdu


def _kind_by_utype(place: ImagePlace, hdu: str) -> str | None:
    """Return the kind that the card UTYPE of astropy's uncertainties tells; `None` without one."""
    header = place.headers[hdu_index(place.headers, _spelled(hdu), place.path)]
    return KIND_BY_UTYPE.get(header_text(header, "UTYPE").lower())


def _cells_of_file(place: ImagePlace, kind: str, file: Path) -> dict[str, str]:
    name = os.path.relpath(file.absolute(), place.path.absolute().parent)
    return {f"{kind}_file": name, f"{kind}_hdu": place.sibling(None, file)}


def _ending(path: Path, file: Path) -> str:
    """Return the end of a name that differs from that of the image."""
    stem = bare_name(path).rpartition(".")[0]
    return f"*{bare_name(file).removeprefix(stem)}"

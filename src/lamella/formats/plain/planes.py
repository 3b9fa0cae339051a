"""What else a plain file, or a file beside it, holds for an image: noise and flags."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ...fits.read import hdu_name, image_axes, read_headers
from ...texts import hdu_of
from ..described.siblings import ImagePlace
from ..file_index import FileIndex
from ..plane_roles import CONFIDENCE_KINDS, TRUST, PlaneRole, hdu_role, hdu_words, image_words
from ..row_expand import hdu_spelling
from ..table_hdus import hdu_index
from .beside import companions_of, file_pattern
from .images import unnamed_planes
from .plane_check import bits_of_sources, check_kind, is_inverted, is_noise, kind_of_pixels, share_of_zeros

__all__ = ("mask_cells", "noise_cells")

_LEAST_GOOD = 0.5
"""Part of the pixels that flags of which nobody says what they mean leave good."""


@dataclasses.dataclass(frozen=True)
class Plane:
    """A plane of an image."""

    cells: dict[str, str]
    origin: str


@dataclasses.dataclass(frozen=True)
class _Candidate:
    """A plane that may belong to an image: where it is, and what its name says."""

    kind: str
    path: Path
    hdu: str
    told: str
    """HDU or file, as people are told."""
    is_file: bool = False

    def cells(self, kind: str, image: Path) -> dict[str, str]:
        if not self.is_file:
            return {f"{kind}_hdu": self.hdu}
        name = os.path.relpath(self.path.absolute(), image.absolute().parent)
        return {f"{kind}_file": name, f"{kind}_hdu": self.hdu}

    @property
    def index(self) -> int:
        return hdu_index(read_headers(self.path), hdu_of(self.hdu), self.path)


def noise_cells(place: ImagePlace, files: FileIndex) -> Plane | None:
    """Return the cells of the noise of an image, from an HDU or a file beside it; `None` without one.

    The kind is what the pixels say where they contradict the name.
    """
    for candidate in _candidates(place, files, TRUST):
        located = candidate.path, candidate.index
        if candidate.kind == "scatter" and not is_noise((place.path, place.index), located):
            continue  # of the inputs of a stack, or the image of a standard star
        named = _column(candidate.kind)
        kind = check_kind(named, (place.path, place.index), located)
        told = kind if kind == named else f"{kind} by the noise of the pixels, although called {named}"
        return Plane(candidate.cells(kind, place.path), f"file {candidate.told} ({told})")
    return None


def _candidates(place: ImagePlace, files: FileIndex, kinds: tuple[str, ...]) -> Iterator[_Candidate]:
    """Iterate over what may be a plane of an image; pixels are looked at when the names are used up."""
    yield from (*_hdus(place, kinds), *_files(place, files, kinds))
    yield from _unnamed(place, kinds)


def _column(kind: str) -> str:
    """Return the kind of map of an exposure table."""
    return "confidence" if kind in CONFIDENCE_KINDS else "stddev" if kind == "scatter" else kind


def mask_cells(place: ImagePlace, files: FileIndex) -> Plane | None:
    """Return the cells of the flags of an image.

    Without a meaning in their header, all but zero are bad; or zero is, where most are not zero.  Flags that
    leave less than half of the pixels by this are not believed: defects are found in the pixels instead.
    """
    candidate = next(_candidates(place, files, ("mask", "good")), None)
    if candidate is None:
        return None
    cells, index = candidate.cells("mask", place.path), candidate.index
    if any(re.match(r"MP_|MSKN\d", key) for key in read_headers(candidate.path)[index]):
        return Plane(cells, f"file {candidate.told}, by its cards")
    if candidate.kind == "good" or is_inverted((place.path, place.index), (candidate.path, index)):
        return Plane(cells | {"flags": "ZERO=BAD"}, f"file {candidate.told}: 0 is bad, as most are not")
    sources, others = bits_of_sources((place.path, place.index), (candidate.path, index))
    if sources and not others:
        return Plane({"defects": "measured"}, f"measured in the pixels, as {candidate.told} marks sources")
    if sources:
        told = f"but 0 and {sources:#x}, which marks sources, is bad"
        return Plane(cells | {"flags": f"IGNORE={sources:#x}"}, f"file {candidate.told}: all {told}")
    good = share_of_zeros((candidate.path, index))
    if good < _LEAST_GOOD:
        why = f"{candidate.told} is not believed: with all but 0 bad, {100.0 * good:.0f} % would be good"
        return Plane({"defects": "measured"}, f"measured in the pixels, as {why}")
    return Plane(cells | {"flags": "NONZERO=BAD"}, f"file {candidate.told}: all but 0 is bad")


def _hdus(place: ImagePlace, kinds: tuple[str, ...]) -> list[_Candidate]:
    """Return the HDUs of some kinds that belong to an image, the most trusted first."""
    candidates = []
    for kind in kinds:
        index = _sibling(place, kind)
        if index is not None:
            hdu = hdu_spelling(place.headers, index)
            candidates.append(_Candidate(kind, place.path, hdu, f"HDU {hdu}"))
    return candidates


def _sibling(place: ImagePlace, kind: str) -> int | None:
    """Return the HDU of a kind that belongs to an image: by the rest of its name, else by EXTVER or order."""
    shape, image = image_axes(place.headers[place.index])[-2:], place.headers[place.index]
    name, words = hdu_name(image, place.index), image_words(hdu_words(image))
    same: list[int] = []
    loose: list[int] = []
    for index, header in enumerate(place.headers):
        role = hdu_role(header) if index != place.index else None
        if role is None or role.kind != kind or image_axes(header)[-2:] != shape:
            continue
        if role.image == name or (not role.image and role.rest == words):
            same.append(index)
        elif not role.image and _is_loose(role):
            loose.append(index)
    members = same or loose
    return place.nearest(members) if members else None


def _is_loose(role: PlaneRole) -> bool:
    """Return whether the name of a plane says nothing of the image, but perhaps a number."""
    return all(word.isdecimal() for word in role.rest)


def _unnamed(place: ImagePlace, kinds: tuple[str, ...]) -> Iterator[_Candidate]:
    """Yield the HDUs without a name that are of some kind by the values of their pixels."""
    for index in unnamed_planes(place.headers, place.index, place.path):
        kind = kind_of_pixels((place.path, place.index), (place.path, index))
        if kind is not None and kind in kinds:
            yield _Candidate(
                kind, place.path, hdu_spelling(place.headers, index), f"HDU {index}, by its pixels"
            )


def _files(place: ImagePlace, files: FileIndex, kinds: tuple[str, ...]) -> list[_Candidate]:
    """Return the files of some kinds that belong to an image, the most trusted first."""
    return [
        _Candidate(kind, file, place.sibling(None, file), file_pattern(place.path, file), is_file=True)
        for kind, file in companions_of(place.path, files)
        if kind in kinds
    ]

"""Which HDUs of a plain file are exposures, and which are further planes of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...fits.read import Header, image_axes
from ..bayer import COLORS, is_spectral
from ..cards import Cards
from ..plane_roles import hdu_words
from ..table_hdus import flat_shape, is_other_plane
from .bands import band_of

__all__ = ("image_indices", "is_image", "unnamed_planes")

_PLACE = ("CTYPE", "CRVAL", "CRPIX", "CDELT", "CROTA", "CD1_", "CD2_", "PC1_", "PC2_")
"""Beginnings of the cards of the place on the sky, which a number of an axis follows."""
_TIMES = ("DATE-OBS", "MJD-OBS", "EXPNUM", "EXPID")
"""Cards that differ between exposures."""


def is_image(header: Mapping[str, Any]) -> bool:
    """Return whether an HDU holds an image of the sky, or one in three colours, by its header alone."""
    axes = image_axes(header)
    is_cube = len(axes) == 3 and axes[0] == len(COLORS) and not is_spectral(header)
    return (flat_shape(header) is not None or is_cube) and min(axes[-2:]) > 1 and not is_other_plane(header)


def image_indices(headers: Sequence[Header], path: Path) -> list[int]:
    """Return the HDUs of a file that are exposures.

    Of several images, those without a place on the sky of their own are previews, or planes of other names.
    Those on the pixels of another one, of the same band and time, are planes of that, unless their names
    differ by numbers only.
    """
    images = [index for index, header in enumerate(headers) if is_image(header)]
    if len(images) > 1:
        images = [index for index in images if "CTYPE1" in headers[index]] or images
    twins = _twins(headers, images, path)
    return [index for index in images if index not in twins]


def unnamed_planes(headers: Sequence[Header], image: int, path: Path) -> list[int]:
    """Return the HDUs that lie on the pixels of an image, and whose names do not say what they are."""
    images = [index for index, header in enumerate(headers) if is_image(header)]
    return [twin for twin, first in _twins(headers, images, path).items() if first == image]


def _twins(headers: Sequence[Header], images: Sequence[int], path: Path) -> dict[int, int]:
    """Return the images that are planes of another one, with the index of that."""
    firsts: dict[tuple[object, ...], int] = {}
    twins: dict[int, int] = {}
    for index in images if len(images) > 1 else ():
        first = firsts.setdefault(_identity(headers, index, path), index)
        words = _letters(headers[index])
        if first != index and (not words or words != _letters(headers[first])):
            twins[index] = first
    return twins


def _letters(header: Header) -> tuple[str, ...]:
    """Return the words of an EXTNAME without numbers."""
    return tuple(word for word in hdu_words(header) if word.isalpha())


def _identity(headers: Sequence[Header], index: int, path: Path) -> tuple[object, ...]:
    """Return what tells exposures of one file apart: pixels on the sky, band and time."""
    header = headers[index]
    if "CTYPE1" not in header:
        return (index,)
    cards = Cards(path, "", (header, headers[0]))
    projection = tuple(str(header.get(f"{key}{axis}", "")) for key in _PLACE for axis in (1, 2))
    return image_axes(header), projection, band_of(cards).text, *(str(cards.get(key)) for key in _TIMES)

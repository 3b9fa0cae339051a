"""Where the planes of a row are: files and HDUs, the header of the image, and the one that holds its WCS."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from pathlib import Path

from ..errors import InputError, MissingPartError, UnreadableFileError
from ..fits.read import Header, hdu_label, header_text, image_axes, read_headers
from .bayer import COLORS, is_pattern, shifted_pattern, super_pixel_header
from .cards import Cards
from .head_files import override_cards, read_head
from .row_cells import RowCells
from .table_hdus import (
    default_image,
    flat_shape,
    hdu_index,
    inherits_wcs,
    require_distinct,
    wcs_index,
)

__all__ = ("NOISE_MAPS", "Place", "RowPlaces")

type Place = tuple[Path, str | int]
"""File, and HDU by name or index."""

NOISE_MAPS = ("variance", "weight", "stddev", "confidence")
_OTHERS = (*NOISE_MAPS, "mask", "sky", "pixel_area", "psf_stamp")


@dataclasses.dataclass(frozen=True)
class RowPlaces:
    """The files and headers of a row."""

    cells: RowCells

    @functools.cached_property
    def path(self) -> Path:
        """File of the image."""
        return self.cells.table.parent / self.cells.text("file")

    @functools.cached_property
    def headers(self) -> tuple[Header, ...]:
        """All headers of the file of the image, unparsed."""
        try:
            return read_headers(self.path)
        except UnreadableFileError as err:
            raise self.cells.error(
                "file", str(err).rstrip("."), "a complete image", UnreadableFileError
            ) from err

    @functools.cached_property
    def hdu(self) -> str | int:
        """HDU of the image: as the cell names it, else the index of the first image."""
        if "image_hdu" in self.cells:
            return self.cells.hdu("image_hdu")
        taken = [at for file, at in self._other_indices.values() if file == self.path]
        return default_image(self.headers, taken, self.path, cube=self.color is not None)

    @functools.cached_property
    def index(self) -> int:
        """Index of the image's HDU."""
        index = hdu_index(self.headers, self.hdu, self.path)
        where = ", ".join(filter(None, (str(self.cells.table), self.cells.where(""))))
        require_distinct((self.path, index), self._other_indices, where)
        return index

    @functools.cached_property
    def header(self) -> Header:
        """Header of the image, parsed, with the cards of wcs_head and radesys over it."""
        header = self.headers[self.index]
        if "wcs_head" in self.cells:
            path = self.cells.file("wcs_head", self.path)
            header = override_cards(header, path, self._number_of_head(len(read_head(path))))
        return header

    @property
    def own_header(self) -> Header:
        """The header that would be the image's WCS without wcs_head: its own, or the primary one."""
        header = self.headers[self.index]
        return header if "CTYPE1" in header else self.headers[0]

    def _number_of_head(self, count: int) -> int:
        """Return which of some headers beside the file is that of the image, from 0."""
        images = [index for index, header in enumerate(self.headers) if len(image_axes(header)) > 1]
        # Weights and flags in the same file may have one of their own, or not.
        own = [index for index in images if "CTYPE1" in self.headers[index] or index == self.index]
        members = own if len(own) == count else images
        return members.index(self.index) if self.index in members else 0

    @functools.cached_property
    def cards(self) -> Cards:
        """What values are taken from: the header of the image, then the primary header."""
        headers = (self.header, self.headers[0])
        return Cards(self.path, hdu_label(self.hdu), headers[: 1 if self.index == 0 else 2])

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (y, x) of the exposure.

        Raises
        ------
        InputError
            Raised when the HDU is no image.
        """
        shape = flat_shape(self.header)
        axes = image_axes(self.header)
        if self.color is not None and self.pattern is None and len(axes) >= 3 and axes[-3] == len(COLORS):
            shape = axes[-2], axes[-1]
        if shape is None:
            raise InputError(self.path, where=hdu_label(self.hdu), found="no 2-d image", expected="one")
        return shape if self.pattern is None else (shape[0] // 2, shape[1] // 2)

    @property
    def color(self) -> str | None:
        """R, G or B, where the exposure is one colour of several."""
        if "color" not in self.cells:
            return None
        color = self.cells.text("color").upper()
        if color not in COLORS:
            raise self.cells.error("color", repr(color), " or ".join(COLORS))
        return color

    @functools.cached_property
    def pattern(self) -> str | None:
        """The colours of the first pixels of a mosaic: by XBAYROFF, YBAYROFF where a keyword tells it."""
        if "bayer" not in self.cells:
            return None
        if self.color is None:
            raise self.cells.error("color", "an empty cell beside bayer", "R, G or B", MissingPartError)
        told = self.cells.text("bayer")
        if is_pattern(told):
            return told.upper()
        pattern = self.cards.text(told).upper()
        if not is_pattern(pattern):
            expected = "RGGB, BGGR, GRBG or GBRG, or a keyword with one of them"
            raise self.cells.error("bayer", f"{told!r}, which is {pattern!r}", expected)
        x, y = (int(self.cards.number(key)) if self.cards.get(key) else 0 for key in ("XBAYROFF", "YBAYROFF"))
        return shifted_pattern(pattern, x, y)

    @functools.cached_property
    def wcs(self) -> tuple[Path, str | int, Header]:
        """File, HDU and header of the WCS: the image, or a primary HDU that it inherits from."""
        index = self.index
        if "wcs_head" not in self.cells:
            taken = [at for file, at in self._other_indices.values() if file == self.path]
            named = "image_hdu" in self.cells
            index = wcs_index(self.headers, index, taken, self.path, named=named)
        header = self.header if index == self.index else self.headers[index]
        if "radesys" in self.cells and not any(header_text(header, key) for key in ("RADESYS", "RADECSYS")):
            header = header.copy()
            header["RADESYS"] = self.cells.text("radesys")
        if self.pattern is not None and self.color is not None:
            header = super_pixel_header(header, self.pattern, self.color)
        return self.path, self.hdu if index == self.index else index, header

    @property
    def inherits(self) -> bool:
        """Whether the WCS of the image is that of the primary header."""
        return "wcs_head" not in self.cells and inherits_wcs(self.headers, self.index, self.path)

    def planes(self) -> dict[str, Place]:
        """Return where the planes are that the row names, the image first."""
        places: dict[str, Place] = {"image": (self.path, self.hdu)}
        for kind in _OTHERS:
            place = self.place(kind)
            if place is not None:
                places[kind] = place
        return places

    def place(self, kind: str) -> Place | None:
        """Return where a plane is: with a file alone, its first image; `None` for one that is not named."""
        path = self.cells.file(f"{kind}_file", self.path)
        if f"{kind}_hdu" in self.cells:
            return path, self.cells.hdu(f"{kind}_hdu")
        if f"{kind}_file" not in self.cells:
            return None
        images = (index for index, header in enumerate(read_headers(path)) if len(image_axes(header)) > 1)
        index = next(images, None)
        if index is None:
            raise MissingPartError(path, found="no 2-d image", expected=f"one with the {kind}")
        return path, index

    @functools.cached_property
    def _other_indices(self) -> dict[str, tuple[Path, int]]:
        """Return file and HDU of the planes that are not the image, as far as the row names them rightly."""
        places: dict[str, tuple[Path, int]] = {}
        for kind in _OTHERS:
            # What is not there is told when it is read.
            with contextlib.suppress(MissingPartError, UnreadableFileError):
                place = self.place(kind)
                if place is not None:
                    places[kind] = place[0], hdu_index(read_headers(place[0]), place[1], place[0])
        return places

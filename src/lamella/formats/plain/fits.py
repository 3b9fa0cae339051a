"""The last resort: any file with an image and a projection to the sky."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ...data.exposure import ExposureSource
from ...errors import InputError, MissingPartError, ProjectionError
from ...fits.read import Header, header_text, image_axes, read_cards, read_headers
from ..arithmetic import parse_expression
from ..bayer import COLORS, is_pattern, shifted_pattern
from ..cards import Cards
from ..described.siblings import ImagePlace
from ..described.values import Cell, parse_value
from ..faulty_row import FaultyRow
from ..file_index import FileIndex
from ..head_shift import told_shift
from ..readers import FileHead, Format, Opening, Role
from ..row_cells import RowCells
from ..row_expand import hdu_spelling
from ..row_places import NOISE_MAPS, RowPlaces
from ..row_scale import is_flux_unit
from ..source import FileSource
from ..table_hdus import flat_shape
from ..table_row import TableRow
from ..units import is_relative_unit
from .bands import band_of
from .beside import companions_of, head_of, is_companion_name
from .counts import are_counts
from .images import image_indices, is_image, unnamed_planes
from .keywords import (
    DETECTOR,
    READ_NOISE,
    SATURATION,
    VISIT,
    gain_of,
    number_or_none,
    whole_or_none,
)
from .planes import mask_cells, noise_cells
from .scale import scale_of_cards

__all__ = ("FORMAT", "plain_rows")

_HASH = parse_value({"hash": True})
_CELESTIAL = re.compile(r"(RA|DEC|\wLON|\wLAT)-.*", re.IGNORECASE)
_SOLVERS = (
    "a WCS, which a plate solver makes without a network: solve-field of astrometry.net, ASTAP, or SCAMP; "
    "a file NAME.wcs or NAME.head beside the image is read, too"
)

type Row = dict[str, str]


def _recognise(head: FileHead) -> Role:
    if not head.is_fits or _is_made_here(head.headers[0]):
        return Role.FOREIGN
    if is_companion_name(head.path):
        return Role.COMPANION
    headers = head.headers if any(map(is_image, head.headers)) else read_cards(head.path)
    return Role.EXPOSURE if any(map(is_image, headers)) else Role.FOREIGN


def _is_made_here(primary: Header) -> bool:
    """Return whether a file is a product of lamella, which lies in a folder of exposures."""
    return header_text(primary, "CREATOR").startswith("lamella")


def plain_rows(path: Path, files: FileIndex) -> Iterator[Row | InputError]:
    """Iterate over the exposures of a file: one for each image, and for each colour of one.

    Yields
    ------
    dict or InputError
        The cells of each exposure, with files relative to the folder of the image; or why it has none.

    Raises
    ------
    InputError
        Raised when the file is damaged, or has no image.
    """
    headers = read_headers(path)
    images = image_indices(headers, path)
    if not images:
        raise MissingPartError(path, found="no 2-d image", expected="one")
    for count, index in enumerate(images, start=1):
        try:
            yield from _PlainImage(ImagePlace(path, headers, index, count), files, len(images)).rows()
        except InputError as err:
            yield err


class _PlainImage:
    """The cells of one image while they are gathered."""

    def __init__(self, place: ImagePlace, files: FileIndex, count: int) -> None:
        self.place, self.files, self.count = place, files, count
        self.cells: Row = {"file": place.path.name, "image_hdu": place.hdu}
        self.origins: dict[str, str] = {}
        head = head_of(place.path, files)
        if head is not None:
            self.cells["wcs_head"] = os.path.relpath(head.absolute(), place.path.absolute().parent)
            self.origins["WCS"] = f"file *{head.suffix}"
        self.places = RowPlaces(RowCells(place.path, 0, self.cells))
        if head is not None:
            self.origins["WCS"] += told_shift(self.places)
        self.cards: Cards = self.places.cards

    def rows(self) -> Iterator[Row]:
        """Iterate over the rows: one, or one for each colour."""
        self._require_wcs()
        self._identity()
        self._flux()
        self._noise()
        self.cells |= {"psf_fwhm": "measured", "sky": "measured"}
        for color in self._colors() or [{}]:
            told = dict(self.origins)
            if color:
                told["band"] = f"header {color.pop('told')}"
            notes = "; ".join(f"{name}: {origin}" for name, origin in told.items())
            yield {**self.cells, **color, "notes": notes}

    def _require_wcs(self) -> None:
        path, hdu, header = self.places.wcs
        if not all(_CELESTIAL.fullmatch(header_text(header, f"CTYPE{axis}")) for axis in (1, 2)):
            where = hdu if isinstance(hdu, str) else f"HDU {hdu}"
            raise ProjectionError(path, where=where, found="no projection to the sky", expected=_SOLVERS)

    def _set(self, column: str, cell: Cell, name: str) -> None:
        self.cells[column] = cell.text
        self.origins[name] = cell.origin.replace(";", ",")

    def _identity(self) -> None:
        self._set("band", band_of(self.cards), "band")
        detector, visit = whole_or_none(DETECTOR, self.cards), whole_or_none(VISIT, self.cards)
        # Without a number of the detector, that of the exposure may be one of a night or a program only.
        self._set(
            "visit",
            visit if visit and (detector or self.count > 1) else _HASH.number(self.cards, {}),
            "visit",
        )
        self.cells["detector"] = detector.text if detector is not None else str(self.place.count)

    def _flux(self) -> None:
        self._unit = self._believed_unit()
        scale = scale_of_cards(self.cards, self._unit, self.cells["band"])
        if scale is not None:
            self._set(*scale)
        else:
            self.cells["flux_scale"] = "measured"

    def _believed_unit(self) -> str:
        """Return BUNIT; an empty text where it is none, or the noise is that of counts all the same."""
        unit = str(self.cards.get("BUNIT") or "")
        if not (is_flux_unit(unit) or is_relative_unit(unit)):
            self._set("unit", Cell("adu", f"assumed as BUNIT {unit} is no unit"), "unit")
            return ""
        gain = gain_of(self.cards, "")
        if gain is None or not is_flux_unit(unit):
            return unit
        number = self.cards.evaluate(parse_expression(gain.text))
        cell = number_or_none(READ_NOISE, self.cards)
        read_noise = 0.0 if cell is None else self.cards.number(cell.text)
        if not are_counts(self.place.path, self.place.index, number, read_noise):
            return unit
        self.cells["unit"] = "adu"
        self.origins["unit"] = (
            f"measured BUNIT {unit} is not believed: the noise is that of counts with {gain.text}"
        )
        return ""

    def _noise(self) -> None:
        gain = gain_of(self.cards, self._unit)
        if gain is not None:
            self._set("gain", gain, "gain")
        saturation = number_or_none(SATURATION, self.cards)
        if saturation is not None and not is_flux_unit(self._unit):  # it is told in counts
            self._set("saturation", saturation, "saturation")
        noise, mask = noise_cells(self.place, self.files), mask_cells(self.place, self.files)
        self.cells |= {"noise": "measured"} if noise is None else noise.cells
        if noise is not None:
            self.origins["noise"] = noise.origin
        if mask is not None:
            self.cells |= mask.cells
            self.origins["mask"] = mask.origin
        used = {self.cells.get(f"{kind}_hdu") for kind in (*NOISE_MAPS, "mask")}
        unnamed = unnamed_planes(self.place.headers, self.place.index, self.place.path)
        left = [hdu for index in unnamed if (hdu := hdu_spelling(self.place.headers, index)) not in used]
        if left:
            told = f"file HDU {', '.join(left)}, not used: on the same pixels, and nobody says what it is"
            self.origins["other planes"] = told
        if mask is None:  # weights of 0 are seldom all that is bad
            self.cells["defects"] = "measured"
            self.origins["mask"] = "measured in the pixels"

    def _colors(self) -> list[Row]:
        """Return the cells of the three colours of a cube or a mosaic; none for an image of one colour."""
        header = self.place.headers[self.place.index]
        axes = image_axes(header)
        if len(axes) == 3 and axes[0] == len(COLORS):
            return [
                {"color": color, "band": color, "told": f"plane {n}"} for n, color in enumerate(COLORS, 1)
            ]
        key = next((key for key in ("BAYERPAT", "COLORTYP") if self.cards.get(key) is not None), None)
        if key is None or not is_pattern(self._pattern(key)):
            return []
        pattern = self._pattern(key)
        return [{"color": color, "bayer": pattern, "band": color, "told": key} for color in COLORS]

    def _pattern(self, key: str) -> str:
        """Return the colours of the first pixels of the file."""
        pattern = self.cards.text(key).strip().upper()
        if not is_pattern(pattern):
            return ""
        x, y = (int(self.cards.number(key)) if self.cards.get(key) else 0 for key in ("XBAYROFF", "YBAYROFF"))
        shape = flat_shape(self.place.headers[self.place.index])
        # Patterns are told from the top: it is the last row of the file where rows go up.
        if str(self.cards.get("ROWORDER") or "").upper() == "BOTTOM-UP" and shape is not None:
            y += shape[0] - 1
        return shifted_pattern(pattern, x, y)


def _open(path: Path, opening: Opening) -> Iterator[ExposureSource]:
    for row in plain_rows(path, opening.files):
        if isinstance(row, InputError):
            yield FileSource(FaultyRow(path, row))
        else:
            yield FileSource(TableRow(path, 0, row, opening.control, FORMAT.name))


def _companions(path: Path, files: FileIndex) -> Iterator[Path]:
    return (file for _, file in companions_of(path, files))


FORMAT = Format(
    name="fits",
    description="any image with a WCS: what its cards and neighbours do not tell is measured",
    recognise=_recognise,
    open=_open,
    companions=_companions,
    last_resort=True,
)

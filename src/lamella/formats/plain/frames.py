"""Frames: plain images of one shape, which are stacked pixel by pixel and need no WCS."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from lsst.images import MaskedImage

from ...errors import DuplicateInputError, InputError
from ...fits.datasum import collect_stale_sums
from ...fits.read import Header, hdu_label
from ..described.siblings import ImagePlace
from ..file_index import FileIndex
from ..frame_control import FrameControl
from ..pixels import make_pixels
from ..read_control import ReadControl
from ..row_cells import RowCells
from ..row_check import check_cells
from ..row_expand import expanded_rows
from ..row_noise import KINDS, RowNoise
from ..row_pixels import read_row_pixels
from ..row_places import NOISE_MAPS, RowPlaces
from ..table import TABLE_SUFFIXES, check_columns
from ..table_cells import read_cells
from .beside import companions_of
from .keywords import gain_of
from .planes import mask_cells, noise_cells

__all__ = ("Frame", "open_frames")

_NOISE_COLUMNS = ("noise", *(f"{kind}_{place}" for kind in NOISE_MAPS for place in ("hdu", "file")))


@dataclasses.dataclass(frozen=True)
class Frame:
    """An image in a file, and what is known of its noise and bad pixels."""

    cells: RowCells
    control: FrameControl

    @functools.cached_property
    def places(self) -> RowPlaces:
        """Files, HDUs and headers."""
        return RowPlaces(self.cells)

    @property
    def path(self) -> Path:
        """File of the image."""
        return self.places.path

    @property
    def label(self) -> str:
        """File and HDU, for messages and tables."""
        return f"{self.path}, {hdu_label(self.places.index)}" if self.places.index else str(self.path)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns (y, x)."""
        return self.places.shape

    @property
    def headers(self) -> tuple[Header, ...]:
        """Header of the image, and that of the primary HDU where that is another."""
        primary = self.places.headers[0]
        return (self.places.header,) if self.places.index == 0 else (self.places.header, primary)

    @property
    def has_noise(self) -> bool:
        """Whether variances say something."""
        return self.control.noise != "none"

    @property
    def is_scaled(self) -> bool:
        """Whether its scale is known, from a column flux_scale."""
        return "flux_scale" in self.cells and not self.cells.is_measured("flux_scale")

    @property
    def is_tied(self) -> bool:
        """Whether stars shall tell its scale, by a column flux_scale."""
        return self.cells.is_measured("flux_scale")

    @property
    def scale(self) -> float:
        """Factor that puts its pixels on the scale of the others, by a column flux_scale.

        Raises
        ------
        InputError
            Raised when it is not a positive number.
        """
        value = self.cells.number_of("flux_scale", self.places.cards)
        if value <= 0.0:
            raise self.cells.error("flux_scale", repr(self.cells.text("flux_scale")), "a positive number")
        return value

    def read(self) -> tuple[MaskedImage, tuple[str, ...]]:
        """Read image, variance and mask, as an exposure has them, and remarks for a user.

        Raises
        ------
        InputError
            Raised when the pixels cannot be used.
        """
        cells, cards = self.cells, self.places.cards
        told = "sky" in cells or "sky_hdu" in cells or "sky_file" in cells
        if not told:
            cells = dataclasses.replace(cells, values={**cells.values, "sky": "present"})
        subtracts = told or self.control.sky == "subtract"
        reading = ReadControl(edge_width=0, subtract_background="auto" if subtracts else "never")
        noise = RowNoise.of(cells, cards) if self.has_noise else RowNoise.equal(cells, cards)
        with collect_stale_sums() as stale:
            pixels = read_row_pixels(RowPlaces(cells), reading, noise)
        planes = make_pixels(
            pixels.image,
            pixels.variance,
            pixels.flags or {},
            path=self.path,
            projection=None,
            edge_width=0,
            in_place=True,
        )
        notes = pixels.notes if subtracts else pixels.notes[:-1]
        return planes, tuple(filter(None, (*notes, *stale)))


def open_frames(paths: Iterable[Path], control: FrameControl | None = None) -> tuple[Frame, ...]:
    """Open images in FITS files, and those that tables name.

    Parameters
    ----------
    paths
        FITS files, each with one image, and tables (CSV, ECSV) with a column ``file`` and any of the other
        columns of exposure tables that say something of pixels.  Weights, noise and flags of other files
        (``x.weight.fits`` beside ``x.fits``) are no images.
    control
        How they are read.

    Returns
    -------
    tuple of Frame
        In the order of files and HDUs, whatever that of the paths; a file that is named twice counts once.

    Raises
    ------
    InputError
        Raised when a file has no 2-d image, a cell of a table is not what it must be, or a frame has another
        shape than the first.
    DuplicateInputError
        Raised when two rows name one image.
    """
    control, named = control or FrameControl(), sorted(set(paths))
    files = FileIndex()
    for folder in {path.parent for path in named}:
        files.add_folder(folder)
    others = {file.absolute() for path in named for _, file in companions_of(path, files)}
    frames = [
        frame for path in named if path.absolute() not in others for frame in _frames_of(path, files, control)
    ]
    frames.sort(key=lambda frame: (frame.path, frame.places.index))
    for before, after in itertools.pairwise(frames):
        if (before.path, before.places.index) == (after.path, after.places.index):
            raise DuplicateInputError(after.label, found="one image twice", expected="different images")
    for frame in frames:
        if frame.shape != frames[0].shape:
            height, width = frames[0].shape
            raise InputError(
                frame.path,
                where=hdu_label(frame.places.index),
                found=f"an image of {frame.shape[1]} x {frame.shape[0]} pixels",
                expected=f"{width} x {height}, as in {frames[0].label}",
            )
    return tuple(frames)


def _frames_of(path: Path, files: FileIndex, control: FrameControl) -> Iterator[Frame]:
    if path.suffix.lower() not in TABLE_SUFFIXES:
        yield _frame(RowCells(path, 0, {"file": path.name}), files, control)
        return
    names, rows = read_cells(path)
    check_columns(path, names, ("file",))
    for number, values in enumerate(rows, start=1):
        for row in expanded_rows(RowCells(path, number, values)):
            yield _frame(RowCells(path, number, row), files, control)


def _frame(told: RowCells, files: FileIndex, control: FrameControl) -> Frame:
    """Return a frame: what its row says, then options, then HDUs, neighbours and header of its file."""
    values = _options(control) | dict(told.values)
    if control.noise in KINDS:
        values = {name: value for name, value in values.items() if name not in _NOISE_COLUMNS}
        values["noise"] = control.noise
    values = _planes_beside(dataclasses.replace(told, values=values), files, control) | values
    cells = dataclasses.replace(told, values=values)
    check_cells(cells, is_frame=True)
    return Frame(cells, control)


def _options(control: FrameControl) -> dict[str, str]:
    names = ("image_hdu", "gain", "read_noise", "saturation")
    return {name: value for name in names if (value := getattr(control, name))}


def _planes_beside(cells: RowCells, files: FileIndex, control: FrameControl) -> dict[str, str]:
    """Return the cells of noise and flags that a row does not have, as plain images get them."""
    places = RowPlaces(cells)
    image = ImagePlace(places.path, places.headers, places.index, 1)
    beside: dict[str, str] = {}
    if "mask_hdu" not in cells and "mask_file" not in cells and (mask := mask_cells(image, files)):
        beside |= mask.cells
    if control.noise != "none" and not any(name in cells for name in _NOISE_COLUMNS):
        noise = noise_cells(image, files)
        beside |= {"noise": "measured"} if noise is None else noise.cells
    measured = beside.get("noise", cells.text("noise", "")) == "measured"
    if measured and (gain := gain_of(places.cards, str(places.cards.get("BUNIT") or ""))):
        beside["gain"] = gain.text
    return beside

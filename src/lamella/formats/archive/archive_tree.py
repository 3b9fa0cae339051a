"""What archives hold besides pixels, read quickly.

`lsst.images` reads the headers and tables of an archive through astropy, which
takes longer than to make sense of what they hold.  Here the texts and the few
numbers beside the planes are read as they stand in the file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any

import numpy as np
from lsst.images.fits import FitsInputArchive, PointerModel
from lsst.images.serialization import (
    ArchiveInfo,
    ArchiveTree,
    ArrayReferenceModel,
    DetachedArchive,
    InlineArrayModel,
    InputArchive,
    Reader,
    class_for_schema,
    no_header_updates,
    parameterize_tree,
    public_type_for_schema,
)

from ...fits.hdus import Container, primary_cards
from ...fits.sums import PieceSums, check_unit, read_sums
from ...fits.tables import Table
from ..file_index import is_fits_name

if TYPE_CHECKING:
    from astropy.io import fits
    from lsst.images import FrameSet

__all__ = ("LAYOUT", "TEXTS", "check_archive", "find_sums", "open_tree")

LAYOUT = 1
"""Version of the layout that is known here."""
TEXTS = "JSON"
"""Extension, and its column, with the tree and what it points at."""


@contextlib.contextmanager
def open_tree[T](path: str | PathLike[str], kind: type[T]) -> Iterator[Reader[T] | None]:
    """Open an archive for all but its pixels.

    Parameters
    ----------
    path
        The archive.
    kind
        What it should hold.

    Yields
    ------
    lsst.images.serialization.Reader or None
        What reads the tree and the components that are not planes; `None` when
        the file is absent, damaged, holds something else, or is laid out in a
        way that is not known here: then `lsst.images` can say more.

    Raises
    ------
    UnreadableFileError
        Raised when the file ends too early.
    """
    cards = primary_cards(path)
    url = str(cards.get("DATAMODL", ""))
    name, _, version = url.rpartition("/schemas/")[2].rpartition("-")
    is_archive = is_fits_name(Path(path)) and cards.get("FMTVER") == LAYOUT
    model = class_for_schema(name) if is_archive else None
    if model is None or not issubclass(public_type_for_schema(name) or object, kind):
        yield None
        return
    with Container(path) as file:
        primary, sums = file.unit_at(0), find_sums(file)
        table = Table(file.unit_at(primary.whole("JSONADDR")))
        if table.names != (TEXTS,):
            yield None
            return
        check_unit(primary, sums)
        check_unit(table.unit, sums)
        texts = [text.tobytes() for text in table.rows().column(TEXTS)]
        tree = parameterize_tree(model, PointerModel).model_validate_json(texts[0])
        info = ArchiveInfo(schema_url=url, schema_name=name, schema_version=version, format_version=LAYOUT)
        yield Reader(_TreeArchive(file, texts, sums), tree, info, kind)


def find_sums(file: Container) -> PieceSums | None:
    """Return the checksums of an archive, which lie behind its index; `None` where there are none.

    Raises
    ------
    UnreadableFileError
        Raised when the file ends too early, or something else is there.
    """
    primary = file.unit_at(0)
    end = primary.whole("INDXADDR") + primary.whole("INDXSIZE")
    if end > file.size:
        raise file.damage(f"a file of {file.size} bytes", f"an index up to byte {end}")
    return read_sums(file, end)


def check_archive(path: str | PathLike[str], *, only: str | None = None) -> None:
    """Compare an archive with its checksums, where it has them.

    Parameters
    ----------
    path
        The archive.
    only
        Name of the one image that will be used, beside what describes it; by default all.

    Raises
    ------
    UnreadableFileError
        Raised when they differ.  Tiles of GZIP, which have their own, are compared when they are read.
    """
    if primary_cards(path).get("FMTVER") != LAYOUT:
        return
    with Container(path) as file:
        sums = find_sums(file)
        if sums is None:
            return
        for unit in file.walk():
            check_unit(unit, sums, data=only is None or unit.name == only or unit.is_table)


class _TreeArchive(DetachedArchive):
    """The texts of an archive, and arrays of float64 that are stored as they are."""

    def __init__(self, file: Container, texts: list[bytes], sums: PieceSums | None) -> None:
        self._file, self._texts, self._sums = file, texts, sums
        self._objects: dict[int, Any] = {}

    def deserialize_pointer[U: ArchiveTree, V](
        self, pointer: PointerModel, model_type: type[U], deserializer: Callable[[U, InputArchive[Any]], V]
    ) -> V:
        """Make what a text describes, once."""
        if pointer.row not in self._objects:
            model = model_type.model_validate_json(self._texts[pointer.row])
            self._objects[pointer.row] = deserializer(model, self)
        value: V = self._objects[pointer.row]
        return value

    def get_frame_set(self, ref: PointerModel) -> FrameSet:
        """Return a frame set that was made before."""
        frames: FrameSet = self._objects[ref.row]
        return frames

    def get_array(
        self,
        model: ArrayReferenceModel | InlineArrayModel,
        *,
        slices: tuple[slice, ...] | EllipsisType = ...,
        strip_header: Callable[[fits.Header], None] = no_header_updates,
    ) -> np.ndarray:
        """Read an array; those of other types and forms by way of `lsst.images`."""
        name = str(getattr(model, "source", "")).removeprefix("fits:")
        array = self._read_numbers(name) if slices is ... else None
        if array is not None:
            return array
        with FitsInputArchive.open(self._file.path, partial=True) as archive:
            return archive.get_array(model, slices=slices, strip_header=strip_header)

    def _read_numbers(self, name: str) -> np.ndarray | None:
        for unit in self._file.walk():
            if unit.cards.get("EXTNAME") == name:
                plain = (unit.cards.get(key) for key in ("XTENSION", "BITPIX", "NAXIS", "BSCALE", "BZERO"))
                if tuple(plain) != ("IMAGE", -64, 1, None, None):
                    return None
                check_unit(unit, self._sums)
                data = self._file.read(unit.start, unit.size, unit.label)
                return np.frombuffer(data, ">f8").astype(np.float64)
        return None

"""Writing `lsst.images` archives in FITS, quickly.

The layout is that of `lsst.images.fits`: a primary header with the places of two
tables at the end, the arrays, a table of JSON texts, and an index of all HDUs.
`lsst.images` writes it through astropy, which opens the file three times and
checks and copies all that it holds; here each HDU is written once, while the next
are being compressed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import IO, TYPE_CHECKING, Any, NoReturn

import numpy as np
from astropy.io import fits
from lsst.images.fits import ExtensionKey, FitsOpaqueMetadata, PointerModel
from lsst.images.serialization import (
    ArchiveTree,
    ArrayReferenceModel,
    NestedOutputArchive,
    NumberType,
    OutputArchive,
    TableColumnModel,
    no_header_updates,
)

from ...fits.compression import Tiles, submit_tiles
from ...fits.quiet import quiet_astropy
from ...fits.write import (
    BITPIX,
    Card,
    Place,
    Records,
    dump_header,
    format_cards,
    write_hdu,
    write_image,
    write_ragged,
    write_tiles,
)
from .archive_tree import LAYOUT, TEXTS

if TYPE_CHECKING:
    import pydantic
    from lsst.images import FrameSet

__all__ = ("ArchiveFile",)

_COMPRESSED = (np.dtype(np.float32), np.dtype(np.int32))


@dataclasses.dataclass(frozen=True)
class _Image:
    """An extension that will be written."""

    key: ExtensionKey
    cards: bytes
    pixels: np.ndarray
    tiles: Tiles | None
    """The pixels in compressed form."""

    def write(self, stream: IO[bytes], date: Card) -> Place:
        """Write it at the end of a file."""
        name, cards = _name_cards(self.key), self.cards + format_cards([date])
        if self.tiles is None:
            return write_image(stream, self.pixels, name, cards)
        return write_tiles(stream, self.pixels, self.tiles, name, cards)


class ArchiveFile(OutputArchive[PointerModel]):
    """An archive that is put together, to be written at once.

    Parameters
    ----------
    pool
        Compresses planes; `None` if nothing shall be compressed.
    opaque
        Headers that the object had in the archive that it came from.
    ready
        Headers of arrays that are known beforehand, as they stand in a file:
        `add_array` takes them and does not ask for others.
    update_primary
        Adds cards to the primary header, or changes them.

    Notes
    -----
    Arrays must stay as they are until `write` is done.
    """

    def __init__(
        self,
        pool: Executor | None,
        opaque: object = None,
        ready: Mapping[ExtensionKey, bytes] | None = None,
        update_primary: Callable[[fits.Header], None] = no_header_updates,
    ) -> None:
        super().__init__()
        self._update_primary = update_primary
        self._pool = pool
        self._ready = ready or {}
        self._opaque = opaque if isinstance(opaque, FitsOpaqueMetadata) else FitsOpaqueMetadata()
        self._images: list[_Image] = []
        self._texts: list[bytes] = []
        self._pointers: dict[Hashable, PointerModel] = {}
        self._frame_sets: list[tuple[FrameSet, PointerModel]] = []

    def serialize_direct[T: pydantic.BaseModel | None](
        self, name: str, serializer: Callable[[OutputArchive[PointerModel]], T]
    ) -> T:
        """Save a part whose arrays get names that begin with that of the part."""
        return serializer(NestedOutputArchive[PointerModel](name, self))

    def serialize_pointer[T: ArchiveTree](
        self, name: str, serializer: Callable[[OutputArchive[PointerModel]], T], key: Hashable
    ) -> PointerModel:
        """Save a part as a text of its own, once for each key."""
        if key not in self._pointers:
            text = self.serialize_direct("", serializer).model_dump_json().encode()
            self._texts.append(text)
            # The first text is the tree, which comes last.
            cells = ArrayReferenceModel(
                source=f"fits:{TEXTS}[1]", shape=[len(text)], datatype=NumberType.uint8
            )
            column = TableColumnModel(name=TEXTS, data=cells)
            self._pointers[key] = PointerModel(column=column, row=len(self._texts))
        return self._pointers[key]

    def serialize_frame_set[T: ArchiveTree](
        self,
        name: str,
        frame_set: FrameSet,
        serializer: Callable[[OutputArchive[PointerModel]], T],
        key: Hashable,
    ) -> PointerModel:
        """Save a frame set as `serialize_pointer` does, and keep it in mind."""
        pointer = self.serialize_pointer(name, serializer, key)
        self._frame_sets.append((frame_set, pointer))
        return pointer

    def iter_frame_sets(self) -> Iterator[tuple[FrameSet, PointerModel]]:
        """Iterate over frame sets and what points at them."""
        return iter(self._frame_sets)

    def add_array(
        self,
        array: np.ndarray,
        *,
        name: str | None = None,
        update_header: Callable[[fits.Header], None] = no_header_updates,
        tile_shape: tuple[int, ...] | None = None,
        options_name: str | None = None,
    ) -> ArrayReferenceModel:
        """Add an array; a plane of four bytes per pixel is compressed.

        Raises
        ------
        TypeError
            Raised when FITS has no pixels of its type.
        """
        if name is None or array.dtype not in BITPIX:
            raise TypeError(f"An array of {array.dtype} with the name {name!r} cannot be written.")
        name, version = self._register_name(name)
        key = ExtensionKey(name.upper(), version)
        key.check()
        tiles = None
        if self._pool is not None and array.ndim == 2 and array.dtype in _COMPRESSED:
            tiles = submit_tiles(array, self._pool)
        # The cards of the header, with those that it had before.
        earlier, cards = self._opaque.headers.get(key), self._ready.get(key)
        if earlier is not None or cards is None:
            header = fits.Header()
            update_header(header)
            # astropy warns of long keywords and comments, of which we have none; threads take turns to be
            # quiet.
            with contextlib.nullcontext() if earlier is None else quiet_astropy():
                header.extend(earlier or ())
                cards = dump_header(header)
        self._images.append(_Image(key, cards, array, tiles))
        return ArrayReferenceModel(
            source=str(key), shape=list(array.shape), datatype=NumberType.from_numpy(array.dtype)
        )

    def add_table(self, table: Any, **options: Any) -> NoReturn:
        """Refuse a table: no part of a warp or of a coadd is one."""
        raise TypeError("This archive holds no tables.")

    def add_structured_array(self, array: np.ndarray, **options: Any) -> NoReturn:
        """Refuse a table: no part of a warp or of a coadd is one."""
        raise TypeError("This archive holds no tables.")

    def write(self, stream: IO[bytes], tree: ArchiveTree) -> None:
        """Write the archive.

        Parameters
        ----------
        stream
            An empty file.
        tree
            What `serialize_root` gave.
        """
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
        date = "DATE", now, "UTC date this HDU was written."
        write_hdu(stream, self._primary(tree, date, _NOWHERE, _NOWHERE))
        places = {ExtensionKey(): Place(0, stream.tell(), 0)}
        for image in self._images:
            places[image.key] = image.write(stream, date)
        texts = [tree.model_dump_json().encode(), *self._texts]
        records = Records(TEXTS, len(texts), [texts], sum(map(len, texts)))
        key = ExtensionKey(TEXTS)
        places[key] = write_ragged(stream, records, (), _name_cards(key), format_cards([date]))
        compressed = {image.key for image in self._images if image.tiles is not None}
        index = _write_index(stream, places, compressed, date)
        stream.seek(0)
        write_hdu(stream, self._primary(tree, date, index, places[key]))

    def _primary(self, tree: ArchiveTree, date: Card, index: Place, texts: Place) -> bytes:
        cards: list[Card] = [
            ("SIMPLE", True, "conforms to FITS standard"),
            ("BITPIX", 8, "array data type"),
            ("NAXIS", 0, "number of array dimensions"),
            ("EXTEND", True, ""),
            ("FMTVER", LAYOUT, "FITS container layout version."),
            ("INDXADDR", index.header, "Offset in bytes to the HDU index."),
            ("INDXSIZE", index.size, "Size of the HDU index."),
            ("JSONADDR", texts.header, "Offset in bytes to the JSON tree HDU."),
            ("JSONSIZE", texts.size, "Size of the JSON tree HDU."),
        ]
        with quiet_astropy():  # as above
            header = fits.Header(self._opaque.headers.get(ExtensionKey(), ()), copy=True)
            self._update_primary(header)
            kept = dump_header(header)
        return format_cards(cards) + kept + format_cards([date, ("DATAMODL", tree.schema_url, "Schema URL.")])


_NOWHERE = Place(0, 0, 0)


def _name_cards(key: ExtensionKey) -> Sequence[Card]:
    named: Card = ("EXTNAME", key.name, "extension name")
    return [named] if key.ver == 1 else [named, ("EXTVER", key.ver, "")]


def _write_index(
    stream: IO[bytes], places: Mapping[ExtensionKey, Place], compressed: set[ExtensionKey], date: Card
) -> Place:
    """Write the table that says where the HDUs are, and of what kind they are."""
    width = max(len(key.name) for key in places)
    columns = [
        ("EXTNAME", f"{width}A", f"S{width}"),
        ("EXTVER", "J", ">i4"),
        ("XTENSION", "8A", "S8"),
        ("ZIMAGE", "L", "S1"),
        *((name, "K", ">i8") for name in ("HDRADDR", "DATADDR", "DATSIZE")),
    ]
    rows = np.array(
        [
            (
                key.name.encode(),
                key.ver,
                b"BINTABLE" if key in compressed or key.name == TEXTS else b"IMAGE",
                b"T" if key in compressed else b"F",
                *extent,
            )
            for key, extent in places.items()
        ],
        dtype=[(name, dtype) for name, _, dtype in columns],
    )
    cards: list[Card] = [
        ("XTENSION", "BINTABLE", "binary table extension"),
        ("BITPIX", 8, "array data type"),
        ("NAXIS", 2, "number of array dimensions"),
        ("NAXIS1", rows.dtype.itemsize, "length of dimension 1"),
        ("NAXIS2", len(rows), "length of dimension 2"),
        ("PCOUNT", 0, "number of group parameters"),
        ("GCOUNT", 1, "number of groups"),
        ("TFIELDS", len(columns), "number of table fields"),
    ]
    for number, (name, form, _) in enumerate(columns, 1):
        cards += [(f"TTYPE{number}", name, ""), (f"TFORM{number}", form, "")]
    return write_hdu(
        stream, format_cards([*cards, ("EXTNAME", "INDEX", "extension name"), date]), rows.tobytes()
    )

"""Images as HDUs, plain or compressed without loss, in bytes that are the same each time.

astropy compresses images as well, but its gzip streams hold the time.
"""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from .cards import BLOCK
from .compression import compress_tiles

__all__ = ("dump_compressed", "dump_header", "dump_plain", "padded")

_SHORT = 2**31


def padded(data: bytes, fill: bytes = b"\0") -> bytes:
    """Return data with what fills up its last block of FITS."""
    return data.ljust(-(-len(data) // BLOCK) * BLOCK, fill)


def dump_header(header: fits.Header) -> bytes:
    """Return a header as it stands in a file."""
    text: str = header.tostring()
    return text.encode("ascii")


def dump_plain(array: np.ndarray, cards: fits.Header, name: str) -> bytes:
    """Return an image as an extension.

    Parameters
    ----------
    array
        The pixels, shape (y, x), float32 or int32.
    cards
        What else the header shall say.
    name
        EXTNAME.
    """
    header = fits.ImageHDU(array, header=cards, name=name).header
    raw = array.astype(array.dtype.newbyteorder(">"), copy=False).tobytes()
    return dump_header(header) + padded(raw)


def dump_compressed(array: np.ndarray, cards: fits.Header, name: str) -> bytes:
    """Return an image as a table of gzipped blocks of rows (GZIP_2: their bytes sorted by significance)."""
    tiles = compress_tiles(array)
    sizes = np.array([len(tile) for tile in tiles.data])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    letter, integer = ("P", ">i4") if starts[-1] < _SHORT else ("Q", ">i8")
    places = np.stack([sizes, starts[:-1]], axis=1).astype(integer)
    form = f"1{letter}B({sizes.max()})"
    header = _table_header(array, tiles.rows, form, places, int(starts[-1]), name)
    header.extend(cards, unique=True, update=True)
    return dump_header(header) + padded(b"".join([places.tobytes(), *tiles.data]))


def _table_header(
    array: np.ndarray, rows: int, form: str, places: np.ndarray, heap: int, name: str
) -> fits.Header:
    header = fits.Header()
    height, width = array.shape
    for key, value, comment in (
        ("XTENSION", "BINTABLE", "binary table extension"),
        ("BITPIX", 8, "8-bit bytes"),
        ("NAXIS", 2, "2-dimensional binary table"),
        ("NAXIS1", places.nbytes // len(places), "width of table in bytes"),
        ("NAXIS2", len(places), "number of rows in table"),
        ("PCOUNT", heap, "size of the compressed pixels"),
        ("GCOUNT", 1, "one data group"),
        ("TFIELDS", 1, "number of fields in each row"),
        ("TTYPE1", "COMPRESSED_DATA", "label for field 1"),
        ("TFORM1", form, "variable length array"),
        ("ZIMAGE", True, "extension contains compressed image"),
        ("ZBITPIX", -32 if array.dtype.kind == "f" else 32, "data type of original image"),
        ("ZNAXIS", 2, "dimension of original image"),
        ("ZNAXIS1", width, "length of original image axis"),
        ("ZNAXIS2", height, "length of original image axis"),
        ("ZPCOUNT", 0, "original PCOUNT keyword"),
        ("ZGCOUNT", 1, "original GCOUNT keyword"),
        ("ZTENSION", "IMAGE", "original extension type"),
        ("ZTILE1", width, "size of tiles to be compressed"),
        ("ZTILE2", rows, "size of tiles to be compressed"),
        ("ZQUANTIZ", "NONE", "lossless compression without quantization"),
        ("ZCMPTYPE", "GZIP_2", "compression algorithm"),
        ("EXTNAME", name, "extension name"),
    ):
        if key == "ZQUANTIZ" and array.dtype.kind != "f":
            continue
        header[key] = (value, comment)
    return header

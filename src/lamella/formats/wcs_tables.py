"""HDUs of the lookup tables that a projection needs beside its header."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np

from ..errors import MissingPartError
from ..fits.read import Header, hdu_label, header_text, image_axes, open_fits, optional_number, read_headers

__all__ = ("lookup_tables",)

_MAX_NODES = 2**20


def lookup_tables(path: Path) -> functools.partial[tuple[np.ndarray, Header]]:
    """Return what reads a lookup table of a file by EXTNAME and EXTVER, as `lamella.sky` wants it."""
    return functools.partial(_read_table, path)


def _read_table(path: Path, extname: str, extver: int) -> tuple[np.ndarray, Header]:
    """Return array and header of a table.

    Raises
    ------
    MissingPartError
        Raised when there is no such HDU, or it holds no table.
    """
    names = []
    for index, header in enumerate(read_headers(path)):
        if header_text(header, "EXTNAME").upper() != extname:
            continue
        version = optional_number(header, "EXTVER")
        names.append(f"{extname},{1 if version is None else version:g}")
        if (1 if version is None else version) == extver:
            return _read_array(path, index, header), header
    present = f"only {', '.join(names)}" if names else "no such HDU"
    raise MissingPartError(
        path, where=f"HDU {extname},{extver}", found=present, expected="the lookup table that a WCS names"
    )


def _read_array(path: Path, index: int, header: Header) -> np.ndarray:
    axes = image_axes(header)
    if len(axes) not in (1, 2) or not 0 < math.prod(axes) <= _MAX_NODES:
        raise MissingPartError(
            path,
            where=hdu_label(index),
            found=f"an array with the axes {list(axes)}",
            expected=f"a lookup table of one or two axes and at most {_MAX_NODES} numbers",
        )
    with open_fits(path) as hdus:
        return np.array(hdus[index].data, np.float64)

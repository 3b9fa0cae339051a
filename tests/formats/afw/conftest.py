"""A small writer of archives, as afw lays them out, and the files that afw itself wrote."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lamella.fits.hdus import Container
from lamella.formats.afw.afw_archive import Archive


def columns_of(values: dict[str, Any], flags: dict[str, Any]) -> list[fits.Column]:
    """Return columns of one kind each: numbers, texts, arrays of one length, lists of arrays."""
    result = []
    if flags:
        packed = np.array([np.atleast_1d(bits) for bits in zip(*flags.values(), strict=True)], dtype=bool)
        result.append(fits.Column("flags", f"{len(flags)}X", array=packed))
    for name, column in values.items():
        if isinstance(column, list) and isinstance(column[0], bytes):
            arrays = np.empty(len(column), dtype=object)
            arrays[:] = [np.frombuffer(text, np.uint8) for text in column]
            result.append(fits.Column(name, "QB()", array=arrays))
            continue
        array = np.asarray(column)
        if array.dtype.kind == "U":
            result.append(fits.Column(name, "64A", array=array))
            continue
        code = {"i4": "J", "i8": "K", "f4": "E", "f8": "D"}[array.dtype.str[1:]]
        count = int(np.prod(array.shape[1:]))
        result.append(fits.Column(name, f"{count}{code}", array=array))
    return result


@dataclasses.dataclass
class ArchiveWriter:
    """Collects objects and writes them; all can be damaged before or after."""

    path: Path
    index: list[tuple[int, int, int, int, int, str, str]] = dataclasses.field(default_factory=list)
    tables: list[fits.BinTableHDU] = dataclasses.field(default_factory=list)
    units: list[Any] = dataclasses.field(default_factory=list)
    primary: dict[str, Any] = dataclasses.field(default_factory=dict)

    def add(self, name: str, *tables: dict[str, Any], module: str = "lsst.afw", id: int | None = None) -> int:
        """Add an object with rows in tables of its own; a key ``flags`` names flags."""
        id = len({entry[0] for entry in self.index}) + 1 if id is None else id
        for number, values in enumerate(tables):
            values = dict(values)
            flags = values.pop("flags", {})
            hdu = fits.BinTableHDU.from_columns(columns_of(values, flags))
            hdu.header["EXTTYPE"], hdu.header["AR_NAME"] = "ARCHIVE_DATA", name
            hdu.header["AR_CATN"] = len(self.tables) + 1
            for bit, flag in enumerate(flags, start=1):
                hdu.header[f"TFLAG{bit}"] = flag
            self.tables.append(hdu)
            self.index.append((id, len(self.tables), number, 0, len(hdu.data), name, module))
        if not tables:
            self.index.append((id, -1, 0, 0, 0, name, module))
        return id

    def write(self) -> Path:
        names = ("id", "cat.archive", "cat.persistable", "row0", "nrows")
        columns = [
            fits.Column(name, "J", array=np.array([entry[n] for entry in self.index], dtype=np.int32))
            for n, name in enumerate(names)
        ]
        columns += [
            fits.Column(name, "64A", array=np.array([entry[5 + n] for entry in self.index]))
            for n, name in enumerate(("name", "module"))
        ]
        index = fits.BinTableHDU.from_columns(columns)
        index.header["EXTTYPE"], index.header["AR_NCAT"] = "ARCHIVE_INDEX", len(self.tables) + 1
        primary = fits.PrimaryHDU()
        primary.header["AR_HDU"] = 2 + len(self.units)
        for key, value in self.primary.items():
            primary.header[f"HIERARCH {key}" if len(key) > 8 else key] = value
        fits.HDUList([primary, *self.units, index, *self.tables]).writeto(self.path, overwrite=True)
        return self.path

    def archive(self) -> Archive:
        return Archive(Container(self.write()))


@pytest.fixture
def writer(tmp_path: Path) -> ArchiveWriter:
    return ArchiveWriter(tmp_path / "archive.fits")


@pytest.fixture(scope="session")
def afw_files(shared: Path) -> Path:
    return shared / "data" / "lsst_fits"

"""Planes in plain, uncompressed FITS files: made, read and written by parts."""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits

_BLOCK = 2880
_TYPES = {-32: np.dtype(">f4"), 32: np.dtype(">i4")}


class FitsPlane:
    """The image in the primary HDU of a file, read by boxes.

    A read maps only the rows that it needs, and for no longer than it takes:
    memory does not grow with what has been read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with fits.open(path) as hdus:
            header = hdus[0].header
            self.header = header
            self.dtype = _TYPES[header["BITPIX"]]
            self.shape: tuple[int, int] = (header["NAXIS2"], header["NAXIS1"])
            self._offset: int = hdus[0].fileinfo()["datLoc"]

    def read(self, y: slice = slice(None), x: slice = slice(None)) -> np.ndarray:
        """Return a copy of a box in the machine's byte order."""
        rows, columns = range(*y.indices(self.shape[0])), range(*x.indices(self.shape[1]))
        start = self._offset + rows.start * self.shape[1] * 4
        first = start - start % mmap.ALLOCATIONGRANULARITY
        stop = self._offset + rows.stop * self.shape[1] * 4
        with open(self.path, "rb") as file:
            pages = mmap.mmap(file.fileno(), stop - first, prot=mmap.PROT_READ, offset=first)
        strip = np.ndarray((len(rows), self.shape[1]), self.dtype, pages, start - first)
        return strip[:, columns.start : columns.stop].astype(self.dtype.newbyteorder("="))


@dataclasses.dataclass(frozen=True)
class WarpFiles:
    """Names of the files of the first n warps in a folder."""

    folder: Path
    n: int

    def names(self, kind: str) -> list[Path]:
        """Return the files of a kind: image, variance, mask, weight or archive."""
        return [self.folder / f"warp{i:03d}.{kind}.fits" for i in range(self.n)]

    def first(self, n: int) -> WarpFiles:
        return dataclasses.replace(self, n=n)


@contextlib.contextmanager
def create_plane(
    path: Path, header: fits.Header, kind: str, shape: tuple[int, int]
) -> Iterator[Callable[[np.ndarray], None]]:
    """Make a file whose rows are written strip by strip, with what the context gives.

    Parameters
    ----------
    path
        Name of the file.
    header
        Cards beyond those of the array.
    kind
        ``"f"`` for float32, ``"i"`` for int32.
    shape
        Rows and columns.
    """
    full = fits.Header({"SIMPLE": True, "BITPIX": -32 if kind == "f" else 32, "NAXIS": 2})
    full["NAXIS1"], full["NAXIS2"] = shape[1], shape[0]
    full.extend(header.cards, strip=True)
    with open(path, "wb", buffering=0) as file:
        file.write(full.tostring().encode("ascii"))
        yield lambda rows: file.write(rows.astype(f">{kind}4").data)
        file.write(bytes(-file.tell() % _BLOCK))


def write_planes(path: Path, planes: dict[str, np.ndarray]) -> None:
    """Write planes as the HDUs of one file, with astropy."""
    hdus = [fits.ImageHDU(plane, name=name) for name, plane in planes.items()]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)

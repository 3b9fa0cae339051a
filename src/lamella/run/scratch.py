"""Warps that wait on disk until they are stacked.

A scratch file holds the three planes of a warp one behind the other, as they
are in memory.  It is private to one run on one machine and is removed at its
end; warps to keep are written as archives instead.
"""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
from lsst.images import Box, MaskSchema

from ..coadd.stack.sources import view_planes
from ..data.inputs import WarpSource
from ..errors import OutputError, UnreadableFileError
from ..image.planes import Planes

__all__ = ("ScratchWarp", "write_scratch")

_TYPES = (np.float32, np.int32, np.float32)


@dataclasses.dataclass(frozen=True)
class ScratchWarp:
    """A warp in a scratch file, as a `lamella.data.inputs.WarpSource`."""

    path: Path
    bbox: Box
    schema: MaskSchema

    def read(self, box: Box) -> Planes:
        """Read the planes of a box; only its rows are touched."""
        planes = Planes.unset(box)
        self.fill(planes)
        return planes

    def fill(self, planes: Planes) -> None:
        """Fill the planes of a box."""
        at = planes.box.slice_within(self.bbox)
        with self.path.open("rb") as stream:
            for index, plane in enumerate(planes.arrays):
                self._fill_plane(stream, index, (at.y, at.x), plane)

    def _fill_plane(
        self, stream: io.BufferedReader, index: int, within: tuple[slice, slice], plane: np.ndarray
    ) -> None:
        (rows, columns), shape = within, (self.bbox.y.size, self.bbox.x.size)
        stream.seek(4 * shape[1] * (index * shape[0] + rows.start))
        whole = columns == slice(0, shape[1]) and plane.flags.c_contiguous
        strip = plane if whole else np.empty((rows.stop - rows.start, shape[1]), _TYPES[index])
        # Plain reads, not a memory map: mapped pages would count as memory of the process.
        if stream.readinto(memoryview(strip).cast("B")) != strip.nbytes:
            raise UnreadableFileError(
                self.path, found="an early end", expected=f"{shape} pixels of three planes"
            )
        if not whole:
            plane[...] = strip[:, columns]


def write_scratch(source: WarpSource, path: Path) -> ScratchWarp:
    """Write the planes of a warp to a scratch file.

    Raises
    ------
    OutputError
        Raised when the file cannot be written, e.g. because the disk is full.
    """
    planes = view_planes(source)
    try:
        with path.open("wb") as stream:
            for plane, kind in zip((planes.image, planes.mask, planes.variance), _TYPES, strict=True):
                stream.write(np.ascontiguousarray(plane, dtype=kind).data)
    except OSError as err:
        path.unlink(missing_ok=True)
        raise OutputError(path, reason=err.strerror or str(err)) from err
    return ScratchWarp(path, source.bbox, source.schema)

"""Warps that wait on disk until they are stacked.

A scratch file holds the three planes of a warp one behind the other, as they
are in memory.  It is private to one run on one machine and is removed at its
end; warps to keep are written as archives instead.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from lsst.images import Box, MaskSchema

from ..coadd.inputs import WarpSource
from ..coadd.sources import Planes
from ..errors import OutputError

__all__ = ("ScratchWarp", "write_scratch")

_TYPES = ("<f4", "<i4", "<f4")


@dataclasses.dataclass(frozen=True)
class ScratchWarp:
    """A warp in a scratch file, as a `lamella.coadd.inputs.WarpSource`."""

    path: Path
    bbox: Box
    schema: MaskSchema

    def read(self, box: Box) -> Planes:
        """Read the planes of a box; only its rows are touched."""
        at = box.slice_within(self.bbox)
        planes = [self._read_plane(index, at.y, at.x) for index in range(3)]
        return Planes(*planes)

    def _read_plane(self, index: int, rows: slice, columns: slice) -> np.ndarray:
        shape = (self.bbox.y.size, self.bbox.x.size)
        plane_bytes = 4 * shape[0] * shape[1]
        start = index * plane_bytes + 4 * shape[1] * rows.start
        count = (rows.stop - rows.start) * shape[1]
        # Plain reads, not a memory map: mapped pages would count as memory of the process.
        flat = np.fromfile(self.path, dtype=_TYPES[index], count=count, offset=start)
        return np.ascontiguousarray(flat.reshape(-1, shape[1])[:, columns])


def write_scratch(source: WarpSource, path: Path) -> ScratchWarp:
    """Write the planes of a warp to a scratch file.

    Raises
    ------
    OutputError
        Raised when the file cannot be written, e.g. because the disk is full.
    """
    planes = source.read(source.bbox)
    try:
        with path.open("wb") as stream:
            for plane, kind in zip((planes.image, planes.mask, planes.variance), _TYPES, strict=True):
                stream.write(np.ascontiguousarray(plane, dtype=kind).data)
    except OSError as err:
        path.unlink(missing_ok=True)
        raise OutputError(path, reason=err.strerror or str(err)) from err
    return ScratchWarp(path, source.bbox, source.schema)

"""Warps that wait on disk until they are stacked.

A scratch file holds the three planes of a warp one behind the other, as they
are in memory.  It is private to one run on one machine and is removed at its
end; warps to keep are written as archives instead.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from lsst.images import Box, MaskSchema

from ..coadd.stack.sources import view_planes
from ..data.inputs import WarpSource
from ..errors import OutputError
from ..files import TEMPORARY_PREFIX
from ..fits.hdus import Container
from ..fits.planes_by_box import PlainPlane
from ..image.planes import Planes
from .folder import SCRATCH_NAME

__all__ = ("ScratchWarp", "scratch_folder", "write_scratch")


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
        with self._planes[0].file:
            for plane, array in zip(self._planes, planes.arrays, strict=True):
                plane.read(at.y, at.x, array)

    @functools.cached_property
    def _planes(self) -> list[PlainPlane]:
        file, shape = Container(self.path), (self.bbox.y.size, self.bbox.x.size)
        starts = range(0, 12 * math.prod(shape), 4 * math.prod(shape))
        return [
            PlainPlane(file, start, shape, np.dtype(kind))
            for start, kind in zip(starts, Planes.TYPES, strict=True)
        ]


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
            for plane, kind in zip(planes.arrays, Planes.TYPES, strict=True):
                stream.write(np.ascontiguousarray(plane, dtype=kind).data)
    except OSError as err:
        path.unlink(missing_ok=True)
        raise OutputError(path, reason=err.strerror or str(err)) from err
    return ScratchWarp(path, source.bbox, source.schema)


@contextmanager
def scratch_folder(parent: Path | None) -> Iterator[Path]:
    """Give a folder for scratch files, which is removed at the end.

    Parameters
    ----------
    parent
        Where it is; `None` for the folder of the system.

    Raises
    ------
    OutputError
        Raised when it cannot be made.
    """
    prefix = f"{TEMPORARY_PREFIX}{SCRATCH_NAME}-"
    try:
        folder = tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True)
    except OSError as err:
        raise OutputError(parent or tempfile.gettempdir(), reason=err.strerror or str(err)) from err
    with folder as name:
        yield Path(name)

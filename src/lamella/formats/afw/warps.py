"""Warps in the layout of afw as inputs of a coadd: boxes of pixels are read when they are needed."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Any, Self

import numpy as np
from lsst.images import Box, MaskSchema, SkyProjection
from lsst.images.psfs import PointSpreadFunction

from ...data.detector import DetectorInput
from ...data.inputs import WarpInput
from ...data.owners import Owners
from ...data.warp import Warp
from ...errors import UnreadableFileError
from ...image.planes import Planes
from ...planes import make_schema
from .exposure import AfwFile
from .masks import plane_bits
from .own import own_projection
from .plane_hdus import require_plane
from .products import product_scale, read_afw_product, read_planes

__all__ = ("AfwWarp",)


class AfwWarp:
    """A warp that afw wrote, or `lamella.write_afw`, as a `lamella.data.inputs.WarpSource`.

    It can be used wherever a `lamella.ArchiveWarp` can.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, damaged, or not a warp.
    InputError
        Raised when it lacks what a warp needs.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        self._file = AfwFile(path)
        self.bbox: Box = self._file.bbox
        # One pixel is read: identity, inputs and PSF are those of the file.
        corner = Box.factory[
            self.bbox.y.start : self.bbox.y.start + 1, self.bbox.x.start : self.bbox.x.start + 1
        ]
        product = read_afw_product(path, bbox=corner)
        if not isinstance(product, Warp):
            raise UnreadableFileError(path, found="a coadd", expected="a warp")
        self.instrument: str = product.instrument
        self.visit: int = product.visit
        self.band: str = product.band
        self.detectors: tuple[DetectorInput, ...] = product.detectors
        self.matched_psf: PointSpreadFunction | None = product.matched_psf
        # afw does not say them.
        self.owners: Owners | None = None
        self.bad_mask_planes: tuple[str, ...] | None = None
        self.projection: SkyProjection[Any] = own_projection(self._file)
        container = self._file.container
        self.schema: MaskSchema = make_schema(plane_bits(require_plane(container, "MASK")))
        self._to_njy, _ = product_scale(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        return None

    def read(self, box: Box) -> Planes:
        """Read the planes of a box; several threads may do so at a time."""
        planes = read_planes(self._file, box, self._to_njy)
        return Planes(
            box,
            np.ascontiguousarray(planes.image.array, dtype=np.float32),
            np.ascontiguousarray(planes.mask.array[..., 0], dtype=np.int32),
            np.ascontiguousarray(planes.variance.array, dtype=np.float32),
        )

    def as_input(self) -> WarpInput:
        """Return the record of this warp for `lamella.assemble`."""
        return WarpInput.of(self, self, self.projection)

"""Warps in plain FITS files as inputs of `lamella.assemble`."""

from __future__ import annotations

from pathlib import Path

from lsst.images import Box

from lamella.data.inputs import CoaddTarget, WarpInput
from lamella.fits.hdus import Container
from lamella.fits.planes_by_box import open_plane
from lamella.image.planes import Planes
from lamella.planes import make_schema
from lamella.sky.projection import projection_from_header

from .fits_planes import FitsPlane, WarpFiles


class FitsWarp:
    """A warp in three plain FITS files as a `lamella.data.inputs.WarpSource`."""

    def __init__(self, *paths: Path) -> None:
        self._planes = [open_plane(Container(path).units[0]) for path in paths]
        first = FitsPlane(paths[0])
        self.bbox, self.header = Box.from_shape(first.shape), first.header
        self.schema = make_schema()

    def read(self, box: Box) -> Planes:
        planes = Planes.unset(box)
        self.fill(planes)
        return planes

    def fill(self, planes: Planes) -> None:
        at = planes.box.slice_within(self.bbox)
        for plane, out in zip(self._planes, planes.arrays, strict=True):
            plane.read(at.y, at.x, out)


def open_warps(files: WarpFiles, *, find_weights: bool = False) -> tuple[list[WarpInput], CoaddTarget]:
    """Return the warps, with the weights of their headers unless they are to be found, and their grid."""
    names = zip(files.names("image"), files.names("mask"), files.names("variance"), strict=True)
    sources = [FitsWarp(*paths) for paths in names]
    inputs = [
        WarpInput(
            instrument="Bench",
            visit=int(source.header["VISIT"]),
            band="r",
            source=source,
            weight=None if find_weights else float(source.header["WEIGHT"]),
        )
        for source in sources
    ]
    projection = projection_from_header(sources[0].header, path=files.names("image")[0], hdu=0)
    return inputs, CoaddTarget(outer_bbox=sources[0].bbox, projection=projection)

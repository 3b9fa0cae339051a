"""Tracts, large regions of the sky with one pixel grid each, and their patches and cells."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from lsst.images import Box, SkyProjection, TractFrame

from ..astlock import guard_ast
from ..errors import SkyMapError
from .footprint import box_polygon, to_pixels, to_sky
from .geometry import SkyPolygon
from .layout import (
    CellPatches,
    GridShape,
    ImageGrid,
    LegacyPatches,
    PatchKey,
    TractSite,
    resolve_key,
    tract_wcs,
)
from .projection import projection_from_header
from .vectors import angular_separation

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from lsst.images.cells import CellGrid

__all__ = ("Cell", "Patch", "Tract")

guard_ast()


class TractParent(Protocol):
    """The sky map of a tract, as far as the tract needs it."""

    @property
    def name(self) -> str:
        """Name of the sky map."""

    @property
    def config(self) -> Any:
        """Options of the sky map, those of `lamella.sky.skymap.SkyMapConfig` among them."""

    def find_tracts(self, coords: SkyCoord) -> np.ndarray:
        """Return the numbers of the tracts that positions belong to."""


class Tract:
    """One tract of a sky map.

    Tracts are made by indexing a sky map.  What costs time (the projection,
    the region on the sky) is computed when it is asked for.

    Parameters
    ----------
    parent
        The sky map.
    id
        Number of the tract.
    site
        Where it lies.
    """

    def __init__(self, parent: TractParent, id: int, site: TractSite) -> None:
        self._parent = parent
        self._site = site
        self._grid = site.cut(parent.config.patches.inner_size)
        self.id = id

    @property
    def skymap(self) -> str:
        """Name of the sky map."""
        return self._parent.name

    @property
    def layout(self) -> LegacyPatches | CellPatches:
        """How the tract is cut into patches."""
        layout: LegacyPatches | CellPatches = self._parent.config.patches
        return layout

    @property
    def bbox(self) -> Box:
        """All pixels of the tract; the first one is (0, 0)."""
        return self._grid.bbox

    @property
    def n_patches(self) -> GridShape:
        """Columns and rows of patches."""
        return self._grid.shape

    @property
    def center(self) -> SkyCoord:
        """Centre, in ICRS."""
        ra, dec = self._site.center
        return SkyCoord(ra=ra * u.deg, dec=dec * u.deg, frame="icrs")

    @property
    def pixel_scale(self) -> u.Quantity:
        """Angle per pixel at the reference point of the projection."""
        return self._parent.config.pixel_scale * u.arcsec

    @property
    def fits_wcs(self) -> WCS:
        """The projection as a new FITS WCS for an image of the whole tract, with all its digits."""
        if self._site.image is not None:
            from astropy.io import fits
            from astropy.wcs import WCS

            return WCS(fits.Header(self._site.image.cards))
        config = self._parent.config
        return tract_wcs(
            config.projection,
            config.pixel_scale,
            self._site.crval,
            rotation=config.rotation,
            crpix=self._grid.crpix,
        )

    @cached_property
    def projection(self) -> SkyProjection[TractFrame]:
        """Tract pixels to ICRS."""
        frame = TractFrame(skymap=self.skymap, tract=self.id, bbox=self.bbox)
        image = self._site.image
        # An image without distortion takes the way of all others: the same grid has the same bits.
        if image is None or not _is_distorted(image):
            return SkyProjection.from_fits_wcs(self.fits_wcs, frame)
        return projection_from_header(dict(image.cards), path=self.skymap, hdu="cards", pixel_frame=frame)

    @cached_property
    def polygon(self) -> SkyPolygon:
        """Region of all pixels on the sky.

        Raises
        ------
        GeometryError
            Raised when the tract is not smaller than a hemisphere.
        """
        return box_polygon(self.projection, self.bbox, per_side=32)

    def contains(self, coords: SkyCoord) -> np.ndarray:
        """Return which coordinates lie on pixels of this tract."""
        x, y = to_pixels(self.projection, coords)
        return np.asarray(self.bbox.contains(x=x, y=y))

    def inner_contains(self, coords: SkyCoord) -> np.ndarray:
        """Return which coordinates lie on pixels of this tract and belong to no other tract."""
        return np.asarray((self._parent.find_tracts(coords) == self.id) & self.contains(coords))

    def __len__(self) -> int:
        return self.n_patches.x * self.n_patches.y

    def __iter__(self) -> Iterator[Patch]:
        nx, ny = self.n_patches
        return (Patch(self, (x, y)) for y in range(ny) for x in range(nx))

    def __getitem__(self, key: PatchKey) -> Patch:
        return self.patch(key)

    def patch(self, key: PatchKey) -> Patch:
        """Return a patch.

        Parameters
        ----------
        key
            Its label ``"5,4"``, its index (x, y), or its number, which counts along rows.

        Raises
        ------
        SkyMapError
            Raised when there is no such patch, or the label is malformed.
        """
        return Patch(self, resolve_key(key, self.n_patches, f"patch in tract {self.id}"))

    def find_patch(self, coord: SkyCoord) -> Patch:
        """Return the patch whose inner box holds a position.

        Raises
        ------
        SkyMapError
            Raised when the position is outside of the tract.
        """
        x, y = to_pixels(self.projection, coord)
        if not self.bbox.contains(x=float(x), y=float(y)):
            raise SkyMapError(
                f"{coord.to_string('hmsdms')} is not in tract {self.id} of the sky map {self.skymap!r}.",
                tract=self.id,
            )
        width, height = self.layout.inner_size
        return Patch(self, (int(np.floor(x + 0.5)) // width, int(np.floor(y + 0.5)) // height))

    def find_patches(self, coords: SkyCoord) -> tuple[Patch, ...]:
        """Return the patches near some positions, as the original pipelines do.

        These are all patches that touch the bounding box of the pixel
        positions grown by the border: more than needed where the positions do
        not lie along rows and columns.  `overlapping_patches` is exact.

        Parameters
        ----------
        coords
            Positions; those that the projection does not reach are left out.

        Returns
        -------
        tuple of Patch
            Row by row; empty when the box is outside of the tract.
        """
        x, y = (np.atleast_1d(values) for values in to_pixels(self.projection, coords))
        good = np.isfinite(x) & np.isfinite(y)
        if not good.any():
            return ()
        columns = self._index_range(x[good], self.layout.inner_size[0], self.n_patches.x)
        rows = self._index_range(y[good], self.layout.inner_size[1], self.n_patches.y)
        return tuple(Patch(self, (i, j)) for j in rows for i in columns)

    def _index_range(self, positions: np.ndarray, inner: int, count: int) -> range:
        border = self.layout.border_size
        low, high = np.floor(np.array([positions.min(), positions.max()]) + 0.5)
        # Clipped before the conversion, because a position can be too large for an integer.
        low, high = np.clip([low - border, high + border], -1.0, float(count * inner))
        return range(max(int(low) // inner, 0), min(int(high) // inner + 1, count))

    def overlapping_patches(self, polygon: SkyPolygon) -> tuple[Patch, ...]:
        """Return the patches whose outer boxes overlap a region, row by row."""
        axes, angles = self._patch_circles
        circle = polygon.outer_circle
        near = angular_separation(axes, np.array(circle.axis)) <= angles + circle.angle + 1e-12
        nx = self.n_patches.x
        patches = [self._patch_at((int(i) % nx, int(i) // nx)) for i in np.flatnonzero(near)]
        return tuple(patch for patch in patches if patch.polygon.overlaps(polygon))

    @cached_property
    def _patch_at(self) -> Callable[[tuple[int, int]], Patch]:
        """What gives the patch of an index, always the same one, so that its region is found once."""
        return functools.cache(functools.partial(Patch, self))

    @cached_property
    def _patch_circles(self) -> tuple[np.ndarray, np.ndarray]:
        """Circles around the outer boxes of all patches: axes of shape (n, 3) and angles of shape (n)."""
        (x0, x1), (y0, y1) = self._outer_edges(0), self._outer_edges(1)
        y, x = (np.concatenate(axis) for axis in np.meshgrid([0.0, 0.5, 1.0], [0.0, 0.5, 1.0], indexing="ij"))
        # Nine points of each patch, from corner to corner, along the last axis; row by row of patches.
        across = (x0[:, None] + x * (x1 - x0)[:, None])[None, :, :]
        up = (y0[:, None] + y * (y1 - y0)[:, None])[:, None, :]
        points = to_sky(self.projection, *(v.reshape(-1, 9) for v in np.broadcast_arrays(across, up)))
        axes = points[:, 4]
        # Sides are bent so little between two points that one part in a hundred covers it.
        return axes, 1.01 * angular_separation(points, axes[:, None]).max(axis=1)

    def _outer_edges(self, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the borders of the outer boxes of all columns (axis 0) or rows (axis 1) of patches."""
        inner, count = self.layout.inner_size[axis], self.n_patches[axis]
        low = np.arange(count) * float(inner) - self.layout.border_size
        high = low + inner + 2 * self.layout.border_size
        if self.layout.clipped:
            low, high = np.maximum(low, 0.0), np.minimum(high, (self.bbox.x.size, self.bbox.y.size)[axis])
        return low - 0.5, high - 0.5

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tract):
            return NotImplemented
        return self.id == other.id and self._parent == other._parent

    def __hash__(self) -> int:
        return hash((self.id, self._parent))

    def __reduce__(self) -> tuple[Any, ...]:
        # The sky map makes an equal tract, and its options are few.
        return operator.getitem, (self._parent, self.id)

    def __repr__(self) -> str:
        return f"Tract({self.skymap!r}, {self.id})"


def _is_distorted(image: ImageGrid) -> bool:
    """Return whether a projection is other than astropy and AST read alike: distorted, or not in ICRS."""
    cards = dict(image.cards)
    return "A_ORDER" in cards or cards.get("RADESYS") != "ICRS" or not str(cards["CTYPE1"]).startswith("RA")


@dataclasses.dataclass(frozen=True)
class Cell:
    """A small box of a patch, over which the PSF can be taken as constant.

    Attributes
    ----------
    index
        Column and row in the patch.
    inner_bbox
        Pixels that belong to this cell alone, in the tract's pixel frame.
    outer_bbox
        The inner box with its border.
    """

    index: tuple[int, int]
    inner_bbox: Box
    outer_bbox: Box

    @property
    def label(self) -> str:
        """Column and row, e.g. ``"3,7"``."""
        return f"{self.index[0]},{self.index[1]}"


@dataclasses.dataclass(frozen=True)
class Patch:
    """One patch of a tract.

    Attributes
    ----------
    parent
        The tract.
    index
        Column and row in the tract.
    """

    parent: Tract
    index: tuple[int, int]

    @property
    def tract(self) -> int:
        """Number of the tract."""
        return self.parent.id

    @property
    def skymap(self) -> str:
        """Name of the sky map."""
        return self.parent.skymap

    @property
    def label(self) -> str:
        """Column and row, e.g. ``"5,4"``."""
        return f"{self.index[0]},{self.index[1]}"

    @property
    def sequential(self) -> int:
        """Number of the patch, counted along rows."""
        return self.index[1] * self.parent.n_patches.x + self.index[0]

    @cached_property
    def _boxes(self) -> tuple[Box, Box]:
        (width, height), (x, y) = self.parent.layout.inner_size, self.index
        inner = Box.factory[y * height : (y + 1) * height, x * width : (x + 1) * width]
        outer = inner.dilated_by(self.parent.layout.border_size)
        if not self.parent.layout.clipped:
            return inner, outer
        # Of an image the last patches may be smaller.
        return inner.intersection(self.parent.bbox), outer.intersection(self.parent.bbox)

    @property
    def inner_bbox(self) -> Box:
        """Pixels that belong to this patch alone, in the tract's pixel frame."""
        return self._boxes[0]

    @property
    def outer_bbox(self) -> Box:
        """The inner box with its border: the pixels of the patch's coadd."""
        return self._boxes[1]

    @property
    def projection(self) -> SkyProjection[TractFrame]:
        """Tract pixels to ICRS."""
        return self.parent.projection

    @cached_property
    def polygon(self) -> SkyPolygon:
        """Region of the outer box on the sky."""
        return box_polygon(self.projection, self.outer_bbox)

    @property
    def n_cells(self) -> GridShape:
        """Columns and rows of cells, those of the border included.

        Raises
        ------
        SkyMapError
            Raised when the sky map has no cells.
        """
        size = self._cell_layout.cells + 2 * self._cell_layout.border_cells
        return GridShape(size, size)

    @property
    def cells(self) -> Iterator[Cell]:
        """All cells, row by row.

        Raises
        ------
        SkyMapError
            Raised when the sky map has no cells.
        """
        shape = self.n_cells
        return (self._make_cell(x, y) for y in range(shape.y) for x in range(shape.x))

    def cell(self, key: PatchKey) -> Cell:
        """Return a cell by its label ``"3,7"``, its index (x, y) or its number.

        Raises
        ------
        SkyMapError
            Raised when there is no such cell.
        """
        return self._make_cell(*resolve_key(key, self.n_cells, "cell"))

    @property
    def cell_grid(self) -> CellGrid:
        """The inner boxes of all cells as the grid that cell coadds of `lsst.images` need.

        Raises
        ------
        SkyMapError
            Raised when the sky map has no cells.
        """
        from lsst.images import YX
        from lsst.images.cells import CellGrid

        layout = self._cell_layout
        box = self.inner_bbox.dilated_by(layout.border_cells * layout.cell_inner)
        return CellGrid(bbox=box, cell_shape=YX(y=layout.cell_inner, x=layout.cell_inner))

    @property
    def _cell_layout(self) -> CellPatches:
        layout = self.parent.layout
        if not isinstance(layout, CellPatches):
            raise SkyMapError(
                f"Patches of the sky map {self.skymap!r} have no cells; its builder is {layout.builder!r}."
            )
        return layout

    def _make_cell(self, x: int, y: int) -> Cell:
        layout = self._cell_layout
        size, x0, y0 = layout.cell_inner, self.inner_bbox.x.start, self.inner_bbox.y.start
        x0, y0 = x0 + (x - layout.border_cells) * size, y0 + (y - layout.border_cells) * size
        inner = Box.factory[y0 : y0 + size, x0 : x0 + size]
        return Cell((x, y), inner, inner.dilated_by(layout.cell_border))

    def __repr__(self) -> str:
        return f"Patch({self.skymap!r}, tract={self.tract}, {self.label!r})"

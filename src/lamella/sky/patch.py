"""Patches and cells: the boxes that coadds are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from lsst.images import Box, SkyProjection, TractFrame

from ..errors import SkyMapError
from .footprint import box_polygon
from .geometry import SkyPolygon
from .layout import CellPatches, GridShape, PatchKey, resolve_key

if TYPE_CHECKING:
    from lsst.images.cells import CellGrid

    from .tract import Tract

__all__ = ("Cell", "Patch")


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
        return inner, outer.intersection(self.parent.bbox) if self.parent.layout.clipped else outer

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

"""Maps from the pixels of one projection to those of another, with a bounded error."""

from __future__ import annotations

import functools
import math
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from lsst.images import Box, GeneralFrame, SkyProjection

from ..kernels.resample.lookups import spread_nodes, undo_lookup
from ..kernels.resample.resample import PositionGrid
from .convert import convert_positions
from .lookup import LookupTable, split_lookups

__all__ = ("PixelMap",)

_COARSE = 128
_SAFETY = 2.0
# The scatter of a star's flux from the resampling itself is 5e-5.
_AREA_TOLERANCE = 1e-5
_PROBES = 12
_MARGIN = 16
_UNTESTED = 4.0
"""Excess of a grid whose cells all miss the source: halves the spacing."""
_SIDES = np.array([(0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5)])
"""Middles (x, y) of the right, left, upper and lower side of a pixel."""

type _Points = tuple[np.ndarray, np.ndarray]


class PixelMap:
    """The map between the pixels of an exposure and the pixels of a tract.

    Parameters
    ----------
    source
        Projection of the pixels that are resampled.
    destination
        Projection of the pixels that are made.

    Notes
    -----
    Positions are functions of one point each: they do not depend on what else
    is asked for at the same time.  A position without a counterpart, e.g.
    behind the tangent plane, is NaN.

    Grids of a source with lookup tables have a node per pixel: what follows the
    tables is interpolated between nodes as for others, and the tables are then
    undone pixel by pixel, so that their kinks stay where they are.
    """

    def __init__(self, source: SkyProjection[Any], destination: SkyProjection[Any]) -> None:
        self.source = source
        self.destination = destination
        self._known_box: tuple[Box, Box | None] | None = None
        self._known_nodes: tuple[np.ndarray, np.ndarray, _Points] | None = None
        self._smooth_spacing = 1

    @functools.cached_property
    def _lookups(self) -> tuple[list[LookupTable], PixelMap] | None:
        """Tables at the beginning of the source, and the map without them; `None` where there are none."""
        split = split_lookups(self.source.pixel_to_sky_transform._ast_mapping)
        if split is None:
            return None
        tables, frames = split
        rest = SkyProjection.from_ast_frame_set(frames, GeneralFrame(unit=u.pix))
        return tables, PixelMap(rest, self.destination)

    def to_source(self, x: npt.ArrayLike, y: npt.ArrayLike) -> _Points:
        """Return the source position of destination positions, exact to 1e-9 pixels or so.

        Parameters
        ----------
        x, y
            Positions in the destination, pixels; they are broadcast.

        Returns
        -------
        x, y : `numpy.ndarray`
            Positions in the source, pixels.
        """
        return convert_positions(self.destination, self.source, x, y)

    def to_destination(self, x: npt.ArrayLike, y: npt.ArrayLike) -> _Points:
        """Return the destination position of source positions; see `to_source`."""
        return convert_positions(self.source, self.destination, x, y)

    def derivatives(self, x: npt.ArrayLike, y: npt.ArrayLike) -> np.ndarray:
        """Return the derivatives of the destination position at source positions.

        Parameters
        ----------
        x, y
            Positions in the source, pixels, shape (n,).

        Returns
        -------
        numpy.ndarray of float64, shape (n, 2, 2)
            ``[[dX/dx, dX/dy], [dY/dx, dY/dy]]`` of the position (X, Y) in the
            destination, as differences over one pixel; NaN where there is none.
        """
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        there = self.to_destination(x + _SIDES[:, :1], y + _SIDES[:, 1:])
        rows = [[values[0] - values[1], values[2] - values[3]] for values in there]
        return np.moveaxis(np.array(rows), -1, 0)

    def destination_box(self, source_box: Box) -> Box | None:
        """Return a box of destination pixels that holds all of a box of source pixels.

        The border and the inside of the box are sampled, so that distortion
        and curvature are seen; the box is grown by what may lie between samples.

        Returns
        -------
        lsst.images.Box or `None`
            `None` when no position of the box has a counterpart.
        """
        if self._known_box is None or self._known_box[0] != source_box:
            # It is wanted again when the spacing is chosen.
            x, y = self.to_destination(*_lattice(source_box, 17))
            box = _box_around(x, y, 0.0) if np.isfinite(x).all() else None
            # A finer lattice would find a box between these two.
            if box is None or box != _box_around(x, y, 4.0):
                x, y = self.to_destination(*_lattice(source_box, 65))
                box = _box_around(x, y, 1.0) if np.isfinite(x).any() else None
            self._known_box = source_box, box
        return self._known_box[1]

    def grid(self, box: Box, tolerance: float = 1e-3, *, source_box: Box) -> PositionGrid:
        """Return source positions for a box of destination pixels, at the nodes of a grid.

        The spacing is a power of two, chosen once for the whole of
        ``source_box`` (`spacing`), and nodes lie at multiples of it: a pixel
        has the same position, to the bit, whatever ``box`` is.

        Parameters
        ----------
        box
            Destination pixels.
        tolerance
            Largest error of an interpolated position, in source pixels.
        source_box
            All pixels of the source; only positions near them must be right.
        """
        return self.grid_with_spacing(box, self.spacing(source_box, tolerance))

    def spacing(self, source_box: Box, tolerance: float = 1e-3) -> int:
        """Return the largest spacing of nodes that meets a tolerance all over a box of source pixels.

        The error of bilinear interpolation is largest midway between nodes:
        there the grid is compared with exact positions, and the spacing halved
        until twice the error is within the tolerance and the areas are right to
        1e-5 of themselves.  A spacing of 1, where each pixel is a node, is exact.
        With lookup tables it is always 1, and the one for what follows the tables is kept.

        Parameters
        ----------
        source_box
            All pixels of the source.
        tolerance
            Largest error of an interpolated position, in source pixels.
        """
        if not tolerance > 0.0:
            raise ValueError(f"The tolerance must be positive; found {tolerance}.")
        footprint = self.destination_box(source_box)
        if footprint is None:
            return 1
        if self._lookups is not None:
            self._smooth_spacing = self._lookups[1].spacing(source_box, tolerance)
            return 1
        spacing = _COARSE
        while spacing > 1:
            excess = self._excess(footprint, source_box, spacing, tolerance)
            if excess <= 1.0:
                break
            # The errors grow as the square of the spacing.
            halvings = math.ceil(math.log2(min(excess, _COARSE**2)) / 2.0)
            spacing = max(1, spacing >> max(1, halvings))
        return spacing

    def grid_with_spacing(self, box: Box, spacing: int) -> PositionGrid:
        """Return source positions for a box of destination pixels, at nodes of a spacing; see `spacing`."""
        # A ring of nodes more than needed gives areas by central differences.
        xs, ys = (
            np.arange(side.start // spacing - 1, (side.stop - 1) // spacing + 3) * spacing
            for side in (box.x, box.y)
        )
        if self._lookups is not None and spacing == 1:
            x, y = self._at_pixels(xs, ys, *self._lookups)
        else:
            x, y = self._at_nodes(xs, ys)
        area = _areas(x, y, spacing)
        inner = (slice(1, -1), slice(1, -1))
        x, y = (np.ascontiguousarray(values[inner]) for values in (x, y))
        return PositionGrid(x, y, area, int(xs[1]), int(ys[1]), spacing)

    def _at_nodes(self, xs: np.ndarray, ys: np.ndarray) -> _Points:
        """Return the source positions of nodes, (len(ys), len(xs)).

        To choose the spacing of a small grid takes all of its nodes, which are then wanted again.
        """
        kept = self._known_nodes
        if kept is None or not (np.isin(xs, kept[0]).all() and np.isin(ys, kept[1]).all()):
            kept = self._known_nodes = xs, ys, self.to_source(*np.meshgrid(xs, ys))
        nodes = np.ix_(np.searchsorted(kept[1], ys), np.searchsorted(kept[0], xs))
        x, y = (values[nodes] for values in kept[2])
        return x, y

    def _at_pixels(
        self, xs: np.ndarray, ys: np.ndarray, tables: list[LookupTable], smooth: PixelMap
    ) -> _Points:
        """Return the source positions of pixels: the smooth part interpolated, the tables undone."""
        spacing, shape = self._smooth_spacing, (ys.size, xs.size)
        columns, rows = (
            np.arange(side[0] // spacing, side[-1] // spacing + 2) * spacing for side in (xs, ys)
        )
        nodes = smooth._at_nodes(columns, rows)
        start = int(ys[0] - rows[0]), int(xs[0] - columns[0])
        x, y = (spread_nodes(values, spacing, start, np.empty(shape)) for values in nodes)
        for table in reversed(tables):
            undo_lookup(x, y, table)
        return x, y

    def _excess(self, footprint: Box, source_box: Box, spacing: int, tolerance: float) -> float:
        """Return by what factor a spacing fails, looking at cells spread over the footprint."""
        # The first pixels of at most `_PROBES` cells along each axis, the first and the last included.
        ends = [(side.start // spacing, (side.stop - 1) // spacing) for side in (footprint.x, footprint.y)]
        cells = [np.unique(np.linspace(*end, _PROBES).round().astype(np.int64)) * spacing for end in ends]
        x_cell, y_cell = (values.ravel() for values in np.meshgrid(*cells))
        # 4 x 4 nodes per cell: its corners, and a ring that gives areas.  A node that cells share is
        # converted once.
        steps = np.arange(-1, 3) * spacing
        x_all, y_all = cells[0][:, np.newaxis] + steps, cells[1][:, np.newaxis] + steps
        x_nodes, y_nodes = np.unique(x_all), np.unique(y_all)
        positions = self._at_nodes(x_nodes, y_nodes)
        columns, rows = np.searchsorted(x_nodes, x_all), np.searchsorted(y_nodes, y_all)
        corners = rows[:, np.newaxis, :, np.newaxis], columns[np.newaxis, :, np.newaxis, :]
        x, y = (values[corners].reshape(-1, 4, 4) for values in positions)
        near_box, half = source_box.padded(_MARGIN), spacing // 2
        shifts = np.array([(half, half), (half, 0), (0, half), *(half + _SIDES)])
        exact = self.to_source(x_cell + shifts[:, :1], y_cell + shifts[:, 1:])
        excess = 0.0
        for (dx, dy), exact_x, exact_y in zip(shifts[:3], *(values[:3] for values in exact), strict=True):
            error = np.hypot(
                _blend(x[:, 1:3, 1:3], dx / spacing, dy / spacing) - exact_x,
                _blend(y[:, 1:3, 1:3], dx / spacing, dy / spacing) - exact_y,
            )
            near = _is_inside(near_box, exact_x, exact_y)
            excess = max(excess, _worst(error[near]) * _SAFETY / tolerance)
        near = _is_inside(near_box, x[:, 1, 1], y[:, 1, 1])
        if not near.any():
            # Nothing was tested: the cells are too large for this source.
            return _UNTESTED
        # From 3 on: right, left, above, below.
        across, along = ([values[i, near] - values[i + 1, near] for values in exact] for i in (3, 5))
        exact_area = _cross(across, along)
        error = np.abs(_blend(_areas(x[near], y[near], spacing), 0.5, 0.5) / exact_area - 1.0)
        return max(excess, _worst(error) / _AREA_TOLERANCE)


def _lattice(box: Box, n: int) -> _Points:
    """Return n x n points over the area of a box, its border included."""
    x = np.linspace(box.x.start - 0.5, box.x.stop - 0.5, n)
    y = np.linspace(box.y.start - 0.5, box.y.stop - 0.5, n)
    xx, yy = np.meshgrid(x, y)
    return xx, yy


def _box_around(x: np.ndarray, y: np.ndarray, slack: float) -> Box:
    """Return the box of pixels that hold all between the positions of a lattice; see `_bounds`."""
    (x_min, x_max), (y_min, y_max) = _bounds(x, slack), _bounds(y, slack)
    return Box.factory[math.floor(y_min) : math.ceil(y_max) + 1, math.floor(x_min) : math.ceil(x_max) + 1]


def _bounds(values: np.ndarray, slack: float) -> tuple[float, float]:
    """Return the range of a function sampled on a lattice, with ``slack`` times what curvature can add."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    bends = [np.abs(np.diff(values, 2, axis=axis)) for axis in (0, 1)]
    # Between samples a parabola leaves its chord by an eighth of the second difference.
    bend = max(float(np.max(b, initial=0.0, where=np.isfinite(b))) for b in bends) / 8.0
    return low - slack * bend, high + slack * bend


def _areas(x: np.ndarray, y: np.ndarray, spacing: int) -> np.ndarray:
    """Return the areas at the inner nodes of a lattice, in source pixels per destination pixel."""
    across = [values[..., 1:-1, 2:] - values[..., 1:-1, :-2] for values in (x, y)]
    along = [values[..., 2:, 1:-1] - values[..., :-2, 1:-1] for values in (x, y)]
    return _cross(across, along) / (2.0 * spacing) ** 2


def _cross(p: list[np.ndarray], q: list[np.ndarray]) -> np.ndarray:
    area: np.ndarray = np.abs(p[0] * q[1] - p[1] * q[0])
    return area


def _is_inside(box: Box, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x >= box.x.start) & (x < box.x.stop) & (y >= box.y.start) & (y < box.y.stop)


def _blend(corners: np.ndarray, u: float, v: float) -> np.ndarray:
    """Interpolate bilinearly between the corners (n, 2, 2) of cells."""
    low = corners[:, 0, 0] * (1.0 - u) + corners[:, 0, 1] * u
    high = corners[:, 1, 0] * (1.0 - u) + corners[:, 1, 1] * u
    blended: np.ndarray = low * (1.0 - v) + high * v
    return blended


def _worst(errors: np.ndarray) -> float:
    """Return the largest error; infinity if one is not known."""
    worst = float(np.max(errors, initial=0.0))
    return worst if np.isfinite(worst) else math.inf

"""A PSF given as stamps on a grid of positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from lsst.images import Bounds
from lsst.images.psfs import PointSpreadFunction

from ..errors import InvalidPsfError, ShapeError
from ..kernels.resample.psfwarp import resample_stamp
from .base import Parameters, StampPsf, check_stamps, normalize

__all__ = ("GriddedPsf",)


class GriddedPsf(StampPsf):
    """A PSF interpolated between stamps on a grid.

    Between the nodes the stamps, each with sum 1, are interpolated linearly in
    x and y; beyond the outermost nodes the PSF stays as it is there.  A star
    between pixel centres is drawn with the Lanczos-5 function.

    Parameters
    ----------
    stamps
        One stamp per node, shape (node y, node x, y, x); stamps of NaN mark
        nodes without a PSF.
    x_nodes, y_nodes
        Positions of the nodes in pixels, ascending.
    bounds
        Region where the model is valid, in pixels.

    Raises
    ------
    ShapeError
        Raised when the arrays do not fit each other, or stamps are not square or not odd.
    InvalidPsfError
        Raised when nodes are not finite and ascending, or a stamp has no positive sum.
    """

    kind: ClassVar[str] = "gridded"
    _ORDER = 5

    def __init__(
        self, stamps: np.ndarray, x_nodes: Sequence[float], y_nodes: Sequence[float], bounds: Bounds
    ) -> None:
        self.stamps = check_stamps("PSF stamps", stamps, 4).copy()
        self.x_nodes = _check_nodes("x", x_nodes)
        self.y_nodes = _check_nodes("y", y_nodes)
        expected = (len(self.y_nodes), len(self.x_nodes))
        if self.stamps.shape[:2] != expected:
            raise ShapeError("PSF grid", found=self.stamps.shape[:2], expected=expected)
        super().__init__(bounds, self.stamps.shape[-1])
        sums = self.stamps.sum(axis=(2, 3))
        absent = np.isnan(self.stamps).all(axis=(2, 3))
        # Stamps that have sum 1 already keep their bits: a model read from a file equals the one written.
        for i, j in np.argwhere(~absent & ~(np.abs(sums - 1.0) < 1e-12)):
            normalize(self.stamps[i, j], float(self.x_nodes[j]), float(self.y_nodes[i]))

    @classmethod
    def from_psf(cls, psf: PointSpreadFunction, x_nodes: Sequence[float], y_nodes: Sequence[float]) -> Self:
        """Sample another PSF model on a grid, e.g. one that cannot be written as plain numbers."""
        stamps = np.array(
            [[psf.compute_kernel_image(x=x, y=y).array for x in x_nodes] for y in y_nodes], dtype=np.float64
        )
        return cls(stamps, x_nodes, y_nodes, psf.bounds)

    def _draw(self, x: float, y: float, dx: float, dy: float) -> np.ndarray:
        samples = np.zeros(self.stamps.shape[2:])
        for i, up in _neighbours(self.y_nodes, y):
            for j, across in _neighbours(self.x_nodes, x):
                samples += up * across * self.stamps[i, j]
        if np.isnan(samples).any():
            raise InvalidPsfError(f"The grid has no PSF near (x={x}, y={y}).", x=x, y=y)
        if dx == 0.0 and dy == 0.0:
            return samples
        stamp = np.empty_like(samples)
        resample_stamp(samples, -dy, -dx, 1.0, self._ORDER, stamp)
        return stamp

    def parameters(self) -> dict[str, np.ndarray | float | int | str]:
        """Return the numbers that `from_parameters` takes."""
        return {"stamps": self.stamps, "x_nodes": self.x_nodes, "y_nodes": self.y_nodes}

    @classmethod
    def from_parameters(cls, parameters: Parameters, bounds: Bounds) -> Self:
        """Make a model from the numbers that `parameters` returned."""
        stamps, x_nodes, y_nodes = (np.asarray(parameters[name]) for name in ("stamps", "x_nodes", "y_nodes"))
        return cls(stamps, x_nodes.tolist(), y_nodes.tolist(), bounds)


def _check_nodes(axis: str, nodes: Sequence[float]) -> np.ndarray:
    values = np.atleast_1d(np.asarray(nodes, dtype=np.float64))
    if values.ndim != 1 or not np.isfinite(values).all() or (np.diff(values) <= 0.0).any():
        raise InvalidPsfError(f"Nodes of a PSF grid must ascend; found {axis} = {values.tolist()}.")
    return values


def _neighbours(nodes: np.ndarray, position: float) -> list[tuple[int, float]]:
    """Return the indices of the nodes around a position, and their weights, which are not zero."""
    position = min(max(position, float(nodes[0])), float(nodes[-1]))
    right = min(int(np.searchsorted(nodes, position, side="right")), len(nodes) - 1)
    left = max(right - 1, 0)
    if left == right:
        return [(left, 1.0)]
    fraction = (position - float(nodes[left])) / float(nodes[right] - nodes[left])
    return [(index, weight) for index, weight in ((left, 1.0 - fraction), (right, fraction)) if weight > 0.0]

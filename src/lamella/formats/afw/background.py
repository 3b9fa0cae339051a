"""Backgrounds that afw subtracted, layer by layer, so that the subtraction can be undone.

A layer is a small image: one value per cell of the exposure.  Between the
centres of the cells it is interpolated, or a polynomial is fitted to it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from os import PathLike

import numpy as np
from lsst.images import Box, Image
from lsst.images.fields import ChebyshevField

from ...errors import InputError, MissingPartError, ShapeError
from ...fits.hdus import Container, Unit
from .background_splines import Style, best_style, interpolate_grid
from .plane_hdus import read_plane

__all__ = ("Background", "BackgroundLayer")

_PLANES = 3
"""HDUs of a layer: image, mask and variance."""
_NO_FIT, _CHEBYSHEV = -1, 0
_REDUCE = 1
_MAX_PIXELS = 1 << 28
_MAX_WORK = 20_000_000
"""Numbers in the matrix of a fit."""


@dataclasses.dataclass(frozen=True, eq=False)
class BackgroundLayer:
    """One layer of a background.

    Attributes
    ----------
    values, variance
        Of the cells, shape (y, x), float32; NaN where a cell has no value.
    bbox
        Box of the exposure.
    style
        How values are interpolated; `None` when a polynomial is fitted.
    order
        Order of that polynomial; `None` when values are interpolated.
    weighted
        Whether the fit is weighted by the inverse of the variance.
    """

    values: np.ndarray
    variance: np.ndarray
    bbox: Box
    style: Style | None = None
    order: int | None = None
    weighted: bool = True

    @property
    def good(self) -> np.ndarray:
        """Cells that count: those with a value and, where the fit is weighted, a positive variance."""
        good: np.ndarray = np.isfinite(self.values)
        if self.order is not None and self.weighted:
            good &= np.isfinite(self.variance) & (self.variance > 0)
        return good

    @property
    def centers(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions y and x of the centres of the cells, in pixels."""
        box, (rows, columns) = self.bbox, self.values.shape
        return (_centers(box.y.size, rows) + box.y.start, _centers(box.x.size, columns) + box.x.start)

    def image(self, box: Box | None = None) -> Image:
        """Return the layer at the pixels of a box (by default all), as float32.

        Raises
        ------
        ShapeError
            Raised when the box is not within that of the exposure.
        """
        box = self.bbox if box is None else box
        if not self.bbox.contains(box):
            raise ShapeError("box", found=box, expected=f"a box within {self.bbox}")
        if self.style is None:
            return Image(self._fit.render(box).array.astype(np.float32), bbox=box)
        at = box.y.arange.astype(np.float64), box.x.arange.astype(np.float64)
        count = min(self.values.shape)
        style = self.style if count >= self.style.least else best_style(count)
        pixels = interpolate_grid(self.values.astype(np.float64), self.centers, at, style)
        return Image(pixels.astype(np.float32), bbox=box)

    @functools.cached_property
    def _fit(self) -> ChebyshevField:
        y, x = self.centers
        weight = None
        if self.weighted:
            weight = np.where(self.good, self.variance, np.inf).astype(np.float64) ** -0.5
        return ChebyshevField.fit(
            self.bbox, self.values.astype(np.float64), self.order, y=y, x=x, weight=weight
        )


def _centers(size: int, cells: int) -> np.ndarray:
    """Return the middles of cells, counted from the centre of the first pixel."""
    ends = (np.arange(1, cells + 1) * size + cells // 2) // cells
    starts = np.concatenate([[0], ends[:-1]])
    return 0.5 * (starts + ends) - 0.5


@dataclasses.dataclass(frozen=True)
class Background:
    """The sum of layers."""

    layers: tuple[BackgroundLayer, ...]

    def __post_init__(self) -> None:
        if not self.layers or any(layer.bbox != self.layers[0].bbox for layer in self.layers):
            boxes = ", ".join(str(layer.bbox) for layer in self.layers)
            raise ShapeError("background", found=boxes or "no layers", expected="layers of one box")

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Background:
        """Read the background that belongs to an exposure.

        Raises
        ------
        UnreadableFileError
            Raised when the file is absent or damaged.
        MissingPartError
            Raised when it is not a background of afw.
        InputError
            Raised when a layer makes no sense.
        """
        container = Container(path)
        units = container.units
        if "BKGD_X0" not in container.primary or len(units) % _PLANES:
            key = "a" if "BKGD_X0" in container.primary else "no"
            raise MissingPartError(
                path,
                found=f"{len(units)} HDUs and {key} card BKGD_X0",
                expected="layers of a background, three HDUs each",
            )
        layers = [_read_layer(units[first : first + _PLANES]) for first in range(0, len(units), _PLANES)]
        try:
            return cls(tuple(layers))
        except ShapeError as err:
            raise InputError(path, found="layers of several boxes", expected="one box") from err

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[BackgroundLayer]:
        return iter(self.layers)

    @property
    def bbox(self) -> Box:
        """Box of the exposure."""
        return self.layers[0].bbox

    def image(self, box: Box | None = None) -> Image:
        """Return what was subtracted from the pixels of a box, by default all of them, as float32.

        Raises
        ------
        ShapeError
            Raised when the box is not within that of the exposure.
        """
        total = self.layers[0].image(box)
        for layer in self.layers[1:]:
            total.array += layer.image(box).array
        return total

    def restore(self, image: Image) -> Image:
        """Return an image as it was before the background was subtracted.

        Raises
        ------
        ShapeError
            Raised when the image is not within the box of the exposure.
        """
        return Image(image.array + self.image(image.bbox).array, bbox=image.bbox, unit=image.unit)


def _read_layer(units: tuple[Unit, ...]) -> BackgroundLayer:
    image, variance = units[0], units[2]
    shapes = {unit.shape for unit in units}
    if None in shapes or len(shapes) != 1:
        raise image.problem(f"planes of the shapes {shapes}", "three images of one shape")
    with np.errstate(over="ignore", invalid="ignore"):
        values, spread = (read_plane(unit).astype(np.float32) for unit in (image, variance))
    x0, y0, width, height = (_integer(image, f"BKGD_{name}") for name in ("X0", "Y0", "WIDTH", "HEIGHT"))
    if not (width > 0 and height > 0 and width * height <= _MAX_PIXELS and max(abs(x0), abs(y0)) < 1 << 30):
        stated = f"{width} x {height} pixels from ({x0}, {y0})"
        raise image.problem(stated, f"1 to {_MAX_PIXELS} pixels", "BKGD")
    bbox = Box.factory[y0 : y0 + height, x0 : x0 + width]
    rows, columns = values.shape
    if rows > bbox.y.size or columns > bbox.x.size:
        raise image.problem(f"{columns} x {rows} cells in {bbox}", "cells of a pixel at least")
    order = _order(image, values.size)
    layer = BackgroundLayer(
        values=values,
        variance=spread,
        bbox=bbox,
        style=None if order is not None else _style(image, values.shape),
        order=order,
        weighted=image.cards.get("APPROXWEIGHTING", True) is not False,
    )
    if not layer.good.any():
        raise image.problem("no cell with a value", "at least one")
    try:
        layer.image(bbox.local[:1, :1])
    except (ValueError, np.linalg.LinAlgError) as err:
        raise image.problem(str(err).rstrip("."), "values that a polynomial fits") from err
    return layer


def _integer(unit: Unit, key: str, default: int | None = None) -> int:
    value = unit.cards.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise unit.problem(repr(value), "a whole number", key)
    return int(value)


def _order(unit: Unit, cells: int) -> int | None:
    """Return the order of the polynomial, or `None`; files of old times have none."""
    kind = _integer(unit, "APPROXSTYLE", _NO_FIT)
    if kind == _NO_FIT:
        return None
    order = _integer(unit, "APPROXORDERX", 1)
    other = _integer(unit, "APPROXORDERY", -1)
    terms = (order + 1) * (order + 2) // 2
    if kind != _CHEBYSHEV or order < 0 or other not in (-1, order) or terms * cells > _MAX_WORK:
        stated = f"style {kind} of orders {order} and {other}"
        raise unit.problem(stated, "a Chebyshev polynomial of one order", "APPROXSTYLE")
    return order


def _style(unit: Unit, shape: tuple[int, ...]) -> Style:
    number = _integer(unit, "INTERPSTYLE")
    if number not in set(Style):
        raise unit.problem(str(number), "constant, linear, or a spline that is not periodic", "INTERPSTYLE")
    style = Style(number)
    reduce = _integer(unit, "UNDERSAMPLESTYLE", _REDUCE) == _REDUCE
    if min(shape) < style.least and not reduce:
        raise unit.problem(f"{shape[1]} x {shape[0]} cells", f"{style.least} each way", "UNDERSAMPLESTYLE")
    return style

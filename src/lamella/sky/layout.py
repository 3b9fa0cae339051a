"""How a tract is laid out: its pixel grid on the sky, and how that is cut into patches and cells."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

import numpy as np
import pydantic
from lsst.images import Box

from ..config import Config, option
from ..errors import SkyMapError
from .vectors import to_lonlat

if TYPE_CHECKING:
    from astropy.wcs import WCS

__all__ = (
    "CellPatches",
    "GridShape",
    "LegacyPatches",
    "PatchKey",
    "PatchLayout",
    "PixelBounds",
    "Projection",
    "TractGrid",
    "TractSite",
    "cut_tract",
    "enclose",
    "resolve_key",
    "tract_wcs",
)

Projection = Literal["TAN", "STG", "SIN", "ARC", "ZEA", "CEA", "MER", "SFL", "PAR", "MOL", "AIT"]
"""Projections that a tract can have, by their FITS codes."""

PatchKey = str | int | tuple[int, int]
"""A patch or cell: label ``"5,4"``, sequential number, or index (x, y)."""


class LegacyPatches(Config):
    """Patches with a border of pixels; the border is cut off at the edge of the tract."""

    builder: Literal["legacy"] = "legacy"
    """Tells the two kinds of patches apart."""
    inner: tuple[pydantic.PositiveInt, pydantic.PositiveInt] = option(
        (4000, 4000), "Width and height of the inner box.", unit="pixel"
    )
    border: int = option(100, "Pixels added on each side of the inner box.", unit="pixel", ge=0)

    @property
    def inner_size(self) -> tuple[int, int]:
        """Width and height of the inner box of a patch, in pixels."""
        return self.inner

    @property
    def clipped(self) -> bool:
        """Whether outer boxes end at the edge of the tract."""
        return True

    @property
    def border_size(self) -> int:
        """Pixels between the inner and the outer box."""
        return self.border


class CellPatches(Config):
    """Patches made of square cells; the outermost ones reach beyond the edge of the tract."""

    builder: Literal["cells"] = "cells"
    """Tells the two kinds of patches apart."""
    cell_inner: int = option(150, "Width and height of the inner box of a cell.", unit="pixel", gt=0)
    cell_border: int = option(50, "Pixels added on each side of the inner box of a cell.", unit="pixel", ge=0)
    cells: int = option(20, "Cells along each side of the inner box of a patch.", gt=0)
    border_cells: int = option(1, "Rows of cells around the inner box of a patch.", ge=0)

    @property
    def inner_size(self) -> tuple[int, int]:
        """Width and height of the inner box of a patch, in pixels."""
        size = self.cells * self.cell_inner
        return size, size

    @property
    def clipped(self) -> bool:
        """Whether outer boxes end at the edge of the tract."""
        return False

    @property
    def border_size(self) -> int:
        """Pixels between the inner and the outer box."""
        return self.border_cells * self.cell_inner + self.cell_border


def _builder(patches: Any) -> str:
    """Return which kind of patches a value describes; those without a word on it are legacy."""
    return str(patches.get("builder", "legacy") if isinstance(patches, Mapping) else patches.builder)


PatchLayout = Annotated[
    Annotated[LegacyPatches, pydantic.Tag("legacy")] | Annotated[CellPatches, pydantic.Tag("cells")],
    pydantic.Discriminator(_builder),
]
"""Either kind of patches, as an option; files write it as a mapping."""


class GridShape(NamedTuple):
    """Number of columns and rows of a grid of patches or cells."""

    x: int
    y: int


class PixelBounds(NamedTuple):
    """Floating-point limits of a region, in pixels from the reference point of a projection."""

    x_min: float
    x_max: float
    y_min: float
    y_max: float


type Cards = tuple[tuple[str, int | float | str], ...]
"""Keywords and values of a FITS header."""


@dataclasses.dataclass(frozen=True)
class ImageGrid:
    """Pixel grid of an image: the keywords of its projection, and its width and height."""

    cards: Cards
    size: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class TractSite:
    """Where a tract lies on the sky, and what it must enclose.

    Attributes
    ----------
    center
        Right ascension and declination of the centre, in degrees.
    crval
        Right ascension and declination of the reference point of the projection, in degrees.
    bounds
        What the tract must enclose.
    """

    center: tuple[float, float]
    crval: tuple[float, float]
    bounds: PixelBounds
    image: ImageGrid | None = None

    @classmethod
    def of_image(cls, center: tuple[float, float], cards: Cards, size: tuple[int, int]) -> Self:
        """Return the site of a tract that is an image of some width and height."""
        bounds = PixelBounds(0.0, size[0] - 1.0, 0.0, size[1] - 1.0)
        return cls(center, center, bounds, ImageGrid(cards, size))

    def cut(self, inner: tuple[int, int]) -> TractGrid:
        """Return the grid of patches whose inner boxes have some width and height."""
        if self.image is None:
            return cut_tract(self.bounds, inner)
        width, height = self.image.size
        shape = GridShape(math.ceil(width / inner[0]), math.ceil(height / inner[1]))
        return TractGrid(Box.factory[0:height, 0:width], shape, (0, 0))


@dataclasses.dataclass(frozen=True)
class TractGrid:
    """Boxes of a tract: its own, which starts at (0, 0), and how many patches it has.

    Attributes
    ----------
    bbox
        All pixels of the tract.
    shape
        Columns and rows of patches.
    crpix
        Position x and y of the reference point of the projection in 0-based pixels; whole numbers.
    """

    bbox: Box
    shape: GridShape
    crpix: tuple[int, int]


def tract_wcs(
    projection: Projection,
    pixel_scale: float,
    crval: tuple[float, float],
    *,
    rotation: float = 0.0,
    crpix: tuple[float, float] = (0.0, 0.0),
) -> WCS:
    """Return the FITS projection of a tract.

    Parameters
    ----------
    projection
        FITS code.
    pixel_scale
        Arcseconds per pixel at the reference point.
    crval
        Reference point on the sky, in degrees.
    rotation
        Degrees; at 0 north is up and east is to the left.
    crpix
        Reference point in 0-based pixels.
    """
    from astropy.wcs import WCS

    angle, scale = math.radians(rotation), pixel_scale / 3600.0
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"RA---{projection}", f"DEC--{projection}"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.crval = list(crval)
    wcs.wcs.crpix = [crpix[0] + 1.0, crpix[1] + 1.0]
    wcs.wcs.cd = scale * np.array(
        [[-math.cos(angle), math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=np.float64
    )
    wcs.wcs.set()
    return wcs


def enclose(wcs: WCS, vectors: np.ndarray) -> PixelBounds:
    """Return the limits of some directions in the pixels of a projection.

    Raises
    ------
    SkyMapError
        Raised when the projection does not reach all of them.
    """
    lon, lat = to_lonlat(vectors)
    x, y = wcs.wcs_world2pix(np.degrees(lon), np.degrees(lat), 0)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        ra, dec = wcs.wcs.crval
        raise SkyMapError(
            f"The projection {wcs.wcs.ctype[0][-3:]} about {ra:g}, {dec:g} degrees "
            "does not reach the edges of its tract; choose another projection, or smaller tracts.",
            crval=tuple(wcs.wcs.crval),
        )
    return PixelBounds(float(x.min()), float(x.max()), float(y.min()), float(y.max()))


def cut_tract(bounds: PixelBounds, inner: tuple[int, int]) -> TractGrid:
    """Return the smallest grid of whole patches that encloses a region.

    What the patches need beyond the region is added on both sides, the odd
    pixel on the far one.

    Parameters
    ----------
    bounds
        The region, in pixels from the reference point.
    inner
        Width and height of the inner box of a patch.
    """
    x0, nx, width = _cut_axis(bounds.x_min, bounds.x_max, inner[0])
    y0, ny, height = _cut_axis(bounds.y_min, bounds.y_max, inner[1])
    return TractGrid(Box.factory[0:height, 0:width], GridShape(nx, ny), (-x0, -y0))


def _cut_axis(low: float, high: float, inner: int) -> tuple[int, int, int]:
    start, stop = math.ceil(low - 0.5), math.floor(high + 0.5) + 1
    count = math.ceil((stop - start) / inner)
    return start - (count * inner - (stop - start)) // 2, count, count * inner


def resolve_key(key: PatchKey, shape: GridShape, what: str) -> tuple[int, int]:
    """Return the index (x, y) that a label, a sequential number or an index means.

    Parameters
    ----------
    key
        ``"5,4"``, ``"41"``, 41 or (5, 4).
    shape
        Columns and rows of the grid.
    what
        What the grid is made of, for the error.

    Returns
    -------
    tuple of int
        Column and row.

    Raises
    ------
    SkyMapError
        Raised when the key is malformed or beyond the grid.
    """
    numbers = key.split(",") if isinstance(key, str) else key if isinstance(key, tuple | list) else (key,)
    parts: tuple[int, ...] | None = None
    if len(numbers) in (1, 2) and not any(isinstance(number, bool) for number in numbers):
        with contextlib.suppress(TypeError, ValueError):
            parts = tuple(
                int(number) if isinstance(number, str) else operator.index(number) for number in numbers
            )
    if parts is None:
        raise SkyMapError(
            f"{key!r} does not name a {what}; expected a label like '5,4', an index (x, y) or a number.",
            key=key,
        )
    x, y = parts if len(parts) == 2 else (parts[0] % shape.x, parts[0] // shape.x)
    if not (0 <= x < shape.x and 0 <= y < shape.y) or (len(parts) == 1 and parts[0] < 0):
        raise SkyMapError(
            f"There is no {what} {key!r}; there are {shape.x} x {shape.y}, from '0,0' to "
            f"'{shape.x - 1},{shape.y - 1}' (0 to {shape.x * shape.y - 1}).",
            key=key,
            shape=tuple(shape),
        )
    return x, y

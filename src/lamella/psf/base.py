"""What lamella's PSF models have in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from lsst.images import Bounds, Box, Image
from lsst.images.psfs import PointSpreadFunction
from lsst.images.utils import round_half_up

from ..errors import InvalidPsfError, ShapeError

__all__ = ("Parameters", "StampPsf", "centred_box", "check_stamps", "normalize", "require_finite")

type Parameters = Mapping[str, np.ndarray | float | int | str]
"""The numbers that a PSF model is made of, by name."""


def centred_box(side: int, x: int = 0, y: int = 0) -> Box:
    """Return the square box of odd side around a pixel."""
    half = side // 2
    return Box.factory[y - half : y + half + 1, x - half : x + half + 1]


def require_finite(x: float, y: float) -> None:
    """Raise `InvalidPsfError` unless a position is finite."""
    if not (math.isfinite(x) and math.isfinite(y)):
        raise InvalidPsfError(f"A PSF has no value at (x={x}, y={y}): not a position.", x=x, y=y)


def normalize(stamp: np.ndarray, x: float, y: float) -> np.ndarray:
    """Divide a stamp by its sum, in place.

    Raises
    ------
    InvalidPsfError
        Raised when the sum is not a positive finite number.
    """
    total = float(stamp.sum())
    if not (math.isfinite(total) and total > 0.0):
        raise InvalidPsfError(f"The PSF at (x={x}, y={y}) has the sum {total}, not a positive one.", x=x, y=y)
    stamp /= total
    return stamp


def check_stamps(name: str, stamps: np.ndarray, ndim: int) -> np.ndarray:
    """Return stamps as C-contiguous float64, after a check of their shape.

    Raises
    ------
    ShapeError
        Raised when there are not ``ndim`` dimensions, or when the last two are
        not equal and odd: a PSF stamp has a centre pixel.
    """
    stamps = np.ascontiguousarray(stamps, dtype=np.float64)
    if stamps.ndim != ndim or 0 in stamps.shape:
        raise ShapeError(name, found=stamps.shape, expected=f"{ndim} dimensions, none of them empty")
    if stamps.shape[-1] != stamps.shape[-2] or stamps.shape[-1] % 2 == 0:
        raise ShapeError(name, found=stamps.shape, expected="square stamps with an odd side")
    return stamps


class StampPsf(PointSpreadFunction):
    """A PSF that is drawn on square stamps of one size, and that is made of plain numbers.

    Parameters
    ----------
    bounds
        Region where the model is valid, in pixels.
    side
        Side of the stamps in pixels, odd.
    """

    kind: ClassVar[str]
    """Name of the model in files."""

    def __init__(self, bounds: Bounds, side: int) -> None:
        if side < 1 or side % 2 == 0:
            raise ShapeError("PSF stamp", found=(side, side), expected="an odd, positive side")
        self._bounds = bounds
        self._box = centred_box(side)

    @abstractmethod
    def _draw(self, x: float, y: float, dx: float, dy: float) -> np.ndarray:
        """Draw the PSF of a position with its centre moved off the centre of the stamp.

        Parameters
        ----------
        x, y
            Position in the image, which selects the PSF.
        dx, dy
            Where the centre of the PSF is, in pixels from the centre of the stamp.

        Returns
        -------
        `numpy.ndarray` of float64, shape (side, side)
            Not normalised; the caller owns it.
        """

    @abstractmethod
    def parameters(self) -> dict[str, np.ndarray | float | int | str]:
        """Return the numbers that `from_parameters` takes."""

    @classmethod
    @abstractmethod
    def from_parameters(cls, parameters: Parameters, bounds: Bounds) -> Self:
        """Make a model from the numbers that `parameters` returned."""

    @property
    def bounds(self) -> Bounds:
        """Region where the model is valid, in pixels."""
        return self._bounds

    @property
    def kernel_bbox(self) -> Box:
        """Box of all kernel images, centred on (0, 0)."""
        return self._box

    def compute_kernel_image(self, *, x: float, y: float) -> Image:
        """Return the PSF of a position, centred on pixel (0, 0), with sum 1.

        Raises
        ------
        InvalidPsfError
            Raised when the position is not finite or the model is not positive there.
        """
        require_finite(x, y)
        return Image(normalize(self._draw(x, y, 0.0, 0.0), x, y), bbox=self._box)

    def compute_stellar_image(self, *, x: float, y: float) -> Image:
        """Return the image of a star of flux 1 that is at a position.

        Raises
        ------
        InvalidPsfError
            Raised when the position is not finite or the model is not positive there.
        """
        box = self.compute_stellar_bbox(x=x, y=y)
        stamp = self._draw(x, y, x - round_half_up(x), y - round_half_up(y))
        return Image(normalize(stamp, x, y), bbox=box)

    def compute_stellar_bbox(self, *, x: float, y: float) -> Box:
        """Return the box of `compute_stellar_image`."""
        require_finite(x, y)
        return centred_box(self._box.x.size, round_half_up(x), round_half_up(y))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StampPsf):
            return NotImplemented
        if type(self) is not type(other) or self._bounds != other._bounds:
            return False
        mine, theirs = self.parameters(), other.parameters()
        return all(
            np.array_equal(value, theirs[name], equal_nan=np.asarray(value).dtype.kind == "f")
            for name, value in mine.items()
        )

    __hash__ = None  # type: ignore[assignment]

"""A PSF seen through a map from pixels to pixels."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
from lsst.images import Bounds, Box, Image, Transform
from lsst.images.psfs import PointSpreadFunction
from lsst.images.utils import round_half_up

from ..errors import InvalidPsfError
from ..kernels.resample.psfwarp import warp_stamp
from ..kernels.resample.support import LANCZOS3, ResamplingKernel
from .base import centred_box, normalize, require_finite
from .component import MAX_SCALE, OFF_CENTRE

__all__ = ("WarpedPsf",)

_FAR = 1e100
"""AST marks positions that have no image with the most negative number."""
_SLACK = 0.05
"""Part of a pixel by which a stamp may be cut, so that rounding does not add a rim of zeros."""


class WarpedPsf(PointSpreadFunction):
    """The PSF of an image that another image was resampled to.

    At a position it is the image of a star there on the original pixels,
    resampled through the linear part of the map as the image was, with zeros
    beyond the stamp, and divided by its sum.

    Parameters
    ----------
    psf
        PSF in the original pixels.
    transform
        Original pixels to those of the resampled image.
    bounds
        Region of the resampled image where the PSF is wanted.
    max_side
        Greatest side of the stamps in pixels, odd.
    kernel
        What the image was resampled with; Lanczos-3 by default.

    Raises
    ------
    InvalidPsfError
        Raised when the greatest side is not odd and positive.

    Notes
    -----
    The side of the stamps follows from the map at the centre and the corners
    of the bounds.
    """

    def __init__(
        self,
        psf: PointSpreadFunction,
        transform: Transform[Any, Any],
        bounds: Bounds,
        *,
        max_side: int = 251,
        kernel: ResamplingKernel = LANCZOS3,
    ) -> None:
        if max_side < 1 or max_side % 2 == 0:
            raise InvalidPsfError(f"The greatest side of a PSF stamp must be odd; found {max_side}.")
        self.psf = psf
        self.transform = transform
        self._bounds = bounds
        self._max_side = max_side
        self._kernel = kernel

    @property
    def bounds(self) -> Bounds:
        """Region of the resampled image where the PSF is wanted."""
        return self._bounds

    def within(self, bounds: Bounds) -> WarpedPsf:
        """Return the same PSF for another region."""
        return WarpedPsf(self.psf, self.transform, bounds, max_side=self._max_side, kernel=self._kernel)

    @cached_property
    def kernel_bbox(self) -> Box:
        """Box of all kernel images.

        Raises
        ------
        InvalidPsfError
            Raised when the map is broken at all of the places that it is looked at.
        """
        box = self._bounds.bbox
        places = [(x, y) for x in (box.x.min, box.x.max) for y in (box.y.min, box.y.max)]
        places.append((round(box.x.center), round(box.y.center)))
        reaches = [self._reach(*self._linearize(x, y)) for x, y in places]
        reach = max((reach for reach in reaches if reach is not None), default=None)
        if reach is None:
            raise InvalidPsfError("The map of a warped PSF is broken all over its bounds.")
        half = min(math.ceil(reach - _SLACK), self._max_side // 2)
        return centred_box(2 * max(half, 0) + 1)

    def _reach(self, point: np.ndarray, matrix: np.ndarray) -> float | None:
        """Return how far the stamp reaches from its centre pixel, in pixels of the resampled image."""
        if not _is_sound(point, matrix):
            return None
        box = self.psf.kernel_bbox
        half = np.array([max(-box.x.min, box.x.max), max(-box.y.min, box.y.max)]) + 0.5
        reach = float((np.abs(np.linalg.inv(matrix)) @ half).max()) - 0.5
        return reach + (OFF_CENTRE if self._kernel.is_binned else 0.0)

    def compute_stellar_bbox(self, *, x: float, y: float) -> Box:
        """Return the box of `compute_stellar_image`."""
        require_finite(x, y)
        return centred_box(self.kernel_bbox.x.size, round_half_up(x), round_half_up(y))

    def compute_kernel_image(self, *, x: float, y: float) -> Image:
        """Return the PSF of the pixel that a position falls into, centred on pixel (0, 0), with sum 1.

        Raises
        ------
        InvalidPsfError
            Raised when the map is broken there, or the original PSF cannot be evaluated.
        """
        require_finite(x, y)
        return Image(self._stamp(float(round_half_up(x)), float(round_half_up(y))), bbox=self.kernel_bbox)

    def compute_stellar_image(self, *, x: float, y: float) -> Image:
        """Return the image of a star of flux 1 that is at a position.

        Raises
        ------
        InvalidPsfError
            Raised when the map is broken there, or the original PSF cannot be evaluated.
        """
        return Image(self._stamp(x, y), bbox=self.compute_stellar_bbox(x=x, y=y))

    def _stamp(self, x: float, y: float) -> np.ndarray:
        box = self.compute_stellar_bbox(x=x, y=y)
        point, matrix = self._linearize(x, y)
        if not _is_sound(point, matrix):
            raise InvalidPsfError(f"The map of a warped PSF is broken at (x={x}, y={y}).", x=x, y=y)
        star = self.psf.compute_stellar_image(x=float(point[0]), y=float(point[1]))
        centre = np.array([point[1] - star.bbox.y.start, point[0] - star.bbox.x.start])
        out = np.empty(box.shape)
        offsets = np.array([box.y.start - y, box.x.start - x])
        warp_stamp(np.asarray(star.array, dtype=np.float64), matrix, centre, offsets, out, self._kernel)
        return normalize(out, x, y)

    def _linearize(self, x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the original position (x, y), and its derivatives as differences over two pixels."""
        across, up = np.array([0.0, 1.0, -1.0, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 1.0, -1.0])
        positions = np.array(self.transform.apply_inverse(x=x + across, y=y + up), dtype=np.float64)
        positions[~(np.abs(positions) < _FAR)] = np.nan
        return positions[:, 0], np.ascontiguousarray(0.5 * (positions[:, 1::2] - positions[:, 2::2]))


def _is_sound(point: np.ndarray, matrix: np.ndarray) -> bool:
    """Tell whether a pixel is neither lost, nor inflated or shrunk beyond belief."""
    area = abs(float(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]))
    size = float(np.abs(matrix).max())
    return bool(np.isfinite(point).all()) and size <= MAX_SCALE and area >= 1.0 / MAX_SCALE**2

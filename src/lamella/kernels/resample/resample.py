"""Resampling of an image, its variance and its mask in one pass.

Every destination pixel has a position in the source frame; around it lies a
square window of source pixels, whose weighted sum is the value.  Positions are
given at the nodes of a grid and interpolated inside the kernel, so that no
array of coordinates is ever made.  A destination pixel depends on nothing but
its position, so that it has the same bits however the destination is cut.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from .bins import bin_tiles
from .rows import Rule, Target, tile_kernel
from .source import Planes
from .support import CONSERVING, KERNELS, ResamplingKernel, kernel_half_width
from .tap_weights import weight_tables

__all__ = ("KERNELS", "PositionGrid", "ResampleRule", "ResamplingKernel", "resample_planes")


class PositionGrid(NamedTuple):
    """Source positions of destination pixels, at the nodes of a grid.

    Node ``[j, i]`` belongs to the destination pixel
    ``(x0 + i * spacing, y0 + j * spacing)``; between nodes the positions and
    the areas are interpolated bilinearly.

    Attributes
    ----------
    x, y
        Position in the source frame, pixels; arrays of shape (ny, nx).  NaN
        where the destination has no counterpart.
    area
        Area of a destination pixel in source pixels; same shape.
    x0, y0
        Destination pixel of the first node.
    spacing
        Distance of nodes in destination pixels; 1 means that each pixel has
        its own node.
    """

    x: np.ndarray
    y: np.ndarray
    area: np.ndarray
    x0: int
    y0: int
    spacing: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ResampleRule:
    """How pixels and masks spread into the destination.

    Attributes
    ----------
    kernel
        One of `KERNELS`, or a kernel that was made for the source.
    mask_kernel
        Kernel over whose pixels the mask is or-ed; it must not be wider than
        ``kernel``.  Empty for ``kernel`` itself.
    grow
        Bits that spread over all of ``kernel``, whatever ``mask_kernel`` is.
    no_data
        Bits of source pixels that hold no measurement, whatever their value.
    filled
        Bits of source pixels whose value was made from their neighbours; no
        destination pixel gets them.
    reasons
        Bits that say why a source pixel holds no measurement of its own.
    max_lost_weight
        A destination pixel has no value where lost taps hold more than this
        part of the absolute weight of its kernel; up to it the others make up
        for them.  It gets the ``reasons`` of lost and filled taps where both
        together hold more than this part.  With 0 any lost tap of non-zero
        weight takes the value, filled taps count as others, and ``no_data``
        spreads as other bits do.
    pad
        Mask of destination pixels without a measurement; it is or-ed to what
        the source says, and stands alone where the kernel leaves the source.
    strict
        Whether to follow the original pipelines where they are less careful:
        taps of weight zero spread masks and NaN when a shift is a whole number
        of pixels, ``no_data`` is ignored, and a NaN leaves mask and variance
        as they are.
    """

    kernel: str | ResamplingKernel = "lanczos3"
    mask_kernel: str = "bilinear"
    grow: int = 0
    no_data: int = 0
    filled: int = 0
    reasons: int = 0
    max_lost_weight: float = 0.0
    pad: int = 0
    strict: bool = False


def _planes(image: np.ndarray, mask: np.ndarray, variance: np.ndarray, origin: tuple[int, int]) -> Planes:
    if mask.shape != image.shape or variance.shape != image.shape:
        raise ValueError(
            f"The shapes differ: image {image.shape}, mask {mask.shape}, variance {variance.shape}."
        )
    return Planes(
        np.ascontiguousarray(image, np.float32),
        np.ascontiguousarray(mask, np.int32),
        np.ascontiguousarray(variance, np.float32),
        int(origin[1]),
        int(origin[0]),
    )


def _rule(rule: ResampleRule, kernel: ResamplingKernel, scale: float, y_row: int) -> Rule:
    half = kernel.half_width
    mask_half = kernel_half_width(rule.mask_kernel) if rule.mask_kernel else 0
    if kernel.is_binned and (kernel.name != CONSERVING or rule.strict):
        raise ValueError(f"Pixels are means of points with the kernel {CONSERVING} alone, and not if strict.")
    if mask_half > half:
        raise ValueError(f"The mask kernel {rule.mask_kernel} is wider than the image kernel {kernel.name}.")
    tolerant = rule.max_lost_weight > 0.0 and not rule.strict
    return Rule(
        float(scale),
        np.int32(0 if rule.strict else rule.no_data),
        np.int32(rule.filled),
        np.int32(~(rule.filled | (rule.no_data if tolerant else 0))),
        np.int32(rule.reasons),
        np.float32(rule.max_lost_weight if tolerant else 0.0),
        np.int32(rule.grow),
        np.int32(rule.pad),
        mask_half,
        kernel.name == "nearest",
        rule.mask_kernel == "nearest",
        rule.strict,
        # Other kernels are one at a pixel centre and zero at all others.
        not rule.strict and kernel.name != CONSERVING,
        not rule.strict and "nearest" not in (kernel.name, rule.mask_kernel),
        y_row,
    )


def resample_planes(
    planes: tuple[np.ndarray, np.ndarray, np.ndarray],
    grid: PositionGrid,
    start: tuple[int, int],
    shape: tuple[int, int],
    rule: ResampleRule,
    *,
    origin: tuple[int, int] = (0, 0),
    scale: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Resample an image, its mask and its variance to a box of destination pixels.

    With weights ``k`` that sum to one and the area ``a`` of the destination
    pixel in source pixels, the value is ``a * scale * sum(k * image)`` and its
    variance ``(a * scale)**2 * sum(k**2 * variance)``: the flux of a source is
    kept.  The correlation of neighbours that the sum makes is not kept.  Sums
    are taken in single precision, as the pixels have it.

    Parameters
    ----------
    planes
        Image, mask (integers) and variance of the source, each of shape (y, x).
    grid
        Source positions; it must cover the destination.
    start, shape
        First pixel (y, x) and shape (y, x) of the destination.
    rule
        How pixels and masks spread.
    origin
        Coordinates (y, x) of the first source pixel in the frame of the grid.
    scale
        Factor for the image, e.g. a photometric calibration.

    Returns
    -------
    image, mask, variance : `numpy.ndarray`
        float32, int32 and float32.  Where the whole kernel does not fit into
        the source: NaN, ``rule.pad`` and +inf.  Where taps that are NaN,
        infinite or carry ``rule.no_data`` hold more than ``rule.max_lost_weight``:
        the same, with the mask of the taps or-ed.  A NaN in the variance alone
        makes the variance +inf.
    covered : `int`
        Number of destination pixels whose kernel fits into the source.

    Raises
    ------
    ValueError
        Raised when shapes differ, the grid does not cover the destination (and
        a pixel more, where pixels are means of points), or a kernel is unknown
        or does not fit into the other.

    Notes
    -----
    Of a kernel with ``bins``, the sum of ``k`` over the points of a pixel,
    divided by their number, takes the place of ``k`` in both sums.
    """
    kernel = ResamplingKernel(name=rule.kernel) if isinstance(rule.kernel, str) else rule.kernel
    table, y_row = weight_tables(kernel)
    numbers = _rule(rule, kernel, scale, y_row)
    margin = 1 if kernel.is_binned else 0
    # Beyond the last node of a spacing above one there is nothing to interpolate to.
    axes = zip(grid.x.shape, (grid.y0, grid.x0), start, shape, strict=True)
    for n, first, begin, size in axes if 0 not in shape else ():
        last = first + (n - 1) * grid.spacing - (grid.spacing > 1)
        begin, end = begin - margin, begin + size - 1 + margin
        if begin < first or end > last:
            raise ValueError(f"The grid covers pixels {first} to {last}, not {begin} to {end}.")
    source = _planes(*planes, origin)
    target = Target(
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
        np.empty(shape, np.int32),
        int(start[1]),
        int(start[0]),
    )
    x, y, area = (np.ascontiguousarray(values, np.float64) for values in grid[:3])
    nodes = PositionGrid(x, y, area, int(grid.x0), int(grid.y0), int(grid.spacing))
    if kernel.is_binned:
        covered = bin_tiles(source, nodes, target, table, numbers, kernel.bins)
    else:
        covered = tile_kernel(2 * kernel.half_width)(source, nodes, target, table, numbers)
    return target.image, target.mask, target.variance, int(covered)

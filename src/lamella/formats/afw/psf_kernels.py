"""Kernels in an archive, which PSF models are made of, and how they vary over the field."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from .afw_archive import Archive, ObjectRecord
from .persistables import persistable

__all__ = ("MAX_VALUES", "SpatialFunction", "StoredKernel")

MAX_VALUES = 20_000_000
"""Pixels of all images of a kernel; more is damage."""
_MAX_ORDER = 20
_MAX_COMPONENTS = 10_000


@dataclasses.dataclass(frozen=True, eq=False)
class SpatialFunction:
    """A polynomial of the position, in ``u = (x - zero[0]) / scale[0]`` and ``v = (y - zero[1]) / scale[1]``.

    Attributes
    ----------
    coefficients
        Shape (i, j): those of powers of v, then of u.
    zero, scale
        Pixels.
    """

    coefficients: np.ndarray
    zero: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)


@dataclasses.dataclass(frozen=True, eq=False)
class StoredKernel:
    """A sum of images, each with a polynomial of the position as its factor.

    Attributes
    ----------
    images
        Shape (k, y, x).
    center
        Pixel (x, y) of the images that the kernel is centred on.
    coefficients
        Shape (k, i, j): those of powers of v, then of u; see `SpatialFunction`.
    zero, scale
        Pixels.
    """

    images: np.ndarray
    center: tuple[int, int]
    coefficients: np.ndarray
    zero: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)

    @property
    def side(self) -> int:
        """Side of the smallest squares of an odd side that have the images around their centre."""
        (height, width), (x, y) = self.images.shape[1:], self.center
        return int(2 * max(x, y, width - 1 - x, height - 1 - y) + 1)

    @property
    def varies(self) -> bool:
        """Whether it depends on the position."""
        return bool(self.coefficients[0].size > 1)

    def constant_image(self) -> np.ndarray:
        """Return the image of a kernel that does not vary."""
        image: np.ndarray = np.tensordot(self.coefficients[:, 0, 0], self.images, axes=1)
        return image

    def centred_images(self) -> np.ndarray:
        """Return the images in squares of an odd side around their centre, with zeros at their borders."""
        count, height, width = self.images.shape
        left, low = (self.side // 2 - pixel for pixel in self.center)
        result = np.zeros((count, self.side, self.side))
        result[:, low : low + height, left : left + width] = self.images
        return result


def _geometry(record: ObjectRecord) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return width and height, and the pixel (x, y) of the centre."""
    row = record.row()
    (width, height), (x, y) = row.point("dimensions"), row.point("center")
    # The arrays that follow limit the sizes.
    if not (0 <= x < width and 0 <= y < height):
        record.fail(found=f"a centre ({x:g}, {y:g}) of {width:g} x {height:g} pixels", expected="a pixel")
    return (int(width), int(height)), (int(x), int(y))


@persistable("FixedKernel")
def build_fixed(record: ObjectRecord, archive: Archive) -> StoredKernel:
    """Return a kernel that is an image."""
    (width, height), center = _geometry(record)
    values = record.row().array("image").astype(np.float64)
    if values.size != width * height:
        record.fail(found=f"{values.size} values", expected=f"{width} x {height}")
    return StoredKernel(values.reshape(1, height, width), center, np.ones((1, 1, 1)))


@persistable("DeltaFunctionKernel")
def build_delta(record: ObjectRecord, archive: Archive) -> StoredKernel:
    """Return a kernel that is one pixel of 1, and zeros."""
    (width, height), center = _geometry(record)
    x, y = (int(value) for value in record.row().point("pixel"))
    if width * height > MAX_VALUES or not (0 <= x < width and 0 <= y < height):
        record.fail(found=f"pixel ({x}, {y}) of {width} x {height}", expected="one of the kernel")
    image = np.zeros((1, height, width))
    image[0, y, x] = 1.0
    return StoredKernel(image, center, np.ones((1, 1, 1)))


@persistable("LinearCombinationKernel")
def build_combination(record: ObjectRecord, archive: Archive) -> StoredKernel:
    """Return a sum of kernels with factors that are numbers, or functions of the position."""
    (width, height), center = _geometry(record)
    row = record.row()
    ids = [int(id) for id in row.array("components")]
    if not 1 <= len(ids) <= _MAX_COMPONENTS or len(ids) * width * height > MAX_VALUES:
        record.fail(found=f"{len(ids)} kernels of {width} x {height}", expected="a sum of kernels")
    components = [archive.require(id, StoredKernel) for id in ids]
    if any(component.varies or component.images.shape[1:] != (height, width) for component in components):
        record.fail(found="components that vary or are of other sizes", expected=f"{width} x {height} pixels")
    images = np.stack([component.constant_image() for component in components])
    if "spatialfunctions" not in row:
        amplitudes = row.array("amplitudes").astype(np.float64)
        _require_same_count(record, len(amplitudes), len(ids))
        return StoredKernel(images, center, amplitudes.reshape(-1, 1, 1))
    functions = [
        archive.require(int(id), SpatialFunction) for id in row.array("spatialfunctions").astype(np.int64)
    ]
    _require_same_count(record, len(functions), len(ids))
    first = functions[0]
    if any((other.zero, other.scale) != (first.zero, first.scale) for other in functions):
        record.fail(found="functions of different ranges", expected="one range for all")
    size = max(len(function.coefficients) for function in functions)
    coefficients = np.zeros((len(functions), size, size))
    for target, function in zip(coefficients, functions, strict=True):
        order = len(function.coefficients)
        target[:order, :order] = function.coefficients
    return StoredKernel(images, center, coefficients, first.zero, first.scale)


def _require_same_count(record: ObjectRecord, factors: int, components: int) -> None:
    if factors != components:
        record.fail(found=f"{factors} factors", expected=f"{components}, one per component")


def _triangle(record: ObjectRecord) -> np.ndarray:
    """Return the coefficients of a polynomial of two variables: those of y, then of x.

    In the file those of one order stand together, that of x alone first.
    """
    values = record.row().array("coefficients").astype(np.float64)
    order = (math.isqrt(8 * values.size + 1) - 3) // 2
    if (order + 1) * (order + 2) // 2 != values.size or not 0 <= order <= _MAX_ORDER:
        record.fail(
            found=f"{values.size} coefficients", expected=f"those of a polynomial of order 0 to {_MAX_ORDER}"
        )
    result = np.zeros((order + 1, order + 1))
    places = [(power, total - power) for total in range(order + 1) for power in range(total + 1)]
    for (of_y, of_x), value in zip(places, values, strict=True):
        result[of_y, of_x] = value
    return result


@persistable("PolynomialFunction2D", "PolynomialFunction2F")
def build_polynomial(record: ObjectRecord, archive: Archive) -> SpatialFunction:
    """Return a polynomial in pixels."""
    return SpatialFunction(_triangle(record))


@persistable("Chebyshev1Function2D", "Chebyshev1Function2F")
def build_chebyshev(record: ObjectRecord, archive: Archive) -> SpatialFunction:
    """Return a sum of products of Chebyshev polynomials on the range of the file."""
    row, triangle = record.row(), _triangle(record)
    low, high = np.array(row.point("min")), np.array(row.point("max"))
    if not (np.isfinite([low, high]).all() and (high > low).all()):
        record.fail(found=f"a range from {low} to {high}", expected="one that is not empty")
    powers = np.zeros_like(triangle)
    for order in range(len(powers)):
        powers[order, : order + 1] = np.polynomial.chebyshev.cheb2poly(np.eye(order + 1)[order])
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    return SpatialFunction(
        powers.T @ triangle @ powers,
        zero=(float(middle[0]), float(middle[1])),
        scale=(float(half[0]), float(half[1])),
    )

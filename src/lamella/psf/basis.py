"""PSF models that are sums of images with coefficients that vary as polynomials."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Self

import numpy as np
from lsst.images import Bounds

from ..errors import InvalidPsfError, ShapeError
from ..kernels.resample.psfwarp import resample_stamp
from .base import Parameters, StampPsf, check_stamps

__all__ = ("PolynomialBasisPsf", "PolynomialImages")


@dataclasses.dataclass(frozen=True, eq=False)
class PolynomialImages:
    r"""Images that are summed with coefficients that vary over the field.

    At a position (x, y) the sum is

    .. math:: \sum_k \left(\sum_{ij} c_{kij}\, v^i u^j\right) B_k, \quad
              u = (x - x_0) / s_x, \quad v = (y - y_0) / s_y.

    Attributes
    ----------
    images
        The images *B*, shape (k, y, x).
    coefficients
        The coefficients *c*, shape (k, i, j): powers of y, then of x.
    zero
        The position (x0, y0) that the polynomials are about, in pixels.
    scale
        The lengths (sx, sy) that positions are divided by, in pixels.
    """

    images: np.ndarray
    coefficients: np.ndarray
    zero: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        images = check_stamps("PSF basis", self.images, 3)
        coefficients = np.ascontiguousarray(self.coefficients, dtype=np.float64)
        if coefficients.ndim != 3 or len(coefficients) != len(images):
            raise ShapeError(
                "PSF coefficients",
                found=coefficients.shape,
                expected=f"({len(images)}, powers of y, powers of x)",
            )
        if not (np.isfinite(coefficients).all() and np.isfinite(images).all()):
            raise InvalidPsfError("A PSF basis has values that are not finite.")
        if not (np.isfinite([*self.zero, *self.scale]).all() and all(self.scale)):
            raise InvalidPsfError(f"A PSF polynomial has zero point {self.zero} and scale {self.scale}.")
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "coefficients", coefficients)

    @property
    def side(self) -> int:
        """Number of samples along a side of the images."""
        return int(self.images.shape[-1])

    def at(self, x: float, y: float) -> np.ndarray:
        """Return the sum at a position: float64, shape (side, side)."""
        _, rows, columns = self.coefficients.shape
        u = ((x - self.zero[0]) / self.scale[0]) ** np.arange(columns)
        v = ((y - self.zero[1]) / self.scale[1]) ** np.arange(rows)
        amplitudes = self.coefficients @ u @ v
        total: np.ndarray = amplitudes @ self.images.reshape(len(self.images), -1)
        return total.reshape(self.side, self.side)


class PolynomialBasisPsf(StampPsf):
    """A PSF made of basis images, sampled at the pixels, with polynomial coefficients.

    It serves the Karhunen-Loeve models of SDSS: there the eigen-images are the
    ``images``, ``coefficients[k, i, j]`` belongs to ``row**i * col**j``, and
    with ``zero=(-0.5, -0.5)`` and ``scale=(1000.0, 1000.0)`` our positions,
    which count pixel centres from 0, become the rows and columns of SDSS,
    which count pixel edges from 0 and are multiplied by 0.001.

    Parameters
    ----------
    images
        Basis images, shape (k, y, x), square with an odd side; the PSF is
        centred on the centre of the stamp.
    coefficients
        Coefficients, shape (k, i, j), of the i-th power of y and the j-th power of x.
    bounds
        Region where the model is valid, in pixels.
    zero, scale
        As in `PolynomialImages`.

    Raises
    ------
    ShapeError
        Raised when the arrays do not fit each other, or stamps are not square or not odd.
    InvalidPsfError
        Raised when a number is not finite, or the scale is zero.

    Notes
    -----
    The image of a star between pixel centres is interpolated with the
    Lanczos-5 function.
    """

    kind: ClassVar[str] = "polynomial_basis"
    _ORDER = 5

    def __init__(
        self,
        images: np.ndarray,
        coefficients: np.ndarray,
        bounds: Bounds,
        *,
        zero: tuple[float, float] = (0.0, 0.0),
        scale: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        self.basis = PolynomialImages(images, coefficients, zero, scale)
        super().__init__(bounds, self.basis.side)

    def _draw(self, x: float, y: float, dx: float, dy: float) -> np.ndarray:
        samples = self.basis.at(x, y)
        if dx == 0.0 and dy == 0.0:
            return samples
        stamp = np.empty_like(samples)
        resample_stamp(samples, -dy, -dx, 1.0, self._ORDER, stamp)
        return stamp

    def parameters(self) -> dict[str, np.ndarray | float | int | str]:
        """Return the numbers that `from_parameters` takes."""
        basis = self.basis
        return {
            "images": basis.images,
            "coefficients": basis.coefficients,
            "x_zero": basis.zero[0],
            "y_zero": basis.zero[1],
            "x_scale": basis.scale[0],
            "y_scale": basis.scale[1],
        }

    @classmethod
    def from_parameters(cls, parameters: Parameters, bounds: Bounds) -> Self:
        """Make a model from the numbers that `parameters` returned."""
        return cls(
            np.asarray(parameters["images"]),
            np.asarray(parameters["coefficients"]),
            bounds,
            zero=(float(parameters["x_zero"]), float(parameters["y_zero"])),
            scale=(float(parameters["x_scale"]), float(parameters["y_scale"])),
        )

"""PSF models of PSFEx."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, Self

import numpy as np
from lsst.images import Bounds

from ..errors import InvalidPsfError, ShapeError
from ..kernels.resample.psfwarp import resample_stamp
from .base import Parameters, StampPsf
from .basis import PolynomialImages

__all__ = ("PsfexPolynomial", "PsfexPsf")

_FIRST_PIXEL = 1.0
"""PSFEx counts pixels as FITS does: the centre of the first one is at 1."""


_MAX_DEGREE = 50
"""Of a polynomial; its terms, and the memory that they take, grow with the square."""


@dataclasses.dataclass(frozen=True)
class PsfexPolynomial:
    """How a PSFEx model varies over the field, in the words of its header.

    Attributes
    ----------
    zero
        POLZERO of x and of y: pixel positions as FITS counts them, the first
        pixel being 1.
    scale
        POLSCAL of x and of y, in pixels.
    groups
        POLGRP of x and of y, counted from 1.
    degrees
        POLDEG of each group.
    """

    zero: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    groups: tuple[int, int] = (1, 1)
    degrees: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if any(not 1 <= group <= len(self.degrees) for group in self.groups):
            raise InvalidPsfError(f"PSFEx groups {self.groups} need as many degrees; found {self.degrees}.")
        if any(degree < 0 for degree in self.degrees):
            raise InvalidPsfError(f"PSFEx degrees cannot be negative; found {self.degrees}.")
        if max(self.degrees) > _MAX_DEGREE:
            raise InvalidPsfError(f"PSFEx degrees are at most {_MAX_DEGREE}; found {self.degrees}.")

    @property
    def exponents(self) -> tuple[tuple[int, int], ...]:
        """Powers of x and y of each term, in the order of the basis images.

        The power of x runs fastest.  Within a group the sum of the powers is
        at most the group's degree; powers of different groups combine freely.
        """
        across, up = (self.degrees[group - 1] for group in self.groups)
        shared = self.groups[0] == self.groups[1]
        return tuple((i, j) for j in range(up + 1) for i in range(across + 1 - (j if shared else 0)))

    def coefficients(self) -> np.ndarray:
        """Return the terms as the coefficients of `PolynomialImages`: one power per image."""
        exponents = self.exponents
        side = 1 + max(max(pair) for pair in exponents)
        result = np.zeros((len(exponents), side, side))
        for index, (i, j) in enumerate(exponents):
            result[index, j, i] = 1.0
        return result


class PsfexPsf(StampPsf):
    r"""A PSF model made by PSFEx.

    At a position the model is the sum of the basis images, each multiplied by
    one term of a polynomial.  Its samples *m* are ``sampling`` pixels apart,
    and the PSF between them is, as in PSFEx's own resampling, their Lanczos-3
    interpolation with weights of sum 1 along each axis:

    .. math:: p(\delta_x, \delta_y) = \sum_{ij} m_{ij}\, w_j(\delta_x / s + c)\, w_i(\delta_y / s + c),
              \quad w_j(t) = L_3(t - j) / \sum_k L_3(t - k),

    with *s* the sampling and *c* the index of the centre sample.  Samples
    beyond the edge are zero.  The samples already hold the response of a
    pixel, so that a star's image is *p* at the pixel centres, for any
    sampling; a star between pixels is drawn directly, not shifted.

    Parameters
    ----------
    images
        PSF_MASK, shape (term, y, x): square with an odd side.
    polynomial
        The variation over the field.
    sampling
        PSF_SAMP: distance of the samples in pixels.
    bounds
        Region where the model is valid, in pixels, the first being 0.

    Raises
    ------
    ShapeError
        Raised when there are not as many images as terms, or stamps are not square or not odd.
    InvalidPsfError
        Raised when a number is not finite, or the sampling is not positive.

    Notes
    -----
    Stamps have a side of ``int(side * sampling)`` pixels, made odd by adding one.

    Positions are ours: the first pixel is at 0, whereas PSFEx has it at 1.
    """

    kind: ClassVar[str] = "psfex"
    _ORDER = 3

    def __init__(
        self, images: np.ndarray, polynomial: PsfexPolynomial, sampling: float, bounds: Bounds
    ) -> None:
        if not 0.0 < sampling < math.inf:
            raise InvalidPsfError(f"The sampling of a PSFEx model must be positive; found {sampling}.")
        count = len(polynomial.exponents)
        if len(images) != count:
            raise ShapeError("PSFEx basis", found=np.shape(images), expected=f"({count}, side, side)")
        self.polynomial = polynomial
        self.sampling = float(sampling)
        zero = (polynomial.zero[0] - _FIRST_PIXEL, polynomial.zero[1] - _FIRST_PIXEL)
        self._basis = PolynomialImages(images, polynomial.coefficients(), zero, polynomial.scale)
        side = int(self._basis.side * self.sampling)
        super().__init__(bounds, side + 1 - side % 2)

    @property
    def images(self) -> np.ndarray:
        """Basis images, shape (term, y, x)."""
        return self._basis.images

    def samples(self, x: float, y: float) -> np.ndarray:
        """Return the samples of the model at a position, not normalised: shape (side, side)."""
        return self._basis.at(x, y)

    def _draw(self, x: float, y: float, dx: float, dy: float) -> np.ndarray:
        stamp = np.empty(self._box.shape)
        centre, half, step = self._basis.side // 2, self._box.x.size // 2, 1.0 / self.sampling
        y0, x0 = centre - (half + dy) * step, centre - (half + dx) * step
        resample_stamp(self.samples(x, y), y0, x0, step, self._ORDER, stamp)
        return stamp

    def parameters(self) -> dict[str, np.ndarray | float | int | str]:
        """Return the numbers that `from_parameters` takes."""
        polynomial = self.polynomial
        return {
            "images": self.images,
            "zero": np.array(polynomial.zero),
            "scale": np.array(polynomial.scale),
            "groups": np.array(polynomial.groups, dtype=np.float64),
            "degrees": np.array(polynomial.degrees, dtype=np.float64),
            "sampling": self.sampling,
        }

    @classmethod
    def from_parameters(cls, parameters: Parameters, bounds: Bounds) -> Self:
        """Make a model from the numbers that `parameters` returned."""
        zero, scale = (np.asarray(parameters[name], dtype=np.float64) for name in ("zero", "scale"))
        groups, degrees = (np.asarray(parameters[name]) for name in ("groups", "degrees"))
        polynomial = PsfexPolynomial(
            zero=(float(zero[0]), float(zero[1])),
            scale=(float(scale[0]), float(scale[1])),
            groups=(int(groups[0]), int(groups[1])),
            degrees=tuple(int(degree) for degree in degrees),
        )
        return cls(np.asarray(parameters["images"]), polynomial, float(parameters["sampling"]), bounds)

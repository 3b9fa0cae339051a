"""Analytic PSF models, and the model PSF that warps are matched to."""

from __future__ import annotations

import math
from typing import ClassVar, Self

import numpy as np
from lsst.images import Bounds
from lsst.images.psfs import GaussianPointSpreadFunction

from ..errors import InvalidPsfError
from .base import Parameters, StampPsf
from .match_control import ModelPsfConfig

__all__ = ("FWHM_PER_SIGMA", "DoubleGaussianPsf", "model_psf")

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""Full width at half maximum of a Gaussian, in standard deviations."""


class DoubleGaussianPsf(StampPsf):
    r"""A round PSF with a core and a wing, the same everywhere.

    The profile is
    :math:`\exp(-r^2 / 2\sigma_1^2) + b \exp(-r^2 / 2\sigma_2^2)`, taken at the
    centres of the pixels and divided by its sum over the stamp.

    Parameters
    ----------
    sigma1, sigma2
        Standard deviations of core and wing in pixels.
    amplitude
        Peak *b* of the wing, relative to that of the core.
    bounds
        Region where the model is valid, in pixels.
    stamp_size
        Side of the stamps in pixels, odd.

    Raises
    ------
    InvalidPsfError
        Raised when a width is not positive or the amplitude is negative.
    ShapeError
        Raised when the side is even or not positive.
    """

    kind: ClassVar[str] = "double_gaussian"

    def __init__(
        self, sigma1: float, sigma2: float, amplitude: float, bounds: Bounds, stamp_size: int
    ) -> None:
        super().__init__(bounds, stamp_size)
        if not (0.0 < sigma1 < math.inf and 0.0 < sigma2 < math.inf and 0.0 <= amplitude < math.inf):
            raise InvalidPsfError(
                f"A double Gaussian needs positive widths and an amplitude that is not negative; "
                f"found widths {sigma1} and {sigma2}, amplitude {amplitude}."
            )
        self.sigma1 = float(sigma1)
        self.sigma2 = float(sigma2)
        self.amplitude = float(amplitude)

    def _draw(self, x: float, y: float, dx: float, dy: float) -> np.ndarray:
        across, up = self._box.x.arange - dx, self._box.y.arange - dy
        core = _round_gaussian(across, up, self.sigma1)
        return core + self.amplitude * _round_gaussian(across, up, self.sigma2)

    def parameters(self) -> dict[str, np.ndarray | float | int | str]:
        """Return the numbers that `from_parameters` takes."""
        return {
            "sigma1": self.sigma1,
            "sigma2": self.sigma2,
            "amplitude": self.amplitude,
            "stamp_size": self._box.x.size,
        }

    @classmethod
    def from_parameters(cls, parameters: Parameters, bounds: Bounds) -> Self:
        """Make a model from the numbers that `parameters` returned."""
        sigma1, sigma2, amplitude = (float(parameters[name]) for name in ("sigma1", "sigma2", "amplitude"))
        return cls(sigma1, sigma2, amplitude, bounds, int(parameters["stamp_size"]))


def _round_gaussian(x: np.ndarray, y: np.ndarray, sigma: float) -> np.ndarray:
    scale = -0.5 / sigma**2
    return np.multiply.outer(np.exp(scale * y**2), np.exp(scale * x**2))


def model_psf(
    fwhm: float, bounds: Bounds, config: ModelPsfConfig | None = None
) -> DoubleGaussianPsf | GaussianPointSpreadFunction:
    """Make the PSF that warps are matched to.

    Parameters
    ----------
    fwhm
        Full width at half maximum of the core in pixels; about that of the
        worst exposure, because matching can only widen.
    bounds
        Region where the model is valid, in pixels.
    config
        Size of the stamps, and the wing.

    Raises
    ------
    InvalidPsfError
        Raised when the width is not positive.
    """
    config = config or ModelPsfConfig()
    if not 0.0 < fwhm < math.inf:
        raise InvalidPsfError(f"The width of a model PSF must be positive; found {fwhm}.")
    sigma = fwhm / FWHM_PER_SIGMA
    side = config.stamp_size(fwhm)
    if not config.add_wing:
        return GaussianPointSpreadFunction(sigma, bounds, side)
    return DoubleGaussianPsf(sigma, config.wing_fwhm_factor * sigma, config.wing_amplitude, bounds, side)

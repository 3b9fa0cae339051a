"""Noise of the blank sky of a coadd."""

from __future__ import annotations

import dataclasses

from ..config import PlainValues
from .options import VarianceCorrection

__all__ = ("SkyNoise",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SkyNoise(PlainValues):
    """The noise of blank sky around the centre of a coadd's data, against its propagated variance.

    A number that could not be measured is `None`.  All are rounded to six digits.
    """

    pixel_noise: float | None = None
    """Scatter of pixels, nJy."""
    pixel: float | None = None
    """Variance of single pixels over the propagated one."""
    psf: float | None = None
    """The same for fluxes of point sources, measured with the PSF: it has in it what pixels share."""
    flux_noise: float | None = None
    """Scatter of fluxes of point sources, nJy, where the variance of pixels is its median over the coadd."""
    correction: VarianceCorrection = "none"
    """Which of the two the variance plane was multiplied by."""

    @property
    def applied(self) -> float:
        """Factor that the propagated variance was multiplied by; 1 if it was left alone."""
        factor = self.factor(self.correction)
        return 1.0 if factor is None else factor

    def factor(self, kind: VarianceCorrection) -> float | None:
        """Return the factor of a correction; `None` where there is none."""
        return {"none": None, "pixel": self.pixel, "psf": self.psf}[kind]

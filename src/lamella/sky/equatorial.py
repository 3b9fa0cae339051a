"""The sky map of one band along the celestial equator."""

from __future__ import annotations

import struct
from typing import Self

import numpy as np
import pydantic

from ..config import option
from .layout import Projection, TractSite
from .skymap import SkyMap, SkyMapConfig
from .vectors import from_lonlat

__all__ = ("EquatorialConfig", "EquatorialSkyMap")


class EquatorialConfig(SkyMapConfig):
    """Options of a sky map of one band along the equator."""

    projection: Projection = option("CEA", "Projection of the tracts, as a FITS code.")
    num_tracts: int = option(4, "Number of tracts; at least 3, for a tract is less than a hemisphere.", ge=3)
    dec_range: tuple[float, float] = option((-1.25, 1.25), "Declination from and to.", unit="deg")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if not -90.0 < self.dec_range[0] < self.dec_range[1] < 90.0:
            raise ValueError(f"dec_range must increase, between -90 and 90 degrees; found {self.dec_range}")
        return self


class EquatorialSkyMap(SkyMap[EquatorialConfig]):
    """Tracts of equal width in right ascension, numbered from right ascension 0.

    The reference point of the projection is on the equator, whatever the
    declinations of the band.
    """

    kind = "equatorial"
    identity_name = "EquatSkyMap"
    config_class = EquatorialConfig

    def __len__(self) -> int:
        return self.config.num_tracts

    @property
    def _centers(self) -> tuple[np.ndarray, np.ndarray]:
        ra = 360.0 * (np.arange(len(self)) + 0.5) / len(self)
        return ra, np.full(len(self), 0.5 * sum(self.config.dec_range))

    def _site(self, tract: int) -> TractSite:
        ra, dec = float(self._centers[0][tract]), float(self._centers[1][tract])
        west, east = 2.0 * np.pi * np.array([tract, tract + 1]) / len(self)
        low, high = np.radians(self.config.dec_range)
        vertices = from_lonlat(np.array([west, east, east, west]), np.array([low, low, high, high]))
        return TractSite((ra, dec), (ra, 0.0), self._vertex_bounds((ra, 0.0), vertices))

    def _state(self) -> bytes:
        return struct.pack("<idd", self.config.num_tracts, *self.config.dec_range)

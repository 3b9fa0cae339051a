"""Sky maps of tracts at chosen places."""

from __future__ import annotations

import struct
from typing import Self

import numpy as np
import pydantic

from ..config import option
from .layout import PixelBounds, Projection, TractSite
from .skymap import SkyMap, SkyMapConfig

__all__ = ("DiscreteConfig", "DiscreteSkyMap", "FieldConfig", "FieldSkyMap")


class DiscreteConfig(SkyMapConfig):
    """Options of a sky map of square tracts around chosen circles."""

    ra: tuple[float, ...] = option((), "Right ascension of each tract.", unit="deg")
    dec: tuple[float, ...] = option((), "Declination of each tract.", unit="deg")
    radius: tuple[float, ...] = option((), "Radius of the circle that each tract encloses.", unit="deg")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if not len(self.ra) == len(self.dec) == len(self.radius):
            raise ValueError(
                f"ra, dec and radius have lengths {len(self.ra)}, {len(self.dec)} and {len(self.radius)}; "
                "expected equal ones"
            )
        if not self.ra:
            raise ValueError("there must be at least one tract")
        if not np.isfinite([*self.ra, *self.dec]).all() or any(abs(dec) > 90.0 for dec in self.dec):
            raise ValueError("positions must be finite, and declinations within -90 and 90 degrees")
        overlaps = self.tract_overlap > 0.0
        if not all(0.0 < radius < 90.0 or (overlaps and radius == 0.0) for radius in self.radius):
            raise ValueError("radii must lie between 0 and 90 degrees; without an overlap, 0 is none")
        return self


class DiscreteSkyMap(SkyMap[DiscreteConfig]):
    """One square tract around each of some circles."""

    kind = "discrete"
    identity_name = "DiscreteSkyMap"
    config_class = DiscreteConfig

    def __len__(self) -> int:
        return len(self.config.ra)

    @property
    def _centers(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.config.ra), np.array(self.config.dec)

    def _site(self, tract: int) -> TractSite:
        center = self.config.ra[tract], self.config.dec[tract]
        return TractSite(center, center, self._square_bounds(center, self.config.radius[tract]))

    def _state(self) -> bytes:
        rows = zip(self.config.ra, self.config.dec, self.config.radius, strict=True)
        return b"".join(struct.pack("<ddd", *row) for row in rows)


class FieldConfig(SkyMapConfig):
    """Options of a sky map of one rectangular tract."""

    tract_overlap: float = option(0.0, "Margin on each side of the field.", unit="deg", ge=0.0, lt=90.0)
    projection: Projection = option("TAN", "Projection of the tract, as a FITS code.")
    ra: float = option(help="Right ascension of the centre.", unit="deg", allow_inf_nan=False)
    dec: float = option(help="Declination of the centre.", unit="deg", ge=-90.0, le=90.0)
    width: int = option(help="Pixels along x.", unit="pixel", gt=0)
    height: int = option(help="Pixels along y.", unit="pixel", gt=0)


class FieldSkyMap(SkyMap[FieldConfig]):
    """One rectangular tract around a point."""

    kind = "field"
    identity_name = "FieldSkyMap"
    config_class = FieldConfig

    def __len__(self) -> int:
        return 1

    @property
    def _centers(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array([self.config.ra]), np.array([self.config.dec])

    def _site(self, tract: int) -> TractSite:
        center = self.config.ra, self.config.dec
        margin = self.config.tract_overlap * 3600.0 / self.config.pixel_scale
        # A width of w pixels reaches from the centre of the first to the centre of the last.
        x, y = 0.5 * (self.config.width - 1) + margin, 0.5 * (self.config.height - 1) + margin
        shift_x, shift_y = 0.5 * (1 - self.config.width % 2), 0.5 * (1 - self.config.height % 2)
        bounds = PixelBounds(-x - shift_x, x - shift_x, -y - shift_y, y - shift_y)
        return TractSite(center, center, bounds)

    def _state(self) -> bytes:
        config = self.config
        return struct.pack("<ddii", config.ra, config.dec, config.width, config.height)

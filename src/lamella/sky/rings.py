"""Sky maps of bands of constant declination: rings over the whole sky, and one band along the equator."""

from __future__ import annotations

import itertools
import math
import struct
from functools import cached_property
from typing import Literal, Self

import numpy as np
import pydantic

from ..config import option
from .layout import Projection, TractSite
from .skymap import SkyMap, SkyMapConfig
from .vectors import from_lonlat, to_lonlat

__all__ = ("EquatorialConfig", "EquatorialSkyMap", "RingsConfig", "RingsSkyMap")


class RingsConfig(SkyMapConfig):
    """Options of a sky map of rings."""

    num_rings: int = option(help="Number of rings between the two polar caps.", gt=0)
    ra_start: float = option(0.0, "Right ascension where each ring starts.", unit="deg", ge=0.0, lt=360.0)
    version: Literal[0, 1] = option(1, "Numbering; 0 repeats a flaw of the first one, for old data.")


class RingsSkyMap(SkyMap[RingsConfig]):
    """Rings of tracts at constant declination, between two polar caps.

    Tract 0 is the cap of the south pole and the last one that of the north
    pole.  The rings between are numbered from south to north, and the tracts
    of a ring along increasing right ascension.  The part of the sky that
    belongs to a tract is a box in right ascension and declination.

    Notes
    -----
    In version 0 the tracts of each ring but the first are numbered from the
    second one, and the first one comes last; in the first ring it comes twice,
    and in the last one it is missing.  Positions in the missing tract are
    given to the north polar cap, which need not contain them.
    """

    kind = "rings"
    identity_name = "RingsSkyMap"
    config_class = RingsConfig

    def __len__(self) -> int:
        return int(self._starts[-1]) + 1

    @cached_property
    def ring_size(self) -> float:
        """Height of a ring in radians."""
        return math.pi / (self.config.num_rings + 1)

    @cached_property
    def ring_counts(self) -> tuple[int, ...]:
        """Number of tracts in each ring, from south to north."""
        souths = [self.ring_size * (ring + 0.5) - 0.5 * math.pi for ring in range(self.config.num_rings)]
        nearest = [min(abs(south), abs(south + self.ring_size)) for south in souths]
        return tuple(int(2.0 * math.pi * math.cos(lat) / self.ring_size) + 1 for lat in nearest)

    @cached_property
    def _starts(self) -> np.ndarray:
        """Number of the first tract of each ring, and of the north cap."""
        return np.array([1, *(1 + total for total in itertools.accumulate(self.ring_counts))])

    @cached_property
    def _centers(self) -> tuple[np.ndarray, np.ndarray]:
        counts = np.array(self.ring_counts)
        ring = np.repeat(np.arange(self.config.num_rings), counts)
        column = np.arange(len(ring)) - (self._starts[:-1] - 1)[ring]
        if self.config.version == 0:
            # One tract later in all rings but the first, which gains one from the next.
            ring = np.searchsorted(np.cumsum(counts), np.maximum(np.arange(len(ring)) - 1, 0), side="right")
            column = np.arange(len(ring)) - (self._starts[:-1] - 1)[ring]
        ra = (self.config.ra_start + 360.0 * (column / counts[ring])) % 360.0
        dec = np.degrees(self.ring_size * (ring + 1) - 0.5 * math.pi)
        return np.concatenate([[0.0], ra, [0.0]]), np.concatenate([[-90.0], dec, [90.0]])

    def _site(self, tract: int) -> TractSite:
        center = float(self._centers[0][tract]), float(self._centers[1][tract])
        return TractSite(center, center, self._square_bounds(center, math.degrees(0.5 * self.ring_size)))

    def _find(self, vectors: np.ndarray) -> np.ndarray:
        lon, lat = to_lonlat(vectors)
        lowest = 0.5 * self.ring_size - 0.5 * math.pi
        ring = ((lat - lowest) / self.ring_size).astype(np.int64)
        ring = np.clip(ring, 0, self.config.num_rings - 1)
        counts = np.array(self.ring_counts)[ring]
        around = (lon - math.radians(self.config.ra_start)) % (2.0 * math.pi)
        column = (around / (2.0 * math.pi / counts) + 0.5).astype(np.int64) % counts
        if self.config.version == 0:
            column = np.where((column == 0) & (ring > 0), counts, column)
        tract = np.where(lat < lowest, 0, self._starts[ring] + column)
        return np.where(lat > -lowest, len(self) - 1, tract)

    @property
    def _reach(self) -> float:
        return self._box_reach(0.5 * self.ring_size + math.radians(self.config.tract_overlap))

    def _state(self) -> bytes:
        state = struct.pack("<id", self.config.num_rings, self.config.ra_start)
        return state if self.config.version == 1 else state + struct.pack("<i", self.config.version)


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

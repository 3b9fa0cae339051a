"""The sky map of the pixels of HEALPix."""

from __future__ import annotations

import struct
from functools import cached_property

import numpy as np

from ..config import option
from .layout import TractSite
from .skymap import SkyMap, SkyMapConfig
from .vectors import angular_separation, from_lonlat, to_lonlat

__all__ = ("HealpixConfig", "HealpixSkyMap")

_FACE_ROW = np.array([2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4])
"""Sides of a base face from the north pole to the southern corner of each base face."""

_FACE_COLUMN = np.array([1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7])
"""Longitude of the middle of each base face, in units of 45 degrees."""


class HealpixConfig(SkyMapConfig):
    """Options of a sky map of HEALPix pixels."""

    rotation: float = option(45.0, "Turns the pixel grid; HEALPix pixels stand on a corner.", unit="deg")
    log2_nside: int = option(0, "Logarithm to base 2 of the resolution parameter of HEALPix.", ge=0, le=9)
    nest: bool = option(False, "Number the tracts in the nested scheme, instead of along rings.")


class HealpixSkyMap(SkyMap[HealpixConfig]):
    """One tract for each pixel of HEALPix (Gorski et al. 2005), numbered as there, from north to south.

    The part of the sky that belongs to a tract is the HEALPix pixel.
    """

    kind = "healpix"
    identity_name = "HealpixSkyMap"
    config_class = HealpixConfig

    def __len__(self) -> int:
        return 12 * self.nside**2

    @property
    def nside(self) -> int:
        """Pixels along each side of a base face."""
        return int(2**self.config.log2_nside)

    @cached_property
    def _cells(self) -> np.ndarray:
        """Base face, and place along its two axes, of each tract; shape (3, number of tracts)."""
        nside = self.nside
        face, x, y = (axis.ravel() for axis in np.indices((12, nside, nside)))
        cells = np.empty((3, len(self)), dtype=np.int64)
        cells[:, self._number(face, x, y)] = face, x, y
        return cells

    def _number(self, face: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if self.config.nest:
            return np.asarray(face * self.nside**2 + _spread_bits(x) + 2 * _spread_bits(y))
        nside = self.nside
        ring = _FACE_ROW[face] * nside - x - y - 1
        width = np.minimum(nside, np.minimum(ring, 4 * nside - ring))
        in_caps = 2 * width * (width - 1)
        between = 2 * nside * (nside - 1) + (ring - nside) * 4 * nside
        south = np.where(ring > 3 * nside, 12 * nside**2 - in_caps - 4 * width, between)
        before = np.where(ring < nside, in_caps, south)
        # Every other ring between the caps starts half a pixel later.
        shift = np.where((ring >= nside) & (ring <= 3 * nside), (ring - nside) % 2, 0)
        column = (_FACE_COLUMN[face] * width + x - y + 1 + shift) // 2 - 1
        return np.asarray(before + column % (4 * width))

    @cached_property
    def _centers(self) -> tuple[np.ndarray, np.ndarray]:
        lon, lat = to_lonlat(self._direction(0.5, 0.5))
        return np.degrees(lon), np.degrees(lat)

    def _direction(self, dx: float, dy: float, tracts: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return unit vectors of a place in pixels, from (0, 0) in the south to (1, 1) in the north."""
        face, x, y = self._cells[:, tracts]
        x, y = (x + dx) / self.nside, (y + dy) / self.nside
        down = _FACE_ROW[face] - x - y
        # Sides of a base face from the nearer pole, where the polar caps narrow; 1 between them.
        width = np.minimum(1.0, np.minimum(down, 4.0 - down))
        cap = 1.0 - width**2 / 3.0
        z = np.where(down < 1.0, cap, np.where(down > 3.0, -cap, (2.0 - down) * 2.0 / 3.0))
        # Near a pole, the distance from it has more digits than the height.
        radius = np.where(
            width < 1.0, width * np.sqrt((1.0 + cap) / 3.0), np.sqrt(1.0 - np.minimum(z**2, 1.0))
        )
        column = _FACE_COLUMN[face] * width + x - y
        lon = 0.25 * np.pi * np.divide(column, width, out=np.zeros_like(width), where=width > 0.0)
        return from_lonlat(lon, np.arctan2(z, radius))

    def pixel_corners(self, tract: int) -> np.ndarray:
        """Return unit vectors of the south, east, north and west corner of a pixel, of shape (4, 3)."""
        tracts = np.array([tract])
        corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
        return np.concatenate([self._direction(dx, dy, tracts) for dx, dy in corners])

    def _site(self, tract: int) -> TractSite:
        center = float(self._centers[0][tract]), float(self._centers[1][tract])
        return TractSite(center, center, self._vertex_bounds(center, self.pixel_corners(tract)))

    def _find(self, vectors: np.ndarray) -> np.ndarray:
        nside, (lon, _) = self.nside, to_lonlat(vectors)
        quarter, z = lon / (0.5 * np.pi), vectors[:, 2]
        # Base face and pixel in it, for directions between the polar caps.
        rising = np.floor(nside * (0.5 + quarter - 0.75 * z)).astype(np.int64)
        falling = np.floor(nside * (0.5 + quarter + 0.75 * z)).astype(np.int64)
        a, b = rising // nside, falling // nside
        face = np.where(a == b, a % 4 + 4, np.where(a < b, a % 4, b % 4 + 8))
        band = face, falling % nside, nside - 1 - rising % nside
        # And for those in the caps.
        column = np.minimum(quarter.astype(np.int64), 3)
        across = quarter - column
        width = nside * np.hypot(vectors[:, 0], vectors[:, 1]) / np.sqrt((1.0 + np.abs(z)) / 3.0)
        a = np.minimum((across * width).astype(np.int64), nside - 1)
        b = np.minimum(((1.0 - across) * width).astype(np.int64), nside - 1)
        face = np.where(z > 0.0, column, column + 8)
        cap = face, np.where(z > 0.0, nside - 1 - b, a), np.where(z > 0.0, nside - 1 - a, b)
        in_band = np.abs(z) <= 2.0 / 3.0
        return self._number(*(np.where(in_band, *cells) for cells in zip(band, cap, strict=True)))

    @cached_property
    def _reach(self) -> float:
        radius = max(
            float(angular_separation(self._center_vectors, self._direction(dx, dy)).max())
            for dx, dy in [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
        )
        return self._box_reach(radius + 0.5 * np.radians(self.config.tract_overlap))

    def _state(self) -> bytes:
        return struct.pack("<ii", self.config.log2_nside, self.config.nest)


def _spread_bits(values: np.ndarray) -> np.ndarray:
    """Return numbers whose even bits are the bits of others."""
    spread = np.zeros_like(values)
    for bit in range(10):
        spread |= ((values >> bit) & 1) << (2 * bit)
    return spread

"""What all sky maps have in common: numbered tracts that cover some of the sky."""

from __future__ import annotations

import abc
import hashlib
import json
import struct
from collections.abc import Iterator
from functools import cached_property
from os import PathLike
from typing import Any, ClassVar

import numpy as np
from astropy.coordinates import SkyCoord

from ..config import Config, option
from ..errors import ConfigError, SkyMapError
from ..files import write_text
from .geometry import SkyPolygon
from .layout import LegacyPatches, PatchLayout, PixelBounds, Projection, TractSite, enclose, tract_wcs
from .tract import Patch, Tract
from .vectors import angular_separation, from_lonlat, offset_by, to_lonlat, to_vectors

__all__ = ("FORMAT", "SkyMap", "SkyMapConfig", "TractPatches")

FORMAT = "lamella-skymap-1"
"""What a file of a sky map says that it is."""

TractPatches = tuple[Tract, tuple[Patch, ...]]
"""A tract and some of its patches."""

_KEPT_TRACTS = 64


class SkyMapConfig(Config):
    """Options of all sky maps."""

    tract_overlap: float = option(1.0, "Overlap of neighbouring tracts.", unit="deg", ge=0.0, lt=90.0)
    pixel_scale: float = option(0.333, "Angle per pixel at the centre of a tract.", unit="arcsec", gt=0.0)
    projection: Projection = option("STG", "Projection of the tracts, as a FITS code.")
    rotation: float = option(0.0, "Turns the pixel grid; at 0 north is up.", unit="deg", allow_inf_nan=False)
    patches: PatchLayout = option(LegacyPatches(), "How tracts are cut into patches.")


class SkyMap[C: SkyMapConfig](abc.ABC):
    """Numbered tracts that cover some of the sky.

    Sky maps do not change; two are equal when their kind, configuration and
    name are.  Tracts are made when they are asked for, and a few are kept.

    Parameters
    ----------
    config
        Options of this kind of sky map.
    name
        Name that goes into the files made with the sky map; by default the
        kind and the beginning of the identity.
    """

    kind: ClassVar[str]
    """Name of the kind of sky map, as files and commands use it."""

    identity_name: ClassVar[str]
    """Name of the kind that enters the identity."""

    config_class: ClassVar[type[SkyMapConfig]]
    """Class of the options."""

    def __init__(self, config: C, *, name: str = "") -> None:
        if not isinstance(config, self.config_class):
            raise ConfigError(
                f"A sky map of kind {self.kind!r} needs a {self.config_class.__name__}; "
                f"found a {type(config).__name__}.",
                found=type(config).__name__,
            )
        self.config: C = config
        self.name = name or f"{self.kind}-{self.identity[:8]}"
        self._tracts: dict[int, Tract] = {}

    @abc.abstractmethod
    def __len__(self) -> int:
        """Return the number of tracts."""

    @abc.abstractmethod
    def _site(self, tract: int) -> TractSite:
        """Return where a tract lies."""

    @abc.abstractmethod
    def _state(self) -> bytes:
        """Return the options of this kind, packed for the identity."""

    def _find(self, vectors: np.ndarray) -> np.ndarray:
        """Return the tracts that unit vectors of shape (n, 3) belong to: those of the nearest centre."""
        # Compared after rounding, so that of centres equally near the first is taken.
        closeness = np.round(vectors @ self._center_vectors.T, 13)
        return np.argmax(closeness, axis=1)

    @property
    @abc.abstractmethod
    def _centers(self) -> tuple[np.ndarray, np.ndarray]:
        """Right ascension and declination of the centres of all tracts, in degrees."""

    @cached_property
    def _center_vectors(self) -> np.ndarray:
        return from_lonlat(*np.radians(self._centers))

    @property
    def centers(self) -> SkyCoord:
        """Centres of all tracts, in ICRS."""
        ra, dec = self._centers
        return SkyCoord(ra=ra, dec=dec, unit="deg", frame="icrs")

    def __iter__(self) -> Iterator[Tract]:
        return (self[tract] for tract in range(len(self)))

    def __getitem__(self, tract: int) -> Tract:
        if not 0 <= tract < len(self):
            raise SkyMapError(
                f"There is no tract {tract} in the sky map {self.name!r}; there are 0 to {len(self) - 1}.",
                tract=tract,
            )
        kept = self._tracts.get(tract)
        if kept is None:
            kept = Tract(self, int(tract), self._site(int(tract)))
            if len(self._tracts) >= _KEPT_TRACTS:
                self._tracts.clear()
            self._tracts[int(tract)] = kept
        return kept

    def find_tracts(self, coords: SkyCoord) -> np.ndarray:
        """Return the numbers of the tracts that positions belong to.

        Each position belongs to one tract, the one that shows it closest to
        its centre in the sense of the kind of sky map.  Where the sky map does
        not cover the sky this tract does not contain the position:
        `Tract.contains` tells.

        Parameters
        ----------
        coords
            Positions of any shape.

        Returns
        -------
        numpy.ndarray
            Integers of the shape of the positions.
        """
        vectors = to_vectors(coords)
        return self._find(vectors.reshape(-1, 3)).reshape(vectors.shape[:-1])

    def find_tract(self, coord: SkyCoord) -> Tract:
        """Return the tract that one position belongs to; see `find_tracts`."""
        return self[int(self.find_tracts(coord))]

    def overlapping(self, polygon: SkyPolygon) -> tuple[Tract, ...]:
        """Return the tracts that overlap a region, in order of their numbers."""
        circle = polygon.outer_circle
        near = self._tracts_near(np.array(circle.axis), circle.angle)
        return tuple(tract for tract in near if tract.polygon.overlaps(polygon))

    def find_tract_patches(self, where: SkyPolygon | SkyCoord) -> tuple[TractPatches, ...]:
        """Return the tracts and patches of a region.

        Parameters
        ----------
        where
            A region, for all patches that overlap it; or positions, for the
            patches that `Tract.find_patches` gives for them.

        Returns
        -------
        tuple of tuple
            Each tract that has such patches, and these.
        """
        if isinstance(where, SkyPolygon):
            pairs = [(tract, tract.overlapping_patches(where)) for tract in self.overlapping(where)]
        else:
            vectors = to_vectors(where).reshape(-1, 3)
            axis = vectors.sum(axis=0)
            axis = axis / max(float(np.linalg.norm(axis)), 1e-300)
            near = self._tracts_near(axis, float(angular_separation(vectors, axis).max()))
            pairs = [(tract, tract.find_patches(where)) for tract in near]
        return tuple((tract, patches) for tract, patches in pairs if patches)

    def _tracts_near(self, axis: np.ndarray, angle: float) -> list[Tract]:
        """Return all tracts that may have a point within an angle of a direction, and perhaps more."""
        separation = angular_separation(self._center_vectors, axis)
        return [self[int(i)] for i in np.flatnonzero(separation <= angle + self._reach)]

    @property
    def _reach(self) -> float:
        """Angle in radians from the centre of a tract within which all of its pixels lie."""
        return np.pi

    def _box_reach(self, radius: float) -> float:
        """Return `_reach` for tracts that enclose circles of a radius; all in radians.

        The corners of a square box are 1.5 times as far as its sides in any
        zenithal projection of less than 60 degrees; and there may be one more patch.
        """
        if self.config.projection not in ("TAN", "STG", "SIN", "ARC", "ZEA") or radius > np.pi / 3.0:
            return np.pi
        patch = np.hypot(*self.config.patches.inner_size) * np.radians(self.config.pixel_scale / 3600.0)
        return float(2.0 * (radius + patch))

    def _make_wcs(self, crval: tuple[float, float]) -> Any:
        config = self.config
        return tract_wcs(config.projection, config.pixel_scale, crval, rotation=config.rotation)

    def _square_bounds(self, center: tuple[float, float], radius: float) -> PixelBounds:
        """Return the limits of a circle (radius in degrees) with the overlap added."""
        lon, lat = np.radians(center)
        reach = np.radians(radius + self.config.tract_overlap)
        points = offset_by(lon, lat, np.radians([0.0, 90.0, 180.0, 270.0]), reach)
        return enclose(self._make_wcs(center), points)

    def _vertex_bounds(self, crval: tuple[float, float], vertices: np.ndarray) -> PixelBounds:
        """Return the limits of a polygon with half of the overlap around each vertex."""
        angles = 2.0 * np.pi * np.arange(24) / 24
        rim = np.radians(0.5 * self.config.tract_overlap)
        lons, lats = to_lonlat(vertices)
        circles = [offset_by(lon, lat, angles, rim) for lon, lat in zip(lons, lats, strict=True)]
        return enclose(self._make_wcs(crval), np.concatenate(circles))

    @cached_property
    def identity(self) -> str:
        """SHA-1 of the kind and the configuration, in hexadecimal; the name does not enter."""
        config, patches = self.config, self.config.patches
        if isinstance(patches, LegacyPatches):
            packed = struct.pack("<iii", *patches.inner, patches.border)
        else:
            sizes = patches.cell_inner, patches.cell_inner, patches.cell_border
            packed = struct.pack("<iiiii", *sizes, patches.cells, patches.border_cells)
        packed += struct.pack("<dd", config.tract_overlap, config.pixel_scale)
        packed += config.projection.encode("ascii") + struct.pack("<d", config.rotation)
        return hashlib.sha1(self.identity_name.encode() + packed + self._state()).hexdigest()

    def to_json(self) -> str:
        """Return the sky map as text; `lamella.sky.registry.skymap_from_json` reads it."""
        content = {
            "format": FORMAT,
            "kind": self.kind,
            "name": self.name,
            "identity": self.identity,
            "config": self.config.to_dict(),
        }
        return json.dumps(content, indent=2) + "\n"

    def save(self, path: str | PathLike[str]) -> None:
        """Write the sky map to a JSON file; `lamella.sky.registry.load_skymap` reads it.

        Raises
        ------
        OutputError
            Raised when the file cannot be written; nothing half-written is left.
        """
        write_text(path, self.to_json())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SkyMap):
            return NotImplemented
        return (self.kind, self.config, self.name) == (other.kind, other.config, other.name)

    def __hash__(self) -> int:
        return hash((self.identity, self.name))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.config, self.name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self)} tracts)"


def _rebuild[C: SkyMapConfig](cls: type[SkyMap[C]], config: C, name: str) -> SkyMap[C]:
    return cls(config, name=name)

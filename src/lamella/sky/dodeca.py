"""The sky map of the twelve faces of a dodecahedron."""

from __future__ import annotations

import itertools
import struct
from functools import cached_property

import numpy as np

from ..config import option
from .layout import LegacyPatches, PatchLayout, Projection, TractSite
from .skymap import SkyMap, SkyMapConfig
from .vectors import to_lonlat

__all__ = ("DodecaConfig", "DodecaSkyMap")

_GOLDEN = 0.5 * (1.0 + 5.0**0.5)


class DodecaConfig(SkyMapConfig):
    """Options of a sky map of twelve tracts."""

    tract_overlap: float = option(3.5, "Overlap of neighbouring tracts.", unit="deg", ge=0.0, lt=90.0)
    pixel_scale: float = option(0.2, "Angle per pixel at the centre of a tract.", unit="arcsec", gt=0.0)
    projection: Projection = option("STG", "Projection of the tracts, as a FITS code.")
    patches: PatchLayout = option(LegacyPatches(border=250), "How tracts are cut into patches.")
    with_tracts_on_poles: bool = option(False, "Put the centre of a tract on each pole, instead of a corner.")


class DodecaSkyMap(SkyMap[DodecaConfig]):
    """Twelve tracts, one for each face of a dodecahedron.

    A direction belongs to the face whose centre is nearest.  Tracts are
    numbered from north to south, and along increasing right ascension at the
    same declination.  One corner next to that on the north pole (or one face
    next to that on the pole) lies at right ascension 0.
    """

    kind = "dodeca"
    identity_name = "DodecaSkyMap"
    config_class = DodecaConfig

    def __len__(self) -> int:
        return 12

    @cached_property
    def _solid(self) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors of the centres of the faces (12, 3), in order of tracts, and the corners (20, 3)."""
        signs = list(itertools.product((-1.0, 1.0), repeat=2))
        faces = [np.roll((0.0, a, b * _GOLDEN), turn) for turn in range(3) for a, b in signs]
        corners = [np.roll((0.0, a * _GOLDEN, b / _GOLDEN), turn) for turn in range(3) for a, b in signs]
        # The corners of the dodecahedron with these faces are those of a cube and of three rectangles.
        corners += [np.array(corner) for corner in itertools.product((-1.0, 1.0), repeat=3)]
        directions, vertices = (
            vectors / np.linalg.norm(vectors, axis=1)[:, None] for vectors in map(np.array, (faces, corners))
        )
        # Turned so that one vector is the north pole, and its neighbour at longitude 0.
        upright = directions if self.config.with_tracts_on_poles else vertices
        pole = upright[0]
        closeness = upright @ pole
        closeness[0] = -1.0
        neighbour = upright[np.argmax(np.round(closeness, 9))]
        y = np.cross(pole, neighbour)
        y = y / np.linalg.norm(y)
        turn = np.stack([np.cross(y, pole), y, pole]).T
        directions, vertices = directions @ turn, vertices @ turn
        lon, _ = to_lonlat(directions)
        # Rounded, so that rounding errors do not order the faces of one latitude.
        order = np.lexsort((np.round(np.degrees(lon)) % 360.0, -np.round(directions[:, 2], 1)))
        return directions[order], vertices

    @cached_property
    def _centers(self) -> tuple[np.ndarray, np.ndarray]:
        faces, _ = self._solid
        lon, lat = to_lonlat(faces)
        # The right ascension of a pole says how its pixel grid is turned; it must not be a rounding error.
        lon = np.where(np.hypot(faces[:, 0], faces[:, 1]) < 1e-9, 0.0, lon)
        return np.degrees(lon), np.degrees(lat)

    def face_corners(self, tract: int) -> np.ndarray:
        """Return unit vectors of the five corners of the face of a tract, of shape (5, 3)."""
        faces, corners = self._solid
        return np.asarray(corners[np.argsort(-(corners @ faces[tract]))[:5]])

    def _site(self, tract: int) -> TractSite:
        center = float(self._centers[0][tract]), float(self._centers[1][tract])
        return TractSite(center, center, self._vertex_bounds(center, self.face_corners(tract)))

    def _state(self) -> bytes:
        return struct.pack("<i", self.config.with_tracts_on_poles)

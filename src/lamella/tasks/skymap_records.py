"""Sky maps as dimension records: tracts and patches with their regions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from lsst.sphgeom import ConvexPolygon, UnitVector3d

from ..errors import SkyMapError
from ..sky.geometry import SkyPolygon
from ..sky.skymap import SkyMap
from ..sky.tract import Tract

__all__ = ("from_region", "patch_records", "rename_skymap", "skymap_record", "to_region", "tract_record")

_NAME_LENGTH = 64


def to_region(polygon: SkyPolygon | np.ndarray) -> ConvexPolygon:
    """Return a polygon, or the hull of some directions, as a region of the middleware.

    Parameters
    ----------
    polygon
        A polygon, or unit vectors of shape (n, 3).
    """
    vectors = polygon.vertices if isinstance(polygon, SkyPolygon) else polygon
    return ConvexPolygon.convexHull([UnitVector3d(*map(float, vector)) for vector in vectors])


def from_region(region: ConvexPolygon) -> SkyPolygon:
    """Return a region of the middleware as a polygon."""
    return SkyPolygon.hull(np.array([tuple(vector) for vector in region.getVertices()]))


def rename_skymap(skymap: SkyMap[Any], name: str | None) -> SkyMap[Any]:
    """Return a sky map under the name that it has in a repository.

    Raises
    ------
    SkyMapError
        Raised when the name is longer than a repository can hold.
    """
    renamed = skymap if name in (None, skymap.name) else type(skymap)(skymap.config, name=name or "")
    if len(renamed.name) > _NAME_LENGTH:
        raise SkyMapError(f"The name {renamed.name!r} has more than {_NAME_LENGTH} characters.")
    return renamed


def skymap_record(skymap: SkyMap[Any]) -> dict[str, Any]:
    """Return the record of a sky map; its hash is the sky map's identity, 20 bytes."""
    shapes = np.array([tract.n_patches for tract in skymap])
    return {
        "name": skymap.name,
        "hash": bytes.fromhex(skymap.identity),
        "tract_max": len(skymap),
        "patch_nx_max": int(shapes[:, 0].max()),
        "patch_ny_max": int(shapes[:, 1].max()),
    }


def tract_record(tract: Tract) -> dict[str, Any]:
    """Return the record of a tract, with the region of all its pixels."""
    return {"skymap": tract.skymap, "id": tract.id, "region": to_region(tract.polygon)}


def patch_records(tracts: Iterable[Tract]) -> list[dict[str, Any]]:
    """Return the records of all patches of some tracts, with the regions of their outer boxes."""
    return [
        {
            "skymap": tract.skymap,
            "tract": tract.id,
            "id": patch.sequential,
            "cell_x": patch.index[0],
            "cell_y": patch.index[1],
            "region": to_region(patch.polygon),
        }
        for tract in tracts
        for patch in tract
    ]

"""Sky maps in a repository, with the records of their tracts and patches and their regions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from lsst.daf.butler import Butler
from lsst.sphgeom import ConvexPolygon, UnitVector3d

from ..errors import DuplicateInputError, SkyMapError
from ..sky.geometry import SkyPolygon
from .datasets import common_runs, find_prefix

if TYPE_CHECKING:  # a repository is made and cleaned without images
    from ..sky.skymap import SkyMap
    from ..sky.tract import Tract

__all__ = ("from_region", "register_skymap", "stored_skymap", "to_region", "visited_tracts")

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


def register_skymap(
    butler: Butler,
    skymap: SkyMap[Any],
    *,
    name: str | None = None,
    tracts: Iterable[int] | None = None,
) -> str:
    """Add a sky map: records of its tracts and patches with their regions, and the sky map itself.

    What is there already stays; tracts can be added later.

    Parameters
    ----------
    butler
        The repository.
    skymap
        The sky map.
    name
        Name in the repository; by default its own.
    tracts
        Numbers of the tracts; by default all, which takes minutes for a sky
        map that covers the sky.

    Returns
    -------
    str
        The name.

    Raises
    ------
    DuplicateInputError
        Raised when the repository has another sky map of that name.
    SkyMapError
        Raised when there is no such tract, or the name is too long.
    """
    if name not in (None, skymap.name):
        skymap = type(skymap)(skymap.config, name=name or "")
    if len(skymap.name) > _NAME_LENGTH:
        raise SkyMapError(f"The name {skymap.name!r} has more than {_NAME_LENGTH} characters.")
    _require_same(butler, skymap)
    present = {record.id for record in _query(butler, "tract", skymap.name)}
    wanted = sorted(set(range(len(skymap)) if tracts is None else tracts) - present)
    chosen = [skymap[number] for number in wanted]
    insert = butler.registry.insertDimensionData
    with butler.transaction():
        if not _query(butler, "skymap", skymap.name):
            # The hash is the sky map's identity, 20 bytes.
            shapes = np.array([tract.n_patches for tract in skymap])
            record = {
                "name": skymap.name,
                "hash": bytes.fromhex(skymap.identity),
                "tract_max": len(skymap),
                "patch_nx_max": int(shapes[:, 0].max()),
                "patch_ny_max": int(shapes[:, 1].max()),
            }
            insert("skymap", record, skip_existing=True)
        for tract in chosen:
            row = {"skymap": tract.skymap, "id": tract.id, "region": to_region(tract.polygon)}
            insert("tract", row, skip_existing=True)
            insert("patch", *_patch_records(tract), skip_existing=True)
        if not _has_skymap(butler, skymap.name):
            name, run = _dataset_of(butler)
            butler.put(skymap, name, skymap=skymap.name, run=run)
    return skymap.name


def _patch_records(tract: Tract) -> list[dict[str, Any]]:
    """Return the records of the patches of a tract, with the regions of their outer boxes."""
    return [
        {
            "skymap": tract.skymap,
            "tract": tract.id,
            "id": patch.sequential,
            "cell_x": patch.index[0],
            "cell_y": patch.index[1],
            "region": to_region(patch.polygon),
        }
        for patch in tract
    ]


def stored_skymap(butler: Butler, name: str) -> SkyMap[Any]:
    """Return a sky map of the repository.

    Raises
    ------
    SkyMapError
        Raised when there is none of that name.
    """
    names = [record.name for record in butler.query_dimension_records("skymap", explain=False)]
    if name not in names or not _has_skymap(butler, name):
        there = ", ".join(names) or "none"
        raise SkyMapError(f"There is no sky map {name!r} in the repository; there are: {there}.", skymap=name)
    dataset, run = _dataset_of(butler)
    skymap: SkyMap[Any] = butler.get(dataset, skymap=name, collections=run)
    return skymap


def _query(butler: Butler, element: str, skymap: str) -> list[Any]:
    return butler.query_dimension_records(element, skymap=skymap, explain=False, limit=None)


def _has_skymap(butler: Butler, name: str) -> bool:
    return bool(butler.query_datasets(*_dataset_of(butler), skymap=name, explain=False))


def _dataset_of(butler: Butler) -> tuple[str, str]:
    """Return the dataset type and the run of sky maps."""
    prefix = find_prefix(butler)
    return f"{prefix}skyMap", common_runs(prefix)[0]


def _require_same(butler: Butler, skymap: SkyMap[Any]) -> None:
    for record in butler.query_dimension_records("skymap", explain=False):
        stored, given = record.hash.hex(), skymap.identity
        if record.name == skymap.name and stored != given:
            raise DuplicateInputError(f"sky map {skymap.name!r}", found=f"identity {given}", expected=stored)
        if record.name != skymap.name and stored == given:
            raise SkyMapError(
                f"The repository has this sky map under the name {record.name!r}, not {skymap.name!r}."
            )


def visited_tracts(butler: Butler, skymap: SkyMap[Any]) -> list[int]:
    """Return the tracts of a sky map that overlap the exposures of a repository, sorted."""
    tracts: set[int] = set()
    for record in butler.query_dimension_records("visit_detector_region", explain=False, limit=None):
        if isinstance(record.region, ConvexPolygon):
            tracts |= {tract.id for tract in skymap.overlapping(from_region(record.region))}
    return sorted(tracts)

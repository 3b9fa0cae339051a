"""Warps, exposures and references in memory, for tests of the documented tasks."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.images import Box
from lsst.pipe.base import Struct

from lamella.data.coadd import PatchCoadd
from lamella.data.exposure import Exposure, ExposureId, ExposureInfo
from lamella.planes import Layout
from lamella.sky.discrete import DiscreteConfig, DiscreteSkyMap
from lamella.sky.layout import LegacyPatches

from ...makers import WarpMaker
from ...same import COUNTS, assert_same_planes

PATCH = {"tract": 0, "patch": "1,1", "filter": "r"}
"""Identifier of the patch that the fixtures fill."""


class MemoryButler:
    """A butler whose datasets are in a dictionary, by name and identifier."""

    KEYS: ClassVar[dict[str, tuple[str, ...]]] = {
        "deepCoadd": ("tract", "patch", "filter"),
        "deepCoadd_nImage": ("tract", "patch", "filter"),
        "deepCoaddPsfMatched": ("tract", "patch", "filter"),
        "deepCoaddPsfMatched_nImage": ("tract", "patch", "filter"),
        "deepCoadd_directWarp": ("tract", "patch", "filter", "visit"),
        "deepCoadd_psfMatchedWarp": ("tract", "patch", "filter", "visit"),
        "brightObjectMask": ("tract", "patch", "filter"),
        "calexp": ("visit", "ccd"),
        "calexpBackground": ("visit", "ccd"),
        "skyMap": (),
    }

    def __init__(self) -> None:
        self.datasets: dict[tuple[Any, ...], Any] = {}
        self.reads: list[tuple[str, Any]] = []

    def getKeys(self, name: str) -> dict[str, type]:
        return dict.fromkeys(self.KEYS[name], str)

    def dataRef(self, name: str, dataId: dict[str, Any], **rest: Any) -> MemoryRef:
        return MemoryRef(self, name, {**dataId, **rest})

    def key(self, name: str, dataId: dict[str, Any]) -> tuple[Any, ...]:
        name = "skyMap" if name == "deepCoadd_skyMap" else name
        return (name, *(dataId[key] for key in self.KEYS[name]))


class MemoryRef:
    """A data reference to such a butler."""

    def __init__(self, butler: MemoryButler, name: str, dataId: dict[str, Any]) -> None:
        self.butler, self.name, self.dataId = butler, name, dataId
        self.datasetType = name

    def getButler(self) -> MemoryButler:
        return self.butler

    def get(self, name: str | None = None, immediate: bool = True, bbox: Box | None = None) -> Any:
        name = name or self.name
        self.butler.reads.append((name, bbox))
        if name == "calexp.info":
            return self.get("calexp").info
        base = name.removesuffix("_sub").removesuffix("_bbox")
        try:
            found = self.butler.datasets[self.butler.key(base, self.dataId)]
        except KeyError:
            raise LookupError(f"no {base} {self.dataId}") from None
        if name.endswith("_bbox"):
            return found.bbox
        return found[bbox].copy() if name.endswith("_sub") else found

    def put(self, obj: Any, name: str | None = None) -> None:
        self.butler.datasets[self.butler.key(name or self.name, self.dataId)] = obj

    def datasetExists(self, name: str | None = None) -> bool:
        return self.butler.key(name or self.name, self.dataId) in self.butler.datasets


@pytest.fixture
def maker() -> Any:
    """Maker of small warps."""
    return WarpMaker()


@pytest.fixture
def butler() -> MemoryButler:
    """An empty repository in memory."""
    return MemoryButler()


@pytest.fixture
def sky_info(maker: Any) -> Struct:
    """The grid of the maker's warps."""
    return Struct(skyMap=None, tractInfo=None, patchInfo=None, wcs=maker.projection, bbox=maker.bbox)


@pytest.fixture
def sky_map() -> DiscreteSkyMap:
    """Nine patches of 60 pixels."""
    config = DiscreteConfig(
        ra=(150.0,),
        dec=(2.0,),
        radius=(85 * 0.2 / 3600,),
        tract_overlap=0.0,
        pixel_scale=0.2,
        projection="TAN",
        patches=LegacyPatches(inner=(60, 60), border=5),
    )
    return DiscreteSkyMap(config, name="test")


def make_exposure(maker: Any, visit: int, ccd: int, bbox: Box) -> Exposure:
    """Return an exposure in the tract's own pixel frame."""
    warp = maker.warp(visit, bbox=bbox)
    info = ExposureInfo(
        id=ExposureId("Cam", visit, ccd), path="", band="r", bbox=bbox, projection=maker.projection
    )
    return Exposure(info=info, pixels=warp, psf=maker.psf(), to_njy=1.0)


@pytest.fixture
def patch_ref(butler: MemoryButler, sky_map: Any) -> MemoryRef:
    """A patch of a repository with a sky map."""
    ref = MemoryRef(butler, "deepCoadd", PATCH)
    ref.put(sky_map, "skyMap")
    return ref


@pytest.fixture
def exposures(butler: MemoryButler, maker: Any, sky_map: Any) -> list[MemoryRef]:
    """Exposures in the tract's frame: two visits on patch 1,1, one far off."""
    patch = sky_map[0].patch("1,1")
    maker.projection = patch.projection
    y, x = patch.outer_bbox.y.start, patch.outer_bbox.x.start
    places = {(7, 2): 0, (7, 1): 30, (4, 3): 20, (5, 1): 500}
    refs = []
    for (visit, ccd), shift in places.items():
        ref = MemoryRef(butler, "calexp", {"visit": visit, "ccd": ccd})
        ref.put(make_exposure(maker, visit, ccd, Box.from_shape((30, 30), start=(y, x + shift))))
        refs.append(ref)
    return refs


def planes_of(coadd: PatchCoadd) -> dict[str, np.ndarray]:
    """Return all pixels of a coadd."""
    return {
        "image": coadd.image.array,
        "variance": coadd.variance.array,
        "mask": coadd.mask.array,
        "used": coadd.exposure_count.array,
        "unmasked": coadd.exposure_count_unmasked.array,
    }


def assert_same_coadd(first: PatchCoadd, second: PatchCoadd) -> None:
    """Require the same bits, and the same records."""
    assert_same_planes(first, second, *COUNTS)
    assert first.detectors == second.detectors
    assert first.settings == second.settings
    assert (first.band, first.notes, first.rejections) == (second.band, second.notes, second.rejections)
    assert (first.skymap, first.tract, first.patch) == (second.skymap, second.tract, second.patch)
    assert (first.bbox, first.inner_bbox, first.unit) == (second.bbox, second.inner_bbox, second.unit)


def plane(image: Any, name: str) -> np.ndarray:
    """Return where a plane of an image's mask is set."""
    bits = Layout(image.mask.schema).bits((name,))
    return (image.mask.array[..., 0] & bits) != 0

"""A repository with four visits of two filters, six patches, and numbers instead of images."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.daf.butler import Butler, CollectionType, DatasetType
from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

from lamella.sky.discrete import FieldConfig, FieldSkyMap
from lamella.sky.layout import LegacyPatches
from lamella.tasks.repository import create_repository, open_repository, register_skymap

VISITS = {101: "HSC-I", 102: "HSC-I", 103: "HSC-I", 201: "HSC-R"}
CCDS = (4, 10)


def _region() -> ConvexPolygon:
    corners = [(10, 0), (10.1, 0), (10.1, 0.1), (10, 0.1)]
    return ConvexPolygon([UnitVector3d(LonLat.fromDegrees(*corner)) for corner in corners])


def _add_exposures(butler: Butler) -> None:
    insert = butler.registry.insertDimensionData
    insert(
        "instrument",
        {"name": "HSC", "class_name": "lamella.tasks.instruments.HSC", "visit_system": 0, "detector_max": 200,
         "visit_max": 2**40, "exposure_max": 2**40},
    )  # fmt: skip
    for name, band in (("HSC-I", "i"), ("HSC-R", "r"), ("HSC-R2", "r")):
        insert("physical_filter", {"instrument": "HSC", "name": name, "band": band})
    for ccd in CCDS:
        insert("detector", {"instrument": "HSC", "id": ccd, "full_name": str(ccd)})
    insert("day_obs", {"instrument": "HSC", "id": 20200101})
    for visit, name in VISITS.items():
        insert(
            "visit",
            {"instrument": "HSC", "id": visit, "name": str(visit), "physical_filter": name,
             "day_obs": 20200101, "region": _region()},
        )  # fmt: skip


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cmdline") / "DATA"
    create_repository(root)
    butler = open_repository(root, writeable=True)
    config = FieldConfig(
        ra=10.0, dec=0.0, width=300, height=200, pixel_scale=0.1,
        patches=LegacyPatches(inner=(100, 100), border=0),
    )  # fmt: skip
    register_skymap(butler, FieldSkyMap(config), name="toys")
    _add_exposures(butler)
    exposure, patch = ("instrument", "visit", "detector"), ("skymap", "tract", "patch", "band")
    for name, dimensions in (("toyInput", exposure), ("toyCoadd_sum", patch)):
        kind = DatasetType(name, dimensions, "StructuredDataDict", universe=butler.dimensions)
        butler.registry.registerDatasetType(kind)
    butler.collections.register("HSC/inputs")
    butler.collections.register("HSC/defaults", CollectionType.CHAINED)
    butler.collections.redefine_chain("HSC/defaults", ["HSC/inputs"])
    for visit in VISITS:
        for ccd in CCDS:
            butler.put(
                {"value": visit * 1000 + ccd}, "toyInput", instrument="HSC", visit=visit, detector=ccd,
                run="HSC/inputs",
            )  # fmt: skip
    butler.close()
    return root


@pytest.fixture
def repo(_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository, and the toy tasks importable by other processes."""
    for name in ("PIPE_INPUT_ROOT", "PIPE_CALIB_ROOT", "PIPE_OUTPUT_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return Path(shutil.copytree(_made, tmp_path / "DATA"))


@pytest.fixture
def toys(repo: Path) -> Any:
    """The module of the toy tasks."""
    import cmdline_toys

    return cmdline_toys


@pytest.fixture
def run_toy(toys: Any, repo: Path) -> Callable[..., Any]:
    """Run a toy task on the repository: for all arguments after INPUT, or for a line of them."""

    def run(line: str, task: str = "ToyTask", **kwargs: Any) -> Any:
        return getattr(toys, task).parseAndRun([str(repo), *line.split()], **kwargs)

    return run

"""A repository as the C++ stack makes it: its types, class names and collections, and nothing of lamella."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import io
import pickle
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from lsst.daf.butler import Butler, CollectionType, DatasetRef, DatasetType, FileDataset, FormatterV2

from lamella.data.exposure import ExposureSource
from lamella.formats.recognise import open_exposures
from lamella.sky.field import skymap_from_exposures
from lamella.sky.skymap import SkyMap
from lamella.tasks.skymap_store import to_region
from lamella.tasks.visit_records import group_visits, insert_visit

from ..formats.afw.exposures import CARDS, write_exposure

__all__ = (
    "CALEXPS",
    "CHAINS",
    "INSTRUMENT_CLASS",
    "TYPES",
    "VISITS",
    "Stack",
    "database_of",
    "files_of",
    "make_stack",
    "make_stack_repository",
    "run",
)

VISITS = (7, 8, 9)

INSTRUMENT_CLASS = "lsst.obs.subaru.HyperSuprimeCam"
CALEXPS = "HSC/runs/RC2/w_2022_40"
CHAINS = {
    "HSC/calib": (),
    "HSC/defaults": ("HSC/raw/all", "HSC/calib", "skymaps"),
    "HSC/runs/RC2": (CALEXPS, "HSC/defaults"),
}
_PATCH = ("skymap", "tract", "patch")
_WARP = (*_PATCH, "instrument", "visit")
TYPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "calexp": ("ExposureF", ("instrument", "visit", "detector")),
    "skyMap": ("SkyMap", ("skymap",)),
    "brightObjectMask": ("ObjectMaskCatalog", (*_PATCH, "band")),
    "deepCoadd": ("ExposureF", (*_PATCH, "band")),
    "deepCoadd_directWarp": ("ExposureF", _WARP),
    "deepCoadd_psfMatchedWarp": ("ExposureF", _WARP),
    "deepCoadd_nImage": ("ImageU", (*_PATCH, "band")),
    "deepCoaddVisits": ("StructuredDataDict", (*_PATCH, "instrument", "band")),
    "selectDeepCoaddVisits_metadata": ("TaskMetadata", (*_PATCH, "instrument", "band")),
    "makeWarp_metadata": ("TaskMetadata", _WARP),
}
"""Storage class and dimensions of each type."""

_FORMATTER = "lsst.obs.base.formatters.fitsExposure", "FitsExposureFormatter"


@contextlib.contextmanager
def _stand_in() -> Iterator[None]:
    """Let the formatter of the stack be imported, only while the repository is made."""
    module, name = _FORMATTER
    parts = module.split(".")
    members = {"__module__": module, "default_extension": ".fits", "can_read_from_local_file": True}
    with pytest.MonkeyPatch.context() as patch:
        for end in range(2, len(parts) + 1):
            path = ".".join(parts[:end])
            patch.setitem(sys.modules, path, ModuleType(path))
        patch.setattr(sys.modules[module], name, type(name, (FormatterV2,), members), raising=False)
        yield


@dataclasses.dataclass(frozen=True)
class Stack:
    """A repository of the stack, and the files that its exposures were copied from."""

    repo: Path
    calexps: Path
    map_file: Path
    skymap: SkyMap[Any]

    def copy(self, folder: Path) -> Stack:
        """Return the same with a copy of the repository."""
        return dataclasses.replace(self, repo=Path(shutil.copytree(self.repo, folder / "stack")))


def make_stack(folder: Path) -> Stack:
    """Make the exposures, a sky map around them, and the repository."""
    (folder / "calexps").mkdir()
    for visit in VISITS:
        shifted = CARDS | {"CRPIX1": CARDS["CRPIX1"] + 0.4 * visit, "CRPIX2": CARDS["CRPIX2"] - 0.3 * visit}
        write_exposure(folder / "calexps" / f"calexp-{visit}.fits", visit=visit, cards=shifted)
    sources = open_exposures([folder / "calexps"]).sources
    skymap = skymap_from_exposures([source.info for source in sources], name="around")
    skymap.save(folder / "map.json")
    make_stack_repository(folder / "repo", sources, skymap)
    return Stack(folder / "repo", folder / "calexps", folder / "map.json", skymap)


def make_stack_repository(
    root: Path, sources: Iterable[ExposureSource], skymap: SkyMap[Any], *, types: Iterable[str] = TYPES
) -> None:
    """Make a repository with the exposures of HSC in a run, and a sky map that is a pickle.

    Parameters
    ----------
    root
        Its folder.
    sources
        Exposures in files of afw, which are copied.
    skymap
        Sky map of which the records are those of the stack.
    types
        Dataset types that it has.
    """
    Butler.makeRepo(root)
    with _stand_in(), Butler.from_config(root, writeable=True) as butler:
        for name in types:
            storage_class, dimensions = TYPES[name]
            butler.registry.registerDatasetType(
                DatasetType(name, dimensions, storage_class, universe=butler.dimensions)
            )
        for run in ("HSC/raw/all", "skymaps", CALEXPS):
            butler.collections.register(run)
        for chain, children in CHAINS.items():
            butler.collections.register(chain, CollectionType.CHAINED)
            butler.collections.redefine_chain(chain, children)
        _add_exposures(butler, sources)
        _add_skymap(butler, skymap, root)


def _add_exposures(butler: Butler, sources: Iterable[ExposureSource]) -> None:
    record = {"visit_max": 21474800, "exposure_max": 21474800, "detector_max": 200, "visit_system": 2}
    butler.registry.insertDimensionData(
        "instrument", {"name": "HSC", "class_name": INSTRUMENT_CLASS, **record}
    )
    kind = butler.get_dataset_type("calexp")
    for visit in group_visits(list(sources)):
        insert_visit(butler, visit)
        for source in visit.sources:
            data_id = butler.registry.expandDataId({**visit.key, "detector": source.info.id.detector})
            ref = DatasetRef(kind, data_id, run=CALEXPS)
            butler.ingest(FileDataset(source.info.path, [ref]), transfer="copy")


def _add_skymap(butler: Butler, skymap: SkyMap[Any], root: Path) -> None:
    nx, ny = skymap[0].n_patches
    row = {"name": skymap.name, "hash": bytes.fromhex(skymap.identity), "tract_max": len(skymap)}
    butler.registry.insertDimensionData("skymap", {**row, "patch_nx_max": nx, "patch_ny_max": ny})
    for tract in skymap:
        name = {"skymap": skymap.name}
        butler.registry.insertDimensionData(
            "tract", {**name, "id": tract.id, "region": to_region(tract.polygon)}
        )
        for patch in tract:
            cell = {"cell_x": patch.index[0], "cell_y": patch.index[1], "region": to_region(patch.polygon)}
            butler.registry.insertDimensionData(
                "patch", {**name, "tract": tract.id, "id": patch.sequential, **cell}
            )
    path = root / "skymap.pickle"
    path.write_bytes(pickle.dumps({"rings": 120}))
    ref = DatasetRef(
        butler.get_dataset_type("skyMap"), butler.registry.expandDataId(skymap=skymap.name), run="skymaps"
    )
    butler.ingest(FileDataset(str(path), [ref]), transfer="move")


def files_of(root: Path) -> dict[str, bytes]:
    """Return the content of each file of a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def database_of(root: Path) -> list[str]:
    """Return the database of a repository as text."""
    with contextlib.closing(sqlite3.connect(f"file:{root / 'gen3.sqlite3'}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def run(program: str, *arguments: Any) -> tuple[int, str]:
    """Run a command in this process, and return its status and what it said."""
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name=program)
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [program, *map(str, arguments)])
        with (
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            pytest.raises(SystemExit) as ended,
        ):
            sys.exit(entry.load()())
    code = ended.value.code
    return (code if isinstance(code, int) else int(code is not None)), said.getvalue()

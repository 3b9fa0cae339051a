"""A repository of a tiny simulated survey, and coadds to put into it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from lsst.daf.butler import Butler

from lamella.data.coadd import PatchCoadd
from lamella.data.exposure import Exposure, ExposureInfo, ExposureSource
from lamella.data.warp import Warp
from lamella.formats.recognise import open_exposures
from lamella.run.jobs import plan_jobs
from lamella.run.patch import PatchWork, make_patch
from lamella.run.patch_config import PatchConfig
from lamella.sky.field import skymap_from_exposures
from lamella.sky.skymap import SkyMap
from lamella.tasks.repository import open_repository
from lamella.testing.survey import simulate_survey

from ..surveys import TINY
from .registries import Registry

CONFIG = TINY.replace(bands=("g", "r"), detector_shape=(70, 80), stars=6, galaxies=4, cosmic_rays=8)
INSTRUMENT = "LamellaSim"


@dataclasses.dataclass(frozen=True)
class SmallSurvey:
    """Exposures on disk, and a sky map around them."""

    table: Path
    sources: tuple[ExposureSource, ...]
    skymap: SkyMap[Any]

    def make_products(self, band: str = "r") -> tuple[PatchCoadd, list[Warp]]:
        """Return the coadd of the first patch, and its warps."""
        warps: list[Warp] = []
        job = plan_jobs(self.sources, self.skymap, PatchConfig().select, bands=[band])[0]
        return make_patch(job, PatchConfig(), PatchWork(keep_warp=warps.append)), warps


@dataclasses.dataclass(frozen=True)
class Changed:
    """A source that says something else of an exposure than its file does."""

    original: ExposureSource
    info: ExposureInfo

    def read(self) -> Exposure:
        return dataclasses.replace(self.original.read(), info=self.info)


def changed(source: ExposureSource, **values: object) -> Changed:
    """Return a source with other records of its exposure."""
    return Changed(source, dataclasses.replace(source.info, **values))  # type: ignore[arg-type]


def make_survey(folder: Path) -> SmallSurvey:
    """Simulate the survey."""
    table = simulate_survey(folder, CONFIG).table
    sources = open_exposures([table]).sources
    skymap = skymap_from_exposures([source.info for source in sources], name="small", patch_size=110)
    return SmallSurvey(table, sources, skymap)


def new_repository(root: Path, registry: Registry | None = None) -> Butler:
    """Make a repository, by default on SQLite, and open it for writing."""
    (registry or Registry()).create(root)
    return open_repository(root, writeable=True)


def files_of(butler: Butler) -> list[Path]:
    """Return the files in the folders of runs and of files that wait to be ingested."""
    (root,) = butler.get_datastore_roots().values()
    assert root is not None
    folder = Path(root.ospath)
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.parent != folder)

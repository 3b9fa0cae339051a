"""Making a sky map, and putting it into a repository."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from lsst.pex.config import Config, ConfigChoiceField, Field
from lsst.pipe.base import Struct
from lsst.utils.timer import timeMethod

from ...sky.footprint import corner_vectors
from ...sky.registry import SKYMAP_KINDS
from ...sky.skymap import SkyMap
from ...sky.vectors import to_lonlat
from ..cmdline.argument_parser import ArgumentParser
from ..cmdline.runner import TaskRunner
from ..cmdline.task import CmdLineTask
from ..repository import open_repository, register_skymap
from .skyMaps import SKYMAP_CONFIGS, skymap_name_field

__all__ = ("MakeSkyMapConfig", "MakeSkyMapRunner", "MakeSkyMapTask", "SkyMapTask")


class MakeSkyMapConfig(Config):
    """Which sky map is made."""

    coaddName = Field[str]('Kind of coadd that the sky map is for: "deep"', default="deep")
    skyMap = ConfigChoiceField("Kind of sky map, and its options", typemap=SKYMAP_CONFIGS, default="dodeca")
    skyMapName = skymap_name_field()
    doWrite = Field[bool]("Write the sky map", default=True)


class MakeSkyMapRunner(TaskRunner):
    """Runs a task once, for the whole repository."""

    @staticmethod
    def getTargetList(parsedCmd: Any, **kwargs: Any) -> list[tuple[Any, dict[str, Any]]]:
        """Return the repository as the one target."""
        return [(parsedCmd.butler, kwargs)]


class SkyMapTask(CmdLineTask):
    """Base of the tasks that make a sky map; their configuration has ``coaddName`` and ``skyMapName``."""

    def _skymap_name(self) -> str:
        return self.config.skyMapName or f"{self.config.coaddName}Coadd"  # type: ignore[attr-defined]

    def _finish(self, butler: Any, skyMap: SkyMap[Any]) -> Struct:
        """Log a sky map, and write it with its tracts and patches if configured."""
        self.log.info("sky map %s (%s) has %d tracts", skyMap.name, skyMap.kind, len(skyMap))
        for number in range(min(len(skyMap), 100)):
            tract = skyMap[number]
            ra, dec = np.degrees(to_lonlat(corner_vectors(tract.projection, tract.bbox)))
            corners = ", ".join(f"({x:.3f}, {y:.3f})" for x, y in zip(ra, dec, strict=True))
            text = "tract %d has corners %s (RA, Dec deg) and %d x %d patches"
            self.log.info(text, number, corners, tract.n_patches.x, tract.n_patches.y)
        if len(skyMap) > 100:
            self.log.info("and %d more tracts", len(skyMap) - 100)
        if self.config.doWrite:  # type: ignore[attr-defined]
            with open_repository(butler.root, writeable=True) as repository:
                register_skymap(repository, skyMap)
        return Struct(skyMap=skyMap)

    def _getConfigName(self) -> None:
        """Return no name: the sky map itself holds its configuration."""

    def _getMetadataName(self) -> None:
        """Return no name: there is no data identifier that metadata could have."""


class MakeSkyMapTask(SkyMapTask):
    """Makes a sky map from its configuration."""

    ConfigClass: ClassVar[type[Config]] = MakeSkyMapConfig
    _DefaultName = "makeSkyMap"
    summary = (
        "Makes a sky map from its options, and registers it with its tracts and patches in the "
        "repository, under the name deepCoadd or that of -c skyMapName=NAME."
    )
    example = (
        "makeSkyMap.py REPO -c skyMap=rings skyMapName=rings40 'skyMap.active.numRings=40' "
        "'skyMap.active.pixelScale=0.2'"
    )
    RunnerClass = MakeSkyMapRunner
    config: MakeSkyMapConfig

    @timeMethod
    def runDataRef(self, butler: Any) -> Struct:
        """Make the sky map, and write it if configured.

        Parameters
        ----------
        butler
            The repository.

        Returns
        -------
        lsst.pipe.base.Struct
            ``skyMap``.
        """
        options = self.config.skyMap.active
        return self._finish(butler, SKYMAP_KINDS[options.kind](options.toCore(), name=self._skymap_name()))

    @classmethod
    def _makeArgumentParser(cls) -> ArgumentParser:
        return cls._newParser()

"""Making the sky map of one tract around some exposures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from lsst.pex.config import Config, ConfigField, Field
from lsst.pipe.base import Struct
from lsst.utils.timer import timeMethod

from ...data.exposure import ExposureInfo
from ...errors import ConfigError, GeometryError, NoInputsError
from ...sky.discrete import DiscreteConfig, DiscreteSkyMap
from ...sky.geometry import SkyPolygon
from ...sky.vectors import to_lonlat
from ..cmdline.argument_parser import ArgumentParser
from ..cmdline.runner import TaskRunner
from .coaddBase import SelectDataIdContainer
from .fields import core_values
from .makeSkyMap import SkyMapTask
from .selectImages import SelectStruct, make_select_struct
from .skyMaps import BaseSkyMapConfig, skymap_name_field

__all__ = ("MakeDiscreteSkyMapConfig", "MakeDiscreteSkyMapRunner", "MakeDiscreteSkyMapTask")


class MakeDiscreteSkyMapConfig(Config):
    """How the sky map is laid out."""

    coaddName = Field[str]('Kind of coadd that the sky map is for: "deep"', default="deep")
    skyMap: Any = ConfigField("Options of the sky map", BaseSkyMapConfig)
    borderSize = Field[float]("Margin around the circle of the exposures [deg]", default=0.0)
    doAppend = Field[bool]("Add a tract to the sky map that is there", default=False)
    skyMapName = skymap_name_field()
    doWrite = Field[bool]("Write the sky map", default=True)

    def setDefaults(self) -> None:
        """Set no overlap: there is one tract."""
        super().setDefaults()
        self.skyMap.tractOverlap = 0.0


class MakeDiscreteSkyMapRunner(TaskRunner):
    """Runs the task once, with all exposures of ``--id``."""

    @staticmethod
    def getTargetList(parsedCmd: Any, **kwargs: Any) -> list[tuple[Any, dict[str, Any]]]:
        """Return the repository as the one target, with its exposures."""
        return [(parsedCmd.butler, {"dataRefList": parsedCmd.id.dataList, **kwargs})]


class MakeDiscreteSkyMapTask(SkyMapTask):
    """Makes the sky map of one tract that holds some exposures."""

    ConfigClass: ClassVar[type[Config]] = MakeDiscreteSkyMapConfig
    _DefaultName = "makeDiscreteSkyMap"
    summary = (
        "Makes a sky map of one tract around the exposures of --id, and registers it with its "
        "patches in the repository, under the name deepCoadd or that of -c skyMapName=NAME."
    )
    example = (
        "makeDiscreteSkyMap.py REPO --id visit=903986^904014 -c skyMap.pixelScale=0.168 skyMapName=field"
    )
    RunnerClass = MakeDiscreteSkyMapRunner
    config: MakeDiscreteSkyMapConfig

    @timeMethod
    def runDataRef(self, butler: Any, dataRefList: Sequence[Any]) -> Struct:  # type: ignore[override]
        """Make the sky map, and write it if configured.

        Parameters
        ----------
        butler
            The repository.
        dataRefList
            Data references of the exposures, or `SelectStruct` records.

        Returns
        -------
        lsst.pipe.base.Struct
            ``skyMap``.
        """
        records = [ref if isinstance(ref, SelectStruct) else make_select_struct(ref) for ref in dataRefList]
        if self.config.doAppend and self.config.skyMapName is None:
            raise ConfigError(
                "with doAppend, skyMapName must name the new sky map: one that is there does not change.",
                option="skyMapName",
            )
        old = None
        if self.config.doAppend:
            # Where there are several, --id skymap=NAME says which.
            names = [record.dataRef.dataId.get("skymap") for record in records]
            old = butler.get(f"{self.config.coaddName}Coadd_skyMap", skymap=next(filter(None, names), None))
        return self._finish(butler, self.run([record.info for record in records], old).skyMap)

    @timeMethod
    def run(self, infos: Sequence[ExposureInfo], oldSkyMap: DiscreteSkyMap | None = None) -> Struct:
        """Make the sky map.

        Parameters
        ----------
        infos
            What is known of the exposures.
        oldSkyMap
            Sky map to add a tract to; it is not changed.

        Returns
        -------
        lsst.pipe.base.Struct
            ``skyMap``.

        Raises
        ------
        NoInputsError
            Raised when there are no exposures.
        ConfigError
            Raised when the old sky map is of another kind or has other options.
        """
        if not infos:
            raise NoInputsError("No data found from which to compute a sky map.")
        vertices = []
        for info in infos:
            try:
                vertices.append(info.footprint.vertices)
            except GeometryError as err:
                raise GeometryError(f"{info.id}: {err}") from err
        circle = SkyPolygon.hull(np.concatenate(vertices)).bounding_circle
        ra, dec = (float(angle) for angle in np.degrees(to_lonlat(np.array(circle.axis))))
        radius = float(np.degrees(circle.angle)) + self.config.borderSize
        options = self.config.skyMap
        common = {**core_values(options, DiscreteConfig), "patches": options.patches()}
        if oldSkyMap is None:
            config = DiscreteConfig(ra=(ra,), dec=(dec,), radius=(radius,), **common)
        else:
            if not isinstance(oldSkyMap, DiscreteSkyMap):
                raise ConfigError(
                    f"a tract can be added to a discrete sky map only; found {oldSkyMap!r}.",
                    option="doAppend",
                )
            for name, value in common.items():
                if (old := getattr(oldSkyMap.config, name)) != value:
                    reason = f"the sky map that is there has {name} {old}; expected {value}."
                    raise ConfigError(reason, option=name, found=value)
            config = oldSkyMap.config
            config = config.replace(
                ra=(*config.ra, ra), dec=(*config.dec, dec), radius=(*config.radius, radius)
            )
        return Struct(skyMap=DiscreteSkyMap(config, name=self._skymap_name()))

    @classmethod
    def _makeArgumentParser(cls) -> ArgumentParser:
        parser = cls._newParser()
        parser.add_id_argument(
            "--id",
            "calexp",
            help="exposures to be covered, e.g. --id visit=123..456 ccd=0..9",
            ContainerClass=SelectDataIdContainer,
        )
        return parser

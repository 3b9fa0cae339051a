"""Documented options of sky maps against those of the core, and the tasks that make sky maps."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.pex.config import FieldValidationError

from lamella.errors import ConfigError, NoInputsError
from lamella.sky.discrete import DiscreteSkyMap
from lamella.sky.field import skymap_from_exposures
from lamella.sky.footprint import corner_vectors
from lamella.sky.layout import CellPatches, LegacyPatches
from lamella.sky.registry import SKYMAP_KINDS, make_skymap
from lamella.sky.vectors import to_skycoord
from lamella.tasks.manual.makeDiscreteSkyMap import MakeDiscreteSkyMapTask
from lamella.tasks.manual.makeSkyMap import MakeSkyMapTask
from lamella.tasks.manual.selectImages import make_select_struct
from lamella.tasks.manual.skyMaps import SKYMAP_CONFIGS

REQUIRED: dict[str, dict[str, Any]] = {
    "discrete": {"raList": [1.0, 2.0], "decList": [3.0, 4.0], "radiusList": [0.5, 0.25]},
    "field": {"ra": 1.0, "dec": 2.0, "width": 100, "height": 50},
    "rings": {"numRings": 3},
}
CORE_NAMES = {"raList": "ra", "decList": "dec", "radiusList": "radius", "numRings": "num_rings"}


@pytest.mark.parametrize("name", SKYMAP_CONFIGS)
def test_defaults_are_those_of_the_core(name: str) -> None:
    config = MakeSkyMapTask.ConfigClass()
    config.skyMap = name
    required = REQUIRED.get(name, {})
    config.skyMap[name].update(**required)
    config.doWrite = False
    found = MakeSkyMapTask(config=config).runDataRef(None).skyMap
    options = {CORE_NAMES.get(key, key): value for key, value in required.items()}
    assert found == make_skymap(SKYMAP_CONFIGS[name].kind, options, name="deepCoadd")


def test_all_kinds_have_options() -> None:
    assert {cls.kind for cls in SKYMAP_CONFIGS.values()} == set(SKYMAP_KINDS) - {"image"}


def test_patches_with_a_border_and_patches_of_cells() -> None:
    config = SKYMAP_CONFIGS["rings"]()
    config.numRings = 3
    config.patchInnerDimensions = [100, 200]
    config.patchBorder = 7
    assert config.toCore().patches == LegacyPatches(inner=(100, 200), border=7)
    config.tractBuilder = "cells"
    config.tractBuilder["cells"].cellInnerDimensions = [60, 60]
    assert config.toCore().patches == CellPatches(cell_inner=60)


def test_wrong_options_are_refused() -> None:
    config = MakeSkyMapTask.ConfigClass()
    config.skyMap = "discrete"
    with pytest.raises(FieldValidationError):
        config.validate()  # no tract
    config.skyMap["discrete"].update(raList=[1.0], decList=[2.0, 3.0], radiusList=[1.0])
    with pytest.raises(FieldValidationError, match="lengths 1, 2 and 1"):
        config.validate()
    with pytest.raises(FieldValidationError):
        config.skyMap["rings"].pixelScale = -1.0


def test_tracts_are_logged(caplog) -> None:
    config = MakeSkyMapTask.ConfigClass()
    config.doWrite = False
    with caplog.at_level(logging.INFO):
        MakeSkyMapTask(config=config).runDataRef(None)
    assert "has 12 tracts" in caplog.text
    assert caplog.text.count("has corners") == 12


def discrete(**options: Any) -> MakeDiscreteSkyMapTask:
    config = MakeDiscreteSkyMapTask.ConfigClass()
    config.skyMap.pixelScale = 0.2
    config.skyMap.patchInnerDimensions = [100, 100]
    config.skyMap.patchBorder = 10
    config.update(**options)
    return MakeDiscreteSkyMapTask(config=config)


def test_a_discrete_sky_map_holds_all_exposures(exposures) -> None:
    infos = [make_select_struct(ref).info for ref in exposures]
    found = discrete(doWrite=False).runDataRef(None, exposures).skyMap
    assert isinstance(found, DiscreteSkyMap)
    assert len(found) == 1
    for info in infos:
        assert found[0].contains(to_skycoord(corner_vectors(info.projection, info.bbox))).all()
    core = skymap_from_exposures(
        infos, shape="circle", pixel_scale=0.2, patch_size=100, patch_border=10, projection="STG"
    )
    assert found.config == core.config
    assert found.name == "deepCoadd"
    wider = discrete(borderSize=0.01).run(infos).skyMap
    np.testing.assert_allclose(wider.config.radius[0] - found.config.radius[0], 0.01, rtol=1e-9)
    with pytest.raises(NoInputsError):
        discrete().run([])


def test_a_tract_can_be_appended(butler, exposures, caplog) -> None:
    infos = [make_select_struct(ref).info for ref in exposures]
    old = discrete().run(infos[:1]).skyMap
    both = discrete(skyMapName="both").run(infos[3:], old).skyMap
    assert len(both) == 2
    assert both.name == "both"
    assert both.config.ra[0] == old.config.ra[0]
    other_scale = discrete()
    other_scale.config.skyMap.pixelScale = 0.3
    with pytest.raises(ConfigError, match="pixel_scale"):
        other_scale.run(infos, old)
    with pytest.raises(ConfigError, match="discrete sky map only"):
        discrete().run(infos, make_skymap("dodeca"))
    with pytest.raises(ConfigError, match="skyMapName"):
        discrete(doAppend=True).runDataRef(butler, exposures)

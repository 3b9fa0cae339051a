"""The table of options that are not here is true of the configurations that there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.pex.config import Config
from lsst.pex.config.configChoiceField import ConfigInstanceDict
from lsst.pex.config.configurableField import ConfigurableInstance

from lamella.tasks.cmdline.stack_options import _OPTIONS, _STAND_INS, stands_for
from lamella.tasks.manual.compareWarpAssembleCoadd import CompareWarpAssembleCoaddConfig
from lamella.tasks.manual.makeCoaddTempExp import MakeCoaddTempExpConfig
from lamella.tasks.manual.makeDiscreteSkyMap import MakeDiscreteSkyMapConfig
from lamella.tasks.manual.makeSkyMap import MakeSkyMapConfig
from lamella.tasks.manual.safeClipAssembleCoadd import SafeClipAssembleCoaddConfig
from lamella.tasks.manual.selectImages import PsfWcsSelectImagesConfig

TOPS = (
    CompareWarpAssembleCoaddConfig,
    MakeCoaddTempExpConfig,
    MakeDiscreteSkyMapConfig,
    MakeSkyMapConfig,
    PsfWcsSelectImagesConfig,
    SafeClipAssembleCoaddConfig,
)


def parts(value: Any) -> Iterator[Config]:
    """Yield a configuration and all that are within it."""
    if isinstance(value, ConfigurableInstance):
        yield from parts(value.value)
    elif isinstance(value, ConfigInstanceDict):
        for name in value.types:
            yield from parts(value[name])
    elif isinstance(value, Config):
        yield value
        for name in value._fields:
            yield from parts(getattr(value, name))


@pytest.fixture(scope="module")
def classes() -> dict[str, set[str]]:
    """The options of all configurations of the manual, by the names of their classes and of their bases."""
    options: dict[str, set[str]] = {}
    for top in TOPS:
        for config in parts(top()):
            for kind in type(config).__mro__:
                options.setdefault(kind.__name__, set(config._fields)).intersection_update(config._fields)
    return options


def test_the_configurations_of_the_table_exist(classes: dict[str, set[str]]) -> None:
    assert [name for name in _OPTIONS if name not in classes] == []


def test_what_is_said_not_to_be_here_is_not_and_the_rest_is(classes: dict[str, set[str]]) -> None:
    wrong = []
    for kind, options in _OPTIONS.items():
        for name, option in options.items():
            is_here = name in classes[kind]
            if is_here != (option.meant is not None) or (
                option.renamed and option.renamed not in classes[kind]
            ):
                wrong.append(f"{kind}.{name}")
    assert wrong == []


def test_what_stands_in_for_a_subtask_is_an_option(classes: dict[str, set[str]]) -> None:
    options = set().union(*classes.values())
    assert [name for names in _STAND_INS.values() for name in names if name not in options] == []
    assert stands_for("detect", "lsst.meas.algorithms.detection.SourceDetectionTask")
    assert not stands_for("detect", "mine.SourceDetectionTask")
    assert not stands_for("interpImage", "lsst.meas.algorithms.detection.SourceDetectionTask")

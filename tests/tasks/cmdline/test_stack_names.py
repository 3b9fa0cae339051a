"""The tables of what the pipelines have are true of what is here."""

from __future__ import annotations

import importlib

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.errors import ConfigError
from lamella.tasks.cmdline.stack_names import MODULES, SINGLE_NAMES, find_name, is_ours, offer


@pytest.mark.parametrize("module", MODULES)
def test_every_name_of_a_module_is_found(module: str) -> None:
    names = {name for source in MODULES[module] for name in importlib.import_module(source).__all__}
    assert names
    for name in names:
        assert is_ours(f"{module}.{name}")
        assert find_name(f"{module}.{name}").__name__ == name


@pytest.mark.parametrize("path", SINGLE_NAMES)
def test_single_names(path: str) -> None:
    assert is_ours(path)
    assert find_name(path).__name__ == path.rpartition(".")[2]


def test_names_that_are_not_here() -> None:
    assert not is_ours("lsst.pipe.base.Struct")
    assert not is_ours("lsst.afw.image.Exposure")
    with pytest.raises(ConfigError, match=r"no AssembleCoadTask in .*; did you mean AssembleCoaddTask\?"):
        find_name("lsst.pipe.tasks.assembleCoadd.AssembleCoadTask")
    assert "assembleCoadd, coaddBase" in offer("lsst.pipe.tasks.processCcd")
    assert "lsst.pipe.base.CmdLineTask" in offer("lsst.afw")

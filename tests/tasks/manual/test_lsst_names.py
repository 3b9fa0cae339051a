"""On request, the documented names stand for the classes here; what is installed is found first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from ...processes import start_program

# One process tries them all.
PROGRAM = """
import importlib, json, pickle, sys
import lsst.pipe, lsst.pipe.base
before = set(vars(lsst.pipe.base)), set(vars(lsst.pipe))
import lamella.tasks.manual.lsst_names as names
names.install()
said = {"finders": [type(finder).__module__ for finder in sys.meta_path],
        "untouched": (set(vars(lsst.pipe.base)), set(vars(lsst.pipe))) == before}

def attempt(text):
    space = {}
    try:
        exec(text, space)
    except Exception as err:
        return f"{type(err).__name__}: {err}"
    found = space["found"]
    return f"{found.__module__}.{found.__qualname__}" if isinstance(found, type) else str(found)

said["results"] = [attempt(text) for text in json.loads(sys.argv[1])]
from lsst.pipe.tasks.assembleCoadd import AssembleCoaddConfig
config = AssembleCoaddConfig(sigmaClip=2.5)
said["pickle"] = pickle.dumps(config).hex()
said["saved"] = config.saveToString()
print(json.dumps(said))
"""
MANUAL = "lamella.tasks.manual"
CMDLINE = "lamella.tasks.cmdline"
LACKS = "ModuleNotFoundError: No module named"
IMPORTS = {
    "from lsst.pipe.tasks.assembleCoadd import AssembleCoaddTask as found": (
        f"{MANUAL}.assembleCoadd.AssembleCoaddTask"
    ),
    "from lsst.pipe.tasks.assembleCoadd import AssembleCoaddConfig as found": (
        f"{MANUAL}.assembleCoaddConfig.AssembleCoaddConfig"
    ),
    "from lsst.pipe.tasks.assembleCoadd import SafeClipAssembleCoaddTask as found": (
        f"{MANUAL}.safeClipAssembleCoadd.SafeClipAssembleCoaddTask"
    ),
    "from lsst.pipe.tasks.assembleCoadd import CompareWarpAssembleCoaddConfig as found": (
        f"{MANUAL}.compareWarpAssembleCoadd.CompareWarpAssembleCoaddConfig"
    ),
    "import lsst.pipe.tasks.coaddBase as base; found = base.CoaddBaseTask": (
        f"{MANUAL}.coaddBase.CoaddBaseTask"
    ),
    "from lsst.pipe.tasks.selectImages import *; found = PsfWcsSelectImagesTask": (
        f"{MANUAL}.selectImages.PsfWcsSelectImagesTask"
    ),
    **{
        f"from lsst.pipe.tasks.{module} import {name} as found": f"{MANUAL}.{module}.{name}"
        for module, name in (
            ("coaddInputRecorder", "CoaddInputRecorderTask"),
            ("interpImage", "InterpImageTask"),
            ("makeCoaddTempExp", "MakeCoaddTempExpTask"),
            ("makeDiscreteSkyMap", "MakeDiscreteSkyMapTask"),
            ("makeSkyMap", "MakeSkyMapTask"),
            ("scaleZeroPoint", "SpatialScaleZeroPointTask"),
            ("warpAndPsfMatch", "WarpAndPsfMatchTask"),
        )
    },
    "from lsst.pipe.base import CmdLineTask as found": f"{CMDLINE}.task.CmdLineTask",
    "from lsst.pipe.base.cmdLineTask import CmdLineTask as found": f"{CMDLINE}.task.CmdLineTask",
    "from lsst.pipe.base import ArgumentParser as found": f"{CMDLINE}.argument_parser.ArgumentParser",
    "from lsst.pipe.base import Struct as found": "lsst.pipe.base.struct.Struct",
    "from lsst.coadd.utils import CoaddDataIdContainer as found": (
        f"{CMDLINE}.data_ids.CoaddDataIdContainer"
    ),
    "from lsst.pipe.base import timeMethod; found = timeMethod.__module__": "lsst.utils.timer",
}
ABSENT = {
    "import lsst.afw.math": f"{LACKS} 'lsst.afw': lamella has nothing in its place",
    "import lsst.daf.base": f"{LACKS} 'lsst.daf.base': lamella has nothing in its place",
    "import lsst.pipe.tasks.processCcd": (
        f"{LACKS} 'lsst.pipe.tasks.processCcd': lamella has assembleCoadd, coaddBase"
    ),
    "import lsst.pipe.tasks.assembleCoadd as m; m.DcrAssembleCoaddTask": "AttributeError: lsst.pipe",
    "from lsst.pipe.tasks.assembleCoadd import Dcr": "ImportError: cannot import name 'Dcr' from ",
    "from lsst.pipe.base import nothing": "ImportError: cannot import name 'nothing' from 'lsst.pipe.base'",
    "import lsst.pipe.base.nothing": f"{LACKS} 'lsst.pipe.base.nothing'",
    "import lsst.pipe.nothing": f"{LACKS} 'lsst.pipe.nothing'",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run a program in a process of its own, and return what it prints."""

    def call(program: str, *args: str) -> Any:
        log = tmp_path_factory.mktemp("names") / "log"
        process = start_program(program, *args, log=log)
        process.join()
        assert process.exitcode == 0, log.read_text()
        return json.loads(log.read_text())

    return call


@pytest.fixture(scope="module")
def said(run: Any) -> Any:
    """What a process with the names says."""
    return run(PROGRAM, json.dumps([*IMPORTS, *ABSENT]))


def test_names(said: Any) -> None:
    assert dict(zip(IMPORTS, said["results"], strict=False)) == IMPORTS


def test_what_is_absent_says_what_there_is(said: Any) -> None:
    results = dict(zip(ABSENT, said["results"][len(IMPORTS) :], strict=True))
    assert [text for text, start in ABSENT.items() if not results[text].startswith(start)] == []


def test_nothing_is_put_into_other_packages_before_it_is_asked_for(said: Any) -> None:
    assert said["untouched"]
    assert said["finders"].count("lamella.tasks.manual.lsst_names") == 1
    assert said["finders"][-1] == "lamella.tasks.manual.lsst_names"


def test_what_the_middleware_lacks_is_told_with_what_to_install(run: Any) -> None:
    """As where only the core of lamella is installed."""
    program = (
        "import json, sys, lsst\n"
        "import lamella.tasks.manual.lsst_names\n"
        "for name in [name for name in sys.modules if name.startswith('lsst.pipe')]:\n"
        "    del sys.modules[name]\n"
        "vars(lsst).pop('pipe', None)\nlsst.__path__ = []\n"
        "try:\n    import lsst.pipe.tasks.assembleCoadd\n"
        "except ImportError as err:\n    print(json.dumps(str(err)))\n"
    )
    assert run(program) == "No module named 'lsst.pipe': it needs pip install 'lamella[lsst]'."


def test_pickles_and_saved_files_need_no_names(said: Any, run: Any) -> None:
    program = (
        "import json, pickle, sys\n"
        "config = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "print(json.dumps([config.sigmaClip, 'lsst.pipe.tasks' in sys.modules]))"
    )
    assert run(program, said["pickle"]) == [2.5, False]
    assert "lsst.pipe.tasks" not in said["saved"]


def test_what_is_installed_is_found_first(tmp_path: Path, run: Any) -> None:
    """A package lsst.pipe.tasks of others, which has one of the modules."""
    tasks = tmp_path / "lsst" / "pipe" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "__init__.py").write_text("")
    (tasks / "assembleCoadd.py").write_text("class AssembleCoaddTask: pass\n")
    program = f"import lsst.pipe\nlsst.pipe.__path__.append({str(tasks.parent)!r})\n"
    program += PROGRAM.partition("from lsst.pipe.tasks.assembleCoadd")[0] + "print(json.dumps(said))"
    texts = [
        "from lsst.pipe.tasks.assembleCoadd import AssembleCoaddTask as found",
        "from lsst.pipe.tasks.coaddBase import CoaddBaseTask as found",
        "from lsst.pipe.tasks.assembleCoadd import SafeClipAssembleCoaddTask as found",
    ]
    results = run(program, json.dumps(texts))["results"]
    assert results[0] == "lsst.pipe.tasks.assembleCoadd.AssembleCoaddTask"
    assert results[1] == f"{LACKS} 'lsst.pipe.tasks.coaddBase'"
    assert results[2].startswith("ImportError: cannot import name")

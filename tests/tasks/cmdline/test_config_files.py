"""Configuration files are read statement by statement; nothing in them runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.errors import ConfigError, UnreadableFileError
from lamella.tasks.cmdline.config_files import load_config_file, load_config_text


@pytest.fixture
def config(toys: Any) -> Any:
    return toys.ToyConfig()


def test_assignments(config: Any) -> None:
    load_config_text(
        config,
        '''
"""A file about toys."""
config.title = "a b"
root.number = 7
config.doWrite = False
config.planes = ["A", "B"]
config.size = (3, 4)
config.thresholds["CR"] = 0.5
config.inner.offset = -1.5
config.scale.factor = 3
config.kind = "shift"
config.kind["shift"].offset = 9.0
config.limit = float("inf")
pass
''',
    )
    assert (config.title, config.number, config.doWrite) == ("a b", 7, False)
    assert (list(config.planes), list(config.size)) == (["A", "B"], [3, 4])
    assert dict(config.thresholds) == {"SAT": 0.1, "CR": 0.5}
    assert (config.inner.offset, config.scale.factor) == (-1.5, 3.0)
    assert (config.kind.name, config.kind.active.offset) == ("shift", 9.0)
    assert math.isinf(config.limit)


def test_changes_of_lists_and_dictionaries(config: Any) -> None:
    load_config_text(
        config,
        "config.planes += ['C']\nconfig.planes.append('D')\nconfig.planes.extend(['E', 'F'])\n"
        "config.planes.remove('BAD')\nconfig.planes.insert(0, 'Z')\nconfig.thresholds.update({'CR': 0.25})\n",
    )
    assert list(config.planes) == ["Z", "C", "D", "E", "F"]
    assert dict(config.thresholds) == {"SAT": 0.1, "CR": 0.25}


@pytest.mark.parametrize(
    "text",
    [
        "from cmdline_toys import ShiftTask\nconfig.scale.retarget(ShiftTask)\n",
        "import cmdline_toys\nconfig.scale.retarget(target=cmdline_toys.ShiftTask)\n",
        "import cmdline_toys as t\nconfig.scale.retarget(t.ShiftTask, ConfigClass=t.ShiftConfig)\n",
    ],
)
def test_retarget(config: Any, toys: Any, text: str) -> None:
    load_config_text(config, text + "config.scale.offset = 5.0\n")
    assert config.scale.target is toys.ShiftTask
    assert config.scale.offset == 5.0


def test_saved_configuration_comes_back(config: Any, toys: Any) -> None:
    config.scale.retarget(toys.ShiftTask)
    config.scale.offset = 4.0
    config.limit = float("nan")
    config.several["one"] = toys.ShiftConfig(offset=1.0)
    config.kind = "shift"
    config.planes = ["X"]
    found = toys.ToyConfig()
    load_config_text(found, config.saveToString())
    assert found.saveToString() == config.saveToString()
    assert found.scale.target is toys.ShiftTask
    assert found.several["one"].offset == 1.0


def test_file_of_another_task(config: Any, toys: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"file\.py:2: .*for a cmdline_toys\.ShiftConfig; found a cmdline_toys\.ToyConfig"
    ):
        load_config_text(config, toys.ShiftConfig().saveToString(), name="file.py")


def test_load_of_another_file(config: Any, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.py").write_text("config.number = 3\n")
    (tmp_path / "scale.py").write_text("config.factor = 8.0\n")
    (tmp_path / "first.py").write_text("config.load('sub/more.py')\nconfig.scale.load('scale.py')\n")
    load_config_file(config, tmp_path / "first.py")
    assert (config.number, config.scale.factor) == (3, 8.0)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("import os; os.system('true')", "not something|not understood|no config|not the name"),
        ("config.title = open('/etc/passwd').read()", "neither a literal nor imported"),
        ("config.title = __import__('os').name", "neither a literal nor imported"),
        ("config.number = 1 + int('2')", "not a literal"),
        ("for i in range(3): config.number = i", "not understood"),
        ("if True: config.number = 3", "not understood"),
        ("exec('config.number = 3')", "not understood"),
        ("def f(): pass", "not understood"),
        ("number = 3", "only options"),
        ("config.number, config.limit = 1, 2", "only options"),
        ("config.number *= 3", "not understood"),
        ("config.number += 3", "only a list"),
        ("config.nothing = 3", "no config field 'nothing'"),
        ("config.scale.nothing = 3", "no config field 'scale.nothing'"),
        ("config.absent.factor = 3", "no config field"),
        ("config._frozen = True", "no config field"),
        ("config.__class__ = 3", "no config field"),
        ("config.planes.clear()", "not something a configuration file may call"),
        ("config.saveToString()", "not something a configuration file may call"),
        ("config.scale.retarget('cmdline_toys.ShiftTask')", "neither a literal nor imported|not the path"),
        ("config.scale.retarget(ShiftTask)", "ShiftTask is neither a literal nor imported"),
        ("from cmdline_toys import Absent\nconfig.scale.retarget(Absent)", "cannot be imported"),
        ("from os import path\nconfig.scale.retarget(path)", "cannot be retargeted"),
        ("from os import path\nconfig.title = path.sep", "neither a literal nor a configuration class"),
        ("config.number = 13", "not a valid value"),
        ("config.number = 'text'", "incorrect type"),
        ("config.number = ", "not a configuration file"),
    ],
)
def test_refusals_name_file_and_line(config: Any, statement: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(f"config.title = 'before'\n{statement}\n")
    with pytest.raises(ConfigError, match=reason) as caught:
        load_config_file(config, path)
    last = 1 + len(statement.splitlines())
    assert f"{path}:{last}" in str(caught.value)


def test_nothing_is_executed(config: Any, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "evil.py").write_text(f"config.title = open({str(trace)!r}, 'w').write('x')\n")
    with pytest.raises(ConfigError):
        load_config_file(config, tmp_path / "evil.py")
    assert not trace.exists()


def test_imports_of_absent_modules_do_not_matter(config: Any) -> None:
    load_config_text(
        config, "import lsst.obs.subaru.absent\nfrom os.nowhere import thing\nconfig.number = 2\n"
    )
    assert config.number == 2


def test_absent_and_binary_files(config: Any, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"none\.py"):
        load_config_file(config, tmp_path / "none.py")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnreadableFileError, match="configuration file"):
        load_config_file(config, tmp_path / "binary.py")


def test_history_tells_the_file(config: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("\nconfig.number = 5\n")
    load_config_file(config, path)
    value, stack, _ = config.history["number"][-1]
    assert (value, stack[0].filename, stack[0].lineno) == (5, str(path), 2)

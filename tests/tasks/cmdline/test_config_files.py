"""Configuration files are read statement by statement; nothing in them runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.errors import ConfigError, UnreadableFileError
from lamella.tasks.cmdline.config_files import load_config_file, load_config_text
from lamella.tasks.cmdline.package_folders import PackageFolders


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
        ("for i in range(3): config.number = i", r"range\(3\) is not a literal"),
        ("for i in 'abc': config.title = i", "not a list to go through"),
        ("for config in (1, 2): pass", "only options of config, and variables"),
        ("for a, b in ((1, 2, 3),): pass", "only options of config, and variables"),
        ("for i in (1, 2): pass\nelse: pass", "not understood"),
        ("while True: pass", "not understood"),
        ("if open('/etc/passwd'): config.number = 3", "neither a literal nor imported"),
        ("if config.absent: config.number = 3", "no config field 'absent'|There is no config field"),
        ("try: pass\nexcept ImportError: pass", "not understood"),
        ("config.title = f'{config.number}'", "not a literal"),
        ("config.title = 'a' * 100", "not arithmetic on numbers"),
        ("config.number = 9**9**9", "has no value|too large"),
        ("config.number = 1 / 0", "has no value: division by zero"),
        ("config.limit = 'a' + 1", "not arithmetic on numbers"),
        ("import os\nconfig.title = os.path.expanduser('~')", "not a literal, and not called"),
        ("import os\nconfig.title = os.environ['HOME']", "only folders of packages"),
        ("import os\nconfig.title = os.path.join(1, 2)", "expected texts"),
        ("import os\nconfig.title = os.path.dirname('a', 'b')", "wrong number of arguments"),
        ("exec('config.number = 3')", "not understood"),
        ("def f(): pass", "not understood"),
        ("config = 3", "only options of config, and variables"),
        ("config.number, config.limit = 1, 2", "only options"),
        ("config.number *= 3", "not understood"),
        ("config.number += 3", "only a list"),
        ("config.nothing = 3", "no config field 'nothing'"),
        ("config.numbre = 3", "no config field 'numbre'; did you mean number"),
        ("config.scale.nothing = 3", "no config field 'scale.nothing'"),
        ("config.absent.factor = 3", "no config field"),
        ("config._frozen = True", "no config field"),
        ("config.__class__ = 3", "no config field"),
        ("getattr(config, '_frozen').load('x')", "no config field"),
        ("getattr(config, 'a b').load('x')", "is not the name of an option"),
        ("config.title = getattr(config, 'numbre')", "did you mean number"),
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
    lines = [f"{path}:{number}" for number in range(2, 2 + len(statement.splitlines()))]
    assert any(line in str(caught.value) for line in lines)
    assert "\n" not in str(caught.value)
    assert "<ast." not in str(caught.value)


def test_arithmetic_of_constants(config: Any) -> None:
    load_config_text(
        config, "config.limit = 1.0/60\nconfig.number = 2*3600\nconfig.inner.offset = -(2**3) // 3\n"
    )
    assert (config.limit, config.number, config.inner.offset) == (1.0 / 60, 7200, -3.0)
    assert type(config.number) is int


def test_variables_loops_and_conditions(config: Any) -> None:
    load_config_text(
        config,
        """
low, planes = 0.25, ["A"]
planes.append("B")
for plane in ("CR", "SAT"):
    config.thresholds[plane] = low / 2
for name, value in {"x": 1.0, "y": 2.0}.items():
    config.thresholds[name] = value
for part in (config.inner, config.scale):
    if hasattr(part, "offset") and not "X" in config.planes:
        part.offset = 7.0
    elif part.factor == 2.0:
        part.factor = config.inner.offset + 1
config.planes = planes + config.planes
""",
    )
    assert dict(config.thresholds) == {"SAT": 0.125, "CR": 0.125, "x": 1.0, "y": 2.0}
    assert (config.inner.offset, config.scale.factor, list(config.planes)) == (7.0, 8.0, ["A", "B", "BAD"])


def test_variables_stand_for_the_options_themselves(config: Any) -> None:
    """As they do in a program: what is appended to one is in the option."""
    load_config_text(
        config,
        """
names = config.planes
names.append("A")
for planes in (config.planes, [1]):
    planes.append("B")
limits = config.thresholds
limits["CR"] = 0.5
for name in config.planes:
    config.title = name
config.planes = names + ["C"]
""",
    )
    assert list(config.planes) == ["BAD", "A", "B", "C"]
    assert dict(config.thresholds) == {"SAT": 0.1, "CR": 0.5}
    assert config.title == "B"


def test_loops_end(config: Any) -> None:
    text = "n = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)\n"
    text += "".join(f"{' ' * depth}for x{depth} in n:\n" for depth in range(9)) + " " * 9 + "pass\n"
    with pytest.raises(ConfigError, match="loops of more than 100000 statements"):
        load_config_text(config, text)


class TestPackages:
    """Files that name others by their packages."""

    TEXT = (
        "import os.path\nfrom lsst.utils import getPackageDir\n"
        'config.load(os.path.join(getPackageDir("obs_toys"), "config", "toy.py"))\n'
    )

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "obs" / "config").mkdir(parents=True)
        (tmp_path / "obs" / "config" / "toy.py").write_text("config.number = 42\n")
        (tmp_path / "mine.py").write_text(self.TEXT)
        return tmp_path

    def test_given(self, config: Any, folder: Path) -> None:
        folders = PackageFolders.parse([f"obs_toys={folder / 'obs'}"])
        load_config_file(config, folder / "mine.py", folders)
        assert config.number == 42

    @pytest.mark.parametrize(
        "call", ["getPackageDir('obs_toys')", "os.environ['OBS_TOYS_DIR']", "os.environ.get('OBS_TOYS_DIR')",
                 "os.getenv('OBS_TOYS_DIR')", "lsst.utils.getPackageDir('obs_toys')"]
    )  # fmt: skip
    def test_of_the_environment(
        self, config: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        monkeypatch.setenv("OBS_TOYS_DIR", str(folder / "obs"))
        text = self.TEXT.replace('getPackageDir("obs_toys")', call).replace(
            "import os.path", "import os, lsst.utils"
        )
        load_config_text(config, text)
        assert config.number == 42

    def test_not_known(self, config: Any, folder: Path) -> None:
        with pytest.raises(
            ConfigError, match=r"mine\.py:3: .*--package-dir obs_toys=FOLDER, or set OBS_TOYS_DIR"
        ):
            load_config_file(config, folder / "mine.py")

    def test_options_by_variables_and_files_that_exist(self, config: Any, folder: Path) -> None:
        """As files of drivers load those of their parts."""
        (folder / "scale.py").write_text("config.factor = 9.0\n")
        (folder / "first.py").write_text(
            "import os.path\nfor part, name in (('scale', 'scale'), ('inner', 'absent')):\n"
            "    path = os.path.join(os.path.dirname(__file__), name + '.py')\n"
            "    if os.path.exists(path):\n        getattr(config, part).load(path)\n"
            "config.limit = getattr(config, 'scale').factor\n"
        )
        load_config_file(config, folder / "first.py")
        assert (config.scale.factor, config.limit, config.inner.offset) == (9.0, 9.0, 100.0)

    def test_beside_the_file(self, config: Any, folder: Path) -> None:
        text = "import os.path\nhere = os.path.dirname(__file__)\n"
        text += 'config.load(os.path.join(here, "config/toy.py"))\n'
        (folder / "obs" / "first.py").write_text(text)
        load_config_file(config, folder / "obs" / "first.py")
        assert config.number == 42

    def test_an_error_names_both_files(self, config: Any, folder: Path) -> None:
        (folder / "obs" / "config" / "toy.py").write_text("\nconfig.number = print()\n")
        with pytest.raises(ConfigError, match=r"mine\.py:3: .*toy\.py:2: 'config.number = print\(\)'"):
            load_config_file(config, folder / "mine.py", PackageFolders.parse([f"obs_toys={folder / 'obs'}"]))

    def test_a_file_that_loads_itself(self, config: Any, tmp_path: Path) -> None:
        (tmp_path / "a.py").write_text("config.load('a.py')\n")
        with pytest.raises(ConfigError, match="more than 50 files load each other"):
            load_config_file(config, tmp_path / "a.py")


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

"""``-c NAME=VALUE``."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.errors import ConfigError
from lamella.tasks.cmdline.option_paths import find_class, set_option


@pytest.fixture
def config(toys: Any) -> Any:
    return toys.ToyConfig()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("title", "a b", "a b"),
        ("title", "5", "5"),
        ("title", "None", "None"),
        ("number", "5", 5),
        ("limit", "5", 5.0),
        ("limit", "1.0/60", 1.0 / 60),
        ("number", "2*3600", 7200),
        ("limit", "float('inf')", float("inf")),
        ("maybe", "None", None),
        ("doWrite", "False", False),
        ("inner.offset", "2.5", 2.5),
        ("scale.factor", "-1", -1.0),
        ("planes", "['A', 'B']", ["A", "B"]),
        ("size", "(1, 2)", [1, 2]),
        ("thresholds", "{'A': 1}", {"A": 1.0}),
    ],
)
def test_values(config: Any, name: str, text: str, value: Any) -> None:
    set_option(config, name, text)
    found = config
    for part in name.split("."):
        found = getattr(found, part)
    assert (
        dict(found) if isinstance(value, dict) else list(found) if isinstance(value, list) else found
    ) == value


def test_entries_and_choices(config: Any) -> None:
    set_option(config, "thresholds['CR']", "0.5")
    set_option(config, "planes[0]", "GOOD")
    set_option(config, "kind.name", "shift")
    set_option(config, "kind['shift'].offset", "3")
    assert dict(config.thresholds) == {"SAT": 0.1, "CR": 0.5}
    assert list(config.planes) == ["GOOD"]
    assert config.kind.active.offset == 3.0


def test_retarget(config: Any, toys: Any) -> None:
    set_option(config, "scale.retarget", "cmdline_toys.ShiftTask")
    set_option(config, "scale.offset", "1")
    assert config.scale.target is toys.ShiftTask
    assert config.scale.apply(name="scale", parentTask=None).run(1.0) == 2.0


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("nothing", "1", "no config field 'nothing'"),
        ("inner.nothing", "1", "no config field 'inner.nothing'"),
        ("nothing.offset", "1", "no config field 'nothing"),
        ("number", "text", "incorrect type"),
        ("number", "13", "not a valid value"),
        ("number", "__import__('os')", "incorrect type"),
        ("planes", "BAD", "expected a literal such as"),
        ("a b", "1", "not the name of an option"),
        ("number()", "1", "not the name of an option"),
        ("scale.retarget", "cmdline_toys.Absent", "cannot be imported"),
        ("scale.retarget", "nothing", "not the path of a class"),
        ("scale.retarget", "os.path", "cannot be retargeted"),
        ("title.retarget", "os.path", "no config field"),
        ("_frozen", "True", "no config field"),
        ("scale", "text", "incorrect type"),
    ],
)
def test_refusals(config: Any, name: str, text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        set_option(config, name, text)


def test_frozen(config: Any) -> None:
    config.freeze()
    with pytest.raises(ConfigError, match="frozen"):
        set_option(config, "number", "5")


def test_history_tells_the_command_line(config: Any) -> None:
    set_option(config, "number", "5")
    _, stack, _ = config.history["number"][-1]
    assert (stack[0].filename, stack[0].content) == ("command line", "number=5")


def test_find_class_imports() -> None:
    assert find_class("collections.OrderedDict").__name__ == "OrderedDict"

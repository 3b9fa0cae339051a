"""Metadata with the methods of the manual's time."""

from __future__ import annotations

import pickle

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.pipe.base import TaskMetadata

from lamella.tasks.cmdline.property_set import PropertySet


@pytest.fixture
def full() -> PropertySet:
    items = {"times": [1.5, 2.5], "count": 3, "name": "x", "flag": True, "sub": {"depth": 2}}
    return PropertySet.of({"top:task": items, "whole": 1})


def test_names(full: PropertySet) -> None:
    assert full.names() == ["top:task", "whole"]
    deep = [f"top:task.{name}" for name in ("count", "flag", "name", "sub", "sub.depth", "times")]
    assert full.names(topLevelOnly=False) == ["top:task", *deep, "whole"]
    assert full.nameCount() == 2
    assert full.nameCount(False) == 8
    assert full.paramNames() == ["whole"]
    assert full.paramNames(False) == [name for name in deep if name != "top:task.sub"] + ["whole"]
    assert full.propertySetNames() == ["top:task"]
    assert full.propertySetNames(topLevelOnly=False) == ["top:task", "top:task.sub"]


def test_what_an_item_is(full: PropertySet) -> None:
    assert full.exists("top:task.times")
    assert full.exists("top:task")
    assert not full.exists("top:task.absent")
    assert not full.exists("absent.times")
    assert full.isArray("top:task.times")
    assert not full.isArray("top:task.count")
    assert not full.isArray("absent")
    assert full.isPropertySetPtr("top:task.sub")
    assert not full.isUndefined("top:task.count")
    counts = [full.valueCount(name) for name in ("top:task.times", "top:task.count", "absent")]
    assert counts == [2, 1, 0]
    assert full.valueCount() == 7


def test_values(full: PropertySet) -> None:
    assert full.getScalar("top:task.times") == full.get("top:task.times") == 2.5
    assert full.getArray("top:task.times") == [1.5, 2.5]
    assert full.getArray("whole") == [1]
    assert full.get("absent", 7) == 7
    assert full.getAsDouble("top:task.times") == 2.5
    assert type(full.getAsDouble("top:task.count")) is float
    assert full.getAsInt("top:task.count") == full.getAsInt64("top:task.count") == 3
    assert type(full.getAsInt("top:task.flag")) is int
    assert full.getAsString("top:task.name") == "x"
    assert full.getAsBool("top:task.flag") is True
    assert full.getAsPropertySetPtr("top:task").getPropertySet("sub").getAsInt("depth") == 2


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("getAsInt", "top:task.times"),
        ("getAsString", "top:task.count"),
        ("getAsDouble", "top:task.name"),
        ("getAsBool", "top:task.count"),
        ("getPropertySet", "whole"),
    ],
)
def test_other_types_are_refused(full: PropertySet, method: str, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} is .*; expected "):
        getattr(full, method)(name)
    with pytest.raises(KeyError, match="absent"):
        getattr(full, method)("absent")


def test_numbers_come_back_from_a_repository(full: PropertySet) -> None:
    stored = PropertySet.of(TaskMetadata.model_validate_json(full.model_dump_json()))
    assert stored.getAsInt("top:task.count") == 3
    assert type(stored.getAsInt("top:task.count")) is int
    assert stored.getAsBool("top:task.flag") is True
    assert stored.getAsString("top:task.name") == "x"
    assert stored.getAsDouble("top:task.times") == 2.5


def test_changes(full: PropertySet) -> None:
    copy = full.deepCopy()
    assert copy == full
    copy.set("top:task.count", [1, 2])
    copy.remove("top:task.times")
    copy.remove("absent")
    copy.add("top:task.count", 5)
    assert copy.getArray("top:task.count") == [1, 2, 5]
    assert not copy.exists("top:task.times")
    assert full.getArray("top:task.times") == [1.5, 2.5]
    full.combine(PropertySet.of({"new": {"a": 1}, "top:task": {"times": 3.5}}))
    assert full.getArray("top:task.times") == [1.5, 2.5, 3.5]
    assert full.getAsInt("new.a") == 1


def test_text_and_dictionary(full: PropertySet) -> None:
    full.remove("top:task.sub")
    assert full.toDict() == {
        "top:task": {"times": [1.5, 2.5], "count": 3, "name": "x", "flag": True},
        "whole": 1,
    }
    lines = [". count = 3", ". flag = True", ". name = 'x'", ". times = [1.5, 2.5]"]
    assert full.toString() == "\n".join(["top:task = {", *lines, "}", "whole = 1", ""])
    assert full.toString(topLevelOnly=True) == "whole = 1\n"


def test_it_is_metadata_of_the_middleware(full: PropertySet) -> None:
    assert isinstance(full, TaskMetadata)
    plain = TaskMetadata.model_validate_json(full.model_dump_json())
    assert plain.to_dict() == full.toDict()
    assert PropertySet.of(plain) == full
    assert pickle.loads(pickle.dumps(full)) == full

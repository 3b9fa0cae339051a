"""States of files: a changed one is noticed, and one that is the same is not read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from lamella import file_states
from lamella.file_states import FileState, changes_of, note_states, read_states, see_files, settle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 3_000_000)
    return tmp_path


def known(folder: Path) -> dict[str, FileState | None]:
    return settle(see_files(folder, ["a", "b", "absent"]), folder=folder)


def test_notes_are_read_again_as_they_were(folder: Path) -> None:
    states = known(folder)
    assert read_states(json.loads(json.dumps(note_states(states)))) == states
    assert states["absent"] is None
    assert read_states({"a": [1, 2], "b": [1, 2, 3, 4, 5], "c": "x", "d": [True, 2, 3, 4, "x"]}) == {}
    assert read_states(["a"]) == {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:5]), "a has 5 bytes and had 3000000"),
        (lambda path: path.write_bytes(b""), "a has 0 bytes and had 3000000"),
        (lambda path: path.unlink(), "a is no longer there"),
        (lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]), "a has another content"),
    ],
    ids=["cut off", "emptied", "removed", "changed"],
)
def test_what_changed_is_told(folder: Path, change: object, told: str) -> None:
    states = known(folder)
    assert changes_of(folder, states) == []
    change(folder / "a")  # type: ignore[operator]
    assert changes_of(folder, states) == [told]


def test_another_inode_of_the_same_size_and_time_is_noticed(folder: Path) -> None:
    states, path = known(folder), folder / "a"
    stat = path.stat()
    other = folder / "other"
    other.write_bytes(b"c" * stat.st_size)
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)
    assert changes_of(folder, states) == ["a has another content"]


def test_a_copied_folder_is_the_same(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    copied = tmp_path_factory.mktemp("copies") / "copy"
    states = known(folder)
    shutil.copytree(folder, copied)
    assert changes_of(copied, states) == []


def test_a_file_that_looks_the_same_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = known(folder)
    monkeypatch.setattr(file_states, "_content_of", None)
    assert changes_of(folder, states) == []
    assert settle(see_files(folder, ["a", "b", "absent"]), states, folder=folder) == states


def test_a_file_that_changes_while_it_is_used_is_like_no_other(folder: Path) -> None:
    seen = see_files(folder, ["a"])
    (folder / "a").write_bytes(b"new")
    states = settle(seen, folder=folder)
    assert changes_of(folder, states) == ["a has 3 bytes and had 3000000"]
    (folder / "a").write_bytes(b"a" * 3_000_000)
    assert changes_of(folder, states) == ["a has another content"]

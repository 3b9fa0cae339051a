"""Folders of the manual's time become collections."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.errors import ConfigError, UnreadableFileError
from lamella.tasks.cmdline.locations import (
    Location,
    begin_run,
    find_location,
    inputs_of,
    records_folder,
    remove_runs,
    resolve,
)
from lamella.tasks.repository import open_repository


def test_resolve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve("PIPE_X_ROOT", "a/b") == str(tmp_path / "a/b")
    monkeypatch.setenv("PIPE_X_ROOT", "/elsewhere")
    assert resolve("PIPE_X_ROOT", "a/../b") == "/elsewhere/b"
    assert resolve("PIPE_X_ROOT", "/absolute") == "/absolute"
    assert resolve("PIPE_X_ROOT", "s3://bucket/repo") == "s3://bucket/repo"


@pytest.mark.parametrize(
    ("below", "options", "chain", "parent"),
    [
        ("", {}, "deepCoadd-results", ""),
        ("", {"rerun": "me/x"}, "rerun/me/x", ""),
        ("", {"rerun": "a:b"}, "rerun/b", "rerun/a"),
        ("rerun/a", {"rerun": "b"}, "rerun/b", "rerun/a"),
        ("rerun/a", {"rerun": "c:b"}, "rerun/b", "rerun/c"),
        ("rerun/a", {}, "rerun/a", "rerun/a"),
        ("", {"output": "/x/y"}, "output/x/y", ""),
        ("", {"output": "REPO/u/me"}, "u/me", ""),
        ("", {"output": "REPO"}, "deepCoadd-results", ""),
    ],
)
def test_find_location(repo: Path, below: str, options: dict[str, str], chain: str, parent: str) -> None:
    for start, root in ((str(repo / below), str(repo)), ((repo / below).as_uri(), repo.as_uri())):
        given = {key: value.replace("REPO", root) for key, value in options.items()}
        assert find_location(start, **given) == Location(str(repo), chain, parent)


def test_wrong_places(repo: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="together"):
        find_location(str(repo), rerun="a", output="/b")
    for rerun in ("", ":b", "a:"):
        with pytest.raises(ConfigError, match="expected OUT or IN:OUT"):
            find_location(str(repo), rerun=rerun)
    with pytest.raises(UnreadableFileError, match=r"butler\.yaml"):
        find_location(str(tmp_path / "nothing"))


def test_runs_go_to_the_head_of_the_chain(repo: Path) -> None:
    with contextlib.closing(open_repository(repo, writeable=True)) as butler:
        location = find_location(str(repo), rerun="x")
        base = inputs_of(butler, location)
        assert "HSC/inputs" in base
        first = begin_run(butler, location)
        second = begin_run(butler, location)
        assert first.startswith("rerun/x/")
        assert inputs_of(butler, location) == [second, first, *base]
        assert list(butler.collections.get_info("rerun/x").children) == [second, first, *base]


def test_reruns_see_each_other_only_when_told(repo: Path) -> None:
    with contextlib.closing(open_repository(repo, writeable=True)) as butler:
        run = begin_run(butler, find_location(str(repo), rerun="a"))
        in_place = begin_run(butler, find_location(str(repo)))
        assert run not in inputs_of(butler, find_location(str(repo), rerun="b"))
        assert in_place in inputs_of(butler, find_location(str(repo), rerun="b"))
        assert inputs_of(butler, find_location(str(repo), rerun="a:b"))[0] == run
        assert inputs_of(butler, find_location(str(repo / "rerun/a"), rerun="b"))[0] == run
        with pytest.raises(ConfigError, match="no collection rerun/absent"):
            inputs_of(butler, find_location(str(repo), rerun="absent:b"))


def test_remove_runs_leaves_other_collections(repo: Path) -> None:
    with contextlib.closing(open_repository(repo, writeable=True)) as butler:
        gone = begin_run(butler, find_location(str(repo), rerun="a"))
        heir = find_location(str(repo), rerun="a:b")
        kept = begin_run(butler, heir)
        remove_runs(butler, find_location(str(repo), rerun="a"))
        assert gone not in butler.collections.query("*")
        assert inputs_of(butler, find_location(str(repo), rerun="b"))[:2] == [kept, "skymaps"]
        assert "HSC/inputs" in butler.collections.query("*")


def test_records_are_beside_the_data(repo: Path) -> None:
    assert Path(records_folder(find_location(str(repo), rerun="x"))) == repo / "rerun" / "x"
    with pytest.raises(ConfigError, match="not a folder of this machine"):
        records_folder(Location("s3://bucket/repo", "rerun/x"))

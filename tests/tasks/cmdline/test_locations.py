"""Folders of the manual's time become collections."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.daf.butler import CollectionType

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


def test_a_command_reads_what_it_was_given(repo: Path) -> None:
    """Neither runs of others nor exposures that were ingested elsewhere."""
    with contextlib.closing(open_repository(repo, writeable=True)) as butler:
        for run in ("zoe/test", "private/test", "lamella/coadds/20260101T000000Z"):
            butler.collections.register(run)
        in_place = begin_run(butler, find_location(str(repo)))
        given = ["HSC/inputs", "skymaps", "brightObjectMasks"]
        mine = find_location(str(repo), rerun="mine")
        assert inputs_of(butler, mine) == [*given, in_place]
        run = begin_run(butler, mine)
        assert list(butler.collections.get_info("rerun/mine").children) == [run, *given]
        assert inputs_of(butler, mine) == [run, *given, in_place]
        named = find_location(str(repo / "private/test"), rerun="named")
        assert inputs_of(butler, named) == ["private/test", *given, in_place]
        run = begin_run(butler, named)
        assert list(butler.collections.get_info("rerun/named").children) == [run, "private/test", *given]


@pytest.fixture
def old(repo: Path) -> Path:
    """A repository with the chains of lamella 0.1: each holds all runs that are not of other reruns."""
    chains = {
        "deepCoadd-results": ["deepCoadd-results/20250101T000000000001Z"],
        "rerun/a": ["rerun/a/20250101T000000000002Z"],
        "rerun/b": ["rerun/b/20250101T000000000003Z", "rerun/a/20250101T000000000002Z"],
    }
    every = ["zoe/test", "skymaps", "private/test", "brightObjectMasks", "HSC/inputs"]
    with contextlib.closing(open_repository(repo, writeable=True)) as butler:
        for run in ("zoe/test", "private/test", *itertools.chain.from_iterable(chains.values())):
            butler.collections.register(run)
        for chain, runs in chains.items():
            butler.collections.register(chain, CollectionType.CHAINED)
            in_place = chains["deepCoadd-results"]
            butler.collections.redefine_chain(chain, list(dict.fromkeys([*runs, *in_place, *every])))
    return repo


def test_chains_of_earlier_versions_are_read_without_what_was_not_given(old: Path) -> None:
    given, in_place = (
        ["HSC/inputs", "skymaps", "brightObjectMasks"],
        "deepCoadd-results/20250101T000000000001Z",
    )
    with contextlib.closing(open_repository(old, writeable=True)) as butler:
        location = find_location(str(old), rerun="b")
        runs = ["rerun/b/20250101T000000000003Z", "rerun/a/20250101T000000000002Z"]
        # What it was given stays in the order of the chain.
        members = [*runs, "skymaps", "brightObjectMasks", "HSC/inputs"]
        assert inputs_of(butler, location) == [*members, in_place]
        run = begin_run(butler, location)
        assert list(butler.collections.get_info("rerun/b").children) == [run, *members]
        heir = find_location(str(old), rerun="a:c")
        assert inputs_of(butler, heir)[:2] == ["rerun/a/20250101T000000000002Z", "skymaps"]
        run = begin_run(butler, find_location(str(old)))
        chain = butler.collections.get_info("deepCoadd-results").children
        assert sorted(chain) == sorted([run, in_place, *given])


def test_a_chain_of_an_earlier_version_keeps_what_the_command_is_given(old: Path) -> None:
    with contextlib.closing(open_repository(old, writeable=True)) as butler:
        assert "private/test" in butler.collections.get_info("rerun/b").children  # as all of the repository
        begin_run(butler, find_location(str(old / "private/test"), rerun="b"))
        children = butler.collections.get_info("rerun/b").children
        assert "private/test" in children
        assert "zoe/test" not in children


def test_what_a_chain_of_this_version_was_given_stays(old: Path) -> None:
    with contextlib.closing(open_repository(old, writeable=True)) as butler:
        begin_run(butler, find_location(str(old / "private/test"), rerun="new"))
        begin_run(butler, find_location(str(old), rerun="new"))
        assert "private/test" in butler.collections.get_info("rerun/new").children
        # So does what a chain of the middleware's holds.
        butler.collections.register("u/me/20250101T000000Z")
        butler.collections.register("u/me", CollectionType.CHAINED)
        butler.collections.redefine_chain("u/me", ["u/me/20250101T000000Z", "zoe/test"])
        for _ in range(2):
            begin_run(butler, find_location(str(old / "u/me"), rerun="me"))
        assert {"u/me/20250101T000000Z", "zoe/test"} <= set(butler.collections.get_info("rerun/me").children)


def test_a_chain_of_the_middleware_is_read_and_not_written_to(old: Path) -> None:
    with contextlib.closing(open_repository(old, writeable=True)) as butler:
        butler.collections.register("u/me", CollectionType.CHAINED)
        butler.collections.redefine_chain("u/me", ["zoe/test"])
        with pytest.raises(ConfigError, match="The collection u/me was not made by lamella"):
            begin_run(butler, find_location(str(old / "u/me")))
        with pytest.raises(ConfigError, match="The collection u/me was not made by lamella"):
            remove_runs(butler, find_location(str(old), output=str(old / "u/me")))
        assert butler.collections.get_info("u/me").children == ("zoe/test",)
        assert "zoe/test" in butler.collections.query("*")


def test_remove_runs_leaves_other_collections(repo: Path) -> None:
    with contextlib.closing(open_repository(repo, writeable=True)) as butler:
        gone = begin_run(butler, find_location(str(repo), rerun="a"))
        heir = find_location(str(repo), rerun="a:b")
        kept = begin_run(butler, heir)
        remove_runs(butler, find_location(str(repo), rerun="a"))
        assert gone not in butler.collections.query("*")
        assert inputs_of(butler, find_location(str(repo), rerun="b"))[:2] == [kept, "HSC/inputs"]
        assert "HSC/inputs" in butler.collections.query("*")


def test_records_are_beside_the_data(repo: Path) -> None:
    assert Path(records_folder(find_location(str(repo), rerun="x"))) == repo / "rerun" / "x"
    with pytest.raises(ConfigError, match="not a folder of this machine"):
        records_folder(Location("s3://bucket/repo", "rerun/x"))

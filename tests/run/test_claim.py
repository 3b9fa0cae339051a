"""Claims of files: unfinished work is taken up, what others wrote or are writing is not touched."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lamella.errors import OutputError
from lamella.run import claim as module
from lamella.run.claim import claim_files


def entries(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def die_while_writing(paths: list[Path]) -> None:
    with claim_files(paths, overwrite=False):
        paths[0].write_text("first")
        (paths[1].parent / f".lamella-{paths[1].name}-abcd_123").mkdir()
        os.kill(os.getpid(), signal.SIGKILL)


def fail_after_the_first(paths: list[Path]) -> None:
    with claim_files(paths, overwrite=False):
        paths[0].write_text("first")
        raise OSError("full")


def kill_a_writer(paths: list[Path]) -> None:
    process = multiprocessing.get_context("fork").Process(target=die_while_writing, args=(paths,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [tmp_path / "a.fits", tmp_path / "b.fits"]


def test_what_ends_well_leaves_its_files_alone(paths: list[Path], tmp_path: Path) -> None:
    with claim_files(paths, overwrite=False):
        paths[0].write_text("new")
    assert entries(tmp_path) == ["a.fits"]


def test_files_of_others_are_refused_or_replaced(paths: list[Path], tmp_path: Path) -> None:
    paths[1].write_text("of others")
    with pytest.raises(OutputError, match=r"b\.fits: .*exists"), claim_files(paths, overwrite=False):
        pass
    with claim_files(paths, overwrite=True):
        pass
    assert entries(tmp_path) == ["b.fits"]


def test_what_a_killed_command_left_is_taken_up(paths: list[Path], tmp_path: Path) -> None:
    kill_a_writer(paths)
    assert len(entries(tmp_path)) == 3
    with claim_files(paths, overwrite=False):
        assert paths[0].read_text() == "first"
    assert entries(tmp_path) == ["a.fits"]


def test_it_is_not_what_others_wrote_before(paths: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "c.fits"
    other.write_text("of others")
    kill_a_writer(paths)
    with pytest.raises(OutputError, match=r"c\.fits"), claim_files([*paths, other], overwrite=False):
        pass
    assert other.read_text() == "of others"


def test_after_an_error_what_was_written_can_be_finished(paths: list[Path], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="full"):
        fail_after_the_first(paths)
    with claim_files(paths, overwrite=False):
        pass
    assert entries(tmp_path) == ["a.fits"]


def test_an_error_before_anything_is_written_leaves_nothing(paths: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="bad"), claim_files(paths, overwrite=False):
        raise ValueError("bad")
    assert entries(tmp_path) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_living_command_is_named(paths: list[Path], overwrite: bool) -> None:
    with claim_files(paths[:1], overwrite=False):
        expected = f"a.fits: .*process {os.getpid()} on .* since "
        with pytest.raises(OutputError, match=expected), claim_files(paths, overwrite=overwrite):
            pass
        with claim_files(paths[1:], overwrite=False):  # another file of the folder
            pass


def test_a_file_that_is_replaced_is_claimed_too(paths: list[Path]) -> None:
    paths[0].write_text("old")
    with (
        claim_files(paths[:1], overwrite=True),
        pytest.raises(OutputError, match="another command"),
        claim_files(paths[:1], overwrite=True),
    ):
        pass


def test_folders_of_others_stay(paths: list[Path], tmp_path: Path) -> None:
    (tmp_path / ".lamella-a.fits-of-mine").mkdir()
    with claim_files(paths, overwrite=False):
        pass
    assert entries(tmp_path) == [".lamella-a.fits-of-mine"]


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"files": []})])
def test_damaged_claims_claim_nothing(paths: list[Path], tmp_path: Path, content: str) -> None:
    (tmp_path / f"{module._PREFIX}abcd_123").write_text(content)
    with claim_files(paths, overwrite=False):
        paths[0].write_text("new")


def test_without_locks_files_are_refused(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(module.fcntl, "flock", refuse)
    with claim_files(paths, overwrite=False):
        paths[0].write_text("new")
    with pytest.raises(OutputError, match="exists"), claim_files(paths, overwrite=False):
        pass
    assert entries(tmp_path) == ["a.fits"]


def test_a_folder_that_is_absent_is_an_error_with_the_file(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"absent/a\.fits: .*No such file"),
        claim_files([tmp_path / "absent" / "a.fits"], overwrite=False),
    ):
        pass


@pytest.mark.parametrize("killed", [False, True])
def test_a_program_that_is_killed_on_its_way_out_is_given_again(
    paths: list[Path], tmp_path: Path, killed: bool
) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from lamella.run.claim import claim_files, keep_claims_until_exit\n"
        "keep_claims_until_exit(); path = Path(sys.argv[1])\n"
        "with claim_files([path], overwrite=False): path.write_text('whole')\n"
    ) + ("os.kill(os.getpid(), signal.SIGKILL)" if killed else "")
    ended = subprocess.run([sys.executable, "-c", code, str(paths[0])], check=False)
    assert ended.returncode == (-signal.SIGKILL if killed else 0)
    assert len(entries(tmp_path)) == 1 + killed
    refused = contextlib.nullcontext() if killed else pytest.raises(OutputError)
    with refused, claim_files(paths, overwrite=False):
        pass
    assert entries(tmp_path) == ["a.fits"]

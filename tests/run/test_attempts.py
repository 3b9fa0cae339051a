"""Attempts at jobs by other machines: their files come in their place whole, or not at all."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from lamella.errors import ClusterError, NoInputsError, OutputError, WorkerError
from lamella.run.attempts import Attempts


@pytest.fixture
def attempts(tmp_path: Path) -> Attempts:
    folder = tmp_path / "out" / ".lamella-scratch-x"
    folder.mkdir(parents=True)
    return Attempts(folder)


def test_files_get_their_place_when_the_caller_says_so(attempts: Attempts) -> None:
    run = attempts.run
    (run / "a.json").write_text("older")
    with attempts.begin(0) as attempt:
        for name in ("a.fits", "a.json", "warps/w.fits", ".lamella-scratch-y/left"):
            (attempt.folder / name).parent.mkdir(exist_ok=True)
            (attempt.folder / name).write_text(f"new {name}")
        finished = attempt.finish()
    assert finished.names == ("a.fits", "a.json", "warps/w.fits")
    assert {path.name for path in run.iterdir()} == {"a.json", attempts.folder.name}
    finished.put_in_place(run, "a.json")
    assert [(run / name).read_text() for name in finished.names] == [f"new {name}" for name in finished.names]
    assert list(attempts.folder.iterdir()) == []


def test_the_last_file_is_gone_while_the_others_change(attempts: Attempts) -> None:
    (attempts.run / "a.json").write_text("older")
    with attempts.begin(0) as attempt:
        for name in ("a.fits", "a.json"):
            (attempt.folder / name).write_text("new")
        finished = attempt.finish()
    (attempts.run / "a.fits").mkdir()
    (attempts.run / "a.fits" / "full").touch()
    with pytest.raises(OutputError, match=r"a\.fits"):
        finished.put_in_place(attempts.run, "a.json")
    assert not (attempts.run / "a.json").exists()


def test_an_attempt_that_fails_leaves_nothing(attempts: Attempts) -> None:
    def fail() -> None:
        with attempts.begin(0) as attempt:
            (attempt.folder / "a.fits").touch()
            raise NoInputsError("Nothing.")

    with pytest.raises(NoInputsError):
        fail()
    assert list(attempts.folder.iterdir()) == []
    with attempts.begin(0):
        pass


def test_what_cannot_be_written_is_told_with_its_place_and_the_machine(attempts: Attempts) -> None:
    with pytest.raises(OutputError) as caught, attempts.begin(0) as attempt:
        raise OutputError(attempt.folder / "warps" / "w.fits", reason="No space left on device")
    assert caught.value.path == str(attempts.run / "warps" / "w.fits")
    assert caught.value.reason == f"No space left on device (on {platform.node()})"


def test_a_job_whose_processes_died_three_times_is_given_up(attempts: Attempts) -> None:
    for number, deaths in ((1, 3), (11, 2), (2, 2)):
        for death in range(deaths):
            (attempts.folder / f"{number}~node{death}~77~abc").mkdir()
    with attempts.begin(2) as attempt:  # finished, not dead
        attempt.finish()
    with pytest.raises(WorkerError, match=r"died 3 times \(on node0, node1, node2\)"), attempts.begin(1):
        pass
    with attempts.begin(11), attempts.begin(2):
        pass


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    elsewhere = Attempts(tmp_path / "absent" / ".lamella-scratch-x")
    with (
        pytest.raises(ClusterError, match=f"on {platform.node()} does not see {elsewhere.run}"),
        elsewhere.begin(0),
    ):
        pass


def test_an_attempt_ends_when_its_run_has_ended(attempts: Attempts) -> None:
    with attempts.begin(0) as attempt:
        attempt.require_run()
        attempt.folder.rmdir()
        with pytest.raises(WorkerError, match="has ended"):
            attempt.require_run()

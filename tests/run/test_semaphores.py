"""A group of processes that is killed leaves no semaphores behind the next run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lamella.run import semaphores as module
from lamella.run.execute import run_in_processes

KILLED = """
import os, signal
from lamella.run.execute import run_in_processes
def main():
    for _ in run_in_processes([1, 2], abs, 2):
        os.killpg(0, signal.SIGKILL)
if __name__ == "__main__":
    main()
"""


def names(folder: Path = module._FOLDER) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith("sem.lamella-")}


@pytest.mark.skipif(not module._FOLDER.is_dir(), reason="needs /dev/shm, where Linux has semaphores")
def test_semaphores_of_a_killed_group_go_with_the_next_run(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    with subprocess.Popen([sys.executable, str(script)], start_new_session=True) as group:
        assert group.wait() == -signal.SIGKILL
    left = {name for name in names() if f"-{group.pid}-" in name}
    assert left
    assert [outcome.result for outcome in run_in_processes([-1], abs, 1)] == [1]
    assert not left & names()


def test_only_what_surely_belongs_to_nobody_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space, own = module._space(), os.getpid()
    start = module._start_of(own)
    stay = {
        f"sem.lamella-{space}-{own}-{start}-living",
        f"sem.lamella-{space + 1}-{own}-1-container",
        "sem.mp-of-others",
        "sem.lamella-strange",
    }
    dead = f"sem.lamella-{space}-{own}-{start + 1 if start else 1}-dead"
    for name in (*stay, dead):
        (tmp_path / name).touch()
    monkeypatch.setattr(module, "_FOLDER", tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: os.stat(tmp_path).st_uid + 1)
    module.remove_dead_semaphores()
    assert {path.name for path in tmp_path.iterdir()} == {*stay, dead}
    monkeypatch.undo()
    monkeypatch.setattr(module, "_FOLDER", tmp_path)
    module.remove_dead_semaphores()
    assert {path.name for path in tmp_path.iterdir()} == stay

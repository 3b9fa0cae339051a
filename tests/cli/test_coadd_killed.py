"""Runs that are killed: what they leave, and that the next one continues."""

from __future__ import annotations

import os
import random
import signal
import time
import warnings
from pathlib import Path

import pytest

from lamella import files
from lamella.testing.survey import Survey

from ..processes import start_program
from .conftest import lamella, lamella_ok, product_bits


def run_until(writes: int, *arguments: object) -> int:
    """Run the command in a child that is killed at one of its writes; return how it ended.

    Each file costs two of them: when it is whole but has no name yet, and when it has got its name.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks while threads exist
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 99
    try:
        sync, left = files.sync, iter(range(writes - 1))

        def sync_or_die(path: Path) -> None:
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            sync(path)

        files.sync = sync_or_die
        status = lamella(*arguments).status
    finally:
        os._exit(status)


# The command with workers that need not import everything.
FORKING = """
import multiprocessing, sys
from lamella.cli.main import main
from lamella.run import execute
execute._CONTEXT = multiprocessing.get_context("fork")
main(sys.argv[1:])
"""


def temporary(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob(".lamella-*")}


def test_a_killed_run_continues_and_ends_with_the_same_bits(
    survey: Survey, patches: Path, patch_coadds: Path, tmp_path: Path
) -> None:
    command_line = [
        "coadd", survey.table, "-o", tmp_path, "--skymap", patches, "--band", "r", "--workers", 1,
        "--memory", 16,
    ]  # fmt: skip
    seen = set()
    # At a sky map without its name, within an archive, between products, within a record, and so on.
    for writes in (1, 3, 4, 5, 9, 12, 16):
        assert run_until(writes, *command_line) == -signal.SIGKILL
        seen |= {name.split("-")[1] for name in temporary(tmp_path)}
    assert seen >= {"lock", "skymap.json", "coadd"}
    lamella_ok(*command_line)
    assert product_bits(tmp_path) == product_bits(patch_coadds)
    assert temporary(tmp_path) == set()
    assert run_until(1000, *command_line) == 0


def test_what_is_finished_when_a_run_is_killed_is_kept(survey: Survey, patches: Path, tmp_path: Path) -> None:
    command_line = [
        "coadd", survey.table, "-o", tmp_path, "--skymap", patches, "--band", "r", "--workers", 1,
    ]  # fmt: skip
    writes = 2 * (4 + 5)  # of a coadd: its files, and pictures of the page
    assert run_until(2 + writes + writes + 1, *command_line) == -signal.SIGKILL  # in the third patch
    finished = sorted(tmp_path.glob("coadd-*.json"))
    assert [path.stem for path in finished] == ["coadd-r-0-0,0", "coadd-r-0-1,0"]
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("coadd-*")}
    text = lamella_ok(*command_line)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert text.count("kept") == 2


@pytest.mark.slow
def test_runs_with_several_processes_that_are_killed_at_any_time(
    survey: Survey, patches: Path, patch_coadds: Path, tmp_path: Path
) -> None:
    arguments = ["coadd", survey.table, "-o", tmp_path, "--skymap", patches, "--band", "r", "--workers", "2"]
    moments, log = random.Random(5), tmp_path.with_suffix(".log")
    for _ in range(2):
        process = start_program(FORKING, *arguments, log=log)
        while not (tmp_path / ".lamella-lock").exists() and process.is_alive():
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 1.5))
        process.kill()
        process.join()
    last = start_program(FORKING, *arguments, "--quiet", log=log)
    last.join()
    assert (last.exitcode, log.read_text()) == (0, "")
    assert product_bits(tmp_path) == product_bits(patch_coadds)
    assert temporary(tmp_path) == set()

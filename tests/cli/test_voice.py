"""How much a command says, and its log."""

from __future__ import annotations

import re
from pathlib import Path

from .conftest import lamella

_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR) \S.*")


def test_a_log_has_the_command_the_error_and_the_end_of_each_run(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for _ in range(2):
        ended = lamella("stack", tmp_path / "absent.fits", "-o", tmp_path / "out.fits", "--log", log)
        assert ended.status == 1
        assert len(ended.err.splitlines()) == 1
    lines = log.read_text(encoding="utf-8").splitlines()
    assert all(_LINE.fullmatch(line) for line in lines)
    assert sum(" INFO lamella 0.1.0, Python " in line for line in lines) == 2
    assert sum(" ERROR " in line and "absent.fits" in line for line in lines) == 2
    assert sum("INFO Failed after" in line for line in lines) == 2


def test_the_first_line_comes_at_once_unless_nobody_wants_it(tmp_path: Path) -> None:
    words = "stack", tmp_path / "absent.fits", "-o", tmp_path / "out.fits"
    assert lamella(*words).progress == "lamella: 0.1.0, stack: reading ...\n"
    assert lamella(*words, "-q").progress == ""


def test_a_log_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    log = tmp_path / "absent" / "log"
    ended = lamella("stack", tmp_path / "a.fits", "-o", tmp_path / "out.fits", "--log", log)
    assert ended.status == 1
    assert ended.err.startswith(f"Error: {log}: cannot be written")
    assert len(ended.err.splitlines()) == 1

"""What is shown of measuring: a bar on a terminal, lines elsewhere, and nothing of less than a second."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from lamella.cli import progress
from lamella.cli.progress import show_progress
from lamella.formats.recognise import open_exposures

from ..formats.test_measure import Bare


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def shown(clock: list[float], *, terminal: bool, quiet: bool = False, pace: float = 4.0) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    with show_progress(quiet=quiet, console=console) as (measuring, _):
        for done in range(6):
            measuring(done, 5)
            clock[0] += pace
            if terminal and not quiet:
                measuring._progress.refresh()  # type: ignore[attr-defined]
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_elsewhere_than_on_a_terminal_there_is_a_line_every_ten_seconds(clock: list[float]) -> None:
    lines = shown(clock, terminal=False).splitlines()
    assert lines == ["Measuring: 1 of 5 exposures.", "Measuring: 4 of 5 exposures."]


def test_on_a_terminal_there_is_a_bar(clock: list[float]) -> None:
    text = shown(clock, terminal=True)
    assert "Measuring" in text
    assert "4/5" in text
    assert "exposures" not in text


@pytest.mark.parametrize("terminal", [True, False])
def test_what_takes_less_than_a_second_is_not_told(clock: list[float], terminal: bool) -> None:
    assert "Measuring" not in shown(clock, terminal=terminal, pace=0.1)


@pytest.mark.parametrize("terminal", [True, False])
def test_who_wants_quiet_has_it(clock: list[float], terminal: bool) -> None:
    assert "Measuring" not in shown(clock, terminal=terminal, quiet=True)


def test_each_exposure_that_is_measured_is_counted(tmp_path: Path) -> None:
    for letter in "abc":
        Bare(f"{letter}.fits", stars=5).write(tmp_path)
    steps: list[tuple[int, int]] = []
    open_exposures([tmp_path], on_measured=lambda done, total: steps.append((done, total)))
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]

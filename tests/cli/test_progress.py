"""What is shown of measuring and of a run: a bar on a terminal, lines elsewhere, and nothing in a hurry."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from lamella.cli import progress
from lamella.cli.progress import Reporter, show_progress
from lamella.formats.recognise import open_exposures
from lamella.kernels.watch import watch
from lamella.run.events import COMPILED, COMPILING
from lamella.run.progress import Progress, ProgressCounter

from ..formats.test_measure import Bare

STAGES = ("warping", "stacking", "writing")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def shown(
    clock: list[float],
    call: Callable[[Reporter, int], None],
    *,
    terminal: bool = False,
    quiet: bool = False,
    pace: float = 25.0,
    width: int = 80,
) -> str:
    """Return what is shown of twelve steps."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width)
    with show_progress(quiet=quiet, console=console) as reporter:
        for done in range(13):
            clock[0] += pace if done else 0.0
            call(reporter, done)
            if terminal and not quiet:
                reporter._bars.refresh()
    return console.file.getvalue()  # type: ignore[attr-defined]


def measure(reporter: Reporter, done: int) -> None:
    reporter.measured(done, 12)


def warp(reporter: Reporter, done: int) -> None:
    reporter.progressed(Progress("r-0-0,0", "warping", done, 12, done / 24, 12))


def test_elsewhere_than_on_a_terminal_there_is_a_line_per_minute(clock: list[float]) -> None:
    lines = shown(clock, warp).splitlines()
    assert lines == [
        "lamella: r-0-0,0 warping 3/12; 12% of all, 1.2 visits/min, about 8 min 45 s left.",
        "lamella: r-0-0,0 warping 6/12; 25% of all, 1.2 visits/min, about 7 min 30 s left.",
        "lamella: r-0-0,0 warping 9/12; 38% of all, 1.2 visits/min, about 6 min 15 s left.",
        "lamella: r-0-0,0 warping 12/12; 50% of all, 1.2 visits/min, about 5 min 00 s left.",
    ]


def test_or_a_line_per_visit_where_that_is_rarer(clock: list[float]) -> None:
    lines = shown(clock, warp, pace=200.0).splitlines()
    assert [line.split(";")[0] for line in lines] == [
        f"lamella: r-0-0,0 warping {done}/12" for done in range(1, 13)
    ]


def test_of_measuring_there_are_lines_too(clock: list[float]) -> None:
    lines = shown(clock, measure).splitlines()
    assert [line.split(";")[0] for line in lines] == [
        f"lamella: measuring {done}/12" for done in (3, 6, 9, 12)
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_there_is_a_bar_with_stage_rate_and_time_left(clock: list[float], width: int) -> None:
    text = shown(clock, warp, terminal=True, width=width)
    assert "r-0-0,0 warping 11/12" in text
    assert "46%" in text
    assert "1.2 visits/min" in text
    plain = Console(file=io.StringIO(), width=width)
    assert all(plain.measure(line).maximum <= width for line in text.splitlines() if "\x1b" not in line)


@pytest.mark.parametrize("terminal", [True, False])
def test_measuring_that_takes_less_than_a_second_is_not_told(clock: list[float], terminal: bool) -> None:
    assert "easuring" not in shown(clock, measure, terminal=terminal, pace=0.01)


@pytest.mark.parametrize("terminal", [True, False])
def test_who_wants_quiet_has_it(clock: list[float], terminal: bool) -> None:
    assert "warping" not in shown(clock, warp, terminal=terminal, quiet=True)


@pytest.mark.parametrize("terminal", [True, False])
def test_compiling_is_told_once_and_is_no_time_of_visits(clock: list[float], terminal: bool) -> None:
    def compile_first(reporter: Reporter, done: int) -> None:
        if done < 2:
            reporter.progressed(Progress("", COMPILING, 0, 0, 0.0, 12))
            clock[0] += 600.0
        warp(reporter, done)

    told: set[str] = set()
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    for _ in range(2):
        with show_progress(console=console, told=told) as reporter:
            for done in range(13):
                clock[0] += 30.0
                compile_first(reporter, done)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("Compiling kernels, first run only (about a minute).") == 1
    if not terminal:
        # The first visit took no time that could be told from that of the compiler.
        assert "1.1 visits/min, about 5 min 55 s left" in text.splitlines()[-1]


def test_a_kernel_of_this_process_is_told() -> None:
    console = Console(file=io.StringIO(), width=80)
    with show_progress(console=console):
        watch.begin("kernel")
        watch.end()
    assert "Compiling" in console.file.getvalue()  # type: ignore[attr-defined]
    with show_progress(console=console):
        pass
    assert console.file.getvalue().count("Compiling") == 1  # type: ignore[attr-defined]


def test_each_exposure_that_is_measured_is_counted(tmp_path: Path) -> None:
    for letter in "abc":
        Bare(f"{letter}.fits", stars=5).write(tmp_path)
    steps: list[tuple[int, int]] = []
    open_exposures([tmp_path], on_measured=lambda done, total: steps.append((done, total)))
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_stages_and_coadds_are_put_together() -> None:
    steps: list[Progress] = []
    counter = ProgressCounter({"g": (30, STAGES), "r": (10, STAGES)}, steps.append)
    counter.step("g", "warping", 15, 30)
    assert steps[-1].fraction == pytest.approx(0.75 * 0.5 / 1.8)
    counter.step("r", "warping", 10, 10)
    counter.step("r", "stacking", 1, 2)
    assert steps[-1].fraction == pytest.approx(0.75 * 0.5 / 1.8 + 0.25 * 1.2 / 1.8)
    counter.step("r", "warping", 1, 10)  # that of a slow thread
    assert steps[-1].fraction == steps[-2].fraction
    counter.finish("g")
    counter.finish("r")
    assert steps[-1].fraction == 1.0
    assert {step.visits for step in steps} == {40}


def test_what_is_there_already_is_not_counted() -> None:
    steps: list[Progress] = []
    counter = ProgressCounter({"g": (30, STAGES), "r": (10, STAGES)}, steps.append)
    counter.skip("g")
    counter.step("r", "warping", 10, 10)
    assert (steps[-1].fraction, steps[-1].visits) == (pytest.approx(1 / 1.8), 10)


def test_the_longest_wait_of_other_processes_is_known() -> None:
    counter = ProgressCounter({"g": (1, STAGES)})
    for process, spent in ((11, 2000), (12, 3500), (11, 2500)):
        counter.step("g", COMPILED, process, spent)
    assert counter.compiled_elsewhere == 3.5


def test_steps_of_many_threads_are_all_told() -> None:
    steps: list[Progress] = []
    counter = ProgressCounter({str(n): (5, STAGES) for n in range(8)}, steps.append)

    def run(job: str) -> None:
        for done in range(1, 6):
            counter.step(job, "warping", done, 5)
        counter.finish(job)

    threads = [threading.Thread(target=run, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(steps) == 48
    assert [step.fraction for step in steps] == sorted(step.fraction for step in steps)

"""Statistics stacks from files to files: lamella beside other programs, in turn, on the same warps."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from .contenders import REFERENCE, STATISTICS, Contender
from .fits_planes import FitsPlane, WarpFiles
from .launch import CommandError, run_measured
from .machine import load
from .peers import NOT_INSTALLED
from .warp_files import read_through, settle

ROOT = Path(__file__).parents[1]
AGREE = 0.01
"""Pixels agree when they differ by less than this many sigma of the coadd."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is measured."""

    programs: Sequence[Contender]
    threads: Sequence[int] = (1,)
    repeats: int = 1
    """Number of rounds.  In each round every program runs once, one after the
    other, so that a disturbance of the machine meets them all."""
    statistics: Sequence[str] = STATISTICS
    thorough: bool = False
    """Also what takes long."""

    def entries(self, statistic: str, n: int, pixels: int) -> list[tuple[Contender, Row]]:
        """Return who runs a task with how many threads, and where the results go."""
        return [
            (one, Row(one.name, statistic, n, count, pixels))
            for one in self.programs
            if statistic in one.statistics and (self.thorough or one.runs(statistic, n))
            for count in one.threads(statistic, n, self.threads)
        ]

    def rounds(self, one: Contender, statistic: str, n: int) -> int:
        return self.repeats if self.thorough else one.rounds(statistic, n, self.repeats)


@dataclasses.dataclass
class Row:
    """All runs of one program on one task."""

    program: str
    statistic: str
    n: int
    threads: int
    pixels: int
    status: str = "ok"
    cpu_s: list[float] = dataclasses.field(default_factory=list)
    wall_s: list[float] = dataclasses.field(default_factory=list)
    peak_mb: list[float] = dataclasses.field(default_factory=list)
    load: list[Any] = dataclasses.field(default_factory=list)
    phases: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    disagree: float | None = None
    """Fraction of pixels that differ from those of lamella."""

    @property
    def side(self) -> int:
        """Width and height of the warps."""
        return math.isqrt(self.pixels)

    @property
    def ns_per_pixel(self) -> float:
        """CPU time per input pixel: one pixel of one warp."""
        return 1e9 * statistics.median(self.cpu_s) / (self.pixels * self.n)

    def summary(self) -> dict[str, Any]:
        """Return the runs and their median, least and largest, as plain values."""
        values = dataclasses.asdict(self)
        if self.cpu_s:
            values["ns_per_input_pixel"] = self.ns_per_pixel
            for name in ("cpu_s", "wall_s", "peak_mb"):
                runs = getattr(self, name)
                values[f"{name}_median"] = statistics.median(runs)
                values[f"{name}_range"] = [min(runs), max(runs)]
        return values


def run_stacks(
    files: WarpFiles, sizes: Sequence[int], plan: Plan, tell: Callable[[str], None]
) -> Iterator[Row]:
    """Run all programs on all tasks; the rows of a task come when it is done.

    Parameters
    ----------
    files
        The warps; a task uses the first n of them.
    sizes
        Numbers of warps.
    plan
        Who takes part, and how often.
    tell
        Called with a line about each run.
    """
    for n in sizes:
        for statistic in plan.statistics:
            yield from _run_task(files.first(n), statistic, plan, tell)


def _run_task(files: WarpFiles, statistic: str, plan: Plan, tell: Callable[[str], None]) -> list[Row]:
    pixels = math.prod(FitsPlane(files.names("image")[0]).shape)
    entries = plan.entries(statistic, files.n, pixels)
    reference: Path | None = None
    for turn in range(plan.repeats):
        for one, row in entries:
            if row.status != "ok" or turn >= plan.rounds(one, statistic, files.n):
                continue
            folder = files.folder / "result"
            folder.mkdir()
            output = folder / "coadd.fits"
            _run_once(one, row, files, output)
            if turn == 0 and row.status == "ok" and one.comparable:
                if one.name == REFERENCE and reference is None:
                    reference = files.folder / "reference.fits"
                    output.replace(reference)
                elif reference is not None:
                    row.disagree = disagreement(reference, output, one.image_hdu)
            tell(_line(row))
            shutil.rmtree(folder)
    if reference is not None:
        reference.unlink()
    return [row for _, row in entries]


def _run_once(one: Contender, row: Row, files: WarpFiles, output: Path) -> None:
    if one.command is None:
        row.status = NOT_INSTALLED
        return
    command = one.command(files, row.statistic, row.threads, output)
    for kind in one.kinds:
        read_through(files.names(kind))
    settle()
    limits = {"OMP_NUM_THREADS": str(row.threads), "OPENBLAS_NUM_THREADS": str(row.threads)}
    row.load.append(load())
    try:
        usage, text = run_measured(command, cwd=ROOT, env=limits)
    except CommandError as err:
        row.status = f"failed: {err}"
        return
    row.cpu_s.append(usage.cpu_s)
    row.wall_s.append(usage.wall_s)
    row.peak_mb.append(usage.peak_mb)
    if text.startswith("{"):
        phases = json.loads(text)
        known = sum(phase["cpu_s"] for phase in phases.values())
        row.phases.append(phases | {"exit": {"cpu_s": usage.cpu_s - known}})


def _line(row: Row) -> str:
    task = f"{row.statistic} n={row.n} {row.program}, threads {row.threads}"
    if row.status != "ok":
        return f"{task}: {row.status}"
    return f"{task}: CPU {row.cpu_s[-1]:.2f} s, wall {row.wall_s[-1]:.2f} s, peak {row.peak_mb[-1]:.0f} MB"


def disagreement(reference: Path, other: Path, hdu: int) -> float:
    """Return the fraction of pixels that differ by more than `AGREE` sigma of the coadd."""
    with fits.open(reference) as ours, fits.open(other) as theirs:
        image, variance, found = ours["IMAGE"].data, ours["VARIANCE"].data, theirs[hdu].data
        if found.shape != image.shape:
            return 1.0
        differ = 0
        for y0 in range(0, len(image), 256):
            rows = slice(y0, y0 + 256)
            limit = AGREE * np.sqrt(variance[rows])
            # Pixels without any input hold NaN here and zero there.
            close = (np.abs(image[rows] - found[rows]) <= limit) | np.isnan(image[rows])
            differ += int((~close).sum())
        return differ / image.size

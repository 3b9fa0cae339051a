"""Statistics stacks from files to files: lamella beside SWarp and numpy, in turn, on the same warps."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from .coadd import LAMELLA
from .fits_planes import FitsPlane, WarpFiles
from .launch import CommandError, run_measured
from .machine import load
from .stack_swarp import find_swarp, swarp_command
from .warp_files import read_through, settle

ROOT = Path(__file__).parents[1]
STATISTICS = ("MEAN", "MEANCLIP", "NOISECLIP", "MEDIAN")
DEFAULT = ("NOISECLIP",)
"""The statistic of lamella unless another is asked for: enough to see what else a program does."""
GROUPS = ("lamella", "archives", "numpy", "SWarp")
REFERENCE = "lamella"
AGREE = 0.01
"""Pixels agree when they differ by less than this many sigma of the coadd."""

Command = Callable[[WarpFiles, str, int, Path], Sequence[str | Path]]


@dataclasses.dataclass(frozen=True)
class Contender:
    """A program that stacks, and how it is called."""

    name: str
    group: str
    """The name by which it is chosen on the command line."""
    kinds: tuple[str, ...]
    """The files that it reads."""
    command: Command | None
    """`None` when the program is not installed."""
    threaded: bool = True
    statistics: tuple[str, ...] = STATISTICS
    image_hdu: int = 1
    comparable: bool = True
    """Whether it uses the weights that the others use, so that pixels can be compared."""


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


def contenders(only: Sequence[str] | None = None, wanted: Sequence[str] = STATISTICS) -> list[Contender]:
    """Return the programs that have something to do, those that are not installed included."""
    swarp = find_swarp()
    planes = ("image", "variance", "mask")
    found = [
        Contender(REFERENCE, "lamella", planes, _lamella),
        Contender(
            "lamella, weights found",
            "lamella",
            planes,
            _lamella_weights,
            statistics=DEFAULT,
            comparable=False,
        ),
        Contender(
            "lamella stack, archives",
            "archives",
            ("archive",),
            _lamella_stack,
            statistics=DEFAULT,
            comparable=False,
        ),
        Contender("numpy by blocks of rows", "numpy", planes, _numpy, threaded=False),
        Contender("SWarp", "SWarp", ("image", "weight"), _swarp if swarp else None, image_hdu=0),
    ]
    named = [one for one in found if one.group in only]
    return [one for one in named if set(one.statistics) & set(wanted)]


def _module(name: str, files: WarpFiles, statistic: str, output: Path) -> list[str | Path]:
    command = [sys.executable, "-m", f"benchmarks.{name}", files.folder, "--n", str(files.n)]
    return [*command, "--statistic", statistic, "--output", output]


def _lamella(files: WarpFiles, statistic: str, threads: int, output: Path) -> list[str | Path]:
    return [*_module("stack_lamella", files, statistic, output), "--threads", str(threads)]


def _lamella_weights(files: WarpFiles, statistic: str, threads: int, output: Path) -> list[str | Path]:
    return [*_lamella(files, statistic, threads, output), "--find-weights"]


def _lamella_stack(files: WarpFiles, statistic: str, threads: int, output: Path) -> list[str | Path]:
    options = ["--statistic", statistic.lower(), "--workers", str(threads), "--output", output]
    return [*LAMELLA, "stack", *files.names("archive"), *options]


def _numpy(files: WarpFiles, statistic: str, threads: int, output: Path) -> list[str | Path]:
    return _module("stack_numpy", files, statistic, output)


def _swarp(files: WarpFiles, statistic: str, threads: int, output: Path) -> list[str | Path]:
    program = find_swarp()
    assert program is not None
    return swarp_command(program, files, statistic, threads, output)


def run_stacks(
    files: WarpFiles,
    sizes: Sequence[int],
    threads: Sequence[int],
    repeats: int,
    programs: Sequence[Contender],
    tell: Callable[[str], None],
    wanted: Sequence[str] = STATISTICS,
) -> Iterator[Row]:
    """Run all programs on all tasks; the rows of a task come when it is done.

    Parameters
    ----------
    files
        The warps; a task uses the first n of them.
    sizes
        Numbers of warps.
    threads
        Numbers of threads; numpy has one.
    repeats
        Number of rounds.  In each round every program runs once, one after the
        other, so that a disturbance of the machine meets them all.
    programs
        Who takes part.
    tell
        Called with a line about each run.
    wanted
        The statistics.
    """
    pixels = math.prod(FitsPlane(files.names("image")[0]).shape)
    for n in sizes:
        for statistic in wanted:
            yield from _run_task(files.first(n), statistic, threads, repeats, programs, pixels, tell)


def _run_task(
    files: WarpFiles,
    statistic: str,
    threads: Sequence[int],
    repeats: int,
    programs: Sequence[Contender],
    pixels: int,
    tell: Callable[[str], None],
) -> list[Row]:
    entries = [
        (one, Row(one.name, statistic, files.n, count, pixels))
        for one in programs
        if statistic in one.statistics
        for count in (threads if one.threaded else [1])
    ]
    reference: Path | None = None
    for turn in range(repeats):
        for one, row in entries:
            if row.status != "ok":
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
        row.status = "not installed"
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

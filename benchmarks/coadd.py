"""From exposure files to a coadd: ``lamella coadd`` beside SWarp, with the same kernel and combination.

SWarp makes image and weight, through resampled files on the disk; lamella makes
image, mask, variance, counts, PSF, tables, pictures and a report.
"""

from __future__ import annotations

import functools
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from . import peers
from .contenders import LAMELLA
from .exposures import Exposures, dump
from .launch import CommandError, run_measured
from .machine import load
from .resample_swarp import resample_command
from .warp_files import check_space, read_through, settle
from .warping import BIG, PATCH, ROOT

COMBINATIONS = {"MEAN": "WEIGHTED", "NOISECLIP": "CLIPPED"}
"""Statistics of lamella, and what SWarp calls the same; both clip at the noise that the weights tell."""
THREADED = "NOISECLIP"
"""What runs with all numbers of threads and of exposures; the others with the fewest exposures."""

LARGE_MEMORY = 4096
"""MiB with which warps never go to the disk."""

Command = Callable[[Path], Sequence[str | Path]]


def exposures_of(folder: Path, size: int, count: int) -> Exposures:
    """Return noisy exposures that are dithered over a patch; their size follows that of the patch."""
    share = size / PATCH
    height, width = (max(round(side * share), 64) for side in BIG)
    return Exposures(folder, count, (height, width), size, spread=(50 * share, (size - width) / 2), noise=5.0)


def coadd_command(of: Exposures, output: Path, threads: int, *options: str) -> list[str | Path]:
    """Return the command of lamella; the patch is the whole sky map."""
    where = ["--skymap", of.skymap, "--output", output, "--workers", str(threads)]
    return [*LAMELLA, "coadd", of.table, *where, "--subtract-background", "never", *options]


def run(
    folder: Path, size: int, numbers: Sequence[int], threads: Sequence[int], repeats: int,
    tell: Callable[[str], None],
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Run both programs on the first of some exposures; SWarp once for each, lamella ``repeats`` times."""
    of = exposures_of(folder / "exposures", size, max(numbers))
    # SWarp leaves image and weight of each exposure resampled until its end.
    check_space(folder, 2 * of.bytes_needed)
    tell(f"writing {of.count} exposures of {of.shape[1]} x {of.shape[0]}")
    run_measured([sys.executable, "-m", "benchmarks.exposures", dump(of)], cwd=ROOT)
    lines = of.table.read_text().splitlines(keepends=True)
    for count in numbers:
        of.table.write_text("".join(lines[: count + 1]))
        for statistic, combine in COMBINATIONS.items():
            if statistic != THREADED and count != min(numbers):
                continue
            yield from _task(of.subset(count), statistic, combine, threads, repeats, tell)
    shutil.rmtree(of.folder)


def _task(
    of: Exposures, statistic: str, combine: str, threads: Sequence[int], repeats: int,
    tell: Callable[[str], None],
) -> Iterator[dict[str, Any]]:  # fmt: skip
    swarp = peers.find("SWarp")
    reference: Path | None = None
    # What threads and memory give is seen with one of the statistics.
    ways = [(count, ()) for count in (threads if statistic == THREADED else [max(threads)])]
    if statistic == THREADED:
        ways.append((max(threads), ("--memory", str(LARGE_MEMORY))))
    for count, options in ways:
        name = " ".join([f"lamella coadd, {statistic}", *options])
        command: Command = functools.partial(_lamella, of, statistic, count, options)
        row = _measure(name, of, count, command, repeats, tell)
        row["statistic"] = statistic
        result = of.folder / "result"
        if reference is None and row["status"] == "ok":
            reference = of.folder / "reference.fits"
            next(result.glob("coadd-r-*[0-9].fits")).replace(reference)
        shutil.rmtree(result)
        yield row
    if swarp is None:
        yield _row(f"SWarp, {combine}", of, max(threads)) | {"status": peers.NOT_INSTALLED}
        return
    command = functools.partial(_swarp, of, swarp, combine, max(threads))
    row = _measure(f"SWarp, {combine}", of, max(threads), command, 1, tell)
    row["statistic"] = statistic
    if reference is not None and row["status"] == "ok":
        row["difference"] = difference(reference, of.folder / "result" / "coadd.fits")
    shutil.rmtree(of.folder / "result")
    yield row


def _lamella(
    of: Exposures, statistic: str, threads: int, options: Sequence[str], output: Path
) -> list[str | Path]:
    return coadd_command(of, output, threads, "--statistic", statistic.lower(), *options)


def _swarp(of: Exposures, program: str, combine: str, threads: int, output: Path) -> list[str]:
    command = resample_command(program, of, output, threads, combine)
    # lamella's default, too: seeing and registration differ.
    command[command.index("-CLIP_AMPFRAC") + 1] = "0.3"
    return command


def _row(name: str, of: Exposures, threads: int) -> dict[str, Any]:
    return {
        "program": name, "exposures": of.count, "shape": of.shape, "size": of.size, "threads": threads,
        "input_pixels": of.pixels, "status": "ok",
    }  # fmt: skip


def _measure(
    name: str, of: Exposures, threads: int, command: Command, repeats: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Run a command some times; the last result stays in the folder ``result``."""
    row = _row(name, of, threads)
    usages, loads = [], []
    for _ in range(repeats):
        folder = of.folder / "result"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        read_through(of.files())
        settle()
        loads.append(load())
        try:
            usages.append(run_measured(command(folder), cwd=ROOT)[0])
        except CommandError as err:
            return row | {"status": f"failed: {err}"}
        tell(f"{name}, {of.count} exposures, threads {threads}: CPU {usages[-1].cpu_s:.1f} s")
    runs = {key: [getattr(usage, key) for usage in usages] for key in ("cpu_s", "wall_s", "peak_mb")}
    return row | runs | {"load": loads}


def difference(reference: Path, other: Path) -> float:
    """Return the robust scatter of the difference of two coadds, in sigma of the first."""
    with fits.open(reference) as ours, fits.open(other) as theirs:
        image, variance, found = ours["IMAGE"].data, ours["VARIANCE"].data, theirs[0].data
        some = np.isfinite(image) & np.isfinite(variance) & (found != 0)
        pull = (found[some] - image[some]) / np.sqrt(variance[some])
    low, high = np.quantile(pull, [0.158655, 0.841345])
    return float(high - low) / 2


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        "| exposures | patch | program | threads | CPU s | wall s | ns/input pixel | CPU ÷ lamella "
        "| wall ÷ lamella | peak MB | scatter of the difference, sigma |",
        "|---" * 11 + "|",
    ]
    return "\n".join([*lines, *(_line(row, rows) for row in rows)])


def _line(row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    head = (
        f"| {row['exposures']} of {row['shape'][1]} x {row['shape'][0]} | {row['size']}² | {row['program']} "
    )
    if row["status"] != "ok":
        return f"{head}| {row['status']} " + "| " * 7 + "|"
    cpu, wall = (statistics.median(row[name]) for name in ("cpu_s", "wall_s"))
    cells = [str(row["threads"]), f"{cpu:.1f}", f"{wall:.1f}", f"{1e9 * cpu / row['input_pixels']:.0f}"]
    cells += [_ratio(row, rows, name) for name in ("cpu_s", "wall_s")]
    cells += [f"{max(row['peak_mb']):.0f}", f"{row['difference']:.3f}" if "difference" in row else ""]
    return head + "".join(f"| {cell} " for cell in cells) + "|"


def _ratio(row: dict[str, Any], rows: Sequence[dict[str, Any]], name: str) -> str:
    """Return a time over that of lamella on as many threads."""
    same = ("exposures", "statistic", "threads")
    for other in rows:
        if other["program"].startswith("lamella") and all(other.get(k) == row.get(k) for k in same):
            return f"{statistics.median(row[name]) / statistics.median(other[name]):.1f}"
    return ""

"""Warping from exposure files to warp files: lamella beside SWarp, drizzle, Montage and reproject."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from astropy.io import fits

from lamella.sky.pixelmap import PixelMap

from . import peers
from .contenders import LAMELLA
from .exposures import DISTORTIONS, Exposures, dump, exposure_header, patch_header, projection_of
from .launch import CommandError, run_measured
from .resample_swarp import resample_command
from .stars import measure_stars, summarise
from .warp_files import check_space, read_through, settle

ROOT = Path(__file__).parents[1]
BIG, SMALL = (4096, 2048), (512, 512)
PATCH = 4200
"""Sizes at full scale, in pixels."""
INSIDE = "lamella, inside a process"
SLOW_CASE = "SIP, alone"
"""One exposure, which slow programs get, too."""

Command = Callable[[Exposures, Path], Sequence[str | Path]]


@dataclasses.dataclass(frozen=True)
class Warper:
    """A program that resamples, and how it is called."""

    name: str
    command: Command | None
    """Gets the exposures and the folder of the results; `None` when it is not installed."""
    output: str
    """Name of the result of exposure ``i`` whose file is called ``stem``."""
    threads: int = 1
    cases: tuple[str, ...] = ()
    """Cases in which it takes part, if not in all."""
    brightness: bool = False
    """Whether it keeps the surface brightness and not the counts."""
    planes: str = "image"


def warpers(threads: Sequence[int], peers_python: str) -> list[Warper]:
    """Return the programs, those that are not installed included."""
    swarp, montage = peers.find("SWarp"), peers.find("Montage")
    found = [
        Warper("lamella warp", functools.partial(_lamella, count), "warp-r-0-0,0-unknown-{visit}.fits",
               count, planes="image, mask, variance")
        for count in threads
    ]  # fmt: skip
    found += [
        Warper("SWarp LANCZOS3", functools.partial(resample_command, swarp, threads=count) if swarp else None,
               "{stem}.resamp.fits", count, cases=() if count == min(threads) else ("TPV",),
               planes="image, weight")
        for count in threads
    ]  # fmt: skip
    for method, package, planes, where in (
        ("drizzle", "drizzle", "image, weight", "SIP"),
        ("reproject_interp", "reproject", "image", SLOW_CASE),
        ("reproject_adaptive", "reproject", "image", SLOW_CASE),
    ):
        there = peers.has_packages(peers_python, [package, "astropy"])
        command = functools.partial(_package, peers_python, method) if there else None
        bright = method != "reproject_adaptive"
        found.append(Warper(method, command, "{stem}.fits", cases=(where,), brightness=bright, planes=planes))
    project = functools.partial(_montage, montage) if montage else None
    slow = {"cases": (SLOW_CASE,), "brightness": True, "planes": "image, area"}
    return [*found, Warper("Montage mProject", project, "{stem}.fits", **slow)]


def _lamella(threads: int, of: Exposures, folder: Path) -> list[str | Path]:
    options = ["--skymap", of.skymap, "--output", folder, "--workers", str(threads)]
    return [*LAMELLA, "warp", of.table, *options]


def _package(python: str, method: str, of: Exposures, folder: Path) -> list[str | Path]:
    images = [of.name(i) for i in range(of.count)]
    return [python, "-m", "benchmarks.warp_packages", method, of.grid, folder, *images]


def _montage(program: str, of: Exposures, folder: Path) -> list[str | Path]:
    (image,) = (of.name(i) for i in range(of.count))
    return [program, image, folder / image.name, of.grid]


def cases(folder: Path, size: int, big: int, small: int) -> dict[str, Exposures]:
    """Return the exposures of each case: large and small ones, whose size follows that of the patch."""
    share = size / PATCH
    shape, little = (tuple(max(round(side * share), 128) for side in one) for one in (BIG, SMALL))
    near = (100 * share, 100 * share)
    found = {
        name: Exposures(folder / name, big, shape, size, distortion=name, spread=near) for name in DISTORTIONS
    }
    found[SLOW_CASE] = dataclasses.replace(found["SIP"], folder=folder / "alone", count=1)
    apart = ((size - little[0]) / 2, (size - little[1]) / 2)
    found["small, TPV"] = Exposures(folder / "small", small, little, size, spread=apart)
    return found


def covered(of: Exposures) -> int:
    """Return the number of patch pixels that the exposures cover, each counted once per exposure."""
    patch = projection_of(patch_header(of.size))
    whole = shapely.box(-0.5, -0.5, of.size - 0.5, of.size - 0.5)
    (top, right), total = of.shape, 0.0
    for i in range(of.count):
        source = projection_of(exposure_header(i, of, of.distortion))
        x = np.array([0, right, right, 0]) - 0.5
        y = np.array([0, 0, top, top]) - 0.5
        corners = np.stack(PixelMap(source, patch).to_destination(x, y), axis=1)
        total += shapely.Polygon(corners).intersection(whole).area
    return round(total)


def run(
    folder: Path, options: dict[str, int], threads: Sequence[int], repeats: int, peers_python: str,
    tell: Callable[[str], None],
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Run all programs on all cases.

    Parameters
    ----------
    folder
        Of the files.
    options
        Arguments of `cases`.
    threads
        Numbers of threads.
    repeats
        Rounds of lamella; the others run once.
    peers_python
        Interpreter that has drizzle and reproject.
    tell
        Called with a line about each run.
    """
    programs = warpers(threads, peers_python)
    for name, of in cases(folder, **options).items():
        check_space(folder, 2 * of.bytes_needed)
        tell(f"writing {of.count} exposures of {of.shape[1]} x {of.shape[0]}, {name}")
        run_measured([sys.executable, "-m", "benchmarks.exposures", dump(of)], cwd=ROOT)
        for one in programs:
            if not one.cases or name in one.cases:
                yield _measure(name, of, one, repeats if one.name.startswith("lamella") else 1, tell)
        yield _inside(name, of)
        shutil.rmtree(of.folder)


def _row(case: str, of: Exposures, one: str, threads: int, planes: str) -> dict[str, Any]:
    return {
        "case": case, "exposures": of.count, "shape": of.shape, "program": one, "threads": threads,
        "planes": planes, "status": "ok", "output_pixels": covered(of),
    }  # fmt: skip


def _measure(
    case: str, of: Exposures, one: Warper, repeats: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    row = _row(case, of, one.name, one.threads, one.planes)
    if one.command is None:
        return row | {"status": peers.NOT_INSTALLED}
    usages = []
    for turn in range(repeats):
        folder = of.folder / "result"
        folder.mkdir()
        command = one.command(of, folder)
        read_through(of.name(i, kind) for i in range(of.count) for kind in ("", "variance", "mask", "weight"))
        settle()
        try:
            usages.append(run_measured(command, cwd=ROOT)[0])
        except CommandError as err:
            shutil.rmtree(folder)
            return row | {"status": f"failed: {err}"}
        tell(f"{case}, {one.name}, threads {one.threads}: CPU {usages[-1].cpu_s:.1f} s")
        if turn == 0:
            row |= summarise(np.concatenate([_stars(of, one, folder, i) for i in range(of.count)]))
        shutil.rmtree(folder)
    for name in ("cpu_s", "wall_s", "peak_mb"):
        row[name] = [getattr(usage, name) for usage in usages]
    return row


def _stars(of: Exposures, one: Warper, folder: Path, i: int) -> np.ndarray:
    from lamella.formats.archive.products import ArchiveWarp

    path = folder / one.output.format(stem=of.name(i).stem, visit=i // of.detectors + 1)
    with fits.open(path) as hdus:
        if one.name.startswith("lamella"):
            image = hdus["IMAGE"].data
            header = patch_header(of.size)
            # Archives say in their own cards where the box begins.
            box = ArchiveWarp(path).bbox
            for axis, start in zip("12", (box.x.start, box.y.start), strict=True):
                header[f"CRPIX{axis}"] -= start
        else:
            image, header = hdus[0].data, hdus[0].header
        return measure_stars(image, header, i, of, brightness=one.brightness)


def _inside(case: str, of: Exposures) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.warp_inside", of.table, of.skymap]
    _, text = run_measured(command, cwd=ROOT)
    steps: dict[str, float] = json.loads(text)
    row = _row(case, of, INSIDE, 1, "image, mask, variance")
    return row | {"cpu_s": [sum(steps.values())], "wall_s": [], "peak_mb": [], "steps": steps}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        "| exposures | program | planes | threads | CPU s per exposure | wall s per exposure "
        "| ns/output pixel | CPU ÷ lamella | flux median | flux scatter (worst) | centroid rms px | width px "
        "| peak MB |",
        "|---" * 13 + "|",
    ]
    return "\n".join([*lines, *(_line(row, rows) for row in rows)])


def _line(row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    head = f"| {row['exposures']} {row['case']} {row['shape'][1]} x {row['shape'][0]} | {row['program']} "
    if row["status"] != "ok":
        return f"{head}| {row['status']} " + "| " * 10 + "|"
    cpu = statistics.median(row["cpu_s"])
    cells = [row["planes"], str(row["threads"]), f"{cpu / row['exposures']:.2f}"]
    cells.append(f"{statistics.median(row['wall_s']) / row['exposures']:.2f}" if row["wall_s"] else "")
    cells += [f"{1e9 * cpu / row['output_pixels']:.0f}", _ratio(row, rows)]
    if row.get("stars"):
        cells += [f"{row['flux_median']:+.1e}", f"{row['flux_scatter']:.1e} ({row['flux_worst']:.1e})"]
        cells += [f"{row['centroid_rms_px']:.4f}", f"{row['width_px']:.4f}"]
    else:
        cells += [""] * 4
    cells.append(f"{max(row['peak_mb']):.0f}" if row["peak_mb"] else "")
    return head + "".join(f"| {cell} " for cell in cells) + "|"


def _ratio(row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    """Return CPU time per exposure over that of ``lamella warp`` with one thread."""
    for other in rows:
        same = other["case"] == row["case"] and other["program"] == "lamella warp"
        if same and other["status"] == "ok":
            ours = statistics.median(other["cpu_s"]) / other["exposures"]
            return f"{statistics.median(row['cpu_s']) / row['exposures'] / ours:.1f}"
    return ""


def step_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return where the time of lamella goes inside a process, in nanoseconds per output pixel."""
    lines = ["| exposures | read | warp | write |", "|---|---|---|---|"]
    for row in rows:
        if steps := row.get("steps"):
            cells = [f"{1e9 * steps[name] / row['output_pixels']:.0f}" for name in ("read", "warp", "write")]
            name = f"{row['exposures']} {row['case']} {row['shape'][1]} x {row['shape'][0]}"
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 2 else ""

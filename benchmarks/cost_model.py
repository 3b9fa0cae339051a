"""A model of what `lamella coadd` costs, fitted to small runs and tested on a larger one; LSST DR1 by it.

The CPU time of a run is taken to be

    start + per exposure + per pixel of the exposures + per pixel of the warps + per pixel of the coadds

with coefficients that are not negative, found by least squares of relative
errors.  A run that has no part in the fit tells how good that is.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from .coadd import ROOT, coadd_command
from .exposures import Exposures, dump
from .launch import run_measured
from .warp_files import check_space, read_through, settle
from .warping import covered

TERMS = ("start", "exposures", "input pixels", "warp pixels", "coadd pixels")
UNITS = ("s", "ms", "ns", "ns", "ns")
FACTORS = dict(zip(UNITS, (1.0, 1e3, 1e9), strict=False))
REJECT = ("--reject", "compare-warp")

# Visits, detectors of each, height and width of these, side of the patch; none is larger than a minute.
FITTED = (
    (3, 1, 256, 256, 300),
    (24, 1, 256, 256, 300),
    (6, 4, 256, 256, 600),
    (3, 1, 256, 256, 2000),
    (4, 1, 1400, 1400, 300),
    (3, 1, 1400, 1400, 1400),
    (12, 1, 1400, 1400, 1400),
    (6, 2, 1400, 1400, 2000),
)
TEST = (16, 2, 1024, 1024, 1800)


@dataclasses.dataclass(frozen=True)
class Work:
    """How much there is to do; counts, in units of one."""

    start: float
    exposures: float
    input_pixels: float
    warp_pixels: float
    """Pixels of all warps, where exposures cover them."""
    coadd_pixels: float

    def seconds(self, coefficients: Sequence[float]) -> float:
        return float(np.dot(dataclasses.astuple(self), coefficients))


def work_of(of: Exposures) -> Work:
    """Return the work of a run on one patch."""
    return Work(1, of.count, of.pixels, covered(of), of.size**2)


def exposures_of(case: tuple[int, int, int, int, int], folder: Path, shrink: float) -> Exposures:
    visits, detectors, height, width, size = case
    height, width, size = (max(round(side * shrink), 128) for side in (height, width, size))
    room = max((size - min(height, width)) / 2, 20.0)
    return Exposures(
        folder, visits * detectors, (height, width), size, spread=(room, room), noise=5.0, detectors=detectors
    )


def fit(works: Sequence[Work], seconds: Sequence[float]) -> list[float]:
    """Return the seconds per unit of each term: not negative, least squares of relative errors."""
    table = np.array([dataclasses.astuple(work) for work in works])
    scale = table.max(axis=0)
    rows = table / scale / np.asarray(seconds)[:, np.newaxis]
    found, _ = nnls(rows, np.ones(len(works)))
    return [float(value) for value in found / scale]


def measure(
    case: tuple[int, int, int, int, int], folder: Path, shrink: float, repeats: int,
    *options: str, tell: Callable[[str], None],
) -> dict[str, Any]:  # fmt: skip
    """Return the work of a run and the CPU seconds that it took: the least of some."""
    of = exposures_of(case, folder, shrink)
    check_space(folder.parent, 2 * of.bytes_needed)
    run_measured([sys.executable, "-m", "benchmarks.exposures", dump(of)], cwd=ROOT)
    used = []
    for _ in range(repeats):
        read_through(of.files())
        settle()
        command = coadd_command(of, folder / "result", 1, "--statistic", "mean", *options)
        used.append(run_measured(command, cwd=ROOT)[0].cpu_s)
        shutil.rmtree(folder / "result")
    shutil.rmtree(folder)
    tell(f"cost model, {of.count} of {of.shape} on {of.size}² {' '.join(options)}: CPU {min(used):.1f} s")
    row = {"visits": of.count // of.detectors, "shape": of.shape, "size": of.size}
    return row | {"work": work_of(of), "cpu_s": min(used)}


def run(folder: Path, shrink: float, repeats: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure, fit, and test; sizes are multiplied by ``shrink``."""
    runs = [measure(case, folder / "cost", shrink, repeats, tell=tell) for case in FITTED]
    coefficients = fit([run["work"] for run in runs], [run["cpu_s"] for run in runs])
    test = measure(TEST, folder / "cost", shrink, repeats, tell=tell)
    rejecting = measure(TEST, folder / "cost", shrink, 1, *REJECT, tell=tell)
    for row in (*runs, test):
        row["model_s"] = row["work"].seconds(coefficients)
    start = coefficients[0]
    factor = (rejecting["cpu_s"] - start) / (test["cpu_s"] - start)
    return {
        "coefficients": dict(zip(TERMS, coefficients, strict=True)),
        "runs": runs,
        "test": test,
        "reject_factor": factor,
        "dr1": release(coefficients, factor),
    }


# The release.  All published figures are of RTN-109; its CPU seconds are weighted by the cores that the
# memory implies, and its forecast of DR1 has no number of warps: it follows from the seconds of one.
PUBLISHED = {"makeDirectWarp": 3.87e9, "makePsfMatchedWarp": 3.96e9, "assembleDeepCoadd": 2.66e9}
"""CPU seconds of DR1, forecast."""
DIRECT_WARP_SECONDS = 4.17e8 / 11.6e6
"""Of one warp, in the forecast of DP2: CPU seconds over warps."""
COADDS_PER_SKY = 6 * 18_000 / (3000 * 0.2 / 3600) ** 2
"""Patches of 3000 pixels without borders over 18 000 square degrees, in six bands: the most there can be."""
PATCH_PIXELS = 3400**2
DETECTOR = (4072, 4000)
DETECTORS_PER_WARP = (4072 + 3400) * (4000 + 3400) / (4072 * 4000)
"""Detectors of a tiled focal plane that touch a patch."""
QUANTUM_SECONDS = 0.23
"""CPU seconds that the middleware adds to a quantum in a process of many: the most that
`benchmarks.middleware` has shown."""


def release(coefficients: Sequence[float], reject_factor: float) -> dict[str, float]:
    """Return what the model says of LSST DR1, in CPU seconds of one core of this machine."""
    warps = PUBLISHED["makeDirectWarp"] / DIRECT_WARP_SECONDS
    exposures = warps * DETECTORS_PER_WARP
    work = Work(
        start=0.0,
        exposures=exposures,
        input_pixels=exposures * DETECTOR[0] * DETECTOR[1],
        warp_pixels=warps * PATCH_PIXELS,
        coadd_pixels=COADDS_PER_SKY * PATCH_PIXELS,
    )
    seconds = work.seconds(coefficients)
    quanta = warps + COADDS_PER_SKY
    return {
        "warps": warps,
        "coadds": COADDS_PER_SKY,
        "mean_coadds_s": seconds,
        "rejecting_s": seconds * reject_factor,
        "quanta": quanta,
        "middleware_s": quanta * QUANTUM_SECONDS,
        "published_direct_s": PUBLISHED["makeDirectWarp"] + PUBLISHED["assembleDeepCoadd"],
        "published_s": sum(PUBLISHED.values()),
    }


def table(found: Mapping[str, Any]) -> str:
    """Return the fit, the test and the release as Markdown."""
    parts = [
        f"{1.0 * FACTORS[unit] * value:.3g} {unit} for {'the ' if name == 'start' else 'each of the '}{name}"
        for (name, value), unit in zip(found["coefficients"].items(), UNITS, strict=True)
    ]
    lines = ["CPU time of `lamella coadd --statistic mean` on one thread: " + ", ".join(parts) + ".", ""]
    lines += ["| visits | exposures | patch | CPU s | model | model ÷ CPU |", "|---" * 6 + "|"]
    lines += [_run_line(row, "") for row in found["runs"]]
    lines += [_run_line(found["test"], ", not in the fit"), "", *_release_lines(found)]
    return "\n".join(lines)


def _run_line(row: Mapping[str, Any], note: str) -> str:
    height, width = row["shape"]
    count = round(row["work"].exposures)
    head = f"| {row['visits']}{note} | {count} of {width} x {height} | {row['size']}² "
    return f"{head}| {row['cpu_s']:.2f} | {row['model_s']:.2f} | {row['model_s'] / row['cpu_s']:.2f} |"


def _release_lines(found: Mapping[str, Any]) -> list[str]:
    dr1 = found["dr1"]
    days = 86400 * 120
    rows = [
        ("lamella by the model: warps and mean coadds", dr1["mean_coadds_s"]),
        (f"the same with {' '.join(REJECT)} (x {found['reject_factor']:.1f})", dr1["rejecting_s"]),
        (f"LSST middleware, {QUANTUM_SECONDS} s for each of {dr1['quanta']:.3g} quanta", dr1["middleware_s"]),
        ("RTN-109: makeDirectWarp + assembleDeepCoadd", dr1["published_direct_s"]),
        ("RTN-109: these and makePsfMatchedWarp", dr1["published_s"]),
    ]
    text = (
        f"LSST DR1: {dr1['warps']:.3g} warps (RTN-109: {PUBLISHED['makeDirectWarp']:.3g} CPU s forecast for "
        f"makeDirectWarp of DR1, at {DIRECT_WARP_SECONDS:.0f} s a warp as in its forecast of DP2), "
        f"{DETECTORS_PER_WARP:.1f} detectors of {DETECTOR[0]} x {DETECTOR[1]} pixels in each (geometry), "
        f"patches of 3400² pixels, at most {dr1['coadds']:.3g} coadds (18 000 square degrees, six bands). "
        "Its CPU seconds are weighted by memory, at 4 GB a core, on other machines; its direct warps "
        "include more than lamella's (background, PSF, calibration), and its files are compressed. "
        "CompareWarp, which the deep coadds use, is the second line. "
        f"One core of this machine runs {1 / QUANTUM_SECONDS:.1f} empty quanta a second."
    )
    lines = [text, "", "| | CPU s | days of a node of 120 cores |", "|---|---|---|"]
    return [*lines, *(f"| {what} | {value:.2e} | {value / days:.0f} |" for what, value in rows)]

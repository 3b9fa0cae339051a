"""From exposures to a coadd with everything: ``lamella coadd`` on a simulated survey.

This has no peer: no other installable program makes warps, masks, variances,
counts, PSF, provenance, pictures and a report in one go.  It is measured so
that a change of lamella that makes it slow is seen.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .launch import run_measured
from .machine import load

DETECTORS = (2, 2)
LAMELLA = (sys.executable, "-c", "import sys; from lamella.cli.main import main; sys.exit(main())")


def make_survey(folder: Path, side: int, visits: int) -> None:
    """Write a survey of one band with four square detectors; the density of sources is that of the demo."""
    from lamella.testing.config import SurveyConfig
    from lamella.testing.survey import simulate_survey

    demo = SurveyConfig()
    growth = side**2 / (demo.detector_shape[0] * demo.detector_shape[1])
    sources = {name: round(getattr(demo, name) * growth) for name in ("stars", "bright_stars", "galaxies")}
    config = SurveyConfig(
        bands=("r",), visits_per_band=visits, detector_grid=DETECTORS, detector_shape=(side, side), **sources
    )
    simulate_survey(folder, config)


def run_coadds(
    folder: Path, side: int, visits: int, threads: list[int], repeats: int, tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Return the time and memory of ``lamella coadd`` for each number of threads."""
    survey = folder / "survey"
    run_measured(
        [sys.executable, "-m", "benchmarks.coadd", survey, "--side", str(side), "--visits", str(visits)],
        cwd=Path(__file__).parents[1],
    )
    table = next(path for path in sorted(survey.glob("*")) if path.suffix in (".csv", ".ecsv"))
    pixels = side * side * DETECTORS[0] * DETECTORS[1] * visits
    rows = []
    for count in threads:
        runs, loads = [], []
        for turn in range(repeats):
            loads.append(load())
            output = folder / f"coadds{count}.{turn}"
            command = [*LAMELLA, "coadd", table, "--output", output, "--workers", str(count)]
            usage, _ = run_measured(command)
            runs.append(usage)
            tell(f"lamella coadd, workers {count}: CPU {usage.cpu_s:.1f} s, wall {usage.wall_s:.1f} s")
        middle = {
            name: statistics.median(getattr(r, name) for r in runs) for name in ("cpu_s", "wall_s", "peak_mb")
        }
        rows.append(
            {"threads": count, "visits": visits, "input_pixels": pixels, "load": loads, **middle}
            | {"ns_per_input_pixel": 1e9 * middle["cpu_s"] / pixels}
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        "| workers | visits | input Mpixel | CPU s | wall s | peak MB | ns/input pixel |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['threads']} | {r['visits']} | {r['input_pixels'] / 1e6:.1f} | {r['cpu_s']:.1f} "
        f"| {r['wall_s']:.1f} | {r['peak_mb']:.0f} | {r['ns_per_input_pixel']:.0f} |"
        for r in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the survey of the benchmark of coadds.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, required=True)
    parser.add_argument("--visits", type=int, required=True)
    args = parser.parse_args()
    make_survey(args.folder, args.side, args.visits)

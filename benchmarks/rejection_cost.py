"""What the rejection of artifacts costs: exposures on disk to a coadd, beside a plain mean of the same.

Each method runs in this process after a first run that compiles; CPU seconds
of the whole process are counted, and their ratio to those of the mean in the
same round is the figure that counts.

    python -m benchmarks.rejection_cost --visits 8 --side 2048
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from lamella import PatchConfig, Resources, coadd_exposures, open_exposures
from lamella.data.exposure import ExposureSource
from lamella.testing.config import SurveyConfig
from lamella.testing.survey import simulate_survey

METHODS = {"mean": "none", "safe-clip": "safe_clip", "compare-warp": "compare_warp"}


def survey_config(visits: int, side: int) -> SurveyConfig:
    """Return a survey of one band and one detector, with as many sources per area as the demo has."""
    share = side**2 / (4 * 256 * 280)
    return SurveyConfig(
        bands=("r",),
        visits_per_band=visits,
        detector_grid=(1, 1),
        detector_shape=(side, side),
        stars=int(90 * share),
        galaxies=int(240 * share),
        bright_stars=int(6 * share),
        cosmic_rays=int(32 * share),
    )


def patch_config(method: str) -> PatchConfig:
    """Return the options of a method."""
    assemble = {"statistic": "MEAN", "reject": {"method": METHODS[method]}}
    return PatchConfig.model_validate({"assemble": assemble})


def cpu_seconds(exposures: Sequence[ExposureSource], method: str, resources: Resources) -> float:
    """Make all coadds of some exposures, and return the CPU seconds that it took."""
    start = time.process_time()
    for _ in coadd_exposures(exposures, config=patch_config(method), resources=resources):
        pass
    return time.process_time() - start


def main(argv: list[str] | None = None) -> int:
    """Run the measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rejection_cost", description=__doc__)
    parser.add_argument("--visits", type=int, default=8, help="number of visits (default: %(default)s)")
    parser.add_argument("--side", type=int, default=2048, help="side of an exposure in pixels")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; medians count (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="threads (default: %(default)s)")
    args = parser.parse_args(argv)
    resources = Resources(threads=args.threads)
    with tempfile.TemporaryDirectory() as folder:
        survey = simulate_survey(Path(folder), survey_config(args.visits, args.side))
        exposures = open_exposures([survey.table]).sources
        for method in METHODS:
            cpu_seconds(exposures[:2], method, resources)
        # In turn, so that what else runs on the machine meets all of them alike.
        rounds = [
            {method: cpu_seconds(exposures, method, resources) for method in METHODS}
            for _ in range(args.rounds)
        ]
    pixels = args.visits * args.side**2
    for method in METHODS:
        seconds = median(times[method] for times in rounds)
        ratio = median(times[method] / times["mean"] for times in rounds)
        each = 1e9 * seconds / pixels
        print(f"{method:13} {seconds:7.2f} CPU s  {each:6.0f} ns per pixel  {ratio:5.2f} x mean")
    return 0


if __name__ == "__main__":
    sys.exit(main())

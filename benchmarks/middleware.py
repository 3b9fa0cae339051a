"""What the LSST middleware adds to a quantum: CPU seconds of ``pipetask run -j 1`` beside those of the core.

Needs the extra [lsst], which ``make test`` installs: ``.venv/bin/python -m benchmarks.middleware``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.stack.prepare import input_of, weigh
from lamella.data.inputs import CoaddTarget, WarpInput
from lamella.data.warp import Warp
from lamella.formats.archive.products import read_product
from lamella.formats.archive.write import write_archive
from lamella.formats.recognise import open_exposures
from lamella.run.jobs import patch_target
from lamella.run.patch import warp_visit
from lamella.run.patch_config import PatchConfig
from lamella.sky.field import skymap_from_exposures
from lamella.tasks.ingest import defaults_chain, ingest_exposures
from lamella.tasks.repository import create_repository, open_repository, register_skymap
from lamella.testing.config import SurveyConfig
from lamella.testing.survey import simulate_survey

from .launch import run_measured
from .machine import load

PIPELINE = "resource://lamella/pipelines/coadd.yaml"
# One exposure over 15 x 15 patches of 40 x 40 pixels: little work, many quanta.
SURVEY = SurveyConfig(
    bands=("r",), visits_per_band=1, detector_grid=(1, 1), detector_shape=(600, 600), dither=0.0, rotation=0.0
)
PATCH_SIZE = 42


class Bench:
    """An exposure and a sky map, in a repository and as they are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = folder / "repo"
        self.sources = open_exposures([simulate_survey(folder / "survey", SURVEY).table]).sources
        self.skymap = skymap_from_exposures(
            [source.info for source in self.sources], name="bench", patch_size=PATCH_SIZE, patch_border=0
        )
        create_repository(self.repository)
        with open_repository(self.repository, writeable=True) as butler:
            register_skymap(butler, self.skymap)
            ingest_exposures(butler, self.sources)

    def pipetask(self, label: str, inputs: str, output: str, quanta: int, *options: str) -> float:
        """Return the CPU seconds of a run with this number of quanta, and check the number."""
        program = Path(sys.executable).parent / "pipetask"
        command = [
            program, "run", "-j", "1", "-b", self.repository, "-i", inputs, "-o", output,
            "-p", f"{PIPELINE}#{label}", "--register-dataset-types", *options,
            "-d", f"skymap = 'bench' AND tract = 0 AND patch IN (0..{quanta - 1})",
        ]  # fmt: skip
        usage, _ = run_measured(command)
        with open_repository(self.repository) as butler:
            done = butler.query_datasets(f"{label}_metadata", output, limit=None)
        if len(done) != quanta:
            raise RuntimeError(f"{label}: {len(done)} quanta instead of {quanta}")
        return usage.cpu_s

    def targets(self, number: int) -> list[CoaddTarget]:
        """Return the pixel grids of the first patches."""
        return [patch_target(self.skymap, self.skymap[0].patch(index)) for index in range(number)]

    def warp(self, number: int) -> None:
        """Read the exposure, make and write a warp, for each of the first patches."""
        for index, target in enumerate(self.targets(number)):
            made = warp_visit(self.sources, target, PatchConfig()).warp
            assert made is not None
            write_archive(made, self._warp_file(index), compress=False)

    def coadd(self, number: int) -> None:
        """Read a warp, make and write a coadd, for each of the first patches."""
        control = AssembleConfig()
        for index, target in enumerate(self.targets(number)):
            warp: Any = read_product(self._warp_file(index))
            assert isinstance(warp, Warp)
            one = weigh(input_of(warp), control.weights, control.bad_mask_planes)
            assert isinstance(one, WarpInput)
            made = assemble([one], control, target=target)
            write_archive(made, self.folder / f"coadd-{index}.fits", compress=False)

    def _warp_file(self, index: int) -> Path:
        return self.folder / f"warp-{index}.fits"


def cpu_of(work: Callable[[int], None], number: int) -> float:
    """Return the CPU seconds of a piece of work; what it does once was done before."""
    work(1)
    start = time.process_time()
    work(number)
    return time.process_time() - start


def main(args: Sequence[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.middleware", description=__doc__)
    parser.add_argument("--quanta", type=int, nargs="+", default=[1, 20, 200], help="numbers of quanta")
    numbers = sorted(parser.parse_args(args).quanta)
    with tempfile.TemporaryDirectory(prefix="lamella-bench-") as folder:
        bench = Bench(Path(folder))
        exposures = defaults_chain(bench.sources[0].info.id.instrument)
        print(f"load before: {load()}\n")
        print("| task | quanta | pipetask | core | difference | per quantum |\n" + "|---" * 6 + "|")
        for label, work, inputs, options in (
            ("makeWarp", bench.warp, exposures, ()),
            ("assembleCoadd", bench.coadd, f"makeWarp-{numbers[-1]},{exposures}",
             ("-c", "assembleCoadd:doSelectVisits=False")),
        ):  # fmt: skip
            for number in numbers:
                core = cpu_of(work, number)
                whole = bench.pipetask(label, inputs, f"{label}-{number}", number, *options)
                more = whole - core
                row = (label, number, f"{whole:.1f}", f"{core:.1f}", f"{more:.1f}", f"{more / number:.2f}")
                print(f"| {' | '.join(map(str, row))} |", flush=True)
        print(f"\nload after: {load()}")


if __name__ == "__main__":
    main()

"""Runs that are killed at any time: does the same command finish, with the same bits, and leave nothing?

A small survey is coadded, warped and stacked, each by a command in a process group of its
own.  The whole group is killed after a random part of the time that the command takes
undisturbed, or it gets SIGTERM or SIGINT; then the same command runs to its end, unless it is
to be killed once more.  What it wrote is compared with what an undisturbed command writes,
and whatever else is left is counted: temporary files and folders, claims, locks, and
semaphores in ``/dev/shm``::

    python -m benchmarks.kills --kills 100 --seed 1
    python -m benchmarks.kills --only stack export --kills 20
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from lamella.testing.config import SurveyConfig
from lamella.testing.survey import simulate_survey

from .contenders import LAMELLA

_CONFIG = SurveyConfig(
    bands=("r",), visits_per_band=3, detector_grid=(1, 2), detector_shape=(300, 320), stars=60
)
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
"""What a command is ended with; most often what it cannot notice."""
_AGAIN = 0.3
"""Part of the kills after which the next run is killed, too."""
_DATE = re.compile(rb"DATE    =.{71}")
_SEMAPHORES = Path("/dev/shm")


@dataclasses.dataclass(frozen=True)
class Trial:
    """A command whose runs are killed."""

    words: Sequence[str]
    """After ``lamella``; ``{output}`` is a folder of its own."""


@dataclasses.dataclass
class Tally:
    """What was seen of a command."""

    kills: int = 0
    late: int = 0
    """Runs that had made all before they were killed."""
    failures: list[str] = dataclasses.field(default_factory=list)


def trials(folder: Path) -> dict[str, Trial]:
    """Simulate a survey, make its warps and coadds, and return the commands."""
    survey = simulate_survey(folder / "survey", _CONFIG)
    table, coadds_folder = str(survey.table), folder / "coadds"
    run = ["coadd", table, "-o", str(coadds_folder), "--keep-warps", "--reject", "none"]
    subprocess.run([*LAMELLA, *run], check=True, capture_output=True)
    warps = [str(path) for path in sorted((coadds_folder / "warps").glob("*.fits"))]
    coadds = [str(path) for path in sorted(coadds_folder.glob("coadd-r-*,?.fits"))]
    plain = "{output}/plain.fits"
    return {
        "coadd": Trial(["coadd", table, "-o", "{output}", "--keep-warps", "--workers", "2"]),
        "warp": Trial(["warp", table, "-o", "{output}", "--skymap", str(coadds_folder / "skymap.json")]),
        "stack": Trial(["stack", *warps, "-o", "{output}/stack.fits", "--plain", plain]),
        "export": Trial(["export", *warps, *coadds, "-o", "{output}", "--format", "archive"]),
    }


def start(trial: Trial, output: Path) -> subprocess.Popen[bytes]:
    """Start a command as the first of a process group."""
    words = [word.format(output=output) for word in trial.words]
    return subprocess.Popen(
        [*map(str, LAMELLA), *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, process_group=0
    )


def finish(trial: Trial, output: Path) -> str:
    """Run a command to its end; return what it said when it failed."""
    process = start(trial, output)
    _, said = process.communicate()
    return said.decode() if process.returncode else ""


def contents(folder: Path) -> dict[str, str]:
    """Return hashes of the FITS files of a folder, without the time of writing."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(_DATE.sub(b"", path.read_bytes())).hexdigest()
        for path in sorted(folder.rglob("*.fits"))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def leftovers(folder: Path) -> list[str]:
    """Return the names of temporary things that are there."""
    return sorted(path.name for path in folder.rglob(".*"))


def semaphores() -> set[str]:
    """Return the names of the semaphores of lamella."""
    if not _SEMAPHORES.is_dir():
        return set()
    return {path.name for path in _SEMAPHORES.iterdir() if path.name.startswith("sem.")}


def attempt(name: str, trial: Trial, kills: int, folder: Path, moments: random.Random) -> Tally:
    """Kill the runs of a command, finish it, and compare what it wrote."""
    reference, tally = folder / f"{name}-reference", Tally()
    reference.mkdir()
    begin = time.monotonic()
    if said := finish(trial, reference):
        raise RuntimeError(f"{name} fails undisturbed: {said}")
    seconds, expected = time.monotonic() - begin, contents(reference)
    before = semaphores()
    while tally.kills < kills:
        output = folder / f"{name}-{tally.kills}"
        output.mkdir()
        history, ended = [], False
        # What has ended is not given again: some commands refuse to make what is there.
        while not ended and (not history or (moments.random() < _AGAIN and tally.kills < kills)):
            delay, number = moments.uniform(0.0, 1.1 * seconds), moments.choice(_SIGNALS)
            history.append(f"{number.name} after {delay:.3f} s")
            ended = kill(trial, output, delay, number)
            tally.late += ended
            tally.kills += 1
        said = "" if ended else finish(trial, output)
        faults = [said.strip()] if said else []
        if contents(output) != expected:
            faults.append("other bits")
        faults += leftovers(output)
        faults += sorted(semaphores() - before)
        if faults:
            tally.failures.append(f"{name}, {', '.join(history)}: {'; '.join(faults)}")
        shutil.rmtree(output)
    return tally


def kill(trial: Trial, output: Path, delay: float, number: signal.Signals) -> bool:
    """Start a command and end its group; return whether it had made all before."""
    process = start(trial, output)
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, number)
    process.communicate()
    return process.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="Kills of each command.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", metavar="COMMAND", help="Of coadd, warp, stack and export.")
    args = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="kills-") as work:
        for name, trial in trials(Path(work)).items():
            if args.only and name not in args.only:
                continue
            tally = attempt(name, trial, args.kills, Path(work), random.Random(f"{args.seed} {name}"))
            failed |= bool(tally.failures)
            print(
                f"{name}: {tally.kills} kills with seed {args.seed}, {tally.late} of them after the end; "
                f"{len(tally.failures)} failures",
                *tally.failures,
                sep="\n  ",
                flush=True,
            )
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()

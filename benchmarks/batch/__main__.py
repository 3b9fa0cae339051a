"""Coadds on a Slurm of this machine, by Dask and by ``bps``, beside those of ``lamella coadd`` alone.

``python -m benchmarks.batch`` sets such a Slurm up, does the same work in three
ways, cancels the job of a Dask worker in between, compares all pixels, and
takes everything down again.  It needs root, Debian's packages ``slurm-wlm`` and
``munge``, the extra [bps], and the group ``batch`` of ``pyproject.toml``.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from lamella.formats.archive.products import read_product
from lamella.formats.recognise import open_exposures
from lamella.sky.registry import load_skymap
from lamella.tasks.ingest import defaults_chain, ingest_exposures
from lamella.tasks.repository import create_repository, open_repository, register_skymap
from lamella.testing.config import SurveyConfig
from lamella.testing.survey import simulate_survey

from .slurm import Slurm, run_slurm

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "pipelines.md"
PROGRAMS = Path(sys.executable).parent
SURVEY = SurveyConfig(bands=("g", "r"), visits_per_band=4, detector_grid=(1, 2), detector_shape=(200, 100))
PATCHES = ("--set", "patch_size=150", "--set", "patch_border=20")
# A quantum does not see the other visits of its patch: the pipeline matches to a fixed width, in pixels.
MATCH = ("--match-fwhm", 7.7)
CORES = 2
WORKERS = 2


def tell(line: str) -> None:
    """Say what is going on, and when."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


@dataclasses.dataclass(frozen=True)
class Bench:
    """A survey, its sky map, and a Slurm."""

    folder: Path
    table: Path
    skymap: Path
    slurm: Slurm

    def run(self, *words: object, cwd: Path | None = None) -> str:
        """Run a program of this environment; return what it said."""
        start = time.perf_counter()
        path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
        # bps takes the current folder from the environment.
        env = {
            **os.environ,
            **self.slurm.environment,
            "PATH": path,
            "PWD": str(cwd or ROOT),
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run(
            [str(word) for word in (PROGRAMS / str(words[0]), *words[1:])],
            cwd=cwd or ROOT, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(
                f"{words[0]} {words[1]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        tell(f"  {words[0]} {words[1]}: {time.perf_counter() - start:.0f} s")
        return done.stdout + done.stderr

    def coadd(self, output: Path, *options: object) -> str:
        """Run ``lamella coadd``."""
        return self.run(
            "lamella", "coadd", self.table, "--skymap", self.skymap, "-o", output, *MATCH, *options
        )


class Killer(threading.Thread):
    """Kills the worker that begins the first coadd, with its nanny: its Slurm job is over then."""

    def __init__(self, output: Path) -> None:
        super().__init__(daemon=True)
        self._output = output
        self.killed: list[int] = []

    def run(self) -> None:
        while not self.killed:
            for attempt in self._output.glob(".lamella-scratch-*/0~*"):
                worker = int(attempt.name.split("~")[2])
                nanny = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
                self.killed = [nanny, worker]
                for process in self.killed:
                    os.kill(process, signal.SIGKILL)
                return
            time.sleep(0.01)


@contextlib.contextmanager
def dask_on(slurm: Slurm, folder: Path) -> Iterator[Any]:
    """Give a Dask cluster whose workers are jobs of Slurm; one that dies is replaced."""
    from dask_jobqueue import SLURMCluster

    os.environ |= slurm.environment
    folder.mkdir()
    with SLURMCluster(
        queue=slurm.partition, cores=1, processes=1, memory="2GiB", walltime="01:00:00", interface="lo",
        log_directory=str(folder), local_directory=str(folder),
        scheduler_options={"dashboard_address": "127.0.0.1:0"},
    ) as cluster:  # fmt: skip
        cluster.adapt(minimum=WORKERS, maximum=WORKERS)
        yield cluster


def by_dask(bench: Bench) -> Path:
    """Make the coadds on workers that are Slurm jobs, one of which is killed."""
    output = bench.folder / "dask"
    killer = Killer(output)
    with dask_on(bench.slurm, bench.folder / "workers") as cluster:
        killer.start()
        bench.coadd(output, "--dask", cluster.scheduler_address)
        tell(f"  killed over its first coadd: a worker and its nanny, processes {killer.killed}")
    if not killer.killed:
        raise RuntimeError("No worker was killed: the coadds were made too quickly.")
    return output


def by_bps(bench: Bench) -> Path:
    """Run the pipeline as the page says, with the site of its section on Slurm."""
    repo, work = bench.folder / "repo", bench.folder / "bps"
    work.mkdir()
    sources = open_exposures([bench.table]).sources
    create_repository(repo)
    with open_repository(repo, writeable=True) as butler:
        register_skymap(butler, load_skymap(bench.skymap))
        ingest_exposures(butler, sources)
    collection = defaults_chain(sources[0].info.id.instrument)
    (work / "coadd-bps.yaml").write_text(yaml.safe_dump(configuration(repo, collection, bench)))
    bench.run("bps", "submit", "coadd-bps.yaml", cwd=work)
    return repo


def configuration(repo: Path, collection: str, bench: Bench) -> dict[str, Any]:
    """Return the configuration of the page, for this repository and this Slurm."""
    text = PAGE.read_text()
    (whole,) = re.findall(r"^```yaml\n(# coadd-bps\.yaml\n.*?)^```$", text, flags=re.M | re.S)
    section = text[text.index("### Slurm") :]
    (site,) = re.findall(
        r"^```yaml\n(wmsServiceClass.*?)^```$", section[: section.index("### HTCondor")], flags=re.M | re.S
    )
    content: dict[str, Any] = yaml.safe_load(whole) | yaml.safe_load(site)
    content["payload"] |= {
        "butlerConfig": str(repo),
        "inCollection": collection,
        "dataQuery": f"skymap = '{load_skymap(bench.skymap).name}'",
    }
    # A node, a partition and an account of this Slurm.
    settings = content["site"]["slurm"]
    settings |= {"nodes": 1, "cores_per_node": CORES, "walltime": "01:00:00",
                 "scheduler_options": f"#SBATCH --partition={bench.slurm.partition}\n"}  # fmt: skip
    del settings["account"]
    return content


def names_of(folder: Path) -> list[str]:
    """Return the names of the coadds in a folder of results."""
    names = (path.stem.removeprefix("coadd-") for path in folder.glob("coadd-*.json"))
    return sorted(names)


def compare_folders(folder: Path, expected: Path) -> int:
    """Require that two folders have the same products, byte for byte; return their number."""
    names = sorted(path.name for path in expected.iterdir() if path.name.endswith(("-plain.fits", ".png")))
    differing = [name for name in names if (folder / name).read_bytes() != (expected / name).read_bytes()]
    if differing or names_of(folder) != names_of(expected):
        raise RuntimeError(f"{folder} and {expected} differ: {differing}")
    return len(names)


def compare_repository(repo: Path, expected: Path, skymap: str) -> int:
    """Require that the coadds of a repository have the pixels of those in a folder; return their number."""
    names = names_of(expected)
    with open_repository(repo, collections="u/me/coadd") as butler:
        tracts = butler.get("skyMap", skymap=skymap)
        for name in names:
            band, tract, patch = name.rsplit("-", 2)
            number = tracts[int(tract)].patch(patch).sequential
            theirs = butler.get("deepCoadd", skymap=skymap, tract=int(tract), patch=number, band=band)
            coadd: Any = read_product(expected / f"coadd-{name}.fits")
            for plane in ("image", "mask", "variance"):
                pixels, others = (getattr(value, plane).array for value in (coadd, theirs))
                if pixels.tobytes() != others.tobytes():
                    raise RuntimeError(f"{name}: {plane} of the repository differs")
    return len(names)


def main(arguments: Sequence[str] | None = None) -> None:
    """Do the same work in three ways, and compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("--only", choices=("dask", "bps"), help="one way only")
    only = parser.parse_args(arguments).only
    with tempfile.TemporaryDirectory(prefix="lamella-batch-") as name:
        folder = Path(name)
        (folder / "slurm").mkdir()
        table = simulate_survey(folder / "survey", SURVEY).table
        with run_slurm(folder / "slurm", CORES) as slurm:
            tell(
                slurm.command("sinfo", "--version")
                + ": "
                + slurm.command("sinfo", "--noheader", "--format=%n %c cores")
            )
            bench = Bench(folder, table, folder / "skymap.json", slurm)
            bench.run("lamella", "skymap", "make", table, "-o", bench.skymap, *PATCHES)
            local = folder / "local"
            bench.coadd(local, "--workers", CORES)
            if only != "bps":
                tell(f"Dask: {compare_folders(by_dask(bench), local)} files have the same bytes")
            if only != "dask":
                skymap = load_skymap(bench.skymap).name
                tell(f"bps: {compare_repository(by_bps(bench), local, skymap)} coadds have the same bits")


if __name__ == "__main__":
    main()

"""Killed at any moment, cleaned and run again: nothing is lost, wrong or left over.

By default some commands are killed once; with ``LAMELLA_KILLS=15`` all are, with each database, 15 times.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.tasks.repository import open_repository

from .hsc_fixture import ASSEMBLE_HSC_I, PIPETASK, HscSite, HscSites, assert_same_contents, unknown_files
from .registries import Registry

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("LAMELLA_KILLS", "1"))
# Two visits are enough for all kinds of files; many kills are for all.
SOME = PIPETASK if KILLS > 1 else PIPETASK.replace("band='i'", "band='i' and visit in (903988, 904014)")
COMMANDS = {
    "pipetask": (SOME, "lamella/coadds"),
    "pipetask-j2": (f"{SOME} -j 2", "lamella/coadds"),
    "assembleCoadd": (ASSEMBLE_HSC_I, "deepCoadd-results"),
}
USUAL = {("sqlite", "pipetask"), ("sqlite", "assembleCoadd"), ("postgresql", "pipetask")}
CLEAN = "lamella butler clean $CI_HSC_DIR/DATA --older-than 0 --forget-unlogged"


@dataclasses.dataclass(frozen=True)
class Undisturbed:
    """A site on which the command ended well, the seconds to its first file, and how many files it made."""

    site: HscSite
    startup: float
    files: int


@pytest.fixture(scope="module", params=COMMANDS)
def command(request: pytest.FixtureRequest, registry: Registry) -> str:
    name: str = request.param
    if "LAMELLA_KILLS" not in os.environ and (str(registry), name) not in USUAL:
        pytest.skip("takes minutes; LAMELLA_KILLS=1 runs it")
    return name


def before_it(command: str, sites: HscSites, registry: Registry) -> HscSite:
    """Return the site before a command."""
    return sites.warped(registry) if command == "assembleCoadd" else sites.ingested(registry)


@pytest.fixture(scope="module")
def start(command: str, hsc_sites: HscSites, registry: Registry) -> HscSite:
    return before_it(command, hsc_sites, registry)


@pytest.fixture(scope="module")
def undisturbed_by_command(
    hsc_sites: HscSites, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Undisturbed]:
    """What each command makes, which the database does not change; each is run once."""
    return functools.cache(
        lambda command: run_undisturbed(
            command, before_it(command, hsc_sites, Registry()), tmp_path_factory.mktemp("undisturbed")
        )
    )


@pytest.fixture(scope="module")
def undisturbed(command: str, undisturbed_by_command: Callable[[str], Undisturbed]) -> Undisturbed:
    return undisturbed_by_command(command)


def run_undisturbed(command: str, start: HscSite, root: Path) -> Undisturbed:
    site = start.copy(root)
    before, begin = files_of(site), time.monotonic()
    process = site.start(COMMANDS[command][0], site.root / "log")
    wait_for_files(process, site, before, 1)
    startup = time.monotonic() - begin
    process.join()
    assert process.exitcode == 0, (site.root / "log").read_text()
    return Undisturbed(site, startup, len(files_of(site) - before))


@pytest.mark.parametrize("number", range(KILLS))
def test_a_rerun_makes_good(
    command: str, number: int, undisturbed: Undisturbed, start: HscSite, tmp_path: Path
) -> None:
    line, collection = COMMANDS[command]
    site = start.copy(tmp_path)
    rng = np.random.default_rng([len(command), number])
    before, begin = files_of(site), time.monotonic()
    process = site.start(line, site.root / "log")
    # By the clock, most moments would be in the start, when nothing can happen.
    if rng.random() < 0.25:
        time.sleep(rng.uniform(0.0, undisturbed.startup))
    else:
        wait_for_files(process, site, before, int(rng.integers(1, undisturbed.files)))
        time.sleep(rng.uniform(0.0, 0.05))
    assert process.pid is not None
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has no group of its own yet
        process.kill()
    process.join()
    # On a busy machine it may have come to its end meanwhile.
    assert process.exitcode in (-signal.SIGKILL, 0), (site.root / "log").read_text()
    made = len(files_of(site) - before)
    how = f"killed after {time.monotonic() - begin:.2f} s with {made} of {undisturbed.files} new files"
    told = clean(site)
    rerun = site.here(line)
    # The middleware calls it an error when there is nothing left to do.
    assert rerun.returncode == 0 or "QuantumGraph was empty" in rerun.stdout, f"{how}\n{rerun.stdout}"
    print(f"{how}; {told}; rerun: {rerun.returncode}")
    reference = undisturbed.site.repository
    with open_repository(site.repository) as butler, open_repository(reference) as expected:
        assert unknown_files(butler) == [], how
        assert_same_contents(butler, expected, collection)


def clean(site: HscSite) -> str:
    """Clean up as the documentation says, and return what was told; nothing may be left after it."""
    lines = site.checked(CLEAN).splitlines()
    with open_repository(site.repository) as butler:
        assert unknown_files(butler) == []
    return " ".join(line for line in lines if line.startswith(("Forgot", "Removed")))


def files_of(site: HscSite) -> set[Path]:
    return {path for path in site.repository.rglob("*") if not path.name.startswith("gen3.sqlite3")}


def wait_for_files(process: BaseProcess, site: HscSite, before: set[Path], count: int) -> None:
    """Wait until a process has made so many files and folders."""
    while process.is_alive() and len(files_of(site) - before) < count:
        time.sleep(0.002)

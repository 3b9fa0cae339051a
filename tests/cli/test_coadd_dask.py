"""``lamella coadd --dask`` on a real cluster of two worker processes."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs the extra [dask]")

import distributed

from lamella.testing.survey import Survey

from ..run.dask_cluster import in_time, local_cluster
from .conftest import Ended, lamella, listing, product_bits


@pytest.fixture(scope="module")
def cluster() -> Iterator[distributed.LocalCluster]:
    with local_cluster() as cluster:
        yield cluster


@dataclasses.dataclass(frozen=True)
class Local:
    """What a process of this machine made, and said."""

    folder: Path
    said: str


@pytest.fixture(scope="module")
def local(survey: Survey, patches: Path, tmp_path_factory: pytest.TempPathFactory) -> Local:
    """Two bands on four patches, and their warps."""
    out = tmp_path_factory.mktemp("local")
    ended = lamella(*words(survey, patches, out), "--workers", 1)
    assert ended.status == 0
    return Local(out, ended.err)


def words(survey: Survey, patches: Path, out: Path) -> tuple[object, ...]:
    return "coadd", survey.table, "-o", out, "--skymap", patches, "--reject", "safe_clip", "--keep-warps"


def attempts(out: Path, number: int) -> list[Path]:
    """Return the folders of attempts at a job that are under way, or died."""
    return list(out.glob(f".lamella-scratch-*/{number}~*"))


class Killer(threading.Thread):
    """Kills the workers that try a job, as soon as they begin."""

    def __init__(self, out: Path, number: int, deaths: int) -> None:
        super().__init__(daemon=True)
        self._out, self._number, self._deaths = out, number, deaths
        self.killed: dict[str, int] = {}

    def run(self) -> None:
        while len(self.killed) < self._deaths:
            for folder in attempts(self._out, self._number):
                if folder.name not in self.killed:
                    self.killed[folder.name] = int(folder.name.split("~")[2])
                    os.kill(self.killed[folder.name], signal.SIGKILL)
            time.sleep(0.005)


def coadd_there(cluster: distributed.LocalCluster, *command: object) -> Ended:
    return in_time(lambda: lamella(*command, "--dask", cluster.scheduler_address))


def test_a_cluster_makes_what_one_process_makes(
    cluster: distributed.LocalCluster, survey: Survey, patches: Path, local: Local, tmp_path: Path
) -> None:
    """One worker is killed over its first job; a rerun here finds all done."""
    out = tmp_path / "out"
    killer = Killer(out, number=0, deaths=1)
    killer.start()
    ended = coadd_there(cluster, *words(survey, patches, out))
    assert (ended.status, ended.err) == (0, local.said)
    assert len(killer.killed) == 1
    assert product_bits(out) == product_bits(local.folder)
    assert {path.name for path in out.iterdir()} == {path.name for path in local.folder.iterdir()}
    before = listing(out)
    again = lamella(*words(survey, patches, out), "--workers", 1)
    assert (again.status, again.err) == (0, local.said)
    assert {name for name, state in listing(out).items() if before.get(name) != state} == {"index.html"}


def test_a_job_that_kills_its_workers_fails_alone(
    cluster: distributed.LocalCluster, survey: Survey, patches: Path, local: Local, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    killer = Killer(out, number=5, deaths=3)
    killer.start()
    ended = coadd_there(cluster, *words(survey, patches, out))
    assert ended.status == 1
    assert "coadd r-0-1,0" in ended.err
    assert "died 3 times" in " ".join(ended.err.split())
    assert len(killer.killed) == 3
    bits = {name: content for name, content in product_bits(local.folder).items() if "r-0-1,0" not in name}
    bits = {name: content for name, content in bits.items() if not name.startswith("color-0-1,0")}
    assert product_bits(out) == bits
    assert not list(out.rglob(".lamella*"))

"""``lamella coadd --dask`` on a real cluster of two worker processes."""

from __future__ import annotations

import dataclasses
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs the extra [dask]")

import distributed

from lamella.coadd.versions import package_versions
from lamella.run import dask_cluster
from lamella.run.choose_grid import GridOptions
from lamella.run.coadd_run import CoaddRun
from lamella.run.jobs import PatchJob
from lamella.run.outputs import CoaddWork, StagedWork
from lamella.run.progress import Progress
from lamella.testing.survey import Survey

from ..processes import start_program
from ..run.dask_cluster import in_time, local_cluster
from .conftest import Ended, lamella, listing, product_bits

pytestmark = pytest.mark.slow


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
    """A band on four patches, and its warps."""
    out = tmp_path_factory.mktemp("local")
    ended = lamella(*words(survey, patches, out), "--workers", 1)
    assert ended.status == 0
    return Local(out, ended.err)


def words(survey: Survey, patches: Path, out: Path) -> tuple[object, ...]:
    options = "--band", "r", "--skymap", patches, "--reject", "safe_clip", "--keep-warps"
    return "coadd", survey.table, "-o", out, *options


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
    """A worker is killed over one job, and three over another one, which fails alone, and is made later."""
    out, failing = tmp_path / "out", "r-0-1,0"
    killers = Killer(out, number=0, deaths=1), Killer(out, number=1, deaths=3)
    for killer in killers:
        killer.start()
    ended = coadd_there(cluster, *words(survey, patches, out))
    assert [len(killer.killed) for killer in killers] == [1, 3]
    assert ended.status == 1
    assert f"coadd {failing}" in ended.err
    assert "died 3 times" in " ".join(ended.err.split())
    expected = product_bits(local.folder)
    others = {name for name in expected if failing not in name}
    assert product_bits(out) == {name: expected[name] for name in others}
    assert not list(out.rglob(".lamella*"))

    before = listing(out)
    again = coadd_there(cluster, *words(survey, patches, out))
    assert (again.status, again.err) == (0, local.said)
    assert product_bits(out) == expected
    assert {path.name for path in out.iterdir()} == {path.name for path in local.folder.iterdir()}
    assert changed(out, before) == (listing(out).keys() - before.keys()) | {"index.html"}

    before = listing(out)
    here = lamella(*words(survey, patches, out), "--workers", 1)
    assert (here.status, here.err) == (0, local.said)
    assert changed(out, before) == {"index.html"}


def changed(folder: Path, before: dict[str, tuple[int, int]]) -> set[str]:
    return {name for name, state in listing(folder).items() if before.get(name) != state}


def test_after_an_interrupt_nothing_is_left_and_the_same_command_continues(
    cluster: distributed.LocalCluster, survey: Survey, patches: Path, tmp_path: Path
) -> None:
    def interrupt(step: Progress) -> None:
        if step.stage == "writing" and step.done == step.total:
            raise KeyboardInterrupt

    run = CoaddRun(
        output=tmp_path,
        grid=GridOptions(skymap=str(patches), bands=("r",)),
        dask=cluster.scheduler_address,
        on_progress=interrupt,
    )
    with pytest.raises(KeyboardInterrupt):
        run([survey.table])
    assert not list(tmp_path.rglob(".lamella*"))
    in_time(lambda: wait_until(lambda: not cluster.scheduler.tasks))
    done = {path.name for path in tmp_path.glob("coadd-*.json")}
    assert len(done) == 1
    steps: list[Progress] = []
    record = in_time(lambda: dataclasses.replace(run, on_progress=steps.append)([survey.table]))
    assert {"warping", "stacking", "writing"} <= {step.stage for step in steps}
    assert steps[-1].fraction == 1
    assert len(record.coadds) == 4
    assert {f"coadd-{coadd.name}.json" for coadd in record.coadds if coadd.kept} == done


def wait_until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.02)


def test_a_worker_that_sees_other_files_or_versions_ends_the_run_with_its_name(
    cluster: distributed.LocalCluster, own_survey: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("coadd", own_survey.table, "-o", tmp_path / "out", "--band", "r")
    exposure = own_survey.file(101, 0)

    def look_and_hide(work: CoaddWork, jobs: Sequence[PatchJob]) -> StagedWork:
        staged = StagedWork(work, absent=frozenset())
        exposure.rename(tmp_path / "hidden")  # as if it were on this machine only
        return staged

    with monkeypatch.context() as patch:
        patch.setattr(StagedWork, "of", look_and_hide)
        ended = coadd_there(cluster, *command)
    (tmp_path / "hidden").rename(exposure)
    assert ended.status == 1
    assert f"The worker on {platform.node()} does not see {exposure}" in ended.err
    assert ended.err.count("\n") == 1
    versions = {**package_versions(), "numba": "9.9"}
    monkeypatch.setattr(dask_cluster, "package_versions", lambda: versions)
    ended = coadd_there(cluster, *command)
    assert ended.status == 1
    assert "Dask scheduler has other versions of packages: numba" in ended.err
    assert "(9.9 here)" in ended.err
    assert ended.err.count("\n") == 1
    # One that joins later is asked when it gets its first job.
    monkeypatch.setattr(dask_cluster.DaskCluster, "require_same_versions", lambda self: None)
    ended = coadd_there(cluster, *command)
    assert ended.status == 1
    assert f"Dask worker on {platform.node()} has other versions of packages: numba" in ended.err
    assert not list((tmp_path / "out").glob("coadd-*"))


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--dask", "tcp://127.0.0.1:9"], 1, "No Dask scheduler answers at tcp://127.0.0.1:9"),
        (["--dask", "http://127.0.0.1:9"], 2, "'http://127.0.0.1:9' is not an address"),
        (["--dask", "absent.json"], 1, "absent.json: found No such file or directory"),
        (["--dask", "tcp://127.0.0.1:9", "--workers", 2], 2, "--workers is for this machine"),
    ],
)
def test_a_wrong_address_is_told_in_one_line(
    options: list[object],
    status: int,
    message: str,
    survey: Survey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dask_cluster, "_CONNECT", 0.5)
    ended = in_time(lambda: lamella("coadd", survey.table, "-o", tmp_path / "out", *options))
    assert ended.status == status
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_scheduler_that_goes_away_ends_the_run(
    survey: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It had no workers: that is told meanwhile."""
    monkeypatch.setattr(dask_cluster, "_WORD", 0.2)
    file = tmp_path / "scheduler.json"
    words = ["--scheduler-file", file, "--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--no-jupyter"]
    scheduler = start_program(_SCHEDULER, *words, log=tmp_path / "log")
    in_time(lambda: wait_until(file.exists))
    waiting = "The Dask cluster has no workers; 1 jobs wait for one."
    killer = threading.Thread(
        target=lambda: (wait_until(lambda: waiting in caplog.text), scheduler.kill()), daemon=True
    )
    killer.start()
    ended = in_time(
        lambda: lamella("coadd", survey.table, "-o", tmp_path / "out", "--band", "r", "--dask", file)
    )
    assert ended.status == 1
    assert "The Dask scheduler at tcp://127.0.0.1:" in ended.err
    assert "is gone" in ended.err
    assert not list((tmp_path / "out").rglob(".lamella*"))


_SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"

"""Two processes write to a repository at once: nothing is lost, on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.reject.reject_control import RejectControl
from lamella.data.coadd import PatchCoadd
from lamella.formats.archive.products import read_product
from lamella.formats.archive.write import write_archive
from lamella.run.patch_config import PatchConfig
from lamella.tasks.datasets import coadd_datasets
from lamella.tasks.repository import open_repository
from lamella.testing.asserts import assert_bits_equal
from lamella.testing.hsc_example import HscExample

from ..processes import start_program
from .hsc_fixture import (
    ASSEMBLE_HSC_I,
    ASSEMBLE_HSC_R,
    PATCH,
    HscSite,
    expected_coadd,
    input_pairs,
)

pytestmark = pytest.mark.slow

COUNT = 6

# Puts coadds for some patches, waits before each file is finished, and prints when it wrote.
WRITER = """
import json, sys, time
from pathlib import Path
from lamella.formats.archive.products import read_product
from lamella.tasks.formatters import ArchiveFormatter
from lamella.tasks.repository import open_repository

root, archive, first, count, pause = sys.argv[1], sys.argv[2], *map(float, sys.argv[3:])
times, write = [], ArchiveFormatter.write_local_file

def slow(self, value, uri):
    begin = time.time()
    time.sleep(pause)
    write(self, value, uri)
    times.append([begin, time.time()])

ArchiveFormatter.write_local_file = slow
coadd = read_product(archive)
with open_repository(root, writeable=True, run="writers") as butler:
    Path(archive + f".{int(first)}").touch()
    while not Path(archive + ".go").exists():
        time.sleep(0.01)
    for patch in range(int(first), int(first + count)):
        coadd.image.array[...] = patch
        butler.put(coadd, "deepCoadd", skymap="discrete/ci_hsc", tract=0, patch=patch, band="i")
print(json.dumps(times))
"""


@pytest.fixture(scope="module")
def coadd(hsc_example: HscExample) -> PatchCoadd:
    return expected_coadd(
        hsc_example, "i", PatchConfig(assemble=AssembleConfig(reject=RejectControl(method="none")))
    )


@pytest.fixture(scope="module")
def site(hsc_site: HscSite, tmp_path_factory: pytest.TempPathFactory) -> HscSite:
    """A repository with dataset types for coadds."""
    site = hsc_site.copy(tmp_path_factory.mktemp("writers"))
    with open_repository(site.repository, writeable=True) as butler:
        for dataset in coadd_datasets():
            if dataset.name == "deepCoadd":
                butler.registry.registerDatasetType(dataset.make_type(butler.dimensions))
    return site


def wait_until(condition: Callable[[], bool], writers: list[BaseProcess], logs: list[Path]) -> None:
    while not condition():
        ended = [log.read_text() for writer, log in zip(writers, logs, strict=True) if writer.exitcode]
        assert not ended, ended[0]
        time.sleep(0.01)


def told_by(writers: list[BaseProcess], logs: list[Path]) -> list[str]:
    """Wait for processes that must end well, and return what each printed."""
    for writer, log in zip(writers, logs, strict=True):
        writer.join(300)
        assert writer.exitcode == 0, log.read_text()
    return [log.read_text() for log in logs]


def test_nothing_is_lost(site: HscSite, coadd: PatchCoadd, tmp_path: Path) -> None:
    archive = tmp_path / "coadd.fits"
    write_archive(coadd, archive)
    firsts = [100, 200]
    logs = [archive.with_name(f"writer-{first}") for first in firsts]
    writers = [
        start_program(WRITER, site.repository, archive, first, COUNT, 0.2, log=log)
        for first, log in zip(firsts, logs, strict=True)
    ]
    wait_until(lambda: all(Path(f"{archive}.{first}").exists() for first in firsts), writers, logs)
    Path(f"{archive}.go").touch()
    first, second = [json.loads(told.splitlines()[-1]) for told in told_by(writers, logs)]
    with open_repository(site.repository, collections="writers") as butler:
        refs = butler.query_datasets("deepCoadd", limit=None)
        written = {*range(100, 100 + COUNT), *range(200, 200 + COUNT)}
        assert sorted(ref.dataId["patch"] for ref in refs) == sorted(written)
        for ref in refs:
            found = butler.get(ref)
            assert set(found.image.array.ravel().tolist()) == {ref.dataId["patch"]}
            assert_bits_equal(found.variance.array, coadd.variance.array)
    together = [(a, b) for a, b in itertools.product(first, second) if max(a[0], b[0]) < min(a[1], b[1])]
    # What the documentation says: SQLite lets one process at a time write files, PostgreSQL both.
    assert bool(together) == (site.registry.server is not None)


def test_the_first_of_two_equal_names_wins(site: HscSite, coadd: PatchCoadd, tmp_path: Path) -> None:
    archive = tmp_path / "coadd.fits"
    write_archive(coadd, archive)
    Path(f"{archive}.go").touch()
    logs = [tmp_path / name for name in ("a", "b")]
    writers = [start_program(WRITER, site.repository, archive, 50, 1, 0.2, log=log) for log in logs]
    for writer in writers:
        writer.join(300)
    assert sorted(writer.exitcode for writer in writers) == [0, 1]
    assert "Conflict" in "".join(log.read_text() for log in logs)
    with open_repository(site.repository, collections="writers") as butler:
        found = butler.get("deepCoadd", skymap="discrete/ci_hsc", tract=0, patch=50, band="i")
    assert set(found.image.array.ravel().tolist()) == {50}
    assert read_product(archive).bbox == found.bbox


# Begins runs as the commands of the manual do, at the same time as another process.
BEGINNER = """
import sys, time
from pathlib import Path
from lamella.tasks.cmdline.locations import begin_run, find_location
from lamella.tasks.repository import open_repository

root, flags, name, count = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
location = find_location(str(root), rerun="race")
with open_repository(root, writeable=True) as butler:
    (flags / name).touch()
    while not (flags / "go").exists():
        time.sleep(0.01)
    for _ in range(count):
        print(begin_run(butler, location))
"""


def test_no_run_is_lost_from_a_chain(site: HscSite, tmp_path: Path) -> None:
    logs = [tmp_path / name for name in ("log-a", "log-b")]
    beginners = [
        start_program(BEGINNER, site.repository, tmp_path, name, 10, log=log)
        for name, log in zip(("a", "b"), logs, strict=True)
    ]
    wait_until(lambda: all((tmp_path / name).exists() for name in ("a", "b")), beginners, logs)
    (tmp_path / "go").touch()
    made = " ".join(told_by(beginners, logs)).split()
    assert len(set(made)) == 20
    with open_repository(site.repository) as butler:
        chain = butler.collections.get_info("rerun/race").children
    assert set(made) <= set(chain)


ASSEMBLER = "from lamella.tasks.manual.commands import assemble_coadd; assemble_coadd()"


def test_both_commands_of_the_manual_at_once(warped_site: HscSite, tmp_path: Path) -> None:
    site = warped_site.copy(tmp_path / "site")
    logs = [tmp_path / band for band in ("i", "r")]
    commands = [site.words(line)[1:] for line in (ASSEMBLE_HSC_I, ASSEMBLE_HSC_R)]
    told_by([start_program(ASSEMBLER, *one, log=log) for one, log in zip(commands, logs, strict=True)], logs)
    with open_repository(site.repository, collections="deepCoadd-results") as butler:
        for band, name in (("i", "HSC-I"), ("r", "HSC-R")):
            coadd = butler.get("deepCoadd", skymap="discrete/ci_hsc", band=band, **PATCH)
            assert input_pairs(coadd) == site.example.pairs[name]

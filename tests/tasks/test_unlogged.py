"""Tasks whose process was killed between the record of success and the log."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.daf.butler import Butler, DatasetType
from lsst.daf.butler.logging import ButlerLogRecords
from lsst.pipe.base import TaskMetadata

from lamella.tasks.ingest import ingest_exposures
from lamella.tasks.pipeline.make_warp import MakeWarpConfig
from lamella.tasks.repository import forget_unlogged, open_repository

from ..processes import start_program
from .hsc_fixture import PIPETASK, HscSites, contents
from .registries import Registry
from .small import INSTRUMENT, SmallSurvey, new_repository

DETECTOR = ("instrument", "visit", "detector")
KINDS = {
    "config": ((), "Config"),
    "metadata": (DETECTOR, "TaskMetadata"),
    "log": (DETECTOR, "ButlerLogRecords"),
}


def put(butler: Butler, kind: str, label: str, detector: int = 0, save_log: bool = True) -> None:
    """Put what the middleware stores for a task."""
    dimensions, storage_class = KINDS[kind]
    dataset_type = DatasetType(f"{label}_{kind}", dimensions, storage_class, universe=butler.dimensions)
    butler.registry.registerDatasetType(dataset_type)
    config = MakeWarpConfig()
    config.saveLogOutput = save_log
    values = {"config": config, "metadata": TaskMetadata(), "log": ButlerLogRecords([])}
    data_id = {"instrument": INSTRUMENT, "visit": 100, "detector": detector} if dimensions else {}
    butler.put(values[kind], dataset_type, data_id, run="run")


def test_only_tasks_that_should_have_a_log_are_forgotten(
    registry: Registry, survey: SmallSurvey, tmp_path: Path
) -> None:
    with new_repository(tmp_path, registry) as butler:
        ingest_exposures(butler, survey.sources)
        butler.collections.register("run")
        for label in ("killed", "whole", "silent", "unknown"):
            for detector in (0, 1):
                put(butler, "metadata", label, detector)
                if detector == 0 or label == "whole":
                    put(butler, "log", label, detector)
            if label != "unknown":
                put(butler, "config", label, save_log=label != "silent")
        before = contents_of_run(butler)
        assert forget_unlogged(butler) == []
        (ref,) = forget_unlogged(butler, older_than=0, dry_run=True)
        assert (ref.datasetType.name, ref.dataId["detector"], ref.run) == ("killed_metadata", 1, "run")
        assert contents_of_run(butler) == before
        path = Path(butler.getURI(ref).ospath)
        os.utime(path, (time.time() - 7200,) * 2)
        assert forget_unlogged(butler) == [ref]
        assert before - contents_of_run(butler) == {ref}
        assert not path.exists()
        assert forget_unlogged(butler, older_than=0) == []


def contents_of_run(butler: Butler) -> set[object]:
    return set(butler.query_all_datasets("run"))


# As `pipetask`, but it dies at the last moment.
KILLED_BEFORE_THE_LOG = """
import os, signal, sys
from lsst.ctrl.mpexec.cli.pipetask import cli
from lsst.pipe.base.log_capture import LogCapture

LogCapture._store_log_records = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
cli(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_rerun_makes_the_log(hsc_sites: HscSites, tmp_path: Path) -> None:
    site = hsc_sites.ingested(Registry()).copy(tmp_path)
    warping = PIPETASK.replace("coadd.yaml", "coadd.yaml#warps")
    warping = warping.replace("band='i'", "band='i' and visit in (903988, 904014)")
    killed = start_program(KILLED_BEFORE_THE_LOG, *site.words(warping)[1:], log=tmp_path / "log")
    killed.join(300)
    assert killed.exitcode == -signal.SIGKILL, (tmp_path / "log").read_text()
    task, *told = site.checked("lamella butler clean DATA --older-than 0 --forget-unlogged").splitlines()
    assert task.startswith("makeWarp_metadata {'instrument': 'HSC',")
    assert told == ["Forgot 1 task.", "Removed 0 files."]
    site.checked(warping)
    with open_repository(site.repository) as butler:
        found = contents(butler, "lamella/coadds")
        assert forget_unlogged(butler, older_than=0, dry_run=True) == []
    count = Counter(name for name, _ in found)
    assert count["makeWarp_log"] == count["makeWarp_metadata"] == count["deepCoadd_directWarp"] == 2

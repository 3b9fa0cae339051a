"""The manual's options give the same bits to its command, its class, Python and ``lamella stack``."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.pipe.base import Struct

import lamella
from lamella.data.inputs import CoaddTarget
from lamella.formats.recognise import open_exposures
from lamella.run.stack_run import StackConfig
from lamella.sky.field import skymap_from_exposures
from lamella.sky.skymap import SkyMap
from lamella.tasks.cmdline.butler import CommandButler
from lamella.tasks.cmdline.locations import find_location
from lamella.tasks.ingest import ingest_exposures
from lamella.tasks.manual.assembleCoadd import AssembleCoaddTask, SafeClipAssembleCoaddTask
from lamella.tasks.manual.coaddBase import makeSkyInfo
from lamella.tasks.manual.makeCoaddTempExp import MakeCoaddTempExpTask
from lamella.tasks.repository import register_skymap
from lamella.testing.survey import simulate_survey

from ..cli.conftest import lamella as run_lamella
from ..same import COUNTS, assert_same_planes
from ..surveys import TINY
from .small import new_repository

pytestmark = [pytest.mark.slow, pytest.mark.any_database]

SURVEY = TINY.replace(visits_per_band=4, detector_grid=(1, 1), detector_shape=(70, 80), cosmic_rays=12)
PATCH = {"tract": 0, "patch": "0,0", "filter": "r"}
ID = ["--id", *(f"{key}={value}" for key, value in PATCH.items()), "--selectId", "visit=100..103"]
KERNELS = {"lanczos": [], "bilinear": ["-c", "warpAndPsfMatch.warp.warpingKernelName=bilinear"]}
LEGACY, SAFE = AssembleCoaddTask, SafeClipAssembleCoaddTask
OPTIONS = {
    "as they are": (LEGACY, "lanczos", []),
    "kernel": (LEGACY, "bilinear", []),
    "statistic": (
        LEGACY,
        "lanczos",
        ["statistic=MEDIAN", "calcErrorFromInputVariance=False", "doInterp=False"],
    ),
    "clip": (LEGACY, "lanczos", ["sigmaClip=1.2", "clipIter=3", "doNImage=True"]),
    "planes": (
        LEGACY,
        "lanczos",
        [
            "statistic=MEAN",
            "badMaskPlanes=['NO_DATA','CR']",
            "removeMaskPlanes=['SAT']",
            "doOnlineForMean=True",
        ],
    ),
    "rejection": (SAFE, "lanczos", ["minClipFootOverlap=0.3", "clipDetection.thresholdValue=3"]),
}
"""By a name: the task, the warps, and what the command is given as ``-c``."""


@dataclasses.dataclass(frozen=True)
class Made:
    """What a command wrote, its configuration, and its inputs."""

    coadd: lamella.PatchCoadd
    task: Any
    files: list[Path]
    warps: list[lamella.Warp]


@dataclasses.dataclass(frozen=True)
class Site:
    """A repository with warps, and the sky map in a file."""

    root: Path
    skymap: SkyMap[Any]
    made: dict[str, Made] = dataclasses.field(default_factory=dict)
    """By the name of its options: the coadds that were made."""

    @property
    def repository(self) -> str:
        return str(self.root / "DATA")

    def butler(self, rerun: str) -> CommandButler:
        return CommandButler(find_location(self.repository, rerun=rerun))

    def assembled(self, name: str) -> Made:
        """Return what the command makes of some options; it runs once."""
        if name not in self.made:
            self.made[name] = self._assemble(name)
        return self.made[name]

    def _assemble(self, name: str) -> Made:
        task, kernel, options = OPTIONS[name]
        rerun = name.replace(" ", "-")
        changes = ["-c", *options] if options else []
        ended = task.parseAndRun([self.repository, *ID, "--rerun", f"{kernel}:{rerun}", *changes])
        butler = self.butler(rerun)
        warp = "deepCoadd_directWarp_filename"
        files = [Path(butler.get(warp, **PATCH, visit=visit)[0]) for visit in range(100, 104)]
        coadd = butler.get("deepCoadd", **PATCH)
        butler.close()
        warps = [lamella.read_product(file) for file in files]
        return Made(coadd, task(config=ended.parsedCmd.config), files, warps)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    root = tmp_path_factory.mktemp("manual")
    sources = open_exposures([simulate_survey(root / "survey", SURVEY).table]).sources
    skymap = skymap_from_exposures([source.info for source in sources], name="small", patch_size=60)
    skymap.save(root / "skymap.json")
    butler = new_repository(root / "DATA")
    register_skymap(butler, skymap)
    ingest_exposures(butler, sources)
    butler.close()
    made = Site(root, skymap)
    for kernel, options in KERNELS.items():
        args = [made.repository, *ID, *options, "--rerun", kernel]
        MakeCoaddTempExpTask.parseAndRun([*args, "--id", "tract=0", "patch=1,0", "filter=r"])
    return made


@pytest.fixture(params=OPTIONS)
def made(request: pytest.FixtureRequest, site: Site) -> Made:
    return site.assembled(request.param)


def assert_same(found: lamella.PatchCoadd, made: Made) -> None:
    assert_same_planes(found, made.coadd, *COUNTS)
    assert [(one.id, one.weight) for one in found.detectors] == [
        (one.id, one.weight) for one in made.coadd.detectors
    ]
    assert found.removals == made.coadd.removals


def test_in_python(made: Made, site: Site) -> None:
    patch = site.skymap[0].patch("0,0")
    target = CoaddTarget(outer_bbox=patch.outer_bbox, projection=patch.projection)
    assert_same(lamella.assemble(made.warps, made.task.config.toCore(), target=target), made)


def test_by_the_class(made: Made, site: Site) -> None:
    sky_info: Struct = makeSkyInfo(site.skymap, 0, "0,0")
    inputs = made.task.prepareInputs(made.warps[::-1])
    result = made.task.run(sky_info, inputs.tempExpRefList, inputs.imageScalerList, inputs.weightList)
    made.task.processResults(result.coaddExposure)
    assert_same(result.coaddExposure, made)


def test_by_lamella_stack(made: Made, site: Site, tmp_path: Path) -> None:
    settings = tmp_path / "options.yaml"
    settings.write_text(yaml.safe_dump(StackConfig(assemble=made.task.config.toCore()).to_dict()))
    ended = run_lamella(
        "stack", *made.files, "-o", tmp_path / "stack.fits", "--config", settings,
        "--skymap", site.root / "skymap.json", "--patch", "0,0",
    )  # fmt: skip
    assert ended.status == 0, ended.err
    assert_same(lamella.read_product(tmp_path / "stack.fits"), made)  # type: ignore[arg-type]


def test_all_options_differ(site: Site) -> None:
    """Without this, equal bits could mean that options are passed over."""
    coadds = [site.assembled(name).coadd for name in OPTIONS]
    for first, second in itertools.combinations(coadds, 2):
        assert (first.image.array != second.image.array).mean() > 0.01
    assert len(site.assembled("rejection").coadd.removals) == 4


def test_times_are_in_the_metadata_that_were_written(site: Site) -> None:
    warping = site.butler("lanczos").get("deep_makeCoaddTempExp_metadata", **PATCH)
    assert warping.valueCount("makeCoaddTempExp.runStartUtc") == 4  # one for each visit
    assert warping.getAsDouble("makeCoaddTempExp:warpAndPsfMatch.runEndCpuTime") > 0.0
    site.assembled("clip")
    assembling = site.butler("clip").get("deep_assembleCoadd_metadata", **PATCH)
    for name in ("runDataRef", "run"):
        start, end = (assembling.getAsDouble(f"assembleCoadd.{name}{at}CpuTime") for at in ("Start", "End"))
        assert 0.0 < start <= end
    assert assembling.exists("assembleCoadd:interpImage.runStartCpuTime")


@pytest.mark.usefixtures("quick_workers")
def test_results_of_several_processes(site: Site) -> None:
    ids = ["--id", "tract=0", "patch=0,0^1,0", "filter=r", *ID[4:]]
    args = [site.repository, *ids, "--rerun", "lanczos:processes", "-j", "2"]
    ended = AssembleCoaddTask.parseAndRun(args, doReturnResults=True)
    assert [one.exitStatus for one in ended.resultList] == [0, 0]
    for one in ended.resultList:
        stored = one.dataRef.get("deepCoadd")
        assert_same_planes(one.result.coaddExposure, stored, *COUNTS)
        assert one.metadata["runEndCpuTime"] > 0.0


def test_an_unreadable_exposure_costs_itself(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """It is told once, by its own name."""
    butler = site.butler("lanczos")
    path = Path(butler.get("calexp.info", visit=101, ccd=0).path)
    butler.close()
    content = path.read_bytes()
    try:
        path.write_bytes(content[: len(content) // 3])
        MakeCoaddTempExpTask.parseAndRun([site.repository, *ID, "--rerun", "damaged"])
    finally:
        path.write_bytes(content)
    assert [ref.dataId["visit"] for ref in site.butler("damaged").subset("deepCoadd_directWarp")] == [
        100,
        102,
        103,
    ]
    (message,) = [record.getMessage() for record in caplog.records if "Leaving out" in record.getMessage()]
    assert message.count(str(path)) == 1
    assert np.isfinite(
        site.butler("damaged").get("deepCoadd_directWarp", **PATCH, visit=100).image.array
    ).any()

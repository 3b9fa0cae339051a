"""The documented commands in repositories with several sky maps, and with results of others."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.formats.archive.products import read_product
from lamella.tasks.cmdline.status import EXIT_NOTHING
from lamella.tasks.manual import commands
from lamella.tasks.manual.assembleCoadd import AssembleCoaddTask
from lamella.tasks.manual.makeCoaddTempExp import MakeCoaddTempExpTask
from lamella.tasks.repository import clean_orphans, open_repository

from ..hsc_fixture import SELECT_HSC_I, HscSite, assert_same_bits

pytestmark = [pytest.mark.slow, pytest.mark.any_database]

SELECT = shlex.split(SELECT_HSC_I)
ONE = ["--selectId", "visit=903986", "ccd=16^22"]


@pytest.fixture(scope="module")
def site(warped_site: HscSite, tmp_path_factory: pytest.TempPathFactory) -> HscSite:
    """The warps of both filters, made in place, and a second sky map, whose tract 0 has patch 5,4, too."""
    site = warped_site.copy(tmp_path_factory.mktemp("manual") / "site")
    options = "-c skyMapName=around skyMap.pixelScale=10 skyMap.patchInnerDimensions=[100,100] borderSize=0.9"
    commands.make_discrete_sky_map(
        [str(site.repository), "--id", "visit=903986", "ccd=16^22^23", *options.split()]
    )
    return site


def run(task: Any, site: HscSite, *args: str) -> Any:
    (outcome,) = task.parseAndRun([str(site.repository), *args], doReturnResults=True).resultList
    return outcome


def test_the_sky_map_must_be_told_where_two_have_the_patch(site: HscSite, capsys: Any) -> None:
    with pytest.raises(SystemExit) as exit:
        run(AssembleCoaddTask, site, "--id", "tract=0", "patch=5,4", "filter=HSC-I", *SELECT)
    assert exit.value.code == 2
    assert "around, discrete/ci_hsc. Say which with skymap=NAME" in capsys.readouterr().err


@pytest.mark.parametrize("said_of_exposures", [False, True])
def test_commands_work_with_the_sky_map_that_is_told(site: HscSite, said_of_exposures: bool) -> None:
    name, rerun = "discrete/ci_hsc", f"told/{said_of_exposures}"
    patch = ["--rerun", rerun, "--id", "tract=0", "patch=5,4", "filter=HSC-I", f"skymap={name}"]
    select = [*ONE, f"skymap={name}"] if said_of_exposures else ONE
    (warp,) = run(MakeCoaddTempExpTask, site, *patch, *select).result
    assert warp.dataId["skymap"] == name
    coadd = run(AssembleCoaddTask, site, *patch, *select).result.coaddExposure
    assert coadd.inputs["detector"].tolist() == [16, 22]
    assert coadd.skymap == name


def test_the_sky_map_that_alone_has_the_patch_is_meant(site: HscSite) -> None:
    args = ["--rerun", "alone", "--id", "tract=0", "patch=15,4", "filter=HSC-I", *ONE]
    with pytest.raises(SystemExit) as exit:
        AssembleCoaddTask.parseAndRun([str(site.repository), *args])
    assert exit.value.code == EXIT_NOTHING


def test_a_sky_map_of_several_is_appended_to(site: HscSite) -> None:
    options = "-c doAppend=True skyMapName=more skyMap.pixelScale=10 skyMap.patchInnerDimensions=[100,100]"
    args = [str(site.repository), "--id", "skymap=around", "visit=903988", "ccd=16", *options.split()]
    commands.make_discrete_sky_map(args)
    with open_repository(site.repository, collections="skymaps") as butler:
        assert len(butler.get("skyMap", skymap="more")) == 2


def test_a_rerun_never_has_what_others_made(site: HscSite) -> None:
    patch = ["--id", "tract=0", "patch=5,4", "filter=HSC-I", "skymap=discrete/ci_hsc"]
    for output in (["--rerun", "others"], []):
        assert run(AssembleCoaddTask, site, *output, *patch, *ONE).exitStatus == 0
    coadd = {"skymap": "discrete/ci_hsc", "tract": 0, "patch": 69, "band": "i"}
    args = [str(site.repository), "--rerun", "failed", *patch, "--selectId", "visit=903334", "ccd=12"]
    with pytest.raises(SystemExit) as exit:
        AssembleCoaddTask.parseAndRun(args)
    assert exit.value.code == EXIT_NOTHING
    wrong = ["-c", "badMaskPlanes=['NOTHING']", "--clobber-config"]
    failed = run(AssembleCoaddTask, site, "--rerun", "failed", *patch, *ONE, *wrong)
    assert failed.exitStatus == 1
    with open_repository(site.repository, collections="rerun/failed") as butler:
        assert butler.find_dataset("deepCoadd", coadd) is None
        assert butler.find_dataset("deepCoadd", coadd, collections="deepCoadd-results") is not None
        # It has what it was given.
        assert butler.query_datasets("calexp", limit=1)
        assert len(butler.query_datasets("skyMap")) >= 2


def test_warps_of_another_rerun_are_read_when_told(site: HscSite, tmp_path: Path) -> None:
    own = site.copy(tmp_path / "site")
    patch = ["--id", "tract=0", "patch=5,4", "filter=HSC-I", "skymap=discrete/ci_hsc"]
    kernel = ["-c", "warpAndPsfMatch.warp.warpingKernelName=bilinear"]
    run(MakeCoaddTempExpTask, own, "--rerun", "bilinear", *patch, *ONE, *kernel)
    kernels = []
    for rerun in ("mine", "bilinear:theirs"):
        coadd = run(AssembleCoaddTask, own, "--rerun", rerun, *patch, *ONE).result.coaddExposure
        kernels.append(coadd.settings["warp"]["kernel"])
    assert kernels == ["lanczos3", "bilinear"]


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("{")], ids=["lost", "damaged"])
def test_an_exposure_that_cannot_be_read_costs_itself(
    damage: Callable[[Path], object], site: HscSite, tmp_path: Path
) -> None:
    own = site.copy(tmp_path / "site")
    (path,) = (own.repository / "HSC" / "calexp").rglob("*_903986_22_*.json")
    damage(path)
    patch = ["--id", "tract=0", "patch=5,4", "filter=HSC-I", "skymap=discrete/ci_hsc", "--rerun", "mine"]
    run(MakeCoaddTempExpTask, own, *patch, *ONE)
    coadd = run(AssembleCoaddTask, own, *patch, *ONE).result.coaddExposure
    assert coadd.inputs["detector"].tolist() == [16]
    ((id, reason),) = [(item.id, item.reason) for item in coadd.rejections]
    assert (id.instrument, id.visit, id.detector) == ("HSC", 903986, 22)
    assert path.name in reason


def test_results_appear_where_the_manual_says(site: HscSite, tmp_path: Path) -> None:
    """In a repository that was asked for them: in place, and in the folder of each rerun."""
    own = site.copy(tmp_path / "site")
    patch = ["--id", "tract=0", "patch=5,4", "filter=HSC-I", "skymap=discrete/ci_hsc"]
    name = "deepCoadd-results/HSC-I/0/5,4/calexp-HSC-I-0-5,4.fits"
    run(AssembleCoaddTask, own, *patch, *ONE)
    assert not (own.repository / name).exists()
    settings = yaml.safe_load((own.repository / "butler.yaml").read_text())
    settings["lamella"] = {"results_folder": True}
    (own.repository / "butler.yaml").write_text(yaml.safe_dump(settings))
    for output, folder in (([], own.repository), (["--rerun", "me/x"], own.repository / "rerun/me/x")):
        for select in (ONE, ["--selectId", "visit=903986", "ccd=16"]):  # the second replaces the first
            coadd = run(AssembleCoaddTask, own, *output, *patch, *select).result.coaddExposure
            assert_same_bits(read_product(folder / name), coadd)
        assert [path.name for path in (folder / name).parent.iterdir()] == [Path(name).name]
    run(AssembleCoaddTask, own, "--rerun", "me/x", "--clobber-output", *patch, *ONE, "-c", "doWrite=False")
    assert not (own.repository / "rerun/me/x" / name).exists()
    assert (own.repository / name).exists()
    with open_repository(own.repository, writeable=True) as butler:
        assert clean_orphans(butler, older_than=0) == []

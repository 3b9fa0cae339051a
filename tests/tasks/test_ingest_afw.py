"""Exposures of the C++ stack in a repository: read as from their files, warped and coadded from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.daf.butler import Butler
from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

from lamella.cli.main import main
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.reject.reject_control import RejectControl
from lamella.data.exposure import ExposureId
from lamella.formats.recognise import open_exposures
from lamella.run.coadds import coadd_exposures
from lamella.run.patch_config import PatchConfig
from lamella.sky.field import skymap_from_exposures
from lamella.tasks.ingest import defaults_chain
from lamella.tasks.repository import open_repository
from lamella.testing.asserts import assert_bits_equal

from ..formats.afw.exposures import CARDS, write_exposure
from ..formats.afw.test_source import write_summary

VISITS = (7, 8, 9)
PLACE = {"skymap": "around", "tract": 0, "patch": 0, "band": "r"}
PIXELS = ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked")


def lamella(*arguments: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    assert ended.value.code in (0, None)


@pytest.fixture(scope="module")
def calexps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three visits, and the visit summary of one of them."""
    folder = tmp_path_factory.mktemp("calexps")
    for visit in VISITS:
        shifted = CARDS | {"CRPIX1": CARDS["CRPIX1"] + 0.4 * visit, "CRPIX2": CARDS["CRPIX2"] - 0.3 * visit}
        write_exposure(folder / f"calexp-{visit}.fits", visit=visit, cards=shifted)
    scatter = np.array([0.02, 0.03])
    write_summary(folder / "visitSummary-8.fits", visit=8, psfStarDeltaSizeScatter=scatter)
    return folder


@pytest.fixture(scope="module", params=["direct", "copy"])
def repository(
    request: pytest.FixtureRequest, calexps: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A repository that the commands made, with references to the files, or with copies of them."""
    folder = tmp_path_factory.mktemp("repo")
    sources = open_exposures([calexps]).sources
    skymap_from_exposures([one.info for one in sources], name="around").save(folder / "map.json")
    lamella("butler", "create", folder / "repo")
    copy = ["--copy"] if request.param == "copy" else []
    lamella("butler", "ingest", folder / "repo", calexps, *copy)
    lamella("butler", "skymap", folder / "repo", folder / "map.json")
    return folder / "repo", request.param


def exposures(butler: Butler) -> list[Any]:
    return sorted(
        butler.query_datasets("calexp", collections="HSC/calexp"), key=lambda ref: ref.dataId["visit"]
    )


def test_exposures_are_those_of_their_files(calexps: Path, repository: tuple[Path, str]) -> None:
    sources = open_exposures([calexps]).sources
    with open_repository(repository[0], collections="HSC/calexp") as butler:
        refs = exposures(butler)
        assert [(ref.dataId["visit"], ref.dataId["detector"]) for ref in refs] == [(n, 3) for n in VISITS]
        for ref, source in zip(refs, sources, strict=True):
            found, wanted = butler.get(ref), source.read()
            assert found.info.id == ExposureId("HSC", ref.dataId["visit"], 3, "r")
            for plane in ("image", "variance", "mask"):
                assert_bits_equal(getattr(found.pixels, plane).array, getattr(wanted.pixels, plane).array)
            assert found.to_njy == wanted.to_njy
            assert found.notes == wanted.notes
            assert found.psf.sigma == wanted.psf.sigma
            assert found.info.quality == wanted.info.quality
        visit = next(iter(butler.query_dimension_records("visit", where="visit = 7", instrument="HSC")))
        assert (visit.physical_filter, visit.exposure_time) == ("HSC-R", 30.0)


def test_a_visit_summary_is_kept_with_its_exposure(calexps: Path, repository: tuple[Path, str]) -> None:
    with open_repository(repository[0], collections="HSC/calexp") as butler:
        found = {ref.dataId["visit"]: butler.get(ref) for ref in exposures(butler)}
    assert found[7].info.quality == {}
    assert found[8].info.quality["psf_size_scatter"] == 0.02
    assert any("Numbers for selection from" in note for note in found[8].notes)


# What copies hold is compared above.
@pytest.mark.parametrize("repository", ["direct"], indirect=True, scope="module")
def test_warps_and_the_coadd_are_those_of_the_function(calexps: Path, repository: tuple[Path, str]) -> None:
    """With the pipeline that leaves artifacts to the statistic: no warps are matched for it."""
    repo = repository[0]
    pipeline = Pipeline.fromFile("resource://lamella/pipelines/coadd-noiseclip.yaml")
    with open_repository(repo, writeable=True) as butler:
        chain = defaults_chain("HSC")
        executor = SimplePipelineExecutor.from_pipeline(
            pipeline, where="skymap = 'around'", butler=butler.clone(collections=[chain], run="u/me/afw")
        )
        executor.run(register_dataset_types=True)
    sources = open_exposures([calexps]).sources
    skymap = skymap_from_exposures([one.info for one in sources], name="around")
    statistic = PatchConfig(assemble=AssembleConfig(reject=RejectControl(method="none")))
    (expected,) = coadd_exposures(sources, skymap, statistic)
    with open_repository(repo, collections="u/me/afw") as butler:
        coadd = butler.get("deepCoadd", PLACE)
        warps = sorted(butler.query_datasets("deepCoadd_directWarp"), key=lambda ref: ref.dataId["visit"])
        assert [ref.dataId["visit"] for ref in warps] == list(VISITS)
        assert butler.get(warps[0]).detectors[0].id == ExposureId("HSC", 7, 3, "r")
        names = {ref.datasetType.name for ref in butler.query_all_datasets("u/me/afw", limit=None)}
    assert "deepCoadd_directWarp" in names
    assert "deepCoadd_psfMatchedWarp" not in names
    assert expected.settings["assemble"]["reject"]["method"] == "none"
    assert coadd.settings["assemble"] == expected.settings["assemble"]
    for name in PIXELS:
        assert_bits_equal(getattr(coadd, name).array, getattr(expected, name).array)
    assert int(coadd.exposure_count.array.max()) == 3
    assert [(one.id, one.weight) for one in coadd.detectors] == [
        (one.id, one.weight) for one in expected.detectors
    ]

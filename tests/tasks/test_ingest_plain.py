"""Plain images without a zero point in a repository: the pipeline makes of them what the function makes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

from lamella.cli.main import main
from lamella.formats.recognise import open_exposures
from lamella.run.coadds import coadd_exposures
from lamella.run.patch_config import PatchConfig
from lamella.sky.field import skymap_from_exposures
from lamella.tasks.ingest import defaults_chain
from lamella.tasks.repository import open_repository
from lamella.testing.asserts import assert_bits_equal

from ..plainfields import PlainField

PLACE = {"skymap": "around", "tract": 0, "patch": 0, "band": "R"}
PIXELS = ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked")


def lamella(*arguments: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code in (0, None)


def test_the_coadd_of_images_without_a_zero_point_is_that_of_the_function(tmp_path: Path) -> None:
    PlainField(3, side=160).write(tmp_path)
    images, repo = tmp_path / "bare", tmp_path / "repo"
    sources = open_exposures([images]).sources
    skymap = skymap_from_exposures([source.info for source in sources], name="around")
    skymap.save(tmp_path / "map.json")
    lamella("butler", "create", repo)
    lamella("butler", "ingest", repo, images)
    lamella("butler", "skymap", repo, tmp_path / "map.json")
    pipeline = Pipeline.fromFile("resource://lamella/pipelines/coadd-noiseclip.yaml")
    with open_repository(repo, writeable=True) as butler:
        chain = defaults_chain("MyCam")
        SimplePipelineExecutor.from_pipeline(
            pipeline, where="skymap = 'around'", butler=butler.clone(collections=[chain], run="u/me/plain")
        ).run(register_dataset_types=True)
    (expected,) = coadd_exposures(sources, skymap, PatchConfig())
    with open_repository(repo, collections="u/me/plain") as butler:
        coadd = butler.get("deepCoadd", PLACE)
    for name in PIXELS:
        assert_bits_equal(getattr(coadd, name).array, getattr(expected, name).array)
    assert not coadd.flux_unit.is_absolute
    assert coadd.flux_unit == expected.flux_unit
    assert [(detector.id, detector.weight) for detector in coadd.detectors] == [
        (detector.id, detector.weight) for detector in expected.detectors
    ]

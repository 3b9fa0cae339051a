"""What is chosen for a band in a graph: as ``lamella coadd`` chooses, for any part of the band."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from click.testing import Result
from lsst.ctrl.mpexec.cli.pipetask import cli as pipetask
from lsst.daf.butler import Butler
from lsst.daf.butler.cli.utils import LogCliRunner
from lsst.pipe.base import Pipeline
from lsst.pipe.base.pipelineIR import ContractError

from lamella.data.coadd import PatchCoadd
from lamella.data.exposure import ExposureSource
from lamella.formats.recognise import open_exposures
from lamella.psf.match_control import MatchControl
from lamella.run.coadds import coadd_exposures
from lamella.run.patch_config import PatchConfig
from lamella.sky.field import skymap_from_exposures
from lamella.sky.skymap import SkyMap
from lamella.tasks.ingest import defaults_chain, ingest_exposures
from lamella.tasks.repository import open_repository, register_skymap
from lamella.testing.survey import simulate_survey

from ...surveys import TINY
from ..registries import Registry

pytestmark = [pytest.mark.slow, pytest.mark.any_database]

PIPELINE = "resource://lamella/pipelines/coadd.yaml"
PIXELS = ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked")
LAST_OF_R = 105


@dataclasses.dataclass(frozen=True)
class Bands:
    """A repository with three visits in g and two in r, on several patches."""

    repo: Path
    sources: tuple[ExposureSource, ...]
    skymap: SkyMap  # type: ignore[type-arg]
    inputs: str

    def open(self, collection: str) -> Butler:
        return open_repository(self.repo, collections=collection)

    def run(self, output: str, where: str, *options: str) -> Result:
        words = [
            "-b", str(self.repo), "-i", self.inputs, "-o", output, "-p", f"{PIPELINE}#patches", "-d", where,
        ]  # fmt: skip
        return LogCliRunner().invoke(pipetask, ["run", *words, "--register-dataset-types", *options])


@pytest.fixture(scope="module")
def bands(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Bands:
    folder = tmp_path_factory.mktemp("bands")
    config = TINY.replace(bands=("g", "r"), visits_per_band=3, dither=1.0, rotation=2.0)
    opened = open_exposures([simulate_survey(folder / "survey", config).table]).sources
    sources = tuple(source for source in opened if source.info.id.visit != LAST_OF_R)
    skymap = skymap_from_exposures([s.info for s in sources], name="two", patch_size=130, patch_border=10)
    registry.create(folder / "repo")
    with open_repository(folder / "repo", writeable=True) as butler:
        register_skymap(butler, skymap)
        ingest_exposures(butler, sources)
    return Bands(folder / "repo", sources, skymap, defaults_chain(sources[0].info.id.instrument))


def assert_same(coadd: PatchCoadd, expected: PatchCoadd) -> None:
    for name in PIXELS:
        assert getattr(coadd, name) == getattr(expected, name), name
    assert coadd.notes == expected.notes
    assert coadd.removals == expected.removals
    for step in ("assemble", "rejection"):
        assert coadd.settings[step] == expected.settings[step], step


def test_each_band_is_as_in_the_command_and_only_what_is_compared_is_matched(bands: Bands) -> None:
    """One patch of all is asked for: the choice is that of all."""
    done = bands.run("one", "skymap = 'two' AND patch = 0")
    assert done.exit_code == 0, done.output
    config = PatchConfig(match=MatchControl(fwhm=7.7))
    expected = {
        coadd.band: coadd
        for coadd in coadd_exposures(bands.sources, bands.skymap, config)
        if coadd.patch == (0, 0)
    }
    methods = {band: coadd.settings["rejection"]["method"] for band, coadd in expected.items()}
    assert methods == {"g": "compare_warp", "r": "none"}
    with bands.open("one") as butler:
        for band in "gr":
            data_id = {"skymap": "two", "tract": 0, "patch": 0, "band": band}
            assert_same(butler.get("deepCoadd", data_id), expected[band])
        matched = butler.query_datasets("deepCoadd_psfMatchedWarp")
        direct = butler.query_datasets("deepCoadd_directWarp")
    assert {ref.dataId["visit"] for ref in matched} == {100, 102, 104}
    assert {ref.dataId["visit"] for ref in direct} == {100, 101, 102, 103, 104}


def test_a_part_of_the_visits_is_treated_like_the_band(bands: Bands) -> None:
    done = bands.run("part", "skymap = 'two' AND patch = 0 AND band = 'g' AND visit IN (100, 102)")
    assert done.exit_code == 0, done.output
    with bands.open("part") as butler:
        coadd = butler.get("deepCoadd", skymap="two", tract=0, patch=0, band="g")
    assert coadd.settings["rejection"]["method"] == "compare_warp"
    assert len(coadd.removals) == 2


def test_what_is_compared_always_is_matched_always() -> None:
    pipeline = Pipeline.from_uri(PIPELINE)
    pipeline.addConfigOverride("assembleCoadd", "assemble.reject.method", "compare_warp")
    with pytest.raises(ContractError, match=r"Set makeWarp\.matchCompared to False"):
        pipeline.to_graph()
    pipeline.addConfigOverride("makeWarp", "matchCompared", False)
    assert "assembleCoadd" in pipeline.to_graph().tasks

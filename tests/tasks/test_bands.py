"""A visit in two bands: two visits in a repository, and the coadds that ``lamella coadd`` makes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from astropy.table import Table

pytest.importorskip("lsst.ctrl.mpexec", reason="needs the extra [lsst]")

from lsst.daf.butler import Butler
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

from lamella.data.exposure import ExposureSource
from lamella.errors import InputError
from lamella.formats.recognise import open_exposures
from lamella.psf.match_control import MatchControl
from lamella.run.coadds import coadd_exposures
from lamella.run.patch_config import PatchConfig
from lamella.sky.field import skymap_from_exposures
from lamella.tasks.ingest import defaults_chain, derived_visits, ingest_exposures
from lamella.tasks.repository import open_repository, register_skymap
from lamella.tasks.visit_records import BAND_STEP
from lamella.testing.survey import simulate_survey

from ..cli.conftest import lamella
from .registries import Registry
from .small import CONFIG, INSTRUMENT, changed

TINY = CONFIG.replace(stars=4, galaxies=2, bright_stars=0)
VISITS = {("g", 0): 100, ("g", 1): 101, ("r", 0): 100, ("r", 1): 103}
"""Number of each visit of a band: 100 is in both, so that its r is 100 in the files and derived in a
repository, where it comes behind 103."""
SECOND = BAND_STEP + 100


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExposureSource, ...]:
    """The exposures of a camera that takes g and r at a time, from a table."""
    survey = simulate_survey(tmp_path_factory.mktemp("survey"), TINY)
    table = Table.read(survey.table)
    for band in TINY.bands:
        numbers = sorted(set(table["visit"][table["band"] == band]))
        for row in table[table["band"] == band].iterrows("file"):
            (index,) = (table["file"] == row[0]).nonzero()[0]
            table["visit"][index] = VISITS[band, numbers.index(table["visit"][index])]
    path = survey.table.with_name("two_bands.ecsv")
    table.write(path)
    return open_exposures([path]).sources


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    Registry().create(tmp_path / "repo")
    return tmp_path / "repo"


def _visits(butler: Butler) -> dict[int, tuple[str, str]]:
    return {r.id: (r.name, r.physical_filter) for r in butler.query_dimension_records("visit")}


def test_two_bands_of_a_visit_and_detector_are_two_exposures(sources: tuple[ExposureSource, ...]) -> None:
    assert len(sources) == 8
    here = [source.info.id for source in sources if source.info.id.visit == 100]
    assert sorted((id.detector, id.band) for id in here) == [(0, "g"), (0, "r"), (1, "g"), (1, "r")]


def test_the_second_band_of_a_visit_has_a_number_of_its_own(
    sources: tuple[ExposureSource, ...], repository: Path
) -> None:
    with open_repository(repository, writeable=True) as butler:
        refs = ingest_exposures(butler, sources)
        expected = {100: ("100", "g"), 101: ("101", "g"), 103: ("103", "r"), SECOND: ("100-r", "r")}
        assert _visits(butler) == expected
        assert derived_visits(butler, refs) == {SECOND: "100-r"}
        groups = {r.id: r.group for r in butler.query_dimension_records("exposure")}
        assert (groups[100], groups[SECOND]) == ("100", "100")
        # Exposures keep the number that they came with, and a second call adds nothing.
        (ref,) = (r for r in refs if (r.dataId["visit"], r.dataId["detector"]) == (SECOND, 1))
        assert (butler.get(ref).info.id.visit, butler.get(ref).info.band) == (100, "r")
        assert ingest_exposures(butler, sources) == refs
        assert _visits(butler) == expected


def test_bands_may_come_one_after_the_other_and_detectors_may_have_bands_of_their_own(
    sources: tuple[ExposureSource, ...], repository: Path
) -> None:
    """Behind a dichroic, one detector sees the one band, and the other the other."""
    dichroic = [
        s for s in sources if s.info.id.visit == 100 and (s.info.id.detector == 0) == (s.info.band == "r")
    ]
    with open_repository(repository, writeable=True) as butler:
        for source in sorted(dichroic, key=lambda one: one.info.band, reverse=True):
            ingest_exposures(butler, [source])
        assert _visits(butler) == {100: ("100", "r"), SECOND: ("100-g", "g")}
        long = [
            changed(one, id=dataclasses.replace(one.info.id, visit=BAND_STEP + 7))
            for one in reversed(dichroic)
        ]
        with pytest.raises(InputError, match=r"band . of visit 100000000000007, which .* band ."):
            ingest_exposures(butler, long, transfer="copy")


def test_the_command_says_so(sources: tuple[ExposureSource, ...], repository: Path) -> None:
    table = str(sources[0].recipe.table)  # type: ignore[attr-defined]
    ended = lamella("butler", "ingest", repository, table)
    assert ended.status == 0, ended.err
    assert "8 exposures of 4 visits" in ended.out
    assert f"1 visit in further bands got numbers of their own, e.g. {SECOND} for 100-r." in ended.out


def test_the_pipeline_makes_the_coadds_of_the_core(
    sources: tuple[ExposureSource, ...], repository: Path
) -> None:
    skymap = skymap_from_exposures([one.info for one in sources], name="small")
    with open_repository(repository, writeable=True) as butler:
        register_skymap(butler, skymap)
        ingest_exposures(butler, sources)
    config = PatchConfig(match=MatchControl(fwhm=7.7))
    inputs = [defaults_chain(INSTRUMENT)]
    with SimplePipelineExecutor.prep_butler(str(repository), inputs=inputs, output="u/me") as butler:
        executor = SimplePipelineExecutor.from_pipeline_filename(
            "resource://lamella/pipelines/coadd.yaml", where="skymap = 'small'", butler=butler
        )
        executor.run(register_dataset_types=True)
        for expected in coadd_exposures(sources, skymap, config):
            place: dict[str, Any] = {"skymap": "small", "tract": 0, "patch": 0, "band": expected.band}
            coadd = butler.get("deepCoadd", place)
            for name in ("image", "mask", "variance", "exposure_count"):
                assert getattr(coadd, name) == getattr(expected, name), (expected.band, name)
            assert [d.id for d in coadd.detectors] == [d.id for d in expected.detectors]
            assert coadd.removals == expected.removals == ()  # two visits are not compared
            assert len({d.id.visit for d in coadd.detectors}) == 2

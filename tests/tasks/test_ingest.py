"""Exposures in a repository: records, regions, references, copies, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from lsst.images import Box, GeneralFrame, SkyProjection

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.daf.butler import Butler
from lsst.sphgeom import UnitVector3d

from lamella.data.exposure import Exposure, ExposureSource
from lamella.data.flux_unit import FluxUnit
from lamella.data.times import UNKNOWN_TIMES
from lamella.errors import DuplicateInputError, InputError, LamellaError, UnreadableFileError
from lamella.formats.read_control import ReadControl
from lamella.formats.recognise import open_exposures
from lamella.run.jobs import plan_jobs
from lamella.run.patch_config import PatchConfig
from lamella.sky.footprint import footprint_polygon
from lamella.sky.layout import tract_wcs
from lamella.tasks.failures import repository_errors
from lamella.tasks.ingest import ingest_exposures, of_other_units
from lamella.tasks.recipes import source_from_json, source_to_json
from lamella.tasks.repository import clean_orphans, open_repository, register_skymap
from lamella.testing.asserts import assert_bits_equal
from lamella.testing.survey import Survey

from ..processes import start_program
from .registries import Registry
from .small import CONFIG, INSTRUMENT, SmallSurvey, changed, files_of, new_repository


@pytest.fixture
def butler(registry: Registry, tmp_path: Path) -> Iterator[Butler]:
    with new_repository(tmp_path / "repo", registry) as opened:
        yield opened


def assert_same_exposure(found: Exposure, expected: Exposure) -> None:
    for plane in ("image", "variance"):
        assert_bits_equal(getattr(found.pixels, plane).array, getattr(expected.pixels, plane).array)
    assert found.pixels.mask.schema == expected.pixels.mask.schema
    assert_bits_equal(found.pixels.mask.array, expected.pixels.mask.array)
    assert found.to_njy == expected.to_njy
    assert found.notes == expected.notes
    for name in ("id", "path", "band", "bbox", "psf_fwhm", "times", "format", "polygon"):
        assert getattr(found.info, name) == getattr(expected.info, name)
    x, y = 31.0, 22.0
    assert_bits_equal(
        found.psf.compute_kernel_image(x=x, y=y).array, expected.psf.compute_kernel_image(x=x, y=y).array
    )
    sky, there = (one.info.projection.pixel_to_sky(x=x, y=y) for one in (found, expected))
    assert sky.separation(there) < 1e-9 * u.arcsec


@pytest.mark.parametrize(("transfer", "suffix"), [("direct", ".json"), ("copy", ".fits")])
@pytest.mark.any_database
def test_exposures_are_read_as_from_their_files(
    butler: Butler, survey: SmallSurvey, transfer: str, suffix: str
) -> None:
    refs = ingest_exposures(butler, survey.sources, transfer=transfer)  # type: ignore[arg-type]
    assert [(r.dataId["visit"], r.dataId["detector"]) for r in refs] == [
        (s.info.id.visit, s.info.id.detector) for s in survey.sources
    ]
    assert {path.suffix for path in files_of(butler)} == {suffix}
    for ref, source in zip(refs[:2], survey.sources, strict=False):
        assert_same_exposure(butler.get(ref), source.read())
    again = ingest_exposures(butler, survey.sources, transfer=transfer)  # type: ignore[arg-type]
    assert again == refs
    assert len(files_of(butler)) == len(refs)


def test_references_leave_the_files_alone(butler: Butler, survey: SmallSurvey) -> None:
    before = {path: path.read_bytes() for path in survey.table.parent.rglob("*") if path.is_file()}
    refs = ingest_exposures(butler, survey.sources[:2])
    butler.pruneDatasets(refs, disassociate=True, unstore=True, purge=True)
    assert files_of(butler) == []
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("transfer", ["direct", "copy"])
@pytest.mark.any_database
def test_parts_of_exposures_are_read(butler: Butler, survey: SmallSurvey, transfer: str) -> None:
    (ref,) = ingest_exposures(butler, survey.sources[:1], transfer=transfer)  # type: ignore[arg-type]
    whole = survey.sources[0].read()
    box = Box.factory[10:25, 7:40]
    part = butler.get(ref, parameters={"bbox": box})
    assert part.info.bbox == part.pixels.bbox == box
    assert_bits_equal(part.pixels.image.array, whole.pixels[box].image.array)
    assert butler.get(ref.makeComponentRef("info")).id == whole.info.id
    for name in ("image", "variance"):
        assert_bits_equal(butler.get(ref.makeComponentRef(name)).array, getattr(whole.pixels, name).array)
    assert_bits_equal(butler.get(ref.makeComponentRef("mask")).array, whole.pixels.mask.array)
    cut = butler.getDeferred(ref).get(component="mask", parameters={"bbox": box})
    assert_bits_equal(cut.array, whole.pixels[box].mask.array)
    assert butler.get(ref.makeComponentRef("bbox")) == whole.info.bbox
    kernel = butler.get(ref.makeComponentRef("psf")).compute_kernel_image(x=30, y=30)
    assert_bits_equal(kernel.array, whole.psf.compute_kernel_image(x=30, y=30).array)
    assert butler.get(ref.makeComponentRef("sky_projection")).pixel_frame == whole.info.projection.pixel_frame


def test_visits_have_records(butler: Butler, survey: SmallSurvey) -> None:
    ingest_exposures(butler, survey.sources)
    visits = {record.id: record for record in butler.query_dimension_records("visit")}
    assert set(visits) == {100, 101, 102, 103}
    info = survey.sources[0].info
    visit = visits[info.id.visit]
    # 61000.1 is 2025-11-21, before noon, so the night is that of the 20th.
    assert (visit.physical_filter, visit.day_obs, visit.exposure_time) == ("g", 20251120, 30.0)
    middle = visit.timespan.begin + 0.5 * (visit.timespan.end - visit.timespan.begin)
    assert middle.utc.mjd == pytest.approx(info.mjd, abs=1e-9)
    assert (visit.timespan.end - visit.timespan.begin).to_value("s") == pytest.approx(30.0, abs=1e-6)
    detectors = [record.id for record in butler.query_dimension_records("detector")]
    assert sorted(detectors) == [0, 1]
    assert {r.name: r.band for r in butler.query_dimension_records("physical_filter")} == {"g": "g", "r": "r"}
    for region in butler.query_dimension_records("visit_detector_region"):
        assert visits[region.visit].region.contains(region.region.getCentroid())
    assert butler.registry.getCollectionSummary(f"{INSTRUMENT}/defaults").governors["instrument"] == {
        INSTRUMENT
    }


def test_the_repository_selects_the_exposures_that_the_core_selects(
    butler: Butler, survey: SmallSurvey
) -> None:
    ingest_exposures(butler, survey.sources)
    register_skymap(butler, survey.skymap)
    with butler.query() as query:
        rows = (
            query.join_dimensions(["visit", "detector", "patch"])
            .where("skymap = 'small'")
            .data_ids(["visit", "detector", "patch"])
        )
        found = {(row["patch"], row["visit"], row["detector"]) for row in rows}
    expected = {
        (patch.sequential, source.info.id.visit, source.info.id.detector)
        for source in survey.sources
        for _, patches in survey.skymap.find_tract_patches(footprint_polygon(source.info))
        for patch in patches
    }
    assert found == expected
    assert len({patch for patch, _, _ in expected}) > 1
    assert plan_jobs(survey.sources, survey.skymap, PatchConfig().select)


def test_a_visit_that_comes_in_parts_grows(butler: Butler, survey: SmallSurvey) -> None:
    first, second = survey.sources[:2]
    assert (first.info.id.visit, first.info.id.detector + 1) == (
        second.info.id.visit,
        second.info.id.detector,
    )
    refs = ingest_exposures(butler, [first])
    (before,) = butler.query_dimension_records("visit")
    assert ingest_exposures(butler, [second, first])[0] == refs[0]
    (after,) = butler.query_dimension_records("visit")
    for source in (first, second):
        for vertex in footprint_polygon(source.info).vertices * 0.9999999 + 1e-7 * _centre(source):
            assert after.region.contains(_unit(vertex))
    assert not before.region.contains(_unit(_centre(second)))
    assert len(list(butler.query_dimension_records("visit_detector_region"))) == 2


def _centre(source: ExposureSource) -> np.ndarray:
    return footprint_polygon(source.info).vertices.mean(axis=0)


def _unit(vector: np.ndarray) -> UnitVector3d:
    return UnitVector3d(*map(float, vector))


def test_an_exposure_without_time_has_no_timespan(butler: Butler, survey: SmallSurvey) -> None:
    source = changed(survey.sources[0], times=UNKNOWN_TIMES, physical_filter="G-1")
    ingest_exposures(butler, [source], transfer="copy")
    (visit,) = butler.query_dimension_records("visit")
    assert (visit.day_obs, visit.timespan, visit.exposure_time, visit.physical_filter) == (
        0,
        None,
        None,
        "G-1",
    )
    found = butler.get("calexp", visit.dataId, detector=0, collections=f"{INSTRUMENT}/calexp")
    assert (found.info.mjd, found.info.physical_filter) == (None, "G-1")


def test_the_same_exposure_from_another_file_is_refused(
    butler: Butler, survey: SmallSurvey, tmp_path: Path
) -> None:
    shutil.copytree(survey.table.parent, tmp_path / "elsewhere")
    other = open_exposures([tmp_path / "elsewhere" / survey.table.name]).sources
    for run, transfer in (("a", "direct"), ("b", "copy")):
        ingest_exposures(butler, survey.sources[:1], run=run, transfer=transfer)  # type: ignore[arg-type]
        with pytest.raises(DuplicateInputError, match=f"which the run {run} has from"):
            ingest_exposures(butler, other[:1], run=run, transfer=transfer)  # type: ignore[arg-type]
    assert len(ingest_exposures(butler, other[:1], run="c")) == 1
    options = open_exposures([survey.table], control=ReadControl(edge_width=9)).sources
    with pytest.raises(DuplicateInputError, match="with other options"):
        ingest_exposures(butler, options[:1], run="a")


def test_exposures_in_a_run_of_their_own_are_not_for_everybody(butler: Butler, survey: SmallSurvey) -> None:
    ingest_exposures(butler, survey.sources[:1], run="private/test")
    chain = butler.collections.get_info(f"{INSTRUMENT}/defaults")
    assert chain.children == ("skymaps", "brightObjectMasks")
    ingest_exposures(butler, survey.sources[:1], run=f"{INSTRUMENT}/calexp")
    chain = butler.collections.get_info(f"{INSTRUMENT}/defaults")
    assert sorted(chain.children) == sorted((f"{INSTRUMENT}/calexp", "skymaps", "brightObjectMasks"))


def blank(path: Path) -> None:
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            if hdu.is_image and hdu.data is not None and hdu.data.dtype.kind == "f":
                hdu.data[:] = np.nan


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4000])


@pytest.mark.parametrize("options", [{"transfer": "copy"}, {"check": True}], ids=["copy", "check"])
@pytest.mark.parametrize("damage", [blank, cut])
@pytest.mark.any_database
def test_exposures_that_no_coadd_can_use_are_told_and_not_added(
    damage: Callable[[Path], None],
    options: dict[str, Any],
    butler: Butler,
    survey: SmallSurvey,
    tmp_path: Path,
) -> None:
    shutil.copytree(survey.table.parent, tmp_path / "survey")
    first, second, *others = open_exposures([tmp_path / "survey" / survey.table.name]).sources[:4]
    damage(next(path for path in first.files if path.suffix == ".fits"))  # type: ignore[attr-defined]
    # Beyond a quarter of the sky this projection has no directions of one hemisphere.
    frame = GeneralFrame(unit=u.pix)
    wide = SkyProjection.from_fits_wcs(tract_wcs("CAR", 3600.0, (0.0, 90.0), crpix=(200, 200)), frame)
    beyond = changed(second, bbox=Box.factory[0:400, 0:400], projection=wide)
    told: list[ExposureSource] = []
    sources = [first, beyond, *others]
    refs = ingest_exposures(butler, sources, **options, on_unusable=lambda source, error: told.append(source))
    assert told == [beyond, first]
    assert len(refs) == len(butler.query_datasets("calexp", f"{INSTRUMENT}/calexp")) == 2
    for source in (first, beyond):
        with pytest.raises(LamellaError):
            ingest_exposures(butler, [source], **options)
    # Without a look at the pixels nothing is known of them.
    assert len(ingest_exposures(butler, [first])) == 1


def test_exposures_in_other_units_are_told(survey: SmallSurvey) -> None:
    first, *others = survey.sources
    counts = changed(first, flux_unit=FluxUnit("adu"))
    assert of_other_units(survey.sources) == []
    assert [(item.info, item.code) for item in of_other_units([counts, *others])] == [
        (counts.info, "flux_unit")
    ]


def test_contradictions_are_refused_and_leave_nothing(butler: Butler, survey: SmallSurvey) -> None:
    first, second, third = survey.sources[:3]
    ingest_exposures(butler, [first], transfer="copy")
    before = files_of(butler)
    elsewhere = Survey(CONFIG.replace(ra=10.0)).exposures()[0]
    wrong = {
        "band r; expected band g": [changed(third, physical_filter="g", band="r")],
        "found other; expected g": [changed(second, physical_filter="other")],
        "also that of": [first, first],
        "found h; expected g, as in": [first, changed(second, physical_filter="h")],
        "another place on the sky": [changed(first, projection=elsewhere.projection)],
        "0 to 4095": [changed(second, id=dataclasses.replace(second.info.id, detector=4096))],
        "name of 1 to 32 characters": [changed(second, physical_filter="f" * 33)],
    }
    for message, sources in wrong.items():
        with pytest.raises(InputError, match=message):
            ingest_exposures(butler, sources, transfer="copy", run="other")
    assert files_of(butler) == before
    assert len(list(butler.query_dimension_records("visit"))) == 1


def test_only_exposures_on_disk_are_referred_to(butler: Butler) -> None:
    source = Survey(CONFIG).exposures()[0]
    with pytest.raises(InputError, match="one on disk"):
        ingest_exposures(butler, [source])
    assert files_of(butler) == []
    (ref,) = ingest_exposures(butler, [source], transfer="copy")
    assert_bits_equal(butler.get(ref).pixels.image.array, source.read().pixels.image.array)


def test_references_are_plain_text(survey: SmallSurvey) -> None:
    text = source_to_json(survey.sources[0])
    content = json.loads(text)
    assert content["class"] == "lamella.formats.table_row:TableRow"
    assert content["recipe"]["table"] == str(survey.table.absolute())
    source = source_from_json(text, path="x.json")
    assert source.info.id == survey.sources[0].info.id
    assert source_to_json(source) == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "format: found 'other'"),
        ({"class": "os:system"}, "found os:system; expected a recipe"),
        ({"class": "lamella.formats.absent:Row"}, "No module named"),
        ({"recipe": {"table": 3}}, "validation error"),
        (None, "Expecting value"),
    ],
)
def test_damaged_references_are_told(
    survey: SmallSurvey, change: dict[str, object] | None, message: str
) -> None:
    content = json.loads(source_to_json(survey.sources[0]))
    text = "" if change is None else json.dumps(content | change)
    with pytest.raises(UnreadableFileError, match=message):
        source_from_json(text, path="x.json")


@pytest.mark.any_database
def test_errors_of_readers_come_through(butler: Butler, survey: SmallSurvey, tmp_path: Path) -> None:
    shutil.copytree(survey.table.parent, tmp_path / "moved")
    (ref,) = ingest_exposures(butler, open_exposures([tmp_path / "moved" / survey.table.name]).sources[:1])
    shutil.rmtree(tmp_path / "moved")
    with pytest.raises(UnreadableFileError, match="visit-0100-detector-00"), repository_errors("repo"):
        butler.get(ref)
    with pytest.raises(ValueError, match="of another kind"), repository_errors("repo"):
        raise ValueError("of another kind")


_KILLED = """
import os, signal, sys
from lamella.formats.recognise import open_exposures
from lamella.tasks import ingest
from lamella.tasks.repository import open_repository

root, table, moment, transfer = sys.argv[1:]
butler = open_repository(root, writeable=True)
original = butler.ingest if moment == "moved" else ingest.insert_visit

def die(*args, **options):
    original(*args, **options)
    os.kill(os.getpid(), signal.SIGKILL)

if moment == "moved":
    butler.ingest = die
else:
    ingest.insert_visit = die
ingest.ingest_exposures(butler, open_exposures([table]).sources, transfer=transfer)
"""


@pytest.mark.parametrize(("moment", "transfer"), [("staged", "copy"), ("moved", "direct")])
def test_a_killed_ingest_leaves_no_dataset_and_can_be_repeated(
    registry: Registry,
    survey: SmallSurvey,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    moment: str,
    transfer: str,
) -> None:
    new_repository(tmp_path, registry).close()
    log = tmp_path_factory.mktemp("killed") / "log"
    killed = start_program(_KILLED, tmp_path, survey.table, moment, transfer, log=log)
    killed.join(300)
    assert killed.exitcode == -signal.SIGKILL, log.read_text()
    with open_repository(tmp_path, writeable=True) as butler:
        run = f"{INSTRUMENT}/calexp"
        assert butler.query_datasets("calexp", run, explain=False) == []
        assert list(butler.query_dimension_records("visit", explain=False)) == []
        left = files_of(butler)
        assert len(left) == 2
        refs = ingest_exposures(butler, survey.sources, transfer=transfer)  # type: ignore[arg-type]
        assert len(refs) == len(survey.sources)
        # Files that were moved have been replaced; those that were not are removed here.
        assert len(clean_orphans(butler, older_than=0)) == (2 if moment == "staged" else 0)
        assert len(files_of(butler)) == len(refs)
        assert_same_exposure(butler.get(refs[0]), survey.sources[0].read())

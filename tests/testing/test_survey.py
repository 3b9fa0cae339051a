import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lamella.errors import ConfigError, MissingPartError, OutputError, UnreadableFileError
from lamella.testing.artifacts import ARTIFACT_KINDS
from lamella.testing.asserts import assert_bits_equal, assert_exposures_equal
from lamella.testing.config import SurveyConfig
from lamella.testing.contracts import check_exposure_source
from lamella.testing.survey import Survey, open_survey, simulate_survey

CONFIG = SurveyConfig(
    bands=("r",), visits_per_band=2, detector_grid=(1, 2), detector_shape=(90, 100), stars=20
)


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    return simulate_survey(tmp_path_factory.mktemp("survey"), CONFIG)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_files_hold_the_pixels_of_memory(survey):
    for exposure in survey.exposures():
        pixels = exposure.pixels()
        with fits.open(survey.file(exposure.visit, exposure.detector)) as hdus:
            hdus.verify("exception")
            for name, expected in (
                ("IMAGE", pixels.image),
                ("MASK", pixels.mask),
                ("VARIANCE", pixels.variance),
            ):
                found = hdus[name].data
                assert_bits_equal(found.astype(found.dtype.newbyteorder("=")), expected, name=name)


def test_table_lists_the_exposures(survey):
    table = Table.read(survey.table)
    assert len(table) == 4
    for row, exposure in zip(table, survey.exposures(), strict=True):
        assert (survey.folder / row["file"]) == survey.file(exposure.visit, exposure.detector)
        assert (row["visit"], row["detector"], row["band"]) == (exposure.visit, exposure.detector, "r")
        assert (row["zero_point"], row["psf_fwhm"]) == (exposure.plan.zero_point, exposure.plan.psf_fwhm)
        assert (row["image_hdu"], row["variance_hdu"], row["mask_hdu"]) == ("IMAGE", "VARIANCE", "MASK")


def test_truth_files_hold_the_truth(survey):
    folder = survey.folder / "truth"
    catalogue = Table.read(folder / "catalogue.ecsv")
    for name in survey.truth.catalogue.colnames:
        assert list(catalogue[name]) == list(survey.truth.catalogue[name])
    assert len(Table.read(folder / "artifacts.ecsv")) == len(survey.truth.artifacts)
    for exposure in survey.exposures():
        with fits.open(folder / "masks" / survey.file(exposure.visit, exposure.detector).name) as hdus:
            packed, header = hdus[0].data, hdus[0].header
            for kind in ARTIFACT_KINDS:
                found = (packed >> header[f"MP_{kind}"]) & 1
                planes = survey.truth.artifact_planes(exposure.visit, exposure.detector)
                assert np.array_equal(found.astype(bool), planes[kind])


def test_the_reader_of_exposure_tables_gives_the_exposures_of_memory(survey):
    from lamella.formats.read_control import ReadControl
    from lamella.formats.source import FileSource
    from lamella.formats.table import TableRow

    columns = Table.read(survey.table)
    for number, exposure in enumerate(survey.exposures(), start=1):
        row = dict(zip(columns.colnames, columns[number - 1].as_void(), strict=True))
        source = FileSource(TableRow(survey.table, number, row, ReadControl(edge_width=CONFIG.edge_width)))
        check_exposure_source(source)
        assert_exposures_equal(source.read(), exposure.read())


def test_two_runs_give_the_same_bytes(survey, tmp_path):
    simulate_survey(tmp_path, CONFIG)
    assert contents(tmp_path) == contents(survey.folder)


def test_rerun_does_nothing(survey):
    before = {p: p.stat().st_mtime_ns for p in survey.folder.rglob("*")}
    calls = []
    again = simulate_survey(survey.folder, CONFIG, progress=lambda *args: calls.append(args))
    assert again == survey
    assert calls == []
    assert {p: p.stat().st_mtime_ns for p in survey.folder.rglob("*")} == before


def test_interrupted_run_continues(survey, tmp_path):
    class Stop(Exception):
        pass

    def stop(done, total):
        assert total == 4
        if done == 2:
            raise Stop

    with pytest.raises(Stop):
        simulate_survey(tmp_path, CONFIG, progress=stop)
    with pytest.raises(MissingPartError, match="incomplete survey"):
        open_survey(tmp_path)
    kept = next((tmp_path / "exposures").glob("*.fits"))
    stamp = kept.stat().st_mtime_ns
    simulate_survey(tmp_path, CONFIG)
    assert kept.stat().st_mtime_ns == stamp
    assert contents(tmp_path) == contents(survey.folder)


def test_what_a_killed_run_was_writing_goes_with_the_next(survey, tmp_path):
    folder = tmp_path / "survey"
    for name in ("exposures/.lamella-visit-1-0.fits-abc", "truth/masks/.lamella-visit-1-0.fits-abc"):
        (folder / name).mkdir(parents=True)
        (folder / name / "half.fits").touch()
    simulate_survey(folder, CONFIG)
    assert contents(folder) == contents(survey.folder)


def test_a_lost_file_is_made_again(tmp_path, survey):
    made = simulate_survey(tmp_path, CONFIG)
    made.file(100, 0).unlink()
    simulate_survey(tmp_path, CONFIG)
    assert contents(tmp_path) == contents(survey.folder)


def test_a_truncated_file_is_made_again(tmp_path, survey):
    made = simulate_survey(tmp_path, CONFIG)
    path = made.file(100, 0)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(MissingPartError):
        open_survey(tmp_path)
    simulate_survey(tmp_path, CONFIG)
    assert contents(tmp_path) == contents(survey.folder)


def test_folder_of_another_survey_is_left_alone(survey):
    before = contents(survey.folder)
    with pytest.raises(OutputError, match="other options"):
        simulate_survey(survey.folder, CONFIG.replace(seed=5))
    assert contents(survey.folder) == before


def test_open(survey, tmp_path):
    assert open_survey(survey.folder) == survey
    with pytest.raises(MissingPartError, match=r"survey\.json"):
        open_survey(tmp_path)
    (tmp_path / "survey.json").write_text("{")
    with pytest.raises(UnreadableFileError):
        open_survey(tmp_path)


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        simulate_survey(tmp_path / "file" / "folder", CONFIG)


def test_survey_in_memory_has_no_files():
    with pytest.raises(ConfigError, match="in memory"):
        _ = Survey(CONFIG).table
    assert len(Survey().exposures()) == 60
    assert len(Survey().exposures("g")) == 20


def test_manifest_lists_all_files(survey):
    sizes = json.loads((survey.folder / "manifest.json").read_text())["bytes"]
    others = {"manifest.json", "survey.json"}
    names = {p.relative_to(survey.folder).as_posix() for p in survey.folder.rglob("*") if p.is_file()}
    assert set(sizes) == names - others


@pytest.mark.slow
def test_default_survey_is_small(tmp_path):
    made = simulate_survey(tmp_path)
    total = sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file())
    assert total < 60e6
    assert len(Table.read(made.table)) == 60

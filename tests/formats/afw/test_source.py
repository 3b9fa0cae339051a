import numpy as np
import pytest
from lsst.images import Box
from lsst.images.fields import ChebyshevField

from lamella.coadd.select.select import select_exposures
from lamella.coadd.select.select_control import SelectControl
from lamella.data.exposure import ExposureId
from lamella.data.photometry import njy_per_count
from lamella.errors import InputError, MissingPartError, NoInputsError, UnitError
from lamella.formats.afw.identity import band_of
from lamella.formats.afw.info import FilterLabel
from lamella.formats.afw.kinds import Kind, kind_of
from lamella.formats.afw.source import merge_summary
from lamella.formats.afw.summaries import VisitSummary
from lamella.formats.read_control import ReadControl
from lamella.formats.recognise import open_exposures
from lamella.psf.gaussian import FWHM_PER_SIGMA
from lamella.psf.gridded import GriddedPsf
from lamella.psf.parameters import psf_to_parameters
from lamella.sky.footprint import footprint_polygon
from lamella.tasks.recipes import source_from_json, source_to_json
from lamella.testing.contracts import check_exposure_source

from .conftest import ArchiveWriter
from .exposures import CARDS, SHAPE, SIGMA, ZERO_POINT, integers, pixels, write_exposure
from .test_catalogs import catalog_hdu, rows
from .test_photo import calibration, sloped_field
from .test_psf import gaussian

MADE_OF = {
    "afw_CompoundFieldConversion.fits": Kind.TABLE,
    "afw_exposure-noversion.fits": "no PSF",
    "afw_exposure-version-0.fits": "no PSF",
    "afw_exposure-version-1.fits": "no PSF",
    "afw_exposure-version-2.fits": "no PSF",
    "obs_base_small_v0coaddinputs.fits": "no photometric calibration",
    "pipe_tasks_testCoaddInputs_coadd_v1.fits": "a warp or a coadd of 3 detector images",
    "afw_jointcal_wcs-0030600-088.fits": Kind.OBJECT,
    "afw_oldTanSipWcs.fits": Kind.OBJECT,
    "afw_oldTanWcs.fits": Kind.OBJECT,
    "afw_photoCalib-noversion.fits": Kind.OBJECT,
    "afw_photoCalib-version0.fits": Kind.OBJECT,
    "afw_photoCalib-version1.fits": Kind.OBJECT,
    "afw_visitInfo-version-1.fits": Kind.OBJECT,
    "afw_visitInfo-version-4.fits": Kind.OBJECT,
    "afw_visitInfo-version-5.fits": Kind.OBJECT,
    "afw_version-1-ExposureCatalog.fits": Kind.CATALOG,
    "drp_tasks_visitSummary_1176.fits.gz": Kind.CATALOG,
    "drp_tasks_visitSummary_36434.fits.gz": Kind.CATALOG,
    "visitSummary-849375.fits": Kind.CATALOG,
    "bkgd-849375-12.fits": Kind.BACKGROUND,
    "obs_base_calexp_hsc.fits": ExposureId("HSC", 904010, 4, "i"),
    "meas_modelfit_calexp_pcapsf.fits": ExposureId("unknown", 20130621085043, 0, "i"),
    "jointcal_cfht_calexp-849375-12.fits.fz": ExposureId("MegaPrime", 849375, 12, "r"),
}
"""What each file of the LSST stack is: an exposure, why it is none, or something else."""


def test_every_file_of_the_stack_is_an_exposure_or_refused_for_a_reason(afw_files):
    files = sorted(path for path in afw_files.iterdir() if ".fits" in path.name)
    assert {path.name for path in files} == set(MADE_OF)
    for path in files:
        wanted = MADE_OF[path.name]
        if isinstance(wanted, ExposureId):
            assert [source.info.id for source in open_exposures([path])] == [wanted]
        elif isinstance(wanted, str):
            with pytest.raises(InputError, match=wanted):
                open_exposures([path])
        else:
            assert kind_of(path) is wanted
            with pytest.raises((NoInputsError, InputError)):
                open_exposures([path])


def test_a_folder_of_all_these_files_skips_what_is_no_exposure(afw_files):
    inputs = open_exposures([afw_files])
    assert [source.info.band for source in inputs] == ["i", "r", "i"]
    refused = {problem.path.rpartition("/")[2] for problem in inputs.problems}
    assert refused == {name for name, wanted in MADE_OF.items() if isinstance(wanted, str)}


def test_the_contract_holds_for_real_files(afw_files):
    (pca,) = open_exposures([afw_files / "meas_modelfit_calexp_pcapsf.fits"])
    check_exposure_source(pca)
    (hsc,) = open_exposures([afw_files / "obs_base_calexp_hsc.fits"])
    with pytest.raises(AssertionError) as caught:
        check_exposure_source(hsc)
    # Of this file, the PSF is a stub of 3 x 3 pixels, and the projection has afw's approximate inverse.
    assert "breaks 2 promise" in str(caught.value)
    assert "off by 0.000216 px" in str(caught.value)
    assert "the PSF image of a star" in str(caught.value)
    notes = " ".join(hsc.read().notes)
    assert "Visit 904010 taken from the exposure number 180802004" in notes
    assert "Band i taken from the name of the filter, HSC-I" in notes


def test_pixels_that_were_zeroed_are_refused_when_they_are_read(afw_files):
    (source,) = open_exposures([afw_files / "jointcal_cfht_calexp-849375-12.fits.fz"])
    assert source.info.psf_fwhm == pytest.approx(1.08, abs=0.01)
    with pytest.raises(InputError, match="no pixel with a value and a weight"):
        source.read()


def test_an_exposure_keeps_its_promises(tmp_path):
    (source,) = open_exposures([write_exposure(tmp_path / "calexp.fits")])
    check_exposure_source(source)
    info = source.info
    assert (info.id, info.physical_filter) == (ExposureId("HSC", 7, 3, "r"), "HSC-R")
    assert (info.bbox, info.polygon, info.exposure_time) == (Box.from_shape(SHAPE), None, 30.0)
    assert info.psf_fwhm == pytest.approx(SIGMA * FWHM_PER_SIGMA * 0.2, rel=0.01)
    # 35 s between TAI and UTC in 2013.
    assert info.mjd == pytest.approx(56598 + (6 * 3600 + 91.788 - 35) / 86400, abs=1e-8)
    exposure = source.read()
    assert exposure.to_njy == pytest.approx(njy_per_count(ZERO_POINT), rel=1e-12)
    assert exposure.pixels.mask.get("COSMIC_RAY").sum() == 1
    assert exposure.pixels.mask.get("UNMASKED_NAN").sum() == 1


def test_cards_of_the_camera_do_not_make_it_another_format(tmp_path):
    cards = {"INSTRUME": "DECam", "PROCTYPE": "InstCal", "PRODTYPE": "image", "INSTRUMENT": "DECam"}
    (source,) = open_exposures([write_exposure(tmp_path / "a.fits", primary=cards)])
    assert (source.info.format, source.info.id) == ("afw", ExposureId("DECam", 7, 3, "r"))


def test_pixels_start_where_the_file_says(tmp_path):
    moved = {"CRVAL1A": 100, "CRVAL2A": 40, "CRPIX1A": 1, "CRPIX2A": 1}
    path = write_exposure(tmp_path / "a.fits", cards=CARDS | moved)
    (source,) = open_exposures([path])
    assert source.info.bbox == Box.factory[40:90, 100:160]
    assert source.read().pixels.bbox == source.info.bbox


def test_a_calibration_that_varies_is_a_field(tmp_path):
    def add(writer):
        field = writer.add("ChebyshevBoundedField", sloped_field())
        return writer.add("PhotoCalib", calibration(2.0, 0.1, constant=False, field=field))

    (source,) = open_exposures([write_exposure(tmp_path / "a.fits", add={"PHOTOCALIB": add})])
    assert isinstance(source.read().to_njy, ChebyshevField)
    check_exposure_source(source)


def test_pixels_in_njy_need_no_calibration(tmp_path):
    path = write_exposure(tmp_path / "a.fits", cards=CARDS | {"BUNIT": "uJy"}, leave_out=("PHOTOCALIB",))
    (source,) = open_exposures([path])
    assert source.read().to_njy == pytest.approx(1000.0)


@pytest.mark.parametrize(
    ("leave_out", "kind", "message"),
    [
        (("PSF",), MissingPartError, "found no PSF; expected"),
        (("PSF", "PHOTOCALIB"), MissingPartError, "found no PSF and no photometric calibration"),
        (("FILTER",), MissingPartError, "filter: found band"),
    ],
)
def test_what_is_missing_is_named_at_once(tmp_path, leave_out, kind, message):
    path = write_exposure(tmp_path / "a.fits", leave_out=leave_out)
    with pytest.raises(kind, match=message):
        open_exposures([path])


def test_a_file_without_planes_and_with_another_unit(tmp_path):
    planes = pixels(1)
    del planes["VARIANCE"]
    with pytest.raises(MissingPartError, match="found no variance; expected"):
        open_exposures([write_exposure(tmp_path / "a.fits", planes=planes)])
    with pytest.raises(UnitError, match="BUNIT: found m"):
        open_exposures([write_exposure(tmp_path / "b.fits", cards=CARDS | {"BUNIT": "m"})])


def test_a_psf_that_is_not_plain_numbers_is_sampled(tmp_path):
    def add(writer):
        psf = writer.add("GaussianPsf", gaussian(SIGMA, 21, 21))
        text = b"1 TransformPoint2ToPoint2 Begin ZoomMap\n Nin = 2\n IsA Mapping\n Zoom = 1.1\nEnd ZoomMap\n"
        transform = writer.add("TransformPoint2ToPoint2", {"bytes": [text]})
        return writer.add("WarpedPsf", integers(psfIndex=psf, transformIndex=transform, controlIndex=0))

    (source,) = open_exposures([write_exposure(tmp_path / "a.fits", add={"PSF": add})])
    exposure = source.read()
    assert isinstance(exposure.psf, GriddedPsf)
    assert psf_to_parameters(exposure.psf)[0] == "gridded"
    assert any("PSF (WarpedPsf) sampled at 2 x 2 positions" in note for note in exposure.notes)
    assert source.info.psf_fwhm == pytest.approx(1.1 * SIGMA * FWHM_PER_SIGMA * 0.2, rel=0.02)


def test_models_of_piff_are_read_on_request_only(tmp_path):
    def add(writer):
        return writer.add("PiffPsf", integers(width=3, height=3) | {"piffResult": [b"not a pickle"]})

    path = write_exposure(tmp_path / "a.fits", add={"PSF": add})
    with pytest.raises(MissingPartError, match="a Python pickle, which is read only on request"):
        open_exposures([path])
    with pytest.raises(InputError, match=r"\(PiffPsf\)"):
        open_exposures([path], control=ReadControl(trust_pickles=True))[0]


@pytest.mark.parametrize(
    ("label", "band"),
    [
        (FilterLabel("r", "HSC-R"), "r"),
        (FilterLabel("300", "HSC-I"), "i"),
        (FilterLabel("", "HSC-I2"), "i"),
        (FilterLabel("", "HSC-Y"), "y"),
        (FilterLabel("", "NB0921"), "N921"),
        (FilterLabel("", "r.MP9601"), "r"),
        (FilterLabel("", "g DECam SDSS c0001 4720.0 1520.0"), "g"),
        (FilterLabel("", "i_39"), "i"),
        (FilterLabel("", "ha"), "ha"),
        (FilterLabel("N656", "ha"), "N656"),
        (FilterLabel("", "_unknown_"), ""),
        (FilterLabel("", ""), ""),
    ],
)
def test_bands(label, band):
    assert band_of(label) == band


@pytest.mark.parametrize(
    ("primary", "instrument", "visit"),
    [
        ({"IDNUM": 0, "EXPID": 12 * 200 + 3}, "HSC", 12),
        ({"IDNUM": 0, "EXPID": 12 * 200 + 4}, "HSC", 2404),
        ({"IDNUM": 0, "EXPID": 99, "INSTRUMENT": "X"}, "X", 99),
        ({"IDNUM": 0}, "HSC", 20131102060131),
    ],
)
def test_visits_of_files_that_have_no_number(tmp_path, primary, instrument, visit):
    (source,) = open_exposures([write_exposure(tmp_path / "a.fits", primary=primary)])
    assert source.info.id == ExposureId(instrument, visit, 3, "r")
    assert any(note.startswith("Visit ") for note in source.read().notes)


def test_a_repository_can_refer_to_an_exposure(tmp_path):
    exposure = write_exposure(tmp_path / "a.fits")
    (source,) = open_exposures([exposure, write_summary(tmp_path / "s.fits")])
    again = source_from_json(source_to_json(source), path="x")
    assert again.recipe == source.recipe
    assert again.info.id == source.info.id
    np.testing.assert_array_equal(again.read().pixels.image.array, source.read().pixels.image.array)


# Visit summaries beside exposures.


def write_summary(path, visit=7, detectors=(3, 4), **columns):
    writer = ArchiveWriter(path)
    writer.add("GaussianPsf", gaussian())
    count = len(detectors)
    values = rows(count) | {"id": np.array(detectors, dtype=np.int64)}
    values |= {"visit": np.full(count, visit, dtype=np.int64)} | columns
    writer.units = [catalog_hdu(values)]
    return writer.write()


def test_a_visit_summary_beside_exposures_has_the_numbers_for_selection(tmp_path):
    first = write_exposure(tmp_path / "a.fits")
    second = write_exposure(tmp_path / "b.fits", detector=4)
    third = write_exposure(tmp_path / "c.fits", visit=8)
    size = {"psfStarDeltaSizeScatter": np.array([0.01, 0.5]), "nPsfStar": np.array([50, 60], dtype=np.int32)}
    summary = write_summary(tmp_path / "summary.fits", **size)
    sources = open_exposures([third, second, first, summary]).sources
    assert [source.info.quality.get("psf_size_scatter") for source in sources] == [0.01, 0.5, None]
    assert [summary in source.files for source in sources] == [True, True, False]
    check_exposure_source(sources[0])
    assert any(f"Numbers for selection from {summary}" in note for note in sources[0].read().notes)
    infos = [source.info for source in sources]
    chosen = select_exposures(infos, footprint_polygon(infos[0]), SelectControl(max_size_scatter=0.1))
    assert [info.id.detector for info in chosen.kept] == [3, 3]
    assert [rejection.code for rejection in chosen.rejected] == ["psf_size_scatter"]
    # Without it, nothing is known.
    assert open_exposures([first]).sources[0].info.quality == {}


def test_a_real_summary_gives_its_numbers_to_the_exposure_of_its_visit(afw_files):
    path = afw_files / "jointcal_cfht_calexp-849375-12.fits.fz"
    (alone,) = open_exposures([path])
    (both,) = open_exposures([path, afw_files / "visitSummary-849375.fits"])
    assert both.info.psf_fwhm == pytest.approx(alone.info.psf_fwhm, rel=1e-4)
    assert set(alone.info.quality) <= set(both.info.quality)


def test_a_summary_that_is_damaged_is_an_error_that_names_it(tmp_path):
    exposure, summary = (
        write_exposure(tmp_path / "a.fits"),
        write_summary(tmp_path / "s.fits", detectors=(3, 3)),
    )
    with pytest.raises(InputError, match=r"s\.fits, id: found detectors that come twice"):
        open_exposures([exposure, summary])


def test_a_summary_serves_exposures_of_other_formats_from_python(tmp_path):
    exposure = write_exposure(tmp_path / "a.fits")
    table = tmp_path / "exposures.csv"
    columns = "file,band,visit,detector,image_hdu,variance_hdu,mask_hdu,zero_point,psf_fwhm,instrument,unit"
    table.write_text(f"{columns}\n{exposure},r,7,3,1,3,2,30.0,0.9,HSC,\n")
    (source,) = open_exposures([table])
    assert (source.info.format, source.info.quality) == ("table", {})
    size = {"psfStarDeltaSizeScatter": np.array([0.01, 0.5]), "nPsfStar": np.array([50, 60], dtype=np.int32)}
    row = VisitSummary.read(write_summary(tmp_path / "s.fits", **size)).find(7, 3)
    info = merge_summary(source.info, row)
    assert (info.quality["psf_size_scatter"], info.quality["psf_stars"]) == (0.01, 50.0)
    assert (info.id, info.path, info.projection) == (source.info.id, source.info.path, source.info.projection)
    region = footprint_polygon(info)
    for limit, kept in ((0.02, [info]), (0.005, [])):
        assert select_exposures([info], region, SelectControl(max_size_scatter=limit)).kept == tuple(kept)


def test_other_catalogues_are_left_alone(tmp_path, afw_files):
    exposure = write_exposure(tmp_path / "a.fits")
    inputs = open_exposures([exposure, afw_files / "afw_version-1-ExposureCatalog.fits"])
    assert len(inputs) == 1

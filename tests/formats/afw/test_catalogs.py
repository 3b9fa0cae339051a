import warnings

import numpy as np
import pytest
from astropy.io import fits
from lsst.images import Box
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.errors import InputError, MissingPartError, UnreadableFileError
from lamella.formats.afw.catalogs import CoaddInputs, ExposureCatalog, read_coadd_inputs
from lamella.formats.afw.exposure import AfwFile
from lamella.formats.afw.fields import evaluate

from .conftest import columns_of
from .test_psf import gaussian

COADD = "pipe_tasks_testCoaddInputs_coadd_v1.fits"


def catalog_hdu(values, *, kind="EXPOSURE", version=5):
    hdu = fits.BinTableHDU.from_columns(columns_of(values, {}))
    hdu.header.update({"AFW_TYPE": kind, "HIERARCH EXPTABLE_VER": version})
    return hdu


def rows(count=2, **more):
    integers = {"wcs": 0, "psf": 0, "photoCalib": 0, "bbox_min_x": 0, "bbox_min_y": 0}
    sizes = {"bbox_max_x": 19, "bbox_max_y": 9}
    table = {name: np.full(count, value, dtype=np.int32) for name, value in (integers | sizes).items()}
    return table | {"id": np.arange(count, dtype=np.int64)} | more


# Inputs of coadds.


def test_the_inputs_of_a_coadd(afw_files):
    inputs = read_coadd_inputs(AfwFile(afw_files / COADD))
    assert isinstance(inputs, CoaddInputs)
    assert (len(inputs.visits), len(inputs.detectors)) == (3, 3)
    assert inputs.detectors.column("visit").tolist() == [0, 1, 2]
    assert inputs.detectors.column("ccd").tolist() == [0, 1, 2]
    assert "ccd" not in inputs.visits.names
    box = Box.factory[100:110, 100:110]
    for catalog in (inputs.visits, inputs.detectors):
        for number, entry in enumerate(catalog):
            assert (entry.id, entry.bbox) == (number, box)
            assert entry.row.number("weight") == pytest.approx(1.0 / 3.0)
            assert entry.numbers()["goodpix"] == 100.0
            assert entry.psf == GaussianPointSpreadFunction(2.5, box, 5) or entry.psf.bounds == box
            assert (entry.polygon.area, entry.visit_info, entry.detector) == (100.0, None, None)


def test_the_objects_of_the_inputs_of_a_coadd(afw_files):
    file = AfwFile(afw_files / COADD)
    entry = read_coadd_inputs(file).detectors[1]
    here, there = (
        projection.pixel_to_sky(x=104.0, y=103.0) for projection in (entry.projection, file.projection)
    )
    assert here.separation(there).deg < 1.0
    # The old Calib, a flux of zero magnitude, comes out in nJy.
    assert entry.photo_calib.error / entry.photo_calib.mean == pytest.approx(0.02, rel=1e-3)
    fields = entry.aperture_corrections
    assert sorted(fields) == ["a", "b", "c"]
    values = [evaluate(field, np.array([104.0]), np.array([104.0])) for field in fields.values()]
    assert np.isfinite(values).all()


@pytest.mark.parametrize("name", ["obs_base_small_v0coaddinputs.fits", "obs_base_calexp_hsc.fits"])
def test_inputs_that_are_empty(afw_files, name):
    inputs = read_coadd_inputs(AfwFile(afw_files / name))
    assert (list(inputs.visits), list(inputs.detectors)) == ([], [])
    assert "validPolygon" in inputs.visits.names


def test_an_exposure_has_no_inputs(afw_files):
    assert read_coadd_inputs(AfwFile(afw_files / "afw_exposure-version-2.fits")) is None


def test_coadd_inputs_need_two_tables(writer):
    writer.add("CoaddInputs", rows())
    with pytest.raises(InputError, match=r"object 1 \(CoaddInputs\): found 1 tables; expected at least 2"):
        writer.archive().get(1)


# Catalogues that stand alone.


def test_the_first_version_of_the_catalogue(afw_files):
    catalog = ExposureCatalog.read(afw_files / "afw_version-1-ExposureCatalog.fits")
    (entry,) = catalog
    assert (len(catalog), entry.id, entry.bbox) == (1, 0, None)
    assert (entry.projection, entry.psf, entry.photo_calib, entry.polygon) == (None, None, None, None)
    assert (entry.visit_info, entry.detector) == (None, None)
    fields = entry.aperture_corrections
    assert sorted(fields) == ["a", "b", "c"]
    assert all(field.bounds == Box.factory[-5:6, -5:6] for field in fields.values())


def test_objects_are_read_when_they_are_asked_for(writer):
    unknown = writer.add("NewPsf", {"a": np.array([1.0])}, module="lsst.new")
    gaussian_id = writer.add("GaussianPsf", gaussian(2.0))
    writer.units = [catalog_hdu(rows(psf=np.array([unknown, gaussian_id], dtype=np.int32)))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = ExposureCatalog.read(writer.write())
        assert (first.id, first.bbox) == (0, Box.factory[0:10, 0:20])
        assert second.psf == GaussianPointSpreadFunction(2.0, Box.factory[0:10, 0:20], 15)
    with (
        pytest.warns(UserWarning, match="NewPsf of lsst.new"),
        pytest.raises(MissingPartError, match=r"NewPsf of lsst\.new; expected a PointSpreadFunction"),
    ):
        _ = first.psf


def test_numbers_are_those_of_single_values(writer):
    writer.units = [
        catalog_hdu(rows(size=np.array([1.5, np.nan]), band=np.array(["r", "r"]), corners=np.zeros((2, 4))))
    ]
    writer.add("GaussianPsf", gaussian())
    first, second = ExposureCatalog.read(writer.write())
    assert first.numbers() == {"id": 0.0, "size": 1.5}
    assert np.isnan(second.numbers()["size"])


def test_a_newer_version_is_noted(writer):
    writer.add("GaussianPsf", gaussian())
    writer.units = [catalog_hdu(rows(), version=6)]
    catalog = ExposureCatalog.read(writer.write())
    assert [entry.id for entry in catalog] == [0, 1]
    assert any("version 6 of the catalogue" in note for note in catalog.archive.notes)


def test_a_catalogue_without_an_archive(tmp_path):
    path = tmp_path / "a.fits"
    values = rows(psf=np.array([0, 3], dtype=np.int32))
    fits.HDUList([fits.PrimaryHDU(), catalog_hdu(values)]).writeto(path)
    first, second = ExposureCatalog.read(path)
    assert first.psf is None
    with pytest.raises(MissingPartError, match=r"HDU 1, psf: found no archive index; expected object 3"):
        _ = second.psf


def test_other_files_are_refused(tmp_path, afw_files):
    with pytest.raises(UnreadableFileError):
        ExposureCatalog.read(tmp_path / "absent.fits")
    with pytest.raises(MissingPartError, match="no table"):
        ExposureCatalog.read(afw_files / "afw_exposure-version-2.fits")
    with pytest.raises(InputError, match="AFW_TYPE"):
        ExposureCatalog.read(afw_files / "afw_CompoundFieldConversion.fits")
    path = tmp_path / "sources.fits"
    fits.HDUList([fits.PrimaryHDU(), catalog_hdu(rows(), kind="SOURCE")]).writeto(path)
    with pytest.raises(InputError, match="AFW_TYPE 'SOURCE'"):
        ExposureCatalog.read(path)


def test_a_row_that_does_not_exist(afw_files):
    catalog = ExposureCatalog.read(afw_files / "visitSummary-849375.fits")
    with pytest.raises(InputError, match="row 1"):
        _ = catalog[1]

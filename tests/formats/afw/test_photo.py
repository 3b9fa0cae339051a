import astropy.units as u
import numpy as np
import pytest
from lsst.images.fields import ChebyshevField

from lamella.errors import InputError, UnitError
from lamella.fits.hdus import Container
from lamella.fits.tables import Table
from lamella.formats.afw.afw_archive import Archive
from lamella.formats.afw.exposure import AfwFile
from lamella.formats.afw.photo import FLUX_AT_ZERO_MAG, PhotoCalib, photo_calib_from_header


def calibration(mean, error, constant, field, **more):
    return {
        "flags": {"isConstant": [constant]},
        "calibrationMean": np.array([mean]),
        "calibrationErr": np.array([error]),
        "field": np.array([field], dtype=np.int32),
        **{key: np.array([value], dtype=np.int32) for key, value in {"version": 1, **more}.items()},
    }


def sloped_field(level=2.0):
    box = {"order_x": 1, "bbox_min_x": 0, "bbox_min_y": 0, "bbox_max_x": 99, "bbox_max_y": 49}
    table = {key: np.array([value], dtype=np.int32) for key, value in box.items()}
    return table | {"coefficients": np.array([[level, 0.5]])}


def test_the_zero_of_ab_magnitudes():
    ab_zero = (0.0 * u.ABmag).to_value(u.nJy)
    assert pytest.approx(ab_zero, rel=1e-12) == FLUX_AT_ZERO_MAG
    # 1 count is 1000 nJy; 575.44 nJy are of magnitude 24.5.
    assert PhotoCalib(1000.0, 0.0).zero_point == pytest.approx(23.9, abs=1e-4)
    assert PhotoCalib(575.44, 0.0).zero_point == pytest.approx(24.5, abs=1e-5)


@pytest.mark.parametrize("visit", [1176, 36434])
def test_calibrations_are_those_of_the_columns_of_the_visit_summary(afw_files, visit):
    container = Container(afw_files / f"drp_tasks_visitSummary_{visit}.fits.gz")
    archive = Archive(container)
    rows = Table(container.unit(1)).rows()
    zero_points = [archive.require(row.integer("photoCalib"), PhotoCalib).zero_point for row in rows]
    column = rows.column("zeroPoint")
    assert len(zero_points) == 103
    # The column is in single precision: half a unit in its last place.
    np.testing.assert_allclose(zero_points, column, rtol=0, atol=0.5 * np.spacing(np.float32(column.max())))
    assert np.ptp(column) > 0.01


def test_a_calibration_of_one_number_is_a_number(afw_files):
    calib = Archive(Container(afw_files / "afw_photoCalib-version1.fits")).get(1)
    assert calib == PhotoCalib(123.0, 45.0)
    assert calib.to_njy == 123.0
    assert calib.at(np.array([1.0, 2.0]), np.array([0.0, 0.0])).tolist() == [123.0, 123.0]


@pytest.mark.parametrize("name", ["noversion", "version0"])
def test_the_first_version_is_refused_because_it_is_in_maggies(afw_files, name):
    archive = Archive(Container(afw_files / f"afw_photoCalib-{name}.fits"))
    with pytest.raises(UnitError, match=r"object 1 \(PhotoCalib\): found version 0, which is in maggies"):
        archive.get(1)


def test_a_calibration_that_varies_is_its_field(writer):
    writer.add("ChebyshevBoundedField", sloped_field())
    writer.add("PhotoCalib", calibration(2.0, 0.1, False, 1))
    calib = writer.archive().get(2)
    assert isinstance(calib.to_njy, ChebyshevField)
    assert calib.at(np.array([-0.5, 49.5, 99.5]), np.zeros(3)) == pytest.approx([1.5, 2.0, 2.5])
    assert (calib.mean, calib.error) == (2.0, 0.1)


@pytest.mark.parametrize(
    ("mean", "constant", "field", "message"),
    [
        (0.0, True, 0, "a mean of 0"),
        (np.nan, True, 0, "a mean of nan"),
        (-3.0, True, 0, "a mean of -3"),
        (2.0, False, 0, "found a NoneType"),
        (200.0, False, 1, "0.01 of its mean"),
        (2.0, False, 7, "object 7"),
    ],
)
def test_calibrations_without_sense_are_refused(writer, mean, constant, field, message):
    writer.add("ChebyshevBoundedField", sloped_field())
    writer.add("PhotoCalib", calibration(mean, 0.1, constant, field))
    with pytest.raises(InputError, match=message):
        writer.archive().get(2)


def test_the_calib_of_old_files(writer):
    for flux, error in ((1e10, 1e7), (0.0, 0.0), (-5.0, 1.0)):
        writer.add("Calib", {"fluxmag0": np.array([flux]), "fluxmag0.err": np.array([error])})
    archive = writer.archive()
    calib = archive.get(1)
    assert calib.mean == pytest.approx(363.07805, rel=1e-6)
    assert calib.zero_point == pytest.approx(25.0, abs=1e-12)
    assert calib.error / calib.mean == pytest.approx(1e-3)
    assert archive.get(2) is None
    with pytest.raises(InputError, match="flux of zero magnitude of -5"):
        archive.get(3)


def test_the_flux_of_zero_magnitude_in_a_header():
    calib = photo_calib_from_header({"FLUXMAG0": 63095734448.0194, "FLUXMAG0ERR": 0.0}, "x.fits")
    # A coadd of zero point 27: one count is 57.544 nJy.
    assert calib.mean == pytest.approx(57.544, abs=5e-4)
    assert photo_calib_from_header({}, "x.fits") is None
    assert photo_calib_from_header({"FLUXMAG0": 0.0}, "x.fits") is None
    for wrong in (-1.0, "NaN", "much"):
        with pytest.raises(InputError, match="FLUXMAG0"):
            photo_calib_from_header({"FLUXMAG0": wrong}, "x.fits")


def test_layouts_of_exposures_from_flux_of_zero_magnitude_to_photo_calib(afw_files):
    """All hold 1e6 +- 2e4: the old ones as a flux of zero magnitude, the others in nJy."""
    for name in ("noversion", "version-0"):
        calib = AfwFile(afw_files / f"afw_exposure-{name}.fits").photo_calib
        assert calib.mean == pytest.approx(FLUX_AT_ZERO_MAG / 1e6)
        assert calib.error / calib.mean == pytest.approx(0.02)
    for name in ("version-1", "version-2"):
        assert AfwFile(afw_files / f"afw_exposure-{name}.fits").photo_calib == PhotoCalib(1e6, 2e4)

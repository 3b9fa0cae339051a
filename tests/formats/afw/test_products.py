import numpy as np
import pytest
from lsst.images import Box, Polygon

from lamella import PatchCoadd, Warp, read_product, write_archive
from lamella.data.detector import DetectorInput
from lamella.data.exposure import ExposureId
from lamella.data.photometry import njy_per_count
from lamella.errors import InputError, InvalidPsfError, MissingPartError
from lamella.formats.afw.coverage import count_visits
from lamella.formats.afw.products import is_afw_product, read_afw_product
from lamella.formats.archive.products import is_product
from lamella.formats.pixels import gaussian_psf
from lamella.psf.gridded import GriddedPsf

from .exposures import CARDS, SHAPE, SIGMA, ZERO_POINT, pixels, sky_of, write_exposure
from .test_psf import gaussian
from .test_psf_coadd import add_wcs, inputs, settings

BOX = Box.from_shape(SHAPE)
SCALE = njy_per_count(ZERO_POINT)


def add_inputs(*, visits=(7, 8), weights=(0.5, 0.25), links=True):
    """Return a function that adds CoaddInputs of one detector per visit."""

    def add(writer):
        wcs, psf = (add_wcs(writer, CARDS), writer.add("GaussianPsf", gaussian(SIGMA))) if links else (0, 0)
        count = len(visits)
        here = inputs([wcs] * count, [psf] * count, (0,) * count, weight=np.array(weights))
        box = {"bbox_max_x": SHAPE[1] - 1, "bbox_max_y": SHAPE[0] - 1}
        here |= {name: np.full(count, value, dtype=np.int32) for name, value in box.items()}
        names = {"ccd": 3, "goodpix": 100}
        detectors = here | {name: np.full(count, value, dtype=np.int32) for name, value in names.items()}
        detectors |= {"visit": np.array(visits, dtype=np.int64)}
        return writer.add("CoaddInputs", here | {"id": np.array(visits, dtype=np.int64)}, detectors)

    return add


def add_coadd_psf(writer):
    wcs, psf = add_wcs(writer, CARDS), writer.add("GaussianPsf", gaussian(SIGMA))
    box = {"bbox_max_x": np.full(2, SHAPE[1] - 1, np.int32), "bbox_max_y": np.full(2, SHAPE[0] - 1, np.int32)}
    return writer.add("CoaddPsf", settings(wcs), inputs([wcs] * 2, [psf] * 2) | box)


def write_coadd(path, *, links=True, **changes):
    parts = {"COADD_INPUTS": add_inputs(links=links), "PSF": add_coadd_psf}
    return write_exposure(path, add=parts, **changes)


def test_a_coadd(tmp_path):
    path = write_coadd(tmp_path / "coadd.fits")
    assert is_product(path)
    coadd = read_product(path)
    assert isinstance(coadd, PatchCoadd)
    assert (coadd.band, coadd.skymap, coadd.tract, coadd.bbox) == ("r", "none", 0, BOX)
    assert [detector.id for detector in coadd.detectors] == [ExposureId("HSC", n, 3, "r") for n in (7, 8)]
    assert [(detector.weight, detector.good_pixels) for detector in coadd.detectors] == [
        (0.5, 100),
        (0.25, 100),
    ]
    planes = pixels(7)
    np.testing.assert_allclose(coadd.image.array, planes["IMAGE"] * SCALE, rtol=1e-6)
    missing = np.isnan(planes["IMAGE"])
    np.testing.assert_array_equal(np.isposinf(coadd.variance.array), missing)
    np.testing.assert_allclose(coadd.variance.array[~missing], 9.0 * SCALE**2, rtol=1e-6)
    np.testing.assert_array_equal(coadd.mask.get("NO_DATA"), missing)
    np.testing.assert_array_equal(coadd.exposure_count.array, np.where(missing, 0, 2))
    assert coadd.matched_psf is None
    star = coadd.psf.compute_kernel_image(x=30.0, y=25.0).array
    assert star.sum() == pytest.approx(1.0, abs=1e-9)
    assert any("outlines of the inputs" in note for note in coadd.notes)


def test_a_coadd_goes_into_an_archive_of_lamella(tmp_path):
    coadd = read_product(write_coadd(tmp_path / "coadd.fits"))
    write_archive(coadd, str(tmp_path / "ours.fits"))
    again = read_product(tmp_path / "ours.fits")
    np.testing.assert_array_equal(again.image.array, coadd.image.array)
    assert [detector.id for detector in again.detectors] == [detector.id for detector in coadd.detectors]


def test_a_box_of_a_coadd(tmp_path):
    path, box = write_coadd(tmp_path / "coadd.fits"), Box.factory[10:20, 5:30]
    cutout = read_product(path, bbox=box)
    assert cutout.bbox == box
    np.testing.assert_array_equal(cutout.image.array, read_product(path)[box].image.array)


def test_links_that_the_catalogue_lacks_are_those_of_the_psf(tmp_path):
    coadd = read_product(write_coadd(tmp_path / "coadd.fits", links=False))
    assert len(coadd.detectors) == 2
    assert coadd.detectors[0].psf.sigma == SIGMA


def test_a_warp_is_a_product_of_one_visit_of_weight_one(tmp_path):
    parts = {"COADD_INPUTS": add_inputs(visits=(7,), weights=(1.0,))}
    warp = read_product(write_exposure(tmp_path / "warp.fits", add=parts))
    assert isinstance(warp, Warp)
    assert (warp.instrument, warp.visit, warp.band) == ("HSC", 7, "r")
    # A plain model beside the inputs is one that pixels were matched to.
    assert warp.matched_psf.sigma == SIGMA
    assert "Zero point 30.0000" in warp.metadata["notes"]
    other = {"COADD_INPUTS": add_inputs(visits=(7,), weights=(0.5,))}
    assert isinstance(read_product(write_exposure(tmp_path / "coadd.fits", add=other)), PatchCoadd)


def test_inputs_without_links_leave_the_psf_of_the_file(tmp_path):
    parts = {"COADD_INPUTS": add_inputs(links=False)}
    coadd = read_product(write_exposure(tmp_path / "a.fits", add=parts))
    assert coadd.detectors == ()
    assert coadd.psf.sigma == SIGMA
    assert "2 of 2 inputs have no PSF or no projection." in coadd.notes
    bare = read_product(write_exposure(tmp_path / "b.fits", add=parts, leave_out=("PSF",)))
    assert any(note.startswith("There is no PSF") for note in bare.notes)
    with pytest.raises(InvalidPsfError):
        _ = bare.psf


def test_the_psf_of_a_coadd_with_few_links_is_sampled(tmp_path):
    def add(writer):
        # The inputs have numbers that the PSF does not know.
        return add_inputs(visits=(7, 8, 9), weights=(1.0, 1.0, 1.0), links=False)(writer)

    path = write_exposure(tmp_path / "a.fits", add={"COADD_INPUTS": add, "PSF": add_coadd_psf})
    coadd = read_product(path)
    assert len(coadd.detectors) == 2
    assert isinstance(coadd.matched_psf, GriddedPsf)


def test_what_is_no_product_is_refused(tmp_path, afw_files):
    calexp = write_exposure(tmp_path / "a.fits")
    assert not is_product(calexp)
    assert not is_afw_product(afw_files / "obs_base_calexp_hsc.fits")
    with pytest.raises(MissingPartError, match="COADD_INPUTS: found no inputs"):
        read_product(calexp)
    old = afw_files / "pipe_tasks_testCoaddInputs_coadd_v1.fits"
    assert is_product(old)
    with pytest.raises(MissingPartError, match="filter: found filter '_unknown_'"):
        read_product(old)
    with pytest.raises(MissingPartError, match="PHOTOCALIB: found no photometric calibration"):
        read_afw_product(write_coadd(tmp_path / "b.fits", leave_out=("PHOTOCALIB",)))
    planes = pixels(1)
    planes["VARIANCE"][:] = 0
    with pytest.raises(InputError, match="no pixel with a value and a variance"):
        read_afw_product(write_coadd(tmp_path / "c.fits", planes=planes))


def test_visits_are_counted_within_outlines():
    sky = sky_of(CARDS)

    def detector(visit, number, polygon=None):
        id = ExposureId("X", visit, number)
        psf = gaussian_psf(4.0, BOX)
        return DetectorInput(id=id, band="r", bbox=BOX, projection=sky, psf=psf, polygon=polygon)

    triangle = Polygon(x_vertices=[0.0, 40.0, 0.0], y_vertices=[0.0, 0.0, 40.0])
    counts = count_visits([detector(1, 1), detector(1, 2), detector(2, 1, triangle)], sky, BOX)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    sure_in, sure_out = (x >= 1) & (y >= 1) & (x + y < 39), x + y > 41
    assert (counts[sure_in] == 2).all()
    assert (counts[sure_out] == 1).all()
    wider = count_visits([detector(1, 1)], sky, Box.factory[-5:60, -7:70])
    assert wider.sum() == BOX.area

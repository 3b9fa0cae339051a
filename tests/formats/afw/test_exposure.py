import numpy as np
import pytest
from lsst.images import Box

from lamella.errors import InputError, MissingPartError, ProjectionError, UnknownFormatError
from lamella.formats.afw.exposure import AfwFile
from lamella.formats.afw.info import FilterLabel

from .exposures import CARDS, SHAPE, write_exposure

IMAGES = {
    "afw_exposure-noversion.fits": (0, 0, 10, 10),
    "afw_exposure-version-0.fits": (0, 0, 10, 10),
    "afw_exposure-version-1.fits": (0, 0, 10, 10),
    "afw_exposure-version-2.fits": (0, 0, 10, 10),
    "obs_base_calexp_hsc.fits": (0, 0, 64, 32),
    "obs_base_small_v0coaddinputs.fits": (0, 0, 16, 16),
    "pipe_tasks_testCoaddInputs_coadd_v1.fits": (100, 100, 10, 10),
    "meas_modelfit_calexp_pcapsf.fits": (1868, 2100, 101, 101),
    "jointcal_cfht_calexp-849375-12.fits.fz": (0, 0, 2048, 4612),
}


@pytest.mark.parametrize("name", IMAGES)
def test_exposures_of_every_layout_open_with_all_components(afw_files, name):
    file = AfwFile(afw_files / name)
    x0, y0, width, height = IMAGES[name]
    assert file.bbox == Box.factory[y0 : y0 + height, x0 : x0 + width]
    corner = Box.factory[y0 + 3 : y0 + 7, x0 + 2 : x0 + 9]
    cutout = file.read(corner)
    assert cutout.bbox == corner
    assert cutout.variance.array.min() >= 0
    sky = file.projection.pixel_to_sky(x=x0, y=y0)
    assert np.isfinite([sky.ra.deg, sky.dec.deg]).all()
    for component in ("photo_calib", "detector", "valid_polygon", "summary"):
        getattr(file, component)
    assert file.unit is None
    assert isinstance(file.filter, FilterLabel)
    if width < 1000:
        np.testing.assert_array_equal(file.read()[corner].image.array, cutout.image.array)


def test_names_of_filters_by_layout(afw_files):
    names = {name: AfwFile(afw_files / name).filter for name in IMAGES}
    assert names["afw_exposure-version-0.fits"] == FilterLabel("", "ha")
    assert names["afw_exposure-version-2.fits"] == FilterLabel("N656", "ha")
    assert names["jointcal_cfht_calexp-849375-12.fits.fz"] == FilterLabel("r", "r.MP9601")
    assert names["obs_base_calexp_hsc.fits"].physical == "HSC-I"


def test_planes_of_an_hsc_calexp(afw_files):
    mask = AfwFile(afw_files / "obs_base_calexp_hsc.fits").read().mask
    assert {"CROSSTALK", "NOT_DEBLENDED", "UNMASKED_NAN", "BRIGHT_OBJECT"} <= set(mask.schema.names)
    assert mask.get("DETECTION_EDGE").mean() > 0.1
    assert mask.get("INTERPOLATED").any()
    assert not mask.get("STREAK").any()


def test_the_header_is_the_fallback_of_the_projection(afw_files, tmp_path):
    path = afw_files / "afw_exposure-version-2.fits"
    data = path.read_bytes()
    for card in (b"HIERARCH SKYWCS_ID =         1", b"HIERARCH ARCHIVE_ID_SKYWCS = 1"):
        assert card in data
        data = data.replace(card, card[:-1] + b"0")
    copy = tmp_path / "no_wcs.fits"
    copy.write_bytes(data)
    file, original = AfwFile(copy), AfwFile(path)
    x, y = np.arange(10.0), np.arange(10.0)
    there = original.projection.pixel_to_sky(x=x, y=y)
    assert file.projection.pixel_to_sky(x=x, y=y).separation(there).to_value("mas").max() < 1e-3
    copy.write_bytes(data.replace(b"RA---TAN", b"        "))
    with pytest.raises(ProjectionError, match="CTYPE"):
        _ = AfwFile(copy).projection


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (b"ARCHIVE_ID_SKYWCS = 1 ", b"ARCHIVE_ID_SKYWCS = 77", MissingPartError),
        (b"ARCHIVE_ID_SKYWCS = 1", b"ARCHIVE_ID_SKYWCS = 2", InputError),
        (b"ARCHIVE_ID_SKYWCS = 1", b"ARCHIVE_ID_SKYWCS = T", InputError),
        (b"EXPINFO_V =         2", b"EXPINFO_V =         3", UnknownFormatError),
    ],
)
def test_references_that_lead_nowhere_and_newer_layouts(afw_files, tmp_path, old, new, kind):
    data = (afw_files / "afw_exposure-version-2.fits").read_bytes()
    assert old in data
    copy = tmp_path / "copy.fits"
    copy.write_bytes(data.replace(old, new))
    file = AfwFile(copy)
    with pytest.raises(kind):
        _ = file.projection
    # The pixels can be read all the same.
    assert file.read().image.array.shape == (10, 10)


def test_damage_of_one_component_leaves_the_others(afw_files, tmp_path):
    data = (afw_files / "afw_exposure-version-2.fits").read_bytes()
    offset = data.find(b"1 SkyWcs 0")
    copy = tmp_path / "copy.fits"
    copy.write_bytes(data[:offset] + b"9 SkyWcs 0" + data[offset + 10 :])
    file = AfwFile(copy)
    with pytest.raises(InputError, match=r"object 1 \(SkyWcs\)"):
        _ = file.projection
    assert file.photo_calib.mean == 1e6


def test_metadata_before_inherit_are_those_of_the_image(afw_files, tmp_path):
    data = (afw_files / "afw_exposure-version-0.fits").read_bytes()
    assert AfwFile(afw_files / "afw_exposure-version-0.fits").metadata["EXPID"] == 12345
    old = tmp_path / "old.fits"
    old.write_bytes(data.replace(b"INHERIT =                    T", b"INHERIT =                    F"))
    assert "EXPID" not in AfwFile(old).metadata
    assert AfwFile(old).metadata["CRVAL1"] == 30.0


def test_an_image_that_is_not_on_the_sky_is_refused(tmp_path):
    """AST has a number for such positions, on which astropy would fail later."""
    # Half of the sky is within 57 degrees of the middle of this projection.
    half = {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CD1_1": 1.0, "CD2_2": 1.0, "CRPIX1": 500.0}
    path = write_exposure(tmp_path / "a.fits", leave_out=("SKYWCS",), cards=CARDS | half)
    with pytest.raises(ProjectionError, match="a centre of the image that is not on the sky"):
        _ = AfwFile(path).projection
    assert AfwFile(path).read().bbox.shape == SHAPE

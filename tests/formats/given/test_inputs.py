"""Values of Python as inputs: each has the exposures of its file, or one error that names it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import (
    CCDData,
    InverseVariance,
    NDData,
    StdDevUncertainty,
    UnknownUncertainty,
    VarianceUncertainty,
)
from astropy.wcs import WCS
from lsst.images import Box

import lamella
from lamella.data.exposure import Exposure, ExposureSource
from lamella.errors import (
    ConfigError,
    InputError,
    LamellaError,
    MaskPlaneError,
    NoInputsError,
    PixelTypeError,
    ProjectionError,
    ShapeError,
    UnitError,
    UnknownFormatError,
    WrongTypeError,
)
from lamella.formats.given.folder import GivenFolder
from lamella.formats.given.inputs import open_inputs
from lamella.planes import Layout
from lamella.psf.gridded import GriddedPsf

from ...plainfields import PlainField
from ...starfields import draw_stars

SHAPE = (90, 110)
FIELD = PlainField(5)


@functools.cache
def picture(seed: int = 0) -> np.ndarray:
    """An image of a few stars: its noise is 10, its sky 400."""
    rng = np.random.default_rng(seed)
    x, y = np.array([20.3, 60.1, 85.4, 40.2]), np.array([30.2, 70.5, 20.6, 55.5])
    light = draw_stars(SHAPE, x, y, np.array([2e4, 3e4, 1e4, 4e4]), fwhm=2.5)
    image = (400.0 + light + rng.normal(size=SHAPE) * 10.0).astype(np.float32)
    image.setflags(write=False)
    return image


def wcs(axes: int = 2) -> WCS:
    plane = WCS(naxis=axes)
    plane.wcs.ctype = ["RA---TAN", "DEC--TAN", "FREQ"][:axes]
    plane.wcs.crval = [150.1, 2.2, 1e9][:axes]
    plane.wcs.crpix = [55.0, 45.0, 1.0][:axes]
    plane.wcs.cdelt = [-1e-4, 1e-4, 1e6][:axes]
    plane.wcs.set()
    return plane


def opened(*inputs: Any) -> tuple[ExposureSource, ...]:
    with GivenFolder() as folder:
        sources = open_inputs(list(inputs), folder).sources
        for source in sources:
            _ = source.info
    return sources


def read(*inputs: Any) -> Exposure:
    with GivenFolder() as folder:
        (source,) = open_inputs(list(inputs), folder).sources
        return source.read()


def of_file(path: Path, hdus: fits.HDUList) -> Exposure:
    """What the reader makes of a file."""
    hdus.writeto(path)
    (source,) = lamella.open_exposures([path])
    return source.read()


def assert_same_pixels(found: Exposure, expected: Exposure) -> None:
    for name in ("image", "variance", "mask"):
        mine, theirs = (getattr(exposure.pixels, name).array for exposure in (found, expected))
        assert np.array_equal(mine, theirs, equal_nan=name != "mask"), name
    assert found.to_njy == expected.to_njy


def plain(image: np.ndarray | None = None, **cards: Any) -> fits.HDUList:
    header = wcs().to_header()
    header.update(cards)
    return fits.HDUList([fits.PrimaryHDU(picture() if image is None else image, header)])


def ccd(uncertainty: Any = None, **more: Any) -> CCDData:
    return CCDData(picture(), uncertainty=uncertainty, unit="adu", wcs=wcs(), meta={"FILTER": "R"}, **more)


ARRAYS: dict[str, Callable[[np.ndarray], Any]] = {
    "float64": lambda image: image.astype(np.float64),
    "big endian": lambda image: image.astype(">f4"),
    "Fortran order": np.asfortranarray,
    "strided": lambda image: np.repeat(image, 2, axis=1)[:, ::2],
    "masked, nothing masked": np.ma.array,
    "read only": lambda image: image,
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_any_memory_are_read_as_their_file(kind: str, tmp_path: Path) -> None:
    found = read((ARRAYS[kind](picture()), wcs()))
    assert_same_pixels(found, of_file(tmp_path / "a.fits", plain()))
    assert found.info.path == "inputs[0]"


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint8])
def test_whole_numbers_are_read_as_their_file(kind: type, tmp_path: Path) -> None:
    image = np.clip(picture() / (4 if kind == np.uint8 else 1), 0, 250 if kind == np.uint8 else 30000)
    image = image.astype(kind)
    assert_same_pixels(read((image, wcs())), of_file(tmp_path / "a.fits", plain(image)))


def test_masked_elements_are_no_measurements() -> None:
    masked = np.ma.array(picture().astype(np.int32), mask=False)
    masked[10:20, 30:50] = np.ma.masked
    exposure = read((masked, wcs()))
    assert np.isnan(exposure.pixels.image.array[10:20, 30:50]).all()
    assert np.isfinite(exposure.pixels.image.array[25:, 60:]).all()


def test_a_variance_that_is_given_is_taken() -> None:
    rng = np.random.default_rng(2)
    variance = rng.uniform(90.0, 110.0, SHAPE)
    variance[5, 7] = np.nan
    exposure = read((picture(), wcs(), variance))
    expected = np.where(np.isnan(variance), np.inf, variance).astype(np.float32)
    assert np.array_equal(exposure.pixels.variance.array, expected)
    number = read((picture(), wcs(), 25.0))
    assert (number.pixels.variance.array[20:40] == 25.0).all()


def test_what_is_not_given_is_measured_and_told() -> None:
    (source,) = opened((picture(), wcs()))
    told = {name: origin.kind for name, origin in source.info.origins.items()}
    assert told["noise"] == told["PSF"] == "measured"
    assert told["visit"] == "assumed"
    given = read((picture(), wcs(), 100.0)).info.origins["noise"]
    assert (given.kind, given.how) == ("description", "given in Python")


@pytest.mark.parametrize(
    ("kind", "power"), [(StdDevUncertainty, 1), (VarianceUncertainty, 2), (InverseVariance, -2)]
)
@pytest.mark.parametrize("factor", [None, 10.0])
def test_images_of_nddata_are_read_as_their_file(
    kind: type, power: int, factor: float | None, tmp_path: Path
) -> None:
    noise = np.random.default_rng(3).uniform(9.0, 11.0, SHAPE)
    mask = np.zeros(SHAPE, bool)
    mask[40:50, 60:65] = True
    data = ccd(kind(noise**power), mask=mask)
    expected = of_file(tmp_path / "a.fits", data.to_hdu())
    if factor is not None:  # an uncertainty in a unit of its own
        unit = (u.adu / factor) ** power
        data = ccd(kind(noise**power * factor**power, unit=unit), mask=mask)
        found = read(data)
        ratio = found.pixels.variance.array / expected.pixels.variance.array
        assert np.nanmax(np.abs(ratio[np.isfinite(ratio)] - 1.0)) < 1e-6
        return
    found = read(data)
    assert_same_pixels(found, expected)
    assert found.info.band == expected.info.band == "R"
    flags = found.pixels.mask.array[..., 0] & Layout(found.pixels.mask.schema).bad
    assert np.array_equal(flags != 0, mask)


def test_nddata_without_uncertainty_is_measured_and_its_mask_believed() -> None:
    mask = np.ones(SHAPE, bool)
    mask[10:85, 20:105] = False
    exposure = read(NDData(picture(), wcs=wcs(), mask=mask))
    bad = exposure.pixels.mask.array[..., 0] & Layout(exposure.pixels.mask.schema).bad
    assert np.array_equal(bad != 0, mask)


def test_a_part_of_an_image_lies_where_it_lay() -> None:
    whole, part = opened(ccd())[0].info, opened(ccd()[20:80, 30:100])[0].info
    assert part.bbox == Box.factory[0:60, 0:70]
    here, there = whole.projection.pixel_to_sky(x=50.0, y=40.0), part.projection.pixel_to_sky(x=20.0, y=20.0)
    assert here.separation(there).arcsec < 1e-6


@pytest.mark.parametrize("kind", ["list", "primary", "image", "compressed"])
def test_hdus_are_read_as_their_file(kind: str, tmp_path: Path) -> None:
    hdus = plain(FILTER="r")
    variance = fits.ImageHDU(np.full(SHAPE, 100.0, np.float32), name="VARIANCE")
    if kind == "list":
        hdus.append(variance)
    expected = of_file(tmp_path / "a.fits", fits.HDUList([hdu.copy() for hdu in hdus]))
    header, image = hdus[0].header, hdus[0].data
    value = {
        "list": lambda: hdus,
        "primary": lambda: hdus[0],
        "image": lambda: fits.ImageHDU(image, header),
        "compressed": lambda: fits.CompImageHDU(image, header, quantize_level=0, compression_type="GZIP_1"),
    }[kind]()
    found = read(value)
    assert_same_pixels(found, expected)
    assert found.info.band == "r"


def test_hdus_of_an_open_file_have_its_name(tmp_path: Path) -> None:
    plain().writeto(tmp_path / "field_R.fits")
    with fits.open(tmp_path / "field_R.fits") as hdus:
        (source,) = opened(hdus)
    assert source.info.band == "R"  # by the name, as of the file


def test_a_mixture_keeps_its_order_and_its_lists(tmp_path: Path) -> None:
    plain(picture(1), FILTER="R").writeto(tmp_path / "a.fits")
    exposure = Exposure.from_arrays(picture(2), wcs(), variance=100.0, fwhm=2.5 * u.pix, zero_point=25.0)
    inputs = [
        (picture(3), wcs()),
        [ccd(), (picture(4), wcs(), 100.0)],
        exposure,
        str(tmp_path / "*.fits"),
        [],
    ]
    paths = sorted(source.info.path for source in opened(*inputs))
    assert paths == sorted(
        ["inputs[0]", "inputs[1][0]", "inputs[1][1]", "inputs[2]", str(tmp_path / "a.fits")]
    )


def test_a_single_input_needs_no_list() -> None:
    with GivenFolder() as folder:
        (source,) = open_inputs((picture(), wcs()), folder).sources
        assert source.info.path == "inputs"


def test_arrays_may_be_changed_after_the_call() -> None:
    image = picture().copy()
    coadds = lamella.coadd_exposures([(image, wcs())])
    image[...] = np.nan
    (coadd,) = coadds
    assert np.isfinite(coadd.image.array).sum() > 5000


def test_the_copies_go_with_the_coadds() -> None:
    with GivenFolder() as folder:
        sources = open_inputs([(picture(), wcs())], folder).sources
        assert list(folder.path.rglob("*.fits"))
        assert sources
    assert not folder.path.exists()
    lost = GivenFolder()
    path = lost.path
    del lost
    assert not path.exists()


def test_a_third_axis_that_is_independent_does_no_harm(tmp_path: Path) -> None:
    assert_same_pixels(read((picture(), wcs(3))), of_file(tmp_path / "a.fits", plain()))


def _mixed() -> WCS:
    mixed = wcs(3)
    mixed.wcs.pc = [[1, 0, 0.1], [0, 1, 0], [0, 0, 1]]
    return mixed


def _linear() -> WCS:
    linear = WCS(naxis=2)
    linear.wcs.ctype = ["X", "Y"]
    return linear


BAD: list[tuple[Any, type[LamellaError], str]] = [
    (5, WrongTypeError, "inputs[1]: found a value of type int"),
    (None, WrongTypeError, "inputs[1]: found a value of type NoneType"),
    ({"a": 1}, WrongTypeError, "inputs[1]: found a value of type dict"),
    (picture(), WrongTypeError, "inputs[1]: found a value of type ndarray of shape (90, 110), without a WCS"),
    ((picture(),), WrongTypeError, "inputs[1]: found a value of type tuple of ndarray"),
    ((picture(), "x"), WrongTypeError, "inputs[1]: found a value of type tuple of ndarray, str"),
    ((picture(), wcs(), 1, 2), WrongTypeError, "inputs[1]"),
    ((wcs(), picture()), WrongTypeError, "inputs[1]"),
    ((picture() > 0, wcs()), PixelTypeError, "inputs[1] holds values of type bool"),
    ((picture() * 1j, wcs()), PixelTypeError, "inputs[1] holds values of type complex64"),
    ((picture()[0], wcs()), ShapeError, "inputs[1] has shape (110,)"),
    ((np.zeros((0, 5)), wcs()), ShapeError, "inputs[1] has shape (0, 5)"),
    ((np.zeros((3, 9, 9)), wcs()), ShapeError, "inputs[1] has shape (3, 9, 9)"),
    ((picture(), wcs(), picture().T), ShapeError, "inputs[1]: variance has shape (110, 90)"),
    ((picture(), wcs(), "x"), PixelTypeError, "inputs[1]: variance"),
    ((picture(), _linear()), ProjectionError, "inputs[1], WCS: found axes of the kinds X, Y"),
    ((picture(), _mixed()), ProjectionError, "inputs[1], WCS: found 3 axes"),
    ((picture(), fits.Header()), ProjectionError, "inputs[1]"),
    ((picture() * u.m, wcs()), UnitError, "inputs[1], unit: found 'm'"),
    ((picture() * u.adu, wcs(), picture() * u.nJy), UnitError, "inputs[1]: variance, unit"),
    (NDData(picture()), ProjectionError, "inputs[1], WCS: found none"),
    (NDData(picture(), wcs=wcs(), uncertainty=UnknownUncertainty(picture())), WrongTypeError, "inputs[1]"),
    (fits.HDUList([fits.PrimaryHDU()]), UnknownFormatError, "inputs[1]: found HDUs that no reader"),
    (fits.PrimaryHDU(picture()), ProjectionError, "inputs[1]"),
    ("/nowhere/x.fits", InputError, "/nowhere/x.fits"),
    ("/nowhere/*.fits", InputError, "inputs[1]: found /nowhere/*.fits, which no file matches"),
]


@pytest.mark.parametrize(("value", "kind", "told"), BAD, ids=range(len(BAD)))
def test_an_input_that_is_none_is_named(value: Any, kind: type[LamellaError], told: str) -> None:
    with pytest.raises(kind) as caught:
        lamella.coadd_exposures([(picture(), wcs()), value])
    assert told in str(caught.value)
    assert "lamella-inputs" not in str(caught.value)


@pytest.mark.parametrize("value", [5, None, b"x", picture(), {"a": 1}, object])
def test_what_is_no_list_of_inputs_is_refused(value: Any) -> None:
    with pytest.raises(WrongTypeError, match="inputs: found"):
        lamella.coadd_exposures(value)


def test_without_inputs_there_is_nothing_to_do() -> None:
    with pytest.raises(NoInputsError):
        lamella.coadd_exposures([])


def test_an_image_without_a_measurement_is_left_out_and_named() -> None:
    empty = np.full(SHAPE, np.nan)
    with GivenFolder() as folder:
        found = open_inputs([(picture(), wcs()), (empty, wcs())], folder)
    assert len(found) == 1
    assert [problem.path for problem in found.problems] == ["inputs[1]"]
    assert "lamella-inputs" not in str(found.problems[0])


def test_a_unit_that_is_said_is_believed_whatever_the_stars_say() -> None:
    images = [(picture(5) * u.nJy, wcs()), (picture(6) * np.float32(2.0) * u.uJy, wcs())]
    with GivenFolder() as folder:
        sources = open_inputs(images, folder).sources
        assert [source.info.flux_unit.name for source in sources] == ["nJy", "nJy"]
        assert [source.read().to_njy for source in sources] == pytest.approx([1.0, 1000.0])
        assert sources[0].info.origins["unit"].how == "given in Python"


def stamp() -> np.ndarray:
    y, x = np.indices((21, 21)) - 10.0
    return np.exp(-(x**2 + y**2) / (2 * 1.7**2))


def test_an_exposure_of_arrays_is_what_was_said() -> None:
    mask = {"SAT": picture() > 2000.0, "COSMIC_RAY": np.eye(*SHAPE, dtype=bool)}
    exposure = Exposure.from_arrays(
        picture(), wcs(), variance=100.0, mask=mask, fwhm=2.5 * u.pix, zero_point=27.0, band="r", visit=7,
        instrument="Mine", exposure_time=30.0, mjd=60000.0, sky="subtracted",
    )  # fmt: skip
    info, layout = exposure.info, Layout(exposure.pixels.mask.schema)
    assert (info.band, info.id.visit, info.id.instrument) == ("r", 7, "Mine")
    assert (info.exposure_time, info.mjd) == (30.0, 60000.0)
    assert info.psf_fwhm == pytest.approx(2.5 * 0.36, rel=1e-3)
    assert exposure.to_njy == pytest.approx(10 ** (0.4 * (31.4 - 27.0)), rel=1e-6)
    assert exposure.given is None
    bits = exposure.pixels.mask.array[..., 0]
    assert np.array_equal(bits & layout.saturated != 0, mask["SAT"])
    assert np.array_equal(bits & layout.bits(["CR"]) != 0, mask["COSMIC_RAY"])
    assert np.array_equal(exposure.pixels.image.array, picture())
    warp = lamella.make_warp([exposure], info.projection, info.bbox)
    assert warp is not None
    assert lamella.assemble([warp], lamella.AssembleConfig(statistic="MEAN")).inputs["visit"][0] == 7


@pytest.mark.parametrize("kind", ["stamp", "model", "arcsec", "number"])
def test_a_psf_is_a_model_a_stamp_or_a_width(kind: str) -> None:
    box = Box.from_shape(SHAPE)
    known: dict[str, Any] = {
        "stamp": {"psf": stamp()},
        "model": {"psf": GriddedPsf(stamp()[None, None], [50.0], [40.0], box)},
        "arcsec": {"psf": 2.355 * 1.7 * 0.36 * u.arcsec},
        "number": {"fwhm": 2.355 * 1.7 * 0.36},
    }[kind]
    exposure = Exposure.from_arrays(picture(), wcs(), variance=100.0, zero_point=25.0, **known)
    kernel = exposure.psf.compute_kernel_image(x=50, y=40).array
    middle = np.array(kernel.shape) // 2
    core = kernel[middle[0] - 3 : middle[0] + 4, middle[1] - 3 : middle[1] + 4]
    expected = stamp()[7:14, 7:14]
    assert np.allclose(core / core.max(), expected / expected.max(), atol=0.01)
    if kind in ("model", "arcsec", "number"):
        assert exposure.info.psf_fwhm == pytest.approx(2.355 * 1.7 * 0.36, rel=0.02)


def test_exposures_without_a_scale_are_tied_to_each_other_later() -> None:
    arrays = [picture(5), picture(6) * np.float32(2.0)]
    exposures = [Exposure.from_arrays(image, wcs(), variance=100.0) for image in arrays]
    assert all(not exposure.info.flux_unit.is_absolute for exposure in exposures)
    assert exposures[0].info.id != exposures[1].info.id
    assert exposures[0].info.flux_unit != exposures[1].info.flux_unit
    with GivenFolder() as folder:
        sources = open_inputs(exposures, folder).sources
        scales = [source.read().to_njy for source in sources]
    assert max(scales) / min(scales) == pytest.approx(2.0, rel=0.02)


def test_an_exposure_of_ccddata_is_what_it_says() -> None:
    data = ccd(StdDevUncertainty(np.full(SHAPE, 10.0)))
    exposure = Exposure.from_ccddata(data, zero_point=25.0, fwhm=1.0 * u.arcsec, visit=3)
    assert (exposure.info.band, exposure.info.id.visit) == ("R", 3)
    assert np.nanmedian(exposure.pixels.variance.array) == 100.0
    assert exposure.given is None


@pytest.mark.parametrize(
    ("known", "kind", "told"),
    [
        ({"psf": 2.5}, WrongTypeError, "psf: found a value of type float"),
        ({"psf": stamp(), "fwhm": 1.0}, ConfigError, "psf and fwhm"),
        ({"fwhm": 2.5 * u.s}, UnitError, "an angle, or pixels"),
        ({"fwhm": -1.0}, InputError, "-1"),
        ({"bnad": "r"}, ConfigError, "did you mean band"),
        ({"mask": {"SATUR": picture() > 0}}, MaskPlaneError, "did you mean SAT?"),
        ({"mask": picture()[:5] > 0}, ShapeError, "mask has shape (5, 110)"),
        ({"mask": picture()}, PixelTypeError, "mask holds values of type float32"),
        ({"unit": "s"}, UnitError, "'s'"),
        ({"unit": "nJy", "zero_point": 25.0}, ConfigError, "have magnitudes"),
        ({"zero_point": 25.0 * u.nJy}, UnitError, "one AB magnitude"),
        ({"band": 5.0j}, WrongTypeError, "band"),
        ({"variance": -picture()}, InputError, "variance"),
    ],
)
def test_what_is_said_wrongly_is_told(known: dict[str, Any], kind: type[LamellaError], told: str) -> None:
    with pytest.raises(kind) as caught:
        Exposure.from_arrays(picture(), wcs(), **known)
    assert told in str(caught.value)
    assert str(caught.value).startswith("array ")

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from lsst.images import Box, Image

from lamella.errors import ShapeError
from lamella.report.composite import WAVELENGTHS, choose_bands, color_picture, composite
from lamella.report.palette import NO_DATA_COLOR

SHAPE = (60, 80)
PLANCK = 6.62607015e-34 * 299792458.0 / (1.380649e-23 * 5772.0)


def star_field(flux: float, seed: int, *, y: int = 50, x: int = 10) -> np.ndarray:
    """An image with noise of 1 and one star."""
    image = np.random.default_rng(seed).normal(size=SHAPE)
    rows, columns = np.indices(SHAPE)
    return image + flux * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8)


def sun(band: str) -> float:
    """Flux per frequency of a black body at the temperature of the Sun."""
    wavelength = WAVELENGTHS[band] * 1e-6
    return 1e-18 * wavelength**-3 / np.expm1(PLANCK / wavelength)


@pytest.mark.parametrize(
    ("bands", "chosen"),
    [
        ("gri", ("i", "r", "g")),
        ("zgr", ("z", "r", "g")),
        ("ugrizy", ("z", "i", "g")),
        ("ugr", ("r", "g", "u")),
        ("rg", ("r", "g")),
        ("r", None),
        ("", None),
        (("g", "N708", "r"), ("N708", "r", "g")),
    ],
)
def test_bands_are_chosen_from_red_to_blue(bands, chosen):
    assert choose_bands(bands) == chosen
    assert choose_bands(reversed(bands)) == chosen


@pytest.mark.parametrize("bands", [("i", "r", "g"), ("z", "r", "g"), ("y", "i", "u")])
def test_a_star_like_the_sun_is_white(bands):
    images = [star_field(500 * sun(band) / sun("r"), n) for n, band in enumerate(bands)]
    red, green, blue = color_picture(*images, bands=bands).pixels[-51, 10].astype(int)
    assert red > 150
    assert max(red, green, blue) - min(red, green, blue) <= 12


def test_colors_are_where_they_belong():
    cool = color_picture(*(star_field(flux, n) for n, flux in enumerate((900, 300, 90)))).pixels[-51, 10]
    hot = color_picture(*(star_field(flux, n) for n, flux in enumerate((90, 300, 900)))).pixels[-51, 10]
    assert cool[0] > cool[1] + 20 > cool[2] + 40
    assert hot[2] > hot[1] + 20 > hot[0] + 40


def test_hue_does_not_depend_on_brightness():
    def ratio(flux: float) -> float:
        pixel = color_picture(*(star_field(flux * f, n) for n, f in enumerate((2, 1, 0.5)))).pixels[-51, 10]
        return pixel[0] / pixel[2]

    assert ratio(3e2) == pytest.approx(ratio(3e4), rel=0.15)


def test_bands_without_a_common_unit_are_each_on_the_scale_of_their_noise():
    counts, calibrated = star_field(300, 1), star_field(300, 2)
    bands = {"g": Image(counts, unit=u.adu), "r": Image(calibrated, unit=u.nJy)}
    scaled = bands | {"g": Image(1000 * counts, unit=u.adu)}
    assert np.abs(composite(bands).pixels.astype(int) - composite(scaled).pixels).max() <= 1
    # With one unit the ratio of bands is a colour.
    same = {band: Image(image.array, unit=u.adu) for band, image in scaled.items()}
    assert np.abs(composite(same).pixels.astype(int) - composite(bands).pixels).max() > 50


def test_noise_is_nearly_grey_and_dark():
    pixels = color_picture(*(star_field(0, n) for n in range(3))).pixels.astype(int)
    assert np.median(np.ptp(pixels, axis=-1)) < 12
    assert 10 < np.median(pixels) < 50


def test_a_pixel_that_lacks_one_band_is_slate():
    images = [star_field(100, n) for n in range(3)]
    images[1][5, 7] = np.nan
    slate = (color_picture(*images).pixels[::-1] == NO_DATA_COLOR).all(axis=-1)
    assert np.argwhere(slate).tolist() == [[5, 7]]


def test_two_bands_make_a_picture():
    box = Box.factory[0 : SHAPE[0], 0 : SHAPE[1]]
    images = {band: Image(star_field(400, n), bbox=box) for n, band in enumerate("gr")}
    picture = composite(images)
    assert picture.title == "Colour, r, g"
    assert picture.pixels.shape == (*SHAPE, 3)
    assert composite({"r": images["r"]}) is None


def test_images_of_different_shapes_are_refused():
    image = star_field(1, 1)
    with pytest.raises(ShapeError, match=r"blue image has shape \(60, 79\); expected \(60, 80\)"):
        color_picture(image, None, image[:, 1:])


def test_blank_images_give_a_picture():
    blank = np.zeros(SHAPE)
    assert np.ptp(color_picture(blank, blank, blank).pixels) == 0
    nothing = np.full(SHAPE, np.nan)
    assert (color_picture(nothing, nothing, nothing).pixels == NO_DATA_COLOR).all()

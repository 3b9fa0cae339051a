import dataclasses

import numpy as np
import pytest
from lsst.images import Image, Mask, MaskedImage

from lamella.planes import make_schema
from lamella.testing.asserts import (
    assert_bits_equal,
    assert_exposures_equal,
    assert_masked_images_equal,
    assert_projections_close,
)
from lamella.testing.config import SurveyConfig
from lamella.testing.exposure import SimulatedExposure

CONFIG = SurveyConfig(detector_shape=(60, 70))
NAN = float("nan")


def masked_image(value=1.0):
    return MaskedImage(
        Image(np.full((5, 6), value, np.float32)),
        mask=Mask(0, schema=make_schema(), shape=(5, 6)),
        variance=Image(np.full((5, 6), 2.0, np.float32)),
    )


def test_equal_bits_pass():
    assert_bits_equal(np.array([1.0, NAN, -0.0]), np.array([1.0, NAN, -0.0]))
    assert_bits_equal(np.array([], np.int32), np.array([], np.int32))


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        (np.array([1.0]), np.array([1.0], np.float32), "dtype is float64; expected float32"),
        (np.array([1.0]), np.array([1.0, 2.0]), r"shape is \(1,\)"),
        (
            np.array([1.0, np.nextafter(2.0, 3.0)]),
            np.array([1.0, 2.0]),
            r"1 of 2 values differ; the first at \(1,\)",
        ),
        (np.array([0.0]), np.array([-0.0]), "1 of 1"),
        (np.array([NAN]), np.array([1.0]), "1 of 1"),
    ],
)
def test_other_bits_fail(found, expected, words):
    with pytest.raises(AssertionError, match=words):
        assert_bits_equal(found, expected)


def test_masked_images():
    assert_masked_images_equal(masked_image(), masked_image())
    assert_masked_images_equal(masked_image(1.0), masked_image(1.0 + 1e-6), rtol=1e-5)
    with pytest.raises(AssertionError, match="image: 30 of 30"):
        assert_masked_images_equal(masked_image(1.0), masked_image(1.1), atol=0.01)
    other = masked_image()
    other.mask.set("BAD", other.image.array > 0)
    with pytest.raises(AssertionError, match="mask plane BAD"):
        assert_masked_images_equal(other, masked_image(), rtol=1.0)
    other = masked_image()
    other.variance.array[1, 2] = 7
    with pytest.raises(AssertionError, match=r"variance: 1 of 30 values differ; the first at \(1, 2\)"):
        assert_masked_images_equal(other, masked_image())


def test_projections():
    first, second = (SimulatedExposure(CONFIG, visit, 0).info for visit in (100, 101))
    assert_projections_close(first.projection, first.projection, first.bbox)
    with pytest.raises(AssertionError, match="the projections differ by"):
        assert_projections_close(first.projection, second.projection, first.bbox)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: dataclasses.replace(e, to_njy=e.to_njy * 1.001), "to_njy"),
        (lambda e: dataclasses.replace(e, info=dataclasses.replace(e.info, band="z")), "info.band is 'z'"),
        (lambda e: dataclasses.replace(e, psf=SimulatedExposure(CONFIG, 101, 0).psf), "PSF"),
        (lambda e: dataclasses.replace(e, pixels=SimulatedExposure(CONFIG, 101, 0).read().pixels), "image"),
    ],
)
def test_exposures(change, words):
    exposure = SimulatedExposure(CONFIG, 100, 0)
    assert_exposures_equal(exposure.read(), exposure.read())
    with pytest.raises(AssertionError, match=words):
        assert_exposures_equal(change(exposure.read()), exposure.read())

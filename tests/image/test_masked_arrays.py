"""What an array of numpy.ma masks is no measurement, whichever way it comes in."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lsst.images import Image, MaskedImage

from lamella.coadd.stack.sources import ImageSource
from lamella.coadd.stack.stack import StreamingMean, statistics_stack
from lamella.coadd.stack.stack_control import StackControl
from lamella.data.warp import Warp
from lamella.errors import PixelTypeError
from lamella.formats.pixels import make_pixels
from lamella.image.gaps import fill_gaps
from lamella.planes import Layout
from lamella.testing.config import SurveyConfig
from lamella.testing.exposure import SimulatedExposure

EXPOSURE = SimulatedExposure(SurveyConfig(detector_shape=(60, 60)), 100, 0)
MASKED = (slice(20, 24), slice(30, 33))


def with_masked(plane: str, value: float) -> MaskedImage:
    """Return pixels of which some are masked in an array, where they hold a wrong value."""
    pixels = EXPOSURE.read().pixels
    planes: dict[str, Any] = {"image": pixels.image, "variance": pixels.variance}
    array = np.ma.array(planes[plane].array, copy=True)
    array[MASKED] = value
    array[MASKED] = np.ma.masked
    planes[plane] = Image(array, bbox=pixels.bbox, unit=planes[plane].unit)
    return MaskedImage(
        planes["image"],
        mask=pixels.mask,
        variance=planes["variance"],
        sky_projection=pixels.sky_projection,
    )


def assert_settled(pixels: Any) -> None:
    image, variance = pixels.image, pixels.variance
    mask = pixels.mask if isinstance(pixels.mask, np.ndarray) else pixels.mask.array[..., 0]
    image, variance = (getattr(plane, "array", plane) for plane in (image, variance))
    for array in (image, variance, mask):
        assert type(array) is np.ndarray
    assert np.isnan(image[MASKED]).all()
    assert np.isinf(variance[MASKED]).all()
    schema = EXPOSURE.read().pixels.mask.schema
    assert (mask[MASKED] & Layout(schema).bits(["NO_DATA"])).all()
    elsewhere = np.ones(image.shape, bool)
    elsewhere[MASKED] = False
    np.testing.assert_array_equal(image[elsewhere], EXPOSURE.read().pixels.image.array[elsewhere])


@pytest.mark.parametrize(("plane", "value"), [("image", 1e6), ("variance", 1e-6)])
def test_exposures_warps_and_sources_hold_no_data_there(plane: str, value: float) -> None:
    pixels = with_masked(plane, value)
    assert_settled(dataclasses.replace(EXPOSURE.read(), pixels=pixels).pixels)
    planes = {"mask": pixels.mask, "variance": pixels.variance}
    assert_settled(Warp(pixels.image, instrument="Cam", visit=1, band="r", **planes))
    assert_settled(ImageSource(pixels).read(pixels.bbox))
    schema = EXPOSURE.read().pixels.mask.schema
    read = make_pixels(
        pixels.image.array,
        pixels.variance.array,
        {name: pixels.mask.get(name) for name in schema.names},
        path=Path("a.fits"),
        projection=EXPOSURE.info.projection,
        edge_width=0,
    )
    assert_settled(read)


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("where", [0, 1, 2])
def test_stacks_do_not_use_them(where: int, listed: bool) -> None:
    rng = np.random.default_rng(3)
    image = rng.normal(5.0, 1.0, (4, 6, 7)).astype(np.float32)
    planes: list[Any] = [image, np.zeros(image.shape, np.int32), np.ones(image.shape, np.float32)]
    gone = rng.random(image.shape) < 0.3
    image[gone] = 1e5
    expected = statistics_stack(
        np.where(gone, np.float32(np.nan), image), *planes[1:], control=StackControl(statistic="MEAN")
    )
    planes[where] = np.ma.array(planes[where], mask=gone)
    if listed:
        planes[where] = list(planes[where])
    stacked = statistics_stack(*planes, control=StackControl(statistic="MEAN"))
    np.testing.assert_array_equal(stacked.image, expected.image)
    np.testing.assert_array_equal(stacked.count, expected.count)
    streamed = StreamingMean(image.shape[1:], StackControl(statistic="MEAN"))
    for index in range(len(image)):
        streamed.add(*(plane[index] for plane in planes))
    np.testing.assert_array_equal(streamed.result().image, expected.image)


def test_what_is_filled_in_place_must_be_plain() -> None:
    image, mask = np.ma.array(np.ones((5, 5), np.float32), mask=np.eye(5)), np.zeros((5, 5), np.int32)
    with pytest.raises(PixelTypeError, match="image holds a masked array; expected a plain one"):
        fill_gaps(image, mask, np.ones((5, 5), np.float32), 1, interpolated_bit=2)

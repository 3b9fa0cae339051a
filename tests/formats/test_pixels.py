from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box, MaskedImage

from lamella.errors import InputError, ShapeError
from lamella.formats.pixels import Flags, gaussian_psf, make_pixels
from lamella.planes import Layout
from lamella.sky.footprint import pixel_scale
from lamella.sky.projection import projection_from_header

PATH = Path("x.fits")


@pytest.fixture(scope="module")
def projection() -> Any:
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 4.0, "CRPIX2": 4.0, "CRVAL1": 10.0}
    cards |= {"CRVAL2": 60.0, "CD1_1": -0.2 / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.3 / 3600}
    return projection_from_header(cards, path=PATH, hdu=0)


def make(
    projection: Any, image: np.ndarray, variance: np.ndarray, edge_width: int = 0, **flags: Any
) -> MaskedImage:
    return make_pixels(image, variance, flags, path=PATH, projection=projection, edge_width=edge_width)


def plane(pixels: MaskedImage, name: str) -> np.ndarray:
    return (pixels.mask.array[..., 0] & Layout(pixels.mask.schema).bits([name])) != 0


def test_what_has_no_measurement_says_so_and_why(projection: Any) -> None:
    image, variance = np.ones((7, 7)), np.ones((7, 7))
    image[2, 2] = np.nan
    variance[3, 3] = np.inf
    variance[4, 4] = 0.0
    saturated = np.zeros((7, 7), dtype=bool)
    saturated[5, 5] = True
    variance[5, 5] = np.inf
    pixels = make(projection, image, variance, SAT=saturated)
    lost = [(2, 2), (3, 3), (4, 4), (5, 5)]
    assert [tuple(map(int, at)) for at in np.argwhere(plane(pixels, "NO_DATA"))] == lost
    assert np.isnan(pixels.image.array).sum() == np.isposinf(pixels.variance.array).sum() == 4
    assert plane(pixels, "UNMASKED_NAN").sum() == 1
    assert plane(pixels, "UNMASKED_NAN")[2, 2]
    assert np.argwhere(plane(pixels, "BAD")).tolist() == [[3, 3], [4, 4]]
    assert np.argwhere(plane(pixels, "SATURATED")).tolist() == [[5, 5]]


def test_the_rim_is_where_the_data_end_not_where_the_array_does(projection: Any) -> None:
    variance = np.ones((20, 30))
    variance[:6] = np.inf
    variance[:, 27:] = np.inf
    pixels = make(projection, np.ones((20, 30)), variance, edge_width=2)
    rim = plane(pixels, "DETECTION_EDGE")
    expected = np.zeros((20, 30), dtype=bool)
    expected[6:20, :27] = True
    expected[8:18, 2:25] = False
    np.testing.assert_array_equal(rim, expected)
    # Beyond the end of the detector nothing is broken: there is just nothing.
    assert not plane(pixels, "BAD").any()
    assert plane(pixels, "NO_DATA").sum() == 20 * 30 - 14 * 27


def test_a_rim_wider_than_the_data_covers_them(projection: Any) -> None:
    pixels = make(projection, np.ones((7, 7)), np.ones((7, 7)), edge_width=5)
    assert plane(pixels, "DETECTION_EDGE").all()


def test_unknown_planes_follow_behind_the_standard_ones(projection: Any) -> None:
    mine = np.eye(7, dtype=bool)
    pixels = make(projection, np.ones((7, 7)), np.ones((7, 7)), MINE=mine)
    assert Layout(pixels.mask.schema).bits(["MINE"]) == 1 << 24
    np.testing.assert_array_equal(plane(pixels, "MINE"), mine)


def test_planes_of_other_shapes_are_refused(projection: Any) -> None:
    with pytest.raises(ShapeError, match=r"plane variance has shape \(6, 7\); expected \(7, 7\)"):
        make(projection, np.ones((7, 7)), np.ones((6, 7)))
    flags, ones = Flags(np.zeros((7, 6), dtype=np.int32), {"BAD": 1}), np.ones((7, 7))
    with pytest.raises(ShapeError, match="plane mask"):
        make_pixels(ones, ones, flags, path=PATH, projection=projection, edge_width=0)
    with pytest.raises(ShapeError, match="plane BAD"):
        make(projection, np.ones((7, 7)), np.ones((7, 7)), BAD=np.zeros((7, 6), dtype=bool))


def test_negative_variances_and_nothing_measured_are_refused(projection: Any) -> None:
    with pytest.raises(InputError, match="a variance below zero in 49 pixels, above in 0"):
        make(projection, np.ones((7, 7)), np.full((7, 7), -1.0))
    with pytest.raises(InputError, match="no pixel with a value and a weight"):
        make(projection, np.full((7, 7), np.nan), np.ones((7, 7)))


@given(
    seed=st.integers(0, 10_000),
    name=st.sampled_from(["BAD", "SATURATED", "COSMIC_RAY", "NO_DATA", "STREAK", "SUSPECT"]),
    value=st.sampled_from([np.nan, -np.inf, 1e30, 1e5, 0.0]),
    spread=st.sampled_from([np.nan, np.inf, 0.0, 1e30, 1.0]),
)
def test_what_a_masked_pixel_holds_changes_nothing_else(
    projection: Any, seed: int, name: str, value: float, spread: float
) -> None:
    """Nor where the data end: whole rows and columns of an image may be masked."""
    rng = np.random.default_rng(seed)
    image, variance = rng.normal(size=(14, 12)), rng.uniform(0.1, 2.0, size=(14, 12))
    variance[:2] = np.inf
    masked = rng.random((14, 12)) < 0.2
    masked[:, : rng.integers(0, 4)] = masked[14 - rng.integers(0, 4) :] = True
    first = make(projection, image, variance, 2, **{name: masked})
    image[masked], variance[masked] = value, spread
    second = make(projection, image, variance, 2, **{name: masked})
    for key in ("image", "variance"):
        same = getattr(first, key).array, getattr(second, key).array
        np.testing.assert_array_equal(*(plane[~masked] for plane in same))
    for other in set(first.mask.schema.names) - {"NO_DATA"}:
        np.testing.assert_array_equal(plane(first, other), plane(second, other))


def test_inputs_are_not_changed(projection: Any) -> None:
    image, variance = np.ones((7, 7), dtype=np.float32), np.ones((7, 7), dtype=np.float32)
    make(projection, image, variance, NO_DATA=np.eye(7, dtype=bool))
    assert (image == 1).all()
    assert (variance == 1).all()


@given(seed=st.integers(0, 1000), share=st.floats(0.0, 0.9), width=st.integers(0, 4))
def test_the_contract_holds_for_any_defects(projection: Any, seed: int, share: float, width: int) -> None:
    rng = np.random.default_rng(seed)
    image, variance = rng.normal(size=(12, 9)), rng.uniform(0.1, 2.0, size=(12, 9))
    image[rng.random((12, 9)) < share / 2] = np.nan
    variance[rng.random((12, 9)) < share / 2] = rng.choice([0.0, np.inf, np.nan])
    image[5, 5] = variance[5, 5] = 1.0
    pixels = make(projection, image, variance, edge_width=width)
    missing = plane(pixels, "NO_DATA")
    np.testing.assert_array_equal(np.isnan(pixels.image.array), missing)
    np.testing.assert_array_equal(np.isposinf(pixels.variance.array), missing)
    assert (pixels.variance.array > 0).all()
    assert (pixels.image.array[~missing] == image[~missing].astype(np.float32)).all()
    # Within the data, a pixel without a measurement and without a reason is marked.
    rows, columns = (np.flatnonzero(~missing.all(axis=axis)) for axis in (1, 0))
    inside = np.zeros(missing.shape, dtype=bool)
    inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    np.testing.assert_array_equal(plane(pixels, "UNMASKED_NAN"), inside & np.isnan(image))
    np.testing.assert_array_equal(plane(pixels, "BAD"), inside & missing & ~np.isnan(image))


@given(seed=st.integers(0, 1000), share=st.floats(0.0, 0.9), kind=st.sampled_from(["u1", "i2", "i4", "u8"]))
def test_flags_as_integers_give_what_planes_give(projection: Any, seed: int, share: float, kind: str) -> None:
    rng = np.random.default_rng(seed)
    image, variance = rng.normal(size=(12, 9)), rng.choice([1.0, np.inf], size=(12, 9))
    variance[5, 5] = 1.0
    bits = {"SAT": 3, "MINE": 4, "NO_DATA": 8, "DETECTED": 16}
    values = np.where(rng.random((12, 9)) < share, rng.integers(0, 32, (12, 9)), 0).astype(kind)
    values[5, 5] = 0
    planes = {name: (values & values.dtype.type(value)) != 0 for name, value in bits.items()}
    flagged, expected = (
        make_pixels(image, variance, flags, path=PATH, projection=projection, edge_width=2)
        for flags in (Flags(values, bits), planes)
    )
    assert flagged.mask == expected.mask
    np.testing.assert_array_equal(flagged.image.array, expected.image.array)
    np.testing.assert_array_equal(flagged.variance.array, expected.variance.array)


def test_the_highest_bit_of_signed_flags_counts(projection: Any) -> None:
    values = np.zeros((7, 7), dtype=np.int32)
    values[2, 3] = -(2**31)
    pixels = make_pixels(
        np.ones((7, 7)), np.ones((7, 7)), Flags(values, {"MINE": 1 << 31}),
        path=PATH, projection=projection, edge_width=0,
    )  # fmt: skip
    assert np.argwhere(plane(pixels, "MINE")).tolist() == [[2, 3]]


def test_the_pixel_scale_is_the_root_of_the_area(projection: Any) -> None:
    assert pixel_scale(projection, Box.from_shape((7, 7))) == pytest.approx(math.sqrt(0.2 * 0.3), rel=1e-7)


def test_a_gaussian_has_the_width_that_was_asked_for() -> None:
    psf = gaussian_psf(4.0, Box.from_shape((50, 50)))
    stamp = psf.compute_kernel_image(x=20.0, y=20.0)
    profile = stamp.array[stamp.bbox.y.size // 2]
    assert profile[stamp.bbox.x.size // 2 + 2] / profile.max() == pytest.approx(0.5, rel=1e-6)
    assert stamp.array.sum() == pytest.approx(1.0)


def test_fits_cards_serve_as_they_are(tan_cards: Callable[..., fits.Header]) -> None:
    projection = projection_from_header(tan_cards((60, 80)), path=PATH, hdu=1)
    assert pixel_scale(projection, Box.from_shape((60, 80))) == pytest.approx(0.262, rel=1e-6)

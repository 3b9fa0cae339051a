"""Gap filling on images: options, mask planes, and the original's behaviour."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box, Image, Mask, MaskedImage, MaskPlane, MaskSchema

from lamella.errors import ConfigError, MaskPlaneError, PixelTypeError, ShapeError
from lamella.image.gaps import fallback_value, fill_gaps, fill_masked_image
from lamella.image.options import GapControl
from lamella.kernels.fill import kriging_coefficients
from lamella.planes import Layout, make_schema

BAD, INTERPOLATED = 1, 4


def columns_and_blocks(seed: int = 1):
    """Noise with bad columns at both sides and blocks near to them."""
    rng = np.random.default_rng(seed)
    image = rng.uniform(-1, 1, (30, 80)).astype(np.float32)
    mask = np.zeros(image.shape, dtype=np.int32)
    for columns in (slice(0, 10), slice(70, 80)):
        image[:, columns] = 10
        mask[:, columns] = BAD
    for columns in (slice(13, 16), slice(62, 65)):
        image[10:20, columns] = 100
        mask[10:20, columns] = BAD
    return image, mask, np.full(image.shape, 2, dtype=np.float32)


def run(image, mask, variance, **options):
    strict = options.pop("strict", False)
    control = GapControl(**options)
    return fill_gaps(
        image, mask, variance, BAD, control=control, strict=strict, interpolated_bit=INTERPOLATED
    )


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("fallback", ["MEAN", "MEDIAN", "MEANCLIP", "USER"])
def test_bad_columns_at_the_edges_become_the_fallback(fallback, allowed, strict):
    image, mask, variance = columns_and_blocks()
    value = -0.5 if allowed else 0.5
    summary = run(
        image,
        mask,
        variance,
        fallback=fallback,
        fallback_value=value,
        negative_fallback_allowed=allowed,
        strict=strict,
    )
    assert image.min() > min(-2, 2 * summary.fallback)
    assert image.max() < max(2, 2 * summary.fallback)
    assert image[:, 1].mean() == pytest.approx(summary.fallback, abs=1e-6)
    assert (image[:, 79] == np.float32(summary.fallback)).all()
    assert summary.pixels == (mask & BAD != 0).sum() == 30 * 20 + 60
    assert summary.fallback_pixels == 30 * 20
    assert ((mask & INTERPOLATED != 0) == (mask & BAD != 0)).all()
    if fallback == "USER":
        assert summary.fallback == value


def test_without_fallback_edges_are_extrapolated():
    image, mask, variance = columns_and_blocks()
    summary = run(image, mask, variance, use_fallback_at_edge=False)
    assert abs(image[:, 1].mean()) > 1e-3
    assert abs(image).max() < 2
    assert summary.fallback is None
    assert summary.fallback_pixels == 0
    np.testing.assert_allclose(image[:, 1], (image[:, 10] + image[:, 11]) / 2, atol=1e-7)


def test_bad_pixels_do_not_count_for_the_fallback():
    image, mask, _ = columns_and_blocks()
    good = image[mask == 0].astype(float)
    bad_too = image.astype(float)
    control = GapControl(fallback="MEAN", negative_fallback_allowed=True)
    assert fallback_value(image, mask, BAD, control) == pytest.approx(good.mean(), rel=1e-12)
    assert fallback_value(image, mask, BAD, control, strict=True) == pytest.approx(bad_too.mean(), rel=1e-12)
    median = GapControl(negative_fallback_allowed=True)
    assert fallback_value(image, mask, BAD, median) == pytest.approx(np.median(good), rel=1e-12)


def test_negative_statistic_becomes_zero_unless_allowed():
    image = np.full((3, 20), -2, dtype=np.float32)
    mask = np.zeros(image.shape, dtype=np.int32)
    mask[:, :8] = BAD
    spread = np.ones_like(image)
    refused, accepted = image.copy(), image.copy()
    assert run(refused, mask.copy(), spread.copy()).fallback == 0
    assert run(accepted, mask.copy(), spread.copy(), negative_fallback_allowed=True).fallback == -2
    assert (refused[:, :2] == 0).all()
    assert (accepted == -2).all()


def test_nothing_good_leaves_nan():
    image = np.full((4, 5), np.nan, dtype=np.float32)
    mask = np.full(image.shape, BAD, dtype=np.int32)
    variance = np.full(image.shape, np.inf, dtype=np.float32)
    summary = run(image, mask, variance)
    assert np.isnan(image).all()
    assert np.isinf(variance).all()
    assert np.isnan(summary.fallback)
    assert summary.pixels == 20


def test_transposed_filling_works_along_columns():
    image, mask, variance = columns_and_blocks()
    rotated = [np.ascontiguousarray(plane.T) for plane in (image, mask, variance)]
    one = run(image, mask, variance)
    two = run(*rotated, transpose=True)
    assert one == two
    for plane, other in zip((image, mask, variance), rotated, strict=True):
        np.testing.assert_array_equal(other.T, plane)


def test_views_are_filled_in_place():
    image, mask, variance = columns_and_blocks()
    expected = [plane[2:12, 5:75].copy() for plane in (image, mask, variance)]
    run(*expected)
    before = image.copy()
    run(*(plane[2:12, 5:75] for plane in (image, mask, variance)))
    np.testing.assert_array_equal(image[2:12, 5:75], expected[0])
    np.testing.assert_array_equal(image[12:], before[12:])


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 7, 16]))
def test_strips_of_rows_give_the_bits_of_the_whole(seed, height):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(16, 24)).astype(np.float32)
    mask = (rng.random(image.shape) < 0.4).astype(np.int32)
    variance = rng.gamma(2, size=image.shape).astype(np.float32)
    whole = [plane.copy() for plane in (image, mask, variance)]
    run(*whole, fallback="USER", fallback_value=3.0)
    for start in range(0, 16, height):
        strip = slice(start, start + height)
        run(image[strip], mask[strip], variance[strip], fallback="USER", fallback_value=3.0)
    for plane, other in zip((image, mask, variance), whole, strict=True):
        np.testing.assert_array_equal(plane, other)


@given(st.integers(0, 2**32 - 1), st.floats(0.125, 8, width=32))
def test_scaling_scales_the_result(seed, factor):
    rng = np.random.default_rng(seed)
    image = rng.normal(5, 1, size=(6, 24)).astype(np.float32)
    mask = (rng.random(image.shape) < 0.5).astype(np.int32)
    variance = rng.gamma(2, size=image.shape).astype(np.float32)
    scaled = [image * np.float32(factor), mask.copy(), variance * np.float32(factor) ** 2]
    run(image, mask, variance)
    run(*scaled)
    np.testing.assert_allclose(scaled[0], image * factor, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(scaled[2], variance * factor**2, rtol=1e-5)


def test_noise_of_filled_pixels_has_the_stated_variance():
    rng = np.random.default_rng(5)
    image = rng.normal(0, 3, (40_000, 9)).astype(np.float32)
    mask = np.zeros(image.shape, dtype=np.int32)
    mask[:, 3:5] = BAD
    variance = np.full(image.shape, 9, dtype=np.float32)
    run(image, mask, variance)
    for x in (3, 4):
        # The relative error of a variance from n values is sqrt(2 / n) = 0.7 %.
        assert image[:, x].var() == pytest.approx(variance[0, x], rel=0.035)
    c = kriging_coefficients(2, 3, 3)
    np.testing.assert_allclose(variance[0, 3:5], 9 * (c**2).sum(axis=1), rtol=1e-6)


def test_strict_images_are_those_of_the_original(shared):
    folder = shared / "oracle" / "interp"
    modes = json.loads((folder / "index_interp.json").read_text())["modes"]
    data = np.load(folder / "interp_k4.npz")
    for name, settings in modes.items():
        image, variance, mask = data["image"].copy(), data["variance"].copy(), data["mask"].copy()
        defect = 1 << 20
        for x, y, width, height in data["defects"]:
            mask[y : y + height, x : x + width] |= defect
        control = GapControl(
            fallback="USER",
            fallback_value=settings["fallback"],
            use_fallback_at_edge=settings["useFallbackValueAtEdge"],
        )
        fill_gaps(image, mask, variance, defect, control=control, strict=True, interpolated_bit=4)
        np.testing.assert_array_equal(image, data[f"{name}_i"])
        np.testing.assert_array_equal(variance, data[f"{name}_v"])
        np.testing.assert_array_equal(mask & ~defect, data[f"{name}_m"])


def test_default_agrees_with_the_original_but_for_variances(shared):
    data = np.load(shared / "oracle" / "interp" / "interp_k0.npz")
    image, variance = data["image"].copy(), data["variance"].copy()
    mask = np.zeros(image.shape, dtype=np.int32)
    for x, y, width, height in data["defects"]:
        mask[y : y + height, x : x + width] |= BAD
    run(image, mask, variance, use_fallback_at_edge=False)
    np.testing.assert_allclose(image, data["fb0_i"], rtol=3e-4)
    filled = mask & BAD != 0
    # Where a single neighbour is copied, its variance is right in the original, too.
    assert (variance[filled] > 0).all()
    assert (data["fb0_v"][filled] != variance[filled]).mean() > 0.95
    assert (data["fb0_v"][filled] < 0).any()


def masked_image(schema=None):
    image, mask, variance = columns_and_blocks()
    box = Box.factory[100:130, -40:40]
    planes = Mask(schema=schema or make_schema(), bbox=box)
    planes.set("NO_DATA", mask != 0)
    planes.set("DETECTED", image > 0.9)
    return MaskedImage(Image(image, bbox=box), mask=planes, variance=Image(variance, bbox=box))


def test_masked_image_keeps_no_data_and_gets_interpolated():
    target = masked_image()
    before = target.mask.copy()
    summary = fill_masked_image(target)
    no_data = before.get("NO_DATA")
    assert summary.pixels == no_data.sum()
    assert (target.mask.get("NO_DATA") == no_data).all()
    assert (target.mask.get("INTERPOLATED") == no_data).all()
    assert (target.mask.get("DETECTED") == before.get("DETECTED")).all()
    assert np.isfinite(target.image.array).all()
    assert not (target.variance.array[no_data] == 2).any()


def test_masks_of_other_schemas_are_filled_alike():
    names = [*make_schema().names]
    foreign = MaskSchema([MaskPlane(name, name) for name in names], dtype=np.uint8)
    one, two = masked_image(), masked_image(foreign)
    assert two.mask.array.shape[-1] == 3
    assert fill_masked_image(one) == fill_masked_image(two)
    np.testing.assert_array_equal(one.image.array, two.image.array)
    np.testing.assert_array_equal(one.variance.array, two.variance.array)
    for name in names:
        np.testing.assert_array_equal(one.mask.get(name), two.mask.get(name))


def test_planes_may_have_the_names_of_the_original_pipelines():
    target = masked_image()
    layer = target.mask.array[..., 0]
    layer[:] = 0
    layer[3, 30] = Layout(target.mask.schema).bits(("SATURATED",))
    assert fill_masked_image(target, ("SAT", "CR")).pixels == 1


def test_unknown_plane_is_an_error():
    with pytest.raises(MaskPlaneError, match="NOT_THERE"):
        fill_masked_image(masked_image(), ("NOT_THERE",))


def test_arrays_that_do_not_fit_are_errors():
    image, mask, variance = columns_and_blocks()
    with pytest.raises(ShapeError, match="mask"):
        run(image, mask[:-1], variance)
    with pytest.raises(ShapeError, match="image"):
        run(image[0], mask[0], variance[0])
    with pytest.raises(PixelTypeError, match="image holds int32"):
        run(image.astype(np.int32), mask, variance)
    with pytest.raises(PixelTypeError, match="mask holds uint8"):
        run(image, mask.astype(np.uint8), variance)


@pytest.mark.parametrize(
    "options",
    [
        {"fallback": "MODE"},
        {"fallback": "USER", "fallback_value": -1.0},
        {"fallback_value": float("nan")},
        {"edge_reach": 0},
    ],
)
def test_impossible_options_are_errors(options):
    with pytest.raises(ConfigError):
        GapControl(**options)


def test_strict_has_the_reach_of_the_original():
    with pytest.raises(ConfigError, match="edge_reach is 8"):
        run(*columns_and_blocks(), strict=True, edge_reach=8)

"""Photometric scale and the weights of warps."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box, Image, Mask, MaskedImage
from lsst.images.fields import ChebyshevField

from lamella.data.options import WeightControl
from lamella.data.photometry import (
    AB_FLUX_NJY,
    apply_calibration,
    magnitude,
    mean_scale,
    njy_per_count,
    scale_from_flux_mag0,
)
from lamella.data.weights import WeightProblem, warp_weight
from lamella.errors import CalibrationError, ConfigError, NoInputsError, ShapeError
from lamella.kernels.order.sample import clipped_mean
from lamella.planes import make_schema

BOX = Box.factory[20:50, -10:30]


def masked_image(unit=None):
    rng = np.random.default_rng(2)
    pixels = rng.normal(100, 10, BOX.shape).astype(np.float32)
    spread = rng.gamma(4, 5, BOX.shape).astype(np.float32)
    pixels[3, 4], spread[3, 4] = np.nan, np.inf
    mask = Mask(schema=make_schema(), bbox=BOX)
    mask.set("NO_DATA", np.isnan(pixels))
    return MaskedImage(
        Image(pixels, bbox=BOX, unit=unit), mask=mask, variance=Image(spread, bbox=BOX), metadata={"a": 1}
    )


# Zero points


def test_a_source_of_magnitude_zero():
    assert pytest.approx(3.6307805477e12, rel=1e-10) == AB_FLUX_NJY
    assert magnitude(AB_FLUX_NJY) == 0
    # 1 microjansky, from the definition m = -2.5 log10(f / (erg/s/cm2/Hz)) - 48.6.
    flux = (1 * u.uJy).to_value("erg s-1 cm-2 Hz-1")
    assert magnitude(1000.0) == pytest.approx(-2.5 * np.log10(flux) - 48.6, abs=1e-12)


def test_known_magnitudes():
    assert magnitude(575.44) == pytest.approx(24.5, abs=1e-5)
    assert njy_per_count(27.0) == pytest.approx(57.544, rel=1e-5)
    found = magnitude(np.array([AB_FLUX_NJY / 100, 0.0, -1.0, np.nan]))
    np.testing.assert_array_equal(found, [5.0, np.inf, np.nan, np.nan])


@given(st.floats(10, 40))
def test_one_count_has_the_zero_point_as_magnitude(zero_point):
    assert magnitude(njy_per_count(zero_point)) == pytest.approx(zero_point, abs=1e-12)


@pytest.mark.parametrize("target", [23.0, 24.0])
@pytest.mark.parametrize("zero_point", [24.0, 25.5])
def test_scaling_to_a_zero_point(zero_point, target):
    scale = njy_per_count(zero_point) / njy_per_count(target)
    counts_of_target_magnitude = 10 ** (0.4 * (zero_point - target))
    assert scale == pytest.approx(1 / counts_of_target_magnitude, rel=1e-14)
    assert scale_from_flux_mag0(10 ** (0.4 * zero_point), target) == pytest.approx(scale, rel=1e-14)
    scaled = apply_calibration(masked_image(), scale * njy_per_count(target))
    direct = apply_calibration(masked_image(), njy_per_count(zero_point))
    np.testing.assert_allclose(scaled.image.array, direct.image.array, rtol=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_zero_points_must_be_finite(value):
    with pytest.raises(CalibrationError, match="zero point"):
        njy_per_count(value)


@pytest.mark.parametrize("value", [0.0, -3.0, float("nan")])
def test_counts_at_magnitude_zero_must_be_positive(value):
    with pytest.raises(CalibrationError, match="expected a positive number"):
        scale_from_flux_mag0(value)


# Calibrated images


def test_image_is_scaled_and_variance_by_the_square():
    counts = masked_image(u.adu)
    found = apply_calibration(counts, 3.0)
    np.testing.assert_array_equal(found.image.array, counts.image.array * np.float32(3))
    np.testing.assert_array_equal(found.variance.array, counts.variance.array * np.float32(9))
    assert found.unit == u.nJy
    assert found.variance.unit == u.nJy**2
    assert found.bbox == BOX
    assert found.image.array.dtype == found.variance.array.dtype == np.float32
    assert found.metadata["a"] == 1
    assert found.mask == counts.mask
    found.mask.array[:] = 0
    assert counts.mask.get("NO_DATA").any()
    assert np.isinf(found.variance.array[3, 4])


@given(st.floats(0.001, 1000))
def test_a_constant_field_is_a_number(scale):
    field = ChebyshevField(BOX, np.array([[scale]]))
    one, two = apply_calibration(masked_image(), scale), apply_calibration(masked_image(), field)
    np.testing.assert_array_equal(one.image.array, two.image.array)
    np.testing.assert_array_equal(one.variance.array, two.variance.array)


def test_a_varying_field_is_followed(monkeypatch):
    field = ChebyshevField(BOX.dilated_by(7), np.array([[2.0, 0.5], [-0.25, 0.1]]))
    expected = field(x=BOX.x.arange[None, :], y=BOX.y.arange[:, None])
    found = apply_calibration(masked_image(), field)
    np.testing.assert_allclose(found.image.array, masked_image().image.array * expected, rtol=1e-6)
    np.testing.assert_allclose(found.variance.array, masked_image().variance.array * expected**2, rtol=1e-6)
    monkeypatch.setattr("lamella.data.photometry._STRIP_PIXELS", 100)
    strips = apply_calibration(masked_image(), field)
    np.testing.assert_array_equal(strips.image.array, found.image.array)
    np.testing.assert_array_equal(strips.variance.array, found.variance.array)


@pytest.mark.parametrize(
    ("field_unit", "image_unit", "factor"),
    [
        (None, None, 1),
        (None, u.adu, 1),
        (u.nJy / u.adu, u.adu, 1),
        (u.nJy / u.electron, None, 1),
        (u.nJy, None, 1),
        (u.uJy / u.adu, u.adu, 1000),
    ],
)
def test_units_of_a_field_are_honoured(field_unit, image_unit, factor):
    field = ChebyshevField(BOX, np.array([[2.0]]), unit=field_unit)
    found = apply_calibration(masked_image(image_unit), field)
    np.testing.assert_allclose(found.image.array, masked_image().image.array * 2 * factor, rtol=1e-6)


def test_units_that_do_not_fit_are_errors():
    field = ChebyshevField(BOX, np.array([[2.0]]), unit=u.nJy / u.adu)
    with pytest.raises(CalibrationError, match="electron"):
        apply_calibration(masked_image(u.electron), field)
    with pytest.raises(CalibrationError, match="expected nJy per unit"):
        apply_calibration(masked_image(), ChebyshevField(BOX, np.array([[2.0]]), unit=u.m))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_scales_must_be_positive(scale):
    with pytest.raises(CalibrationError, match="expected a positive number"):
        apply_calibration(masked_image(), scale)
    with pytest.raises(CalibrationError, match="expected a positive number"):
        apply_calibration(masked_image(), ChebyshevField(BOX, np.array([[scale]])))


def test_a_field_must_be_positive_everywhere():
    field = ChebyshevField(BOX, np.array([[1.0, 1.1]]))
    with pytest.raises(CalibrationError, match="-0\\.0"):
        apply_calibration(masked_image(), field)


def test_a_field_must_cover_the_image():
    field = ChebyshevField(Box.factory[20:49, -10:30], np.array([[1.0]]))
    with pytest.raises(CalibrationError, match="known on"):
        apply_calibration(masked_image(), field)


# Scales known at points


def test_the_mean_of_scales():
    assert mean_scale([1.0, 2.0, 6.0]) == 3.0
    with pytest.raises(NoInputsError):
        mean_scale([])
    with pytest.raises(CalibrationError, match="positive"):
        mean_scale([1.0, -1.0])


# Weights


def planes(seed=0, shape=(40, 50)):
    rng = np.random.default_rng(seed)
    variance = rng.normal(4, 0.3, shape).astype(np.float32)
    mask = (rng.random(shape) < 0.1).astype(np.int32)
    variance[mask == 1] = 1e6
    variance[5, :7] = np.inf
    variance[6, :7] = np.nan
    variance[7, :3] = 500
    mask[8:10] |= 2
    return variance, mask


def test_weight_is_the_inverse_of_the_clipped_mean():
    variance, mask = planes()
    good = variance[(mask & 1 == 0) & np.isfinite(variance)].astype(float)
    q1, centre, q3 = np.percentile(good, [25, 50, 75])
    half_width = 3 * 0.741301109252802 * (q3 - q1)
    for _ in range(2):
        left = good[np.abs(good - centre) <= half_width]
        centre, half_width = left.mean(), 3 * left.std(ddof=1)
    assert len(left) < len(good) - 2
    assert warp_weight(variance, mask, 1) == pytest.approx(1 / left.mean(), rel=1e-12)


@given(st.integers(-20, 20))
def test_scaling_by_k_scales_the_weight_by_its_inverse_square(exponent):
    variance, mask = planes()
    weight = warp_weight(variance, mask, 1)
    scaled = variance * np.float32(4.0**exponent)
    assert warp_weight(scaled, mask, 1) == weight / 4.0**exponent
    assert warp_weight(variance, mask, 1, scale=2.0**exponent) == weight / 4.0**exponent


@given(st.floats(0.01, 100))
def test_scale_is_applied_to_the_variance(scale):
    variance, mask = planes()
    expected = warp_weight((variance * scale**2).astype(np.float32), mask, 1)
    assert warp_weight(variance, mask, 1, scale=scale) == pytest.approx(expected, rel=1e-6)


@given(st.integers(1, 40), st.permutations(range(4)))
def test_cuts_and_order_do_not_change_a_bit(height, order):
    variance, mask = planes()
    strips = [(variance[y : y + height], mask[y : y + height]) for y in range(0, 40, height)]
    tiles = [(v[:, c : c + 13], m[:, c : c + 13]) for v, m in strips for c in (13 * i for i in order)]
    assert clipped_mean(tiles, 1, 3.0, 2) == clipped_mean([(variance, mask)], 1, 3.0, 2)


def test_values_of_masked_pixels_do_not_matter():
    variance, mask = planes()
    changed = np.where(mask & 1 == 1, -7, variance).astype(np.float32)
    assert warp_weight(changed, mask, 1) == warp_weight(variance, mask, 1)
    assert warp_weight(changed, mask, 3) != warp_weight(variance, mask, 1)


@pytest.mark.parametrize(
    ("variance", "mask", "problem"),
    [
        ([1, 2], [1, 1], WeightProblem.NO_GOOD_PIXEL),
        ([np.nan, np.inf], [0, 0], WeightProblem.NO_GOOD_PIXEL),
        ([0, 0], [0, 0], WeightProblem.NOT_POSITIVE),
        ([-1, -2], [0, 0], WeightProblem.NOT_POSITIVE),
        ([-3, 3], [0, 0], WeightProblem.NOT_POSITIVE),
    ],
)
def test_reasons_for_having_no_weight(variance, mask, problem):
    found = warp_weight(np.array([variance], np.float32), np.array([mask], np.int32), 1)
    assert found is problem
    assert isinstance(found, str)
    assert len(found) > 10


def test_clipping_may_leave_nothing():
    variance = np.array([[1, 2, 3, 4, 11, 12]], np.float32)
    control = WeightControl(sigma_clip=0.01, clip_iter=1)
    assert warp_weight(variance, np.zeros((1, 6), np.int32), 1, control) is WeightProblem.NOTHING_LEFT


def test_weight_survives_extreme_variances():
    tiny = np.full((2, 2), 1e-42, dtype=np.float32)
    assert warp_weight(tiny, np.zeros((2, 2), np.int32), 1) == pytest.approx(1e42, rel=1e-3)


def test_wrong_arguments_are_errors():
    variance, mask = planes()
    with pytest.raises(ShapeError, match="mask"):
        warp_weight(variance, mask[1:], 1)
    with pytest.raises(CalibrationError):
        warp_weight(variance, mask, 1, scale=0.0)
    with pytest.raises(ConfigError, match="sigma_clip"):
        WeightControl(sigma_clip=0)

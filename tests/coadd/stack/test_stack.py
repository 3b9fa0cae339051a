"""Stack statistics in the default mode: values, masks, mended quirks, laws, errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, special

from lamella.coadd.stack.stack import StackResult, StreamingMean, statistics_stack
from lamella.coadd.stack.stack_control import StackControl
from lamella.data.owners import WeightRanges
from lamella.errors import ConfigError, NoInputsError, PixelTypeError, ShapeError

BAD, EDGE, DETECTED, NO_DATA, CLIPPED, REJECTED, SENSOR_EDGE = 1, 16, 32, 256, 2048, 4096, 8192
FAST = ("MEAN", "MEANCLIP", "NOISECLIP", "MEDIAN")
SLOW = (
    "VARIANCE",
    "VARIANCECLIP",
    "STDEV",
    "STDEVCLIP",
    "IQRANGE",
    "MIN",
    "MAX",
    "SUM",
    "MEANSQUARE",
    "NPOINT",
)
ASSEMBLE = {
    "bad_mask": BAD | NO_DATA,
    "weighted": True,
    "error_from_input_variance": True,
    "no_good_mask": NO_DATA,
    "clipped_mask": CLIPPED,
    "mask_map": ((BAD, REJECTED), (EDGE, SENSOR_EDGE)),
    "propagation_thresholds": {0: 0.4},
}


def column(values, mask=0, variance=1.0):
    """Return planes of one pixel with some inputs."""
    values = np.asarray(values, np.float32).reshape(-1, 1, 1)
    planes = (np.broadcast_to(np.asarray(p).reshape(-1, 1, 1), values.shape) for p in (mask, variance))
    m, v = planes
    return values, m.astype(np.int32), v.astype(np.float32)


def stack_pixel(values, mask=0, variance=1.0, weights=None, strict=False, **options):
    """Return image, mask, variance and count of one pixel."""
    control = StackControl(**options)
    result = statistics_stack(*column(values, mask, variance), weights, control=control, strict=strict)
    return tuple(plane[0, 0] for plane in (result.image, result.mask, result.variance, result.count))


MASKS = (0, 0, 0, 0, BAD, EDGE, DETECTED, NO_DATA | EDGE)


def field(n=7, shape=(13, 37), seed=0, pedestal=0.0, *, masks=MASKS, outliers=0.02, useless=np.nan):
    """Return planes and weights with masks, outliers, NaN, and useless variances."""
    rng = np.random.default_rng(seed)
    sigma = rng.uniform(1, 4, (n, 1, 1))
    image = (pedestal + sigma * rng.standard_normal((n, *shape))).astype(np.float32)
    variance = (sigma**2 * rng.uniform(0.9, 1.1, (n, *shape))).astype(np.float32)
    mask = rng.choice(masks, (n, *shape)).astype(np.int32)
    image[rng.random(image.shape) < 0.02] = np.nan
    image[rng.random(image.shape) < outliers] += 300
    variance[rng.random(image.shape) < 0.02] = np.inf
    variance[rng.random(image.shape) < 0.02] = useless
    return (image, mask, variance), rng.uniform(0.5, 2, n)


def assert_same(one, other):
    for name in ("image", "mask", "variance", "count"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


class TestValues:
    def test_mean_of_zero_to_nine(self):
        assert stack_pixel(range(10))[0] == 4.5

    def test_plain_numbers(self):
        values = [1, 2, 2, 3, 8]
        assert stack_pixel(values)[0] == np.float32(3.2)
        assert stack_pixel(values, statistic="MEDIAN")[0] == 2
        assert stack_pixel(values, statistic="MEANCLIP", clipped_mask=CLIPPED)[:2] == (2, CLIPPED)
        assert stack_pixel(values, statistic="MEANCLIP")[3] == 4

    def test_weights_multiply(self):
        values = [1, 2, 2, 3, 8]
        assert stack_pixel(values, weights=values)[0] == np.float32(82 / 16)

    def test_unset_weighting_uses_weights_if_given_and_false_does_not(self):
        assert stack_pixel([1, 3], weights=[3, 1])[0] == 1.5
        assert stack_pixel([1, 3], weights=[3, 1], weighted=False)[0] == 2

    def test_weights_from_the_variance_of_each_pixel(self):
        values = [1, 2, 2, 3, 8]
        mean, _, variance, _ = stack_pixel(
            values, variance=values, weighted=True, error_from_input_variance=True
        )
        total = sum(1 / v for v in values)
        assert mean == pytest.approx(5 / total, rel=1e-6)
        assert variance == pytest.approx(1 / total, rel=1e-6)

    def test_errors_of_the_mean(self):
        values, v, w = [1.0, 2.0, 4.0], [1.0, 2.0, 3.0], np.array([1.0, 2.0, 0.5])
        by_input = stack_pixel(values, variance=v, weights=w, error_from_input_variance=True)[2]
        mosaic = stack_pixel(values, variance=v, weights=w, mosaic_error=True)[2]
        scatter = stack_pixel(values, variance=v)[2]
        assert by_input == pytest.approx(np.sum(w**2 * v) / w.sum() ** 2, rel=1e-6)
        assert mosaic == pytest.approx(np.sum(w * v) / w.sum(), rel=1e-6)
        assert scatter == pytest.approx(np.var(values, ddof=1) / 3, rel=1e-6)

    def test_the_scatter_of_one_value_is_not_known(self):
        assert np.isnan(stack_pixel([3.0])[2])

    def test_the_scatter_survives_a_high_pedestal(self):
        values = np.float32(1e7) + np.arange(8, dtype=np.float32)
        for statistic in ("MEAN", "MEANCLIP", "MEDIAN"):
            value, _, variance, _ = stack_pixel(values, statistic=statistic)
            assert value == np.float32(1e7 + 3.5)
            assert variance == pytest.approx((1.26 if statistic == "MEDIAN" else 1) * 6 / 8, rel=0.1)
        assert stack_pixel(values, statistic="VARIANCE")[0] == pytest.approx(6.0, rel=1e-6)

    @pytest.mark.parametrize(
        ("statistic", "value", "variance"),
        [
            ("VARIANCE", 2.5, 2 * 2.5**2 / 4),
            ("STDEV", 2.5**0.5, 2.5 / 8),
            ("MEANSQUARE", 11.0, (4 * 9 * 2.5 + 2 * 2.5**2) / 5),
            ("SUM", 15.0, 5 * 2.5),
            ("NPOINT", 5.0, 0.0),
            ("IQRANGE", 2.0, 1.36045 * 4 / 5),
            ("MIN", 1.0, np.nan),
            ("MAX", 5.0, np.nan),
        ],
    )
    def test_other_statistics_and_their_variance(self, statistic, value, variance):
        found = stack_pixel([1, 2, 3, 4, 5], statistic=statistic)
        assert found[0] == pytest.approx(value, rel=1e-6)
        assert found[2] == pytest.approx(variance, rel=1e-5, nan_ok=True)
        assert found[3] == 5

    @pytest.mark.parametrize("statistic", ["VARIANCE", "STDEV", "IQRANGE", "MEANSQUARE"])
    def test_the_variance_of_a_spread_is_what_simulations_show(self, statistic):
        rng = np.random.default_rng(5)
        image = (2 + rng.standard_normal((60, 100, 100))).astype(np.float32)
        planes = image, np.zeros(image.shape, np.int32), np.ones(image.shape, np.float32)
        result = statistics_stack(*planes, control=StackControl(statistic=statistic))
        assert result.variance.mean() == pytest.approx(result.image.var(), rel=0.08)

    @pytest.mark.parametrize(
        ("n", "by_input"),
        [
            (1, True),
            (2, True),
            (2, False),
            (3, True),
            (3, False),
            (4, True),
            (9, False),
            (30, True),
            (30, False),
        ],
    )
    def test_the_variance_of_the_median_is_what_simulations_show(self, n, by_input):
        rng = np.random.default_rng(n)
        sigma = rng.uniform(1.0, 1.3, (n, 1, 1))
        image = (sigma * rng.standard_normal((n, 200, 200))).astype(np.float32)
        variance = np.broadcast_to(sigma**2, image.shape).astype(np.float32)
        control = StackControl(statistic="MEDIAN", error_from_input_variance=by_input)
        result = statistics_stack(image, np.zeros(image.shape, np.int32), variance, control=control)
        assert result.variance.mean() == pytest.approx(result.image.var(), rel=0.04)

    def test_pulls_of_the_mean_have_unit_width(self):
        rng = np.random.default_rng(2)
        sigma = rng.uniform(1, 3, (6, 1, 1))
        image = (sigma * rng.standard_normal((6, 200, 200))).astype(np.float32)
        variance = np.broadcast_to(sigma**2, image.shape).astype(np.float32)
        control = StackControl(weighted=True, error_from_input_variance=True)
        result = statistics_stack(image, np.zeros(image.shape, np.int32), variance, control=control)
        assert np.std(result.image / np.sqrt(result.variance)) == pytest.approx(1, abs=0.01)

    def test_clips_agree_with_strict_mode_where_no_quirk_is_met(self):
        rng = np.random.default_rng(8)
        image = rng.standard_normal((9, 50, 50)).astype(np.float32)
        image[0, ::3] += 50
        planes = image, np.zeros(image.shape, np.int32), np.ones(image.shape, np.float32)
        for statistic in ("MEAN", "MEANCLIP"):
            options = {"statistic": statistic, "weighted": True, "error_from_input_variance": True}
            control = StackControl(**options, clip_iter=3, clipped_mask=CLIPPED)
            mine = statistics_stack(*planes, np.ones(9), control=control)
            theirs = statistics_stack(*planes, np.ones(9), control=control, strict=True)
            np.testing.assert_allclose(mine.image, theirs.image, rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(mine.variance, theirs.variance, rtol=1e-6)
            np.testing.assert_array_equal(mine.mask, theirs.mask)


class TestMasks:
    def test_only_used_inputs_give_their_bits(self):
        assert stack_pixel([1, 2], mask=[4, 3], bad_mask=1)[1] == 4
        assert stack_pixel([1, 2], mask=[4, 3])[1] == 7

    def test_clipped_values_do_not_give_their_bits(self):
        values, mask = [1, 2, 2, 3, 80], [0, 2, 0, 0, 4]
        for statistic in ("MEANCLIP", "NOISECLIP", "VARIANCECLIP"):
            found = stack_pixel(values, mask=mask, statistic=statistic, clipped_mask=CLIPPED)
            assert found[1] == 2 | CLIPPED
            assert found[3] == 4
        assert stack_pixel(values, mask=mask, statistic="MEANCLIP", strict=True)[1] == 6

    def test_a_pixel_without_inputs(self):
        for statistic in FAST + SLOW:
            found = stack_pixel([1, 2], mask=[1, 1], statistic=statistic, bad_mask=1, no_good_mask=NO_DATA)
            assert found[1] == NO_DATA
            assert found[3] == 0
            if statistic == "NPOINT":
                assert found[0] == found[2] == 0
            else:
                assert np.isnan(found[0])
                assert found[2] == np.inf

    def test_masked_pixels_are_reported_as_clipped_unless_excused(self):
        options = {"bad_mask": 3, "clipped_mask": CLIPPED}
        assert stack_pixel([1, 2], mask=[0, 1], **options)[1] == CLIPPED
        assert stack_pixel([1, 2], mask=[0, 1], excuse=1, **options)[1] == 0
        assert stack_pixel([1, 2], mask=[0, 2], excuse=1, **options)[1] == CLIPPED
        assert stack_pixel([1, 2], mask=[0, 1], mask_map=((1, REJECTED),), **options)[1] == REJECTED

    @pytest.mark.parametrize(("weight", "expected"), [(1.0, 0), (2.0, BAD)])
    def test_thresholds_compare_weights(self, weight, expected):
        # Weight 1 of 5 is below the threshold of 0.3, 2 of 6 is above.
        weights = [1, 1, 1, 1, weight]
        for statistic in ("MEAN", "MEANCLIP", "MEDIAN", "SUM"):
            found = stack_pixel(
                [1, 1, 1, 1, 9],
                mask=[0, 0, 0, 0, BAD],
                weights=weights,
                statistic=statistic,
                bad_mask=BAD,
                propagation_thresholds={0: 0.3},
            )
            assert found[1] == expected

    def test_count_is_that_of_the_values_used(self):
        values = [1, 2, np.nan, 3, 500]
        assert stack_pixel(values, statistic="MEAN")[3] == 4
        assert stack_pixel(values, mask=[0, 1, 0, 0, 0], statistic="NOISECLIP", bad_mask=1)[3] == 2


class TestMendedQuirks:
    def test_median_variance_comes_from_the_inputs_if_asked_for(self):
        options = {"statistic": "MEDIAN", "error_from_input_variance": True, "variance": 4.0}
        values = np.linspace(-1, 1, 101)
        assert stack_pixel(values, **options)[2] == pytest.approx(0.5 * np.pi * 4 / 101.43, rel=1e-3)
        assert stack_pixel(values, strict=True, **options)[2] == pytest.approx(
            0.5 * np.pi * values.var(ddof=1) / 101, rel=1e-5
        )

    def test_a_clip_that_leaves_one_value_keeps_it(self):
        values = [0.0, 1.0, 10.0]
        options = {"statistic": "MEANCLIP", "sigma_clip": 0.1, "clip_iter": 3, "clipped_mask": CLIPPED}
        assert np.isnan(stack_pixel(values, strict=True, **options)[0])
        assert stack_pixel(values, **options)[:2] == (1.0, CLIPPED)
        assert stack_pixel(values, **options)[3] == 1

    def test_a_clip_never_leaves_nothing(self):
        values = [0.0, 1.0, 10.0, 11.0]
        for statistic in ("MEANCLIP", "STDEVCLIP", "VARIANCECLIP"):
            found = stack_pixel(values, statistic=statistic, sigma_clip=1e-3)
            assert found[3] == 4
            assert np.isfinite(found[0])

    def test_no_data_keeps_the_bits_of_thresholds(self):
        options = {"bad_mask": BAD, "no_good_mask": NO_DATA, "propagation_thresholds": {0: 0.1}}
        for statistic in FAST + SLOW:
            assert stack_pixel([1], mask=[BAD], statistic=statistic, **options)[1] == NO_DATA | BAD
        assert stack_pixel([1], mask=[BAD], strict=True, **options)[1] == NO_DATA

    def test_mask_map_looks_at_rejected_inputs_only(self):
        options = {"bad_mask": BAD, "mask_map": ((EDGE, SENSOR_EDGE),)}
        for statistic in FAST + SLOW:
            assert stack_pixel([1, 2], mask=[EDGE, BAD], statistic=statistic, **options)[1] == EDGE
            found = stack_pixel([1, 2], mask=[0, BAD | EDGE], statistic=statistic, **options)
            assert found[1] == SENSOR_EDGE
        assert stack_pixel([1, 2], mask=[EDGE, BAD], strict=True, **options)[1] == EDGE | SENSOR_EDGE

    def test_weighted_extremes_are_extremes(self):
        options = {"weights": [9, 9], "weighted": True}
        assert stack_pixel([2, 5], statistic="MIN", **options)[0] == 2
        assert stack_pixel([2, 5], statistic="MAX", **options)[0] == 5
        assert stack_pixel([2, 5], statistic="MAX", strict=True, **options)[0] == 31.5

    def test_extremes_have_the_variance_of_their_input(self):
        options = {"variance": [3, 7, 5], "error_from_input_variance": True}
        assert stack_pixel([2, 5, 4], statistic="MIN", **options)[2] == 3
        assert stack_pixel([2, 5, 4], statistic="MAX", **options)[2] == 7

    @pytest.mark.parametrize("useless", [np.nan, np.inf, 0.0, -1.0])
    def test_useless_variances_do_not_poison(self, useless):
        for statistic in FAST + SLOW:
            good = stack_pixel([1, 2, 4], statistic=statistic, weighted=True, variance=[1, 1, 1])
            found = stack_pixel([1, 2, 4, 9], statistic=statistic, weighted=True, variance=[1, 1, 1, useless])
            np.testing.assert_array_equal(good, found)

    def test_a_variance_of_zero_is_a_variance_where_nothing_is_divided_by_it(self):
        found = stack_pixel([1, 2], variance=[0, 1], error_from_input_variance=True)
        assert found[0] == 1.5
        assert found[2] == 0.25
        assert found[3] == 2

    def test_an_input_of_weight_zero_is_as_if_it_were_absent(self):
        planes, weights = field()
        for statistic in (*FAST, "SUM"):
            control = StackControl(statistic=statistic, **ASSEMBLE)
            extra = [np.concatenate([plane, plane[:1]]) for plane in planes]
            extra[1][-1] = BAD | EDGE
            with_zero = statistics_stack(*extra, [*weights, 0.0], control=control)
            assert_same(with_zero, statistics_stack(*planes, weights, control=control))

    def test_values_that_are_not_finite_show_without_nan_safe(self):
        for statistic in FAST + SLOW:
            found = stack_pixel([1, np.inf, 2], statistic=statistic, nan_safe=False)
            assert np.isnan(found[0])
            masked = stack_pixel(
                [1, np.inf, 2], mask=[0, 1, 0], bad_mask=1, statistic=statistic, nan_safe=False
            )
            assert np.isfinite(masked[0])


def star_light(dy: np.ndarray, dx: np.ndarray, sigma: float) -> np.ndarray:
    """Return a Gaussian of flux one, averaged over pixels."""
    along_y, along_x = (
        0.5 * np.diff([special.erf((d + side) / sigma / np.sqrt(2)) for side in (-0.5, 0.5)], axis=0)[0]
        for d in (dy, dx)
    )
    return (along_y * along_x).astype(np.float32)


def shifted_back(plane: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Move an image by less than a pixel with Lanczos-3."""
    taps = np.arange(-3, 4)
    for axis, step in enumerate(shift):
        weights = np.sinc(taps - step) * np.sinc((taps - step) / 3) * (np.abs(taps - step) < 3)
        plane = ndimage.correlate1d(plane, weights / weights.sum(), axis=axis, mode="constant")
    return plane


class TestNoiseClip:
    def clip(self, values, **options):
        options = {"flux_tolerance": 0.0, "clipped_mask": CLIPPED} | options
        return stack_pixel(values, statistic="NOISECLIP", error_from_input_variance=True, **options)

    def test_an_outlier_among_few(self):
        for values in ([0, 0.5, 30], [0, 0.5, -30], [0.5, 30, 1, 0], [30, 0.5]):
            found = self.clip(values)
            keep = [v for v in values if abs(v) < 30]
            assert found[0] == pytest.approx(np.mean(keep))
            assert found[2] == pytest.approx(1 / len(keep))
            assert found[1] == CLIPPED

    def test_the_lower_of_two_wins_only_beyond_five_sigma(self):
        assert self.clip([0, 6])[3] == 2
        assert self.clip([0, 8])[:2] == (0, CLIPPED)

    def test_half_of_the_values_wrong(self):
        found = self.clip([0, 1, 100, 200])
        assert found[0] == 0.5
        assert found[3] == 2

    def test_the_known_noise_sets_the_limit(self):
        values = [0, 0.1, -0.1, 0.2, -0.2, 6]
        assert self.clip(values, variance=1.0)[3] == 5
        assert self.clip(values, variance=25.0)[3] == 6

    def test_a_deep_input_is_not_clipped_by_shallow_ones(self):
        values, variance = [50, 40, 45, 0, 52], [1e4, 1e4, 1e4, 1.0, 1e4]
        found = self.clip(values, variance=variance, weighted=True)
        assert found[3] == 5
        assert found[0] == pytest.approx(0, abs=0.1)

    def test_the_tolerance_is_a_scatter_relative_to_the_flux(self):
        star = [1000, 1300, 700, 1100, 900]
        assert self.clip(star)[3] < 5
        assert self.clip(star, flux_tolerance=0.15)[3] == 5
        assert self.clip([*star, 5000], flux_tolerance=0.15)[3] == 5

    def test_noise_and_leaks_on_a_survey_with_defects(self):
        rng = np.random.default_rng(11)
        n, shape = 10, (400, 500)
        sigma = rng.uniform(5, 10, (n, 1, 1)).astype(np.float32)
        image = sigma * rng.standard_normal((n, *shape), np.float32)
        hit = rng.random(image.shape) < 1e-3
        image += np.where(hit, rng.uniform(20, 500, image.shape) * sigma, 0).astype(np.float32)
        image[0, 100:107] += 150
        mask = (rng.random(image.shape) < 0.025).astype(np.int32)
        image[mask == 1] = 1e4
        variance = np.broadcast_to(sigma**2, image.shape).astype(np.float32)
        ideal = 1 / np.sqrt(np.sum((mask == 0) / variance, axis=0))
        options = {"bad_mask": 1, "error_from_input_variance": True}
        noise, leaks = {}, {}
        for statistic in ("MEANCLIP", "NOISECLIP"):
            control = StackControl(statistic=statistic, **options)
            pull = (
                statistics_stack(image, mask, variance, 1 / sigma.ravel() ** 2.0, control=control).image
                / ideal
            )
            noise[statistic] = np.diff(np.quantile(pull, [0.158655, 0.841345]))[0] / 2
            leaks[statistic] = np.sum(np.abs(pull) > 5)
        assert noise["NOISECLIP"] < 1.015
        assert noise["NOISECLIP"] < noise["MEANCLIP"] - 0.02
        assert leaks["NOISECLIP"] <= min(2, leaks["MEANCLIP"])

    @pytest.mark.parametrize("subtracted", [True, False])
    @pytest.mark.parametrize("estimate", ["true", "counts", "floored counts"])
    @pytest.mark.parametrize(("n", "pixels"), [(2, 600), (3, 500), (12, 400), (30, 300)])
    def test_no_bias_on_counts_however_their_variance_was_estimated(self, n, pixels, estimate, subtracted):
        counts = np.random.default_rng(n).poisson(5.0, (n, pixels, pixels)).astype(np.float32)
        variance = {
            "true": np.full_like(counts, 5.0),
            "counts": counts,
            "floored counts": np.maximum(counts, 1.0),
        }[estimate]
        image = counts - np.float32(5.0) if subtracted else counts
        control = StackControl(statistic="NOISECLIP", error_from_input_variance=True)
        result = statistics_stack(
            image, np.zeros(image.shape, np.int32), variance, np.ones(n), control=control
        )
        # Against the plain mean of the same counts, so that their own noise does not count.
        bias = np.mean(result.image - image.mean(axis=0)) / np.sqrt(5.0 / n)
        assert abs(bias) < 0.003

    @pytest.mark.parametrize("n", [2, 3, 6, 20])
    @pytest.mark.parametrize(("width", "scatter"), [(1.2, 0.0), (1.3, 0.0), (3.0, 0.09)])
    def test_stars_keep_their_light(self, n, width, scatter):
        """Each exposure samples them elsewhere; they are hardly wider than a pixel, or the seeing differs."""
        rng = np.random.default_rng(5)
        image, stars = np.zeros((n, 20 * 15, 20), np.float32), 20
        y, x = np.mgrid[: image.shape[1], : image.shape[2]].astype(float)
        at = [(15 * k + 7 + rng.uniform(-0.5, 0.5), 10 + rng.uniform(-0.5, 0.5)) for k in range(stars)]
        for plane in image:
            shift, sigma = rng.uniform(-0.5, 0.5, 2), width / 2.35482 * (1 + scatter * rng.normal())
            for cy, cx in at:
                plane += star_light(y - cy - shift[0], x - cx - shift[1], sigma)
            # As if each were moved back to its place by a kernel as sharp as can be.
            plane[...] = shifted_back(plane, shift)
        image *= 1e6
        variance = 25.0 + np.maximum(image, 0)
        image += np.sqrt(variance) * rng.standard_normal(image.shape).astype(np.float32)
        control = StackControl(statistic="NOISECLIP", error_from_input_variance=True)
        result = statistics_stack(
            image, np.zeros(image.shape, np.int32), variance, np.ones(n), control=control
        )
        assert result.image.sum() / image.mean(axis=0).sum() == pytest.approx(1.0, abs=0.002)

    def test_a_wrong_value_does_not_excuse_the_one_beside_it(self):
        """Where two of three are wrong, their neighbours that are wrong in one input are still clipped."""
        image = np.random.default_rng(6).standard_normal((3, 30, 30)).astype(np.float32)
        image[0, 10:20] += 40.0
        image[1, 15, 15] += 40.0
        planes = image, np.zeros(image.shape, np.int32), np.ones(image.shape, np.float32)
        result = statistics_stack(*planes, control=StackControl(statistic="NOISECLIP"))
        beside = np.zeros(image.shape[1:], bool)
        beside[14:17, 14:17] = True
        beside[15, 15] = False
        assert (result.count[beside] == 2).all()

    def test_the_least_limit_can_be_given_up(self):
        values = [0, 0.1, -0.1, 0.2, -0.2, 0.1, -0.1, 4.2]
        assert self.clip(values)[3] == 8
        assert self.clip(values, least_noise_clip=0.0)[3] == 7

    def test_no_bias_on_clean_data(self):
        rng = np.random.default_rng(12)
        for n in (2, 4, 6):
            image = rng.standard_normal((n, 400, 400), np.float32)
            planes = image, np.zeros(image.shape, np.int32), np.ones(image.shape, np.float32)
            difference = [
                statistics_stack(*planes, control=StackControl(statistic=s)).image.mean(dtype=float)
                for s in ("NOISECLIP", "MEAN")
            ]
            assert difference[0] == pytest.approx(difference[1], abs=3e-4)


class TestLaws:
    @given(st.sampled_from(FAST + SLOW), st.integers(1, 12), st.integers(0, 2**16), st.integers(-8, 8))
    def test_scaling_by_a_power_of_two_is_exact(self, statistic, n, seed, power):
        (image, mask, variance), _ = field(n, (3, 11), seed)
        factor = np.float32(2.0**power)
        control = StackControl(statistic=statistic, **ASSEMBLE)
        plain = statistics_stack(image, mask, variance, control=control)
        scaled = statistics_stack(image * factor, mask, variance * factor**2, control=control)
        step = {"NPOINT": 0, "VARIANCE": 2, "VARIANCECLIP": 2, "MEANSQUARE": 2, "SUM": -1}.get(statistic, 1)
        np.testing.assert_array_equal(scaled.image, plain.image * factor**step)
        np.testing.assert_array_equal(scaled.variance, plain.variance * factor ** (2 * step))
        np.testing.assert_array_equal(scaled.mask, plain.mask)
        np.testing.assert_array_equal(scaled.count, plain.count)

    @given(st.sampled_from(FAST), st.integers(0, 2**16), st.floats(0.01, 100))
    def test_scaling_by_any_factor(self, statistic, seed, factor):
        (image, mask, variance), weights = field(6, (3, 11), seed)
        control = StackControl(statistic=statistic, **ASSEMBLE)
        plain = statistics_stack(image, mask, variance, weights, control=control)
        factor = np.float32(factor)
        scaled = statistics_stack(image * factor, mask, variance * factor**2, weights, control=control)
        np.testing.assert_allclose(scaled.image, plain.image * factor, rtol=1e-5, atol=1e-5 * factor)
        np.testing.assert_allclose(scaled.variance, plain.variance * factor**2, rtol=1e-5)

    @given(
        st.sampled_from(FAST + SLOW),
        st.integers(0, 2**16),
        st.sampled_from([np.nan, np.inf, -np.inf, 1e30, 0.0]),
        st.booleans(),
    )
    def test_a_masked_value_never_matters(self, statistic, seed, junk, strict):
        (image, mask, variance), weights = field(6, (4, 9), seed)
        if strict and statistic == "NOISECLIP":
            statistic = "MEANCLIP"
        control = StackControl(statistic=statistic, **ASSEMBLE)
        changed = np.where(mask & control.bad_mask, np.float32(junk), image)
        one = statistics_stack(image, mask, variance, weights, control=control, strict=strict)
        assert_same(one, statistics_stack(changed, mask, variance, weights, control=control, strict=strict))

    @given(st.sampled_from((*FAST, "STDEVCLIP")), st.integers(1, 9), st.integers(1, 12), st.integers(1, 5))
    def test_tiles_and_threads_do_not_change_a_bit(self, statistic, rows, columns, threads):
        planes, weights = field(7, (9, 150), pedestal=100.0)
        control = StackControl(statistic=statistic, **(ASSEMBLE | {"error_from_input_variance": False}))
        whole = statistics_stack(*planes, weights, control=control, threads=threads)
        width = 12 * columns
        for y in range(0, 9, rows):
            for x in range(0, 150, width):
                at = slice(y, y + rows), slice(x, x + width)
                part = statistics_stack(*(p[:, *at] for p in planes), weights, control=control)
                for name in ("image", "mask", "variance", "count"):
                    np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[at])

    def test_blocks_beyond_the_first_are_right(self):
        (image, mask, variance), weights = field(5, (3, 2500))
        for statistic in FAST:
            control = StackControl(statistic=statistic, **ASSEMBLE)
            whole = statistics_stack(image, mask, variance, weights, control=control, threads=3)
            part = statistics_stack(
                image[:, 2:, 2100:], mask[:, 2:, 2100:], variance[:, 2:, 2100:], weights, control=control
            )
            np.testing.assert_array_equal(part.image, whole.image[2:, 2100:])
            np.testing.assert_array_equal(part.mask, whole.mask[2:, 2100:])

    @given(
        st.integers(1, 12),
        st.integers(0, 2**16),
        st.sampled_from(["scatter", "input", "mosaic"]),
        st.sampled_from(["vector", "pixel", "none"]),
        st.booleans(),
    )
    def test_a_streaming_mean_has_the_bits_of_the_cube(self, n, seed, error, weighting, nan_safe):
        planes, weights = field(n, (5, 23), seed, pedestal=1e4)
        options = ASSEMBLE | {
            "error_from_input_variance": error == "input",
            "mosaic_error": error == "mosaic",
            "weighted": {"vector": None, "pixel": True, "none": False}[weighting],
            "nan_safe": nan_safe,
        }
        control = StackControl(**options)
        vector = weights if weighting == "vector" else None
        mean = StreamingMean((5, 23), control)
        for i in range(n):
            mean.add(*(plane[i] for plane in planes), None if vector is None else vector[i])
        assert_same(mean.result(), statistics_stack(*planes, vector, control=control))

    def test_a_streaming_mean_can_be_read_in_between(self):
        planes, weights = field(4, (3, 1500))
        control = StackControl(**ASSEMBLE)
        mean = StreamingMean((3, 1500), control)
        for i in range(4):
            mean.add(*(plane[i] for plane in planes), weights[i])
            cube = statistics_stack(*(plane[: i + 1] for plane in planes), weights[: i + 1], control=control)
            assert_same(mean.result(), cube)


class TestArrays:
    def test_the_inputs_are_not_changed_and_may_be_read_only_or_strided(self):
        planes, weights = field(4, (6, 40))
        before = [plane.copy() for plane in planes]
        control = StackControl(statistic="MEANCLIP", **ASSEMBLE)
        expected = statistics_stack(*planes, weights, control=control)
        for plane, old in zip(planes, before, strict=True):
            np.testing.assert_array_equal(plane, old)
        wide = [np.repeat(plane, 2, axis=2) for plane in planes]
        for plane in wide:
            plane.flags.writeable = False
        assert_same(statistics_stack(*(p[:, :, ::2] for p in wide), weights, control=control), expected)

    def test_other_byte_orders_and_small_integers_are_converted(self):
        (image, mask, variance), weights = field(3, (2, 9))
        control = StackControl(**ASSEMBLE)
        expected = statistics_stack(image, mask, variance, weights, control=control)
        swapped = image.astype(">f4"), mask.astype(np.int16), variance.astype(np.float64)
        assert_same(statistics_stack(*swapped, weights, control=control), expected)

    def test_empty_images(self):
        planes = (
            np.empty((2, 0, 5), np.float32),
            np.empty((2, 0, 5), np.int32),
            np.empty((2, 0, 5), np.float32),
        )
        assert statistics_stack(*planes, control=StackControl(), threads=2).image.shape == (0, 5)


class TestErrors:
    def test_no_inputs(self):
        with pytest.raises(NoInputsError):
            statistics_stack(*(np.empty((0, 2, 2), t) for t in ("f4", "i4", "f4")), control=StackControl())
        with pytest.raises(NoInputsError, match="all 2 inputs are zero"):
            stack_pixel([1, 2], weights=[0, 0])
        with pytest.raises(NoInputsError):
            StreamingMean((2, 2), StackControl()).result()

    def test_shapes(self):
        image, mask, variance = column([1, 2, 3])
        with pytest.raises(ShapeError, match="image has shape"):
            statistics_stack(image[0], mask[0], variance[0], control=StackControl())
        with pytest.raises(ShapeError, match="mask has shape"):
            statistics_stack(image, mask[:2], variance, control=StackControl())
        with pytest.raises(ShapeError, match="variance has shape"):
            statistics_stack(image, mask, variance[:, :, :0], control=StackControl())
        for strict in (False, True):
            with pytest.raises(ShapeError, match="weights has shape"):
                stack_pixel([1, 2, 3], weights=[1, 2], strict=strict)
        with pytest.raises(ShapeError, match="image has shape"):
            StreamingMean((2, 1), StackControl()).add(image[0], mask[0], variance[0])

    @pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
    def test_impossible_weights(self, weight):
        with pytest.raises(ConfigError, match=r"weight 1 is") as caught:
            stack_pixel([1, 2], weights=[1, weight])
        assert caught.value.option == "weights"
        with pytest.raises(ConfigError):
            StreamingMean((1, 1), StackControl()).add([[1]], np.zeros((1, 1), np.int32), [[1]], weight)

    def test_weights_for_some_inputs_only(self):
        mean = StreamingMean((1, 1), StackControl())
        mean.add([[1]], np.zeros((1, 1), np.int32), [[1]], 2.0)
        with pytest.raises(ConfigError, match="either all inputs"):
            mean.add([[1]], np.zeros((1, 1), np.int32), [[1]])

    def test_masks_that_are_no_masks(self):
        image, mask, variance = column([1, 2])
        for dtype in (np.float32, np.int64):
            with pytest.raises(ConfigError, match="expected int32"):
                statistics_stack(image, mask.astype(dtype), variance, control=StackControl())

    @pytest.mark.parametrize(
        "options",
        [
            {"error_from_input_variance": True, "mosaic_error": True},
            {"sigma_clip": 0},
            {"clip_iter": 0},
            {"statistic": "MEDIAM"},
            {"bad_mask": -1},
            {"propagation_thresholds": {31: 0.5}},
            {"mask_map": ((1, 2**40),)},
            {"flux_tolerance": -0.1},
        ],
    )
    def test_impossible_options(self, options):
        with pytest.raises(ConfigError):
            StackControl(**options)

    def test_only_means_can_stream_and_only_old_statistics_be_strict(self):
        with pytest.raises(ConfigError, match="needs the statistic MEAN; found MEDIAN"):
            StreamingMean((1, 1), StackControl(statistic="MEDIAN"))
        with pytest.raises(ConfigError, match="NOISECLIP"):
            stack_pixel([1, 2], statistic="NOISECLIP", strict=True)


@pytest.mark.parametrize("strict", [False, True])
def test_results_are_written_to_arrays_of_the_caller(strict):
    planes, weights = field()
    control = StackControl(statistic="MEANCLIP", **ASSEMBLE)
    expected = statistics_stack(*planes, weights, control=control, strict=strict)
    out = StackResult.empty(expected.image.shape)
    assert statistics_stack(*planes, weights, control=control, strict=strict, out=out) is out
    for name in ("image", "mask", "variance", "count"):
        np.testing.assert_array_equal(getattr(out, name), getattr(expected, name))


def test_arrays_that_cannot_hold_the_result_are_refused():
    planes, weights = field()
    ny, nx = planes[0].shape[1:]
    control = StackControl(statistic="MEAN")
    small, good = StackResult.empty((ny, nx - 1)), StackResult.empty((ny, nx))
    strided = StackResult(*(np.empty((ny, 2 * nx), p.dtype)[:, ::2] for p in good.flat()))
    swapped = StackResult(good.variance, good.image, good.variance, good.count)
    for out, error, match in (
        (small, ShapeError, "out.image has shape"),
        (strided, ShapeError, "in pieces"),
        (swapped, PixelTypeError, "out.mask holds float32; expected int32"),
    ):
        with pytest.raises(error, match=match):
            statistics_stack(*planes, weights, control=control, out=out)


def ranges_of(n: int, pixels: int, seed: int = 3) -> WeightRanges:
    rng = np.random.default_rng(seed)
    ends = np.append(np.sort(rng.choice(np.arange(1, pixels), 11, replace=False)), pixels)
    return WeightRanges(rng.uniform(0.1, 4.0, (ends.size, n)), ends)


@pytest.mark.parametrize("statistic", FAST + SLOW)
@pytest.mark.parametrize("threads", [1, 3])
def test_ranges_of_weights_are_stacks_of_their_own(statistic: str, threads: int) -> None:
    planes, _ = field()
    ranges = ranges_of(7, 13 * 37)
    control = StackControl(statistic=statistic, **ASSEMBLE)
    whole = statistics_stack(*planes, ranges, control=control, threads=threads)
    start = 0
    for weights, stop in zip(ranges.weights, ranges.ends, strict=True):
        part = [plane.reshape(7, 1, -1)[..., start:stop] for plane in planes]
        alone = statistics_stack(*part, weights, control=control)
        for name in ("image", "mask", "variance", "count"):
            expected = getattr(alone, name).ravel()
            assert getattr(whole, name).ravel()[start:stop].tobytes() == expected.tobytes(), name
        start = stop


def test_a_streaming_mean_takes_ranges_of_weights() -> None:
    planes, _ = field()
    ranges, control = ranges_of(7, 13 * 37), StackControl(**ASSEMBLE)
    mean = StreamingMean((13, 37), control)
    for k, (x, m, v) in enumerate(zip(*planes, strict=True)):
        mean.add(x, m, v, WeightRanges(ranges.weights[:, [k]], ranges.ends))
    whole, found = statistics_stack(*planes, ranges, control=control), mean.result()
    for name in ("image", "mask", "variance", "count"):
        assert getattr(whole, name).tobytes() == getattr(found, name).tobytes(), name


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"ends": np.array([3, 481])}, ShapeError, "weights"),
        ({"ends": np.arange(1, 13)}, ShapeError, "ends"),
        ({"weights": np.full((12, 7), -1.0)}, ConfigError, "not negative"),
        ({"weights": np.eye(12, 7)}, ConfigError, "weight 0 in some"),
        ({"weights": np.zeros((12, 7))}, NoInputsError, "zero"),
    ],
)
def test_ranges_that_cannot_be_are_refused(change, error, message) -> None:
    planes, _ = field()
    ranges = ranges_of(7, 13 * 37)
    wrong = WeightRanges(change.get("weights", ranges.weights), change.get("ends", ranges.ends))
    with pytest.raises(error, match=message):
        statistics_stack(*planes, wrong, control=StackControl(**ASSEMBLE))
    with pytest.raises(ConfigError, match="strict"):
        statistics_stack(*planes, ranges, control=StackControl(**ASSEMBLE), strict=True)

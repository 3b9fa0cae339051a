"""Laws of the kernel that is made for a pair of grids, and of pixels that are means of points."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.kernels.resample.conserving import conserving_shapes, conserving_weights
from lamella.kernels.resample.resample import PositionGrid, ResampleRule, resample_planes
from lamella.kernels.resample.support import CONSERVING, ResamplingKernel
from lamella.kernels.resample.tap_weights import CELLS, kernel_weights, weight_tables

SIDE = 80
NO_DATA = 256
angles = st.floats(0.0, 360.0)
fine_ratios = st.floats(0.5, 1.1)


def grid_matrix(ratio: float, degrees: float, *, stretch: float = 1.0, mirror: bool = False) -> np.ndarray:
    """Steps of destination pixels in source pixels: columns are the axes x and y of the destination."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s], [s, c]]) @ np.diag([-ratio if mirror else ratio, ratio * stretch])


@functools.lru_cache(maxsize=512)
def _kernel(steps: tuple[float, ...]) -> ResamplingKernel:
    matrix = np.reshape(steps, (2, 2))
    x_bins, y_bins = (math.ceil(r / 0.9) if r > 1.1 else 1 for r in np.hypot(*matrix).tolist())
    derivatives = np.linalg.inv(matrix) * np.array([[x_bins], [y_bins]])
    return ResamplingKernel(
        name=CONSERVING, bins=(x_bins, y_bins), shapes=conserving_shapes(derivatives[np.newaxis])
    )


def kernel_for(matrix: np.ndarray) -> ResamplingKernel:
    return _kernel(tuple(matrix.ravel().tolist()))


def affine_grid(
    matrix: np.ndarray, offset: np.ndarray, start: tuple[int, int], shape: tuple[int, int], spacing: int = 8
) -> PositionGrid:
    """Positions ``matrix @ (x, y) + offset``, for some destination pixels and one more around them."""
    y0, x0 = ((first - 1) // spacing * spacing for first in start)
    ny, nx = ((s + n + 1 - first) // spacing + 2 for s, n, first in zip(start, shape, (y0, x0), strict=True))
    x, y = np.meshgrid(x0 + np.arange(nx) * spacing, y0 + np.arange(ny) * spacing)
    area = np.full(x.shape, abs(np.linalg.det(matrix)))
    sx, sy = np.einsum("ab,b...->a...", matrix, [x, y]) + offset[:, np.newaxis, np.newaxis]
    return PositionGrid(sx, sy, area, x0, y0, spacing)


def resample_all(planes, matrix: np.ndarray, kernel: ResamplingKernel | str, *, shift=(0.0, 0.0)):
    """Resample a source to all destination pixels that it reaches."""
    height, width = planes[0].shape
    centre = np.array([0.5 * (width - 1), 0.5 * (height - 1)])
    n = int(max(height, width) * 0.75 / np.hypot(*matrix).min()) + 2
    offset = centre + np.asarray(shift) - matrix @ [n, n]
    shape = (2 * n + 1, 2 * n + 1)
    rule = ResampleRule(kernel=kernel, no_data=NO_DATA, pad=NO_DATA)
    return resample_planes(planes, affine_grid(matrix, offset, (0, 0), shape), (0, 0), shape, rule)


def planes_of(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return image.astype("f4"), np.zeros(image.shape, "i4"), np.ones(image.shape, "f4")


def star(fwhm: float, x: float, y: float) -> np.ndarray:
    n, sigma = np.arange(SIDE), fwhm / 2.3548
    return np.exp(-0.5 * ((n - x) ** 2 + (n[:, np.newaxis] - y) ** 2) / sigma**2)


def flux_error(matrix: np.ndarray, fwhm: float, kernel: ResamplingKernel | str) -> float:
    """Half the spread over phases plus bias of the flux of a star, in parts of it."""
    rng, errors = np.random.default_rng(8), []
    for _ in range(6):
        x, y = 0.5 * SIDE + rng.uniform(-1.0, 1.0, 2)
        image = star(fwhm, x, y)
        found = resample_all(planes_of(image), matrix, kernel, shift=rng.uniform(-0.5, 0.5, 2))[0]
        errors.append(float(np.nansum(found, dtype=float) / image.sum() - 1.0))
    return float(np.ptp(errors) / 2.0 + abs(np.mean(errors)))


# ---------------------------------------------------------------------- weights


@given(ratio=fine_ratios, angle=angles, fraction=st.floats(0.0, 1.0, exclude_max=True))
def test_weights_sum_to_one_at_any_phase(ratio: float, angle: float, fraction: float) -> None:
    kernel = kernel_for(grid_matrix(ratio, angle))
    for shape in kernel.shapes:
        assert conserving_weights(shape, np.array(fraction)).sum() == pytest.approx(1.0, abs=1e-12)
    table, second = weight_tables(kernel)
    for first in (0, second):
        cell = min(int(fraction * CELLS), CELLS - 1)
        distance = np.float32(fraction - (cell + 0.5) / CELLS) ** np.arange(4)
        weights = distance @ table[first + cell]
        assert weights.sum() == pytest.approx(1.0, abs=3e-7)
        own = conserving_weights(kernel.shapes[0 if first == 0 else 1], np.array(fraction))
        np.testing.assert_allclose(weights[:6], own, atol=2e-7)
        assert (weights[6:] == 0.0).all()


@given(ratio=fine_ratios, angle=angles)
def test_the_kernel_is_nearly_lanczos_3_and_has_its_noise(ratio: float, angle: float) -> None:
    fraction = (np.arange(64) + 0.5) / 64
    lanczos = kernel_weights("lanczos3", fraction)
    for shape in kernel_for(grid_matrix(ratio, angle)).shapes:
        weights = conserving_weights(shape, fraction)
        assert np.abs(weights - lanczos).max() < 0.035
        assert (weights**2).sum(axis=1).mean() == pytest.approx((lanczos**2).sum(axis=1).mean(), rel=7e-3)


@pytest.mark.parametrize("stretch", [1.0, 0.8, 1.2])
def test_mirrored_and_turned_grids_have_the_same_kernels(stretch: float) -> None:
    x, y = kernel_for(grid_matrix(0.9, 12.0, stretch=stretch)).shapes
    for degrees, mirror, swapped in ((102.0, False, True), (192.0, False, False), (-12.0, True, False)):
        shapes = kernel_for(grid_matrix(0.9, degrees, stretch=stretch, mirror=mirror)).shapes
        for shape, expected in zip(shapes, (y, x) if swapped else (x, y), strict=True):
            np.testing.assert_allclose(shape, expected, atol=2e-9)


# ------------------------------------------------------------------------- flux


@pytest.mark.parametrize(("fwhm", "small", "any_angle"), [(1.5, 3e-4, 5e-3), (2.5, 3e-4, 1.5e-3)])
@given(data=st.data())
@settings(max_examples=25)
def test_stars_keep_their_flux(fwhm: float, small: float, any_angle: float, data: st.DataObject) -> None:
    ratio = data.draw(fine_ratios)
    quarter, turn = data.draw(st.integers(0, 3)), data.draw(st.floats(-10.0, 10.0))
    near = grid_matrix(ratio, 90.0 * quarter + turn, mirror=data.draw(st.booleans()))
    assert flux_error(near, fwhm, kernel_for(near)) < small
    matrix = grid_matrix(ratio, data.draw(angles))
    assert flux_error(matrix, fwhm, kernel_for(matrix)) < any_angle


@pytest.mark.parametrize("degrees", [0.0, 7.0, 37.0, 45.0])
@pytest.mark.parametrize(("ratio", "stretch"), [(0.95, 1.1), (0.6, 1.7), (1.05, 0.5), (1.0, 3.0), (0.8, 5.0)])
def test_axes_may_have_scales_of_their_own(ratio: float, stretch: float, degrees: float) -> None:
    matrix = grid_matrix(ratio, degrees, stretch=stretch)
    assert flux_error(matrix, 2.0, kernel_for(matrix)) < 4e-4


def test_lanczos_3_does_not_keep_it() -> None:
    """What the kernel is for: the law is not true of any kernel."""
    assert flux_error(grid_matrix(0.95, 3.0), 2.0, "lanczos3") > 3e-3
    assert flux_error(grid_matrix(1.05, 3.0), 2.0, "lanczos3") > 3e-3


@given(ratio=st.floats(0.5, 7.0), angle=angles, stretch=st.sampled_from([1.0, 2.5]))
@settings(max_examples=30)
def test_a_flat_sky_stays_flat(ratio: float, angle: float, stretch: float) -> None:
    matrix = grid_matrix(ratio, angle, stretch=stretch)
    image = np.full((60, 70), 3.0)
    found = resample_all(planes_of(image), matrix, kernel_for(matrix))[0]
    good = found[np.isfinite(found)]
    assert good.size >= 4
    np.testing.assert_allclose(good, 3.0 * abs(np.linalg.det(matrix)), rtol=2e-6)


# ------------------------------------------------------------ pixels of many points


@given(ratio=st.floats(1.11, 12.0), angle=angles, fwhm=st.sampled_from([1.5, 2.5]))
@settings(max_examples=25)
def test_large_pixels_keep_the_flux_of_stars(ratio: float, angle: float, fwhm: float) -> None:
    matrix = grid_matrix(ratio, angle)
    assert flux_error(matrix, fwhm, kernel_for(matrix)) < 1e-3


def pixel_weights(shape, position, matrix: np.ndarray, kernel: ResamplingKernel) -> np.ndarray:
    """The definition: weights of all points, summed per source pixel."""
    weights = np.zeros(shape)
    for t in range(kernel.bins[1]):
        for s in range(kernel.bins[0]):
            shift = np.array([(s + 0.5) / kernel.bins[0] - 0.5, (t + 0.5) / kernel.bins[1] - 0.5])
            point = position + matrix @ shift
            i, j = np.floor(point).astype(int)
            wx, wy = (
                conserving_weights(series, np.array(p - np.floor(p)))
                for series, p in zip(kernel.shapes, point, strict=True)
            )
            weights[j - 2 : j + 4, i - 2 : i + 4] += np.outer(wy, wx)
    return weights * abs(np.linalg.det(matrix)) / (kernel.bins[0] * kernel.bins[1])


@pytest.mark.parametrize(
    ("ratio", "angle", "stretch"), [(1.3, 4.0, 1.0), (2.6, 20.0, 1.0), (1.0, 95.0, 4.0), (6.0, 45.0, 1.1)]
)
def test_sums_are_those_of_the_definition(ratio: float, angle: float, stretch: float) -> None:
    rng = np.random.default_rng(2)
    planes = (rng.normal(100, 10, (90, 100)).astype("f4"), np.zeros((90, 100), "i4"))
    planes = (*planes, rng.uniform(5, 9, (90, 100)).astype("f4"))
    matrix, offset = grid_matrix(ratio, angle, stretch=stretch), np.array([48.3, 44.2])
    kernel, start, shape = kernel_for(matrix), (-3, -4), (7, 9)
    grid = affine_grid(matrix, offset, start, shape)
    image, _, variance, covered = resample_planes(planes, grid, start, shape, ResampleRule(kernel=kernel))
    assert covered > 20
    for j, i in np.argwhere(np.isfinite(image)):
        position = matrix @ [i + start[1], j + start[0]] + offset
        weights = pixel_weights(planes[0].shape, position, matrix, kernel)
        assert image[j, i] == pytest.approx((weights * planes[0]).sum(), rel=2e-6)
        assert variance[j, i] == pytest.approx((weights**2 * planes[2]).sum(), rel=2e-6)


@pytest.mark.parametrize(("ratio", "angle"), [(1.15, 3.0), (2.0, 0.0), (4.0, 33.0)])
def test_noise_is_that_of_a_mean_and_the_variance_says_so(ratio: float, angle: float) -> None:
    rng, matrix, n = np.random.default_rng(5), grid_matrix(ratio, angle), int(640 * ratio / 2)
    planes = (rng.normal(0.0, 1.0, (n, n)).astype("f4"), np.zeros((n, n), "i4"), np.ones((n, n), "f4"))
    side = int(0.66 * n / ratio) // 10 * 10
    offset = np.array([0.5 * n, 0.5 * n]) - matrix @ [0.5 * side, 0.5 * side]
    start, shape = (0, 0), (side, side)
    kernel = kernel_for(matrix)
    image, _, variance, covered = resample_planes(
        planes, affine_grid(matrix, offset, start, shape), start, shape, ResampleRule(kernel=kernel)
    )
    assert covered == side * side > 30_000
    assert np.mean(image**2 / variance) == pytest.approx(1.0, abs=0.02)
    # Neighbours share noise: a single pixel has less than the sum of its area in source pixels would have.
    assert 0.8 < np.sqrt(variance.mean()) / ratio < 0.99


@pytest.mark.parametrize(("ratio", "angle"), [(1.15, 3.0), (1.3, 40.0), (2.0, 0.0), (2.6, 45.0)])
def test_noise_of_sums_is_that_of_their_area(ratio: float, angle: float) -> None:
    matrix = grid_matrix(ratio, angle)
    kernel, side = kernel_for(matrix), int(10 * ratio * 1.5) + 20
    weights = sum(
        pixel_weights((side, side), 0.5 * side + matrix @ [i - 4.5, j - 4.5], matrix, kernel)
        for j in range(10)
        for i in range(10)
    )
    assert np.sqrt((weights**2).sum()) / (10.0 * ratio) == pytest.approx(1.0, abs=0.02)


@given(
    y=st.integers(0, 30),
    x=st.integers(0, 40),
    ny=st.integers(1, 30),
    nx=st.integers(1, 30),
    spacing=st.sampled_from([1, 8, 64]),
    ratio=st.sampled_from([0.93, 1.31, 3.7]),
)
@settings(max_examples=40)
def test_bits_do_not_depend_on_the_tile(y: int, x: int, ny: int, nx: int, spacing: int, ratio: float) -> None:
    image = np.random.default_rng(1).normal(100.0, 10.0, (150, 160))
    planes = planes_of(image)
    planes[0][70, 80] = np.nan
    planes[1][30:50, 60:65] = 1
    matrix = grid_matrix(ratio, 13.0)
    offset, kernel = np.array([20.3, 15.1]), kernel_for(matrix)
    rule = ResampleRule(kernel=kernel, no_data=NO_DATA, pad=NO_DATA)
    whole = resample_planes(
        planes, affine_grid(matrix, offset, (-5, -7), (60, 70), spacing), (-5, -7), (60, 70), rule
    )
    start, shape = (y - 5, x - 7), (min(ny, 60 - y), min(nx, 70 - x))
    part = resample_planes(planes, affine_grid(matrix, offset, start, shape, spacing), start, shape, rule)
    for found, expected in zip(part[:3], whole[:3], strict=True):
        np.testing.assert_array_equal(found, expected[y : y + shape[0], x : x + shape[1]])


def test_masks_of_all_points_are_put_together() -> None:
    planes = planes_of(np.ones((90, 90)))
    planes[1][44, 46], planes[1][40, 40] = 1, 2
    matrix, offset = grid_matrix(4.0, 0.0), np.array([1.5, 1.5])
    rule = ResampleRule(kernel=kernel_for(matrix), grow=2, no_data=NO_DATA, pad=NO_DATA)
    _, mask, _, _ = resample_planes(
        planes, affine_grid(matrix, offset, (0, 0), (22, 22)), (0, 0), (22, 22), rule
    )
    # Pixel k covers source pixels 4 k to 4 k + 3; points at its rim take a pixel more into a bilinear kernel.
    assert [tuple(place) for place in np.argwhere(mask & 1)] == [(10, 11), (11, 11)]
    # The planes that spread over all of the kernel do so from all points.
    assert [tuple(place) for place in np.argwhere(mask & 2)] == [(9, 9), (9, 10), (10, 9), (10, 10)]


def test_pixels_that_reach_beyond_the_source_have_no_value() -> None:
    planes, matrix = planes_of(np.ones((40, 40))), grid_matrix(4.0, 0.0)
    rule = ResampleRule(kernel=kernel_for(matrix), no_data=NO_DATA, pad=NO_DATA)
    grid = affine_grid(matrix, np.array([1.5, 1.5]), (-1, -1), (12, 12))
    image, mask, variance, covered = resample_planes(planes, grid, (-1, -1), (12, 12), rule)
    inside = np.zeros((12, 12), bool)
    inside[2:-2, 2:-2] = True
    assert np.array_equal(np.isfinite(image), inside)
    assert covered == inside.sum()
    assert (mask[~inside] == NO_DATA).all()
    assert np.isposinf(variance[~inside]).all()


def test_means_of_points_need_the_kernel_that_is_made_for_them() -> None:
    planes, grid = planes_of(np.ones((40, 40))), affine_grid(np.eye(2), np.zeros(2), (0, 0), (4, 4))
    with pytest.raises(ValueError, match="means of points with the kernel conserving alone"):
        resample_planes(planes, grid, (0, 0), (4, 4), ResampleRule(kernel=ResamplingKernel(bins=(2, 2))))


@pytest.mark.parametrize(("ratio", "bad"), [(0.93, 0.01), (1.5, 0.01), (3.3, 0.004)])
def test_lost_and_filled_pixels_count_by_their_absolute_weight(ratio: float, bad: float) -> None:
    reason, no_data, filled = 1, NO_DATA, -(2**31)
    rng, matrix, offset = np.random.default_rng(9), grid_matrix(ratio, 21.0), np.array([48.3, 44.2])
    kind = rng.choice([0, filled | reason, no_data | reason], (90, 100), p=[1.0 - 2.0 * bad, bad, bad])
    planes = (rng.normal(100, 10, kind.shape).astype("f4"), kind.astype("i4"), np.ones(kind.shape, "f4"))
    planes[0][kind & no_data != 0] = 1e30
    kernel, start, shape = kernel_for(matrix), (-6, -6), (12, 12)
    rule = ResampleRule(
        kernel=kernel, no_data=no_data, filled=filled, reasons=reason, max_lost_weight=0.01, pad=no_data
    )
    grid = affine_grid(matrix, offset, start, shape)
    image, mask, variance, _ = resample_planes(planes, grid, start, shape, rule)
    counts = np.zeros(3, int)
    for j, i in np.ndindex(*shape):
        weights = pixel_weights(kind.shape, matrix @ [i + start[1], j + start[0]] + offset, matrix, kernel)
        sizes, gone = np.abs(weights), kind & no_data != 0
        lost, made = (sizes[kind & bit != 0].sum() / sizes.sum() for bit in (no_data, filled))
        if min(abs(lost - 0.01), abs(lost + made - 0.01)) < 2e-4:
            continue
        assert bool(mask[j, i] & reason) or lost + made < 0.01
        assert np.isnan(image[j, i]) == (mask[j, i] & no_data != 0) == (lost > 0.01)
        counts[0 if lost > 0.01 else 1 if lost > 0.0 else 2] += 1
        if lost > 0.01:
            continue
        weights *= weights.sum() / weights[~gone].sum()
        assert image[j, i] == pytest.approx((weights * planes[0])[~gone].sum(), rel=3e-6)
        assert variance[j, i] == pytest.approx((weights**2 * planes[2])[~gone].sum(), rel=3e-6)
    assert (counts > 4).all()

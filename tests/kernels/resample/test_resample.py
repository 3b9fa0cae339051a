from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba.core.registry import CPUDispatcher as Dispatcher

from lamella.kernels.resample.resample import PositionGrid, ResampleRule, resample_planes
from lamella.kernels.resample.rows import tile_kernel
from lamella.kernels.resample.support import KERNELS, kernel_half_width

from .definition import brute_force

BAD, EDGE, NO_DATA = 1, 16, 256
RULE = ResampleRule(grow=EDGE, no_data=NO_DATA, pad=NO_DATA)


def affine_grid(
    matrix: np.ndarray, offset: tuple[float, float], shape: tuple[int, int], spacing: int = 1, start=(0, 0)
) -> PositionGrid:
    """Positions ``matrix @ (x, y) + offset`` for destination pixels from ``start`` (y, x) on."""
    y0, x0 = (first // spacing * spacing for first in start)
    ny, nx = ((s + n - 1) // spacing + 2 - s // spacing for s, n in zip(start, shape, strict=True))
    x, y = np.meshgrid(x0 + np.arange(nx) * spacing, y0 + np.arange(ny) * spacing)
    area = np.full(x.shape, abs(np.linalg.det(matrix)))
    sx = matrix[0][0] * x + matrix[0][1] * y + offset[0]
    sy = matrix[1][0] * x + matrix[1][1] * y + offset[1]
    return PositionGrid(sx, sy, area, x0, y0, spacing)


def shift_grid(dx: float, dy: float, shape: tuple[int, int]) -> PositionGrid:
    return affine_grid(np.eye(2), (dx, dy), shape)


def make_planes(shape=(40, 50), seed=0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mask = np.where(rng.random(shape) < 0.02, rng.choice([1, 2, 8, EDGE], shape), 0).astype(np.int32)
    return rng.normal(100, 10, shape).astype("f4"), mask, rng.uniform(5, 9, shape).astype("f4")


@pytest.mark.parametrize("kernel", KERNELS)
def test_sums_are_those_of_the_definition(kernel: str) -> None:
    planes = make_planes()
    grid = affine_grid(np.array([[0.9, 0.1], [-0.12, 1.05]]), (6.2, 10.7), (24, 30))
    rule = ResampleRule(kernel=kernel, pad=NO_DATA)
    image, _, variance, covered = resample_planes(planes, grid, (0, 0), (24, 30), rule, scale=2.0)
    finite = np.isfinite(image)
    assert finite.sum() == covered > 500
    for j, i in np.argwhere(finite)[::7]:
        value, spread = brute_force(planes, grid.x[j, i], grid.y[j, i], 2.0 * grid.area[j, i], kernel)
        assert image[j, i] == pytest.approx(value, rel=5e-7)
        assert variance[j, i] == pytest.approx(spread, rel=5e-7)


def test_null_shift_returns_the_pixels() -> None:
    planes = make_planes()
    for noise in (0.0, 1e-9, -1e-9):
        image, mask, variance, _ = resample_planes(
            planes, shift_grid(noise, noise, (40, 50)), (0, 0), (40, 50), RULE
        )
        inner = (slice(2, -3), slice(2, -3))
        assert np.array_equal(image[inner], planes[0][inner])
        assert np.array_equal(mask[inner], planes[1][inner])
        assert np.array_equal(variance[inner], planes[2][inner])


@pytest.mark.parametrize("kernel", KERNELS)
def test_whole_kernel_must_fit(kernel: str) -> None:
    a = kernel_half_width(kernel)
    planes = make_planes((12, 14))
    rule = ResampleRule(kernel=kernel, pad=NO_DATA)
    image, mask, variance, covered = resample_planes(
        planes, shift_grid(0.3, 0.3, (12, 14)), (0, 0), (12, 14), rule
    )
    inside = np.zeros((12, 14), bool)
    inside[a - 1 : 12 - a, a - 1 : 14 - a] = True
    assert np.array_equal(np.isfinite(image), inside)
    assert covered == inside.sum()
    assert (mask[~inside] == NO_DATA).all()
    assert np.isposinf(variance[~inside]).all()


def test_source_smaller_than_the_kernel_gives_nothing() -> None:
    planes = (np.ones((1, 1), "f4"), np.zeros((1, 1), "i4"), np.ones((1, 1), "f4"))
    image, mask, variance, covered = resample_planes(planes, shift_grid(0, 0, (1, 1)), (0, 0), (1, 1), RULE)
    assert covered == 0
    assert np.isnan(image).all()
    assert mask[0, 0] == NO_DATA
    assert np.isposinf(variance).all()


def test_empty_destination() -> None:
    image, mask, variance, covered = resample_planes(
        make_planes(), shift_grid(0, 0, (1, 1)), (0, 0), (0, 5), RULE
    )
    assert image.shape == mask.shape == variance.shape == (0, 5)
    assert covered == 0


def test_constant_image_to_pixels_twice_as_large() -> None:
    planes = (np.full((60, 60), 3.0, "f4"), np.zeros((60, 60), "i4"), np.ones((60, 60), "f4"))
    grid = affine_grid(2.0 * np.eye(2), (5.0, 5.3), (20, 20))
    image, _, _, _ = resample_planes(planes, grid, (0, 0), (20, 20), RULE)
    np.testing.assert_allclose(image, 12.0, rtol=2e-7)


@given(seed=st.integers(0, 99), grow=st.sampled_from([0, 1, 3, 0xFFFF]), dx=st.floats(0.01, 0.99))
def test_mask_is_that_of_both_kernels(seed: int, grow: int, dx: float) -> None:
    planes = make_planes(seed=seed)
    grid = affine_grid(np.array([[1.0, 0.03], [-0.03, 1.0]]), (dx, 2.3), (36, 50))

    def mask_with(kernel: str, mask_kernel: str, bits: int) -> np.ndarray:
        rule = ResampleRule(kernel=kernel, mask_kernel=mask_kernel, grow=bits)
        return resample_planes(planes, grid, (0, 0), (36, 50), rule)[1]

    broad, narrow = mask_with("lanczos3", "", 0), mask_with("bilinear", "", 0)
    covered = np.isfinite(resample_planes(planes, grid, (0, 0), (36, 50), RULE)[0])
    expected = (broad & grow) | (narrow & ~grow)
    assert np.array_equal(mask_with("lanczos3", "bilinear", grow)[covered], expected[covered])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_pixel_without_a_value_spreads_over_its_taps(value: float) -> None:
    planes = make_planes()
    planes[1][:] = 0
    planes[0][20, 25] = value
    planes[1][20, 25] = BAD
    image, mask, variance, _ = resample_planes(planes, shift_grid(0.4, 0.0, (40, 50)), (0, 0), (40, 50), RULE)
    lost = np.zeros((40, 50), bool)
    lost[20, 22:28] = True  # the shift in y is whole, so that one row only is touched
    inner = np.zeros_like(lost)
    inner[2:-3, 2:-3] = True
    assert np.array_equal(np.isnan(image) & inner, lost)
    assert np.isposinf(variance[lost]).all()
    assert np.array_equal(mask[20, 22:28], NO_DATA | np.array([0, 0, BAD, BAD, 0, 0]))
    assert np.isfinite(variance[inner & ~lost]).all()


def test_no_data_pixels_hold_no_value() -> None:
    planes = make_planes()
    planes[1][:] = 0
    planes[1][20, 25] = NO_DATA
    grid = shift_grid(0.4, 0.3, (40, 50))
    image, mask, _, _ = resample_planes(planes, grid, (0, 0), (40, 50), RULE)
    assert np.isnan(image[17:23, 22:28]).all()
    assert (mask[17:23, 22:28] == NO_DATA).all()
    strict = ResampleRule(grow=EDGE, no_data=NO_DATA, pad=NO_DATA, strict=True)
    assert np.isfinite(resample_planes(planes, grid, (0, 0), (40, 50), strict)[0][17:23, 22:28]).all()


@pytest.mark.parametrize(("value", "expected"), [(np.nan, np.inf), (np.inf, np.inf)])
def test_unknown_variance_leaves_the_image(value: float, expected: float) -> None:
    planes = make_planes()
    clean = resample_planes(planes, shift_grid(0.4, 0.3, (40, 50)), (0, 0), (40, 50), RULE)
    planes[2][20, 25] = value
    found = resample_planes(planes, shift_grid(0.4, 0.3, (40, 50)), (0, 0), (40, 50), RULE)
    touched = (slice(17, 23), slice(22, 28))
    np.testing.assert_allclose(found[0], clean[0], rtol=1e-6)
    assert (found[2][touched] == expected).all()
    clean[2][touched] = expected
    assert np.array_equal(found[2], clean[2])


@given(
    seed=st.integers(0, 9999),
    dx=st.sampled_from([0.0, 0.4, 1e-9, 0.75]),
    dy=st.sampled_from([0.0, 0.3, 1.0 - 1e-9]),
    kernel=st.sampled_from(["lanczos3", "lanczos5", "bilinear"]),
    mask_kernel=st.sampled_from(["", "bilinear"]),
)
def test_what_is_known_of_a_pixel_is_what_its_taps_say(
    seed: int, dx: float, dy: float, kernel: str, mask_kernel: str
) -> None:
    rng = np.random.default_rng(seed)
    shape, half = (24, 30), kernel_half_width(kernel)
    image, mask, variance = make_planes(shape, seed)
    image[rng.random(shape) < 0.02] = np.nan
    variance[rng.random(shape) < 0.02] = np.inf
    mask[rng.random(shape) < 0.01] |= NO_DATA
    rule = dataclasses.replace(RULE, kernel=kernel, mask_kernel=mask_kernel)
    found = resample_planes((image, mask, variance), shift_grid(dx, dy, shape), (0, 0), shape, rule)
    for j, i in rng.integers(half + 1, np.array(shape) - half - 2, (40, 2)):
        wide, near = (
            tuple(taps_of(p, h) for p in (j + dy, i + dx)) for h in (half, 1 if mask_kernel else half)
        )
        bits = np.bitwise_or.reduce(mask[wide], axis=None)
        lost = not np.isfinite(image[wide]).all() or bits & NO_DATA != 0
        if mask_kernel:
            bits = bits & EDGE | np.bitwise_or.reduce(mask[near], axis=None)
        assert np.isnan(found[0][j, i]) == lost
        assert found[1][j, i] == (bits | NO_DATA if lost else bits)
        assert np.isposinf(found[2][j, i]) == (lost or not np.isfinite(variance[wide]).all())


def taps_of(position: float, half: int) -> slice:
    """The taps of non-zero weight along one axis."""
    if abs(position - round(position)) < 1e-7:
        return slice(round(position), round(position) + 1)
    return slice(math.floor(position) - half + 1, math.floor(position) + half + 1)


def test_a_value_beyond_the_window_does_not_matter() -> None:
    # Eight columns are loaded for six taps.
    planes = make_planes()
    planes[1][:] = 0
    planes[0][:, 30:] = np.nan
    planes[1][:, 30:] = BAD
    image, mask, _, _ = resample_planes(planes, shift_grid(0.4, 0.3, (40, 50)), (0, 0), (40, 50), RULE)
    assert np.isfinite(image[2:-3, 2:27]).all()
    assert (mask[2:-3, 2:27] == 0).all()
    assert np.isnan(image[2:-3, 27:-3]).all()


def test_strict_spreads_over_taps_that_are_zero_up_to_rounding() -> None:
    planes = make_planes()
    planes[1][:] = 0
    planes[1][20, 25] = BAD
    grid = shift_grid(0.0, 0.0, (40, 50))
    strict = ResampleRule(mask_kernel="", pad=NO_DATA, strict=True)
    found = resample_planes(planes, grid, (0, 0), (40, 50), strict)[1][2:-3, 2:-3]
    assert (found == BAD).sum() == 36
    careful = ResampleRule(mask_kernel="", pad=NO_DATA)
    assert (resample_planes(planes, grid, (0, 0), (40, 50), careful)[1][2:-3, 2:-3] == BAD).sum() == 1


@given(
    y=st.integers(0, 50),
    x=st.integers(0, 60),
    ny=st.integers(1, 40),
    nx=st.integers(1, 40),
    spacing=st.sampled_from([1, 8, 64]),
)
def test_bits_do_not_depend_on_the_tile(y: int, x: int, ny: int, nx: int, spacing: int) -> None:
    planes = make_planes((90, 100))
    matrix, offset = np.array([[0.97, 0.11], [-0.09, 1.01]]), (-3.1, 7.7)
    whole_grid = affine_grid(matrix, offset, (90, 100), spacing, (-5, -7))
    whole = resample_planes(planes, whole_grid, (-5, -7), (90, 100), RULE)
    start = (y - 5, x - 7)
    shape = (min(ny, 90 - y), min(nx, 100 - x))
    part = resample_planes(planes, affine_grid(matrix, offset, shape, spacing, start), start, shape, RULE)
    for found, expected in zip(part[:3], whole[:3], strict=True):
        assert np.array_equal(
            found, expected[y : y + shape[0], x : x + shape[1]], equal_nan=found.dtype != "i4"
        )


@pytest.mark.parametrize("angle", [0.0, 1.5, 33.0, 90.0, 180.0])
@pytest.mark.parametrize("spacing", [1, 32])
def test_large_destinations_are_made_of_the_bits_of_small_ones(angle: float, spacing: int) -> None:
    """Also where pixels without a value lie just beyond a window, at any distance from the ends."""
    image, mask, variance = make_planes((420, 530), seed=2)
    lost = np.random.default_rng(4).random(image.shape) < 0.004
    image[lost], mask[lost] = np.nan, NO_DATA
    planes, (c, s) = (image, mask, variance), (np.cos(np.radians(angle)), np.sin(np.radians(angle)))
    matrix = 1.01 * np.array([[c, -s], [s, c]])
    offset = tuple(np.array([265.3, 210.2]) - matrix @ [300.0, 240.0])
    shape = (480, 600)
    whole = resample_planes(planes, affine_grid(matrix, offset, shape, spacing), (0, 0), shape, RULE)
    assert whole[3] > 100_000
    assert np.isnan(whole[0]).any()
    for y, x in ((0, 0), (200, 210), (233, 401), (150, 250), (430, 500)):
        part_shape = (50, 100)
        grid = affine_grid(matrix, offset, part_shape, spacing, (y, x))
        part = resample_planes(planes, grid, (y, x), part_shape, RULE)
        for found, expected in zip(part[:3], whole[:3], strict=True):
            np.testing.assert_array_equal(found, expected[y : y + 50, x : x + 100])


@given(factor=st.sampled_from([0.25, 2.0, 1024.0]))
def test_scale_multiplies_image_and_squared_variance(factor: float) -> None:
    planes, grid = make_planes(), shift_grid(0.2, 0.7, (40, 50))
    one = resample_planes(planes, grid, (0, 0), (40, 50), RULE)
    other = resample_planes(planes, grid, (0, 0), (40, 50), RULE, scale=factor)
    assert np.array_equal(other[0], one[0] * np.float32(factor), equal_nan=True)
    assert np.array_equal(other[2], one[2] * np.float32(factor**2))


@pytest.mark.parametrize("width", [1000, 1020, 1024, 1100, 2048])
def test_the_layout_in_memory_does_not_matter(width: int) -> None:
    rng = np.random.default_rng(3)
    image = rng.normal(size=(20, width)).astype("f4")
    grid = shift_grid(0.3, 0.6, (20, width))
    planes = (image, np.zeros(image.shape, "i4"), np.ones(image.shape, "f4"))
    expected = resample_planes(planes, grid, (0, 0), image.shape, RULE)[0]
    swapped = (image.astype(">f8"), np.zeros(image.shape, np.uint8), np.ones(image.shape, ">f4"))
    assert np.array_equal(
        resample_planes(swapped, grid, (0, 0), image.shape, RULE)[0], expected, equal_nan=True
    )
    far = (0, width - 40)
    part = resample_planes(planes, grid, far, (20, 40), RULE)[0]
    assert np.array_equal(part, expected[:, -40:], equal_nan=True)


def test_positions_that_do_not_exist_are_outside() -> None:
    grid = shift_grid(0.5, 0.5, (40, 50))
    x, area = grid.x.copy(), grid.area.copy()
    x[10, 10], x[11, 11], area[12, 12] = np.nan, 1e300, np.nan
    image, mask, variance, _ = resample_planes(
        make_planes(), grid._replace(x=x, area=area), (0, 0), (40, 50), RULE
    )
    for k in (10, 11, 12):
        assert np.isnan(image[k, k])
        assert mask[k, k] == NO_DATA
        assert np.isposinf(variance[k, k])


def test_wrong_arguments_are_refused() -> None:
    planes, grid = make_planes(), shift_grid(0.5, 0.5, (40, 50))
    with pytest.raises(ValueError, match="wider than the image kernel"):
        resample_planes(planes, grid, (0, 0), (4, 5), ResampleRule(kernel="bilinear", mask_kernel="lanczos3"))
    with pytest.raises(ValueError, match="The shapes differ"):
        resample_planes((planes[0], planes[1][1:], planes[2]), grid, (0, 0), (4, 5), RULE)
    with pytest.raises(ValueError, match="The grid covers pixels 0 to"):
        resample_planes(planes, grid, (0, 0), (99, 5), RULE)


def test_compiled_code_is_found_again_by_the_next_process() -> None:
    # What a kernel closes over is part of its key in the cache on the disk, and
    # another kernel has a new name in each process.
    cells = tile_kernel(6).py_func.__closure__
    assert cells
    assert not any(isinstance(cell.cell_contents, Dispatcher) for cell in cells)


@pytest.mark.slow
def test_bits_do_not_depend_on_the_processor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where it has no instruction that multiplies and adds at once."""
    code = (
        "import hashlib, numpy as np; from lamella.kernels.resample.resample import *; "
        "x, y = np.meshgrid(np.linspace(5, 90, 80), np.linspace(5, 70, 60)); "
        "grid = PositionGrid(x, y, np.ones_like(x), 0, 0, 1); rng = np.random.default_rng(1); "
        "planes = rng.normal(size=(80, 99)), rng.integers(0, 9, (80, 99)), rng.random((80, 99)); "
        "found = resample_planes(planes, grid, (0, 0), (60, 80), ResampleRule(grow=4)); "
        "print(hashlib.sha256(b''.join(plane.tobytes() for plane in found[:3])).hexdigest())"
    )
    plain = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    exec(code, {})
    there = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | plain, capture_output=True, text=True, check=True
    )
    assert len(there.stdout.strip()) == 64
    assert there.stdout == capsys.readouterr().out

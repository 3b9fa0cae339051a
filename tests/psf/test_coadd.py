from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.images import Box, Image, Polygon
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.errors import InvalidPsfError, NoInputsError
from lamella.psf.coadd import CoaddPsf, PsfComponent
from lamella.psf.measure import adaptive_moments, second_moments

from ..projections import turned_tan
from .conftest import make_gaussian

CHIP = Box.factory[0:1000, 0:1000]
SKY = turned_tan()


def component(label: str = "a", *, psf=None, **options) -> PsfComponent:
    options = {"projection": SKY, "bbox": CHIP} | options
    return PsfComponent(label=label, psf=psf if psf is not None else make_gaussian(4.0, 4.0), **options)


def coadd(components: Sequence[PsfComponent], **options) -> CoaddPsf:
    return CoaddPsf(components, SKY, CHIP, **options)


def moments(psf: CoaddPsf, x: float, y: float) -> tuple[float, float, float]:
    found = second_moments(psf.compute_kernel_image(x=x, y=y))
    return found.xx, found.yy, found.xy


@pytest.mark.parametrize(("x", "y"), [(300.0, 400.0), (300.25, 400.4)])
def test_one_input_on_the_same_pixels_keeps_its_psf(x: float, y: float) -> None:
    source = GaussianPointSpreadFunction(2.0, CHIP, 31)
    psf = coadd([component(psf=source)])
    star, expected = (p.compute_stellar_image(x=x, y=y) for p in (psf, source))
    assert star.bbox == expected.bbox
    np.testing.assert_allclose(star.array, expected.array, atol=1e-8)
    kernel = psf.compute_kernel_image(x=x, y=y)
    assert kernel.bbox == psf.kernel_bbox == source.kernel_bbox
    np.testing.assert_allclose(kernel.array, source.compute_kernel_image(x=x, y=y).array, atol=1e-8)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, 3.0), (5.0, 0.5)])
def test_moments_are_the_weighted_moments_of_the_inputs(weights: tuple[float, float]) -> None:
    shapes = [(4.0, 5.0, 0.5), (6.0, 3.0, -0.4)]
    psf = coadd(
        [
            component(str(k), psf=make_gaussian(*s), weight=w)
            for k, (s, w) in enumerate(zip(shapes, weights, strict=True))
        ]
    )
    expected = np.average(shapes, axis=0, weights=weights)
    assert moments(psf, 300.0, 400.0) == pytest.approx(expected, abs=0.01)


def test_quarter_turn_swaps_the_axes() -> None:
    psf = coadd([component(psf=make_gaussian(6.0, 3.0, 0.5), projection=turned_tan(angle=90.0))])
    assert moments(psf, 480.0, 520.0) == pytest.approx((3.0, 6.0, -0.5), abs=0.01)


@pytest.mark.parametrize("angle", [17.0, 135.0, 260.0])
def test_any_turn_turns_the_moments(angle: float) -> None:
    psf = coadd([component(psf=make_gaussian(6.0, 4.0, 0.5), projection=turned_tan(angle=angle))])
    matrix = psf.contributions(500.0, 500.0)[0].matrix
    inverse = np.linalg.inv(matrix)
    expected = inverse @ [[6.0, 0.5], [0.5, 4.0]] @ inverse.T
    found = adaptive_moments(psf.compute_kernel_image(x=500.0, y=500.0))
    assert (found.xx, found.yy, found.xy) == pytest.approx(
        (expected[0, 0], expected[1, 1], expected[0, 1]), abs=0.04
    )


@pytest.mark.parametrize(("scale", "side"), [(0.1, 17), (0.2, 31), (0.4, 63)])
def test_pixels_of_another_size(scale: float, side: int) -> None:
    psf = coadd([component(psf=make_gaussian(16.0, 16.0, side=31), projection=turned_tan(scale=scale))])
    found = adaptive_moments(psf.compute_kernel_image(x=500.0, y=500.0))
    expected = 16.0 * (scale / 0.2) ** 2
    assert (found.xx, found.yy) == pytest.approx((expected, expected), rel=0.01)
    assert psf.kernel_bbox.shape[0] == pytest.approx(side, abs=2)


def test_warped_gaussian_against_the_analytic_one() -> None:
    angle, ratio, sigma = np.radians(33.0), 1.3, 2.4
    source = GaussianPointSpreadFunction(sigma, CHIP, 41)
    psf = coadd([component(psf=source, projection=turned_tan(angle=33.0, scale=0.2 * ratio))])
    star = psf.compute_stellar_image(x=470.3, y=540.6)
    wide = sigma * ratio
    across = np.exp(-0.5 * ((star.bbox.x.arange - 470.3) / wide) ** 2)
    expected = np.multiply.outer(np.exp(-0.5 * ((star.bbox.y.arange - 540.6) / wide) ** 2), across)
    expected /= expected.sum()
    difference = np.sqrt(np.square(star.array - expected).sum() / np.square(expected).sum())
    assert angle > 0
    assert difference < 0.006


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@settings(max_examples=15)
def test_star_is_where_it_should_be(dx: float, dy: float) -> None:
    turned = component(
        "b", psf=GaussianPointSpreadFunction(2.0, CHIP, 31), projection=turned_tan(angle=25.0, scale=0.21)
    )
    psf = coadd([component(psf=GaussianPointSpreadFunction(1.8, CHIP, 31)), turned])
    found = adaptive_moments(psf.compute_stellar_image(x=500.0 + dx, y=490.0 + dy))
    assert (found.x, found.y) == pytest.approx((500.0 + dx, 490.0 + dy), abs=0.01)


def test_star_is_that_of_the_resampled_image() -> None:
    """A star drawn on a detector and resampled by the full map is the star of the coadd's PSF."""
    detector = turned_tan(30.002, 2.001, angle=71.0, scale=0.23)
    source = GaussianPointSpreadFunction(1.4, CHIP, 31)
    psf = coadd([component(psf=source, projection=detector)])
    x, y = 431.37, 388.81
    sky = SKY.pixel_to_sky_transform.apply_forward(x=x, y=y)
    there = detector.sky_to_pixel_transform.apply_forward(x=sky.x, y=sky.y)
    image = np.zeros((1000, 1000))
    star = source.compute_stellar_image(x=there.x, y=there.y)
    image[star.bbox.slice_within(CHIP)] = star.array
    drawn = psf.compute_stellar_image(x=x, y=y)
    columns, rows = np.meshgrid(drawn.bbox.x.arange, drawn.bbox.y.arange)
    sky = SKY.pixel_to_sky_transform.apply_forward(x=columns, y=rows)
    source_positions = detector.sky_to_pixel_transform.apply_forward(x=sky.x, y=sky.y)
    expected = lanczos3(image, source_positions.x, source_positions.y)
    np.testing.assert_allclose(drawn.array, expected / expected.sum(), atol=2e-6)


def lanczos3(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    taps = np.arange(-2, 4)

    def weights(fraction: np.ndarray) -> np.ndarray:
        t = fraction[..., np.newaxis] - taps
        found = np.sinc(t) * np.sinc(t / 3.0)
        return found / found.sum(axis=-1, keepdims=True)

    patch = image[(row[..., None] + taps)[..., :, None], (column[..., None] + taps)[..., None, :]]
    return np.einsum("...i,...ij,...j->...", weights(y - row), patch, weights(x - column))


def polygon(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    return Polygon(x_vertices=[x0, x1, x1, x0], y_vertices=[y0, y0, y1, y1])


def test_polygons_limit_the_inputs() -> None:
    low = component("low", psf=make_gaussian(3.0, 3.0), polygon=polygon(0, 0, 700, 700))
    high = component("high", psf=make_gaussian(6.0, 6.0), polygon=polygon(300, 300, 999, 999))
    psf = coadd([low, high])
    assert moments(psf, 50.0, 50.0)[0] == pytest.approx(3.0, abs=0.01)
    assert moments(psf, 500.0, 500.0)[0] == pytest.approx(4.5, abs=0.01)
    assert moments(psf, 850.0, 850.0)[0] == pytest.approx(6.0, abs=0.01)
    assert [c.index for c in psf.contributions(500.0, 500.0)] == [0, 1]
    assert not psf.is_defined(850.0, 50.0)


def test_many_positions_are_told_at_once() -> None:
    low = component("low", polygon=polygon(0, 0, 700, 700))
    psf = coadd([low, component("high", weight=0.0), component("right", polygon=polygon(600, 0, 999, 300))])
    x, y = np.random.default_rng(4).uniform(-100.0, 1100.0, (2, 500))
    found = psf.covers(x, y)
    assert found.tolist() == [psf.is_defined(*point) for point in zip(x.tolist(), y.tolist(), strict=True)]
    assert 100 < found.sum() < 300


@pytest.mark.parametrize(("x", "inside"), [(-0.49, True), (-0.51, False), (999.49, True), (999.51, False)])
def test_pixels_reach_half_a_pixel_beyond_their_centres(x: float, inside: bool) -> None:
    assert coadd([component()]).is_defined(x, 500.0) is inside
    assert coadd([component()]).is_defined(500.0, x) is inside


def gap() -> CoaddPsf:
    left = component("left", bbox=Box.factory[0:1000, 0:480], psf=make_gaussian(3.0, 3.0))
    right = component("right", bbox=Box.factory[0:1000, 520:1000], psf=make_gaussian(5.0, 5.0))
    return coadd([left, right])


def test_between_two_detectors_there_is_no_psf() -> None:
    psf = gap()
    assert not psf.is_defined(500.0, 500.0)
    assert psf.contributions(500.0, 500.0) == ()
    for method in (psf.compute_kernel_image, psf.compute_stellar_image):
        with pytest.raises(
            InvalidPsfError, match=r"No input of the coadd covers \(x=500.0, y=500.0\)"
        ) as caught:
            method(x=500.0, y=500.0)
        assert (caught.value.x, caught.value.y) == (500.0, 500.0)
    assert moments(psf, 400.0, 500.0)[0] == pytest.approx(3.0, abs=0.01)
    assert moments(psf, 600.0, 500.0)[0] == pytest.approx(5.0, abs=0.01)


def test_average_position_avoids_the_gap() -> None:
    x, y = gap().average_position()
    assert gap().is_defined(x, y)
    assert y == pytest.approx(499.5, abs=1e-3)
    assert x == pytest.approx(759.5, abs=1e-3)


def test_average_position_is_weighted() -> None:
    boxes = [Box.factory[0:1000, 0:600], Box.factory[0:1000, 300:900], Box.factory[0:200, 0:1000]]
    pixels = [25.0, 10.0, 30.0]
    psf = coadd(
        [
            component(str(k), bbox=b, good_pixels=p, weight=2.0)
            for k, (b, p) in enumerate(zip(boxes, pixels, strict=True))
        ]
    )
    centres = np.array([(299.5, 499.5), (599.5, 499.5), (499.5, 99.5)])
    assert psf.average_position() == pytest.approx(np.average(centres, axis=0, weights=pixels), abs=1e-3)


def test_average_position_is_that_of_the_part_within_the_coadd() -> None:
    big = component(bbox=Box.factory[-3000:1000, -3000:100])
    assert coadd([big]).average_position() == pytest.approx((49.5, 499.5), abs=1e-2)


def test_average_position_of_nothing() -> None:
    far = component(projection=turned_tan(210.0, -2.0))
    with pytest.raises(InvalidPsfError, match="any average position"):
        coadd([far]).average_position()
    with pytest.raises(InvalidPsfError, match="any average position"):
        coadd([component(weight=0.0)]).average_position()


@pytest.mark.parametrize("factor", [1000.0, 1e-3])
def test_a_broken_projection_is_named(factor: float) -> None:
    broken = component(
        "visit 7 detector 3",
        projection=turned_tan(scale=0.2 / factor),
        bbox=Box.factory[-200:1200, -200:1200],
    )
    with pytest.raises(InvalidPsfError, match="visit 7 detector 3: a pixel of the coadd spans"):
        coadd([component(), broken]).compute_kernel_image(x=500.0, y=500.0)


class Stubborn(GaussianPointSpreadFunction):
    """A model that cannot be evaluated."""

    def compute_stellar_image(self, *, x: float, y: float) -> Image:
        raise LookupError("no such cell")


def test_a_failing_model_is_named() -> None:
    psf = coadd([component("visit 9", psf=Stubborn(1.0, CHIP, 21))])
    with pytest.raises(InvalidPsfError, match=r"visit 9: its PSF has no value at \(x=2.*no such cell"):
        psf.compute_kernel_image(x=20.0, y=30.0)


def test_an_input_of_weight_zero_is_no_input() -> None:
    psf = coadd(
        [component("a", psf=make_gaussian(3.0, 3.0)), component("b", psf=make_gaussian(6.0, 6.0), weight=0.0)]
    )
    assert moments(psf, 500.0, 500.0)[0] == pytest.approx(3.0, abs=0.01)
    assert not coadd([component(weight=0.0)]).is_defined(500.0, 500.0)


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_weights_must_not_be_negative(weight: float) -> None:
    with pytest.raises(InvalidPsfError, match=r"a: weight is"):
        component(weight=weight)


def test_positions_must_be_finite() -> None:
    psf = coadd([component()])
    assert not psf.is_defined(np.nan, 1.0)
    with pytest.raises(InvalidPsfError, match="not a position"):
        psf.compute_kernel_image(x=np.nan, y=1.0)


def test_no_inputs() -> None:
    with pytest.raises(NoInputsError, match="at least one"):
        coadd([])


def test_stamps_hold_all_inputs_up_to_a_limit() -> None:
    inputs = [component(str(side), psf=make_gaussian(4.0, 4.0, side=side)) for side in (21, 41)]
    assert coadd(inputs).kernel_bbox == Box.factory[-20:21, -20:21]
    psf = coadd(inputs, max_side=15)
    kernel = psf.compute_kernel_image(x=100.0, y=100.0)
    assert kernel.bbox == psf.kernel_bbox == Box.factory[-7:8, -7:8]
    assert kernel.array.sum() == pytest.approx(1.0, abs=1e-14)
    with pytest.raises(InvalidPsfError, match="must be odd"):
        coadd(inputs, max_side=20)


def test_scale_of_weights_does_not_matter() -> None:
    shapes = [make_gaussian(4.0, 5.0), make_gaussian(6.0, 3.0)]
    a, b = (
        coadd([component(str(k), psf=s, weight=f * (k + 1)) for k, s in enumerate(shapes)])
        for f in (1.0, 2.0**20)
    )
    images = [p.compute_stellar_image(x=20.3, y=30.1).array for p in (a, b)]
    np.testing.assert_array_equal(*images)


class Counting(GaussianPointSpreadFunction):
    """A model that counts how often it is evaluated."""

    calls = 0

    def compute_stellar_image(self, *, x: float, y: float) -> Image:
        self.calls += 1
        return super().compute_stellar_image(x=x, y=y)


def test_models_are_evaluated_when_needed_and_once() -> None:
    near, far = (Counting(1.5, CHIP, 21) for _ in range(2))
    psf = coadd([component("near", psf=near), component("far", psf=far, bbox=Box.factory[0:10, 0:10])])
    assert psf.kernel_bbox.shape == (21, 21)
    assert (near.calls, far.calls) == (0, 0)
    first = psf.compute_kernel_image(x=500.2, y=500.0)
    again = psf.compute_kernel_image(x=499.9, y=500.4)
    np.testing.assert_array_equal(first.array, again.array)
    assert (near.calls, far.calls) == (1, 0)
    first.array[:] = 0.0
    assert psf.compute_kernel_image(x=500.2, y=500.0).array.sum() == pytest.approx(1.0)
    psf.compute_stellar_image(x=500.2, y=500.0)
    assert near.calls == 2


def sum_of(psf: CoaddPsf) -> float:
    return float(np.square(psf.compute_stellar_image(x=480.3, y=520.6).array).sum())


def test_it_can_be_sent_to_other_processes() -> None:
    inputs = [
        component("a", polygon=polygon(0, 0, 900, 900)),
        component("b", projection=turned_tan(angle=30.0)),
    ]
    psf = coadd(inputs)
    back = pickle.loads(pickle.dumps(psf))
    assert [c.label for c in back.components] == ["a", "b"]
    assert back.projection == SKY
    assert back.bounds == CHIP
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        assert pool.submit(sum_of, psf).result() == sum_of(psf)


def test_threads_get_the_bits_of_one_thread() -> None:
    inputs = [component(str(k), projection=turned_tan(angle=30.0 * k)) for k in range(4)]
    positions = [(400.0 + 1.7 * k, 450.0 + 0.9 * k) for k in range(80)]
    alone, shared_psf = coadd(inputs), coadd(inputs)
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda p: shared_psf.compute_stellar_image(x=p[0], y=p[1]).array, positions * 2)
        )
    for position, array in zip(positions * 2, found, strict=True):
        x, y = position
        np.testing.assert_array_equal(array, alone.compute_stellar_image(x=x, y=y).array)


def test_many_inputs_are_selected_as_one_by_one() -> None:
    rng = np.random.default_rng(8)
    inputs = []
    for k in range(80):
        detector = turned_tan(30 + rng.normal(0, 0.03), 2 + rng.normal(0, 0.03), angle=rng.uniform(0, 360))
        limit = polygon(*rng.uniform(0, 300, 2), *rng.uniform(600, 1000, 2)) if k % 2 else None
        inputs.append(component(str(k), projection=detector, polygon=limit))
    psf = coadd(inputs)
    total = 0
    for x, y in rng.uniform(0, 1000, size=(30, 2)):
        sky = SKY.pixel_to_sky_transform.apply_forward(x=x, y=y)
        expected = []
        for k, one in enumerate(inputs):
            there = one.projection.sky_to_pixel_transform.apply_forward(x=sky.x, y=sky.y)
            if CHIP.contains(x=there.x, y=there.y) and (
                one.polygon is None or one.polygon.contains(x=there.x, y=there.y)
            ):
                expected.append(k)
        assert [c.index for c in psf.contributions(x, y)] == expected
        total += len(expected)
    assert total > 100

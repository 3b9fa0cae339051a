from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from lsst.images import MaskedImage

from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.frame_stack import frame_rules, stack_frames
from lamella.coadd.stack.sources import ImageSource
from lamella.data.inputs import WarpInput
from lamella.errors import ConfigError, NoInputsError
from lamella.planes import Layout, make_schema
from lamella.resources import Resources

from .. import makers

SHAPE = (30, 40)


def planes(seed: int, variance: float = 4.0) -> MaskedImage:
    image = np.random.default_rng(seed).normal(100.0, variance**0.5, SHAPE)
    mask = np.zeros(SHAPE, np.int32)
    mask[2, 3] = Layout(make_schema()).bits(["BAD"])
    if seed == 1:
        mask[5, 6] = Layout(make_schema()).bits(["SATURATED"])
    return makers.make_planes(image, variance, mask)


def inputs(*variances: float, **values: object) -> list[WarpInput]:
    return [
        WarpInput(instrument="", visit=n, band="", source=ImageSource(planes(n, variance)), **values)
        for n, variance in enumerate(variances)
    ]


def test_the_mean_is_that_by_hand() -> None:
    frames = inputs(4.0, 1.0, 16.0)
    frames[2] = dataclasses.replace(frames[2], scale=0.5)
    stack = stack_frames(frames, AssembleConfig(statistic="MEAN"))
    values = np.stack([planes(n, v).image.array for n, v in enumerate((4.0, 1.0, 16.0))]).astype(float)
    values[2] *= 0.5
    variances, weights = np.array([4.0, 1.0, 4.0]), np.array([0.25, 1.0, 0.25])
    expected = np.tensordot(weights / weights.sum(), values, 1)
    expected[5, 6] = 0.5 * (values[0, 5, 6] + values[2, 5, 6])
    good = np.ones(SHAPE, bool)
    good[2, 3] = False
    np.testing.assert_allclose(stack.planes.image[good], expected[good], rtol=1e-6)
    assert stack.planes.variance[0, 0] == pytest.approx((weights**2 * variances).sum() / weights.sum() ** 2)
    assert (stack.planes.count[5, 6], stack.planes.count[0, 0], stack.planes.count[2, 3]) == (2, 3, 0)
    assert np.isnan(stack.planes.image[2, 3])
    assert stack.planes.variance[2, 3] == np.inf
    assert stack.planes.mask[2, 3] & stack.layout.no_data


def test_bits_do_not_depend_on_order_threads_and_tiles() -> None:
    frames = inputs(4.0, 1.0, 16.0, 2.0)
    first = stack_frames(frames, AssembleConfig())
    again = stack_frames(frames[::-1], AssembleConfig(), Resources(threads=3, memory=16))
    for one, other in zip(first.planes.arrays, again.planes.arrays, strict=True):
        assert one.tobytes() == other.tobytes()


def test_an_image_without_a_weight_is_left_out_with_a_reason() -> None:
    frames = inputs(4.0, 4.0)
    frames[1] = dataclasses.replace(frames[1], source=ImageSource(planes(1, 0.0)))
    stack = stack_frames(frames, AssembleConfig())
    assert [image.visit for image in stack.inputs] == [0]
    (rejection,) = stack.rejected
    assert rejection.id.visit == 1
    with pytest.raises(NoInputsError, match="No image can be stacked"):
        stack_frames(frames[1:], AssembleConfig())


def test_without_noise_images_count_alike_and_errors_are_their_scatter() -> None:
    rules = frame_rules(AssembleConfig(), has_noise=False, has_sky=True, normalization="none")
    assert rules.statistic == "MEANCLIP"
    stack = stack_frames(inputs(*[9.0] * 20, weight=1.0), rules)
    assert np.median(stack.planes.variance) == pytest.approx(9.0 / 20, rel=0.15)
    assert (
        frame_rules(
            AssembleConfig(statistic="MEDIAN"), has_noise=False, has_sky=True, normalization="none"
        ).statistic
        == "MEDIAN"
    )


def test_what_needs_a_noise_or_warps_is_refused() -> None:
    with pytest.raises(ConfigError, match="found NOISECLIP"):
        frame_rules(
            AssembleConfig(statistic="NOISECLIP"), has_noise=False, has_sky=True, normalization="none"
        )
    with pytest.raises(ConfigError, match="compares warps"):
        frame_rules(
            AssembleConfig(reject={"method": "safe_clip"}), has_noise=True, has_sky=True, normalization="none"
        )


def test_a_pedestal_hides_no_cosmic_ray() -> None:
    def tolerances(config: AssembleConfig, *, has_sky: bool, normalization: str) -> tuple[float, float]:
        rules = frame_rules(config, has_noise=True, has_sky=has_sky, normalization=normalization)  # type: ignore[arg-type]
        return rules.flux_tolerance, rules.gradient_tolerance

    usual = AssembleConfig()
    both = usual.flux_tolerance, usual.gradient_tolerance
    assert tolerances(usual, has_sky=False, normalization="stars") == both
    assert tolerances(usual, has_sky=True, normalization="none") == (0.0, usual.gradient_tolerance)
    assert tolerances(usual, has_sky=True, normalization="median") == (0.0, 0.0)
    told = AssembleConfig(flux_tolerance=0.2)
    assert tolerances(told, has_sky=True, normalization="none") == (0.2, usual.gradient_tolerance)
    frames = [dataclasses.replace(image) for image in inputs(4.0, 4.0, 4.0)]
    hit = planes(0)
    hit.image.array[10, 10] += 40.0
    frames[0] = dataclasses.replace(frames[0], source=ImageSource(hit))
    clipped = stack_frames(frames, frame_rules(usual, has_noise=True, has_sky=True, normalization="none"))
    kept = stack_frames(frames, usual)
    assert (clipped.planes.count[10, 10], kept.planes.count[10, 10]) == (2, 3)

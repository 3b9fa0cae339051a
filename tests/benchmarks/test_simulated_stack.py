import numpy as np
import pytest

from benchmarks.simulated.stack import StackConfig, simulate_stack
from lamella.errors import ConfigError
from lamella.planes import Layout

CONFIG = StackConfig(n=8, shape=(120, 150))


def test_weighted_mean_misses_the_truth_by_its_variance_only():
    """(coadd - truth)/sqrt(variance) has mean 0 and rms 1 within 4 standard errors."""
    stack = simulate_stack(CONFIG)
    weights = stack.weights[:, None, None] * stack.good
    mean = (weights * np.where(stack.good, stack.image, 0)).sum(axis=0) / weights.sum(axis=0)
    chi = (mean - stack.truth) / np.sqrt(stack.mean_variance)
    assert abs(chi.mean()) < 4 / np.sqrt(chi.size)
    assert abs(chi.std() - 1) < 4 / np.sqrt(2 * chi.size)


def test_planes():
    stack = simulate_stack(CONFIG)
    bad = (stack.mask & Layout.of().bits(["BAD"])) != 0
    assert np.array_equal(bad, stack.mask != 0)
    assert bad.mean() == pytest.approx(0.01, abs=0.002)
    assert (stack.image[bad] == 1e5).all()
    assert np.array_equal(stack.count, (~bad).sum(axis=0))
    assert (stack.image.dtype, stack.mask.dtype, stack.variance.dtype) == (np.float32, np.int32, np.float32)
    assert stack.weights == pytest.approx(1 / stack.variance.mean(axis=(1, 2)), rel=1e-5)


def test_noiseless_images_are_the_truth():
    stack = simulate_stack(CONFIG.replace(noise=False, masked=0.0))
    for image in stack.image:
        assert image == pytest.approx(stack.truth, rel=1e-6, abs=1e-3)


def test_seeing_may_differ():
    stack = simulate_stack(CONFIG.replace(noise=False, masked=0.0, psf_sigma=(1.5, 3.0)))
    peak = np.unravel_index(np.argmax(stack.truth), stack.truth.shape)
    assert np.ptp(stack.image[(slice(None), *peak)]) > 0.3 * stack.truth[peak]
    mean = np.average(stack.image, axis=0, weights=stack.weights)
    assert mean == pytest.approx(stack.truth, rel=1e-5, abs=1e-3)


def test_outliers_are_where_they_are_said_to_be():
    config = CONFIG.replace(outliers=0.002)
    stack, clean = simulate_stack(config), simulate_stack(CONFIG)
    assert np.array_equal(stack.image != clean.image, stack.outliers)
    assert stack.outliers.mean() == pytest.approx(0.002, abs=0.0006)
    assert not (stack.outliers & (stack.mask != 0)).any()
    chi = ((stack.image - clean.image) / np.sqrt(stack.variance))[stack.outliers]
    assert chi.min() > 9.99
    assert chi.max() < 100.01


def test_an_image_does_not_depend_on_how_many_there_are():
    few, many = simulate_stack(CONFIG.replace(n=3)), simulate_stack(CONFIG.replace(n=5))
    noise = [(s.image[1] - s.truth) / np.sqrt(s.variance[1]) for s in (few, many)]
    good = (few.mask[1] == 0) & (many.mask[1] == 0)
    assert noise[0][good] == pytest.approx(noise[1][good], abs=0.01)


def test_count_of_a_pixel_that_is_bad_everywhere():
    stack = simulate_stack(StackConfig(n=2, shape=(40, 40), masked=0.5))
    none = stack.count == 0
    assert none.sum() > 200
    assert np.array_equal(np.isnan(stack.mean_variance), none)


def test_ranges_are_checked():
    with pytest.raises(ConfigError, match="psf_sigma"):
        StackConfig(psf_sigma=(3.0, 2.0))

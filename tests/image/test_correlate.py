from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from lamella.image.correlate import Correlation, _fast_length


def correlated(stamp: np.ndarray, *factors: np.ndarray) -> np.ndarray:
    """Return the correlation of a product of whole images, put together from its blocks."""
    correlation = Correlation(factors[0].shape, stamp.shape)
    transform = correlation.transform(stamp)
    found = np.full(factors[0].shape, np.nan)
    for block in correlation.blocks():
        assert np.isnan(found[block]).all()
        found[block] = correlation.of(transform, block, *factors)
    return found


@pytest.mark.parametrize("shape", [(40, 31), (256, 257), (600, 300)])
@pytest.mark.parametrize("stamp_shape", [(1, 1), (3, 9), (31, 25)])
def test_blocks_are_parts_of_the_whole_correlation(shape, stamp_shape):
    rng = np.random.default_rng(4)
    image, stamp = rng.normal(size=shape), rng.normal(size=stamp_shape)
    expected = ndimage.correlate(image, stamp, mode="constant")
    np.testing.assert_allclose(correlated(stamp, image), expected, rtol=0, atol=1e-11)


def test_products_are_correlated():
    rng = np.random.default_rng(5)
    image, weight, stamp = rng.normal(size=(300, 280)), rng.uniform(size=(300, 280)), rng.normal(size=(5, 7))
    flags = image > 0
    np.testing.assert_allclose(
        correlated(stamp, flags, weight, image),
        ndimage.correlate(flags * weight * image, stamp, mode="constant"),
        rtol=0,
        atol=1e-12,
    )


def test_lengths_of_transforms_are_products_of_small_primes():
    assert [_fast_length(n) for n in (1, 7, 11, 286, 296, 384, 1025)] == [1, 8, 12, 288, 300, 384, 1080]

from __future__ import annotations

import numpy as np
import pytest

from lamella.image.packed_plane import PackedPlane


@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (64, 64)])
def test_a_plane_comes_back(shape: tuple[int, int]) -> None:
    plane = np.random.default_rng(1).uniform(size=shape) < 0.3
    np.testing.assert_array_equal(PackedPlane.of(plane).unpacked(), plane)


def test_few_pixels_take_few_bytes() -> None:
    plane = np.zeros((1000, 1000), bool)
    plane[300:310, 400:420] = True
    assert PackedPlane.of(plane).nbytes < 1000

from __future__ import annotations

import numpy as np
import pytest

from lamella.psf.projections import dump_projection, load_projection


@pytest.mark.parametrize("sip", [None, np.array([[0, 0, 1e-6], [0, 2e-6, 0], [3e-6, 0, 0]])])
def test_projection_comes_back_bit_for_bit(tan, sip: np.ndarray | None) -> None:
    projection = tan(123.456, -34.567, angle=12.3, sip=sip)
    back = load_projection(dump_projection(projection))
    assert back == projection
    x = np.linspace(0.0, 1000.0, 7)
    ours, theirs = (p.pixel_to_sky_transform.apply_forward(x=x, y=x[::-1]) for p in (projection, back))
    np.testing.assert_array_equal(ours.x, theirs.x)
    np.testing.assert_array_equal(ours.y, theirs.y)

"""What the tests of PSFs share: projections, and a PSF of any shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from lsst.images import Box, SkyProjection

from lamella.psf.basis import PolynomialBasisPsf

from ..projections import turned_tan

BOX = Box.factory[0:1000, 0:1000]


def make_gaussian(
    xx: float, yy: float, xy: float = 0.0, side: int = 31, bounds: Box = BOX
) -> PolynomialBasisPsf:
    """Make an elliptical Gaussian with the given moments."""
    reach = np.arange(side) - side // 2
    x, y = np.meshgrid(reach, reach)
    inverse = np.linalg.inv([[xx, xy], [xy, yy]])
    image = np.exp(-0.5 * (inverse[0, 0] * x**2 + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y**2))
    return PolynomialBasisPsf(image[np.newaxis], np.ones((1, 1, 1)), bounds)


@pytest.fixture(scope="session")
def tan() -> Callable[..., SkyProjection[Any]]:
    return turned_tan


@pytest.fixture(scope="session")
def gaussian() -> Callable[..., PolynomialBasisPsf]:
    return make_gaussian

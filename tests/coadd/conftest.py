"""Warps made by hand, for tests of what happens after resampling."""

from __future__ import annotations

from collections.abc import Sequence

import astropy.units as u
import numpy as np
import pytest
from lsst.images import Box, MaskedImage
from scipy.ndimage import gaussian_filter

from lamella.coadd.assemble import scene_of
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.reject.scene import Scene
from lamella.coadd.stack.sources import ImageSource
from lamella.data.inputs import CoaddTarget, WarpInput
from lamella.planes import Layout, make_schema
from lamella.resources import Resources

from ..makers import WarpMaker, make_planes

SCHEMA = make_schema()


@pytest.fixture
def maker() -> WarpMaker:
    """Maker of small warps."""
    return WarpMaker()


class EpochMaker:
    """Makes visits of one field of stars, with different seeing, and the same matched to one PSF.

    The arrays of a visit can be changed before `inputs` makes warps of them.
    """

    sigmas = (1.5, 1.9, 1.6, 1.8, 1.7)
    target = 2.2
    noise = 1.0

    def __init__(self, n: int, shape: tuple[int, int] = (150, 160), flux: float = 3000.0) -> None:
        self.bbox = Box.from_shape(shape, start=(300, -20))
        rng = np.random.default_rng(11)
        self.stars = [
            (25.0, 30.0, flux),
            (60.3, 110.7, 0.3 * flux),
            (110.0, 40.5, 3 * flux),
            (120.0, 120.0, flux),
        ]
        self.masks = [np.zeros(shape, np.int32) for _ in range(n)]
        self.images = [
            sum(self.star(y, x, f, self.sigma(k)) for y, x, f in self.stars)
            + rng.normal(0, self.noise, shape)
            for k in range(n)
        ]
        self.artifacts = [np.zeros(shape, bool) for _ in range(n)]

    def sigma(self, visit: int) -> float:
        return self.sigmas[visit % len(self.sigmas)]

    def star(self, y: float, x: float, flux: float, sigma: float) -> np.ndarray:
        rows, columns = (np.arange(size) for size in self.bbox.shape)
        square = np.add.outer((rows - y) ** 2, (columns - x) ** 2)
        return flux / (2 * np.pi * sigma**2) * np.exp(-0.5 * square / sigma**2)

    def add(self, visit: int, signal: np.ndarray) -> None:
        """Add an artifact to a visit; the truth holds its pixels of five sigma and more."""
        self.images[visit] += signal
        self.artifacts[visit] |= np.abs(signal) >= 5 * self.noise

    def add_cosmic_ray(self, visit: int, y: int, x: int, value: float = 40.0) -> None:
        signal = np.zeros(self.bbox.shape)
        signal[y, x : x + 6] = signal[y + 1, x + 4 : x + 9] = value
        self.add(visit, signal)

    def inputs(self, *, matched: bool = True) -> list[WarpInput]:
        return [
            WarpInput(
                instrument="Cam",
                visit=k,
                band="r",
                weight=self.noise**-2,
                source=ImageSource(self._planes(image, mask, self.noise**2)),
                matched=ImageSource(self.match(k)) if matched else None,
            )
            for k, (image, mask) in enumerate(zip(self.images, self.masks, strict=True))
        ]

    def scene(
        self, inputs: Sequence[WarpInput] | None = None, *, threads: int = 1, **reject: object
    ) -> Scene:
        """Return inputs, by default all visits, as a scene; the widths of their PSFs are the default ones."""
        inputs = self.inputs() if inputs is None else inputs
        target = CoaddTarget(outer_bbox=self.bbox, projection=WarpMaker().projection)
        config = AssembleConfig(reject=reject or {"method": "compare_warp"})
        return scene_of(inputs, target, config, Resources(threads=threads))

    def match(self, visit: int) -> MaskedImage:
        width = (self.target**2 - self.sigma(visit) ** 2) ** 0.5
        kernel = np.zeros((41, 41))
        kernel[20, 20] = 1.0
        loss = float((gaussian_filter(kernel, width) ** 2).sum())
        image = gaussian_filter(self.images[visit], width, mode="nearest")
        return self._planes(image, self.masks[visit], self.noise**2 * loss)

    def _planes(self, image: np.ndarray, mask: np.ndarray, variance: float) -> MaskedImage:
        lost = (mask & Layout(SCHEMA).bits(("NO_DATA",))) != 0
        image, spread = np.where(lost, np.nan, image), np.where(lost, np.inf, variance)
        return make_planes(image, spread, mask, box=self.bbox, schema=SCHEMA, unit=u.nJy)


@pytest.fixture
def epochs() -> type[EpochMaker]:
    """Maker of visits of one field."""
    return EpochMaker

"""Warps made by hand, for tests of what happens after resampling."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.wcs import WCS
from lsst.images import Box, Image, Mask, SkyProjection, TractFrame
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.coadd.archive import Warp
from lamella.coadd.inputs import DetectorInput, ExposureId
from lamella.planes import bits_of, make_schema

SCHEMA = make_schema()


class WarpMaker:
    """Makes small warps on one pixel grid."""

    def __init__(self, shape: tuple[int, int] = (40, 50), start: tuple[int, int] = (100, 200)) -> None:
        self.bbox = Box.from_shape(shape, start=start)
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.crval = [150.0, 2.0]
        wcs.wcs.crpix = [1.0, 1.0]
        wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
        self.projection = SkyProjection.from_fits_wcs(wcs, TractFrame(skymap="test", tract=0, bbox=self.bbox))

    def psf(self, sigma: float = 2.0) -> GaussianPointSpreadFunction:
        return GaussianPointSpreadFunction(sigma, self.bbox, 21)

    def detector(self, visit: int, sigma: float = 2.0) -> DetectorInput:
        return DetectorInput(
            id=ExposureId("Cam", visit, 3),
            band="r",
            bbox=self.bbox,
            projection=self.projection,
            psf=self.psf(sigma),
            good_pixels=self.bbox.area,
            path=f"visit{visit}.fits",
            psf_fwhm=0.7,
            notes=("sky subtracted",),
        )

    def warp(
        self,
        visit: int,
        *,
        value: float = 10.0,
        variance: float = 4.0,
        noise: bool = True,
        bbox: Box | None = None,
        extra: tuple[str, ...] = (),
    ) -> Warp:
        bbox = bbox or self.bbox
        shape = (bbox.y.size, bbox.x.size)
        image = np.full(shape, value, dtype=np.float32)
        if noise:
            rng = np.random.default_rng(visit)
            image += rng.normal(0, np.sqrt(variance), shape).astype(np.float32)
        schema = make_schema(extra)
        return Warp(
            Image(image, bbox=bbox, unit=u.nJy, sky_projection=self.projection),
            mask=Mask(np.zeros((*shape, 1), np.int32), bbox=bbox, schema=schema),
            variance=Image(np.full(shape, variance, np.float32), bbox=bbox, unit=u.nJy**2),
            instrument="Cam",
            visit=visit,
            band="r",
            detectors=[self.detector(visit)],
        )

    @staticmethod
    def flag(warp: Warp, plane: str, where: tuple[slice, slice]) -> None:
        warp.mask.array[(*where, 0)] |= bits_of(warp.mask.schema, (plane,))


@pytest.fixture
def maker() -> WarpMaker:
    """Maker of small warps."""
    return WarpMaker()

"""Visits with artifacts, direct and matched, for tests of the tasks that reject them."""

from __future__ import annotations

import dataclasses
from typing import Any

import astropy.units as u
import numpy as np
from lsst.images import Box, Image, Mask, SkyProjection, TractFrame
from lsst.pipe.base import Struct

from lamella.coadd.warp.psfmatch import match_warp, patch_target_psf
from lamella.data.inputs import CoaddTarget
from lamella.data.warp import Warp
from lamella.planes import Layout, make_schema
from lamella.psf.match_control import MatchControl

FWHM = 6.0
SHAPE = (90, 100)
SCHEMA = make_schema()
STARS = [(25.0, 30.0, 3000.0), (60.3, 70.7, 900.0), (70.0, 20.5, 9000.0)]


@dataclasses.dataclass(frozen=True)
class Field:
    """Visits of one field, the same matched to one PSF, and the pixels of artifacts in each."""

    warps: list[Warp]
    matched: list[Warp]
    truth: list[np.ndarray]
    sky_info: Struct

    @property
    def target(self) -> CoaddTarget:
        return CoaddTarget(outer_bbox=self.sky_info.bbox, projection=self.sky_info.wcs)


def make_field(maker: Any, n: int = 6, *, artifacts: bool = True) -> Field:
    """Make visits of different seeing, with a cosmic ray and a moving object in some of them."""
    bbox = Box.from_shape(SHAPE, start=(100, 200))
    wcs = maker.projection.as_fits_wcs(bbox)
    projection = SkyProjection.from_fits_wcs(wcs, TractFrame(skymap="test", tract=0, bbox=bbox))
    warps, truth = [], []
    for visit in range(n):
        rng = np.random.default_rng(visit)
        image = rng.normal(0.0, 1.0, SHAPE)
        for y, x, flux in STARS:
            image += _star(y, x, flux, sigma_of(visit))
        signal = np.zeros(SHAPE)
        if artifacts and visit == 1:
            signal[40, 50:57] = signal[41, 55:60] = 60.0
        if artifacts and visit in (2, 3):
            signal += _star(45.0 + 25 * (visit - 2), 85.0 - 36 * (visit - 2), 1500.0, sigma_of(visit))
        truth.append(signal > 5.0)
        mask = np.zeros((*SHAPE, 1), np.int32)
        mask[:, :4, 0] = Layout(SCHEMA).bits(("BAD",)) if visit == 4 else 0
        detector = dataclasses.replace(
            maker.detector(visit, sigma_of(visit)), bbox=bbox, projection=projection, good_pixels=bbox.area
        )
        psf = type(detector.psf)(sigma_of(visit), bbox, 31)
        warps.append(
            Warp(
                Image((image + signal).astype(np.float32), bbox=bbox, unit=u.nJy, sky_projection=projection),
                mask=Mask(mask, bbox=bbox, schema=SCHEMA),
                variance=Image(np.ones(SHAPE, np.float32), bbox=bbox, unit=u.nJy**2),
                instrument="Cam",
                visit=visit,
                band="r",
                detectors=[dataclasses.replace(detector, psf=psf)],
            )
        )
    control = MatchControl(fwhm=FWHM)
    psf = patch_target_psf(FWHM, bbox, control)
    matched = [match_warp(warp, psf, control) for warp in warps]
    info = Struct(skyMap=None, tractInfo=None, patchInfo=None, wcs=projection, bbox=bbox)
    return Field(warps, matched, truth, info)


def sigma_of(visit: int) -> float:
    """Return the width of the PSF of a visit."""
    return 1.6 + 0.1 * (visit % 4)


def _star(y: float, x: float, flux: float, sigma: float) -> np.ndarray:
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return flux / (2 * np.pi * sigma**2) * np.exp(-0.5 * ((rows - y) ** 2 + (columns - x) ** 2) / sigma**2)

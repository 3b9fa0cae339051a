"""Kernels are good wherever the detector is, also where it covers a corner of the patch only."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from lsst.images import Box, Polygon
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.coadd.warp.match_kernels import DetectorPsf, RegionKernels
from lamella.coadd.warp.psfmatch import patch_target_psf
from lamella.psf.match_control import MatchControl

SIDE = 600
BOX = Box.from_shape((SIDE, SIDE), start=(100, 200))
CORNERS = {
    "triangle": ([200.0, 800.0, 800.0], [100.0, 100.0, 700.0]),
    "strip": ([200.0, 320.0, 320.0, 200.0], [100.0, 100.0, 700.0, 700.0]),
    "tilted": ([200.0, 800.0, 800.0, 200.0], [180.0, 130.0, 700.0, 700.0]),
    "diagonal": ([200.0, 260.0, 800.0, 740.0], [160.0, 100.0, 640.0, 700.0]),
    "all": ([200.0, 800.0, 800.0, 200.0], [100.0, 100.0, 700.0, 700.0]),
}


@pytest.mark.parametrize("region", CORNERS)
def test_kernels_are_centred_all_over_the_detector(maker, region: str) -> None:
    x, y = CORNERS[region]
    detector = dataclasses.replace(
        maker.detector(1),
        bbox=BOX,
        psf=GaussianPointSpreadFunction(1.5, BOX, 25),
        polygon=Polygon(x_vertices=x, y_vertices=y),
    )
    psf = DetectorPsf(detector, maker.projection, BOX)
    control = MatchControl()
    target = patch_target_psf(4.0, BOX, control).compute_kernel_image(x=400.0, y=400.0).array
    kernels = RegionKernels.find(psf, target, BOX, 21, control)
    offsets = np.arange(-10, 11)
    worst = 0.0
    for row in range(5, SIDE, 37):
        for column in range(5, SIDE, 37):
            if psf._psf.is_defined(column + 200.0, row + 100.0):
                kernel = kernels.image.at(float(row), float(column))
                worst = max(worst, abs(offsets @ kernel.sum(axis=0)), abs(offsets @ kernel.sum(axis=1)))
                assert kernel.sum() == pytest.approx(1.0, abs=1e-3)
    assert worst < 0.01
    places = np.array(psf.places(3, 3))
    assert len(places) >= 6
    assert len(np.unique(places[:-1], axis=0)) == len(places) - 1  # the last one is the middle
    assert all(psf._psf.is_defined(column, row) for column, row in places.tolist())
    # They reach to all sides of what is covered, so that no kernel is extrapolated far.
    covered = psf.covered
    for side, at in ((covered.x, places[:, 0]), (covered.y, places[:, 1])):
        assert at.min() <= side.start + 2 + side.size / 10
        assert at.max() >= side.stop - 3 - side.size / 10
    if region == "triangle":
        # They reach far into the part that is covered, not only along its edges.
        assert (places[:, 0] - places[:, 1] >= 100).all()

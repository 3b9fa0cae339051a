"""Widths of PSFs in pixels of the coadd."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from astropy.wcs import WCS
from lsst.images import Box, GeneralFrame, SkyProjection

from lamella.coadd.reject.scene import measured_width
from lamella.coadd.stack.prepare import input_of
from lamella.psf.basis import PolynomialBasisPsf


def projection_of(scale: float) -> SkyProjection:
    from astropy.units import pix

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 2.0]
    wcs.wcs.crpix = [1.0, 1.0]
    wcs.wcs.cdelt = [-scale / 3600, scale / 3600]
    return SkyProjection.from_fits_wcs(wcs, GeneralFrame(unit=pix), pixel_bounds=Box.factory[0:500, 0:500])


@pytest.mark.parametrize("scale", [0.1, 0.2, 0.4])
def test_widths_scale_with_the_pixels(maker, scale: float) -> None:
    one = input_of(maker.warp(1))
    width, _ = measured_width(one, projection_of(scale), 9.0)
    assert width == pytest.approx(2.3548 * 2.0 * 0.2 / scale, rel=1e-3)


def test_inputs_without_a_model_have_the_width_given(maker) -> None:
    one = input_of(maker.warp(1))
    alone = dataclasses.replace(one, detectors=())
    assert measured_width(alone, projection_of(0.2), 9.0) == measured_width(one, None, 9.0) == (9.0, "")


def test_a_psf_without_a_value_has_the_width_given_and_it_is_said(maker) -> None:
    """A width serves the search for artifacts: it must not end the job."""
    good = input_of(maker.warp(1))
    psf = PolynomialBasisPsf(np.full((1, 9, 9), -1.0), np.ones((1, 1, 1)), good.detectors[0].bbox)
    bad = dataclasses.replace(good, detectors=tuple(dataclasses.replace(d, psf=psf) for d in good.detectors))
    (width, said), (other, nothing) = (measured_width(one, projection_of(0.2), 9.0) for one in (bad, good))
    assert (width, nothing) == (9.0, "")
    assert other == pytest.approx(2.3548 * 2.0, rel=1e-3)
    assert "cannot be measured" in said
    assert "9 pixels are assumed" in said
    assert "sum -81" in said

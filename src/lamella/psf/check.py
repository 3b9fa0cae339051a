"""Check that a PSF model can serve all of an exposure, before anything is made of it."""

from __future__ import annotations

import math
from os import PathLike

import numpy as np
from lsst.images import Box
from lsst.images.psfs import PointSpreadFunction

from ..errors import InputError, InvalidPsfError

__all__ = ("MAX_FWHM", "MAX_STAMP_SIDE", "MIN_FWHM", "check_psf")

MAX_STAMP_SIDE = 1023
"""Greatest side of a PSF stamp in pixels: a stamp of 8 MB, ten times as wide as the widest of any survey."""

MIN_FWHM = 0.3
"""Least full width at half maximum of a Gaussian model, in pixels: a narrower one, which is taken at the
centres of pixels, has no value in any pixel when the star stands between them."""

MAX_FWHM = 200.0
"""Greatest full width at half maximum of a Gaussian model, in pixels, whose stamp is still allowed."""

# Middle and rim of the exposure: a model that fails does so first where its polynomial runs away.
_SHARES = (0.02, 0.5, 0.98)


def check_psf(psf: PointSpreadFunction, box: Box, path: str | PathLike[str]) -> None:
    """Check a PSF model at nine positions of an exposure, from rim to rim.

    Positions where a model says that it has no value (``is_defined``) do not count.

    Parameters
    ----------
    psf
        The model, in the pixel frame of the exposure.
    box
        Box of the exposure.
    path
        File, for messages.

    Raises
    ------
    InputError
        Raised when the stamps are too large, when one of them is not finite or
        has no positive sum, or when the model has no value at any of the positions.
    """
    sides = psf.kernel_bbox.shape
    if max(sides) > MAX_STAMP_SIDE:
        stamps = f"stamps of {sides[0]} x {sides[1]} pixels"
        raise InputError(path, where="PSF", found=stamps, expected=f"at most {MAX_STAMP_SIDE} pixels a side")
    # A model of several images may have none at a position; others have a value everywhere.
    is_defined = getattr(psf, "is_defined", lambda x, y: True)
    xs, ys = ([side.start + share * (side.size - 1) for share in _SHARES] for side in (box.x, box.y))
    positions = [(x, y) for y in ys for x in xs if is_defined(x, y)]
    if not positions:
        raise InputError(path, where="PSF", found="a model without a value", expected="one for this image")
    for x, y in positions:
        try:
            # Some models of the observatory divide by the sum without a look at it.
            with np.errstate(divide="ignore", invalid="ignore"):
                total = float(psf.compute_stellar_image(x=x, y=y).array.sum())
        except InvalidPsfError as err:
            problem = f"none ({err})"
        else:
            problem = f"the sum {total:g}" if math.isfinite(total) else "values that are not finite"
            problem = "" if 0.0 < total < math.inf else problem
        if problem:
            where = f"PSF at x={x:.1f}, y={y:.1f}"
            raise InputError(path, where=where, found=problem, expected="the image of a star")

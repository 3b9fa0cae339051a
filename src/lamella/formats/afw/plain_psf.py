"""PSF models that products can hold: those that are not plain numbers are sampled on a grid."""

from __future__ import annotations

import math

import numpy as np
from lsst.images import Box
from lsst.images.psfs import PointSpreadFunction

from ...errors import InvalidPsfError
from ...psf.coadd import CoaddPsf
from ...psf.gridded import GriddedPsf
from ...psf.warped import WarpedPsf

__all__ = ("plain_psf", "sample_psf")

_SPACING = 512
"""Pixels between nodes, at most."""


def plain_psf(psf: PointSpreadFunction, bbox: Box) -> tuple[PointSpreadFunction, str]:
    """Return a PSF model that can be written as plain numbers, and what is to be said of it.

    Parameters
    ----------
    psf
        Any model.
    bbox
        Pixels where it is needed.

    Raises
    ------
    InvalidPsfError
        Raised when it can be drawn nowhere.
    """
    if not isinstance(psf, WarpedPsf | CoaddPsf):
        return psf, ""
    sampled = sample_psf(psf, bbox)
    nodes = f"{len(sampled.x_nodes)} x {len(sampled.y_nodes)}"
    return sampled, f"PSF ({type(psf).__name__}) sampled at {nodes} positions, and interpolated between."


def sample_psf(psf: PointSpreadFunction, bbox: Box) -> GriddedPsf:
    """Sample a PSF model on a grid that reaches from edge to edge of a box.

    Raises
    ------
    InvalidPsfError
        Raised when it can be drawn at no node.
    """
    x_nodes, y_nodes = (
        np.linspace(side.min, side.max, max(2, math.ceil((side.size - 1) / _SPACING) + 1)).tolist()
        if side.size > 1
        else [float(side.min)]
        for side in (bbox.x, bbox.y)
    )
    side = psf.kernel_bbox.x.size
    stamps = np.full((len(y_nodes), len(x_nodes), side, side), np.nan)
    problem: InvalidPsfError | None = None
    for i, y in enumerate(y_nodes):
        for j, x in enumerate(x_nodes):
            try:
                stamps[i, j] = psf.compute_kernel_image(x=x, y=y).array
            except InvalidPsfError as err:
                problem = err
    if problem is not None and np.isnan(stamps).all():
        raise problem
    return GriddedPsf(stamps, x_nodes, y_nodes, bbox)

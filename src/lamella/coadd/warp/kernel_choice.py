"""The resampling kernel of one detector image: it fits the pixels of the detector and those of the tract."""

from __future__ import annotations

import math

import numpy as np
from lsst.images import Box

from ...errors import ProjectionError
from ...kernels.resample.conserving import conserving_shapes
from ...kernels.resample.support import CONSERVING, LANCZOS3, ResamplingKernel
from ...sky.pixelmap import PixelMap

__all__ = ("choose_kernel",)

_EQUAL = 1e-3
"""Scales that differ by less are equal: Lanczos-3 keeps fluxes to 1e-4 then."""
_PARALLEL = math.sin(math.radians(0.1))
"""Sine of the angle between axes below which they are parallel."""
_COARSE = 1.1
"""Pixels longer than this, in pixels of the detector, are means of several points: the kernel alone would
sample the image and not average it."""
_FINE = 0.9
"""Greatest distance of these points, in pixels of the detector."""
_COARSEST = 200.0
"""Pixels longer than this come of a wrong projection; PSFs have the same limit."""


def choose_kernel(name: str, pixel_map: PixelMap, source_box: Box, *, path: str = "") -> ResamplingKernel:
    """Return the kernel that a detector image is resampled with, all of it.

    It follows from the projections and the box of the detector alone, so that
    all parts of a tract get the same.

    Parameters
    ----------
    name
        An explicit kernel, which is used to the letter, or ``"conserving"``:
        Lanczos-3 where scales are equal within 0.1 % and axes parallel within
        0.1 degrees all over the detector, else
        `lamella.kernels.resample.conserving` for the derivatives at the centre, the
        corners and the middles of the sides.
    pixel_map
        Pixels of the detector to those of the tract.
    source_box
        Box of the detector.
    path
        Where the detector image is, for errors.

    Raises
    ------
    ProjectionError
        Raised when a pixel of the tract is longer than 200 pixels of the detector.
    """
    if name != CONSERVING:
        return ResamplingKernel(name=name)
    x, y = np.meshgrid(*(np.linspace(side.min, side.max, 3) for side in (source_box.x, source_box.y)))
    # The centre comes first.
    order = np.argsort(np.hypot(x - source_box.x.center, y - source_box.y.center).ravel(), kind="stable")
    matrices = pixel_map.derivatives(x.ravel()[order], y.ravel()[order])
    # Also without those of a map that shrinks all to a line.
    determinants = matrices[:, 0, 0] * matrices[:, 1, 1] - matrices[:, 0, 1] * matrices[:, 1, 0]
    derivatives = matrices[np.isfinite(determinants) & (determinants != 0.0)]
    # Whether pixels are as long as those of the detector, and parallel to them, everywhere.
    axes = np.linalg.inv(derivatives)
    lengths = np.hypot(axes[:, 0], axes[:, 1])
    # What of each axis is not along one of the detector.
    across = np.abs(axes).min(axis=1) / lengths
    if (np.abs(lengths - 1.0) <= _EQUAL).all() and (across <= _PARALLEL).all():
        return LANCZOS3
    lengths = lengths[0]  # at the centre
    if not lengths.max() <= _COARSEST:
        raise ProjectionError(
            path,
            where="projection",
            found=f"pixels of the tract that are {lengths.max():.3g} pixels of the detector long",
            expected=f"at most {_COARSEST:g}",
        )
    x_bins, y_bins = (math.ceil(r / _FINE) if r > _COARSE else 1 for r in lengths.tolist())
    return ResamplingKernel(
        name=name,
        ratios=(round(float(lengths[0]), 6), round(float(lengths[1]), 6)),
        bins=(x_bins, y_bins),
        shapes=conserving_shapes(derivatives * np.array([[x_bins], [y_bins]])),
    )

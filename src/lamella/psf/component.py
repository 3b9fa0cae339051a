"""The inputs of a coadd, as its PSF needs them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import shapely
from lsst.images import Box, Region, SkyProjection
from lsst.images.psfs import PointSpreadFunction

from ..astlock import guard_ast
from ..errors import InvalidPsfError
from ..kernels.resample.psfwarp import warp_stamp
from ..kernels.resample.support import LANCZOS3, ResamplingKernel

__all__ = (
    "MAX_SCALE",
    "OFF_CENTRE",
    "Contribution",
    "PsfComponent",
    "draw_component",
    "middle_within",
)

guard_ast()

MAX_SCALE = 200.0
"""Derivatives of a map beyond this are a broken projection, not a change of pixel scale."""
OFF_CENTRE = 0.5
"""How far a star may be from the centre of its pixel.  Of large pixels, a stamp that ends where a star at
the centre ends would cut much of another."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PsfComponent:
    """One input of a coadd, as its PSF needs it."""

    label: str
    """What errors call it."""
    psf: PointSpreadFunction
    """PSF in pixels of the detector."""
    projection: SkyProjection[Any]
    """Pixels of the detector to ICRS."""
    bbox: Box
    """Box of the detector's pixels."""
    polygon: Region | None = None
    """Valid region in pixels of the detector; `None` means all of ``bbox``."""
    weight: float = 1.0
    """Weight of this input in the coadd; zero is allowed, and counts as no input."""
    good_pixels: float = 1.0
    """Number of pixels that it contributed, for `CoaddPsf.average_position`; relative numbers do."""
    kernel: ResamplingKernel = LANCZOS3
    """What its pixels were resampled with."""

    def __post_init__(self) -> None:
        for name in ("weight", "good_pixels"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise InvalidPsfError(
                    f"{self.label}: {name} is {value}; expected a number that is not negative."
                )

    @property
    def outline(self) -> shapely.Geometry:
        """Region of the detector that contributes, in its pixels."""
        x, y = self.bbox.x, self.bbox.y
        box = shapely.box(x.start - 0.5, y.start - 0.5, x.stop - 0.5, y.stop - 0.5)
        return box if self.polygon is None else box.intersection(self.polygon.to_shapely())


@dataclasses.dataclass(frozen=True, eq=False)
class Contribution:
    """Where a component sees a point of the coadd.

    Attributes
    ----------
    index
        Number of the component.
    x, y
        Position in pixels of the detector.
    matrix
        ``[[dx/dx', dx/dy'], [dy/dx', dy/dy']]``: derivatives of that position
        by the position in the coadd, shape (2, 2).
    """

    index: int
    x: float
    y: float
    matrix: np.ndarray


def draw_component(
    component: PsfComponent, contribution: Contribution, offsets: np.ndarray, out: np.ndarray
) -> None:
    """Draw the PSF of one component in pixels of the coadd, with sum 1.

    Parameters
    ----------
    component
        The component.
    contribution
        Where it sees the star.
    offsets
        Position (y, x) of ``out[0, 0]`` relative to the star, in pixels of the coadd.
    out : `numpy.ndarray` of float64, shape (y, x)
        Filled with the PSF.

    Raises
    ------
    InvalidPsfError
        Raised when the map is broken, the PSF model fails, or nothing is left of it.
    """
    x, y, matrix = contribution.x, contribution.y, contribution.matrix
    size = float(np.abs(matrix).max())
    # A map that shrinks everything to a point is as broken as one that inflates it.
    area = abs(float(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]))
    if not (size <= MAX_SCALE and area >= 1.0 / MAX_SCALE**2):
        raise InvalidPsfError(
            f"{component.label}: a pixel of the coadd spans {size:.3g} pixels of the detector and "
            f"{area:.3g} of their area; beyond {MAX_SCALE:g} the projection is taken to be wrong.",
            x=x,
            y=y,
        )
    try:
        star = component.psf.compute_stellar_image(x=x, y=y)
    except (ArithmeticError, LookupError, RuntimeError, ValueError) as err:
        raise InvalidPsfError(
            f"{component.label}: its PSF has no value at (x={x}, y={y}) of the detector: {err}", x=x, y=y
        ) from err
    samples = np.asarray(star.array, dtype=np.float64)
    centre = np.array([y - star.bbox.y.start, x - star.bbox.x.start])
    warp_stamp(samples, np.ascontiguousarray(matrix), centre, offsets, out, component.kernel)
    total = float(out.sum())
    if not (math.isfinite(total) and total > 0.0):
        raise InvalidPsfError(
            f"{component.label}: its PSF at (x={x}, y={y}) of the detector, resampled, has the sum {total}.",
            x=x,
            y=y,
        )
    out /= total


def middle_within(outline: shapely.Geometry, box: Box) -> tuple[float, float]:
    """Return a point (x, y) amid the part of a region that is within a box, or amid all of it if none is."""
    x, y = box.x, box.y
    visible = outline.intersection(shapely.box(x.start - 0.5, y.start - 0.5, x.stop - 0.5, y.stop - 0.5))
    visible = visible if visible.area > 0.0 else outline
    # The centroid of a region with a hole or a bay may be outside of it.
    point = visible.centroid if visible.contains(visible.centroid) else visible.representative_point()
    return float(point.x), float(point.y)

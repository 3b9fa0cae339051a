"""The kernels that match one detector of a warp: sampled, fitted, and written as products."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy
from lsst.images import Box, SkyProjection

from ...data.detector import DetectorInput, psf_components
from ...errors import InvalidPsfError, PsfMatchError
from ...kernels.convolve import CELL, SeparableKernels, factor_kernels
from ...psf.blas import one_blas_thread
from ...psf.coadd import CoaddPsf
from ...psf.match_control import MatchControl
from ...psf.matching import KernelField, MatchQuality, fit_field, match_quality, solve_kernels, widest_fwhm

__all__ = ("DetectorPsf", "RegionKernels", "most_places")

_PLACES = 3
"""Positions along an axis at which a width is measured."""
_SPACING = 700.0
_MOST_PLACES = 5
"""Kernels are found this many pixels apart, but at no more positions along an axis."""
_PROBES = 16
"""Positions along an axis at which a detector is looked for in a box."""
_EDGE = 0.01
"""Distance from the edge of a detector in pixels at which rounding does not matter."""
_IMAGE_TOLERANCE = 1e-3
"""Error of a kernel written as products, as a fraction of the target's peak, under the PSF."""
_VARIANCE_TOLERANCE = 3e-3
"""The same for the kernel of the variance, as a fraction of its largest value."""


class DetectorPsf:
    """The PSF of one detector in pixels of a patch."""

    def __init__(self, detector: DetectorInput, projection: SkyProjection[Any], box: Box) -> None:
        self.detector = detector
        self._psf = CoaddPsf(psf_components([dataclasses.replace(detector, weight=1.0)]), projection, box)
        self.box = box

    @functools.cached_property
    def _probes(self) -> np.ndarray:
        """Pixels (x, y) all over the box in which the detector has a PSF: shape (n, 2)."""
        y, x = (_along(side.start, side.size, _PROBES) for side in (self.box.y, self.box.x))
        points = np.stack([index.ravel() for index in np.meshgrid(x, y)], axis=1)
        inside: np.ndarray = points[self._is_inside(points)]
        return inside

    def _is_inside(self, points: np.ndarray) -> np.ndarray:
        """Return which points (x, y) are on the detector, and not right at its edge."""
        # A point counts when a square around it does: one at the very edge may fall on either side.
        corners = points[:, np.newaxis] + _EDGE * np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
        covered = self._psf.covers(*corners.reshape(-1, 2).T)
        inside: np.ndarray = covered.reshape(-1, 4).all(axis=1)
        return inside

    @functools.cached_property
    def covered(self) -> Box:
        """The part of the box in which the detector has a PSF, found to a fifteenth of its sides."""
        if not len(self._probes):
            return self.box
        (x0, y0), (x1, y1) = (
            edge.astype(int) for edge in (self._probes.min(axis=0), self._probes.max(axis=0))
        )
        return Box.factory[y0 : y1 + 1, x0 : x1 + 1]

    def places(self, rows: int, columns: int) -> list[tuple[float, float]]:
        """Return pixels (x, y) with a PSF: on a lattice over the part with the detector, and its middle.

        Where the detector is not at a point of the lattice, it is its nearest probe that counts: kernels
        are wanted all over the detector, and must not be extrapolated to its rim.
        """
        lattice: list[tuple[float, float]] = []
        if len(self._probes):
            box = self.covered
            y, x = _along(box.y.start, box.y.size, rows), _along(box.x.start, box.x.size, columns)
            points = np.stack([index.ravel() for index in np.meshgrid(x, y)], axis=1)
            away = ~self._is_inside(points)
            distance = np.square(points[away, np.newaxis] - self._probes).sum(axis=2)
            points[away] = self._probes[np.argmin(distance, axis=1)]
            # Several points may have the same nearest probe.
            lattice += dict.fromkeys((column, row) for column, row in points.tolist())
        try:
            middle = self._psf.average_position()
        except InvalidPsfError:
            return lattice
        return [*lattice, (float(round(middle[0])), float(round(middle[1])))]

    def widths(self) -> Iterator[float]:
        """Measure the width at nine positions and the middle, where there is a PSF."""
        for x, y in self.places(_PLACES, _PLACES):
            try:
                yield widest_fwhm(self._psf, x, y)
            except InvalidPsfError:
                continue

    def sample(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return x and y of positions with a PSF, and the PSFs there: shape (n, y, x)."""
        rows, columns = _lattice_size(self.covered)
        positions, stamps = [], []
        for x, y in self.places(rows, columns):
            try:
                stamps.append(self._psf.compute_kernel_image(x=x, y=y).array)
            except InvalidPsfError:
                continue
            positions.append((x, y))
        points = np.array(positions).reshape(-1, 2)
        return points[:, 0], points[:, 1], np.array(stamps, dtype=np.float64)


def most_places(box: Box) -> int:
    """Return at how many places of a box kernels are found at most."""
    rows, columns = _lattice_size(box)
    return rows * columns + 1


def _lattice_size(box: Box) -> tuple[int, int]:
    rows, columns = (int(np.clip(math.ceil(size / _SPACING) + 1, 3, _MOST_PLACES)) for size in box.shape)
    return rows, columns


def _along(start: int, size: int, count: int) -> np.ndarray:
    inset = min(2.0, size / 4)
    positions: np.ndarray = np.rint(np.linspace(start + inset, start + size - 1 - inset, count))
    return positions


@dataclasses.dataclass(frozen=True, eq=False)
class RegionKernels:
    """The kernels of a frame around a region, for image and variance, and what they do."""

    image: SeparableKernels
    variance: SeparableKernels
    footprint: tuple[np.ndarray, np.ndarray]
    """Offsets in y and x over which mask planes spread."""
    least_square: float
    """Least sum of the squares of a kernel."""
    quality: MatchQuality
    """The worst of all places."""
    typical_residual: float
    """The median of all places."""

    @classmethod
    @one_blas_thread()
    def find(
        cls, psf: DetectorPsf, target: np.ndarray, frame: Box, side: int, control: MatchControl
    ) -> RegionKernels:
        """Find the kernels that turn the PSF of a detector into a target."""
        x, y, stamps = psf.sample()
        if not len(stamps):
            raise PsfMatchError(f"{psf.detector.id}: it has no PSF on the patch that could be matched.")
        x, y = x - frame.x.start, y - frame.y.start
        solved = solve_kernels(stamps, target, side, control.ridge)
        # Nodes lie beyond the box that kernels were solved in, and are joined by straight lines: those of a
        # small box may be drawn out to the nodes, parabolas may not.
        size = min(psf.covered.shape)
        order = 0 if size < CELL // 4 else 1 if size < 2 * CELL else 4
        field = fit_field(solved, x, y, min(control.spatial_order, order))
        image, variance = _factor(field, frame, stamps.mean(axis=0), float(target.max()))
        # What the kernels do that are used, with all that was lost by fitting and factoring.
        qualities = [
            match_quality(stamp, target, image.at(row, column))
            for stamp, row, column in zip(stamps, y.tolist(), x.tolist(), strict=True)
        ]
        # The disc, as offsets, beyond which all weights are less than a fraction of the greatest one.
        half = solved.shape[-1] // 2
        dy, dx = np.mgrid[-half : half + 1, -half : half + 1]
        sizes = np.abs(solved)
        matters = (sizes >= control.mask_threshold * sizes.max(axis=(1, 2), keepdims=True)).any(axis=0)
        disc = np.hypot(dy, dx) <= np.hypot(dy, dx)[matters].max()
        return cls(
            image,
            variance,
            (dy[disc], dx[disc]),
            float(np.square(solved).sum(axis=(1, 2)).min()),
            MatchQuality(max(q.residual for q in qualities), max(q.noise_gain for q in qualities)),
            float(np.median([q.residual for q in qualities])),
        )

    def part(self, first: int, last: int) -> RegionKernels:
        """Return the kernels of some rows of cells."""
        return dataclasses.replace(
            self, image=self.image.part(first, last), variance=self.variance.part(first, last)
        )


def _factor(
    field: KernelField, box: Box, stamp: np.ndarray, peak: float
) -> tuple[SeparableKernels, SeparableKernels]:
    """Write the kernels of the nodes in a box, and their squares, as sums of products."""
    counts = [math.ceil(size / CELL) + 1 for size in (box.y.size, box.x.size)]
    y, x = (index.ravel() * float(CELL) for index in np.mgrid[: counts[0], : counts[1]])
    nodes = field.at(x, y)
    squares = np.square(nodes)
    side = nodes.shape[-1]
    shape = (scipy.fft.next_fast_len(stamp.shape[0] + side, real=True),) * 2
    transform = scipy.fft.rfft2(stamp, shape)

    def image_error(errors: np.ndarray) -> float:
        # As the image of a star shows it: an error that the PSF smooths away does not matter.
        blurred = scipy.fft.irfft2(scipy.fft.rfft2(errors, shape) * transform, shape)
        return float(np.abs(blurred).max()) / peak

    def variance_error(errors: np.ndarray) -> float:
        return float(np.abs(errors).max() / squares.max())

    return (
        factor_kernels(nodes.reshape(*counts, side, side), image_error, _IMAGE_TOLERANCE),
        factor_kernels(squares.reshape(*counts, side, side), variance_error, _VARIANCE_TOLERANCE),
    )

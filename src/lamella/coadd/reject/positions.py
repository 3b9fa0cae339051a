"""Where the sources of a visit are, compared with those of the static sky."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy.ndimage import maximum_filter

from ...data.inputs import WarpInput
from ...data.removals import told_apart
from ...data.visit_check import ASTROMETRY
from ...kernels.arrays import SIGMA_OF_QUARTILES
from ...kernels.compare import move_template
from ..warp.pairs import as_matched
from .scene import Scene
from .template import Difference, Template

__all__ = ("Displacements", "Offset", "SourcePositions")

_HALF = 3  # pixels around the middle of a source that are looked at
_MOST = 1000  # sources, the brightest ones: more make the median of a visit hardly better
_LEAST = 5  # sources that a position is the median of
_EXACT = 0.03  # pixels: error of a source that tells a scatter of positions from noise
_SIGNIFICANT = 3.0  # sigma
_LEAST_SHARE = 0.5  # of the pixels around a source that must be known: beside the end of the data not all are
_LEAST_SHIFT = 0.02  # pixels: of less no pixel of a source differs by more than 2 %
_SINGULAR = 1e-6  # determinant of terms of unit length that are as good as the same
_NEIGHBOURS = 5  # pixels: a source is the brightest in a square of this side
_PASSES = 3  # after which a shift of a few pixels is known to _LEAST_SHIFT
_REACH = 3.0  # widths of the PSF: beyond, a source has less than the tolerance of its peak


@dataclasses.dataclass(frozen=True, slots=True)
class Offset:
    """By how much the sources of a visit are displaced, in pixels.

    Attributes
    ----------
    x, y
        The median over its sources; NaN where there are too few.
    error
        Of the median (one sigma).
    scatter
        Of single sources about it, beyond their noise (one sigma, per axis); 0 where it is not known.
    """

    x: float = math.nan
    y: float = math.nan
    error: float = math.nan
    scatter: float = 0.0

    @property
    def is_significant(self) -> bool:
        """Whether it is more than an error of the measurement."""
        return math.hypot(self.x, self.y) > _SIGNIFICANT * self.error

    def notes(self, limit: float) -> list[str]:
        """Return what a user should know of a displacement of more than a number of pixels."""
        size = math.hypot(self.x, self.y)
        if not (size > limit and self.is_significant):  # also NaN
            return []
        pixels, most = told_apart(size, limit)
        return [
            f"Its sources are {pixels} pixels (x {self.x:+.2f}, y {self.y:+.2f}) from those of the "
            f"static sky, more than {most}: {ASTROMETRY}"
        ]


# lamella.coadd.visitcheck measures positions in another way, by centroids in windows: it compares direct
# warps, whose PSFs differ, and the terms of this fit do not describe that.
class SourcePositions:
    """The bright sources of the static sky.

    Parameters
    ----------
    scene
        The visits.
    template
        The static sky.
    """

    def __init__(self, scene: Scene, template: Template) -> None:
        self._scene, self._template = scene, template
        self._control = scene.control.compare_warp
        self._no_data = scene.layout.bits(self._control.template.bad_mask_planes)
        planes = ("DETECTION_EDGE", "SATURATED")
        self._inexact = scene.rules.bad_mask | scene.layout.bits(planes)
        sky = np.where(np.isfinite(template.image), template.image, np.float32(-np.inf))
        bright = template.bright(self._control.positions.significance)
        bright &= sky == maximum_filter(sky, size=_NEIGHBOURS, mode="nearest")
        bright[:_HALF], bright[-_HALF:], bright[:, :_HALF], bright[:, -_HALF:] = (False,) * 4
        y, x = np.nonzero(bright)
        order = np.argsort(-sky[y, x], kind="stable")[:_MOST]
        self._y, self._x = y[order], x[order]

    def exact(self, matched: Difference) -> np.ndarray:
        """Return which pixels of a matched warp are not spoiled by lost ones."""
        exact: np.ndarray = (matched.mask & self._inexact) == 0
        return exact

    def align(self, warp: WarpInput, fwhm: float) -> tuple[Difference | None, Offset]:
        """Subtract the template from a matched warp, moved to where the sources of the visit are.

        Parameters
        ----------
        warp
            The visit.
        fwhm
            Full width at half maximum of its PSF before matching, in pixels.
        """
        template, control = self._template, self._control
        if warp.matched is None:
            return None, Offset()
        matched_warp = as_matched(warp)

        def subtract(sky: np.ndarray | None) -> Difference | None:
            limit = control.template.sigma_clip
            return Difference.of(matched_warp, self._scene, template, self._no_data, limit, sky)

        matched = subtract(None)
        if matched is None or not control.positions.enabled:
            return matched, Offset()
        source, sky = template.direct_tolerance > 0.0, template.image
        sources = self.measure(matched, sky)
        offset = total = sources.offset
        # The slopes of a source do for fractions of a pixel; what is left of more is measured again.
        for _ in range(_PASSES):
            if not offset.is_significant or math.hypot(offset.x, offset.y) < _LEAST_SHIFT:
                break
            sky = np.empty_like(template.image)
            move_template(template.image, source, total.x, total.y, sky)
            matched = subtract(sky)
            assert matched is not None  # it was there before
            sources = self.measure(matched, sky)
            offset = sources.offset
            total = dataclasses.replace(offset, x=offset.x + total.x, y=offset.y + total.y)
        displaced = sources.select(control.positions.max_motion * fwhm, control.variables.mismatch)
        if len(displaced.y):
            matched = subtract(_move_sources(sky, source, displaced, math.ceil(_REACH * fwhm)))
        return matched, total

    def measure(self, matched: Difference, sky: np.ndarray) -> Displacements:
        """Measure the displacement of each source of a visit.

        The difference d between a visit and the template T is fitted around each source with
        d = g T - s_x dT/dx - s_y dT/dy; g takes up what the source is brighter, and s is its displacement.
        Of two visits that disagree the template is the fainter one, whose
        sources lie halfway between those of the two.

        Parameters
        ----------
        matched
            Matched warp less ``sky``.
        sky
            The template, or it moved, on its box.
        """
        box, frame = matched.box, self._template.bbox
        row = self._y + (frame.y.start - box.y.start)
        column = self._x + (frame.x.start - box.x.start)
        d, good, variance = (
            _stamps(plane, row, column, _HALF)
            for plane in (matched.image, self.exact(matched), matched.noise)
        )
        terms = _terms(_stamps(sky, self._y, self._x, _HALF + 2))
        good &= np.isfinite(d) & np.isfinite(variance) & np.isfinite(terms).all(axis=1)
        usable = good[:, _HALF, _HALF] & (good.mean(axis=(1, 2)) >= _LEAST_SHARE)
        # What is not known is left out of all sums.
        d, terms = np.where(good, d, 0.0), np.where(good[:, np.newaxis], terms, 0.0)
        variance = np.where(good, variance, np.inf)
        y, x = self._y[usable], self._x[usable]
        return Displacements.fit(y, x, terms[usable], d[usable], variance[usable])


@dataclasses.dataclass(frozen=True, eq=False)
class Displacements:
    """By how much the sources of a visit are displaced, the brightest first.

    Attributes
    ----------
    y, x
        Index arrays of shape (source,): their brightest pixels in the template.
    shift
        Displacements along x and y in pixels: shape (source, 2).
    error
        Of these, from the noise (one sigma, per axis): shape (source,).
    unexplained
        Part of the squared difference, beyond noise, that is neither a change of brightness nor a
        displacement: shape (source,).
    """

    y: np.ndarray
    x: np.ndarray
    shift: np.ndarray
    error: np.ndarray
    unexplained: np.ndarray

    @classmethod
    def fit(
        cls, y: np.ndarray, x: np.ndarray, terms: np.ndarray, d: np.ndarray, variance: np.ndarray
    ) -> Displacements:
        """Fit differences d, shape (source, y, x), with terms, shape (source, 3, y, x)."""
        normal = np.einsum("nkyx,nlyx->nkl", terms, terms)
        right = np.einsum("nkyx,nyx->nk", terms, d)
        # A line along which nothing changes has no position.
        scale = np.sqrt(np.einsum("nkk->nk", normal)) + np.finfo(float).tiny
        regular = np.linalg.det(normal / scale[:, :, np.newaxis] / scale[:, np.newaxis]) > _SINGULAR
        y, x, terms, d, variance = (values[regular] for values in (y, x, terms, d, variance))
        inverse = np.linalg.inv(normal[regular])
        best = np.einsum("nkl,nl->nk", inverse, right[regular])
        rest = d - np.einsum("nk,nkyx->nyx", best, terms)
        noise = d[0].size + 3.0 * math.sqrt(2.0 * d[0].size) if len(d) else 0.0
        before, after = ((values**2 / variance).sum(axis=(1, 2)) for values in (d, rest))
        error = np.sqrt(variance[:, _HALF, _HALF] * 0.5 * (inverse[:, 1, 1] + inverse[:, 2, 2]))
        return cls(y, x, -best[:, 1:], error, np.maximum(after - noise, 0.0) / np.maximum(before, 1.0))

    @property
    def offset(self) -> Offset:
        """The displacement of the visit: the median of its sources."""
        number = len(self.shift)
        if number < _LEAST:
            return Offset()
        x, y = (float(value) for value in np.median(self.shift, axis=0))
        # A median is less certain than a mean.
        error, sharp = 1.25 * _spread(self.shift) / math.sqrt(number), self.error < _EXACT
        enough = np.count_nonzero(sharp) >= 2 * _LEAST
        return Offset(x, y, error, _spread(self.shift[sharp]) if enough else 0.0)

    def select(self, most: float, mismatch: float) -> Displacements:
        """Return the sources that are displaced, by no more than some pixels, and as a whole."""
        size = np.hypot(self.shift[:, 0], self.shift[:, 1])
        chosen = (size > np.maximum(_SIGNIFICANT * self.error, _LEAST_SHIFT)) & (size < most)
        chosen &= self.unexplained < mismatch
        return Displacements(*(getattr(self, field.name)[chosen] for field in dataclasses.fields(self)))


def _move_sources(sky: np.ndarray, source: np.ndarray, sources: Displacements, reach: int) -> np.ndarray:
    """Move sources of the template one by one, each with the pixels that are nearest to it.

    Parameters
    ----------
    sky
        The template, float32 of shape (y, x).
    source
        Pixels whose value moves with a source, bool.
    sources
        Which sources move, and by how much.
    reach
        So far from a source its pixels are looked for, along rows and columns.
    """
    moved = sky.copy()
    nearest = np.full(sky.shape, np.inf, np.float32)
    margin = reach + _HALF
    for y, x, (dx, dy) in zip(sources.y.tolist(), sources.x.tolist(), sources.shift.tolist(), strict=True):
        y0, x0 = max(y - margin, 0), max(x - margin, 0)
        at = (slice(y0, y + margin + 1), slice(x0, x + margin + 1))
        around = np.empty_like(sky[at])
        move_template(np.ascontiguousarray(sky[at]), np.ascontiguousarray(source[at]), dx, dy, around)
        rows, columns = np.ogrid[y0 : y0 + around.shape[0], x0 : x0 + around.shape[1]]
        distance = np.hypot(rows - y, columns - x).astype(np.float32)
        mine = (distance < nearest[at]) & (distance <= reach)
        moved[at][mine] = around[mine]
        nearest[at][mine] = distance[mine]
    return moved


def _spread(values: np.ndarray) -> float:
    low, high = np.quantile(values, (0.25, 0.75), axis=0)
    return float((SIGMA_OF_QUARTILES * (high - low)).max())


def _stamps(plane: np.ndarray, y: np.ndarray, x: np.ndarray, half: int) -> np.ndarray:
    """Return the squares around some pixels: shape (pixel, y, x); NaN beyond the plane, `False` of flags."""
    step = np.arange(-half, half + 1)
    rows, columns = y[:, np.newaxis, np.newaxis] + step[:, np.newaxis], x[:, np.newaxis, np.newaxis] + step
    outside = (rows < 0) | (rows >= plane.shape[0]) | (columns < 0) | (columns >= plane.shape[1])
    values: np.ndarray = plane[rows.clip(0, plane.shape[0] - 1), columns.clip(0, plane.shape[1] - 1)]
    if plane.dtype == bool:
        values &= ~outside
        return values
    return np.where(outside, np.nan, values).astype(np.float64)


def _terms(sky: np.ndarray) -> np.ndarray:
    """Return images and their slopes along x and y, of fourth order: shape (source, 3, y, x)."""

    def slope(axis: int) -> np.ndarray:
        planes = np.moveaxis(sky, axis, -1)
        difference = (
            8.0 * (planes[..., 3:-1] - planes[..., 1:-3]) - (planes[..., 4:] - planes[..., :-4])
        ) / 12.0
        inner: np.ndarray = np.moveaxis(difference, -1, axis)
        return inner

    return np.stack([sky[:, 2:-2, 2:-2], slope(2)[:, 2:-2], slope(1)[:, :, 2:-2]], axis=1)

"""Comparison of one visit with the template: footprints of what differs, streaks, and levels of the sky."""

from __future__ import annotations

import dataclasses
import math
import threading
from typing import TYPE_CHECKING

import numpy as np
from lsst.images import Box, MaskSchema

from ..errors import NoiseError
from ..kernels.compare import BLIND, HIGH, LOW, add_to_bins, flag_direct, flag_matched, subtract_template
from ..planes import bits_of
from .compare_control import CompareWarpControl
from .fluxcheck import BrightPixels
from .footprints import Footprints
from .ghosts import Bins
from .inputs import WarpInput
from .noise import variance_scale
from .removals import told_apart
from .runs import grow_runs, merge_runs, no_runs, pixels_of
from .sources import Planes, overlap
from .spans import Runs
from .streaks import find_streaks
from .template import Template
from .tiles import InputReader
from .variables import unlike_template

if TYPE_CHECKING:
    from .assemble_control import AssembleConfig

__all__ = ("Compared", "Comparison")

_NEVER = (math.inf, math.inf)
_FAINT_SOURCE = 0.25  # of the noise: greatest tolerance of a pixel that counts as sky
_FAINT = 4.0  # sigma that the pixels of a ghost do not reach in the mean
_LEAST_BIN = 8  # samples along the side of a bin of the sky


@dataclasses.dataclass(frozen=True)
class Compared:
    """What differs in one visit.

    Attributes
    ----------
    candidates
        Footprints that are artifacts if few visits have them; sources that vary are not among them.
    foreign
        Which of these have nothing of the shape of the template: bool of shape (footprint,).
    bins
        Levels of the sky.
    others
        Further pixels to be removed, by kind.
    valid
        Pixels that are not masked.
    alone
        Number of these that no other visit has.
    edges
        Pixels of the matched warp at the edge of a detector, if they matter.
    notes
        What a user should know.
    """

    candidates: Footprints
    foreign: np.ndarray
    bins: Bins
    others: dict[str, Runs]
    valid: Runs
    alone: int
    edges: Runs | None
    notes: tuple[str, ...]


class _Difference:
    """A warp less the template; ``noise`` becomes what is held to be its variance."""

    def __init__(self, template: Template, box: Box, planes: Planes, bad: int, shared_limit: float) -> None:
        self.box = box
        self.mask = planes.mask
        self._frame = template.bbox
        self.has_value = np.isfinite(planes.image)
        self.image, self.noise = (np.empty(box.shape, dtype=np.float32) for _ in range(2))
        sky, variance = self.of(template.image), self.of(template.variance)
        arrays = planes.image, planes.variance, planes.mask
        subtract_template(*arrays, bad, sky, variance, shared_limit, self.image, self.noise)

    def of(self, plane: np.ndarray) -> np.ndarray:
        """Return the part of a plane of the coadd's box."""
        at = self.box.slice_within(self._frame)
        return plane[at.y, at.x]


class Comparison:
    """Compares visits with the template; several threads may do so at a time.

    Parameters
    ----------
    template
        The static sky.
    schema
        A schema with all planes of the inputs and their matched warps.
    config
        How the coadd is made.
    control
        How visits are compared.
    noise
        Noise of a pixel of a typical visit (one sigma).

    Attributes
    ----------
    counts
        Number of visits that differ at each pixel: int32 of shape (y, x).
    foreign_counts
        The same, without sources that vary.
    """

    def __init__(
        self,
        template: Template,
        schema: MaskSchema,
        config: AssembleConfig,
        control: CompareWarpControl,
        noise: float,
    ) -> None:
        self.counts, self.foreign_counts = (np.zeros(template.bbox.shape, np.int32) for _ in range(2))
        self._template = template
        self._schema = schema
        self._control = control
        # The same for all visits, so that what faint sources leave is common to them.
        self._sky_limit = _FAINT_SOURCE * noise
        self._bad = bits_of(schema, config.bad_mask_planes)
        self._no_data = bits_of(schema, control.template.bad_mask_planes)
        self._saturated = bits_of(schema, ("SATURATED",))
        self._edge = bits_of(schema, ("DETECTION_EDGE",))
        self._bright = BrightPixels(template, control.fluxes)
        self._lock = threading.Lock()

    def compare(self, one: WarpInput, fwhm: float) -> Compared:
        """Find what differs in one visit.

        Parameters
        ----------
        one
            The visit.
        fwhm
            Full width at half maximum of its PSF before matching, in pixels.
        """
        bbox, control = self._template.bbox, self._control
        flags = np.zeros(bbox.shape, dtype=np.uint8)
        notes: list[str] = []
        matched, direct = (self._subtract(one, matched=which) for which in (True, False))
        if direct is not None:
            limits = control.thresholds if control.compare_direct or matched is None else _NEVER
            self._flag_direct(direct, limits, flags, notes)
        if not control.compare_direct:
            flags |= np.uint8(BLIND)
        if matched is not None:
            self._flag_matched(matched, flags, notes)
            notes += self._flux_notes(matched)
        elif one.matched is None:
            notes.append("It has no matched warp, and was compared as it is, away from sources.")
        if reason := self._template.left_out.get(one.key):
            notes.append(f"Its matched warp is not part of the static sky: {reason}.")
        found, candidates, foreign = self._candidates(flags, matched)
        self._count(found, candidates)
        others = self._others(direct, matched, fwhm)
        return Compared(
            candidates=candidates,
            foreign=foreign,
            bins=self._bins(direct, found, others.get("streak", no_runs())),
            others=others,
            valid=no_runs() if direct is None else Runs.from_array(self._valid(direct), direct.box),
            alone=0 if direct is None else self._alone(direct),
            edges=self._edges(matched),
            notes=tuple(dict.fromkeys(notes)),
        )

    def _subtract(self, one: WarpInput, *, matched: bool) -> _Difference | None:
        if matched:
            if one.matched is None:
                return None
            one = dataclasses.replace(one, source=one.matched, scale=one.matched_scale, alternate=None)
        box = overlap(one.source.bbox, self._template.bbox)
        if box is None:
            return None
        planes = InputReader(one, self._schema).read(box)
        if matched:
            limit = self._control.template.sigma_clip
            return _Difference(self._template, box, planes, self._no_data, limit)
        return _Difference(self._template, box, planes, self._bad, 0.0)

    def _flag_direct(
        self, direct: _Difference, limits: tuple[float, float], flags: np.ndarray, notes: list[str]
    ) -> None:
        template = self._template
        factors = self._factor(direct, notes), self._factor(direct, notes, smooth=True)
        tolerance, epochs = direct.of(template.direct_tolerance), direct.of(template.epochs)
        flag_direct(direct.image, direct.noise, factors, tolerance, epochs, *limits, direct.of(flags))

    def _flag_matched(self, matched: _Difference, flags: np.ndarray, notes: list[str]) -> None:
        template = self._template
        flag_matched(
            matched.image,
            matched.noise,
            self._factor(matched, notes),
            matched.of(template.tolerance),
            self._doubtful(matched),
            matched.of(template.direct_tolerance),
            matched.of(template.epochs),
            *self._control.thresholds,
            matched.of(flags),
        )

    def _flux_notes(self, matched: _Difference) -> list[str]:
        exact = (matched.mask & (self._bad | self._edge | self._saturated)) == 0
        found = self._bright.deviation(matched.image, exact, matched.box)
        limit = self._control.fluxes.max_deviation
        if not abs(found) > limit:  # also NaN
            return []
        size, most = told_apart(100 * abs(found), 100 * limit)
        sense = "brighter" if found > 0 else "fainter"
        return [
            f"Its bright sources are {size} % {sense} than those of the static sky, more than {most} %: "
            "look at its photometric scale."
        ]

    def _doubtful(self, matched: _Difference) -> np.ndarray:
        """Return which pixels feel masked ones: those of saturated pixels are felt far away."""
        # Beside lost pixels a match is less exact, whether or not the coadd takes such pixels.
        doubtful: np.ndarray = (matched.mask & (self._bad | self._edge)) != 0
        found = Runs.from_array((matched.mask & self._saturated) != 0, matched.box)
        reach, box = self._control.saturated_reach, matched.box
        y, x0, x1, _ = grow_runs(found.y, found.x0, found.x1, reach, box)
        near = merge_runs(y, x0, x1)
        y, x, _ = pixels_of(near.y, near.x0, near.x1, box)
        doubtful[y, x] = True
        return doubtful

    def _factor(self, difference: _Difference, notes: list[str], *, smooth: bool = False) -> float:
        """Measure the factor of the variances, on a lattice of pixels of the sky.

        With ``smooth`` it is that of the means of three by three pixels.
        """
        if not self._control.rescale_variance:
            return 1.0
        control, template = self._control.noise, self._template
        step = max(1, math.ceil(math.sqrt(difference.image.size / control.samples)))
        at = (slice(1 + step // 2, -1, step),) * 2
        image, noise = difference.image[at], difference.noise[at]
        # Sources have errors of their own, and what nothing is compared with differs by nothing.
        source = 4.0 * difference.of(template.direct_tolerance)[at] ** 2 > noise
        alone = difference.of(template.epochs)[at] < 2
        bad = source | alone | ((difference.mask[at] & self._bad) != 0)
        if smooth:
            image, noise = (_mean_of_nine(plane, step) for plane in (difference.image, difference.noise))
            noise /= np.float32(9.0)
        sparse = control.replace(bin_size=max(_LEAST_BIN, control.bin_size // step))
        try:
            return variance_scale(image, noise, bad.view(np.int8), 1, sparse).used
        except NoiseError as err:
            notes.append(f"The noise of its difference from the others cannot be measured: {err}")
            return 1.0

    def _candidates(
        self, flags: np.ndarray, matched: _Difference | None
    ) -> tuple[Footprints, Footprints, np.ndarray]:
        """Return all footprints, those that are no sources that vary, and which of these are foreign."""
        found = Footprints.find((flags & LOW) != 0, self._template.bbox, (flags & HIGH) != 0)
        found = found.select(found.areas >= self._control.min_pixels)
        if matched is None:
            return found, found, np.ones(found.count, dtype=bool)
        control = self._control.variables
        planes = matched.image, matched.noise, matched.box
        part = unlike_template(found, *planes, self._template, control)
        kept = part > control.mismatch
        return found, found.select(kept), part[kept] > control.foreign

    def _count(self, found: Footprints, candidates: Footprints) -> None:
        """Count a visit at the pixels of its footprints."""
        for counts, footprints in ((self.counts, found), (self.foreign_counts, candidates)):
            at = footprints.pixels(self._template.bbox)
            with self._lock:  # sums of integers do not depend on the order
                counts[at.y, at.x] += 1

    def _bins(self, direct: _Difference | None, found: Footprints, streaks: Runs) -> Bins:
        template, size = self._template, self._control.ghosts.bin_size
        bins = Bins.empty(template.bbox, size)
        if direct is not None and self._control.ghosts.enabled:
            y, x = (getattr(direct.box, axis).start - getattr(template.bbox, axis).start for axis in "yx")
            left_out = _bright_pixels(direct, found) | streaks.to_array(direct.box)
            planes = direct.image, direct.noise, direct.of(template.direct_tolerance)
            add_to_bins(*planes, self._sky_limit, left_out, size, y, x, bins.sums)
        return bins

    def _others(
        self, direct: _Difference | None, matched: _Difference | None, fwhm: float
    ) -> dict[str, Runs]:
        control = self._control
        found: dict[str, Runs] = {}
        if direct is not None and control.mask_streaks:
            alone = direct.of(self._template.epochs) < 2
            streaks = find_streaks(direct.image, direct.noise, alone, fwhm, control.streaks)
            found["streak"] = Runs.from_array(streaks.mask, direct.box)
        if direct is not None and control.untested == "discard":
            found["untested"] = Runs.from_array(self._untested(direct, matched), direct.box)
        return found

    def _valid(self, direct: _Difference) -> np.ndarray:
        good: np.ndarray = ((direct.mask & self._bad) == 0) & direct.has_value
        return good

    def _alone(self, direct: _Difference) -> int:
        return int(np.count_nonzero(self._valid(direct) & (direct.of(self._template.epochs) < 2)))

    def _untested(self, direct: _Difference, matched: _Difference | None) -> np.ndarray:
        """Return the good pixels that have no matched value."""
        left = self._valid(direct)
        common = None if matched is None else overlap(direct.box, matched.box)
        if matched is not None and common is not None:
            here, there = common.slice_within(direct.box), common.slice_within(matched.box)
            left[here.y, here.x] &= ~matched.has_value[there.y, there.x]
        return left

    def _edges(self, matched: _Difference | None) -> Runs | None:
        if matched is None or self._control.untested == "keep":
            return None
        return Runs.from_array((matched.mask & self._edge) != 0, matched.box)


def _bright_pixels(direct: _Difference, found: Footprints) -> np.ndarray:
    """Return the pixels of footprints that are too bright to be a part of something wide and faint."""
    at = found.pixels(direct.box)
    size = np.abs(at.of(direct.image)) / np.sqrt(at.of(direct.noise))
    known = np.isfinite(size)
    mean = at.sum(np.where(known, size, 0.0)) / np.maximum(at.sum(known), 1.0)
    bright = mean[at.label] > _FAINT
    flags = np.zeros(direct.image.shape, dtype=bool)
    flags[at.y[bright], at.x[bright]] = True
    return flags


def _mean_of_nine(plane: np.ndarray, step: int) -> np.ndarray:
    """Return the means of three by three pixels around those of a lattice."""
    first = step // 2
    shifted = [
        plane[first + y : plane.shape[0] - 2 + y : step, first + x : plane.shape[1] - 2 + x : step]
        for y in range(3)
        for x in range(3)
    ]
    mean: np.ndarray = sum(shifted[1:], start=shifted[0]) / np.float32(9.0)
    return mean

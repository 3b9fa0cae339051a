"""Comparison of one visit with the template: footprints of what differs, streaks, and levels of the sky."""

from __future__ import annotations

import dataclasses
import math
import threading
from typing import TYPE_CHECKING

import numpy as np
from lsst.images import Box, MaskSchema

from ...data.inputs import WarpInput
from ...data.removals import told_apart
from ...data.visit_check import ASTROMETRY, ZERO_POINT
from ...errors import NoiseError
from ...image.footprints import Footprints
from ...image.noise import variance_scale
from ...image.planes import overlap
from ...image.runs import grow_runs, merge_runs, no_runs, pixels_of
from ...image.spans import Runs
from ...image.streaks import find_streaks, is_spike
from ...kernels.compare import BLIND, HIGH, LOW, add_to_bins, flag_direct, flag_matched, move_template
from ...planes import bits_of
from ..stack.tiles import InputReader
from .box_rims import find_box_rims
from .compare_control import CompareWarpControl
from .difference import Difference
from .fluxcheck import BrightPixels
from .ghosts import Bins
from .positions import Offset, SourcePositions, move_sources
from .template import Template, slope_of
from .variables import unlike_template

if TYPE_CHECKING:
    from ..assemble_control import AssembleConfig

__all__ = ("Compared", "Comparison")

_NEVER = (math.inf, math.inf)
_FAINT_SOURCE = 0.25  # of the noise: greatest tolerance of a pixel that counts as sky
_FAINT = 4.0  # sigma that the pixels of a ghost do not reach in the mean
_PASSES = 3
_REACH_OF_SOURCE = 3.0  # widths of the PSF
_LEAST_OFFSET = 0.02  # pixels: of less no pixel of a source differs by more than 2 %
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
    offset
        By how much its sources are displaced.
    """

    candidates: Footprints
    foreign: np.ndarray
    bins: Bins
    others: dict[str, Runs]
    valid: Runs
    alone: int
    edges: Runs | None
    notes: tuple[str, ...]
    offset: Offset


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
    usable
        Number of visits that have an unmasked value at each pixel: int32 of shape (y, x).
    """

    def __init__(
        self,
        template: Template,
        schema: MaskSchema,
        config: AssembleConfig,
        control: CompareWarpControl,
        noise: float,
    ) -> None:
        self.counts, self.foreign_counts, self.usable = (
            np.zeros(template.bbox.shape, np.int32) for _ in range(3)
        )
        self._template = template
        self._schema = schema
        self._control = control
        # The same for all visits, so that what faint sources leave is common to them.
        self._sky_limit = _FAINT_SOURCE * noise
        self._bad = bits_of(schema, config.bad_mask_planes)
        self._no_data = bits_of(schema, control.template.bad_mask_planes)
        self._rim = bits_of(schema, control.template.rim_mask_planes)
        self._whole = np.zeros(template.bbox.shape, np.int32)
        self._box_rims: dict[object, list[tuple[Box, np.ndarray]]] = {}
        self._saturated = bits_of(schema, ("SATURATED",))
        self._edge = bits_of(schema, ("DETECTION_EDGE",))
        self._bright = BrightPixels(template, control.fluxes)
        self._positions = SourcePositions(template, control.positions)
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
        direct = Difference.of(one, self._schema, self._template, self._bad)
        matched, offset = self._matched(one, fwhm, notes)
        epochs = self._compared_epochs(one, matched)
        if direct is not None:
            limits = control.thresholds if control.compare_direct or matched is None else _NEVER
            self._flag_direct(direct, limits, epochs, flags, notes)
        if not control.compare_direct:
            flags |= np.uint8(BLIND)
        if matched is not None:
            self._flag_matched(matched, offset, epochs, flags, notes)
            notes += self._flux_notes(matched)
        elif one.matched is None:
            notes.append("It has no matched warp, and was compared as it is, away from sources.")
        if reason := self._template.left_out.get(one.key):
            notes.append(f"Its matched warp is not part of the static sky: {reason}.")
        trails, spikes = self._streaks(direct, self._compared_epochs(one, matched, rims=True), fwhm)
        if direct is not None:
            direct.of_template(flags)[spikes] = 0
        found, candidates, foreign = self._candidates(flags, matched)
        self._count(found, candidates)
        return Compared(
            candidates=candidates,
            foreign=foreign,
            bins=self._bins(direct, found, trails | spikes),
            others=self._others(direct, matched, trails),
            valid=no_runs() if direct is None else Runs.from_array(self._valid(direct), direct.box),
            alone=0 if direct is None else self._alone(direct, epochs),
            edges=self._edges(matched),
            notes=tuple(dict.fromkeys(notes)),
            offset=offset,
        )

    def _matched(self, one: WarpInput, fwhm: float, notes: list[str]) -> tuple[Difference | None, Offset]:
        """Return the matched warp less the template, moved to where the sources of the visit are."""
        if one.matched is None:
            return None, Offset()
        one = dataclasses.replace(one, source=one.matched, scale=one.matched_scale, alternate=None)

        def subtract(sky: np.ndarray | None) -> Difference | None:
            limit = self._control.template.sigma_clip
            return Difference.of(one, self._schema, self._template, self._no_data, limit, sky)

        matched = subtract(None)
        if matched is None or not self._control.positions.enabled:
            return matched, Offset()
        template, source = self._template, self._template.direct_tolerance > 0.0
        sky = template.image
        sources = self._positions.measure(matched, self._exact(matched), sky)
        offset = total = sources.offset
        # The slopes of a source do for parts of a pixel; what is left of more is measured again.
        for _ in range(_PASSES):
            if not offset.is_significant or math.hypot(offset.x, offset.y) < _LEAST_OFFSET:
                break
            sky = np.empty_like(template.image)
            move_template(template.image, source, total.x, total.y, sky)
            matched = subtract(sky)
            assert matched is not None  # it was there before
            sources = self._positions.measure(matched, self._exact(matched), sky)
            offset = sources.offset
            total = offset.moved(total.x, total.y)
        displaced = sources.select(
            self._control.positions.max_motion * fwhm, self._control.variables.mismatch
        )
        if len(displaced.y):
            matched = subtract(move_sources(sky, source, displaced, math.ceil(_REACH_OF_SOURCE * fwhm)))
            assert matched is not None
        notes += self._position_notes(total, fwhm)
        return matched, total

    def _exact(self, matched: Difference) -> np.ndarray:
        """Return which pixels of a matched warp are not spoiled by lost ones."""
        exact: np.ndarray = (matched.mask & (self._bad | self._edge | self._saturated)) == 0
        return exact

    def _position_notes(self, offset: Offset, fwhm: float) -> list[str]:
        size, limit = math.hypot(offset.x, offset.y), self._control.positions.max_offset * fwhm
        if not (size > limit and offset.is_significant):  # also NaN
            return []
        pixels, most = told_apart(size, limit)
        return [
            f"Its sources are {pixels} pixels (x {offset.x:+.2f}, y {offset.y:+.2f}) from those of the "
            f"static sky, more than {most}: {ASTROMETRY}"
        ]

    def count(self, one: WarpInput) -> None:
        """Count a visit where it has an unmasked value, and where its matched warp has one that is no rim.

        To be done for all visits before any is compared.
        """
        self._add(one, self.usable, self._bad)
        if one.matched is not None and one.key not in self._template.left_out:
            matched = dataclasses.replace(one, source=one.matched, scale=one.matched_scale, alternate=None)
            self._add(matched, self._whole, self._no_data | self._rim)
            self._add_box_rims(one, matched)

    def _add(self, one: WarpInput, counts: np.ndarray, bad: int) -> None:
        box = overlap(one.source.bbox, self._template.bbox)
        if box is None:
            return
        planes = InputReader(one, self._schema).read(box)
        known = np.isfinite(planes.image) & ((planes.mask & bad) == 0)
        at = box.slice_within(self._template.bbox)
        with self._lock:  # sums of integers do not depend on the order
            counts[at.y, at.x] += known

    def _add_box_rims(self, one: WarpInput, matched: WarpInput) -> None:
        rims = find_box_rims(
            one,
            matched,
            self._template.bbox,
            self._schema,
            bad=self._bad,
            no_data=self._no_data,
            rim=self._rim,
            reach=math.ceil(self._control.saturated_reach),
        )
        with self._lock:
            self._box_rims[one.key] = rims
            for box, flags in rims:
                at = box.slice_within(self._template.bbox)
                self._whole[at.y, at.x] += flags

    def _compared_epochs(
        self, one: WarpInput, matched: Difference | None, *, rims: bool = False
    ) -> np.ndarray:
        """Return how many epochs are compared at each pixel, this one among them: int32 of shape (y, x).

        It is one where all other epochs are rims, unless ``rims`` are to be believed; those along the ends
        of the coadd are, where the data of their visit go on.
        """
        epochs, others = self._template.epochs + np.int32(1), self._whole.copy()
        if matched is not None:
            known = ((matched.mask & self._no_data) == 0) & matched.has_value
            for counts, mine in ((epochs, known), (others, known & ((matched.mask & self._rim) == 0))):
                part = matched.of_template(counts)
                part -= mine
            for box, flags in self._box_rims.get(one.key, ()):
                at = box.slice_within(self._template.bbox)
                others[at.y, at.x] -= flags
        if not rims:
            epochs[others < 1] = 1
        return epochs

    def _flag_direct(
        self,
        direct: Difference,
        limits: tuple[float, float],
        epochs: np.ndarray,
        flags: np.ndarray,
        notes: list[str],
    ) -> None:
        template = self._template
        factors = self._factor(direct, notes), self._factor(direct, notes, smooth=True)
        planes = template.direct_tolerance, template.image, epochs
        parts = [direct.of_template(plane) for plane in planes]
        flag_direct(direct.image, direct.noise, factors, *parts, *limits, direct.of_template(flags))

    def _flag_matched(
        self, matched: Difference, offset: Offset, epochs: np.ndarray, flags: np.ndarray, notes: list[str]
    ) -> None:
        template = self._template
        planes = template.direct_tolerance, template.image, epochs
        flag_matched(
            matched.image,
            matched.noise,
            self._factor(matched, notes),
            self._tolerance(matched, offset),
            self._doubtful(matched),
            *(matched.of_template(plane) for plane in planes),
            *self._control.thresholds,
            matched.of_template(flags),
        )

    def _tolerance(self, matched: Difference, offset: Offset) -> np.ndarray:
        """Return what differences are no sign of an artifact; more of them where positions scatter."""
        tolerance = matched.of_template(self._template.tolerance)
        more = offset.scatter**2 - self._control.template.registration**2
        if more <= 0.0:
            return tolerance
        slope = matched.of_template(slope_of(np.nan_to_num(self._template.image, nan=0.0)))
        wider: np.ndarray = np.hypot(tolerance, np.float32(math.sqrt(more)) * slope)
        return wider

    def _flux_notes(self, matched: Difference) -> list[str]:
        found = self._bright.deviation(matched.image, self._exact(matched), matched.box)
        limit = self._control.fluxes.max_deviation
        if not abs(found) > limit:  # also NaN
            return []
        size, most = told_apart(100 * abs(found), 100 * limit)
        sense = "brighter" if found > 0 else "fainter"
        return [
            f"Its bright sources are {size} % {sense} than those of the static sky, more than {most} %: "
            f"{ZERO_POINT}"
        ]

    def _doubtful(self, matched: Difference) -> np.ndarray:
        """Return which pixels feel masked ones, and which only two visits have.

        Saturated pixels are felt far away.  Of two visits none is a witness for the other, so that
        what both show must stay although they differ.
        """
        # Beside lost pixels a match is less exact, whether or not the coadd takes such pixels.
        doubtful: np.ndarray = (matched.mask & (self._bad | self._edge)) != 0
        doubtful |= matched.of_template(self.usable) < 3
        found = Runs.from_array((matched.mask & self._saturated) != 0, matched.box)
        reach, box = self._control.saturated_reach, matched.box
        y, x0, x1, _ = grow_runs(found.y, found.x0, found.x1, reach, box)
        near = merge_runs(y, x0, x1)
        y, x, _ = pixels_of(near.y, near.x0, near.x1, box)
        doubtful[y, x] = True
        return doubtful

    def _factor(self, difference: Difference, notes: list[str], *, smooth: bool = False) -> float:
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
        source = 4.0 * difference.of_template(template.direct_tolerance)[at] ** 2 > noise
        alone = difference.of_template(template.epochs)[at] < 2
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
        self, flags: np.ndarray, matched: Difference | None
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

    def _streaks(
        self, direct: Difference | None, epochs: np.ndarray, fwhm: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return which pixels of a direct warp are trails, and which are diffraction spikes."""
        if direct is None or not self._control.mask_streaks:
            nothing = np.zeros((0, 0) if direct is None else direct.image.shape, dtype=bool)
            return nothing, nothing
        # Rims will do here: a line stands out of many pixels, and the last visit of a pixel stays anyway.
        alone = direct.of_template(epochs) < 2
        streaks = find_streaks(direct.image, direct.noise, alone, fwhm, self._control.streaks)
        sky = direct.of_template(self._template.image)
        spikes = {
            streak for streak in streaks.lines if is_spike(streak, direct.image, direct.noise, sky, fwhm)
        }
        if not spikes:
            return streaks.mask, np.zeros_like(streaks.mask)
        return streaks.select(lambda one: one not in spikes).mask, streaks.select(spikes.__contains__).mask

    def _bins(self, direct: Difference | None, found: Footprints, streaks: np.ndarray) -> Bins:
        template, size = self._template, self._control.ghosts.bin_size
        bins = Bins.empty(template.bbox, size)
        if direct is not None and self._control.ghosts.enabled:
            y, x = (getattr(direct.box, axis).start - getattr(template.bbox, axis).start for axis in "yx")
            left_out = _bright_pixels(direct, found) | streaks
            planes = direct.image, direct.noise, direct.of_template(template.direct_tolerance)
            add_to_bins(*planes, self._sky_limit, left_out, size, y, x, bins.sums)
        return bins

    def _others(
        self, direct: Difference | None, matched: Difference | None, trails: np.ndarray
    ) -> dict[str, Runs]:
        control = self._control
        found: dict[str, Runs] = {}
        if direct is not None and control.mask_streaks:
            found["streak"] = Runs.from_array(trails, direct.box)
        if direct is not None and control.untested == "discard":
            found["untested"] = Runs.from_array(self._untested(direct, matched), direct.box)
        return found

    def _valid(self, direct: Difference) -> np.ndarray:
        good: np.ndarray = ((direct.mask & self._bad) == 0) & direct.has_value
        return good

    def _alone(self, direct: Difference, epochs: np.ndarray) -> int:
        return int(np.count_nonzero(self._valid(direct) & (direct.of_template(epochs) < 2)))

    def _untested(self, direct: Difference, matched: Difference | None) -> np.ndarray:
        """Return the good pixels that have no matched value."""
        left = self._valid(direct)
        common = None if matched is None else overlap(direct.box, matched.box)
        if matched is not None and common is not None:
            here, there = common.slice_within(direct.box), common.slice_within(matched.box)
            left[here.y, here.x] &= ~matched.has_value[there.y, there.x]
        return left

    def _edges(self, matched: Difference | None) -> Runs | None:
        if matched is None or self._control.untested == "keep":
            return None
        return Runs.from_array((matched.mask & self._edge) != 0, matched.box)


def _bright_pixels(direct: Difference, found: Footprints) -> np.ndarray:
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

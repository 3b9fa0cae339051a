"""Comparison of one visit with the template: footprints of what differs, streaks, and levels of the sky."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from ...data.inputs import WarpInput
from ...data.removals import VisitArtifacts
from ...errors import NoiseError
from ...image.footprints import Footprints
from ...image.noise import variance_scale
from ...image.planes import overlap
from ...image.spans import Runs, grow_runs, merge_runs, no_runs, pixels_of
from ...image.streaks import find_streaks, is_spike
from ...kernels.compare import BLIND, HIGH, LOW, add_to_bins, flag_direct, flag_matched
from .fluxes import flux_notes, unlike_template
from .ghosts import Bins
from .positions import Offset, SourcePositions
from .scene import Scene
from .template import Difference, Template, slope_of
from .witnesses import Witnesses

__all__ = ("Compared", "Comparison")

_NEVER = (math.inf, math.inf)
_FAINT_SOURCE = 0.25  # of the noise: greatest tolerance of a pixel that counts as sky
_FAINT = 4.0  # sigma that the pixels of a ghost do not reach in the mean
_LEAST_BIN = 8  # samples along the side of a bin of the sky: of fewer than 64 no scatter is measured


@dataclasses.dataclass(frozen=True)
class Compared:
    """Differences of one visit from the template.

    Attributes
    ----------
    candidates
        Footprints that are artifacts if few visits have them; sources that vary are not among them.
    foreign
        Which of these have nothing of the shape of the template: bool of shape (footprint,).
    bins
        Levels of the sky.
    artifacts
        All else of the visit, with the kinds of artifacts that do not depend on other visits.
    """

    candidates: Footprints
    foreign: np.ndarray
    bins: Bins
    artifacts: VisitArtifacts


class Comparison:
    """Compares visits with the template; several threads may do so at a time.

    Parameters
    ----------
    scene
        The visits.
    template
        The static sky.
    witnesses
        Counts of all visits; those that differ are added to them.
    noise
        Noise of a pixel of a typical visit (one sigma).
    """

    def __init__(self, scene: Scene, template: Template, witnesses: Witnesses, noise: float) -> None:
        self._scene, self._template, self._witnesses = scene, template, witnesses
        self._control = scene.control.compare_warp
        # The same for all visits, so that what faint sources leave is common to them.
        self._sky_limit = _FAINT_SOURCE * noise
        self._saturated = scene.layout.saturated
        self._bright = template.bright(self._control.fluxes.significance)
        self._positions = SourcePositions(scene, template)

    def compare(self, warp: WarpInput, fwhm: float) -> Compared:
        """Find what differs in one visit.

        Parameters
        ----------
        warp
            The visit.
        fwhm
            Full width at half maximum of its PSF before matching, in pixels.
        """
        template, control, witnesses = self._template, self._control, self._witnesses
        flags = np.zeros(template.bbox.shape, dtype=np.uint8)
        direct = Difference.of(warp, self._scene, template, witnesses.bad)
        matched, offset = self._positions.align(warp, fwhm)
        notes = offset.notes(control.positions.max_offset * fwhm)
        epochs = witnesses.compared(warp, matched)
        if direct is not None:
            # A visit without a match is compared as it is, whatever the options say.
            limits = control.thresholds if control.compare_direct or matched is None else _NEVER
            factors = self._factor(direct, notes), self._factor(direct, notes, smooth=True)
            planes = self._tested(direct, epochs)
            flag_direct(direct.image, direct.noise, factors, *planes, *limits, direct.of_template(flags))
        if not control.compare_direct:
            flags |= np.uint8(BLIND)
        if matched is not None:
            factor, tolerance = self._factor(matched, notes), self._tolerance(matched, offset)
            planes = self._doubtful(matched), *self._tested(matched, epochs)
            at = *control.thresholds, matched.of_template(flags)
            flag_matched(matched.image, matched.noise, factor, tolerance, *planes, *at)
            notes += flux_notes(matched, self._bright, self._positions.exact(matched), control.fluxes)
        elif warp.matched is None:
            notes.append("It has no matched warp, and was compared as it is, away from sources.")
        if reason := template.left_out.get(warp.key):
            notes.append(f"Its matched warp is not part of the static sky: {reason}.")
        trails, spikes = self._streaks(direct, witnesses.compared(warp, matched, rims=True), fwhm)
        if direct is not None:
            direct.of_template(flags)[spikes] = 0
        differing, candidates, foreign = self._candidates(flags, matched)
        bins = self._bins(direct, differing, trails | spikes)
        artifacts = self._artifacts(direct, matched, trails, epochs)
        witnesses.add_footprints(differing, candidates, artifacts.kinds.get("streak", no_runs()))
        artifacts = dataclasses.replace(
            artifacts, notes=tuple(dict.fromkeys(notes)), offset=(offset.x, offset.y)
        )
        return Compared(candidates, foreign, bins, artifacts)

    def _tested(self, difference: Difference, epochs: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return what both tests need at the pixels of a difference: tolerance, template, epochs."""
        planes = self._template.direct_tolerance, self._template.image, epochs
        return tuple(difference.of_template(plane) for plane in planes)

    def _tolerance(self, matched: Difference, offset: Offset) -> np.ndarray:
        """Return what differences are no sign of an artifact; more of them where positions scatter."""
        tolerance = matched.of_template(self._template.tolerance)
        more = offset.scatter**2 - self._control.template.registration**2
        if more <= 0.0:
            return tolerance
        slope = matched.of_template(slope_of(np.nan_to_num(self._template.image, nan=0.0)))
        wider: np.ndarray = np.hypot(tolerance, np.float32(math.sqrt(more)) * slope)
        return wider

    def _doubtful(self, matched: Difference) -> np.ndarray:
        """Return which pixels feel masked ones, and which only two visits have.

        Saturated pixels are felt far away.  Of two visits none is a witness for the other, so that
        what both show must stay although they differ.
        """
        # Beside lost pixels a match is less exact, whether or not the coadd takes such pixels.
        lost = self._witnesses.bad | self._scene.layout.edge
        doubtful: np.ndarray = (matched.mask & lost) != 0
        doubtful |= matched.of_template(self._witnesses.usable) < 3
        saturated = Runs.from_array((matched.mask & self._saturated) != 0, matched.box)
        reach, box = self._control.saturated_reach, matched.box
        y, x0, x1, _ = grow_runs(saturated.y, saturated.x0, saturated.x1, reach, box)
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
        # One pixel in from the ends, so that there are eight around each for the smooth noise.
        at = (slice(1 + step // 2, -1, step),) * 2
        image, noise = difference.image[at], difference.noise[at]
        # Sources have errors of their own, and what nothing is compared with differs by nothing.
        source = 4.0 * difference.of_template(template.direct_tolerance)[at] ** 2 > noise
        alone = difference.of_template(template.epochs)[at] < 2
        bad = source | alone | ((difference.mask[at] & self._witnesses.bad) != 0)
        if smooth:
            # The means of three by three pixels around those of the lattice.
            first, (rows, columns) = step // 2, difference.image.shape
            shifts = [
                np.s_[first + y : rows - 2 + y : step, first + x : columns - 2 + x : step]
                for y, x in np.ndindex(3, 3)
            ]
            image, noise = (
                functools.reduce(np.add, (plane[shifted] for shifted in shifts)) / np.float32(9.0)
                for plane in (difference.image, difference.noise)
            )
            noise /= np.float32(9.0)
        # Bins of as many pixels as the options say, of which the lattice holds one in step squared.
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
        differing = Footprints.find((flags & LOW) != 0, self._template.bbox, (flags & HIGH) != 0)
        differing = differing.select(differing.areas >= self._control.min_pixels)
        if matched is None:
            return differing, differing, np.ones(differing.count, dtype=bool)
        control = self._control.variables
        unlike = unlike_template(differing, matched, control)
        kept = unlike > control.mismatch
        return differing, differing.select(kept), unlike[kept] > control.foreign

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
        # Spikes turn with the field on an alt-azimuth mount, and differ between visits like trails.
        if not spikes:
            return streaks.mask, np.zeros_like(streaks.mask)
        trails = streaks.select(lambda streak: streak not in spikes)
        return trails.mask, streaks.select(spikes.__contains__).mask

    def _bins(self, direct: Difference | None, differing: Footprints, streaks: np.ndarray) -> Bins:
        template, size = self._template, self._control.ghosts.bin_size
        bins = Bins.empty(template.bbox, size)
        if direct is not None and self._control.ghosts.enabled:
            y, x = (getattr(direct.box, axis).start - getattr(template.bbox, axis).start for axis in "yx")
            # Pixels of footprints that are too bright to belong to something wide and faint.
            at = differing.pixels(direct.box)
            excess = np.abs(at.of(direct.image)) / np.sqrt(at.of(direct.noise))
            finite = np.isfinite(excess)
            mean = at.sum(np.where(finite, excess, 0.0)) / np.maximum(at.sum(finite), 1.0)
            bright = mean[at.label] > _FAINT
            flags = np.zeros(direct.image.shape, dtype=bool)
            flags[at.y[bright], at.x[bright]] = True
            planes = direct.image, direct.noise, direct.of_template(template.direct_tolerance)
            add_to_bins(*planes, self._sky_limit, flags | streaks, size, y, x, bins.sums)
        return bins

    def _artifacts(
        self, direct: Difference | None, matched: Difference | None, trails: np.ndarray, epochs: np.ndarray
    ) -> VisitArtifacts:
        """Return the artifacts of a visit that do not depend on others, with its valid pixels."""
        control, edges = self._control, None
        if matched is not None and control.untested == "discard":
            edges = Runs.from_array((matched.mask & self._scene.layout.edge) != 0, matched.box)
        if direct is None:
            return VisitArtifacts({}, no_runs(), edges=edges)
        valid = ((direct.mask & self._witnesses.bad) == 0) & direct.has_value
        alone = int(np.count_nonzero(valid & (direct.of_template(epochs) < 2)))
        kinds = {"streak": Runs.from_array(trails, direct.box)} if control.mask_streaks else {}
        if control.untested == "discard":
            untested = valid.copy()
            common = None if matched is None else overlap(direct.box, matched.box)
            if matched is not None and common is not None:
                here, there = common.slice_within(direct.box), common.slice_within(matched.box)
                untested[here] &= ~matched.has_value[there]
            kinds["untested"] = Runs.from_array(untested, direct.box)
        return VisitArtifacts(kinds, Runs.from_array(valid, direct.box), alone, edges)

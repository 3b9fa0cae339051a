"""Witnesses: how many visits have a pixel, and could show what one of them shows there."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import numpy as np
from lsst.images import Box
from scipy.ndimage import minimum_filter

from ...data.inputs import WarpInput
from ...image.footprints import Footprints
from ...image.planes import overlap
from ...image.spans import Runs
from ..warp.pairs import as_matched
from .scene import Scene
from .template import Difference, Template

__all__ = ("Witnesses",)

_FAINT = 2.0  # of the noise of one epoch: what the template may hold where a trail speaks for nothing


class Witnesses:
    """Counts of visits by pixel; several threads may add to them at a time.

    Parameters
    ----------
    scene
        The visits.
    template
        The static sky.

    Attributes
    ----------
    usable
        Number of visits that have an unmasked value at each pixel: int32 of shape (y, x).
    differing
        Number of visits that differ at each pixel: int32 of shape (y, x).
    foreign
        The same, without sources that vary.
    bad, no_data, rim
        Bits of pixels that are lost in direct and in matched warps, and of rims.
    """

    def __init__(self, scene: Scene, template: Template) -> None:
        self._scene, self._template = scene, template
        shape, control = template.bbox.shape, scene.control.compare_warp
        self.usable, self.differing, self.foreign, self._whole = (np.zeros(shape, np.int32) for _ in range(4))
        self.bad = scene.rules.bad_mask
        self.no_data = scene.layout.bits(control.template.bad_mask_planes)
        self.rim = scene.layout.bits(control.template.rim_mask_planes)
        self._reach = math.ceil(control.saturated_reach)
        self._box_rims: dict[object, list[tuple[Box, np.ndarray]]] = {}
        self._lock = threading.Lock()

    def add(self, warp: WarpInput) -> None:
        """Count a visit where it has an unmasked value, and where its matched warp has one that is no rim.

        To be done for all visits before any is compared.
        """
        bbox = self._template.bbox
        self._add_flags(self.usable, self._good(warp, self.bad, bbox))
        if warp.matched is not None and warp.key not in self._template.left_out:
            matched = as_matched(warp)
            self._box_rims[warp.key] = list(self._find_box_rims(warp, matched))
            self._add_flags(self._whole, self._good(matched, self.no_data | self.rim, bbox))
            self._add_flags(self._whole, self._box_rims[warp.key])

    def add_footprints(self, differing: Footprints, foreign: Footprints, trails: Runs) -> None:
        """Count a visit at the pixels of its footprints.

        Where it shows a trail on blank sky it is no witness: it differs there whether or not something is
        below.  Ghosts are too wide for that: there are faint galaxies below them.
        """
        template = self._template
        lost = trails.to_array(template.bbox)
        for counts, footprints in ((self.differing, differing), (self.foreign, foreign)):
            at = footprints.pixels(template.bbox)
            blank = template.is_sky(at.y, at.x, foreign=counts is self.foreign)
            # Noise of one epoch: what is brighter may be a galaxy, which needs its witnesses.
            noise = template.variance[at.y, at.x] * template.epochs[at.y, at.x]
            blank &= template.image[at.y, at.x] < _FAINT * np.sqrt(noise)
            y, x = (axis[~(blank & lost[at.y, at.x])] for axis in (at.y, at.x))
            with self._lock:  # sums of integers do not depend on the order
                counts[y, x] += 1

    def compared(self, warp: WarpInput, matched: Difference | None, *, rims: bool = False) -> np.ndarray:
        """Return how many epochs are compared at each pixel, this one among them: int32 of shape (y, x).

        It is one where all other epochs are rims, unless ``rims`` are to be believed; those along the ends
        of the coadd are, where the data of their visit go on.
        """
        # This visit is a witness of its own only once, whether or not it is in the template there.
        epochs, others = self._template.epochs + np.int32(1), self._whole.copy()
        if matched is not None:
            good = ((matched.mask & self.no_data) == 0) & matched.has_value
            for counts, mine in ((epochs, good), (others, good & ((matched.mask & self.rim) == 0))):
                view = matched.of_template(counts)
                view -= mine
            for box, flags in self._box_rims.get(warp.key, ()):
                at = box.slice_within(self._template.bbox)
                others[at] -= flags
        if not rims:
            epochs[others < 1] = 1
        return epochs

    def _add_flags(self, counts: np.ndarray, boxes: list[tuple[Box, np.ndarray]]) -> None:
        for box, flags in boxes:
            at = box.slice_within(self._template.bbox)
            with self._lock:
                counts[at] += flags

    def _good(self, warp: WarpInput, bad: int, box: Box) -> list[tuple[Box, np.ndarray]]:
        """Return the overlap of a warp with a box, if any, and which pixels it has there: bool (y, x)."""
        if (planes := self._scene.read(warp, box)) is None:
            return []
        return [(planes.box, np.isfinite(planes.image) & ((planes.mask & bad) == 0))]

    def _find_box_rims(self, direct: WarpInput, matched: WarpInput) -> Iterator[tuple[Box, np.ndarray]]:
        """Find the pixels along the ends of a coadd that are rims though the visit has lost no pixel near by.

        There the matched warps of all visits are made up for alike, which is no reason to believe none of
        them.  Yields boxes that do not overlap, and which of their pixels these are: bool of shape (y, x).
        """
        bbox, reach = self._template.bbox, self._reach
        # Boxes along the four ends, which do not overlap.
        y0, y1, x0, x1 = bbox.y.start, bbox.y.stop, bbox.x.start, bbox.x.stop
        low, left = min(y0 + reach, y1), min(x0 + reach, x1)
        high, right = max(low, y1 - reach), max(left, x1 - reach)
        edges = ((y0, low, x0, x1), (high, y1, x0, x1), (low, high, x0, left), (low, high, right, x1))
        for first, last, start, stop in edges:
            if first >= last or start >= stop:
                continue
            strip = Box.factory[first:last, start:stop]
            around = overlap(strip.padded(reach), bbox)
            planes = self._scene.read(matched, strip)
            if around is None or planes is None:
                continue
            # Beyond the end of the coadd is nothing that a visit could have lost.
            good = np.zeros(around.shape, dtype=bool)
            for box, flags in self._good(direct, self.bad, around):
                at = box.slice_within(around)
                good[at] = flags
            whole = minimum_filter(good, size=2 * reach + 1, mode="nearest")
            at = planes.box.slice_within(around)
            flags = whole[at] & np.isfinite(planes.image)
            flags &= ((planes.mask & self.no_data) == 0) & ((planes.mask & self.rim) != 0)
            yield planes.box, flags

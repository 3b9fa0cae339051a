"""CompareWarp: artifacts are what single epochs show and the static sky does not.

Each visit is compared with a template of all visits, twice: its PSF-matched
warp, in which stars vanish and what is left is wider than a pixel; and the warp
itself, in which cosmic rays are sharp, away from sources.  What differs is kept
as footprints.  A footprint is an artifact when it is seen in few visits, and
is not a source that varies.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from lsst.images import Box

from ...data.removals import VisitArtifacts
from ...data.weights import WeightProblem
from ...image.spans import Runs, shared_runs
from .compare import Compared, Comparison
from .compare_control import CompareWarpControl
from .ghosts import find_ghosts
from .scene import Scene, count_visits
from .template import Template, make_template, pixel_weight
from .witnesses import Witnesses

__all__ = ("CompareWarpControl", "compare_warps", "compare_with", "max_epochs")


def max_epochs(epochs: np.ndarray | float, control: CompareWarpControl, *, sky: bool = False) -> np.ndarray:
    """Return in how many of some epochs an artifact may be seen at one place.

    It is not rounded.  It is at least one, so that also two epochs can be compared.

    Parameters
    ----------
    epochs
        Number of epochs.
    control
        Options.
    sky
        Whether the template holds no source there.
    """
    number = np.asarray(epochs, dtype=np.float64)
    if sky:
        return np.maximum(control.max_fraction_epochs_sky * number, 1.0)
    # A fraction of few epochs; of many hardly more than an artifact may hit by chance.
    few = control.max_fraction_epochs_low * number
    many = control.max_epochs + control.max_fraction_epochs_high * number
    return np.maximum(np.minimum(few, many), 1.0)


def compare_warps(scene: Scene) -> list[VisitArtifacts]:
    """Find the artifacts of all inputs of a scene, whose matched warps make the static sky.

    Raises
    ------
    NoMatchedWarpsError
        Raised when no input has a matched warp.
    """
    return compare_with(make_template(scene), scene)


def compare_with(template: Template, scene: Scene) -> list[VisitArtifacts]:
    """Find the artifacts of all inputs of a scene, given the static sky."""
    control, bbox, inputs = scene.control.compare_warp, template.bbox, scene.inputs
    # That of a typical visit, so that one bad visit does not change what counts as sky for all.
    noises = []
    for warp in inputs:
        # One over the variance of a pixel of the visit.
        weight: float | WeightProblem | None = warp.weight
        if scene.weights.rule != "variance" or weight is None:
            weight = pixel_weight(warp.source, warp.scale, scene.bad_mask_planes)
        noises.append(0.0 if isinstance(weight, WeightProblem) else weight**-0.5)
    noise = float(np.median(noises))
    witnesses = Witnesses(scene, template)
    comparison = Comparison(scene, template, witnesses, noise)
    with ThreadPoolExecutor(scene.resources.threads) as pool:
        steps, count = scene.resources.counted, len(inputs)
        list(steps("comparing", pool.map(witnesses.add, inputs), 2 * count))
        visits = pool.map(comparison.compare, inputs, scene.fwhm)
        compared = list(steps("comparing", visits, 2 * count, before=count))
        few = _few_epochs(witnesses.differing, template, control)
        few_foreign = _few_epochs(witnesses.foreign, template, control, foreign=True)

        def transients_of(visit: Compared) -> Runs:
            # The pixels of the footprints that are seen in few epochs.
            candidates, at = visit.candidates, visit.candidates.pixels(bbox)
            in_few = np.where(visit.foreign, at.sum(at.of(few_foreign)), at.sum(at.of(few)))
            seldom = candidates.select(in_few / candidates.areas > control.spatial_threshold)
            return seldom.grow(control.grow, bbox).runs()

        transients = list(pool.map(transients_of, compared))
    most = float(max_epochs(len(inputs), control, sky=True))
    ghosts = find_ghosts([visit.bins for visit in compared], bbox, control.ghosts, most)
    artifacts = [
        dataclasses.replace(
            visit.artifacts, kinds={"transient": transient, "ghost": ghost, **visit.artifacts.kinds}
        )
        for visit, transient, ghost in zip(compared, transients, ghosts, strict=True)
    ]
    return _keep_last(artifacts, scene, bbox, witnesses.usable)


def _few_epochs(
    counts: np.ndarray, template: Template, control: CompareWarpControl, *, foreign: bool = False
) -> np.ndarray:
    """Return where few enough epochs differ: bool of shape (y, x).

    A source that varies does so in many epochs, and so does the error of the match of a bright one.
    """
    # Few pixels differ at all; of those of trails no visit may be counted.
    y, x = np.nonzero(counts)
    few = np.ones(counts.shape, dtype=bool)
    epochs = template.epochs[y, x]
    sky = template.is_sky(y, x, foreign=foreign)
    limit = np.where(sky, max_epochs(epochs, control, sky=True), max_epochs(epochs, control))
    few[y, x] = counts[y, x] <= limit
    return few


def _keep_last(
    artifacts: Sequence[VisitArtifacts], scene: Scene, bbox: Box, usable: np.ndarray
) -> list[VisitArtifacts]:
    """Give pixels that all their visits would lose back to one of them.

    It is the faintest, as light is more often added than taken away; where only one
    visit is usable, it is that one: nothing says that it shows an artifact.

    Parameters
    ----------
    artifacts
        Artifacts of each input.
    scene
        The inputs.
    bbox
        Box of the coadd.
    usable
        Number of inputs with an unmasked value at each pixel: int32 of shape (y, x).
    """
    removed = [shared_runs(visit.removed, visit.valid) for visit in artifacts]
    lost = count_visits(removed, bbox)
    emptied = (lost >= usable) & (usable > 0)
    if not emptied.any():
        return list(artifacts)
    # Only the rows with such pixels are read again.
    rows = bbox.y.start + np.flatnonzero(emptied.any(axis=1))
    band = Box.factory[int(rows[0]) : int(rows[-1]) + 1, bbox.x.start : bbox.x.stop]
    faintest, keeper = np.full(bbox.shape, np.inf, np.float32), np.full(bbox.shape, -1, np.int32)
    for index, (warp, runs) in enumerate(zip(scene.inputs, removed, strict=True)):
        if (planes := scene.read(warp, band)) is None:
            continue
        at = planes.box.slice_within(bbox)
        candidate = emptied[at] & runs.to_array(planes.box) & (planes.image < faintest[at])
        faintest[at][candidate] = planes.image[candidate]
        keeper[at][candidate] = index
    left = list(artifacts)
    for index, visit in enumerate(artifacts):
        if (kept := keeper == index).any():
            # A user who discards untested pixels wants to be without them wherever they are.
            kinds = {
                kind: runs if kind == "untested" else Runs.from_array(runs.to_array(bbox) & ~kept, bbox)
                for kind, runs in visit.kinds.items()
            }
            left[index] = dataclasses.replace(visit, kinds=kinds)
    return left

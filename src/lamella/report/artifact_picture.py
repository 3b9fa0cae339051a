"""Pictures of artifacts that were left out of a coadd, and of the number of visits that lost them.

Both lie on the dimmed coadd, so that one sees whether sources were taken for
artifacts.
"""

from __future__ import annotations

import numpy as np
from lsst.images import Image

from ..coadd.reject.artifact_masks import ArtifactMasks
from ..data.coadd import PatchCoadd
from .palette import colors_at, hex_color, plane_color
from .picture import (
    MAX_SIDE,
    Picture,
    Scale,
    Swatch,
    block_mean,
    block_most,
    count_swatches,
    dimmed,
    gradient,
    grey_sky,
    upright,
)
from .wording import percent

__all__ = ("artifact_picture", "before_picture", "removed_picture")

_PLANES = (
    ("NO_DATA", "untested", (120, 144, 190)),
    ("CLIPPED", "", plane_color("CLIPPED")),
    ("STREAK", "streak", plane_color("STREAK")),
)
"""Planes of artifacts, what they mean, and their colours; streaks are among the clipped pixels."""

_MANY_COUNTS = 12
_GAP = 8
"""Pixels between two parts of a picture."""
_OPACITY = 0.85
_FIRST_COLOR = 0.4


def artifact_picture(coadd: PatchCoadd, masks: ArtifactMasks, *, max_side: int = MAX_SIDE) -> Picture:
    """Draw the artifacts of all visits: streaks in one colour, others in a second.

    Parameters
    ----------
    coadd
        The coadd they were left out of.
    masks
        The artifacts.
    max_side
        Largest number of pixels along a side of the picture.
    """
    canvas = dimmed(coadd.image.array, max_side)
    clipped = "transient or ghost" if masks.method == "compare_warp" else "clipped"
    swatches = []
    for name, meaning, color in _PLANES:
        where = masks.counts(name) > 0
        fraction = float(where.mean())
        if not fraction:
            continue
        # A streak is thinner than a block of pixels; its colour is seen all the same.
        opacity = _OPACITY * np.sqrt(block_mean(where, max_side))[..., np.newaxis]
        canvas = (1 - opacity) * canvas + opacity * np.array(color, dtype=np.float64)
        swatches.append(Swatch(hex_color(color), meaning or clipped, percent(fraction)))
    listed = ", ".join(f"{swatch.label} {swatch.note}" for swatch in swatches) or "none"
    return Picture(
        name="artifacts",
        title="Artifacts of all visits",
        alt=f"Pixels of any visit that were left out as artifacts, over the dimmed image: {listed}.",
        pixels=upright(np.round(canvas).astype(np.uint8), _empty(coadd, masks, max_side)),
        swatches=tuple(swatches),
        photographic=True,
    )


def removed_picture(coadd: PatchCoadd, masks: ArtifactMasks, *, max_side: int = MAX_SIDE) -> Picture:
    """Draw how many visits lost each pixel; the others show the dimmed image.

    Parameters
    ----------
    coadd
        The coadd they were left out of.
    masks
        The artifacts.
    max_side
        Largest number of pixels along a side of the picture.
    """
    counts = masks.counts()
    most = int(counts.max(initial=0))
    # The darkest colours would not be seen.
    colors = colors_at(np.linspace(_FIRST_COLOR, 1, max(most, 1)))
    shown = block_most(counts, max_side)
    canvas = dimmed(coadd.image.array, max_side)
    canvas = np.where(shown[..., np.newaxis] > 0, colors[np.maximum(shown, 1) - 1], canvas)
    few = most <= _MANY_COUNTS
    return Picture(
        name="removed",
        title="Visits left out per pixel",
        alt=f"Number of visits that each pixel lost to artifacts, up to {most}, over the dimmed image.",
        pixels=upright(np.round(canvas).astype(np.uint8), _empty(coadd, masks, max_side)),
        swatches=count_swatches(counts, colors, first=1) if few else (),
        scale=None if few else Scale(gradient(_FIRST_COLOR), ((0, "1"), (1, f"{most}")), "visits"),
        photographic=True,
    )


def before_picture(coadd: PatchCoadd, before: Image) -> Picture:
    """Draw a part of a coadd with its artifacts at the left and without them at the right, in one stretch.

    Parameters
    ----------
    coadd
        The coadd.
    before
        The part as it would be with the artifacts in it.
    """
    pair = before.array, coadd.image[before.bbox].array
    gap = np.full((before.array.shape[0], _GAP), np.nan, dtype=np.float32)
    values = np.concatenate([pair[0], gap, pair[1]], axis=1)
    return Picture(
        name="before",
        title="With artifacts, and without",
        alt="A part of the coadd as a mean of all pixels, and beside it as it is without the artifacts.",
        pixels=upright(grey_sky(values), ~np.isfinite(values)),
        photographic=True,
    )


def _empty(coadd: PatchCoadd, masks: ArtifactMasks, max_side: int) -> np.ndarray:
    """Return where there is nothing, and nothing was taken away."""
    no_data: np.ndarray = ~np.isfinite(block_mean(coadd.image.array, max_side))
    no_data &= block_most(masks.counts(), max_side) == 0
    return no_data

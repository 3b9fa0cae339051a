"""The same pixels under two identities: found before anything is coadded, so that they count once.

Links and table rows are told by the file and HDU that they lead to.  Copies,
in another compression or another format, have the noise of each other: the
differences of neighbouring pixels agree, in a few rows of both, much better
than their noise allows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..data.exposure import ExposureSource
from ..errors import LamellaError
from ..fits.read import read_rows
from ..sky.footprint import pixel_scale

__all__ = ("find_copies", "image_place", "is_one_place")

_HEIGHTS = (0.2, 0.4, 0.6, 0.8)
"""Where the rows are that are compared, as shares of the height."""
_ROWS = 3
"""Rows at each of these places."""
_CLIP = 3.0
"""Differences beyond this many standard deviations, as those on stars, count no more than this."""
_SUSPICIOUS = 0.8
"""Correlation of the differences from which the exposures themselves are read; of unrelated noise it is
below 0.2 for 1000 pixels, and of copies that were compressed with steps of a whole sigma 0.9."""
_AGREEMENT = 0.3
"""Scatter about each other, in units of the noise, below which pixels are the same: such a compression
makes 0.2."""
_NOISE = 0.3
"""Scatter in units of the square root of the variance below which there is no noise to compare."""
_WHITE = -0.25
"""Correlation of neighbouring differences below which they are noise: -0.5 when it is white."""
_NEAR = 1.0
"""Pixels by which the centres of copies may differ, as their projections come from different formats."""


def image_place(source: ExposureSource) -> tuple[Path, int] | None:
    """Return file and HDU of the pixels of an exposure; `None` where its reader does not say."""
    locate = getattr(getattr(source, "recipe", None), "image_place", None)
    return None if locate is None else locate()


def is_one_place(first: ExposureSource, second: ExposureSource) -> bool:
    """Return whether the pixels of two exposures are the same file and HDU, through any links."""
    key = _place_key(first)
    return key is not None and key == _place_key(second)


def find_copies(sources: Sequence[ExposureSource]) -> dict[int, int]:
    """Find exposures whose pixels another one has.

    Parameters
    ----------
    sources
        Exposures in the order of their identities.

    Returns
    -------
    dict
        Index of the first exposure with the same pixels, by the index of each
        that comes after it.

    Notes
    -----
    Exposures of two visits are compared when they have one band, one shape, and
    one centre on the sky to within a pixel; then a few rows are read.  Within a
    visit each pixel of the sky is used once anyway.  Pixels without
    noise, as of a simulation, are no evidence: they are the same only if they
    are those of one file.
    """
    by_shape: dict[tuple[object, ...], list[int]] = {}
    for index, source in enumerate(sources):
        by_shape.setdefault((source.info.band, *source.info.bbox.shape), []).append(index)
    copies: dict[int, int] = {}
    for group in (group for members in by_shape.values() for group in _close_together(sources, members)):
        # Those that are the same file and HDU, through whatever links.
        first_at: dict[tuple[int, int, int], int] = {}
        for index in group:
            if (key := _place_key(sources[index])) is not None:
                first = first_at.setdefault(key, index)
                if first != index and not _is_one_visit(sources[first], sources[index]):
                    copies[index] = first
        left = {index: sources[index] for index in group if index not in copies}
        copies |= _one_noise(left)
    return copies


def _close_together(sources: Sequence[ExposureSource], members: Sequence[int]) -> Iterator[list[int]]:
    """Yield the members whose centres are linked by steps of at most `_NEAR` pixels, two at least."""
    if len(members) < 2:
        return
    infos = [sources[index].info for index in members]
    centres = [info.projection.pixel_to_sky(x=info.bbox.x.center, y=info.bbox.y.center) for info in infos]
    directions = np.array([centre.cartesian.xyz.value for centre in centres], dtype=float)
    for index in np.flatnonzero(~np.isfinite(directions).all(axis=1)):
        # What is nowhere is far from all others.
        directions[index] = 0.0, 0.0, float(abs(hash(infos[index].id)) % 2**32 + 9)
    reach = _NEAR * math.radians(pixel_scale(infos[0].projection, infos[0].bbox) / 3600.0)
    # Along one axis first: few have another one within reach there.  (The trees of scipy would do, but they
    # load its linear algebra into each process.)
    order = np.argsort(directions[:, 0], kind="stable")
    groups: list[list[int]] = []
    ahead: list[list[int]] = []
    for index in order.tolist():
        here = directions[index]
        ahead = [group for group in ahead if here[0] - directions[group, 0].max() <= reach]
        linked = [
            group for group in ahead if (np.linalg.norm(directions[group] - here, axis=1) <= reach).any()
        ]
        joined = [index, *(other for group in linked for other in group)]
        ahead = [*(group for group in ahead if group not in linked), joined]
        groups = [*(group for group in groups if group not in linked), joined]
    for group in groups:
        if len(group) > 1:
            yield [members[index] for index in sorted(group)]


def _place_key(source: ExposureSource) -> tuple[int, int, int] | None:
    """Return device, file and HDU of the pixels; `None` where the reader does not say."""
    located = image_place(source)
    if located is None:
        return None
    status = located[0].stat()
    return status.st_dev, status.st_ino, located[1]


def _one_noise(group: Mapping[int, ExposureSource]) -> dict[int, int]:
    """Return copies whose noise is the same."""
    if len(group) < 2:
        return {}
    vectors = {index: _signature(source) for index, source in group.items()}
    usable = [index for index, vector in vectors.items() if vector is not None]
    if len(usable) < 2:
        return {}
    matrix = np.stack([vector for vector in vectors.values() if vector is not None])
    correlations = matrix @ matrix.T
    copies: dict[int, int] = {}
    for i, j in itertools.combinations(range(len(usable)), 2):
        first, second = usable[i], usable[j]
        if {first, second} & copies.keys() or _is_one_visit(group[first], group[second]):
            continue
        if correlations[i, j] > _SUSPICIOUS and _is_same(group[first], group[second]):
            copies[second] = first
    return copies


def _is_one_visit(first: ExposureSource, second: ExposureSource) -> bool:
    visits = {(source.info.id.instrument, source.info.id.visit) for source in (first, second)}
    return len(visits) == 1


def _signature(source: ExposureSource) -> np.ndarray | None:
    """Return differences of neighbouring pixels, in units that make the scalar product a correlation."""
    height = source.info.bbox.shape[0]
    starts = sorted({min(int(share * height), max(height - _ROWS, 0)) for share in _HEIGHTS})
    pieces = [slice(start, start + _ROWS) for start in starts]
    try:
        if (located := image_place(source)) is not None:
            rows = read_rows(*located, pieces)
        else:
            image = source.read().pixels.image.array
            rows = np.concatenate([image[piece] for piece in pieces])
    except (LamellaError, OSError):  # told when it is read
        return None
    differences = np.diff(rows.astype(np.float64), axis=1).ravel()
    scatter = _scatter(differences)
    if not scatter > 0:
        return None
    clipped = np.nan_to_num(np.clip(differences / scatter, -_CLIP, _CLIP))
    return np.asarray(clipped / math.sqrt(float(clipped @ clipped)), dtype=np.float32)


def _is_same(first: ExposureSource, second: ExposureSource) -> bool:
    """Return whether two exposures agree much better than their noise allows."""
    try:
        (image, noise), (other_image, other_noise) = _planes(first), _planes(second)
    except (LamellaError, OSError):  # told when it is read
        return False
    images, variances = (image, other_image), (noise, other_noise)
    steps, other = (np.diff(image, axis=1) for image in images)
    variance, other_variance = (noise[:, 1:] + noise[:, :-1] for noise in variances)
    noisy = _scatter(steps / np.sqrt(variance)) > _NOISE
    if not noisy:
        limit = _CLIP * _scatter(steps)
        clipped = np.nan_to_num(np.clip(steps, -limit, limit))
        power = float((clipped**2).sum())
        noisy = power > 0 and float((clipped[:, 1:] * clipped[:, :-1]).sum()) / power < _WHITE
    if not noisy:
        return False
    both = np.isfinite(steps) & np.isfinite(other)
    ratio = float(np.median(np.abs(steps[both])) / np.median(np.abs(other[both])))
    if not (math.isfinite(ratio) and ratio > 0):
        return False
    noise = np.sqrt(variance + ratio**2 * other_variance)
    return _scatter(((steps - ratio * other) / noise)[both]) < _AGREEMENT


def _planes(source: ExposureSource) -> tuple[np.ndarray, np.ndarray]:
    """Return image and variance of an exposure, float64, also where its scale is still to be measured."""
    from .exposure_stars import row_of  # what measures stars is loaded where copies are suspected only
    from .row_pixels import read_row_pixels
    from .row_places import RowPlaces

    row = row_of(source)
    if row is not None:
        planes = read_row_pixels(RowPlaces(row.cells), row.control)
        return planes.image.astype(np.float64), planes.variance.astype(np.float64)
    pixels = source.read().pixels
    return pixels.image.array.astype(np.float64), pixels.variance.array.astype(np.float64)


def _scatter(values: np.ndarray) -> float:
    """Return a standard deviation that a few outliers do not change; NaN without a finite value."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return math.nan
    return 1.4826 * float(np.median(np.abs(finite - np.median(finite))))

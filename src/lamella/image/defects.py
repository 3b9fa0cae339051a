"""Pixels of a plain image that are no measurements: nobody says which, so the pixels must."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import scipy

from .sky_mesh import measure_meshes, mesh_sizes

__all__ = ("find_defects",)

_MESH = 128
_COLD = 8.0
"""Pixels so many standard deviations below the sky are dead."""
_SPIKE = 10.0
"""A value that occurs so often more than those beside it is a mark and no measurement."""
_LEAST_SPIKE = 20
_NATURAL = 0.002
_FALLING = 0.2
_COARSE = 64
"""Of so few different values, e.g. counts of few photons, none is too frequent."""
_LINE = 8.0
"""Columns whose level is so many of its errors off, and so many scatters of levels, are bad."""
_LEAST_LINE = 1.0
"""... and so many standard deviations of a pixel; fainter ones do little harm."""
_SEGMENT = 128
"""Pixels of a column that are judged together: bad ones often begin somewhere."""
_LINES_AROUND = 9
_EVERY, _SAMPLE = 8, 2**16
"""One column in so many, or so many pixels, tell a median."""
_CLIP = 3.0
_STILL = 0.2
"""Columns whose pixels scatter by less than this part of that of the others do not see the sky."""
_PLATEAU = 1.25
"""Ratio of the ends of the range of values in which saturated pixels lie."""
_PILE = 2.5
"""So many times more pixels lie in that range than in the one below, where cores of stars end in a pile."""
_LEAST_PILE = 16
_NEIGHBOURS = 3
"""Of the 8 pixels around a saturated one so many are, too; in a bad column they are 2."""
_QUARTILES = 1.349
"""Distance of the quartiles of a Gaussian, in standard deviations."""


@dataclasses.dataclass(frozen=True)
class _Pixels:
    """An image beside its sky."""

    significance: np.ndarray
    """Image less its sky over its noise, float32, shape (y, x); NaN where it has no value."""
    sky: float
    sigma: float


def find_defects(
    image: np.ndarray, *, saturation: float | None = None, whole: bool = False
) -> dict[str, np.ndarray]:
    """Find the pixels of an image that are no measurements.

    Without a value are pixels that are not finite, and those with a value that occurs far more often than
    the values beside it: the zeros of rims and gaps.  Bad are pixels of zero in an image of
    whole numbers that has a sky, others far below the sky, and columns and rows, or stretches of them,
    that differ from their neighbours or do not see the sky.

    Parameters
    ----------
    image
        Shape (y, x).
    saturation
        Pixels at or above it are saturated.  By default it is where many pixels pile up that are the
        brightest ones and lie together.
    whole
        Whether the pixels were whole numbers on disk.

    Returns
    -------
    dict of numpy.ndarray
        bool of shape (y, x) for the planes NO_DATA, SATURATED and BAD.
    """
    lost = ~np.isfinite(image)
    level = _pile_up(image, ~lost) if saturation is None else saturation
    saturated = ~lost & (image >= level)
    marks = _marks(image, ~(lost | saturated))
    lost |= marks
    pixels = _beside_sky(image, lost | saturated)
    if pixels is None:
        return {"NO_DATA": lost, "SATURATED": saturated, "BAD": np.zeros_like(lost)}
    with np.errstate(invalid="ignore"):
        bad = pixels.significance < -_COLD
    if whole and pixels.sky > _COLD * pixels.sigma:
        bad |= image == 0
    bad |= _bad_lines(pixels.significance) | _bad_lines(pixels.significance.T).T
    return {"NO_DATA": lost, "SATURATED": saturated, "BAD": bad & ~(lost | saturated)}


def _beside_sky(image: np.ndarray, ignore: np.ndarray) -> _Pixels | None:
    """Return an image in units of its noise; `None` where no sky can be seen."""
    size = mesh_sizes(image.shape, _MESH)
    meshes = measure_meshes(np.where(ignore, image.dtype.type(0), image), ~ignore, size)
    if not np.isfinite(meshes.level).any() or not meshes.rms > 0.0:
        return None
    residual = np.where(ignore, np.nan, image - meshes.surface((image.shape[0], image.shape[1]), 3))
    return _Pixels((residual / meshes.rms).astype(np.float32), float(np.nanmedian(meshes.level)), meshes.rms)


def _marks(image: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return which pixels have a value that stands for none."""
    values, counts = np.unique(image[usable], return_counts=True)
    marked = np.zeros(image.shape, bool)
    if len(values) < _COARSE:
        return marked
    often = np.flatnonzero(counts > _LEAST_SPIKE)
    padded, counts = np.pad(counts, 2), counts[often]
    first, second = (np.maximum(padded[often + 2 - n], padded[often + 2 + n]) for n in (1, 2))
    # Noise of less than a step peaks, too, and falls off ever faster on both sides of the peak.
    natural = (first > _NATURAL * counts) & (second < _FALLING * first)
    for value in values[often[(counts > _SPIKE * first) & ~natural]]:
        marked |= image == value
    return marked


def _pile_up(image: np.ndarray, usable: np.ndarray) -> float:
    """Return the level at which the brightest pixels pile up; infinite where they do not."""
    values = image[usable]
    if values.size < _LEAST_PILE:
        return math.inf
    # Above the pile are single pixels only, e.g. hot ones.
    top = float(np.partition(values, -_LEAST_PILE)[-_LEAST_PILE])
    if not top > 2.0 * abs(float(np.median(values[:: values.size // _SAMPLE | 1]))):
        return math.inf
    lowest, low, high = (top * _PLATEAU**power for power in (-1.5, -0.5, 0.5))
    pile = usable & (image >= low)
    size, above = np.count_nonzero(pile), np.count_nonzero(values > high)
    below = np.count_nonzero((values >= lowest) & (values < low))
    around = scipy.ndimage.convolve(pile.astype(np.int8), np.ones((3, 3), np.int8), mode="constant") - 1
    together = np.count_nonzero(around[pile] >= _NEIGHBOURS) > 0.5 * size
    is_pile = int(size - above) > _PILE * max(int(below), int(above), 1)
    return low if is_pile and together else math.inf


def _bad_lines(significance: np.ndarray) -> np.ndarray:
    """Return the pixels of bad columns of an image in units of its noise."""
    height = len(significance)
    count = max(1, round(height / _SEGMENT))
    bad = np.zeros(significance.shape, bool)
    for index in range(count):
        rows = slice(index * height // count, (index + 1) * height // count)
        bad[rows] = _bad_in_segment(significance[rows])
    # A column that is bad in more than half of its length is bad in all of it.
    bad |= bad.mean(axis=0) > 0.5
    return bad


def _bad_in_segment(segment: np.ndarray) -> np.ndarray:
    """Return which columns of some rows of an image are bad: bool of shape (x,)."""
    measured = np.count_nonzero(np.isfinite(segment), axis=0)
    enough = measured > len(segment) // 2
    if np.count_nonzero(enough) < _LINES_AROUND:
        return np.zeros(segment.shape[1], bool)
    columns = segment[:, enough]
    # Means, because the median of whole numbers is one, and clipped, because of stars.
    typical = float(np.nanmedian(columns[:, ::_EVERY]))
    clipped, counted = np.clip(columns, typical - _CLIP, typical + _CLIP), np.isfinite(columns)
    filled = np.full(segment.shape[1], typical)
    filled[enough] = clipped.mean(axis=0, where=counted)
    spread = clipped.std(axis=0, where=counted)
    # Bad columns are narrow and sharp; light is neither.
    steps = filled - scipy.ndimage.median_filter(filled, _LINES_AROUND, mode="nearest")
    first, third = (float(np.percentile(steps[enough], percent)) for percent in (25, 75))
    scatter = (third - first) / _QUARTILES
    limit = max(_LEAST_LINE, _LINE * scatter, _LINE * 1.25 / math.sqrt(len(segment)))
    still = np.zeros_like(enough)
    still[enough] = spread < _STILL * np.median(spread)
    bad: np.ndarray = enough & ((np.abs(steps) > limit) | still)
    return bad

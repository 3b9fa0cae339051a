"""Whether the pixels of a plane are what its name says."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy

from ...errors import LamellaError
from ...fits.read import optional_number, read_headers, read_rows
from ..table_hdus import flat_shape

__all__ = (
    "bits_of_sources",
    "check_kind",
    "is_inverted",
    "is_noise",
    "kind_of_pixels",
    "noise_of_rows",
    "sampled_rows",
    "share_of_zeros",
)

_ROWS = 3
_HEIGHTS = tuple((n + 0.5) / 16 for n in range(16))
"""Where the rows are that are looked at, as shares of the height: enough to meet some stars."""
_DOUBT = 1.7
"""Ratio of what a map says to the noise of the pixels, or its inverse, beyond which its kind is in doubt:
from pixel to pixel, resampled images have less noise than in all."""
_NOISE = 3.0
_AGREEMENT = 1.2
"""... within which another kind is believed that is so much nearer:"""
_NEARER = 4.0
_BRIGHT = 10.0
"""Pixels so many standard deviations above the sky are light."""
_WIDE = 3
"""Pixels."""
_LEAST_BRIGHT = 40
_MOST_BRIGHT = 0.9
_BLOB = 4.0
"""Mean length, in pixels, of what is marked in a row: cosmic rays are shorter."""
_FLAGS = 64
"""Most different values of flags in a few rows."""
_SIGMAS: dict[str, Callable[[float], float]] = {
    "stddev": lambda value: value,
    "variance": math.sqrt,
    "weight": lambda value: 1.0 / math.sqrt(value),
}

type Place = tuple[Path, int]


def sampled_rows(path: Path, index: int) -> np.ndarray | None:
    """Return a few rows of an image, float64 of shape (rows, x); `None` where they cannot be read.

    Those of the last few images are remembered, and must not be changed.
    """
    status = path.stat()
    return _read_rows(path, index, (status.st_mtime_ns, status.st_size))


@functools.lru_cache(maxsize=4)
def _read_rows(path: Path, index: int, state: tuple[int, int]) -> np.ndarray | None:
    header = read_headers(path)[index]
    shape = flat_shape(header)
    if shape is None:
        return None
    starts = sorted({min(int(share * shape[0]), max(shape[0] - _ROWS, 0)) for share in _HEIGHTS})
    try:
        stored = read_rows(path, index, [slice(start, start + _ROWS) for start in starts])
    except (LamellaError, OSError):  # told when it is read
        return None
    scale, zero = optional_number(header, "BSCALE"), optional_number(header, "BZERO")
    return stored.astype(np.float64) * (1.0 if scale is None else scale) + (zero or 0.0)


def noise_of_rows(rows: np.ndarray) -> float:
    """Return the standard deviation of noise in rows, by the differences of neighbours; NaN without any."""
    steps = np.diff(rows, axis=1)
    steps = steps[np.isfinite(steps) & (steps != 0.0)]
    return 1.4826 * float(np.median(np.abs(steps))) / math.sqrt(2.0) if steps.size else math.nan


def check_kind(kind: str, image: Place, plane: Place) -> str:
    """Return the kind of a map of noise: what it is called, unless its values are those of another kind.

    Parameters
    ----------
    kind
        ``stddev``, ``variance``, ``weight`` or ``confidence``; the last may have any values.
    image, plane
        File and HDU of the image and of the map; a few rows of both are read.
    """
    if kind not in _SIGMAS:
        return kind
    misfits = _misfits(sampled_rows(*image), sampled_rows(*plane))
    if not misfits:
        return kind
    best = min(misfits, key=misfits.__getitem__)
    limit = min(math.log(_AGREEMENT), misfits[kind] / _NEARER)
    return best if misfits[kind] > math.log(_DOUBT) and misfits[best] < limit else kind


def is_noise(image: Place, plane: Place) -> bool:
    """Return whether a plane may be the standard deviation of an image: it is within a factor of 3 of it.

    Parameters
    ----------
    image, plane
        File and HDU of both; a few of their rows are read.
    """
    misfits = _misfits(sampled_rows(*image), sampled_rows(*plane))
    return misfits.get("stddev", 0.0) < math.log(_NOISE)


def _misfits(rows: np.ndarray | None, values: np.ndarray | None) -> dict[str, float]:
    """Return how far values are, as each kind of map, from the noise in rows of the image.

    They are logarithms of ratios; none where they cannot be read or compared.
    """
    if rows is None or values is None or rows.shape != values.shape:
        return {}
    good = np.isfinite(values) & (values > 0)
    noise = noise_of_rows(np.where(good, rows, np.nan))
    if not (good.any() and noise > 0):
        return {}
    level = float(np.median(values[good]))
    return {name: abs(math.log(sigma(level) / noise)) for name, sigma in _SIGMAS.items()}


def kind_of_pixels(image: Place, plane: Place) -> str | None:
    """Return what a plane of an image is by its values alone; `None` where they do not tell.

    It is ``mask`` where most are zero and the others few whole numbers, and a kind of map of the noise where
    none is negative, and as that kind alone they are the noise in the pixels of the image.
    """
    rows, values = sampled_rows(*image), sampled_rows(*plane)
    if rows is None or values is None or (values < 0).any() or not np.isfinite(values).any():
        return None
    whole = values[np.isfinite(values)]
    is_mostly_zero = np.count_nonzero(whole) < whole.size // 2
    if is_mostly_zero and (whole == np.rint(whole)).all() and np.unique(whole).size <= _FLAGS:
        return "mask"
    misfits = sorted((misfit, name) for name, misfit in _misfits(rows, values).items())
    is_clear = misfits and misfits[0][0] < math.log(_AGREEMENT) and misfits[1][0] > math.log(_DOUBT)
    return misfits[0][1] if is_clear else None


def share_of_zeros(mask: Place) -> float:
    """Return the part of the pixels that are 0 in a few rows of a mask; 1 where these tell nothing."""
    values = sampled_rows(*mask)
    return 1.0 if values is None or not values.size else float(np.mean(values == 0))


def bits_of_sources(image: Place, mask: Place) -> tuple[int, int]:
    """Return the flags of a mask that mark sources and not defects: those on most of the light in a few rows.

    Defects are on little of it, be they bad pixels, cosmic rays or saturated stars; a mask of detections is
    on all pixels above the sky, and around them.

    Returns
    -------
    tuple of int
        Their bits, and the others that are set; 0 for none, and where there is too little light to tell.
    """
    rows, values = sampled_rows(*image), sampled_rows(*mask)
    if rows is None or values is None or rows.shape != values.shape:
        return 0, 0
    if not ((values == np.rint(values)) & (values >= 0)).all():
        return 0, 0
    flags = values.astype(np.int64)
    light = rows - np.nanmedian(rows, axis=1, keepdims=True)
    bright = light > _BRIGHT * noise_of_rows(np.where(flags == 0, rows, np.nan))
    # Light is wider than hot columns, and than most cosmic rays.
    bright = scipy.ndimage.binary_opening(bright, np.ones((1, _WIDE)))
    union = int(np.bitwise_or.reduce(flags, axis=None))
    bits = [1 << bit for bit in range(union.bit_length()) if union & (1 << bit)]
    # Of the light on which no other flag is, e.g. that of cosmic rays.
    sources = sum(bit for bit in bits if _is_of_sources((flags & bit) != 0, bright & ((flags & ~bit) == 0)))
    return sources, union & ~sources


def _is_of_sources(marked: np.ndarray, bright: np.ndarray) -> bool:
    """Return whether what is marked is on nearly all light, in blobs, and in little of the rest."""
    count = int(np.count_nonzero(bright))
    if count < _LEAST_BRIGHT or np.count_nonzero(marked & bright) < _MOST_BRIGHT * count:
        return False
    begins, size = (int(np.count_nonzero(flags)) for flags in (marked & ~np.roll(marked, 1, axis=1), marked))
    return _BLOB * begins < size < marked.size // 2


def is_inverted(image: Place, mask: Place) -> bool:
    """Return whether 0 is bad in a mask: most pixels have one other value, and there the image has noise.

    Parameters
    ----------
    image, mask
        File and HDU of both; a few rows of them are read.
    """
    rows, values = sampled_rows(*image), sampled_rows(*mask)
    if rows is None or values is None or rows.shape != values.shape or not np.isfinite(values).all():
        return False
    marked = values != 0
    if np.count_nonzero(marked) <= marked.size // 2 or np.unique(values[marked]).size != 1:
        return False
    used = marked & np.isfinite(rows)
    return np.count_nonzero(used) > marked.size // 2 and noise_of_rows(np.where(used, rows, np.nan)) > 0

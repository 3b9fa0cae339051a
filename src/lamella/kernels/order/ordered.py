"""A sample whose order is settled only where it is looked at.

The values are put into many buckets, one above the other, in two walks; a
bucket is sorted when a rank or a limit inside of it is asked for.  Medians and
clipping ask for few, so that this takes a small part of the time of a sort,
and the answers are those of the sorted sample.
"""

from __future__ import annotations

import bisect
import math
import sys

import numpy as np

from .._jit import jit, jit_inline
from ..arrays import kernel_array

__all__ = ("OrderedSample",)

# So many values, at most twice as many, tell where the buckets have to be.
_SAMPLE = 4096
_PER_BUCKET = 256
# Writing to more places takes longer than it saves in sorting.
_MOST_BUCKETS = 1024
# The buckets reach beyond the quartiles by this times the distance of the two.
_REACH = 3.0


class OrderedSample:
    """The finite values of an array, as if they were sorted.

    Parameters
    ----------
    values
        Numbers of any shape; those that are not finite do not count.
    chosen
        bool of the same shape: which of them count; by default all.
    """

    def __init__(self, values: np.ndarray, chosen: np.ndarray | None = None) -> None:
        kind = values.dtype if values.dtype in (np.float32, np.float64) else np.float64
        flat = kernel_array(values, kind).reshape(-1)
        chosen = np.ones(1, bool) if chosen is None else kernel_array(chosen, bool).reshape(-1)
        buckets = min(_MOST_BUCKETS, flat.size // _PER_BUCKET + 1)
        # Where the buckets begin, and one over their width; outliers share the first and last ones.
        step = max(1, flat.size // _SAMPLE)
        few = flat[::step]
        few = np.sort(few[np.isfinite(few) & (chosen[::step] if chosen.size > 1 else chosen)])
        self._low = self._scale = 0.0
        if few.size:
            lowest, first, third, highest = (
                float(few[i]) for i in (0, few.size // 4, -1 - few.size // 4, -1)
            )
            reach = _REACH * (third - first) or math.inf
            self._low = max(lowest, first - reach)
            width = (min(highest, third + reach) - self._low) / buckets
            self._scale = 1.0 / width if width > 1.0 / sys.float_info.max else 0.0
        self._values = np.empty_like(flat)
        ends = np.empty(buckets, np.int64)
        _fill_buckets(flat, chosen, self._low, self._scale, ends, self._values)
        self._ends: list[int] = ends.tolist()
        self._settled = bytearray(buckets)

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, rank: int) -> float:
        """Return the value of a rank, from 0 for the smallest."""
        if not 0 <= rank < len(self):
            raise IndexError(rank)
        self._settle(bisect.bisect_right(self._ends, rank))
        return float(self._values[rank])

    def between(self, first: int, stop: int) -> np.ndarray:
        """Return the values of some ranks, in any order; another look at the sample may change it."""
        for rank in {first, stop - 1} if stop > first else ():
            self._settle(bisect.bisect_right(self._ends, rank))
        return self._values[first:stop]

    def below(self, limit: float, *, inclusive: bool = False) -> int:
        """Return how many values are below a limit; with ``inclusive``, also those that are equal to it."""
        bucket = int(_bucket_of(limit, self._low, self._scale, len(self._ends)))
        start, stop = self._settle(bucket)
        # In double precision: the limit must not be rounded to the type of the values.
        values = self._values[start:stop].astype(np.float64)
        return start + int(np.searchsorted(values, limit, "right" if inclusive else "left"))

    def _settle(self, bucket: int) -> tuple[int, int]:
        start, stop = self._ends[bucket - 1] if bucket else 0, self._ends[bucket]
        if not self._settled[bucket]:
            self._values[start:stop].sort()
            self._settled[bucket] = True
        return start, stop


def _bucket_of(value: float, low: float, scale: float, buckets: int) -> np.int32:
    """Return the bucket of a value: no smaller value has a larger one."""
    position, last = (value - low) * scale, buckets - 1
    # NaN, of an infinite difference times zero, comes to the first bucket.
    inside = np.int32(position) if (position > 0.0) & (position < last) else np.int32(0)
    return np.int32(last) if position >= last else inside


_compiled_bucket_of = jit_inline(_bucket_of)


@jit
def _fill_buckets(
    values: np.ndarray, chosen: np.ndarray, low: float, scale: float, ends: np.ndarray, out: np.ndarray
) -> None:
    """Put the values into their buckets, and behind these those that do not count.

    ``ends`` is written: where each bucket ends.
    """
    every, buckets = chosen.size < values.size, ends.size
    # Loops without branches, each of which does one thing, are fast.
    places = np.zeros(buckets + 1, np.int64)
    bucket = np.empty(values.size, np.uint16)
    for i in range(values.size):
        value = np.float64(values[i])
        good = (abs(value) < np.inf) & (every or chosen[i])
        bucket[i] = np.uint16(_compiled_bucket_of(value, low, scale, buckets) if good else np.int32(buckets))
    for i in range(values.size):
        places[bucket[i]] += 1
    total = 0
    for b in range(buckets + 1):
        places[b], total = total, total + places[b]
    for i in range(values.size):
        b = bucket[i]
        out[places[b]] = values[i]
        places[b] += 1
    for b in range(buckets):
        ends[b] = places[b]

"""A small store of the last stamps that were drawn."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np

__all__ = ("StampCache",)


class StampCache:
    """The stamps used last, by position; threads may share it.

    Parameters
    ----------
    capacity
        Greatest number of stamps.
    """

    def __init__(self, capacity: int = 64) -> None:
        self._capacity = capacity
        self._stamps: OrderedDict[tuple[float, ...], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._stamps)

    def get(self, key: tuple[float, ...]) -> np.ndarray | None:
        """Return a stamp, which is not to be changed, or `None`."""
        with self._lock:
            stamp = self._stamps.get(key)
            if stamp is not None:
                self._stamps.move_to_end(key)
            return stamp

    def put(self, key: tuple[float, ...], stamp: np.ndarray) -> None:
        """Keep a stamp, and drop the one that was used least recently if there are too many."""
        with self._lock:
            self._stamps[key] = stamp
            self._stamps.move_to_end(key)
            if len(self._stamps) > self._capacity:
                self._stamps.popitem(last=False)

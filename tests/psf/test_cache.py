from __future__ import annotations

import numpy as np

from lamella.psf.cache import StampCache


def test_the_stamp_used_least_recently_is_dropped() -> None:
    cache = StampCache(capacity=2)
    one, two, three = (np.full((1, 1), value) for value in (1.0, 2.0, 3.0))
    cache.put((1.0,), one)
    cache.put((2.0,), two)
    assert cache.get((1.0,)) is one
    cache.put((3.0,), three)
    assert len(cache) == 2
    assert cache.get((2.0,)) is None
    assert cache.get((1.0,)) is one
    assert cache.get((3.0,)) is three

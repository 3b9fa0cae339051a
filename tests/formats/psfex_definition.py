"""Stars as PSFEx defines them, pixel by pixel."""

from __future__ import annotations

import numpy as np
from lsst.images import Box


def star_of(model: np.ndarray, step: float, x: float, y: float, box: Box) -> np.ndarray:
    """Return a star at (x, y) on the pixels of a box, of a model with samples ``step`` pixels apart."""
    up, across = (
        np.array([_weights((pixel - at) / step + len(model) // 2, len(model)) for pixel in side])
        for at, side in ((y, box.y.range), (x, box.x.range))
    )
    star = up @ model @ across.T
    return np.asarray(star / star.sum())


def _weights(t: float, size: int) -> np.ndarray:
    """Weights of ``size`` samples for position ``t``, as the definition has them, one by one."""
    total = sum(_lanczos3(t - k) for k in range(int(np.floor(t)) - 3, int(np.floor(t)) + 5))
    return np.array([_lanczos3(t - k) / total for k in range(size)])


def _lanczos3(t: float) -> float:
    return float(np.sinc(t) * np.sinc(t / 3.0)) if abs(t) < 3.0 else 0.0

"""Passbands by their short names: where they lie, and in which order they are listed."""

from __future__ import annotations

import math

__all__ = ("WAVELENGTHS", "band_key")

WAVELENGTHS = {"u": 0.36, "g": 0.48, "r": 0.62, "i": 0.76, "z": 0.88, "y": 0.98, "Y": 1.02}
WAVELENGTHS |= {"U": 0.365, "B": 0.445, "V": 0.551, "R": 0.658, "I": 0.806, "J": 1.22, "H": 1.63, "K": 2.19}
"""Middles of bands in micrometres."""


def band_key(band: str) -> tuple[float, str]:
    """Return by what bands are sorted: from blue to red, and then those of unknown wavelength by name."""
    return WAVELENGTHS.get(band, math.inf), band

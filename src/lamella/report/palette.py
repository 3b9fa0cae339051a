"""Colours of the pictures: a perceptual scale, and one colour per mask plane.

Colours are made in the OKLCH space (lightness, chroma, hue; Ottosson 2020, "A
perceptual color space for image processing"), in which equal steps look
equal.
"""

from __future__ import annotations

import functools

import numpy as np

from ..planes import STANDARD_PLANES

__all__ = ("NO_DATA_COLOR", "colors_at", "hex_color", "oklch_to_srgb", "plane_color")

NO_DATA_COLOR = (52, 64, 84)
"""Slate, the colour of pixels without a measurement: darker than sources, bluer than any sky."""

_OKLAB_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
_GOLDEN_ANGLE = 137.508
_LIGHTNESS = (0.72, 0.87, 0.60, 0.80)


def oklch_to_srgb(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """Return sRGB bytes of colours.

    Parameters
    ----------
    lightness, chroma, hue
        Arrays of one shape; lightness runs from 0 to 1, the hue is in degrees.

    Returns
    -------
    numpy.ndarray
        uint8, with an axis of 3 behind; what the screen cannot show is clipped.
    """
    angle = np.deg2rad(hue)
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=-1)
    linear = np.clip((lab @ _OKLAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colors: np.ndarray = np.round(255 * encoded).astype(np.uint8)
    return colors


@functools.cache
def _scale() -> np.ndarray:
    """256 colours from dark violet over teal to pale yellow, of even lightness steps."""
    t = np.linspace(0, 1, 256)
    return oklch_to_srgb(0.28 + 0.65 * t, 0.105 + 0.03 * np.sin(np.pi * t), 295 - 185 * t)


def colors_at(values: np.ndarray) -> np.ndarray:
    """Return the colours of numbers from 0 to 1 on the scale: uint8, with an axis of 3 behind."""
    steps = np.clip(np.nan_to_num(np.asarray(values, dtype=np.float64)), 0, 1) * 255
    return _scale()[np.round(steps).astype(np.intp)]


def plane_color(name: str, index: int = 0) -> tuple[int, int, int]:
    """Return the colour of a mask plane; it is the same in every picture.

    Parameters
    ----------
    name
        Name of the plane.
    index
        Bit of the plane in its schema; it matters for planes beyond the standard ones only.
    """
    if name == "NO_DATA":
        return NO_DATA_COLOR
    names = list(STANDARD_PLANES)
    rank = names.index(name) if name in names else max(index, len(names))
    # Neighbours in the list are far apart in hue, and differ in lightness too.
    hue = np.array(25 + _GOLDEN_ANGLE * rank)
    red, green, blue = oklch_to_srgb(np.array(_LIGHTNESS[rank % len(_LIGHTNESS)]), np.array(0.15), hue)
    return int(red), int(green), int(blue)


def hex_color(color: np.ndarray | tuple[int, int, int]) -> str:
    """Return a colour as HTML writes it, e.g. ``"#ff0000"``."""
    red, green, blue = map(int, color)
    return f"#{red:02x}{green:02x}{blue:02x}"

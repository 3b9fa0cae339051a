"""Mosaics of coloured pixels, and cubes of three colours: one image for each of R, G and B."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..fits.read import Header, header_text

__all__ = (
    "COLORS",
    "is_pattern",
    "is_spectral",
    "shifted_pattern",
    "super_pixel_header",
    "super_pixels",
    "worst_of_super_pixels",
)

COLORS = ("R", "G", "B")
_SIP = re.compile(r"([AB])_(\d+)_(\d+)")
_INVERSE_SIP = re.compile(r"[AB]P_(ORDER|\d+_\d+)")
_AXES = re.compile("FREQ|ENER|WAVN|VRAD|WAVE|VOPT|ZOPT|AWAV|VELO|BETA|FELO|LAMBDA|STOKES|TIME|UTC|TAI|TT|MJD")
"""Beginnings of CTYPE of axes of the world that are none of the sky (Greisen et al. 2006, A&A 446, 747)."""
_SCALED = re.compile(r"CDELT[12]|CD[12]_[12]")


def is_pattern(text: str) -> bool:
    """Return whether a text is a pattern of a mosaic: R, B and two G on a diagonal, e.g. GRBG."""
    return text.upper() in ("RGGB", "BGGR", "GRBG", "GBRG")


def shifted_pattern(pattern: str, x: int, y: int) -> str:
    """Return the pattern of a mosaic whose first pixel is pixel (x, y) of the pattern given."""
    rows = [pattern[:2], pattern[2:]]
    return "".join(rows[(i + y) % 2][(j + x) % 2] for i in (0, 1) for j in (0, 1))


def _samples(mosaic: np.ndarray, pattern: str, color: str) -> list[np.ndarray]:
    """Return the pixels of a colour: one array (G: two) of half the shape."""
    height, width = (size // 2 * 2 for size in mosaic.shape)
    places = [divmod(index, 2) for index, letter in enumerate(pattern.upper()) if letter == color]
    return [mosaic[y:height:2, x:width:2] for y, x in places]


def super_pixels(mosaic: np.ndarray, pattern: str, color: str, *, is_variance: bool = False) -> np.ndarray:
    """Return the image of one colour of a mosaic.

    A super-pixel is four times the mean of its pixels of the colour: what all four would hold together,
    if they were of that colour, so that the sum over a star is that of a camera without mosaic.

    Parameters
    ----------
    mosaic
        Shape (y, x); an odd last row or column is left out.
    pattern
        Colours of the first 2 x 2 pixels, row by row.
    color
        R, G or B.
    is_variance
        Whether the values are variances, which add up as such.

    Returns
    -------
    `numpy.ndarray`
        float32, shape (y // 2, x // 2).
    """
    samples = _samples(mosaic, pattern, color)
    factor = 4.0 / len(samples)
    total = np.zeros(samples[0].shape, np.float32)
    for sample in samples:
        total += sample.astype(np.float32, copy=False)
    total *= np.float32(factor**2 if is_variance else factor)
    return total


def worst_of_super_pixels(flags: np.ndarray, pattern: str, color: str) -> np.ndarray:
    """Return the flags of the super-pixels of one colour: the union of those of its pixels."""
    samples = _samples(flags, pattern, color)
    total = np.ascontiguousarray(samples[0])
    for sample in samples[1:]:
        total |= sample
    return total


def super_pixel_header(header: Header, pattern: str, color: str) -> Header:
    """Return the header of the super-pixels of one colour: its WCS is that of the colour's pixels.

    Parameters
    ----------
    header
        Header of the mosaic.
    pattern, color
        As in `super_pixels`.

    Returns
    -------
    `astropy.io.fits.Header`
        A new header, with reference pixel, scale and SIP polynomials of the super-pixels.
    """
    places = [divmod(index, 2) for index, letter in enumerate(pattern.upper()) if letter == color]
    middle = {axis: sum(place[2 - axis] for place in places) / len(places) for axis in (1, 2)}
    result = header.copy()
    for key in [key for key in header if _INVERSE_SIP.fullmatch(key)]:
        del result[key]
    for axis, offset in middle.items():
        if (key := f"CRPIX{axis}") in header:
            result[key] = (float(header[key]) - 1.0 - offset) / 2.0 + 1.0
    if not any(_SCALED.fullmatch(key) for key in header):
        result["CDELT1"] = result["CDELT2"] = 2.0
    for key in header:
        if _SCALED.fullmatch(key):
            result[key] = 2.0 * float(header[key])
        elif sip := _SIP.fullmatch(key):
            result[key] = float(header[key]) * 2.0 ** (int(sip[2]) + int(sip[3]) - 1)
    return result


def is_spectral(header: Mapping[str, Any]) -> bool:
    """Return whether the planes of a cube are those of a spectrum, of polarisations or times: no colours."""
    return _AXES.match(header_text(header, "CTYPE3").upper()) is not None

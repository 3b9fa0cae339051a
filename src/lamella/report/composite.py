"""Colour pictures from the coadds of several bands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from lsst.images import Image

from ..bands import WAVELENGTHS, band_key
from ..errors import ShapeError
from ..image.blanksky import clipped_sky
from .picture import MAX_SIDE, Picture, block_mean, sky_tone, upright

__all__ = ("choose_bands", "color_picture", "composite")

_SUN = 5772.0  # kelvin
_SECOND_RADIATION = 14387.77  # micrometre kelvin
_SATURATION = 0.8
_NEUTRAL_SIGMA = 4.0  # noise below which colours fade to grey


def choose_bands(bands: Iterable[str]) -> tuple[str, str, str] | tuple[str, str] | None:
    """Choose the bands of a colour picture, the reddest first.

    Parameters
    ----------
    bands
        Short names of bands.  Those of unknown wavelength count as redder than the others.

    Returns
    -------
    tuple or None
        Three bands; two, if there are only two; `None` if there is only one.
        Of more than three, u and y give way, being the noisiest, and the
        reddest, the middle and the bluest of the rest are taken.
    """
    ordered = sorted(set(bands), key=band_key)
    for band in ("u", "y", "Y"):
        if len(ordered) > 3 and band in ordered:
            ordered.remove(band)
    if len(ordered) < 3:
        return (ordered[1], ordered[0]) if len(ordered) == 2 else None
    return ordered[-1], ordered[len(ordered) // 2], ordered[0]


def composite(images: Mapping[str, Image], *, max_side: int = MAX_SIDE) -> Picture | None:
    """Draw a colour picture of a patch, or return `None` if there is only one band.

    Parameters
    ----------
    images
        The image of each band, all of one box.  Bands whose units differ, such as nJy and the units of an
        exposure, have no colours in common: each is then on the scale of its own noise.

    Raises
    ------
    ShapeError
        Raised when the boxes differ.
    """
    bands = choose_bands(images)
    if bands is None:
        return None
    layers = [images[band].array for band in bands]
    if len({images[band].unit for band in bands}) > 1:
        layers = [layer / (clipped_sky(layer)[1] or 1.0) for layer in layers]
    red, blue = layers[0], layers[-1]
    if len(bands) == 3:
        return color_picture(red, layers[1], blue, bands=bands, max_side=max_side)
    return color_picture(red, None, blue, bands=(bands[0], "", bands[1]), max_side=max_side)


def color_picture(
    red: np.ndarray,
    green: np.ndarray | None,
    blue: np.ndarray,
    *,
    bands: tuple[str, str, str] = ("", "", ""),
    max_side: int = MAX_SIDE,
) -> Picture:
    """Draw three aligned images as one colour picture.

    The hue of a pixel does not depend on its brightness (Lupton et al. 2004),
    a star like the Sun comes out white in any three known bands, and the
    colours of the noise fade to grey.  The white balance is a constant, so
    that neighbouring patches match.

    Parameters
    ----------
    red, green, blue
        Images of shape (y, x) in nJy, NaN where there are no data.  Without
        ``green`` it is the mean of the other two.
    bands
        Short names of the bands, for the white balance and the title.
    max_side
        Largest number of pixels along a side of the picture.

    Raises
    ------
    ShapeError
        Raised when the shapes differ.
    """
    for name, image in (("green", green), ("blue", blue)):
        if image is not None and image.shape != red.shape:
            raise ShapeError(f"The {name} image", found=image.shape, expected=red.shape)
    layers, levels = [], []
    for image, band in zip((red, green, blue), bands, strict=True):
        if image is None:
            continue
        values = block_mean(image, max_side)
        sky, level = clipped_sky(values)
        # Flux of a body as hot as the Sun relative to 0.62 micrometres, so that unknown bands fit in with 1.
        white = _planck(WAVELENGTHS.get(band, WAVELENGTHS["r"])) / _planck(WAVELENGTHS["r"])
        layers.append((values - sky) / white)
        levels.append(level / white)
    cube, noise = np.stack(layers, axis=-1), np.array(levels)
    if green is None:
        cube = np.insert(cube, 1, cube.mean(axis=-1), axis=-1)
        noise = np.insert(noise, 1, noise.mean())
    named = ", ".join(band for band in bands if band)
    return Picture(
        name="color",
        title=f"Colour, {named}" if named else "Colour",
        alt=f"Colour picture from the bands {named or 'given'}; pixels without data are slate.",
        pixels=upright(_mix(cube, noise), ~np.isfinite(cube).all(axis=-1)),
        photographic=True,
    )


def _planck(wavelength: float) -> float:
    """Return the flux per unit frequency of a body as hot as the Sun, in any unit."""
    return wavelength**-3 / math.expm1(_SECOND_RADIATION / (wavelength * _SUN))


def _mix(cube: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the colours as bytes: brightness by the tone curve, hue from the ratios of the layers."""
    floor = float(np.nanmax(noise, initial=0)) or float(np.nanmax(np.abs(cube), initial=0)) / 1000 or 1.0
    # Each layer counts by its inverse noise, so that a shallow band does not bring in all of its grain.
    share = 1 / np.maximum(np.nan_to_num(noise), 1e-3 * floor)
    share /= share.sum()
    luminance = cube @ share
    sigma = float(np.sqrt(np.sum((share * np.nan_to_num(noise)) ** 2))) or floor / 3
    tone = sky_tone(luminance / sigma)
    fade = _NEUTRAL_SIGMA * floor
    ratio = (np.maximum(cube, 0) + fade) / (np.maximum(luminance, 0) + fade)[..., None]
    color = np.nan_to_num(tone[..., None] * ratio**_SATURATION)
    # A channel beyond the range takes the others down with it: bright stars keep their hue.
    brightest = np.maximum(color.max(axis=-1, keepdims=True), 1)
    colors: np.ndarray = np.round(255 * color / brightest).astype(np.uint8)
    return colors

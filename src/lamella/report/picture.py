"""Pictures of a coadd: the sky, the variance, the number of exposures, the mask and the PSF.

All pictures have y up, as the pixels are stored: row 0 of an image is the
bottom line of its picture.  Large images are averaged over blocks of pixels.
Pixels without a measurement are slate.
"""

from __future__ import annotations

import dataclasses
import io
import math
from os import PathLike
from typing import Protocol

import numpy as np
from lsst.images import Image
from PIL import Image as PillowImage
from PIL import PngImagePlugin

from ..coadd.summary import mask_fractions
from ..data.coadd import PatchCoadd
from ..files import write_bytes
from ..image.blanksky import clipped_sky
from ..kernels.arrays import count_values, kernel_array, sum_blocks, sum_flagged
from ..planes import Layout
from .palette import NO_DATA_COLOR, colors_at, hex_color, plane_color
from .wording import percent

__all__ = (
    "Picture",
    "Scale",
    "Swatch",
    "block_mean",
    "block_most",
    "count_picture",
    "count_swatches",
    "dimmed",
    "gradient",
    "grey_sky",
    "image_picture",
    "mask_picture",
    "psf_picture",
    "sky_tone",
    "upright",
    "variance_picture",
    "write_png",
)

MAX_SIDE = 1600
"""Pixels along the longer side of a picture, at most."""

_MANY_COUNTS = 12
_SKY_DEPTH = 2.5  # black lies this many sigma below the sky, so that the sky's grain stays visible
_SOFTENING = 4.5  # sigma at which the tone curve turns from linear to logarithmic
_WHITE_RANGE = (100.0, 4000.0)


@dataclasses.dataclass(frozen=True, slots=True)
class Swatch:
    """One entry of a legend: a colour, what it means, and a remark."""

    color: str
    label: str
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Scale:
    """A continuous legend: colours from left to right, and ticks as (position from 0 to 1, label)."""

    colors: tuple[str, ...]
    ticks: tuple[tuple[float, str], ...]
    unit: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture in memory, with what a reader must know to understand it."""

    name: str
    """Short name for files, e.g. ``"count"``."""
    title: str
    alt: str
    """What the picture shows, in words, for those who do not see it."""
    pixels: np.ndarray = dataclasses.field(repr=False)
    """uint8 of shape (y, x, 3), top line first."""
    swatches: tuple[Swatch, ...] = ()
    scale: Scale | None = None
    photographic: bool = False
    """Whether the picture is grainy, so that JPEG suits it better than PNG where size matters."""

    def png(self) -> bytes:
        """Return the picture as a PNG file, with title and description inside."""
        about = PngImagePlugin.PngInfo()
        about.add_itxt("Title", self.title)
        about.add_itxt("Description", self.alt)
        # Where there is grain to compress, a longer search takes three times as long and finds less.
        level = 3 if self.photographic else 6
        return self._encode("PNG", pnginfo=about, compress_level=level)

    def jpeg(self, quality: int = 88) -> bytes:
        """Return the picture as a JPEG file."""
        # Without ``optimize``, for which Pillow reserves too little memory where pictures are all noise.
        return self._encode("JPEG", quality=quality, subsampling=0)

    def _repr_png_(self) -> bytes:
        """Show the picture in a notebook."""
        return self.png()

    def _encode(self, kind: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        PillowImage.fromarray(np.ascontiguousarray(self.pixels)).save(buffer, kind, **options)
        return buffer.getvalue()


def write_png(path: str | PathLike[str], picture: Picture) -> None:
    """Write a picture to a PNG file, all or nothing.

    Raises
    ------
    OutputError
        Raised when the file cannot be written.
    """
    write_bytes(path, picture.png())


class Drawable(Protocol):
    """An image in a band."""

    @property
    def image(self) -> Image:
        """Its pixels."""
        ...

    @property
    def band(self) -> str:
        """Short name of the passband."""
        ...


def image_picture(coadd: Drawable, *, max_side: int = MAX_SIDE) -> Picture:
    """Draw the sky in grey: asinh of the flux, from just below the sky level to the brightest stars."""
    values = block_mean(coadd.image.array, max_side)
    return Picture(
        name="image",
        title=f"Image, {coadd.band}",
        alt=f"The coadd in band {coadd.band}, asinh stretch; pixels without data are slate.",
        pixels=upright(grey_sky(values), ~np.isfinite(values)),
        photographic=True,
    )


def grey_sky(values: np.ndarray) -> np.ndarray:
    """Return an image of the sky in grey, of shape (y, x, 3): asinh of the flux over the noise of the sky."""
    return np.repeat(_bytes(sky_tone(_in_noise(values)))[..., None], 3, axis=-1)


def variance_picture(coadd: PatchCoadd, *, max_side: int = MAX_SIDE) -> Picture:
    """Draw the variance on a logarithmic colour scale from its 0.5 to its 99.5 percentile."""
    variance = coadd.variance.array
    values = block_mean(variance, max_side, above=0.0)
    good = np.isfinite(values)
    low, high = np.percentile(values[good], [0.5, 99.5]) if good.any() else (1.0, 1.0)
    # A flat variance must not look like a structured one.
    low, high = min(low, high / 1.05), max(high, low * 1.05)
    position = np.log(np.where(good, values, low) / low) / math.log(high / low)
    ticks = tuple((tick, f"{low * (high / low) ** tick:.3g}") for tick in (0, 0.5, 1))
    name = coadd.flux_unit.name
    unit = f"{name}²" if name.isalpha() else f"({name})²"
    return Picture(
        name="variance",
        title="Variance",
        alt=f"Variance of the pixels, from {low:.3g} to {high:.3g} {unit}; pixels without data are slate.",
        pixels=upright(colors_at(position), ~good),
        scale=Scale(gradient(), ticks, unit) if good.any() else None,
    )


def count_picture(coadd: PatchCoadd, *, max_side: int = MAX_SIDE) -> Picture:
    """Draw how many visits were used at each pixel; pixels without any are slate."""
    count = coadd.exposure_count.array
    most = int(count.max(initial=0))
    values = block_mean(count, max_side)
    few = most <= _MANY_COUNTS
    if few:
        values = np.round(values)
    # From the first colour of the scale for one visit to its last for the most.
    colors = np.concatenate([[NO_DATA_COLOR], colors_at(_count_place(np.arange(1, most + 1), most))])
    return Picture(
        name="count",
        title="Exposures per pixel",
        alt=f"Number of exposures used at each pixel, up to {most}; pixels without any are slate.",
        pixels=upright(colors_at(_count_place(values, most)), values <= 0),
        swatches=count_swatches(count, colors) if few else (),
        scale=None if few else Scale(gradient(), ((0, "1"), (0.5, f"{(1 + most) / 2:.0f}"), (1, f"{most}"))),
    )


def mask_picture(coadd: PatchCoadd, *, max_side: int = MAX_SIDE) -> Picture:
    """Draw every plane of the mask in its colour over the dimmed image.

    Wide planes lie below narrow ones.  A block of pixels that a plane covers
    in part shows its colour in part, but enough of it to be seen.
    """
    canvas = dimmed(coadd.image.array, max_side)
    names = list(coadd.mask.schema.names)
    planes = [
        (name, plane_color(name, names.index(name)), fraction)
        for name, fraction in sorted(mask_fractions(coadd.mask).items(), key=lambda item: -item[1])
    ]
    layout = Layout(coadd.mask.schema)
    bits = [layout.bits([name]) for name, _, _ in planes]
    mask = kernel_array(coadd.mask.array[..., 0], np.int32)
    step, shape = _blocks(mask.shape, max_side)
    # The fraction of each block that has each of these bits.
    parts = np.empty((len(bits), *shape))
    sum_flagged(mask, np.array(bits, np.int64).astype(np.int32), step, parts)
    parts /= _block_sizes(mask.shape, step)
    for (name, color, _), covered in zip(planes, parts, strict=True):
        opacity = (1.0 if name == "NO_DATA" else 0.8) * np.sqrt(covered)[..., None]
        canvas *= 1 - opacity
        canvas += opacity * np.array(color, dtype=np.float64)
    listed = ", ".join(f"{name} {percent(fraction)}" for name, _, fraction in planes) or "none"
    return Picture(
        name="mask",
        title="Mask",
        alt=f"Planes of the mask over the dimmed image: {listed}.",
        photographic=True,
        pixels=upright(np.round(canvas).astype(np.uint8)),
        swatches=tuple(Swatch(hex_color(color), name, percent(fraction)) for name, color, fraction in planes),
    )


def dimmed(image: np.ndarray, max_side: int = MAX_SIDE) -> np.ndarray:
    """Return an image as a dark grey ground for colours: float64 of shape (y, x, 3), from 0 to 255.

    Parameters
    ----------
    image
        Array of shape (y, x); black where it is not finite.
    max_side
        Largest number of blocks along an axis.
    """
    values = block_mean(image, max_side)
    grey = 0.45 * _bytes(sky_tone(_in_noise(values)))
    return np.repeat(np.where(np.isfinite(values), grey, 0)[..., None], 3, axis=-1)


def psf_picture(stamp: np.ndarray) -> Picture:
    """Draw a PSF on a colour scale that shows its wings: the logarithm of the flux over the peak.

    Parameters
    ----------
    stamp
        The PSF, shape (y, x), of any normalisation.
    """
    floor = -4.0
    ratio = np.asarray(stamp, dtype=np.float64) / np.nanmax(stamp)
    # The middle, as far as it rises above the floor.
    rows, columns = np.nonzero(ratio >= 10**floor)
    height, width = ratio.shape
    reach = max(np.abs(rows - height // 2).max(), np.abs(columns - width // 2).max()) + 2
    ratio = ratio[
        max(height // 2 - reach, 0) : height // 2 + reach + 1,
        max(width // 2 - reach, 0) : width // 2 + reach + 1,
    ]
    position = np.log10(np.clip(ratio, 10**floor, 1)) / -floor + 1
    return Picture(
        name="psf",
        title="PSF",
        alt="The point-spread function at the centre of the data, logarithmic from 1/10000 of its peak.",
        pixels=upright(colors_at(position)),
        scale=Scale(gradient(), ((0, "10⁻⁴"), (0.5, "10⁻²"), (1, "1")), "of peak"),
    )


def block_mean(values: np.ndarray, max_side: int = MAX_SIDE, *, above: float = -math.inf) -> np.ndarray:
    """Average blocks of pixels so that the longer side has at most ``max_side`` of them.

    Blocks have a whole number of pixels, so that the noise keeps an even
    grain.  Those that are not finite do not count, and a block that has less
    than half of its pixels is NaN.

    Parameters
    ----------
    values
        Array of shape (y, x).
    max_side
        Largest number of blocks along an axis.
    above
        Values that are not above this do not count.

    Returns
    -------
    numpy.ndarray
        float64 of shape (y, x), smaller by a whole factor; the last blocks may be cut.
    """
    step, shape = _blocks(values.shape, max_side)
    total, number = np.empty(shape), np.empty(shape)
    sum_blocks(kernel_array(values), above, step, total, number)
    mean = np.full(total.shape, np.nan)
    np.divide(total, number, out=mean, where=number >= 0.5 * _block_sizes(values.shape, step))
    return mean


def block_most(values: np.ndarray, max_side: int = MAX_SIDE) -> np.ndarray:
    """Return the largest value of each of the blocks that `block_mean` averages."""
    step, _ = _blocks(values.shape, max_side)
    for axis in (0, 1):
        values = np.maximum.reduceat(values, np.arange(0, values.shape[axis], step), axis=axis)
    return values


def _blocks(shape: tuple[int, ...], max_side: int) -> tuple[int, tuple[int, ...]]:
    """Return the side of a block in pixels, and the number of blocks along each axis."""
    step = max(1, math.ceil(max(shape) / max_side))
    return step, tuple(-(-side // step) for side in shape)


def _block_sizes(shape: tuple[int, ...], step: int) -> np.ndarray:
    """Return the number of pixels in each block; the last ones may be cut."""
    rows, columns = (np.minimum(step, side - np.arange(0, side, step)) for side in shape)
    return np.multiply.outer(rows, columns)


def sky_tone(significance: np.ndarray) -> np.ndarray:
    """Return the brightness from 0 to 1 of pixels above the sky, given in units of the noise.

    The curve is asinh: linear in the noise, logarithmic in the stars (Lupton
    et al. 2004).  Its white point is the 99.9 percentile, within limits.
    NaN stays NaN.
    """
    finite = significance[np.isfinite(significance)]
    white = float(np.clip(np.percentile(finite, 99.9), *_WHITE_RANGE)) if finite.size else _WHITE_RANGE[0]
    curve = np.arcsinh((significance + _SKY_DEPTH) / _SOFTENING)
    return np.clip(curve / math.asinh((white + _SKY_DEPTH) / _SOFTENING), 0, 1)


def _in_noise(values: np.ndarray) -> np.ndarray:
    """Return pixels less the sky, over the noise; a picture without noise is scaled by its range."""
    sky, noise = clipped_sky(values)
    if not noise > 0:
        finite = values[np.isfinite(values)]
        noise = float(np.ptp(finite)) / _WHITE_RANGE[1] if finite.size else 0.0
    return (values - sky) / (noise or 1.0)


def upright(colors: np.ndarray, no_data: np.ndarray | None = None) -> np.ndarray:
    """Turn rows stored bottom first into the lines of a picture, and paint pixels without data.

    Parameters
    ----------
    colors
        uint8 of shape (y, x, 3).
    no_data
        Where to paint, bool of shape (y, x).
    """
    lines = colors[::-1].copy()
    if no_data is not None:
        lines[no_data[::-1]] = NO_DATA_COLOR
    return lines


def _bytes(tone: np.ndarray) -> np.ndarray:
    grey: np.ndarray = np.round(255 * np.nan_to_num(tone)).astype(np.uint8)
    return grey


def gradient(start: float = 0.0) -> tuple[str, ...]:
    """Return colours of the scale as HTML writes them, from a position on it to its end."""
    return tuple(hex_color(color) for color in colors_at(np.linspace(start, 1, 11)))


def _count_place(values: np.ndarray, most: int) -> np.ndarray:
    return (values - 1) / max(most - 1, 1)


def count_swatches(counts: np.ndarray, colors: np.ndarray, first: int = 0) -> tuple[Swatch, ...]:
    """Return the legend of numbers per pixel.

    Parameters
    ----------
    counts
        int, of shape (y, x).
    colors
        Colour of each number; one that has no pixels is left out.
    first
        Number of the first colour.
    """
    pixels = np.zeros(first + len(colors), dtype=np.int64)
    count_values(kernel_array(counts, np.int32).reshape(-1), np.ones(counts.size, dtype=bool), pixels)
    fractions = pixels[first:] / max(counts.size, 1)
    return tuple(
        Swatch(hex_color(color), f"{number}", percent(fraction))
        for number, (color, fraction) in enumerate(zip(colors, fractions, strict=True), start=first)
        if fraction > 0
    )

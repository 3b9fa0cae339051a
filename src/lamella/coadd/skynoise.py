"""Noise of blank sky against the variance plane of a coadd, and the correction of that plane.

Resampling gives neighbouring pixels noise in common.  The variance of each
pixel is known all the same, but no variance plane holds what pixels share, so
that the error of a flux, which adds up many of them, comes out too small.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ..data.coadd import PatchCoadd
from ..data.noise import SkyNoise
from ..data.options import VarianceCorrection
from ..errors import InvalidPsfError
from ..image.blanksky import clipped_sky, noise_ratio, psf_noise_ratio
from ..kernels.arrays import find_covered, kernel_array
from ..kernels.order.median import median
from ..planes import Layout

__all__ = ("Coverage", "corrected", "covered_pixels", "measure_sky_noise")


_NOT_SKY = ("BAD", "SATURATED", "SUSPECT", "NO_DATA", "DETECTED", "DETECTED_NEGATIVE", "BRIGHT_OBJECT")


_NOISE_BOX = 1024  # pixels; enough sky to know the noise to a fraction of a percent


_DIGITS = 6  # fewer than rounding in a Fourier transform could change


def measure_sky_noise(coadd: PatchCoadd) -> SkyNoise:
    """Compare the variance plane of a coadd with the scatter of blank sky.

    Parameters
    ----------
    coadd
        A coadd whose variance plane is as it was propagated.

    Returns
    -------
    SkyNoise
        From up to 1024 x 1024 pixels around the centre of the data.  Sources
        too faint to be recognised count as noise.
    """
    covered = covered_pixels(coadd)
    if not covered.count:
        return SkyNoise()
    x, y = covered.centre
    y0, x0 = (
        max(min(middle - side.start - _NOISE_BOX // 2, side.size - _NOISE_BOX), 0)
        for middle, side in ((y, coadd.bbox.y), (x, coadd.bbox.x))
    )
    window = slice(y0, y0 + _NOISE_BOX), slice(x0, x0 + _NOISE_BOX)
    not_sky = Layout(coadd.mask.schema).bits(_NOT_SKY, missing_ok=True)
    usable = covered.pixels[window] & (coadd.mask.array[..., 0][window] & not_sky == 0)
    image = np.zeros(usable.shape)
    np.copyto(image, coadd.image.array[window], where=usable)
    weight = np.zeros(usable.shape, np.float32)
    np.divide(1, coadd.variance.array[window], out=weight, where=usable)
    # What is left of the sky would count as noise of fluxes, which add up many pixels of it.
    image -= np.nan_to_num(clipped_sky(image, usable)[0])
    noise, pixel = noise_ratio(image, weight, usable)
    stamp = _psf_image(coadd, x, y)
    flux, of_sources = (None, None) if stamp is None else psf_noise_ratio(image, weight, usable, stamp)
    if flux is not None and usable.size < covered.pixels.size:
        # The box may be deeper or shallower than the coadd is typically.
        variance, inside = coadd.variance.array, covered.pixels[window]
        ratio = math.sqrt(median(variance, covered.pixels) / median(variance[window], inside))
        flux *= ratio if 0.0 < ratio < math.inf else 1.0
    return SkyNoise(
        pixel_noise=_rounded(noise), pixel=_square(pixel), psf=_square(of_sources), flux_noise=_rounded(flux)
    )


def corrected(coadd: PatchCoadd, kind: VarianceCorrection) -> PatchCoadd:
    """Return a coadd with its noise on record, and with a corrected variance plane if that is wanted.

    Parameters
    ----------
    coadd
        A coadd whose variance plane is as it was propagated; the correction changes it in place.
    kind
        Which factor the variance plane is multiplied by, however large.  When there
        is nothing that it could be measured on, the plane stays as it is and a note
        says so.
    """
    noise = measure_sky_noise(coadd)
    factor = noise.factor(kind)
    if kind == "none":
        return coadd.replace(noise=noise)
    if factor is None or factor <= 0.0:
        few = "there is too little blank sky, or no PSF, to measure the factor"
        wrong = few if factor is None else "blank sky does not scatter at all"
        note = f"The variance plane was not corrected ({kind}): {wrong}."
    else:
        coadd.variance.array[...] *= np.float32(factor)
        noise = dataclasses.replace(noise, correction=kind)
        note = f"The variance plane was multiplied by {factor:.4g} ({kind}), measured on blank sky."
    return coadd.replace(noise=noise, notes=(*coadd.notes, note))


@dataclasses.dataclass(frozen=True)
class Coverage:
    """Where a coadd holds a measurement."""

    pixels: np.ndarray
    """bool, shape (y, x)."""
    count: int
    """Number of these pixels."""
    centre: tuple[int, int]
    """(x, y) of the pixel next to the centroid of those that the PSF model describes exactly."""


def covered_pixels(coadd: PatchCoadd) -> Coverage:
    """Find where a coadd holds a measurement, and the centre of that."""
    layout = Layout(coadd.mask.schema)
    no_data, inexact = (layout.bits([name], missing_ok=True) for name in ("NO_DATA", "INEXACT_PSF"))
    image = kernel_array(coadd.image.array, np.float32)
    mask = kernel_array(coadd.mask.array[..., 0], np.int32)
    variance = kernel_array(coadd.variance.array, np.float32)
    covered = np.empty(image.shape, dtype=bool)
    rows, columns = (np.empty((2, size), np.int32) for size in image.shape)
    find_covered(image, mask, variance, no_data, inexact, covered, rows, columns)
    count, exact = (int(numbers.sum(dtype=np.int64)) for numbers in rows)
    box, kind = coadd.bbox, 1 if exact else 0
    if not count:
        return Coverage(covered, 0, (round(box.x.center), round(box.y.center)))
    y, x = (
        round(float(np.average(np.arange(numbers.shape[1]), weights=numbers[kind])))
        for numbers in (rows, columns)
    )
    if not covered[y, x] or (exact and mask[y, x] & inexact):
        y, x = _nearest(covered & (mask & inexact == 0) if exact else covered, y, x)
    return Coverage(covered, count, (box.x.start + x, box.y.start + y))


def _nearest(choice: np.ndarray, y: int, x: int) -> tuple[int, int]:
    """Return the row and column of the chosen pixel next to a position; the first one of several."""
    reach = 16
    while True:
        y0, x0 = max(y - reach, 0), max(x - reach, 0)
        window = choice[y0 : y + reach + 1, x0 : x + reach + 1]
        ys, xs = np.nonzero(window)
        squares = (ys + y0 - y) ** 2 + (xs + x0 - x) ** 2
        # Beyond the window there may be nearer ones than in its corners.
        if squares.size and (squares.min() <= reach**2 or window.shape == choice.shape):
            nearest = int(np.argmin(squares))
            return int(ys[nearest]) + y0, int(xs[nearest]) + x0
        reach *= 4


def _psf_image(coadd: PatchCoadd, x: int, y: int) -> np.ndarray | None:
    """Return the PSF at a pixel, of sum 1."""
    try:
        if coadd.psf is None:
            return None
        stamp = coadd.psf.compute_kernel_image(x=float(x), y=float(y)).array.astype(np.float64)
    except InvalidPsfError:
        return None
    total = float(stamp.sum())
    normalised: np.ndarray | None = stamp / total if 0.0 < total < math.inf else None
    return normalised


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{_DIGITS}g}")


def _square(ratio: float | None) -> float | None:
    return None if ratio is None else _rounded(ratio**2)

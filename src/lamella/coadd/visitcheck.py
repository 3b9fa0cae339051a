"""Whether a visit goes with the coadd it is in: positions and fluxes of its sources, and its noise."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from lsst.images import Box

from ..data.inputs import WarpInput
from ..data.visit_check import ASTROMETRY, ZERO_POINT, VisitCheck
from ..image.planes import Planes, overlap
from ..planes import Layout
from .stack.sources import read_rows
from .stack.tiles import InputReader, StackedPlanes

__all__ = ("check_visits", "noise_warning")

_SIGNIFICANT = 30.0  # sigma of the brightest pixel of a source that is measured
_CELLS, _PER_CELL = 8, 4  # the brightest few of each part of a patch, so that every visit has some
_SHARPEST = 0.7  # of the narrowest PSF: cosmic rays that are left in a few visits are in one of them only
_REACH = 9  # pixels around a source without a brighter one, in which its width is measured
_APERTURE, _WINDOW = 5.0, 1.5  # sigma of the PSF: radius of fluxes, width of the window of centroids
_MAX_APERTURE = 15
_FEWEST = 5  # sources for a verdict
_MAX_OFFSET = 0.08  # of the width of the PSF at half maximum
_MAX_FLUX = 0.12
_ERRORS = 4.0  # standard errors that a verdict allows for
_MISSING, _MOST_MISSING = 0.3, 0.25
"""Light, of that in the coadd, below which a source is not there; and the part of sources that may lack."""
_ALL_MISSING = 0.93
"""Sum, over two visits, of the parts of sources that lack, from which on hardly any is in both."""
_NOISE = (0.67, 1.5)
_ROWS, _STEP, _RUN = 64, 5, 40  # noise: rows, columns from one sample to the next, samples with one level
_CLIPPED = 1.25  # noise, over what is stated, from which on clips distort its measurement
_NO_NOISE = 0.02
_ENOUGH = 400  # samples of blank sky
_MAD_TO_SIGMA = 1.4826


def check_visits(
    inputs: Sequence[WarpInput],
    coadd: StackedPlanes,
    layout: Layout,
    bad: int,
    *,
    pixel_scale: float | None = None,
    threads: int = 1,
) -> tuple[VisitCheck, ...]:
    """Compare each visit with the coadd.

    Each visit is measured against the coadd (of two, against their plain mean, because a clip would keep
    the sources of neither), and judged against the median of all.  Positions and fluxes are those of the
    brightest sources that are not saturated, a few in each of 64 parts of the patch: centroids in a Gaussian
    window, and sums in an aperture of five sigma of the PSF.  A verdict allows for four standard errors
    beyond 8 % of the width of the PSF, and beyond 12 % of the flux, which is more than seeing makes.  The
    noise is the scatter of single pixels of blank sky around the coadd; it is compared with the variance
    plane of the warp, which knows what the resampling did to single pixels.

    Parameters
    ----------
    inputs
        The visits, with weights.
    coadd
        Planes of the coadd, before its variance is corrected.
    layout
        Planes of their mask.
    bad
        Bits of pixels that are not used.
    pixel_scale
        Arcseconds per pixel, to tell offsets in.
    threads
        Number of visits that are compared at a time.

    Returns
    -------
    tuple of VisitCheck
        One per input, in their order.
    """
    alone = len(inputs) == 1
    # Where two visits differ, the clip of a coadd keeps the lower one, and no source of either is left.
    reference = _plain_mean(inputs, coadd.box, layout, bad) if len(inputs) == 2 else coadd
    narrowest = _SHARPEST * _least_sigma(inputs, pixel_scale)
    sources = _Sources.find(reference, layout.saturated | layout.no_data, narrowest)

    def measure(warp: WarpInput) -> _Measured:
        ratios = np.zeros((0, 4)) if alone else _compare_sources(warp, reference, sources, layout, bad)
        return _Measured.of(ratios, _noise(warp, coadd, layout, bad, alone=alone))

    with ThreadPoolExecutor(threads) as pool:
        measured = list(pool.map(measure, inputs))
    if len(measured) == 2 and sum(visit.faint for visit in measured) < _ALL_MISSING:
        # Two visits that are apart have no source in common; what one of them has alone are cosmic rays.
        measured = [dataclasses.replace(visit, missing=0.0) for visit in measured]
    # All visits that went into it move the coadd a little; their median does not follow one that is wrong.
    values = [(visit.dx, visit.dy, visit.flux) for visit in measured if visit.sources >= _FEWEST]
    dx, dy, flux = np.median(values, axis=0).tolist() if values else (0.0, 0.0, 1.0)
    usual = (dx, dy, flux if flux > 0.0 else 1.0)
    return tuple(
        _judge(warp, visit, usual, sources.fwhm, pixel_scale)
        for warp, visit in zip(inputs, measured, strict=True)
    )


def _least_sigma(inputs: Sequence[WarpInput], pixel_scale: float | None) -> float:
    """Return the width of the narrowest PSF, as a standard deviation in pixels; 0 where none is known."""
    widths = [item.psf_fwhm for visit in inputs for item in visit.detectors if item.psf_fwhm is not None]
    if not widths or pixel_scale is None or not math.isfinite(min(widths)):
        return 0.0
    return min(widths) / (2.3548 * pixel_scale)


def _plain_mean(inputs: Sequence[WarpInput], bbox: Box, layout: Layout, bad: int) -> Planes:
    """Return the mean of the good pixels of some inputs, without weights."""
    total, number, spread = (np.zeros(bbox.shape, np.float32) for _ in range(3))
    mask = np.zeros(bbox.shape, np.int32)
    for warp in inputs:
        box = overlap(warp.source.bbox, bbox)
        if box is None:
            continue
        planes, at = InputReader(warp, layout).read(box), box.slice_within(bbox)
        good = ((planes.mask & bad) == 0) & np.isfinite(planes.image) & np.isfinite(planes.variance)
        total[at] += np.where(good, planes.image, np.float32(0.0))
        spread[at] += np.where(good, planes.variance, np.float32(0.0))
        number[at] += good
        mask[at] |= planes.mask
    with np.errstate(divide="ignore", invalid="ignore"):
        return Planes(bbox, total / number, mask, spread / number**2)


@dataclasses.dataclass(frozen=True)
class _Measured:
    """What was measured of a visit: medians over its sources, and their standard errors."""

    sources: int
    dx: float = 0.0
    dy: float = 0.0
    flux: float = 1.0
    offset_error: float = 0.0
    flux_error: float = 0.0
    missing: float = 0.0
    """Share of the sources of the coadd that are not there."""
    noise: float | None = None
    faint: float = 0.0
    """Share of those that have hardly any of their light, also where that is so of all."""

    @classmethod
    def of(cls, ratios: np.ndarray, noise: float | None) -> _Measured:
        number = len(ratios)
        if number < _FEWEST:
            return cls(number, noise=noise)
        middle = np.median(ratios, axis=0)
        spread = _MAD_TO_SIGMA * np.median(np.abs(ratios - middle), axis=0)
        # The standard error of a median of normal values is 1.25 times that of their mean.
        errors = 1.25 * spread / math.sqrt(number)
        faint = float((ratios[:, 3] < _MISSING).mean())
        # Where all are as faint, it is the zero point.
        missing = faint if spread[3] > _MISSING * abs(middle[3]) else 0.0
        dx, dy, flux, _ = middle.tolist()
        return cls(
            number, dx, dy, flux, float(np.hypot(*errors[:2])), float(errors[2]), missing, noise, faint
        )


def _judge(
    warp: WarpInput,
    measured: _Measured,
    usual: tuple[float, float, float],
    fwhm: float,
    pixel_scale: float | None,
) -> VisitCheck:
    warnings: list[str] = []
    dx, dy, flux = measured.dx - usual[0], measured.dy - usual[1], measured.flux / usual[2]
    enough = measured.sources >= _FEWEST
    if enough and measured.missing > _MOST_MISSING:
        warnings.append(
            f"Of {measured.sources} sources of the coadd, {100.0 * measured.missing:.0f} % are not where "
            f"they should be in it: {ASTROMETRY}"
        )
    elif enough:
        if abs(flux - 1.0) > _MAX_FLUX + _ERRORS * (measured.flux_error / usual[2]):
            sense, size = "brighter" if flux > 1.0 else "fainter", 100.0 * abs(flux - 1.0)
            warnings.append(f"Its sources are {size:.0f} % {sense} than in the other visits: {ZERO_POINT}")
        offset = math.hypot(dx, dy)
        if offset > _MAX_OFFSET * fwhm + _ERRORS * measured.offset_error:
            angle = "" if pixel_scale is None else f" or {1000.0 * offset * pixel_scale:.0f} mas"
            warnings.append(
                f"Its sources are {offset:.2f} pixels{angle} ({dx:+.2f} in x, {dy:+.2f} in y; "
                f"{offset / fwhm:.2f} of the width of the PSF) from those of other visits: {ASTROMETRY}"
            )
    noise = measured.noise
    if noise is not None and (warning := noise_warning(noise)):
        warnings.append(warning)
    return VisitCheck(
        instrument=warp.instrument,
        visit=warp.visit,
        sources=measured.sources,
        dx=dx if enough else None,
        dy=dy if enough else None,
        flux=flux if enough else None,
        noise=noise,
        warning=" ".join(warnings),
    )


def noise_warning(noise: float) -> str:
    """Return a sentence on noise that is not what its variance says, given their ratio; empty where it is."""
    if _NOISE[0] <= noise <= _NOISE[1]:
        return ""
    return f"Its noise is {noise:.2g} times what its variance says: look at what its variance or weight is."


@dataclasses.dataclass(frozen=True, eq=False)
class _Sources:
    """Sources of a coadd: pixels from its corner, and the width of the PSF in pixels."""

    y: np.ndarray
    x: np.ndarray
    sigma: float

    @property
    def fwhm(self) -> float:
        return 2.3548 * self.sigma

    @classmethod
    def find(cls, coadd: Planes, bad: int, narrowest: float) -> _Sources:
        """Find bright sources that nothing brighter is near, the brightest of each cell of the image.

        What is narrower than ``narrowest`` (a standard deviation in pixels) is none.
        """
        image = coadd.image
        y, x = np.nonzero(image > _SIGNIFICANT * np.sqrt(np.maximum(coadd.variance, np.float32(0.0))))
        inside = (np.minimum(y, image.shape[0] - 1 - y) > _REACH) & (
            np.minimum(x, image.shape[1] - 1 - x) > _REACH
        )
        y, x = y[inside], x[inside]
        peak = np.ones(y.size, bool)
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            peak &= image[y, x] >= image[y + dy, x + dx]
        y, x = y[peak], x[peak]
        cell = y * _CELLS // image.shape[0] * _CELLS + x * _CELLS // image.shape[1]
        order = np.lexsort((-image[y, x], cell))
        rows, columns, sigmas, number, last = [], [], [], 0, -1
        for k in order.tolist():
            if cell[k] != last:
                number, last = 0, cell[k]
            if number == _PER_CELL:
                continue
            at = (slice(y[k] - _REACH, y[k] + _REACH + 1), slice(x[k] - _REACH, x[k] + _REACH + 1))
            stamp = image[at]
            # NaN is not the largest, and so not a source.
            if stamp.max() != image[y[k], x[k]] or (coadd.mask[at] & bad).any():
                continue
            stamp = np.maximum(stamp - np.median(_rim(stamp)), 0.0).astype(np.float64)
            if not stamp.any():  # a level without noise
                continue
            # For a Gaussian, the squared sum over the sum of squares is 4 pi sigma^2.
            sigma = math.sqrt(stamp.sum() ** 2 / (stamp**2).sum() / (4.0 * math.pi))
            if sigma < narrowest:
                continue
            sigmas.append(sigma)
            rows.append(y[k])
            columns.append(x[k])
            number += 1
        # Galaxies are wider than stars.
        sigma = float(np.quantile(sigmas, 0.25)) if sigmas else 2.0
        return cls(np.array(rows, int), np.array(columns, int), float(np.clip(sigma, 0.6, 4.0)))


def _rim(stamp: np.ndarray) -> np.ndarray:
    return np.concatenate([stamp[0], stamp[-1], stamp[1:-1, 0], stamp[1:-1, -1]])


def _compare_sources(
    warp: WarpInput, coadd: Planes, sources: _Sources, layout: Layout, bad: int
) -> np.ndarray:
    """Return offsets in x and y and the ratios of fluxes, in apertures and in windows: shape (source, 4)."""
    reader, bbox = InputReader(warp, layout), coadd.box
    half = min(math.ceil(_APERTURE * sources.sigma) + 1, _MAX_APERTURE)
    offsets = np.arange(-half, half + 1)
    square = np.add.outer(offsets**2, offsets**2)
    window = np.exp(-0.5 * square / (_WINDOW * sources.sigma) ** 2)
    aperture = square <= half**2
    # A window of that width follows a Gaussian star by this share of its way.
    follow = _WINDOW**2 / (1.0 + _WINDOW**2)

    def measure(stamp: np.ndarray) -> tuple[float, float, float, float]:
        # Centroid (x, y) in the window, from the middle of a stamp, and fluxes in aperture and window.
        image = stamp.astype(np.float64) - np.median(_rim(stamp))
        weighted = image * window
        total = weighted.sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            cx, cy = (weighted.sum(axis=0) @ offsets) / total, (weighted.sum(axis=1) @ offsets) / total
        return float(cx), float(cy), float(image[aperture].sum()), float(total)

    ratios = []
    for y, x in zip(sources.y.tolist(), sources.x.tolist(), strict=True):
        y0, x0 = y + bbox.y.start - half, x + bbox.x.start - half
        box = Box.factory[y0 : y0 + 2 * half + 1, x0 : x0 + 2 * half + 1]
        if not (bbox.contains(box) and warp.source.bbox.contains(box)):
            continue
        planes = reader.read(box)
        if (planes.mask & bad).any() or not np.isfinite(planes.image).all():
            continue
        reference = coadd.part(box).image
        if not np.isfinite(reference).all():
            continue
        (dx, dy, flux, light), (cx, cy, total, whole) = measure(planes.image), measure(reference)
        ratios.append(((dx - cx) / follow, (dy - cy) / follow, flux / total, light / whole))
    measured = np.array(ratios).reshape(-1, 4)
    return measured[np.isfinite(measured).all(axis=1)]


def _noise(warp: WarpInput, coadd: StackedPlanes, layout: Layout, bad: int, *, alone: bool) -> float | None:
    """Return the scatter of pixels of blank sky around the coadd over what the variances say."""
    box = overlap(warp.source.bbox, coadd.box)
    if box is None or box.x.size < 2:
        return None
    step, run = (1, min(_RUN, box.x.size)) if box.x.size < _STEP * _RUN else (_STEP, _RUN)
    rows = np.unique(np.linspace(box.y.start, box.y.stop - 1, min(_ROWS, box.y.size)).astype(int))
    columns = box.x.slice_within(warp.source.bbox.x)
    image, mask, variance = (
        plane[:, columns][:, ::step].copy() for plane in read_rows(warp.source, rows.tolist())
    )
    layout.moved(mask, Layout(warp.source.schema))
    if warp.alternate is not None:
        mask |= warp.alternate.bits(box, layout)[rows - box.y.start, ::step]
    reference = coadd.part(box)
    sky, spread, count = (
        plane[rows - box.y.start, ::step].astype(np.float64)
        for plane in (reference.image, reference.variance, reference.count)
    )
    image, variance = image * np.float64(warp.scale), variance * np.float64(warp.scale) ** 2
    good = ((mask & bad) == 0) & np.isfinite(image) & np.isfinite(variance) & (variance > 0)
    good &= np.isfinite(sky)
    if not good.any():
        return None
    level = np.median(sky[good])
    # By its own scatter, too: the stated noise is what is in question.
    width = np.maximum(np.sqrt(np.maximum(spread, 0.0)), _MAD_TO_SIGMA * np.median(np.abs(sky[good] - level)))
    good &= np.abs(np.where(good, sky, level) - level) < 3.0 * width
    plain = _scatter(np.where(good, image, 0.0) / np.sqrt(np.where(good, variance, 1.0)), good, run)
    if alone:
        return plain
    # What the mean shares with the visit is not in the difference: best weights leave v - V.
    left = np.where(good, variance, 1.0) - np.where(good, spread, 0.0)
    good &= (count > 1) & (left > 0.1 * variance)
    difference = np.where(good, image, 0.0) - np.where(good, sky, 0.0)
    around = _scatter(difference / np.sqrt(np.where(good, left, 1.0)), good, run)
    # A clip that takes noise for defects follows the values, and the difference from it is too small.
    return plain if around is not None and around > _CLIPPED else around


def _scatter(pull: np.ndarray, good: np.ndarray, run: int) -> float | None:
    """Return the scatter of good values around the levels of runs along the rows; `None` with few of them."""
    pull = np.where(good, pull, np.nan)
    pull = pull[:, : pull.shape[1] // run * run].reshape(-1, run)
    pull = pull[np.isfinite(pull).sum(axis=1) > run // 2]
    if np.isfinite(pull).sum() < _ENOUGH:
        return None
    pull = pull - np.nanmedian(pull, axis=1, keepdims=True)
    # The median of each run takes a share of the scatter along.
    scatter = _MAD_TO_SIGMA * float(np.nanmedian(np.abs(pull)))
    # Images without any noise are simulated, and no sign of a wrong variance.
    return scatter / math.sqrt(1.0 - 0.5 * math.pi / run) if scatter > _NO_NOISE else None

"""The numbers that say how good a coadd is: area, inputs, PSF width, depth, noise."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from typing import Any, Protocol

import numpy as np
from astropy.table import Table
from lsst.images import Box, Image, Mask, SkyProjection
from lsst.images.psfs import PointSpreadFunction

from ..config import PlainValues
from ..errors import InvalidPsfError
from ..planes import bits_of
from ..psf.measure import effective_area, fwhm
from ..sky.footprint import pixel_scale
from .blanksky import clipped_sky, noise_ratio, psf_noise_ratio
from .scale import magnitude

__all__ = (
    "CoaddLike",
    "CoaddSummary",
    "Rejected",
    "covered_pixels",
    "summarize",
)

_NOT_SKY = ("BAD", "SATURATED", "SUSPECT", "NO_DATA", "DETECTED", "DETECTED_NEGATIVE", "BRIGHT_OBJECT")
_NOISE_BOX = 1024  # pixels; enough sky to know the noise to a fraction of a percent


class CoaddLike(Protocol):
    """What this module needs of a coadd; `lamella.coadd.archive.PatchCoadd` has it all.

    Attributes
    ----------
    image, variance, exposure_count
        Planes of shape (y, x), in nJy, nJy squared and visits.
    mask
        int32 mask with the schema of `lamella.planes.make_schema`.
    psf
        PSF model; `None`, or an `InvalidPsfError` on access, if there is none.
    inputs, rejected
        One row per detector that is in the coadd, and per exposure that is not.
    """

    band: str
    tract: int
    patch: tuple[int, int]

    @property
    def image(self) -> Image: ...  # noqa: D102
    @property
    def mask(self) -> Mask: ...  # noqa: D102
    @property
    def variance(self) -> Image: ...  # noqa: D102
    @property
    def bbox(self) -> Box: ...  # noqa: D102
    @property
    def sky_projection(self) -> SkyProjection[Any] | None: ...  # noqa: D102
    @property
    def exposure_count(self) -> Image: ...  # noqa: D102
    @property
    def psf(self) -> PointSpreadFunction | None: ...  # noqa: D102
    @property
    def inputs(self) -> Table: ...  # noqa: D102
    @property
    def rejected(self) -> Table: ...  # noqa: D102


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Rejected:
    """How many exposures were left out for one reason."""

    stage: str
    reason: str
    count: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoaddSummary(PlainValues):
    """The numbers of one coadd.

    A number that cannot be measured is `None`, never NaN, so that the summary
    is plain JSON.
    """

    band: str
    tract: int
    patch: tuple[int, int]
    """Column and row of the patch in the tract."""
    width: int
    """Pixels along x."""
    height: int
    """Pixels along y."""
    pixel_scale: float | None
    """Arcseconds per pixel at the centre of the data: the root of a pixel's area."""
    area: float | None
    """Area that holds data, square arcminutes."""
    covered_fraction: float
    """Part of the pixels that hold data."""
    visits: int
    """Number of visits that contribute."""
    detectors: int
    """Number of detector images that contribute."""
    rejected: tuple[Rejected, ...]
    """Exposures left out, counted by stage and reason."""
    median_count: float | None
    """Median number of visits per pixel, where there are data."""
    max_count: int
    """Largest number of visits at a pixel."""
    psf_fwhm: float | None
    """Full width at half maximum of the PSF at the centre of the data, arcseconds."""
    psf_position: tuple[int, int] | None
    """Pixel (x, y) at the centre of the data, where the PSF is taken."""
    psf_area: float | None
    """Effective area of the PSF (one over the sum of its squares), pixels."""
    median_variance: float | None
    """Median of the variance plane where there are data, nJy squared."""
    depth: float | None
    """AB magnitude of a point source of 5 sigma, by the variance plane (see `summarize`)."""
    pixel_noise: float | None
    """Measured noise of a pixel of blank sky, nJy."""
    noise_ratio: float | None
    """Measured noise of pixels over what the variance plane says."""
    psf_noise_ratio: float | None
    """The same for point-source fluxes; it exceeds one where neighbouring pixels share noise."""
    mask_fractions: dict[str, float]
    """Part of the pixels that each mask plane covers; planes without a pixel are left out."""
    seconds: float | None = None
    """Wall time that the coadd took."""
    notes: tuple[str, ...] = ()
    """Why a number is absent."""

    @property
    def label(self) -> str:
        """Tract and patch for people, e.g. ``"0 · 5,4"``."""
        return f"{self.tract} · {self.patch[0]},{self.patch[1]}"

    @property
    def rejected_count(self) -> int:
        """Number of exposures that were left out."""
        return sum(item.count for item in self.rejected)


def summarize(coadd: CoaddLike, *, seconds: float | None = None) -> CoaddSummary:
    """Measure a coadd.

    The depth follows from the variance plane and the PSF *p*, normalised to
    sum 1: the best estimate of a point source's flux has the variance
    ``v / sum(p^2)``, with ``v`` the median variance of the pixels that hold
    data.  It takes the noise of pixels as independent, which resampled pixels
    are not; ``psf_noise_ratio`` says what blank sky says to that, so that the
    depth to be had is ``depth - 2.5 log10(psf_noise_ratio)``.

    Parameters
    ----------
    coadd
        A coadd in memory.
    seconds
        Wall time that making it took, if known.
    """
    covered = covered_pixels(coadd)
    notes: list[str] = []
    x, y = _data_centre(coadd, covered)
    projection = coadd.sky_projection
    scale = _finite(pixel_scale(projection, coadd.bbox)) if projection is not None else None
    psf = _measure_psf(coadd, x, y, notes) if covered.any() else None
    variance = _median(coadd.variance.array[covered])
    return CoaddSummary(
        **_inputs_numbers(coadd),
        **_coverage_numbers(coadd, covered),
        **_noise_numbers(coadd, covered, (x, y), psf),
        band=coadd.band,
        tract=int(coadd.tract),
        patch=(int(coadd.patch[0]), int(coadd.patch[1])),
        pixel_scale=scale,
        area=_finite(covered.sum() * scale**2 / 3600) if scale else None,
        psf_fwhm=_finite(psf.fwhm * scale) if psf and scale else None,
        psf_position=(x, y) if psf else None,
        psf_area=psf.area if psf else None,
        median_variance=variance,
        depth=_depth(variance, psf),
        mask_fractions=_mask_fractions(coadd.mask),
        seconds=seconds,
        notes=tuple(notes),
    )


def covered_pixels(coadd: CoaddLike) -> np.ndarray:
    """Return where a coadd holds a measurement: a bool array of shape (y, x)."""
    mask = coadd.mask.array[..., 0]
    variance = coadd.variance.array
    no_data = bits_of(coadd.mask.schema, ["NO_DATA"], missing_ok=True)
    good: np.ndarray = np.isfinite(coadd.image.array) & np.isfinite(variance) & (variance > 0)
    good &= mask & no_data == 0
    return good


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _median(values: np.ndarray) -> float | None:
    return _finite(np.median(values)) if values.size else None


def _inputs_numbers(coadd: CoaddLike) -> dict[str, Any]:
    inputs, rejected = coadd.inputs, coadd.rejected
    visits = {(str(row["instrument"]), int(row["visit"])) for row in inputs}
    reasons = Counter((str(row["stage"]), str(row["reason"])) for row in rejected)
    return {
        "visits": len(visits),
        "detectors": len(inputs),
        "rejected": tuple(sorted(Rejected(stage, why, n) for (stage, why), n in reasons.items())),
    }


def _coverage_numbers(coadd: CoaddLike, covered: np.ndarray) -> dict[str, Any]:
    count = coadd.exposure_count.array
    return {
        "width": coadd.bbox.x.size,
        "height": coadd.bbox.y.size,
        "covered_fraction": float(covered.mean()) if covered.size else 0.0,
        "median_count": _median(count[covered]),
        "max_count": int(count.max(initial=0)),
    }


def _mask_fractions(mask: Mask) -> dict[str, float]:
    bits = mask.array[..., 0]
    present = int(np.bitwise_or.reduce(bits, axis=None)) if bits.size else 0
    parts = {}
    for name in mask.schema.names:
        bit = bits_of(mask.schema, [name])
        if present & bit:
            parts[name] = float(np.count_nonzero(bits & bit) / bits.size)
    return parts


def _data_centre(coadd: CoaddLike, covered: np.ndarray) -> tuple[int, int]:
    """Return (x, y) of the pixel next to the centroid of those that the PSF model describes exactly."""
    inexact = bits_of(coadd.mask.schema, ["INEXACT_PSF"], missing_ok=True)
    exact = covered & (coadd.mask.array[..., 0] & inexact == 0)
    choice = exact if exact.any() else covered
    box = coadd.bbox
    if not choice.any():
        return round(box.x.center), round(box.y.center)
    y = round(np.average(np.arange(choice.shape[0]), weights=choice.sum(axis=1)))
    x = round(np.average(np.arange(choice.shape[1]), weights=choice.sum(axis=0)))
    if not choice[y, x]:
        ys, xs = np.nonzero(choice)
        nearest = np.argmin((ys - y) ** 2 + (xs - x) ** 2)
        y, x = int(ys[nearest]), int(xs[nearest])
    return box.x.start + x, box.y.start + y


@dataclasses.dataclass(frozen=True)
class _PsfNumbers:
    """The PSF at a pixel: its image of sum 1, its width and area in pixels."""

    stamp: np.ndarray
    fwhm: float
    area: float


def _measure_psf(coadd: CoaddLike, x: float, y: float, notes: list[str]) -> _PsfNumbers | None:
    try:
        psf = coadd.psf
        if psf is None:
            return None
        stamp = psf.compute_kernel_image(x=float(x), y=float(y)).array.astype(np.float64)
        return _PsfNumbers(stamp / stamp.sum(), fwhm(psf, x, y), effective_area(psf, x, y))
    except InvalidPsfError as err:
        notes.append(f"No PSF at the centre of the data: {err.message}")
        return None


def _depth(variance: float | None, psf: _PsfNumbers | None) -> float | None:
    if variance is None or psf is None:
        return None
    return _finite(magnitude(5 * math.sqrt(variance * psf.area)))


def _noise_numbers(
    coadd: CoaddLike, covered: np.ndarray, centre: tuple[int, int], psf: _PsfNumbers | None
) -> dict[str, Any]:
    """Measure the noise of blank sky in a box around the centre of the data."""
    part = _box_around(coadd.bbox, *centre)
    not_sky = bits_of(coadd.mask.schema, _NOT_SKY, missing_ok=True)
    usable = covered[part] & (coadd.mask.array[..., 0][part] & not_sky == 0)
    image = np.where(usable, coadd.image.array[part], 0).astype(np.float64)
    weight = np.zeros_like(image)
    np.divide(1, coadd.variance.array[part], out=weight, where=usable)
    image -= np.nan_to_num(clipped_sky(image[usable])[0])
    noise, ratio = noise_ratio(image, weight, usable)
    of_sources = psf_noise_ratio(image, weight, usable, psf.stamp) if psf else None
    return {"pixel_noise": noise, "noise_ratio": ratio, "psf_noise_ratio": of_sources}


def _box_around(bbox: Box, x: int, y: int) -> tuple[slice, slice]:
    def around(middle: int, start: int, size: int) -> slice:
        first = max(min(middle - start - _NOISE_BOX // 2, size - _NOISE_BOX), 0)
        return slice(first, first + _NOISE_BOX)

    return around(y, bbox.y.start, bbox.y.size), around(x, bbox.x.start, bbox.x.size)

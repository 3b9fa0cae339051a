"""The numbers that say how good a coadd is: area, inputs, PSF width, depth, noise."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from astropy.table import Table
from lsst.images import Mask

from ..causes import by_cause, cause_of, merged
from ..config import PlainValues
from ..data.coadd import PatchCoadd
from ..data.flux_unit import NJY, FluxUnit
from ..data.noise import SkyNoise
from ..data.options import VarianceCorrection
from ..data.times import TotalTimes
from ..errors import InvalidPsfError
from ..kernels.arrays import count_bits, count_values, kernel_array
from ..kernels.order.median import median
from ..planes import Layout
from ..psf.measure import effective_area, fwhm
from ..sky.footprint import pixel_scale
from .skynoise import Coverage, covered_pixels, measure_sky_noise

__all__ = (
    "CoaddSummary",
    "Rejected",
    "mask_fractions",
    "measured_limit",
    "stated_limit",
    "summarize",
)


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
    """Median of the variance plane where there are data, nJy squared (or that of ``flux_unit``)."""
    depth: float | None
    """AB magnitude of a point source of 5 sigma: that which blank places allow (see `summarize`); `None` also
    where fluxes have no magnitudes."""
    depth_stated: float | None = None
    """The same by the variance plane, which does not hold what pixels share."""
    flux_limit: float | None = None
    """Flux of a point source of 5 sigma by blank places, nJy or ``flux_unit``."""
    flux_limit_stated: float | None = None
    """The same by the variance plane."""
    flux_unit: str = NJY.name
    """Unit of fluxes."""
    flux_reference: str = ""
    """The exposure whose pixels are in that unit, where no zero point is known."""
    pixel_noise: float | None
    """Measured noise of a pixel of blank sky, nJy or ``flux_unit``."""
    noise_ratio: float | None
    """Measured noise of pixels over what the variance plane says."""
    psf_noise_ratio: float | None
    """The same for point-source fluxes; it exceeds one where neighbouring pixels share noise."""
    variance_correction: VarianceCorrection = "none"
    """Which factor, of pixels or of the PSF, the variance plane was multiplied by when it was made."""
    variance_factor: float = 1.0
    """That factor.  The ratios above are those to the variance plane as it is, after the correction."""
    mask_fractions: dict[str, float]
    """Part of the pixels that each mask plane covers; planes without a pixel are left out."""
    times: TotalTimes = dataclasses.field(default_factory=TotalTimes)
    """When the inputs were taken, and how long they are in all."""
    seconds: float | None = None
    """Wall time that the coadd took."""
    notes: tuple[str, ...] = ()
    """Why a number is absent."""

    @property
    def label(self) -> str:
        """Tract and patch for people, e.g. ``"0 · 5,4"``."""
        return f"{self.tract} · {self.patch[0]},{self.patch[1]}"

    @property
    def fluxes(self) -> FluxUnit:
        """Unit of fluxes, and the exposure that it is of."""
        return FluxUnit(self.flux_unit, self.flux_reference)

    @property
    def rejected_count(self) -> int:
        """Number of exposures that were left out."""
        return sum(item.count for item in self.rejected)


def summarize(coadd: PatchCoadd, *, seconds: float | None = None) -> CoaddSummary:
    """Measure a coadd.

    The depth is five times the scatter of point-source fluxes at blank places of
    the coadd (`lamella.coadd.skynoise.measure_sky_noise`), whatever the variance
    plane says.  Beside it stands what that says: with the PSF *p*, normalised to
    sum 1, the best estimate of a point source's flux has the variance
    ``v / sum(p^2)``, with ``v`` the median variance of the pixels that hold data.
    This takes the noise of pixels as independent, which resampled pixels are not;
    ``psf_noise_ratio`` is the ratio of the two noises.

    Parameters
    ----------
    coadd
        A coadd in memory.
    seconds
        Wall time that making it took, if known.

    Examples
    --------
    >>> import lamella
    >>> coadd = lamella.read_product("demo/coadds/coadd-r-0-0,0.fits")
    >>> summary = lamella.summarize(coadd)
    >>> 23 < summary.depth < 26, 0.5 < summary.psf_fwhm < 1.2  # mag, arcsec
    (True, True)
    """
    covered = covered_pixels(coadd)
    notes: list[str] = []
    x, y = covered.centre
    inputs, projection = coadd.inputs, coadd.sky_projection
    scale = _finite(pixel_scale(projection, coadd.bbox)) if projection is not None else None
    width: float | None = None
    area: float | None = None
    try:
        if covered.count and coadd.psf is not None:
            width, area = fwhm(coadd.psf, x, y), effective_area(coadd.psf, x, y)
    except InvalidPsfError as err:
        notes.append(f"No PSF at the centre of the data: {err.message}")
    variance = _finite(median(coadd.variance.array, covered.pixels))
    # As measured when it was made: the correction of the variance plane must not be undone by a second look.
    noise = coadd.noise or measure_sky_noise(coadd)
    unit, stated = coadd.flux_unit, stated_limit(variance, area)
    limit = measured_limit(noise, stated)
    if limit is None and stated is not None:
        notes.append("No depth at blank places: there is too little blank sky to measure it.")
    return CoaddSummary(
        visits=len({(row["instrument"], row["visit"]) for row in inputs}),
        detectors=len(inputs),
        rejected=_count_reasons(coadd.rejected),
        **_coverage_numbers(coadd, covered),
        **_noise_numbers(noise),
        band=coadd.band,
        tract=int(coadd.tract),
        patch=(int(coadd.patch[0]), int(coadd.patch[1])),
        pixel_scale=scale,
        # Square arcminutes; one scale, that at the centre, serves for the patch.
        area=_finite(covered.count * scale**2 / 3600) if scale else None,
        psf_fwhm=_finite(width * scale) if width is not None and scale else None,
        psf_position=(x, y) if area is not None else None,
        psf_area=area,
        median_variance=variance,
        depth=_magnitude(limit, unit),
        depth_stated=_magnitude(stated, unit),
        flux_limit=limit,
        flux_limit_stated=stated,
        flux_unit=unit.name,
        flux_reference=unit.reference,
        mask_fractions=mask_fractions(coadd.mask),
        times=coadd.times,
        seconds=seconds,
        notes=tuple(notes),
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _count_reasons(rejected: Table) -> tuple[Rejected, ...]:
    """Count exposures by stage and cause: reasons that differ in numbers and file names are one cause."""
    rows = ((str(row["stage"]), str(row["reason"]), str(row["path"])) for row in rejected)
    groups = by_cause(rows, lambda row: (row[0], cause_of(row[1], row[2])))
    counts = (
        Rejected(group[0][0], merged([reason for _, reason, _ in group]), len(group)) for group in groups
    )
    return tuple(sorted(counts))


def _coverage_numbers(coadd: PatchCoadd, covered: Coverage) -> dict[str, Any]:
    count = coadd.exposure_count.array
    numbers = np.zeros(int(count.max(initial=0)) + 1, dtype=np.int64)
    count_values(kernel_array(count, np.int32).reshape(-1), covered.pixels.reshape(-1), numbers)
    # The two in the middle of an even number of pixels, the same one twice of an odd number.
    ends = np.cumsum(numbers)
    total = int(ends[-1])
    middle = np.searchsorted(ends, [(total - 1) // 2, total // 2], side="right")
    return {
        "width": coadd.bbox.x.size,
        "height": coadd.bbox.y.size,
        "covered_fraction": covered.count / covered.pixels.size if covered.pixels.size else 0.0,
        "median_count": float(middle.mean()) if total else None,
        "max_count": len(numbers) - 1,
    }


def mask_fractions(mask: Mask) -> dict[str, float]:
    """Return which part of the pixels each plane of a mask covers; planes without a pixel are left out.

    Parameters
    ----------
    mask
        A mask with one int32 per pixel.
    """
    # One pass over the pixels for all planes.
    bits = kernel_array(mask.array[..., 0], np.int32).reshape(-1)
    counts = np.zeros(32, dtype=np.int64)
    count_bits(bits, counts)
    layout = Layout(mask.schema)
    pixels = {name: int(counts[layout.bits([name]).bit_length() - 1]) for name in layout.names}
    return {name: count / bits.size for name, count in pixels.items() if count}


def _magnitude(flux: float | None, unit: FluxUnit) -> float | None:
    value = None if flux is None else unit.magnitude(flux)
    return None if value is None else _finite(value)


def stated_limit(variance: float | None, area: float | None) -> float | None:
    """Return the flux of a point source of 5 sigma.

    Parameters
    ----------
    variance
        Variance of a pixel, the square of a flux.
    area
        Effective area of the PSF, pixels.
    """
    if variance is None or area is None:
        return None
    # The flux of an optimal fit has the variance of a pixel times the effective area of the PSF.
    return _finite(5 * math.sqrt(variance * area))


def measured_limit(noise: SkyNoise, stated: float | None) -> float | None:
    """Return the flux of a point source of 5 sigma by the scatter of fluxes at blank places.

    Parameters
    ----------
    noise
        What was measured of the noise.  In files of lamella 0.1.0 it has no scatter of fluxes; the flux then
        follows from its factor.
    stated
        That flux by the variance plane as it is.
    """
    if noise.flux_noise is not None:
        return _finite(5 * noise.flux_noise)
    if stated is None or noise.psf is None:
        return None
    return _finite(stated * math.sqrt(noise.psf / noise.applied))


def _noise_numbers(noise: SkyNoise) -> dict[str, Any]:
    def ratio(factor: float | None) -> float | None:
        # Against the plane as it is now: factors on record are those to the propagated variance.
        return None if factor is None else math.sqrt(factor / noise.applied)

    return {
        "pixel_noise": noise.pixel_noise,
        "noise_ratio": ratio(noise.pixel),
        "psf_noise_ratio": ratio(noise.psf),
        "variance_correction": noise.correction,
        "variance_factor": noise.applied,
    }

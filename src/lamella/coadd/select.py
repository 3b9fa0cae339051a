"""Which exposures go into a coadd, and why the others do not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Self

import numpy as np
import pydantic

from ..config import Config, option
from ..errors import GeometryError
from ..sky.footprint import footprint_polygon
from ..sky.geometry import SkyPolygon
from ..sky.tract import Patch
from .archive import Rejection
from .inputs import ExposureId, ExposureInfo

__all__ = ("Deselected", "SelectControl", "Selection", "select_exposures")


class SelectControl(Config):
    """Which exposures are used.

    All limits are off by default, so that only the footprint counts.  A value
    that is not known passes its limit unless ``require_known`` is set; a value
    that is known to be NaN never passes.
    """

    min_psf_fwhm: float | None = option(None, "Smallest width of the PSF.", unit="arcsec", ge=0.0)
    max_psf_fwhm: float | None = option(None, "Largest width of the PSF.", unit="arcsec", gt=0.0)
    max_ellipticity_residual: float | None = option(
        None, "Largest residual of the ellipticities of stars after the PSF model.", ge=0.0
    )
    max_size_scatter: float | None = option(
        None, "Largest scatter of the sizes of stars about the PSF model.", unit="pixel", ge=0.0
    )
    max_scaled_size_scatter: float | None = option(
        None, "Largest scatter of the sizes, divided by the square of the median size.", ge=0.0
    )
    min_quality: dict[str, float] = option(
        {}, "Smallest values of further numbers about the exposures, by name."
    )
    max_quality: dict[str, float] = option(
        {}, "Largest values of further numbers about the exposures, by name."
    )
    require_known: bool = option(False, "Leave out exposures for which a limited value is not known.")
    min_mjd: float | None = option(None, "Earliest time, as modified Julian date.", unit="day")
    max_mjd: float | None = option(None, "Latest time, as modified Julian date.", unit="day")
    exclude_visits: tuple[int, ...] = option((), "Visits to leave out.")
    exclude_detectors: tuple[int, ...] = option((), "Detectors to leave out.")
    max_visits: int | None = option(None, "Keep this many visits, those of the best seeing.", gt=0)
    seeing_quantiles: tuple[float, float] = option(
        (0.0, 1.0), "Keep visits between these quantiles of seeing; 0 is the best."
    )
    min_visits: int = option(6, "Visits that the quantiles leave at least, where there are so many.", ge=1)

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        low, high = self.seeing_quantiles
        if not 0.0 <= low < high <= 1.0:
            raise ValueError(f"seeing_quantiles must increase, between 0 and 1; found {low} and {high}")
        return self


@dataclasses.dataclass(frozen=True)
class Deselected:
    """An exposure that was not selected.

    Attributes
    ----------
    info
        The exposure.
    code
        What decided, one word: ``"footprint"``, ``"projection"``, ``"visit"``,
        ``"detector"``, ``"time"``, ``"psf_fwhm"``, ``"rank"``, or the name of a
        number in ``info.quality``.
    reason
        One sentence with the value and the limit.
    """

    info: ExposureInfo
    code: str
    reason: str

    def record(self) -> Rejection:
        """Return the record of this that a coadd keeps."""
        return Rejection(self.info.id, self.info.path, "select", self.reason)


@dataclasses.dataclass(frozen=True)
class Selection:
    """Exposures that were selected and that were not, each in the order of their identities."""

    kept: tuple[ExposureInfo, ...]
    rejected: tuple[Deselected, ...]


def select_exposures(
    infos: Iterable[ExposureInfo], region: SkyPolygon | Patch, control: SelectControl | None = None
) -> Selection:
    """Choose the exposures for a coadd.

    Parameters
    ----------
    infos
        Exposures of one band, in any order.
    region
        Region on the sky, or a patch, which stands for its outer box.
    control
        Limits; by default only the footprint counts.

    Returns
    -------
    Selection
        An exposure is kept when the smallest convex polygon around its valid
        pixels has a point in common with the region, containment included, and
        when it is within all limits.

    Notes
    -----
    The footprint is tested first, then the limits in the order in which
    `SelectControl` names them, and last the ranking by seeing, which sees only
    visits that passed all else.  The seeing of a visit is the median over its
    detectors here; a visit of unknown seeing ranks last.
    """
    control = control or SelectControl()
    polygon = region.polygon if isinstance(region, Patch) else region
    kept, rejected = [], []
    for info in sorted(infos, key=lambda info: info.id):
        verdict = _outside(info, polygon) or next(_beyond_limits(info, control), None)
        if verdict is None:
            kept.append(info)
        else:
            rejected.append(Deselected(info, *verdict))
    chosen, outranked = _rank(kept, control)
    return Selection(chosen, tuple(sorted((*rejected, *outranked), key=lambda item: item.info.id)))


type _Verdict = tuple[str, str]


def _outside(info: ExposureInfo, polygon: SkyPolygon) -> _Verdict | None:
    try:
        footprint = footprint_polygon(info)
    except GeometryError as err:
        return "projection", f"footprint unknown: {err}"
    return None if footprint.overlaps(polygon) else ("footprint", "does not overlap the patch")


def _beyond_limits(info: ExposureInfo, control: SelectControl) -> Iterator[_Verdict]:
    """Yield what is wrong with an exposure, in order."""
    if info.id.visit in control.exclude_visits:
        yield "visit", f"visit {info.id.visit} is excluded"
    if info.id.detector in control.exclude_detectors:
        yield "detector", f"detector {info.id.detector} is excluded"
    for check in _checks(info, control):
        verdict = check.verdict(control.require_known)
        if verdict is not None:
            yield check.code, verdict


@dataclasses.dataclass(frozen=True)
class _Check:
    """One value and its limits."""

    code: str
    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""

    def verdict(self, require_known: bool) -> str | None:
        """Return what is wrong, or `None`."""
        if self.low is None and self.high is None:
            return None
        if self.value is None:
            return f"{self.label} is not known" if require_known else None
        # Written so that NaN fails.
        if self.low is not None and not self.value >= self.low:
            return f"{self.label} {self._text(self.value)} < {self._text(self.low)}"
        if self.high is not None and not self.value <= self.high:
            return f"{self.label} {self._text(self.value)} > {self._text(self.high)}"
        return None

    def _text(self, value: float) -> str:
        return f"{value:.7g} {self.unit}".strip()


def _checks(info: ExposureInfo, control: SelectControl) -> Iterator[_Check]:
    c, quality = control, info.quality
    yield _Check("psf_fwhm", "PSF FWHM", info.psf_fwhm, c.min_psf_fwhm, c.max_psf_fwhm, "arcsec")
    yield _quality_check(info, "psf_ellipticity_residual", high=c.max_ellipticity_residual)
    yield _quality_check(info, "psf_size_scatter", high=c.max_size_scatter, unit="pixel")
    yield _quality_check(info, "psf_scaled_size_scatter", high=c.max_scaled_size_scatter)
    for name in sorted({*c.min_quality, *c.max_quality}):
        yield _Check(name, name, quality.get(name), c.min_quality.get(name), c.max_quality.get(name))
    yield _Check("time", "MJD", info.mjd, c.min_mjd, c.max_mjd, "day")


def _quality_check(info: ExposureInfo, name: str, *, high: float | None, unit: str = "") -> _Check:
    label = name.replace("psf", "PSF").replace("_", " ")
    return _Check(name, label, info.quality.get(name), high=high, unit=unit)


def _rank(
    infos: list[ExposureInfo], control: SelectControl
) -> tuple[tuple[ExposureInfo, ...], tuple[Deselected, ...]]:
    """Keep visits by their seeing."""
    seeing = _visit_seeing(infos)
    order = sorted(seeing, key=lambda visit: (seeing[visit], visit))
    low, high = _rank_limits(len(order), control)
    if (low, high) == (0, len(order)):
        return tuple(infos), ()
    place = {visit: rank for rank, visit in enumerate(order)}
    kept, left_out = [], []
    for info in infos:
        rank = place[_visit(info.id)]
        if low <= rank < high:
            kept.append(info)
        else:
            reason = f"visit has rank {rank + 1} of {len(order)} in seeing; kept are {low + 1} to {high}"
            left_out.append(Deselected(info, "rank", reason))
    return tuple(kept), tuple(left_out)


def _rank_limits(count: int, control: SelectControl) -> tuple[int, int]:
    """Return the first rank that is kept, and the one after the last."""
    low, high = control.seeing_quantiles
    first = min(round(low * count), max(0, count - control.min_visits))
    last = min(count, max(round(high * count), control.min_visits))
    return first, last if control.max_visits is None else min(last, first + control.max_visits)


def _visit(id: ExposureId) -> tuple[str, int]:
    return id.instrument, id.visit


def _visit_seeing(infos: list[ExposureInfo]) -> dict[tuple[str, int], float]:
    """Return the median PSF width of each visit, infinity where unknown."""
    widths: dict[tuple[str, int], list[float]] = {}
    for info in infos:
        known = info.psf_fwhm is not None and np.isfinite(info.psf_fwhm)
        widths.setdefault(_visit(info.id), []).extend([info.psf_fwhm] if known and info.psf_fwhm else [])
    return {visit: float(np.median(values)) if values else np.inf for visit, values in widths.items()}

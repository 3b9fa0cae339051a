"""Which exposures go into a coadd, and why the others do not."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ...data.coadd import Rejection
from ...data.exposure import ExposureInfo
from ...errors import GeometryError
from ...sky.geometry import SkyPolygon
from ...sky.tract import Patch
from .limits import Verdict, beyond_limits, visit_beyond_limits
from .select_control import SelectControl

__all__ = ("Deselected", "SelectControl", "Selection", "of_another_unit", "select_exposures")


@dataclasses.dataclass(frozen=True)
class Deselected:
    """An exposure that was not selected.

    Attributes
    ----------
    info
        The exposure.
    code
        What decided, one word: ``"footprint"``, ``"projection"``, ``"visit"``,
        ``"detector"``, ``"time"``, ``"psf_fwhm"``, ``"flux_unit"``, ``"rank"``, or the name of a
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
    The footprint is tested first, then the limits on exposures, then their flux
    units, then the limits on visits, and last the ranking by seeing, which sees only visits that passed
    all else.  A coadd is of one flux unit: with any exposure that has magnitudes,
    those without are left out; otherwise the unit of most exposures is that of
    the coadd.  What a visit is ranked by, and its means, are those over its
    exposures here that passed; a visit of unknown seeing ranks last, and of
    equal ones that of the lower number is first.

    Examples
    --------
    >>> import lamella
    >>> from lamella.coadd.select.select_control import SelectControl
    >>> infos = [source.info for source in lamella.open_exposures(["demo/survey/exposures.ecsv"])]
    >>> red = [info for info in infos if info.band == "r"]
    >>> patch = lamella.skymap_from_exposures(red)[0].patch("0,0")
    >>> chosen = lamella.select_exposures(red, patch, SelectControl(max_psf_fwhm=0.01))
    >>> len(chosen.kept), len(chosen.rejected) == len(red)
    (0, True)
    """
    control = control or SelectControl()
    polygon = region.polygon if isinstance(region, Patch) else region
    kept: list[ExposureInfo] = []
    rejected: list[Deselected] = []
    for info in sorted(infos, key=lambda info: info.id):
        verdict: Verdict | None = None
        try:
            if not info.footprint.overlaps(polygon):
                verdict = "footprint", "does not overlap the patch"
        except GeometryError as err:
            verdict = "projection", f"footprint unknown: {err}"
        verdict = verdict or next(beyond_limits(info, control), None)
        if verdict is None:
            kept.append(info)
        else:
            rejected.append(Deselected(info, *verdict))
    for judge in (_judge_units, _judge_visits, _judge_ranks):
        kept, outvoted = judge(kept, control)
        rejected += outvoted
    return Selection(tuple(kept), tuple(sorted(rejected, key=lambda item: item.info.id)))


type _Visit = tuple[str, int]
"""Instrument and number of a visit."""
type _Judgement = tuple[list[ExposureInfo], list[Deselected]]


def _visit_of(info: ExposureInfo) -> _Visit:
    return info.id.instrument, info.id.visit


def of_another_unit(infos: Sequence[ExposureInfo]) -> list[Deselected]:
    """Return the exposures of one band whose fluxes do not add up with those of the others.

    With any exposure that has magnitudes these are those without; otherwise those that are
    not in the unit of most.
    """
    counts = collections.Counter(info.flux_unit for info in infos)
    if len(counts) < 2:
        return []
    chosen = min(counts, key=lambda unit: (not unit.is_absolute, -counts[unit], unit))
    return [
        Deselected(info, "flux_unit", f"fluxes are in {info.flux_unit}, those of the coadd in {chosen}")
        for info in infos
        if info.flux_unit != chosen
    ]


def _judge_units(infos: Sequence[ExposureInfo], control: SelectControl) -> _Judgement:
    """Leave out the exposures whose fluxes do not add up with those of the others."""
    others = of_another_unit(infos)
    left_out = {item.info.id for item in others}
    return [info for info in infos if info.id not in left_out], others


def _judge_visits(infos: Sequence[ExposureInfo], control: SelectControl) -> _Judgement:
    """Leave out the visits that are beyond a limit."""
    verdicts = {
        visit: visit_beyond_limits(list(group), control)
        for visit, group in itertools.groupby(infos, key=_visit_of)
    }
    return _divide(infos, {visit: verdict for visit, verdict in verdicts.items() if verdict is not None})


def _judge_ranks(infos: Sequence[ExposureInfo], control: SelectControl) -> _Judgement:
    """Leave out the visits that others outrank in seeing."""
    widths: dict[_Visit, list[float]] = {}
    for info in infos:
        of_visit = widths.setdefault(_visit_of(info), [])
        if info.psf_fwhm is not None and np.isfinite(info.psf_fwhm):
            of_visit.append(info.psf_fwhm)
    statistic = np.mean if control.seeing_statistic == "mean" else np.median
    # Sorted, so that the mean does not depend on the order of the exposures.
    seeing = {visit: float(statistic(sorted(seen))) if seen else np.inf for visit, seen in widths.items()}
    order = sorted(seeing, key=lambda visit: (seeing[visit], visit))
    quantiles, count = control.seeing_quantiles, len(order)
    low = min(round(quantiles[0] * count), max(0, count - control.min_visits))
    high = min(count, max(round(quantiles[1] * count), control.min_visits))
    if control.max_visits is not None:
        high = min(high, low + control.max_visits)
    verdicts = {
        visit: ("rank", f"visit has rank {rank + 1} of {count} in seeing; kept are {low + 1} to {high}")
        for rank, visit in enumerate(order)
        if not low <= rank < high
    }
    return _divide(infos, verdicts)


def _divide(infos: Sequence[ExposureInfo], verdicts: Mapping[_Visit, Verdict]) -> _Judgement:
    """Return the exposures of visits without a verdict, and the others with theirs."""
    return [info for info in infos if _visit_of(info) not in verdicts], [
        Deselected(info, *verdicts[_visit_of(info)]) for info in infos if _visit_of(info) in verdicts
    ]

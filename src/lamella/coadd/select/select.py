"""Which exposures go into a coadd, and why the others do not."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

from ...data.coadd import Rejection
from ...data.exposure import ExposureInfo
from ...errors import GeometryError
from ...sky.geometry import SkyPolygon
from ...sky.tract import Patch
from .limits import Verdict, beyond_limits, visit_beyond_limits
from .rank import outranked_visits, visit_of
from .select_control import SelectControl

__all__ = ("Deselected", "SelectControl", "Selection", "select_exposures")


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
    The footprint is tested first, then the limits on exposures, then those on
    visits, and last the ranking by seeing, which sees only visits that passed
    all else.  What a visit is ranked by, and its means, are those over its
    exposures here that passed; a visit of unknown seeing ranks last, and of
    equal ones that of the lower number is first.
    """
    control = control or SelectControl()
    polygon = region.polygon if isinstance(region, Patch) else region
    kept: list[ExposureInfo] = []
    rejected: list[Deselected] = []
    for info in sorted(infos, key=lambda info: info.id):
        verdict = _outside(info, polygon) or next(beyond_limits(info, control), None)
        if verdict is None:
            kept.append(info)
        else:
            rejected.append(Deselected(info, *verdict))
    for judge in (_judge_visits, _judge_ranks):
        kept, outvoted = judge(kept, control)
        rejected += outvoted
    return Selection(tuple(kept), tuple(sorted(rejected, key=lambda item: item.info.id)))


def _outside(info: ExposureInfo, polygon: SkyPolygon) -> Verdict | None:
    try:
        footprint = info.footprint
    except GeometryError as err:
        return "projection", f"footprint unknown: {err}"
    return None if footprint.overlaps(polygon) else ("footprint", "does not overlap the patch")


type _Judgement = tuple[list[ExposureInfo], list[Deselected]]


def _judge_visits(infos: Sequence[ExposureInfo], control: SelectControl) -> _Judgement:
    """Leave out the visits that are beyond a limit."""
    kept: list[ExposureInfo] = []
    rejected: list[Deselected] = []
    for _, group in itertools.groupby(infos, key=lambda info: visit_of(info.id)):
        members = list(group)
        verdict = visit_beyond_limits(members, control)
        if verdict is None:
            kept += members
        else:
            rejected += [Deselected(info, *verdict) for info in members]
    return kept, rejected


def _judge_ranks(infos: Sequence[ExposureInfo], control: SelectControl) -> _Judgement:
    """Leave out the visits that others outrank."""
    reasons = outranked_visits(infos, control)
    kept = [info for info in infos if visit_of(info.id) not in reasons]
    rejected = [
        Deselected(info, "rank", reasons[visit_of(info.id)]) for info in infos if visit_of(info.id) in reasons
    ]
    return kept, rejected

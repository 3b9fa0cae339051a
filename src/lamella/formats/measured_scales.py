"""Photometric scales of exposures that have none, by the stars that they share with others."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..coadd.linked_scales import LinkedScales, link_groups
from ..coadd.relative_scales import RelativeScales, relative_scales
from ..coadd.scale_check import contradictions
from ..coadd.star_matches import StarMatches, match_stars
from ..data.exposure import ExposureId, ExposureSource
from ..data.flux_unit import FluxUnit
from ..data.origins import Kind
from ..data.photometry import magnitude
from ..errors import InputError
from .exposure_stars import ExposureStars, row_of
from .row_changes import RowChanges
from .row_places import RowPlaces
from .row_scale import row_scale

__all__ = ("tie_exposures",)

_BY_STARS = "by stars in common"
_BY_VISITS = "by stars in common, and detectors of a visit taken as alike"
_STEPS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
"""Per cent to which errors are rounded up, so that exposures which are known alike are told together."""
_COLORS = 0.2
"""Relative scatter of the fluxes of a star that no flat field makes: stars differ in colour, or vary."""


def tie_exposures(
    sources: Sequence[ExposureSource], stars: Mapping[ExposureId, ExposureStars], changes: RowChanges
) -> None:
    """Give exposures that say ``measured`` their scale relative to others of their band.

    Where stars connect them to exposures that have magnitudes, they get a zero point; else a factor to the
    units of a reference exposure.  Exposures of detectors that no star connects are put on one scale by their
    visits.  One without a star in common is taken to be like other detectors of its
    visit, or to have the sensitivity of the others of its instrument per exposure time.

    Where stars contradict the unit that images state which say nothing else (BUNIT), these are taken to be
    counts and tied to each other; where they contradict a zero point, this is told.

    Parameters
    ----------
    sources
        Exposures whose stars were measured, sorted by identity.
    stars
        Their stars.
    changes
        Takes the new cells.

    Raises
    ------
    MissingPartError
        Raised when a scale would have to be assumed, and nothing may be.
    """
    for band in sorted({source.info.band for source in sources}):
        members = [source for source in sources if source.info.band == band]
        _Band(members, stars, changes).tie()


def _is_vague(source: ExposureSource) -> bool:
    """Return whether the unit of a plain image is all that tells its scale: programs copy cards."""
    row = row_of(source)
    return row is not None and not row.number and row.format == "fits" and "unit" in row.values


@dataclasses.dataclass(frozen=True)
class _Tie:
    """The scale of an exposure."""

    factor: float
    """nJy, or units of the reference, per unit of the exposure."""
    unit: FluxUnit


class _Band:
    """The exposures of a band while they are tied to each other."""

    def __init__(
        self,
        sources: Sequence[ExposureSource],
        stars: Mapping[ExposureId, ExposureStars],
        changes: RowChanges,
    ) -> None:
        self.sources, self.changes = sources, changes
        self.catalogs = [stars[source.info.id].catalog for source in sources]
        rows = [row_of(source) for source in sources]
        self.free = [index for index, row in enumerate(rows) if row and row.cells.is_measured("flux_scale")]
        self.names = _names(sources)

    def tie(self) -> None:
        matches = match_stars(self.catalogs)
        stated = self._stated_scales()
        stated = self._without_contradicted(stated, matches)
        if not self.free:
            return
        anchors = self._anchors(stated)
        scales = relative_scales(
            self.catalogs, matches, {index: tie.factor for index, tie in anchors.items()}
        )
        tied = np.where(scales.stars > 0, scales.scale, np.nan)
        linked = link_groups(tied, scales.reference, self._times(scales.reference), anchors)
        ties: dict[int, _Tie] = {}
        for index in self.free:
            tie = self._by_stars(index, linked, anchors)
            if tie is not None:
                ties[index] = tie
                how = _BY_VISITS if linked.by_visit[index] else _how_well(scales, index)
                self._set(index, tie, "measured", how)
                self._tell_colors(index, scales)
        ties |= stated
        self._assume([index for index in self.free if index not in ties], ties)

    def _stated_scales(self) -> dict[int, _Tie]:
        """Return the scales that exposures state; fluxes of stars of other readers are in nJy."""
        stated: dict[int, _Tie] = {}
        for index, source in enumerate(self.sources):
            info, row = source.info, row_of(source)
            if row is None:
                stated[index] = _Tie(1.0, info.flux_unit)
            elif index not in self.free:
                # What is wrong with a scale is told when the exposure is read.
                with contextlib.suppress(InputError):
                    scale = row_scale(row.cells, RowPlaces(row.cells).cards, info.projection, info.bbox)
                    if isinstance(scale.factor, float):  # not one that varies over the pixels
                        stated[index] = _Tie(scale.factor, info.flux_unit)
        return stated

    def _without_contradicted(self, stated: dict[int, _Tie], matches: StarMatches) -> dict[int, _Tie]:
        """Tell which stated scales the stars contradict, and leave out those that nobody vouches for."""
        absolute = {index: tie.factor for index, tie in stated.items() if tie.unit.is_absolute}
        wrong = contradictions(relative_scales(self.catalogs, matches), absolute)
        vague = {index for index in absolute if _is_vague(self.sources[index])}
        if vague & wrong.keys():
            self.free = sorted({*self.free, *vague})
            for index in vague:
                told = "as counts, because stars contradict BUNIT"
                self.changes.tell(self.sources[index], "unit", "assumed", told)
            return {index: tie for index, tie in stated.items() if index not in vague}
        for index, ratio in wrong.items():
            told = f"{100.0 * (ratio - 1.0):+.0f} % by its zero point than in other exposures"
            self.changes.tell(self.sources[index], "fluxes of stars", "measured", told)
        return stated

    def _tell_colors(self, index: int, scales: RelativeScales) -> None:
        """Tell that exposures seem to be of several filters, whose ratio depends on the stars."""
        if scales.scatter > _COLORS:
            told = f"differ by {100.0 * scales.scatter:.0f} % between exposures: are they of one filter?"
            self.changes.tell(self.sources[index], "fluxes of stars", "measured", told)

    def _anchors(self, stated: Mapping[int, _Tie]) -> dict[int, _Tie]:
        """Return the stated scales that others are tied to: magnitudes, or the unit that most have."""
        if not stated:
            return {}
        counts = collections.Counter(tie.unit for tie in stated.values())
        chosen = min(counts, key=lambda unit: (not unit.is_absolute, -counts[unit], unit))
        return {index: tie for index, tie in stated.items() if tie.unit == chosen}

    def _by_stars(self, index: int, scales: LinkedScales, anchors: Mapping[int, _Tie]) -> _Tie | None:
        """Return the scale of an exposure by its stars; `None` where none of them is in another exposure."""
        factor, reference = float(scales.scale[index]), int(scales.reference[index])
        if not math.isfinite(factor):
            return None
        if reference in anchors:
            return _Tie(factor, anchors[reference].unit)
        return _Tie(factor, self._unit_of(reference))

    def _unit_of(self, reference: int) -> FluxUnit:
        unit = self.sources[reference].info.flux_unit
        return FluxUnit("adu" if unit.is_absolute else unit.name, self.names[reference])

    def _assume(self, indices: Sequence[int], ties: dict[int, _Tie]) -> None:
        """Give exposures without a star in common a scale all the same, and say so."""
        tied = dict(ties)
        for index in indices:
            visit = [other for other in tied if self._visit(other) == self._visit(index)]
            if visit:
                tied[index] = tied[visit[0]]
                self._set(
                    index, tied[index], "assumed", "as other detectors of its visit, without common stars"
                )
                continue
            tie, how = self._by_time(index, tied)
            tied[index] = tie
            self._set(index, tie, "assumed", how)

    def _visit(self, index: int) -> tuple[str, int]:
        identity = self.sources[index].info.id
        return identity.instrument, identity.visit

    def _times(self, groups: np.ndarray) -> list[tuple[str, int | str]]:
        """Return what detectors share that looked at once: their visit, else instrument and time to a second.

        Files of one detector each have visits of their own where no card has the number of the exposure.
        Where exposures of one group of common stars have the same time, it tells nothing.
        """
        visits = [self._visit(index) for index in range(len(self.sources))]
        sizes = collections.Counter(visits)
        times: list[tuple[str, int | str]] = [
            (visit[0], f"{source.info.mjd:.5f}")
            if sizes[visit] == 1 and source.info.mjd is not None
            else visit
            for visit, source in zip(visits, self.sources, strict=True)
        ]
        keys = [*zip(groups.tolist(), times, strict=True)]
        counts = collections.Counter(keys)
        return [key[1] if counts[key] == 1 else visit for key, visit in zip(keys, visits, strict=True)]

    def _by_time(self, index: int, tied: Mapping[int, _Tie]) -> tuple[_Tie, str]:
        """Return a scale from exposure times; its own reference where there is no like exposure."""
        units = collections.Counter(tie.unit for other, tie in tied.items() if self._alike(index, other))
        if not units:
            return _Tie(1.0, self._unit_of(index)), "as a reference of its own, without common stars"
        unit = min(units, key=lambda item: (not item.is_absolute, -units[item], item))
        factors = [
            tied[other].factor * self._time(other) / self._time(index)
            for other in tied
            if tied[other].unit == unit and self._alike(index, other)
        ]
        return _Tie(statistics.median(factors), unit), "by its exposure time, without common stars"

    def _alike(self, index: int, other: int) -> bool:
        """Return whether exposure times tell how the units of two exposures compare."""
        first, second = (self.sources[at].info for at in (index, other))
        return (
            first.id.instrument == second.id.instrument
            and row_of(self.sources[other]) is not None
            and self._unit_name(index) == self._unit_name(other)
            and all(self._time(at) > 0.0 for at in (index, other))
        )

    def _unit_name(self, index: int) -> str:
        row = row_of(self.sources[index])
        cards = None if row is None else RowPlaces(row.cells).cards
        return "" if cards is None else str(cards.get("BUNIT") or "")

    def _time(self, index: int) -> float:
        """Return the time over which the pixels of an exposure gather counts; 0 where it is not known."""
        if "/" in self.sources[index].info.flux_unit.name or "/" in self._unit_name(index):
            return 1.0
        return self.sources[index].info.exposure_time or 0.0

    def _set(self, index: int, tie: _Tie, kind: Kind, how: str) -> None:
        """Fill the cells of an exposure."""
        source = self.sources[index]
        if tie.unit.is_absolute:
            zero_point = float(magnitude(np.float64(tie.factor)))
            self.changes.set(
                source, zero_point=_digits(zero_point), flux_scale="", flux_reference="", unit=""
            )
            self.changes.tell(source, "zero point", kind, how)
            return
        self.changes.set(
            source,
            flux_scale=_digits(tie.factor),
            flux_reference=tie.unit.reference,
            unit=tie.unit.name,
        )
        self.changes.tell(source, "relative scale", kind, how)
        row = row_of(source)
        if row is not None and not row.number and "unit" not in row.values:
            stated = self._unit_name(index)
            origin: tuple[Kind, str] = ("header", "BUNIT") if stated else ("assumed", "as counts")
            self.changes.tell(source, "unit", *origin)


def _digits(value: float) -> str:
    """Return a number without the last digits, which depend on the order in which the stars are summed."""
    return f"{value:.12g}"


def _how_well(scales: RelativeScales, index: int) -> str:
    """Return how a scale was found, with its standard deviation in per cent, rounded up."""
    if scales.reference[index] == index:
        return f"{_BY_STARS}, as their reference"
    percent = 100.0 * float(scales.error[index])
    step = next((step for step in _STEPS if percent <= step), None)
    return f"{_BY_STARS}, to {step:g} %" if step is not None else f"{_BY_STARS}, to {percent:.0f} %"


def _names(sources: Sequence[ExposureSource]) -> list[str]:
    """Return a name for each exposure: its file, with the HDU where several are of one file."""
    files = collections.Counter(source.info.path for source in sources)
    names = []
    for source in sources:
        row = row_of(source)
        name = Path(source.info.path).name
        several = files[source.info.path] > 1 and row is not None
        names.append(f"{name}[{row.cells.text('image_hdu', '')}]" if several and row is not None else name)
    return names

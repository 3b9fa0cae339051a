"""What the stars of exposures tell that nobody else does: widths of PSFs, relative scales, positions."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence

from ..coadd.star_matches import match_stars
from ..coadd.visit_positions import visit_offsets
from ..data.exposure import ExposureId, ExposureSource
from ..errors import InputError, LamellaError
from .exposure_stars import ExposureStars, read_stars, row_of
from .measured_scales import tie_exposures
from .measured_source import MeasuredSource
from .measured_widths import fill_widths
from .row_changes import RowChanges
from .source import FileSource

__all__ = ("Measured", "measure_sources", "refuse_guesses", "unmeasured")

_MOST_THREADS = 4
"""Each holds all pixels of an exposure, several times."""
_MOST_KEPT = 2**28
"""Bytes of what was measured in pixels; beyond, it is measured again when they are read."""
_WIDTHS = ("psf_fwhm", "psf_fwhm_pixels")


@dataclasses.dataclass(frozen=True)
class Measured:
    """Exposures whose rows have numbers where they had the word ``measured``."""

    sources: tuple[ExposureSource, ...]
    """In the order in which they were given."""
    faults: tuple[tuple[ExposureSource, LamellaError], ...]
    """Exposures that cannot be read, and are left out."""


def refuse_guesses(sources: Sequence[ExposureSource]) -> None:
    """Refuse exposures of which no file and no person says what they are.

    What a person writes into a table is no guess, the word ``measured`` included.

    Raises
    ------
    InputError
        Raised with the names of all values that would be measured or assumed.
    """
    counts: dict[str, int] = {}
    guessing = [source for source in sources if _guesses(source)]
    for source in guessing:
        for told in _guesses(source):
            counts[told] = counts.get(told, 0) + 1
    if guessing:
        values = ", ".join(f"{told} in {count} exposures" for told, count in counts.items())
        raise InputError(
            guessing[0].info.path,
            found=f"values that no header tells: {values}",
            expected="nothing measured or assumed (strict); `lamella describe` writes a table with these "
            "values, which you can look at, change and give instead of the files",
        )


def _guesses(source: ExposureSource) -> list[str]:
    row = row_of(source)
    if row is None or row.number:
        return []
    origins = source.info.origins.items()
    return [f"{name} ({origin.kind} {origin.how})" for name, origin in origins if origin.guessed]


def measure_sources(
    sources: Sequence[ExposureSource],
    *,
    threads: int | None = None,
    strict: bool = False,
    on_measured: Callable[[int, int], None] | None = None,
) -> Measured:
    """Put numbers into the rows of exposures that say ``measured`` for the PSF or the relative scale.

    The pixels of these exposures are read once, and those of the exposures of the same bands that tie them
    to magnitudes.

    Parameters
    ----------
    sources
        Exposures of any readers, sorted by identity; those that say everything stay as they are.
    threads
        Number of threads; by default one for each processor, up to 4.  The results do not depend on it.
    strict
        Whether it is an error when an exposure cannot be read, or a value would have to be assumed.
    on_measured
        As in `lamella.formats.recognise.open_exposures`.

    Returns
    -------
    Measured
        The exposures.

    Raises
    ------
    LamellaError
        Raised with ``strict``, as said there.
    """
    wanted = _wanted(sources)
    if not wanted:
        return Measured(tuple(sources), ())
    results = read_stars(wanted, threads or min(os.cpu_count() or 1, _MOST_THREADS), on_measured)
    stars: dict[ExposureId, ExposureStars] = {}
    faults: list[tuple[ExposureSource, LamellaError]] = []
    for source, result in zip(wanted, results, strict=True):
        if isinstance(result, ExposureStars):
            stars[source.info.id] = result
        elif strict:
            raise result
        elif _is_measured(source):
            faults.append((source, result))
    lost = {source.info.id for source, _ in faults}
    kept = [source for source in sources if source.info.id not in lost]
    changes = RowChanges(strict)
    fill_widths([source for source in kept if _is_measured(source, *_WIDTHS)], stars, changes)
    tie_exposures([source for source in kept if source.info.id in stars], stars, changes)
    _tell_positions(kept, stars, changes)
    return Measured(tuple(_changed(kept, stars, changes)), tuple(faults))


def _is_measured(source: ExposureSource, *columns: str) -> bool:
    row = row_of(source)
    return row is not None and any(
        row.cells.is_measured(column) for column in columns or (*_WIDTHS, "flux_scale")
    )


def _wanted(sources: Sequence[ExposureSource]) -> list[ExposureSource]:
    """Return the exposures whose stars are needed."""
    bands = {source.info.band for source in sources if _is_measured(source, "flux_scale")}
    return [source for source in sources if _is_measured(source) or source.info.band in bands]


def unmeasured(sources: Sequence[ExposureSource]) -> list[ExposureSource]:
    """Return the exposures whose pixels `measure_sources` would read."""
    return _wanted(sources)


def _tell_positions(
    sources: Sequence[ExposureSource], stars: dict[ExposureId, ExposureStars], changes: RowChanges
) -> None:
    """Name the visits that are off by more than a fraction of a pixel."""
    measured = [source for source in sources if source.info.id in stars]
    catalogs = [stars[source.info.id].catalog for source in measured]
    offsets = {item.visit: item for item in visit_offsets(catalogs, match_stars(catalogs)) if item.is_off}
    for source, catalog in zip(measured, catalogs, strict=True):
        offset = offsets.get(catalog.visit)
        if offset is not None:
            east, north = (f"{value:+.2f}" for value in (offset.east, offset.north))
            told = f'{offset.pixels:.1f} pixels off the other visits ({east}" east, {north}" north)'
            changes.tell(source, "position", "measured", told)


def _changed(
    sources: Sequence[ExposureSource], stars: dict[ExposureId, ExposureStars], changes: RowChanges
) -> Iterator[ExposureSource]:
    """Yield the exposures with their new cells, and what was measured in their pixels while there is room."""
    room = _MOST_KEPT
    for source in sources:
        row, values = row_of(source), changes.values(source)
        measurements = stars[source.info.id].measurements if source.info.id in stars else None
        room -= 0 if measurements is None else measurements.nbytes
        if row is None or (values is None and measurements is None):
            yield source
            continue
        changed = row if values is None else dataclasses.replace(row, values=values)
        yield (
            FileSource(changed) if measurements is None or room < 0 else MeasuredSource(changed, measurements)
        )

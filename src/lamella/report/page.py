"""The report of a run: one HTML page that holds everything and asks the network for nothing."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from ..data.removals import KINDS
from ..files import write_text
from ..visible import visible
from .record import RunRecord, alike_once
from .wording import (
    day,
    depth,
    depth_stated,
    duration,
    exposed,
    number,
    percent,
    plain,
    reasons,
    significant,
    span,
)

__all__ = ("render_page", "write_page")


def write_page(path: str | PathLike[str], run: RunRecord) -> None:
    """Write the page of a run, all or nothing.

    Parameters
    ----------
    path
        Name of the HTML file.
    run
        What to say.

    Raises
    ------
    OutputError
        Raised when the file cannot be written.
    """
    write_text(path, render_page(run))


def render_page(run: RunRecord) -> str:
    """Return the page of a run as HTML.

    Style and pictures are inside of the page, and a content policy forbids
    everything else, so that the file can be mailed, archived and opened
    offline.  All texts are escaped.
    """
    environment = _environment()
    style, _, _ = environment.loader.get_source(environment, "page.css")  # type: ignore[union-attr]
    summaries = [coadd.summary for coadd in run.coadds]
    has_earlier = any(coadd.earlier for coadd in run.coadds)
    bands = list(dict.fromkeys(summary.band for summary in summaries))
    patches = {(summary.tract, summary.patch) for summary in summaries}
    inputs = {
        (row["instrument"], row["visit"], row["detector"], coadd.summary.band)
        for coadd in run.coadds
        for row in coadd.inputs
    }
    phrases = [
        _counted(len(run.coadds), "coadd"),
        f"in {_counted(len(bands), 'band')} ({', '.join(bands)})" if bands else "",
        f"on {_counted(len(patches), 'patch', 'patches')}" if patches else "",
        f"from {_counted(len(inputs), 'detector image')}" if inputs else "",
        # The time is that of this run alone.
        f"in {duration(run.seconds)}" if run.seconds is not None and not has_earlier else "",
    ]
    return environment.get_template("page.html.j2").render(
        run=run, headline=" ".join(filter(None, phrases)) + ".", style=Markup(style)
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lamella.report", "templates"),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
    )
    helpers = (
        alike_once,
        day,
        depth,
        depth_stated,
        duration,
        exposed,
        number,
        percent,
        plain,
        reasons,
        significant,
        span,
    )
    environment.globals |= {helper.__name__: helper for helper in helpers}
    environment.globals |= {"flatten": _flatten, "share": _share, "heaviest": _heaviest, "link": quote}
    environment.globals |= {"kinds_of": _kinds_of, "matched_visits": _matched_visits}
    return environment


def _shown(value: Any) -> Any:
    return visible(value) if type(value) is str else value


def _counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give the leaves of nested settings with dotted names."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _kinds_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the kinds of artifacts that any visit has."""
    return [kind for kind in KINDS if any(row[kind] for row in rows)]


def _matched_visits(matching: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Put the records of detectors together: one row per visit, also for those that were not matched."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for detector in matching["detectors"]:
        row = rows.setdefault((detector["instrument"], detector["visit"]), _matched_row(detector))
        row["detectors"] += 1
        for name in ("residual", "noise_gain"):
            row[name] = max(row[name] or 0.0, detector[name])
    for visit in matching["unmatched"]:
        rows[visit["instrument"], visit["visit"]] = _matched_row(visit) | {"reason": visit["reason"]}
    return [rows[key] for key in sorted(rows)]


def _matched_row(record: Mapping[str, Any]) -> dict[str, Any]:
    identity = {name: record[name] for name in ("instrument", "visit")}
    return identity | {"detectors": 0, "residual": None, "noise_gain": None, "reason": ""}


def _heaviest(rows: Iterable[Mapping[str, Any]]) -> float:
    return max((row["weight"] for row in rows if row["weight"] is not None), default=0.0)


def _share(weight: float | None, largest: float) -> int:
    return round(100 * weight / largest) if weight and largest > 0 else 0

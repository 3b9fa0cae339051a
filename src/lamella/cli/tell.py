"""What the commands print of their runs: progress meanwhile, tables at the end."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from ..data.origins import OriginSummary
from ..errors import NoInputsError
from ..report.console import origins_table, skipped_table, summary_table
from ..report.record import CoaddRecord, RunRecord, Skipped, alike_once
from ..report.wording import depth, reasons
from .console import Console
from .json_out import print_json
from .voice import LOG_ONLY, Voice

if TYPE_CHECKING:
    from ..run.coadd_run import CoaddRun
    from ..run.frame_run import FrameRecord
    from ..run.warp_run import WarpRunRecord

_LOG = logging.getLogger(__name__)

__all__ = ("run_coadds", "tell_frames", "tell_skipped", "tell_stack", "tell_warps")


def run_coadds(run: CoaddRun, exposures: Sequence[Path], voice: Voice) -> bool:
    """Make coadds with a bar of progress, and print what became of them.

    Returns
    -------
    bool
        Whether none of them failed.

    Raises
    ------
    NoInputsError
        Raised when no coadd was made; why is printed before.
    """
    with voice.progress() as reporter:
        reporting = dataclasses.replace(run, on_measured=reporter.measured, on_progress=reporter.progressed)
        record = reporting(exposures)
    tell_skipped(record.skipped, "Skipped")
    for notice in record.notices:
        Console(stderr=True).print(Text(notice))
    tell_skipped(record.empty, "Without data")
    tell_skipped(record.failures, "Failed")
    if not record.coadds:
        causes = alike_once((*record.failures, *record.empty))
        told = " ".join(f"{item.what}: {item.reason}" for item in causes)
        raise NoInputsError(f"No coadd was made. {told}")
    tell_skipped(
        [
            Skipped(f"coadd {coadd.name}, {warning.what}", warning.reason)
            for coadd in record.coadds
            for warning in coadd.warnings
        ],
        "Warnings",
    )
    _log_coadds(record.coadds)
    if voice.as_json:
        print_json(_run_values(record, run.output))
    elif not voice.quiet:
        tell_origins(record.origins)
        for line in record.rejections:
            Console().print(Text(line))
        Console().print(summary_table(record.coadds))
    voice.say(f"Report: {run.output / 'index.html'}")
    return not record.failures


def _run_values(record: RunRecord, output: Path) -> dict[str, Any]:
    """Return the record of a run without pictures, and with the names of its files as paths from here."""
    values = record.to_dict()
    del values["pictures"]
    for coadd in values["coadds"]:
        for name in ("pictures", "earlier"):
            del coadd[name]
        coadd["files"] = {what: str(output / name) for what, name in coadd["files"].items()}
    return {"folder": str(output), "page": str(output / "index.html"), **values}


def tell_warps(record: WarpRunRecord, voice: Voice) -> None:
    """Print the warps of a run, and what is in none of them.

    Raises
    ------
    NoInputsError
        Raised when there is no warp; why is printed before.
    """
    tell_skipped(record.skipped, "Skipped")
    if not record.warps:
        raise NoInputsError("No warp was made: no exposure has valid data on a chosen patch.")
    if voice.as_json:
        print_json(dataclasses.asdict(record))
        return
    if voice.quiet:
        return
    tell_origins(record.origins)
    table = Table("warp", "detectors", "pixels with data", box=None, pad_edge=False)
    for warp in record.warps:
        table.add_row(warp.name, warp.detectors, warp.pixels)
    Console().print(table)


def tell_stack(record: CoaddRecord, voice: Voice) -> None:
    """Print the summary of a coadd of warps, after its warnings."""
    tell_skipped(record.warnings, "Warnings")
    _log_coadds([record])
    if voice.as_json:
        from .inspect_values import stack_values

        print_json(stack_values(record))
    elif not voice.quiet:
        Console().print(summary_table([record]))


def tell_frames(record: FrameRecord, voice: Voice) -> None:
    """Print what a stack of images is, and before it remarks on the images."""
    tell_skipped([Skipped(name, reason) for name, reason in record.rejected], "Left out")
    if voice.as_json:
        print_json(dataclasses.asdict(record))
        return
    for item in alike_once(Skipped(name, note) for name, note in record.notes):
        voice.say(f"{item.what}: {item.reason}")
    height, width = record.shape
    scales = (
        ""
        if set(record.scales) == {1.0}
        else f", scaled by {min(record.scales):.5g} to {max(record.scales):.5g}"
    )
    noise = "" if record.noise is None else f"; noise per pixel {record.noise:.4g} (median)"
    voice.say(
        f"{record.path}: {record.statistic} of {len(record.used)} images of {width} x {height} pixels"
        f"{scales}{noise}."
    )


def tell_origins(origins: Sequence[OriginSummary]) -> None:
    """Print where values of the exposures come from, where a reader chose or measured them."""
    if origins:
        Console().print(origins_table(origins))


def tell_skipped(items: Iterable[Skipped], title: str) -> None:
    """Print on standard error what is not as a user may expect, and why, if there is such a thing."""
    rows = tuple(items)
    if rows:
        # Long paths are left to the terminal, which breaks them without cutting them up.
        Console(stderr=True).print(skipped_table(rows, title=title), crop=False)
    for item in alike_once(rows):
        _LOG.warning("%s: %s: %s", title, item.what, item.reason, extra=LOG_ONLY)


def _log_coadds(records: Iterable[CoaddRecord]) -> None:
    for record in records:
        summary = record.summary
        used = f"{summary.detectors} exposures used, {summary.rejected_count} left out"
        _LOG.info("coadd %s: %s, depth %s", record.name, used, depth(summary), extra=LOG_ONLY)
        for reason in reasons(summary.rejected):
            _LOG.info("coadd %s, left out: %s", record.name, reason, extra=LOG_ONLY)

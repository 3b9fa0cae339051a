"""Results as Markdown tables."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from .contenders import MAIN, REFERENCE
from .stack import Row


def stack_table(rows: Sequence[Row]) -> str:
    """Return the stacks as a table, with ratios to lamella on as many threads."""
    lines = [
        "| n | side | statistic | program | threads | CPU s | wall s | peak MB | ns/input pixel "
        "| CPU ÷ lamella | wall ÷ lamella | pixels that differ |",
        "|---" * 12 + "|",
    ]
    return "\n".join([*lines, *(_stack_line(row, _reference(row, rows)) for row in rows)])


def _reference(row: Row, rows: Sequence[Row]) -> Row | None:
    same = ("statistic", "n", "threads", "pixels")
    for other in rows:
        if other.program == REFERENCE and all(getattr(other, k) == getattr(row, k) for k in same):
            return other
    return None


def _stack_line(row: Row, reference: Row | None) -> str:
    head = f"| {row.n} | {row.side} | {row.statistic} | {row.program} | {row.threads} "
    if not row.cpu_s:
        return f"{head}| {row.status} | | | | | | |"
    cells = [_spread(row.cpu_s), _spread(row.wall_s), f"{max(row.peak_mb):.0f}", f"{row.ns_per_pixel:.1f}"]
    cells += (
        [ratio(row.cpu_s, reference.cpu_s), ratio(row.wall_s, reference.wall_s)] if reference else ["", ""]
    )
    cells.append("" if row.disagree is None else f"{row.disagree:.1e}" if row.disagree else "0")
    return head + "".join(f"| {cell} " for cell in cells) + "|"


def ratio(values: Sequence[float], references: Sequence[float]) -> str:
    """Return the median over the rounds of the ratio within a round."""
    found = [a / b for a, b in zip(values, references, strict=False)]
    return f"{statistics.median(found):.1f}" if found else ""


def _spread(values: Sequence[float], digits: int = 2) -> str:
    middle = f"{statistics.median(values):.{digits}f}"
    return f"{middle} ({min(values):.{digits}f}–{max(values):.{digits}f})" if len(values) > 1 else middle


def memory_table(rows: Sequence[Row]) -> str:
    """Return the memory of each program by the number of warps; the most that a run took."""
    tasks = sorted({(row.n, row.side) for row in rows if row.statistic == MAIN})
    columns = [f"{n} x {side}²" for n, side in tasks]
    lines = [f"| peak MB, {MAIN} | {' | '.join(columns)} |", "|---" * (1 + len(tasks)) + "|"]
    for name in dict.fromkeys(row.program for row in rows if row.statistic == MAIN):
        cells = []
        for n, side in tasks:
            task = name, MAIN, n, side
            same = [row for row in rows if (row.program, row.statistic, row.n, row.side) == task]
            peak = max((max(row.peak_mb) for row in same if row.peak_mb), default=None)
            cells.append("" if peak is None else f"{peak:.0f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) if tasks else ""


def phase_table(rows: Sequence[Row]) -> str:
    """Return where the time of lamella's processes goes."""
    own = [row for row in rows if row.phases and row.program.startswith(REFERENCE)]
    if not own:
        return ""
    names = list(own[0].phases[0])
    head = f"| n | side | statistic | program | threads | {' | '.join(names)} |"
    lines = [head, "|---" * (5 + len(names)) + "|"]
    for row in own:
        cells = [statistics.median(run[name]["cpu_s"] for run in row.phases) for name in names]
        values = " | ".join(f"{cell:.2f}" for cell in cells)
        lines.append(f"| {row.n} | {row.side} | {row.statistic} | {row.program} | {row.threads} | {values} |")
    return "\n".join(lines)


def kernel_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the times of the kernels."""
    lines = [
        "| statistic | n | threads | CPU ns/input pixel | wall ns/input pixel |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        cells = ["{:.2f} ({:.2f}–{:.2f})".format(*row[name]) for name in ("cpu_ns", "wall_ns")]
        lines.append(f"| {row['statistic']} | {row['n']} | {row['threads']} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)

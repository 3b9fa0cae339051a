"""What it costs to start: CPU seconds of processes that have next to nothing to do."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .contenders import LAMELLA
from .fits_planes import WarpFiles
from .launch import Usage, run_measured


def commands(files: WarpFiles, output: Path) -> dict[str, list[str | Path]]:
    """Return what is run, by its name; ``files`` are small warps, with archives."""
    python = [sys.executable, "-c"]
    return {
        "python -c pass": [*python, "pass"],
        "python -c 'import numpy'": [*python, "import numpy"],
        "python -c 'import numba'": [*python, "import numba"],
        "lamella --help": [*LAMELLA, "--help"],
        "lamella stack --help": [*LAMELLA, "stack", "--help"],
        f"lamella stack, {files.n} warps of 64 x 64": [
            *LAMELLA, "stack", *files.names("archive"), "--output", output, "--workers", "1", "--overwrite",
        ],
    }  # fmt: skip


def measure(
    files: WarpFiles, output: Path, repeats: int, tell: Callable[[str], None], *, compile_too: bool
) -> list[dict[str, Any]]:
    """Return CPU and wall seconds of each; one run before those that count fills all caches.

    With ``compile_too`` the compilation of everything is measured, too, once.
    """
    todo = commands(files, output)
    runs: dict[str, list[Usage]] = {name: [] for name in todo}
    for turn in range(repeats + 1):
        for name, command in todo.items():
            usage, _ = run_measured(command)
            if turn > 0:
                runs[name].append(usage)
    if compile_too:
        empty = {"NUMBA_CACHE_DIR": str(output.with_suffix(".cache"))}
        for name in ("lamella warm, nothing compiled", "lamella warm, again"):
            runs[name] = [run_measured([*LAMELLA, "warm"], env=empty)[0]]
    rows = []
    for name, found in runs.items():
        row: dict[str, Any] = {"what": name}
        row |= {k: [getattr(use, k) for use in found] for k in ("cpu_s", "wall_s", "peak_mb")}
        tell(f"{name}: CPU {statistics.median(row['cpu_s']):.2f} s")
        rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| | CPU s | least | wall s | peak MB |", "|---|---|---|---|---|"]
    for row in rows:
        cpu, wall = statistics.median(row["cpu_s"]), statistics.median(row["wall_s"])
        cells = [f"{cpu:.2f}", f"{min(row['cpu_s']):.2f}", f"{wall:.2f}", f"{max(row['peak_mb']):.0f}"]
        lines.append(f"| {row['what']} | {' | '.join(cells)} |")
    return "\n".join(lines)

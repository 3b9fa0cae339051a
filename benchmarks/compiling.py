"""What compiling costs: a command with an empty cache of kernels, and the same again with that cache.

CPU seconds of the command and of all processes that it starts; the difference of both runs is compiling.
Two versions are compared on one machine by giving both, which then take turns::

    git worktree add ../before v0.1.0
    python -m benchmarks.compiling before=../before/src now=src
    python -m benchmarks.compiling now=src --words coadd exposures/*.fits -o {output}
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from .contenders import LAMELLA
from .launch import run_measured

DEMO = ("demo", "-o", "{output}")


def measure(source: Path, words: list[str], folder: Path) -> dict[str, Any]:
    """Return what a command costs with the package in a folder: first, again, and how large the cache is."""
    cache = folder / "kernels"
    env = {"PYTHONPATH": str(source.absolute()), "NUMBA_CACHE_DIR": str(cache)}
    row: dict[str, Any] = {}
    for turn in ("first", "again"):
        filled = [word.format(output=folder / turn) for word in words]
        row[f"{turn}_s"] = run_measured([*LAMELLA, *filled], env=env)[0].cpu_s
    row["compiling_s"] = row["first_s"] - row["again_s"]
    compiled = [path for path in cache.rglob("*.nbc") if path.is_file()]
    return row | {"files": len(compiled), "mb": sum(path.stat().st_size for path in compiled) / 1e6}


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| | first run, CPU s | again | compiling | files | MB |", "|---" * 6 + "|"]
    for name in dict.fromkeys(row["name"] for row in rows):
        runs = [row for row in rows if row["name"] == name]
        numbers = [
            statistics.median(run[what] for run in runs)
            for what in ("first_s", "again_s", "compiling_s", "files", "mb")
        ]
        lines.append("| {} | {:.1f} | {:.1f} | {:.1f} | {:.0f} | {:.1f} |".format(name, *numbers))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("versions", nargs="+", metavar="NAME=FOLDER", help="Folder in which the package is.")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="Print all runs.")
    parser.add_argument("--words", nargs=argparse.REMAINDER, default=DEMO, help="The command, to the end.")
    args = parser.parse_args()
    rows = []
    for _ in range(args.repeats):
        for version in args.versions:
            name, _, source = version.partition("=")
            with tempfile.TemporaryDirectory() as folder:
                rows.append({"name": name, **measure(Path(source), args.words, Path(folder))})
    print(json.dumps(rows) if args.json else table(rows))


if __name__ == "__main__":
    main()

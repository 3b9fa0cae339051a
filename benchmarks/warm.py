"""Stacks inside one warm process beside reading the same bytes: how near lamella is to the floor.

The floor is `os.preadv` of all planes of all warps into small buffers that are
used again and again, with as many threads.  lamella reads and stacks the same
files, which stay open; writing the coadd is not part of it.  `assemble` makes a
whole coadd, with gaps filled and the noise measured; `stack_inputs`, which it
calls, the planes alone.  What comes on top hardly depends on the statistic, and
is measured with two of them.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from .contenders import MAIN, PLANES, STATISTICS
from .fits_planes import WarpFiles

READ = "read() alone"
CHUNK = 1 << 20
"""Bytes of a read: they stay in the cache, so that nothing is faster."""


def read_all(paths: Sequence[Path], threads: int) -> int:
    """Read files to their ends, and return the number of bytes."""

    def read(first: int) -> int:
        buffer, total = memoryview(bytearray(CHUNK)), 0
        for path in paths[first::threads]:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                place = 0
                while count := os.preadv(descriptor, [buffer], place):
                    place += count
            finally:
                os.close(descriptor)
            total += place
        return total

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(read, range(threads)))


class Used(NamedTuple):
    """Seconds."""

    wall_s: float
    cpu_s: float


def timed[T](work: Callable[[], T]) -> tuple[T, Used]:
    """Return the result of a piece of work of this process, and what it used."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, Used(time.perf_counter() - wall, time.process_time() - cpu)


def measure(files: WarpFiles, wanted: Sequence[str], threads: int, repeats: int) -> list[dict[str, Any]]:
    """Return the times of reading and of each statistic; each was run before, in the same process."""
    from lamella.coadd.assemble import assemble, stack_inputs
    from lamella.coadd.assemble_control import AssembleConfig
    from lamella.planes import Layout
    from lamella.resources import Resources

    from .fits_warp import open_warps

    inputs, target = open_warps(files)
    paths = [path for kind in PLANES for path in files.names(kind)]

    resources, layout = Resources(threads=threads), Layout.of()

    def whole(config: AssembleConfig) -> object:
        return assemble(inputs, config, target=target, resources=resources)

    def planes(config: AssembleConfig) -> object:
        return stack_inputs(inputs, target.outer_bbox, layout, config.stack_control(layout), resources)

    works: dict[str, Callable[[], object]] = {READ: lambda: read_all(paths, threads)}
    for name in wanted:
        config = AssembleConfig(statistic=name)
        works[f"{name}, stack_inputs"] = functools.partial(planes, config)
        if name in (MAIN, wanted[-1]):
            works[f"{name}, assemble"] = functools.partial(whole, config)
    runs: dict[str, list[Used]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            _, used = timed(work)
            if turn > 0:
                runs[name].append(used)
    floor = runs[READ]
    rows = []
    for name, used in runs.items():
        row: dict[str, Any] = {"statistic": name, "n": files.n, "threads": threads}
        for k, clock in enumerate(("wall", "cpu")):
            row[f"{clock}_s"] = [run[k] for run in used]
            row[f"{clock}_factor"] = statistics.median(a[k] / b[k] for a, b in zip(used, floor, strict=True))
        rows.append(row)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| n | threads | | wall s | ÷ read() | CPU s | ÷ read() |", "|---" * 7 + "|"]
    for row in rows:
        cells = [
            f"{statistics.median(row[f'{clock}_s']):.2f} ({min(row[f'{clock}_s']):.2f}–"
            f"{max(row[f'{clock}_s']):.2f}) | {row[f'{clock}_factor']:.2f}"
            for clock in ("wall", "cpu")
        ]
        lines.append(f"| {row['n']} | {row['threads']} | {row['statistic']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int, nargs="+", required=True)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--statistics", choices=STATISTICS, nargs="+", default=STATISTICS)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    rows = [
        row
        for n in args.n
        for threads in args.threads
        for row in measure(WarpFiles(args.folder, n), args.statistics, threads, args.repeats)
    ]
    print(json.dumps(rows))


if __name__ == "__main__":
    main()

"""The command ``python -m benchmarks``: run, print, and keep the results."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import coadd, cost_model, machine, stack, startup, storage, tables, warm, warping
from .contenders import GROUPS, LAMELLA, REFERENCE, STATISTICS, contenders
from .launch import CommandError, run_measured
from .warp_files import NoSpaceError, WarpStore

ROOT = Path(__file__).parents[1]
SIZE, NUMBERS, LARGE = 4200, [3, 10, 30], ["2100:100,300"]
KERNEL_REPEATS = 60
FULL_SIZE = 2000
"""Of the images, from which on nothing is cut short."""


@dataclasses.dataclass
class Report:
    """What the run found, as tables and as plain values."""

    machine: dict[str, Any]
    options: dict[str, Any]
    text: list[str] = dataclasses.field(default_factory=list)
    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    failed: bool = False

    def add(self, title: str, table: str, **values: Any) -> None:
        """Add a section and the values that belong to it, and print the section."""
        if not table:
            return
        self.text += [f"## {title}", table]
        self.values |= values
        print(f"\n## {title}\n\n{table}\n", flush=True)

    def fail_with(self, rows: Sequence[dict[str, Any]]) -> None:
        """Note whether one of some runs failed."""
        self.failed |= any(str(row["status"]).startswith("failed") for row in rows)

    def write(self, folder: Path) -> None:
        """Write ``bench.md`` and ``bench.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        record = {"machine": self.machine, "options": self.options, **self.values}
        opening = ["# Benchmarks", "How they are made and how to read them: `../README.md`."]
        loads = [self.values.get(name) for name in ("load_before", "load_after")]
        busy = f"Running processes over 1, 5 and 15 minutes: {loads[0]} before, {loads[1]} after."
        text = [*opening, f"```json\n{json.dumps(self.machine, indent=1)}\n```", busy, *self.text]
        (folder / "bench.md").write_text("\n\n".join(text) + "\n")
        (folder / "bench.json").write_text(json.dumps(record, indent=1, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else str(value)


@dataclasses.dataclass(frozen=True)
class Bench:
    """What the sections share."""

    args: argparse.Namespace
    report: Report
    folder: Path
    store: WarpStore

    @property
    def full(self) -> bool:
        return bool(self.args.size >= FULL_SIZE)

    def new_folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder


def tell(line: str) -> None:
    """Say on standard error what is going on, and when."""
    print(f"  {time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def _module(name: str, *words: object) -> Any:
    """Run a program of this package, and return what it prints as JSON."""
    _, text = run_measured([sys.executable, "-m", f"benchmarks.{name}", *map(str, words)], cwd=ROOT)
    return json.loads(text)


def bench_kernels(bench: Bench) -> None:
    args = bench.args
    repeats = KERNEL_REPEATS if bench.full else 5
    words = ["--n", *args.n, "--threads", *args.threads, "--statistics", *args.statistics]
    rows = _module("kernel", *words, "--repeats", repeats)
    bench.report.add("Statistics stack: kernels in the cache", tables.kernel_table(rows), kernels=rows)


def bench_startup(bench: Bench) -> None:
    folder = bench.new_folder("startup")
    files = WarpStore(folder / "warps", tell).get(64, 3, ["archive"])
    output = folder / "coadd.fits"
    rows = startup.measure(files, output, bench.args.repeats, tell, compile_too=bench.full)
    bench.report.add("Start-up", startup.table(rows), startup=rows)


def bench_storage(bench: Bench) -> None:
    files = _shared_warps(bench, bench.args.size, bench.args.n)
    rows = _module("storage", files.folder, "--repeats", bench.args.repeats)
    title = f"Archives of one warp of {bench.args.size} x {bench.args.size}, one thread, warm"
    bench.report.add(title, storage.table(rows), storage=rows)
    bench.report.failed |= not all(row["equal"] for row in rows)


def bench_warm(bench: Bench) -> None:
    args = bench.args
    files = _shared_warps(bench, args.size, args.n)
    words = ["--n", max(args.n), "--threads", *args.threads, "--statistics", *args.statistics]
    tell(f"stacks inside a process, n={max(args.n)}")
    rows = _module("warm", files.folder, *words, "--repeats", args.repeats)
    title = "Statistics stack: inside one warm process, beside reading the same bytes"
    bench.report.add(title, warm.table(rows), warm=rows)


def bench_stack(bench: Bench) -> None:
    args, report = bench.args, bench.report
    programs = contenders(args.programs, args.statistics, args.peers_python)
    plan = stack.Plan(programs, args.threads, args.repeats, args.statistics, args.thorough)
    # So that no run that counts compiles a kernel.
    own = [one for one in plan.programs if one.name.startswith(REFERENCE)]
    small = WarpStore(bench.folder / "small", tell).get(64, 2, ["archive"])
    for _ in stack.run_stacks(small, [2], stack.Plan(own, statistics=plan.statistics), lambda line: None):
        pass
    found: list[stack.Row] = []
    try:
        for size, numbers in [(args.size, args.n), *args.n_at]:
            files = _shared_warps(bench, size, numbers)
            for row in stack.run_stacks(files, numbers, plan, tell):
                found.append(row)
                report.failed |= row.status.startswith("failed")
    finally:
        # What is measured is worth keeping, also when the rest is not waited for.
        values = [row.summary() for row in found]
        report.add("Statistics stack: from files to files", tables.stack_table(found), stack=values)
        report.add("Statistics stack: memory", tables.memory_table(found))
        phases = tables.phase_table(found)
        report.add("Statistics stack: CPU seconds of the phases of lamella", phases)


def _shared_warps(bench: Bench, size: int, numbers: Sequence[int]) -> Any:
    """Return the warps that several sections use, in all forms that the programs read."""
    args = bench.args
    programs = contenders(args.programs, args.statistics, args.peers_python)
    kinds = {kind for one in programs if one.command for kind in one.kinds}
    return bench.store.get(size, max(numbers), kinds & {"archive", "nan"})


def bench_warp(bench: Bench) -> None:
    args, report = bench.args, bench.report
    sizes = {"size": args.size, "big": args.exposures, "small": args.small_exposures}
    rows: list[dict[str, Any]] = []
    folder = bench.new_folder("warp")
    try:
        # Those before a failure stay in the list.
        rows.extend(warping.run(folder, sizes, args.threads, args.repeats, args.peers_python, tell))
    finally:
        report.fail_with(rows)
        report.add("Warping, from files to files", warping.table(rows) if rows else "", warp=rows)
        steps = warping.step_table(rows)
        report.add("Warping: steps of lamella inside a process, CPU ns per output pixel", steps)


def bench_coadd(bench: Bench) -> None:
    args, report = bench.args, bench.report
    rows: list[dict[str, Any]] = []
    folder = bench.new_folder("coadd")
    try:
        rows.extend(coadd.run(folder, args.size, args.coadd_exposures, args.threads, 1, tell))
    finally:
        report.fail_with(rows)
        report.add("From exposures to a coadd", coadd.table(rows) if rows else "", coadd=rows)


def bench_cost(bench: Bench) -> None:
    shrink = min(1.0, bench.args.size / FULL_SIZE)
    found = cost_model.run(bench.new_folder("cost"), shrink, 2 if bench.args.thorough else 1, tell)
    bench.report.add("A model of the cost, and LSST DR1", cost_model.table(found), cost=found)


SECTIONS: dict[str, Callable[[Bench], None]] = {
    "kernels": bench_kernels,
    "startup": bench_startup,
    "storage": bench_storage,
    "warm": bench_warm,
    "stack": bench_stack,
    "warp": bench_warp,
    "coadd": bench_coadd,
    "cost": bench_cost,
}


def _numbers_at(text: str) -> tuple[int, list[int]]:
    """Read ``SIZE:N,N...``."""
    try:
        size, numbers = text.split(":")
        return int(size), [int(number) for number in numbers.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not SIZE:N,N...") from None


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=sys.modules["benchmarks"].__doc__
    )
    add = parser.add_argument
    add("--size", type=int, help=f"side of the images in pixels (default: {SIZE})")
    add("--n", type=int, nargs="+", help=f"numbers of warps (default: {' '.join(map(str, NUMBERS))})")
    add(
        "--n-at",
        type=_numbers_at,
        nargs="*",
        metavar="SIZE:N,N...",
        help=f"further stacks, of another size (default: {LARGE[0]} where neither --size nor --n is given)",
    )
    add("--repeats", type=int, default=3, help="number of rounds (default: %(default)s)")
    add("--thorough", action="store_true", help="all rounds and statistics for slow programs, too: hours")
    add("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads (default: 1 2)")
    add("--exposures", type=int, default=10, help="large exposures to warp (default: %(default)s)")
    add("--small-exposures", type=int, default=60, help="small ones (default: %(default)s)")
    add(
        "--coadd-exposures",
        type=int,
        nargs="+",
        default=[10, 30],
        help="numbers of exposures to coadd (default: 10 30)",
    )
    add("--only", choices=SECTIONS, nargs="+", default=list(SECTIONS), help="sections to run (default: all)")
    add(
        "--statistics",
        choices=STATISTICS,
        nargs="+",
        default=STATISTICS,
        help="statistics of the stacks (default: all)",
    )
    add(
        "--programs",
        choices=GROUPS,
        nargs="+",
        default=GROUPS,
        help="programs that stack (default: all; ratios need lamella)",
    )
    add(
        "--peers-python",
        default=sys.executable,
        metavar="PYTHON",
        help="interpreter that has the peers that are Python packages (default: this one)",
    )
    add("--work", type=Path, help="folder for large temporary files (default: that of the system)")
    add("--keep", action="store_true", help="leave the temporary files there")
    add("--output", type=Path, default=Path("bench"), help="folder of the results (default: %(default)s)")
    args = parser.parse_args(argv)
    if shutil.which(args.peers_python) is None:
        parser.error(f"--peers-python: there is no program {args.peers_python}")
    if args.n_at is None:
        plain = args.size is None and args.n is None
        args.n_at = [_numbers_at(text) for text in LARGE] if plain else []
    args.size, args.n = args.size or SIZE, args.n or NUMBERS
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    # Being told to end is like being interrupted: programs are ended and files removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hidden = ("work", "output", "peers_python")
    options = {name: value for name, value in vars(args).items() if name not in hidden}
    report = Report(machine.describe(args.peers_python), options)
    report.values["load_before"] = machine.load()
    with tempfile.TemporaryDirectory(prefix="lamella-bench-", dir=args.work, delete=not args.keep) as folder:
        if args.keep:
            tell(f"the temporary files stay in {folder}")
        bench = Bench(args, report, Path(folder), WarpStore(Path(folder, "warps"), tell))
        try:
            if {"warp", "coadd", "cost"}.intersection(args.only):
                tell("compiling what is not compiled yet")
                run_measured([*LAMELLA, "warm"])
            for section in args.only:
                tell(f"section {section}")
                SECTIONS[section](bench)
                report.write(args.output)
        except (NoSpaceError, CommandError) as err:
            print(f"Error: {err}", file=sys.stderr)
            report.failed = True
        except KeyboardInterrupt:
            print("Interrupted: the results are those so far.", file=sys.stderr)
            report.values["interrupted"] = report.failed = True
    report.values["load_after"] = machine.load()
    report.write(args.output)
    print(f"Results: {args.output / 'bench.md'}, {args.output / 'bench.json'}")
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main())

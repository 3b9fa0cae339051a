"""The command ``python -m benchmarks``: run, print, and keep the results."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import coadd, machine, stack, tables, warp_swarp
from .fits_planes import WarpFiles
from .launch import CommandError, run_measured
from .stack_swarp import find_swarp
from .warp_files import NoSpaceError, bytes_needed, check_space

ROOT = Path(__file__).parents[1]
SECTIONS = ("stack", "warp", "coadd")
KERNEL_REPEATS = 60


@dataclasses.dataclass
class Report:
    """What the run found, as tables and as plain values."""

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

    def write(self, folder: Path) -> None:
        """Write ``bench.md`` and ``bench.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        record = {"machine": machine.describe(), "options": self.options, **self.values}
        about = json.dumps(record["machine"], indent=1)
        opening = ["# Benchmarks", "How they are made and how to read them: `../README.md`."]
        loads = [self.values.get(name) for name in ("load_before", "load_after")]
        busy = f"Running processes over 1, 5 and 15 minutes: {loads[0]} before, {loads[1]} after."
        text = [*opening, f"```json\n{about}\n```", busy, *self.text]
        (folder / "bench.md").write_text("\n\n".join(text) + "\n")
        (folder / "bench.json").write_text(json.dumps(record, indent=1, default=str) + "\n")


def tell(line: str) -> None:
    """Say on standard error what is going on."""
    print(f"  {line}", file=sys.stderr, flush=True)


def bench_stack(report: Report, args: argparse.Namespace, folder: Path) -> None:
    programs = stack.contenders(args.programs, args.statistics)
    archives = any("archive" in one.kinds for one in programs)
    check_space(folder, bytes_needed(args.size, max(args.n), archives=archives))
    rows = _kernels(args)
    report.add("Statistics stack: kernels in the cache", tables.kernel_table(rows), kernels=rows)
    make = [sys.executable, "-m", "benchmarks.warp_files", folder, "--size", str(args.size)]
    tell(f"writing {max(args.n)} warps of {args.size} x {args.size} pixels to {folder}")
    run_measured([*make, "--n", str(max(args.n)), *(["--archives"] if archives else [])], cwd=ROOT)
    files = WarpFiles(folder, max(args.n))
    _compile(programs, folder, args.statistics)
    found: list[stack.Row] = []
    task = (args.n, args.threads, args.repeats, programs, tell, args.statistics)
    try:
        for row in stack.run_stacks(files, *task):
            found.append(row)
            report.failed |= row.status.startswith("failed")
    finally:
        # What is measured is worth keeping, also when the rest is not waited for.
        values = [row.summary() for row in found]
        report.add("Statistics stack: from files to files", tables.stack_table(found), stack=values)
        phases = tables.phase_table(found)
        report.add("Statistics stack: CPU seconds of the phases of lamella", phases)


def _kernels(args: argparse.Namespace) -> list[dict[str, Any]]:
    numbers = [str(n) for n in args.n]
    threads = [str(count) for count in args.threads]
    repeats = str(KERNEL_REPEATS if args.size >= 1000 else 5)
    command = [sys.executable, "-m", "benchmarks.kernel", "--n", *numbers, "--threads", *threads]
    command += ["--statistics", *args.statistics, "--repeats", repeats]
    _, text = run_measured(command, cwd=ROOT)
    rows: list[dict[str, Any]] = json.loads(text)
    return rows


def _compile(programs: Sequence[stack.Contender], folder: Path, statistics: Sequence[str]) -> None:
    """Run lamella on two tiny warps, so that no run that counts compiles a kernel."""
    small = folder / "small"
    small.mkdir()
    make = [sys.executable, "-m", "benchmarks.warp_files", small, "--size", "64", "--n", "2"]
    archives = any("archive" in one.kinds for one in programs)
    run_measured([*make, *(["--archives"] if archives else [])], cwd=ROOT)
    own = [one for one in programs if one.name.startswith(stack.REFERENCE)]
    for _ in stack.run_stacks(WarpFiles(small, 2), [2], [1], 1, own, lambda line: None, statistics):
        pass


def bench_warp(report: Report, args: argparse.Namespace, folder: Path) -> None:
    """Run the comparison of warps, which is a program of its own."""
    output = folder / "warp.json"
    sides = ["--size", str(args.size), "--width", str(args.size // 2), "--height", str(args.size)]
    command = [sys.executable, "-m", "benchmarks.warp_swarp", *sides, "--output", output]
    usage, _ = run_measured([*command, "--exposures", str(args.exposures)], cwd=ROOT)
    values = json.loads(output.read_text())
    values["options"].pop("output")
    values["process_peak_mb"] = usage.peak_mb
    table = warp_swarp.table(values["results"])
    if not find_swarp():
        table += "\n| SWarp | not installed | | | | | | |"
    report.add("Lanczos-3 warping", table, warp=values)


def bench_coadd(report: Report, args: argparse.Namespace, folder: Path) -> None:
    side = max(args.size // 4, 64)
    rows = coadd.run_coadds(folder, side, min(args.n), args.threads, args.repeats, tell)
    report.add("Exposures to coadds", coadd.table(rows), coadd=rows)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=sys.modules["benchmarks"].__doc__
    )
    add = parser.add_argument
    add("--size", type=int, default=4200, help="side of the images in pixels (default: %(default)s)")
    add("--n", type=int, nargs="+", default=[10, 30], help="numbers of warps (default: 10 30)")
    add("--repeats", type=int, default=3, help="number of rounds (default: %(default)s)")
    add("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads (default: 1 2)")
    add("--exposures", type=int, default=3, help="exposures to warp (default: %(default)s)")
    add("--only", choices=SECTIONS, nargs="+", default=SECTIONS, help="sections to run (default: all)")
    add(
        "--statistics",
        choices=stack.STATISTICS,
        nargs="+",
        default=stack.STATISTICS,
        help="statistics of the stacks (default: all)",
    )
    add(
        "--programs",
        choices=stack.GROUPS,
        nargs="+",
        default=stack.GROUPS,
        help="programs that stack (default: all; ratios need lamella)",
    )
    add("--work", type=Path, help="folder for large temporary files (default: that of the system)")
    add("--keep", action="store_true", help="leave the temporary files there")
    add("--output", type=Path, default=Path("bench"), help="folder of the results (default: %(default)s)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    # Being told to end is like being interrupted: programs are ended and files removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report = Report(
        options={name: value for name, value in vars(args).items() if name not in ("work", "output")}
    )
    run = {"stack": bench_stack, "warp": bench_warp, "coadd": bench_coadd}
    report.values["load_before"] = machine.load()
    with tempfile.TemporaryDirectory(prefix="lamella-bench-", dir=args.work, delete=not args.keep) as folder:
        if args.keep:
            tell(f"the temporary files stay in {folder}")
        try:
            for section in args.only:
                part = Path(folder, section)
                part.mkdir()
                run[section](report, args, part)
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

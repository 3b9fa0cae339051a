"""CPU seconds of each step of the page `docs/manual-example.md`, as a reader types it into a fresh folder.

A program of its own, which needs the extra [lsst]: ``python -m benchmarks.manual_example``.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import re
import shlex
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .launch import Usage, run_measured
from .machine import load

PAGE = Path(__file__).parents[1] / "docs" / "manual-example.md"
FOLDER = "ci_hsc"
"""The folder that the page makes, in the one where it is read."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A program or a command of the page."""

    language: str
    """``"python"`` or ``"console"``."""
    text: str

    @property
    def title(self) -> str:
        """What tells the step from the others."""
        if self.language == "python":
            return re.sub(r".*import (\w+).*", r"python: \1", self.text, flags=re.S)
        words = shlex.split(self.text.replace("\\\n", ""))
        number = 3 if words[0] == "lamella" and words[1] == "butler" else 2 if words[0] in WITH_VERBS else 1
        kinds = [word for word in words if word.startswith(("--legacy", "--warpCompare", "filter="))]
        reruns = [after for word, after in itertools.pairwise(words) if word == "--rerun"]
        return " ".join([*words[:number], *reruns, *kinds])


WITH_VERBS = ("lamella", "pipetask")


def page_steps() -> list[Step]:
    """Return the programs and commands of the page, in order."""
    blocks = re.findall(r"^```(python|console)\n(.*?)^```$", PAGE.read_text(), flags=re.M | re.S)
    steps = []
    for language, text in blocks:
        texts = [text] if language == "python" else re.split(r"^\$ ", text, flags=re.M)[1:]
        steps += [Step(language, words) for words in texts]
    return steps


class Reader:
    """Somebody who takes the steps of the page in a folder.

    Parameters
    ----------
    folder
        An empty folder.
    source
        A folder with the package, instead of the one that is installed.
    """

    def __init__(self, folder: Path, source: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.env = {"CI_HSC_DIR": str(folder / FOLDER), "PATH": path}
        if source is not None:
            self.env["PYTHONPATH"] = str(source)

    def take(self, step: Step) -> Usage:
        """Take a step; return what it used, with the processes that it started."""
        program = ["python", "-c"] if step.language == "python" else ["bash", "-c"]
        return run_measured([*program, step.text], cwd=self.folder, env=self.env)[0]


def compare(steps: Sequence[Step], readers: Sequence[Reader]) -> list[list[Usage]]:
    """Have the readers take each step in turn; return what it used, by step and reader."""
    rows = []
    for step in steps:
        rows.append([reader.take(step) for reader in readers])
        seconds = " ".join(f"{usage.cpu_s:6.2f}" for usage in rows[-1])
        print(f"  {seconds}  {step.title}", file=sys.stderr, flush=True)
    return rows


def table(steps: Sequence[Step], rounds: Sequence[list[list[Usage]]]) -> str:
    """Return medians over the rounds as a Markdown table; of two readers with their ratio."""
    titles = ["CPU s"] if len(rounds[0][0]) == 1 else ["CPU s before", "CPU s", "ratio"]
    lines = [f"| step | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    seconds = [
        [statistics.median(cpu) for cpu in zip(*([u.cpu_s for u in row] for row in rows), strict=True)]
        for rows in zip(*rounds, strict=True)
    ]
    sums = [sum(column) for column in zip(*seconds, strict=True)]
    for title, row in zip([step.title for step in steps] + ["all"], [*seconds, sums], strict=True):
        cells = [f"{cpu:.2f}" for cpu in row] + ([f"{row[1] / row[0]:.2f}"] if len(row) == 2 else [])
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(args: Sequence[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.manual_example", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="rounds (default: %(default)s)")
    parser.add_argument("--before", type=Path, help="src of an older version, whose steps are taken in turn")
    options = parser.parse_args(args)
    steps = [step for step in page_steps() if not step.text.startswith("export ")]
    print(f"load before: {load()}")
    rounds = []
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory(prefix="lamella-bench-") as folder:
            before = [] if options.before is None else [Reader(Path(folder, "before"), options.before)]
            rounds.append(compare(steps, [*before, Reader(Path(folder, "now"))]))
    print(f"\n{table(steps, rounds)}\n\nload after: {load()}")


if __name__ == "__main__":
    main()

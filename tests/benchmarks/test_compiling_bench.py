"""The benchmark of compiling: whose package runs, with which cache, and what is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.compiling import measure, table

PROGRAM = """
import os, pathlib, sys, time
def main():
    cache = pathlib.Path(os.environ["NUMBA_CACHE_DIR"]) / "part"
    if not cache.exists():
        cache.mkdir(parents=True)
        (cache / "kernel.nbc").write_bytes(bytes(2_000_000))
        begin = time.process_time()
        while time.process_time() < begin + 0.5:
            pass
    pathlib.Path(sys.argv[1]).mkdir()
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package that "compiles" for half a second when its cache is empty."""
    folder = tmp_path / "other" / "lamella" / "cli"
    folder.mkdir(parents=True)
    for path in (folder, folder.parent):
        (path / "__init__.py").touch()
    (folder / "main.py").write_text(PROGRAM)
    return folder.parents[1]


def test_compiling_is_what_the_second_run_does_not_spend(package, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    row = measure(package, ["{output}"], work)
    assert {path.name for path in work.iterdir()} == {"first", "again", "kernels"}
    assert row["first_s"] > 0.5
    assert row["compiling_s"] == row["first_s"] - row["again_s"]
    assert (row["files"], row["mb"]) == (1, 2.0)


def test_the_table_has_a_line_of_medians_for_each_version():
    numbers = {"again_s": 1.0, "files": 4, "mb": 0.5}
    rows = [
        {"name": name, "first_s": first, "compiling_s": first - 1.0, **numbers}
        for name, first in (("before", 9.0), ("now", 3.0), ("before", 12.0), ("now", 5.0), ("before", 10.0))
    ]
    assert table(rows).splitlines()[2:] == [
        "| before | 10.0 | 1.0 | 9.0 | 4 | 0.5 |",
        "| now | 4.0 | 1.0 | 3.0 | 4 | 0.5 |",
    ]

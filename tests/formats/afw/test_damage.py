"""Damaged files of the stack end in an answer or a typed error, soon and in little memory.

Some variants are tried each time; with LAMELLA_DAMAGE=2000 in the environment, so many.
"""

from __future__ import annotations

import collections
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from .damage import DAMAGES, damaged

WORKER = Path(__file__).with_name("damage_worker.py")
COUNT = int(os.environ.get("LAMELLA_DAMAGE", "24"))
SECONDS = 5.0
MIB = 1024.0
PATIENCE = 600.0
"""Seconds without a word from a process, after which it hangs; a machine may have much else to do."""


def lines(process: subprocess.Popen[str]) -> queue.Queue[str]:
    """Return what a process prints, line by line; an empty text is its end."""
    outcomes: queue.Queue[str] = queue.Queue()

    def pump() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            outcomes.put(line)
        outcomes.put("")

    threading.Thread(target=pump, daemon=True).start()
    return outcomes


def watch(folder: Path, temporary: Path, first: int, stop: int) -> list[dict[str, Any]]:
    """Let a process open variants; the one in which it ends or hangs is the last."""
    command = [sys.executable, str(WORKER), str(folder), str(temporary), str(first), str(stop)]
    results: list[dict[str, Any]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        said, outcome = lines(process), ""
        while len(results) < stop - first:
            try:
                line = said.get(timeout=PATIENCE)
            except queue.Empty:
                outcome = f"UNTYPED hang of {PATIENCE:g} s"
                break
            if not line:
                status = process.wait()
                assert process.stderr is not None
                outcome = f"UNTYPED end of the process with {status}: {process.stderr.read()[-300:]}"
                break
            results.append(json.loads(line))
        process.kill()
    if outcome:
        number = first + len(results)
        results.append(
            {"number": number, "file": "", "damage": "", "outcome": outcome, "seconds": 0, "mib": 0}
        )
    return results


@pytest.mark.slow
def test_damaged_files_end_in_an_answer_or_a_typed_error(afw_files: Path, tmp_path: Path) -> None:
    results: list[dict[str, Any]] = []
    while len(results) < COUNT:
        results += watch(afw_files, tmp_path, len(results), COUNT)
    outcomes = collections.Counter(result["outcome"].split()[0] for result in results)
    slowest, largest = (max(results, key=lambda result, k=key: result[k]) for key in ("seconds", "mib"))  # type: ignore[misc]
    print(f"{COUNT} variants: {dict(outcomes.most_common())}")
    print(f"slowest {slowest}, largest {largest}")
    assert [result for result in results if result["outcome"].startswith("UNTYPED")] == []
    assert [result for result in results if result["seconds"] > SECONDS or result["mib"] > MIB] == []
    # They are not all refused at the first byte.
    assert outcomes["answer"] > 0.01 * COUNT
    assert len(outcomes) > 4


@pytest.mark.parametrize("number", range(4))
def test_variants_are_the_same_each_time_and_differ_from_the_file(afw_files: Path, number: int) -> None:
    path = afw_files / "obs_base_calexp_hsc.fits"
    name, _, content = damaged(path, number)
    assert (name, content) == (damaged(path, number)[0], damaged(path, number)[2])
    assert name in {damage.__name__ for damage in DAMAGES}
    assert content != path.read_bytes()

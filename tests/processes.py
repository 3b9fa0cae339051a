"""Processes for tests of what several do at once, of one that is killed, or of one that may write little.

They are forked from one that has imported everything, which takes each of them seconds otherwise.
"""

from __future__ import annotations

import logging
import multiprocessing
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

__all__ = ("PRELOADED", "fresh_output", "kept_logs", "limited_files", "start_program")

PRELOADED = multiprocessing.get_context("forkserver")
PRELOADED.set_forkserver_preload(
    [
        "lamella.run.coadd_run",
        "lamella.run.patch",
        # Those that are not installed are passed over.
        "distributed.nanny",
        "lsst.ctrl.mpexec.cli.pipetask",
        "lamella.formats.recognise",
        "lamella.tasks.cmdline.locations",
        "lamella.tasks.formatters",
        "lamella.tasks.ingest",
        "lamella.tasks.manual.assembleCoadd",
        "lamella.tasks.pipeline",
        "lamella.tasks.repository",
    ]
)

# What it prints goes to a file; its end is that of the process.
_START = """
import os, sys
with open(log, "wb") as stream:
    os.dup2(stream.fileno(), 1)
    os.dup2(stream.fileno(), 2)
sys.argv = ["-c", *arguments]
exec(code, {"__name__": "__main__"})
"""


def start_program(code: str, *arguments: object, log: Path) -> BaseProcess:
    """Start a program, as ``python -c`` would, with its output in a file."""
    names = {"code": code, "arguments": [str(one) for one in arguments], "log": str(log)}
    process = PRELOADED.Process(target=exec, args=(_START, names))
    process.start()
    return process


def fresh_output(code: str) -> str:
    """Run a program in a fresh interpreter, with warnings of users as errors; return what it printed."""
    command = [sys.executable, "-W", "error::UserWarning", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def kept_logs() -> Iterator[None]:
    """Take back what commands that run in this process do to its loggers."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    levels = {name: logging.getLogger(name).level for name in ("", "lamella", "lsst", "timer")}
    try:
        yield
    finally:
        root.handlers[:] = handlers
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def limited_files(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

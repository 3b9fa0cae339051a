"""Somebody who pastes all blocks of a page, one after the other, into a shell and an interpreter."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..processes import PRELOADED
from .blocks import Block, Command, commands
from .compare import difference

__all__ = ("read_page",)


def read_page(blocks: Sequence[Block], folder: Path, scripts: Path, log: Path) -> str:
    """Take the blocks of a page in a folder; return what went wrong, or nothing.

    It is done in a fork of a process that has imported everything, with warnings as errors, and
    without a terminal.
    """
    process = PRELOADED.Process(target=_read, args=(blocks, folder, scripts, log))
    process.start()
    process.join()
    text = log.read_text() if log.exists() else ""
    return text if process.exitcode else ""


def _read(blocks: Sequence[Block], folder: Path, scripts: Path, log: Path) -> None:
    with log.open("w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    os.chdir(folder)
    # Of packages of others nothing is asked when they are imported.
    warnings.simplefilter("error")
    reader = _Reader(scripts)
    for block in blocks:
        try:
            reader.take(block)
        except BaseException:
            print(f"{block.page}:{block.line}:\n{block.text}", file=sys.stderr)
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)


class _Reader:
    def __init__(self, scripts: Path) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.printed = ""
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            "PATH": f"{scripts}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "120",
        }
        os.environ.update(self.environment)

    def take(self, block: Block) -> None:
        """Run a block, save it as a file, or hold it against what was printed last."""
        if block.mark == "file":
            Path(block.value).parent.mkdir(parents=True, exist_ok=True)
            Path(block.value).write_text(block.text)
        elif block.mark == "output":
            self._compare(block.text)
        elif block.is_run and block.language == "python":
            self.printed = self._python(block)
        elif block.is_run:
            *first, last = commands(block)
            for command in first:
                self._shell(command)
            self._shell(last, fails=block.mark == "fails")

    def _python(self, block: Block) -> str:
        """Run a program; its lines have the numbers of the page."""
        printed = io.StringIO()
        code = compile("\n" * (block.line - 1) + block.text, block.page, "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, self.names)
        return printed.getvalue()

    def _shell(self, command: Command, fails: bool = False) -> None:
        """Run a command in a shell that knows what earlier ones exported."""
        script = f"set -e -o pipefail\n{command.text}\nexport -p > .exported"
        if Path(".exported").exists():
            script = f"source .exported\n{script}"
        ended = subprocess.run(
            ["bash", "-c", script],
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        self.printed = ended.stdout + ended.stderr
        if (ended.returncode != 0) != fails:
            raise AssertionError(f"status {ended.returncode} of: {command.text}\n{self.printed}")
        if command.output:
            self._compare(command.output)

    def _compare(self, shown: str) -> None:
        different = difference(shown, self.printed)
        if different:
            raise AssertionError(different)


def show_commands(block: Block) -> str:
    """Return the commands of a block as words, for messages."""
    return json.dumps([shlex.split(command.text) for command in commands(block)])

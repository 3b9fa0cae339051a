"""Somebody who pastes all blocks of a page, one after the other, into a shell and an interpreter."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import shutil
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ..processes import PRELOADED
from .blocks import Block, Command, commands, page_blocks
from .compare import difference

__all__ = ("Desk", "read_blocks")


@dataclasses.dataclass(frozen=True)
class Desk:
    """A place to read a page at: a folder for it, with what ``lamella demo`` leaves."""

    demo: Path
    scripts: Path
    folder: Path

    def read(self, path: Path, lay_out: Callable[[Path], object] | None = None) -> None:
        """Run all blocks of a page, in a folder where its files were laid out; fail with what went wrong."""
        here = self.folder / "here"
        here.mkdir()
        copy_linked(self.demo, here / "demo")
        if lay_out is not None:
            lay_out(here)
        told = read_blocks(page_blocks(path), here, self.scripts, self.folder / "log")
        if told:
            pytest.fail(told, pytrace=False)


def copy_linked(source: Path, target: Path) -> None:
    """Copy a folder; its files, which are written whole or not at all, are the same ones."""
    shutil.copytree(source, target, copy_function=os.link)


def read_blocks(blocks: Sequence[Block], folder: Path, scripts: Path, log: Path) -> str:
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

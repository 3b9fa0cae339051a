"""Compiled kernels on disk: who finds them, who can keep them, and what becomes of damaged ones."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from lamella.kernels._sources import source_stamp

from ..guests import with_write_permission, without_write_permission
from ..processes import start_program

pytestmark = pytest.mark.slow

KERNEL = """
import numpy as np
from lamella.kernels._jit import jit

@jit
def double(values):
    return values * np.float32(2)
"""
PROGRAM = """
import multiprocessing.process, os, sys, tempfile
import numpy as np
from tests.guests import obey_permissions
from numba.core import config
os.environ.update({env})
tempfile.tempdir = None
config.reload_config()
sys.path.insert(0, {site!r})
obey_permissions()
multiprocessing.process._parent_process = None  # it is the first process of a command
{before}
from lamella.kernels.watch import watch
from installed.kernel import double
print("result", double(np.float32(21)), watch.count)
"""


class Installation:
    """A package with one kernel, a home, and a folder of temporary files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package, self.home, self.temporary = (
            folder / name for name in ("site/installed", "home", "temporary")
        )
        for path in (self.package, self.home, self.temporary):
            path.mkdir(parents=True)
        (self.package / "__init__.py").touch()
        (self.package / "kernel.py").write_text(KERNEL)
        self._logs = itertools.count()

    def start(self, *, before: str = "", **env: str) -> tuple[BaseProcess, Path]:
        """Call the kernel in a process of its own, whose output goes to a file."""
        env = {"HOME": str(self.home), "TMPDIR": str(self.temporary)} | env
        log = self.folder / f"log{next(self._logs)}"
        code = PROGRAM.format(env=env, site=str(self.package.parent), before=before)
        return start_program(code, log=log), log

    def call(self, *, before: str = "", **env: str) -> tuple[str, list[str]]:
        """Return what the kernel returned and how many were compiled; and what else was said."""
        return ended(*self.start(before=before, **env))

    @property
    def kept(self) -> list[Path]:
        """All compiled kernels."""
        return sorted(self.folder.rglob("*.nbc"))


def ended(process: BaseProcess, log: Path) -> tuple[str, list[str]]:
    """Wait for a process; return its result, and other lines of its log."""
    process.join()
    lines = log.read_text().splitlines()
    assert process.exitcode == 0, lines
    (result,) = (line for line in lines if line.startswith("result "))
    return result.removeprefix("result "), [line for line in lines if line != f"{result}"]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    yield Installation(tmp_path)
    with_write_permission(tmp_path)


def test_a_kernel_is_compiled_once_and_kept_beside_the_package(installation):
    assert installation.call() == ("42.0 1", [])
    (kept,) = installation.kept
    assert kept.parent == installation.package / "__pycache__"
    assert installation.call() == ("42.0 0", [])


def test_what_an_administrator_compiled_serves_users_who_may_not_write(installation):
    installation.call()
    without_write_permission(installation.package.parent, installation.home)
    assert installation.call() == ("42.0 0", [])
    assert len(installation.kept) == 1


def test_where_the_package_cannot_be_written_the_home_keeps_kernels(installation):
    without_write_permission(installation.package.parent)
    assert installation.call() == ("42.0 1", [])
    (kept,) = installation.kept
    assert kept.is_relative_to(installation.home)
    assert installation.call() == ("42.0 0", [])


def test_where_neither_can_be_written_temporary_files_keep_kernels_and_one_line_says_so(installation):
    without_write_permission(installation.package.parent, installation.home)
    result, said = installation.call()
    assert result == "42.0 1"
    folder = installation.temporary / f"lamella-kernels-{os.getuid()}"
    (line,) = said
    assert str(folder) in line
    assert "lamella warm" in line
    assert installation.call() == ("42.0 0", [])
    assert folder.stat().st_mode & 0o077 == 0


def test_where_nothing_can_be_written_kernels_are_compiled_in_memory_and_one_line_says_so(installation):
    without_write_permission(installation.package.parent, installation.home, installation.temporary)
    elsewhere = f"tempfile.tempdir = {str(installation.temporary)!r}"
    result, said = installation.call(before=elsewhere)
    assert result == "42.0 1"
    (line,) = said
    assert "in memory" in line
    assert installation.kept == []


def test_compiled_code_in_a_temporary_folder_that_others_may_write_to_is_not_run(installation):
    without_write_permission(installation.package.parent, installation.home)
    installation.call()
    (installation.temporary / f"lamella-kernels-{os.getuid()}").chmod(0o777)
    result, said = installation.call()
    assert result == "42.0 1"
    assert "in memory" in said[0]


def test_a_chosen_folder_is_the_only_one_while_it_can_be_written(installation, tmp_path):
    installation.call()
    chosen = tmp_path / "chosen"
    assert installation.call(NUMBA_CACHE_DIR=str(chosen)) == ("42.0 1", [])
    assert len(list(chosen.rglob("*.nbc"))) == 1
    without_write_permission(chosen)
    assert installation.call(NUMBA_CACHE_DIR=str(chosen)) == ("42.0 0", [])
    empty = tmp_path / "empty"
    empty.mkdir()
    without_write_permission(empty)
    assert installation.call(NUMBA_CACHE_DIR=str(empty)) == ("42.0 0", [])


@pytest.mark.parametrize("damage", ["empty", "cut off", "one bit", "text", "without its head"])
def test_damaged_code_is_compiled_again_with_one_line(installation, damage):
    installation.call()
    (kept,) = installation.kept
    content = kept.read_bytes()
    middle = len(content) // 2
    flipped = bytes([content[middle] ^ 1])
    kept.write_bytes(
        {
            "empty": b"",
            "cut off": content[:-1],
            "one bit": content[:middle] + flipped + content[middle + 1 :],
            "text": b"no compiled kernel",
            "without its head": content[20:],
        }[damage]
    )
    result, said = installation.call()
    assert result == "42.0 1"
    (line,) = said
    assert kept.name in line
    assert "compiled again" in line
    assert installation.call() == ("42.0 0", [])


def test_damaged_code_that_cannot_be_mended_is_kept_elsewhere(installation):
    installation.call()
    (kept,) = installation.kept
    kept.write_bytes(b"")
    without_write_permission(installation.package.parent)
    assert installation.call()[0] == "42.0 1"
    assert installation.call() == ("42.0 0", [])


@pytest.mark.parametrize(
    "env", [{"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}, {}], ids=["processor", "compiler"]
)
def test_code_for_another_processor_or_compiler_is_kept_beside(installation, env):
    installation.call()
    other = "import numba; numba.__version__ = '0.0.1'" if not env else ""
    assert installation.call(before=other, **env) == ("42.0 1", [])
    assert len(installation.kept) == 2
    assert installation.call(before=other, **env) == ("42.0 0", [])
    assert installation.call() == ("42.0 0", [])


def test_code_of_older_sources_is_not_used_and_goes(installation):
    installation.call()
    (older,) = installation.kept
    (installation.package / "kernel.py").write_text(KERNEL.replace("float32(2)", "float32(3)"))
    assert installation.call() == ("63.0 1", [])
    (newer,) = installation.kept
    assert newer != older


def test_processes_that_start_at_once_compile_a_kernel_once(installation):
    slowly = (
        "import time; from numba.core.compiler import CompileResult; whole = CompileResult._reduce\n"
        "def slow(result): time.sleep(0.5); open({!r}, 'a').write('x'); return whole(result)\n"
        "CompileResult._reduce = slow"
    ).format(str(installation.folder / "compiled"))
    processes = [installation.start(before=slowly) for _ in range(3)]
    assert [ended(*process)[0].split()[0] for process in processes] == ["42.0"] * 3
    assert (installation.folder / "compiled").read_text() == "x"


def test_a_stamp_follows_what_a_kernel_is_compiled_from(tmp_path):
    from lamella.kernels import _sources

    room = tmp_path / "kernels"
    (room / "part").mkdir(parents=True)
    (room / "__init__.py").touch()
    (room / "part" / "__init__.py").touch()
    (room / "part" / "top.py").write_text(
        "from ..sums import (\n    add,  # the first\n    take,\n)\nfrom . import side\n"
    )
    (room / "part" / "side.py").write_text("from ..deep import LIMIT\n")
    (room / "sums.py").write_text("add = take = 1\n")
    (room / "deep.py").write_text("LIMIT = 1\n")
    (room / "other.py").write_text("A = 1\n")

    def stamp() -> str:
        _sources.source_stamp.cache_clear()
        _sources._imported.cache_clear()
        return source_stamp(room / "part" / "top.py")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sources, "_ROOM", room)
        before = stamp()
        (room / "other.py").write_text("A = 2\n")
        assert stamp() == before
        for name in ("part/side.py", "sums.py", "deep.py"):
            path = room / name
            path.write_text(path.read_text() + "# more\n")
            assert stamp() != before
            before = stamp()
    _sources.source_stamp.cache_clear()
    _sources._imported.cache_clear()

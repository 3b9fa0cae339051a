"""One run at a time in a folder, and leftovers of dead runs are cleared."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lamella.errors import OutputError
from lamella.run.folder import hold_folder, remove_leftovers

PRODUCTS = re.compile(r"(coadd|warp)-.*")


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def make(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")


def test_the_folder_is_made_and_nothing_stays_in_it(tmp_path: Path) -> None:
    with hold_folder(tmp_path / "a" / "b", PRODUCTS) as folder:
        assert folder == tmp_path / "a" / "b"
        make(folder, "coadd-1.fits")
    assert names(folder) == {"coadd-1.fits"}


def test_a_second_run_is_told_so(tmp_path: Path) -> None:
    with (
        hold_folder(tmp_path, PRODUCTS),
        pytest.raises(OutputError, match="another run of lamella is writing"),
        hold_folder(tmp_path, PRODUCTS),
    ):
        pytest.fail("two runs in one folder")
    with hold_folder(tmp_path, PRODUCTS):
        pass


def test_the_lock_of_a_dead_process_is_open(tmp_path: Path) -> None:
    code = (
        "import os, re, sys; from lamella.run.folder import hold_folder\n"
        "with hold_folder(sys.argv[1], re.compile('x')): os._exit(9)"
    )
    died = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert died.returncode == 9
    assert names(tmp_path) == {".lamella-lock"}
    with hold_folder(tmp_path, PRODUCTS):
        pass
    assert names(tmp_path) == set()


def test_only_what_a_run_left_is_removed(tmp_path: Path) -> None:
    ours = [
        ".lamella-coadd-r-0-0,0.fits-ab12_xyz/coadd-r-0-0,0.fits",
        ".lamella-scratch-ab12_xyz/Cam-1.warp",
        "warps/.lamella-warp-1.fits-ab12_xyz/warp-1.fits",
    ]
    others = [
        "coadd-1.fits",
        "lamella-notes/a.txt",
        ".hidden/a.txt",
        ".lamella-notes.txt-ab12_xyz/notes.txt",
        ".lamella-coadd-file",
        "deep/down/.lamella-scratch-ab12_xyz/Cam-1.warp",
    ]
    make(tmp_path, *ours, *others)
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    make(outside, "precious")
    (tmp_path / ".lamella-scratch-link").symlink_to(outside)
    remove_leftovers(tmp_path, PRODUCTS)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == set(others)
    assert (outside / "precious").exists()


def test_leftovers_are_cleared_at_the_beginning_and_at_the_end(tmp_path: Path) -> None:
    make(tmp_path, ".lamella-scratch-1/x")
    with hold_folder(tmp_path, PRODUCTS):
        assert names(tmp_path) == {".lamella-lock"}
        make(tmp_path, ".lamella-scratch-2/x")
    assert names(tmp_path) == set()


def test_without_locks_a_run_goes_on_and_leaves_leftovers_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    make(tmp_path, ".lamella-scratch-1/x")
    with hold_folder(tmp_path, PRODUCTS):
        pass
    assert names(tmp_path) == {".lamella-scratch-1", ".lamella-scratch-1/x"}


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    make(tmp_path, "file")
    with pytest.raises(OutputError, match="file"), hold_folder(tmp_path / "file", PRODUCTS):
        pass

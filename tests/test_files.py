"""Nothing half-written stays under a final name."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lamella import files
from lamella.errors import OutputError
from lamella.files import atomic_path, make_folder, write_text


def test_a_file_appears_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "new"


def test_a_failure_leaves_the_old_file_and_no_remains(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail_halfway() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("ne")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail_halfway()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_an_output_error_with_the_final_name(tmp_path: Path) -> None:
    message = r"a\.fits: cannot be written: No space left"
    with pytest.raises(OutputError, match=message), atomic_path(tmp_path / "a.fits"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_or_unusable_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"), atomic_path(tmp_path / "no" / "a.txt"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        make_folder(tmp_path / "file" / "below")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_sync_is_told_and_the_file_written(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "fsync", _failing_sync(number))
    monkeypatch.setattr(files, "_TOLD", set())
    write_text(tmp_path / "a.txt", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "text"
    assert caplog.text.count("cannot confirm that this is on disk") == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_sync_that_fails_is_an_output_error(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", _failing_sync(number))
    with pytest.raises(OutputError, match=os.strerror(number)):
        write_text(tmp_path / "a.txt", "text")
    assert not list(tmp_path.iterdir())


def _failing_sync(number: int) -> Callable[[int], None]:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    return fail

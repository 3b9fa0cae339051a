from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.errors import OutputError, UnreadableFileError
from lamella.tasks.cmdline.records import Records


def test_write_and_read(tmp_path: Path) -> None:
    records = Records(tmp_path / "rerun" / "x")
    assert records.read("config/a.py") is None
    assert records.write("config/a.py", "é\n") == tmp_path / "rerun" / "x" / "config" / "a.py"
    assert records.read("config/a.py") == "é\n"


def test_backups_are_numbered_from_the_latest(tmp_path: Path) -> None:
    records = Records(tmp_path)
    for text in ("first", "second", "third"):
        records.write("a.py", text, backup=True)
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {"a.py": "third", "a.py~1": "second", "a.py~2": "first"}


def test_no_backup(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.write("a.py", "first")
    records.write("a.py", "second")
    assert [path.name for path in tmp_path.iterdir()] == ["a.py"]


def test_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = Records(tmp_path)
    records.write("a.py", "first")

    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="no space"):
        records.write("a.py", "second", backup=True)
    monkeypatch.undo()
    assert records.read("a.py") == "first"
    assert records.read("a.py~1") == "first"


def test_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"\xff\xfe")
    with pytest.raises(UnreadableFileError, match="text file"):
        Records(tmp_path).read("a.py")

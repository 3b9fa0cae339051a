"""Words of a command line as they were meant."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.tasks.cmdline.command_words import command_words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("REPO --id patch=5,4 tract=0", "REPO --id patch=5,4 tract=0"),
        ("REPO --id = patch=5,4 tract=0", "REPO --id patch=5,4 tract=0"),
        ("REPO --id=patch=5,4 tract=0", "REPO --id patch=5,4 tract=0"),
        ("REPO --id= patch=5,4", "REPO --id patch=5,4"),
        ("REPO --selectId visit=1", "REPO --selectId visit=1"),
        ("REPO –id patch=5,4 —rerun a", "REPO --id patch=5,4 --rerun a"),
        ("REPO --output=a=b -c x=–1", "REPO --output=a=b -c x=–1"),
        ("REPO -c = x=1", "REPO -c = x=1"),
        ("–1", "–1"),
    ],
)
def test_typography_of_the_page(line: str, words: str) -> None:
    assert command_words(line.split(), ["--id"]) == words.split()


def test_files_of_options(tmp_path: Path) -> None:
    (tmp_path / "inner").write_text("-c 'title=two words'\n")
    (tmp_path / "outer").write_text(f"--id=patch=5,4 tract=0 # which\n\n@{tmp_path / 'inner'}\n")
    assert command_words(["REPO", f"@{tmp_path / 'outer'}"], ["--id"]) == [
        "REPO", "--id", "patch=5,4", "tract=0", "-c", "title=two words",
    ]  # fmt: skip


def test_files_that_are_wrong(tmp_path: Path) -> None:
    (tmp_path / "circle").write_text(f"@{tmp_path / 'circle'}\n")
    with pytest.raises(ValueError, match="more than 20 files"):
        command_words([f"@{tmp_path / 'circle'}"], [])
    (tmp_path / "open").write_text("-c 'title\n")
    with pytest.raises(ValueError, match=r"open:1: No closing quotation"):
        command_words([f"@{tmp_path / 'open'}"], [])
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="binary, byte 0: found byte 0xff"):
        command_words([f"@{tmp_path / 'binary'}"], [])
    with pytest.raises(OSError, match="absent"):
        command_words(["@absent"], [])

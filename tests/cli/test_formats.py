"""``lamella formats``: the list, one description, and a description of one's own against a file."""

from __future__ import annotations

from pathlib import Path

from lamella.testing.survey import Survey

from .conftest import lamella, lamella_ok
from .test_describe import described_files


def test_formats_are_listed_with_what_they_are() -> None:
    text = " ".join(lamella_ok("formats").split())
    for piece in ("decam code DECam", "ztf description ZTF", "Your own descriptions are read from"):
        assert piece in text, piece


def test_a_description_is_shown_as_it_was_written() -> None:
    text = lamella_ok("formats", "ztf")
    assert "[match]" in text
    assert "zero_point = 'MAGZP'" in text
    assert "without a description" in lamella_ok("formats", "decam")
    ended = lamella("formats", "ztff")
    assert ended.status == 2
    assert "did you mean ztf?" in ended.err


def test_a_description_of_ones_own_is_checked_against_a_file(survey: Survey, tmp_path: Path) -> None:
    description = described_files(survey, tmp_path / "files")
    file = tmp_path / "files" / "100.fits"
    text = " ".join(lamella_ok("formats", "--check", description, file).split())
    for piece in ("variance_hdu VARIANCE", "zero_point 31.4", "detector 1", "noise file"):
        assert piece in text, piece
    description.write_text(description.read_text().replace("noise.variance", "noise.varience"))
    ended = lamella("formats", "--check", description, file)
    assert ended.status == 1
    assert "varience" in ended.err
    assert "did you mean variance?" in ended.err

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import InputError, UnreadableFileError
from lamella.formats.recognise import open_exposures
from lamella.formats.table_cells import parse_integer, parse_number, read_cells

TEXTS = [
    "infrared_1.fits",
    "nanomaggy",
    "nan",
    "NaN",
    "inf",
    "-inf_2",
    "007",
    "1e5",
    "0x10",
    "True",
    "null",
    "1_000",
]


def write_csv(path: Path, rows: list[list[str]], encoding: str = "utf-8") -> Path:
    with path.open("w", newline="", encoding=encoding) as stream:
        csv.writer(stream).writerows(rows)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.ecsv"])
def test_texts_stay_as_they_are(tmp_path: Path, name: str) -> None:
    if name == "t.csv":
        write_csv(tmp_path / name, [["file", "n"], *([text, "1"] for text in TEXTS)])
    else:
        Table({"file": TEXTS, "n": np.ones(len(TEXTS), int)}).write(tmp_path / name)
    names, rows = read_cells(tmp_path / name)
    assert names == ("file", "n")
    assert [row["file"] for row in rows] == TEXTS
    assert {row["n"] for row in rows} == {"1"}


@given(
    cells=st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12),
            min_size=3,
            max_size=3,
        ),
        min_size=1,
        max_size=4,
    ),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
)
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, cells: Any, encoding: str) -> None:
    path = write_csv(tmp_path_factory.mktemp("t") / "t.csv", [["a", "b", "c"], *cells], encoding)
    _, rows = read_cells(path)
    stripped = [
        {n: cell.strip() for n, cell in zip("abc", row, strict=True) if cell.strip()} for row in cells
    ]
    assert rows == [row for row in stripped if row]


@given(value=st.integers(-(2**63), 2**63 - 1))
def test_integers_are_exact(tmp_path_factory: pytest.TempPathFactory, value: int) -> None:
    assert parse_integer(str(value)) == value
    path = tmp_path_factory.mktemp("t") / "t.ecsv"
    Table({"visit": np.array([value], np.int64)}).write(path)
    ((row,),) = (read_cells(path)[1],)
    assert parse_integer(row["visit"]) == value


@pytest.mark.parametrize(
    "text", ["5.5", "x", "", "nan", "inf", "1_0", "0x10", str(2**63), "1e17", "9007199254740994.0", "٣"]
)
def test_what_is_no_whole_number(text: str) -> None:
    assert parse_integer(text) is None


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("+5", 5), ("-3", -3), ("5.0", 5), ("1e3", 1000), ("007", 7)]
)
def test_what_is_a_whole_number(text: str, value: int) -> None:
    assert parse_integer(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", 1.5),
        (".5", 0.5),
        ("-1e-3", -1e-3),
        ("inf", math.inf),
        ("1_0", None),
        ("infrared", None),
        ("", None),
    ],
)
def test_numbers(text: str, value: float | None) -> None:
    assert parse_number(text) == value
    assert math.isnan(parse_number("NaN") or 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2,3\n", "row 1: found 3 cells; expected at most 2"),
        ("a,a\n1,2\n", "found two columns 'a'"),
        ("", "found an empty table"),
        ('a,b\n"1,2\n', "unexpected end of data"),
    ],
)
def test_what_is_no_table(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UnreadableFileError, match=message):
        read_cells(tmp_path / "t.csv")


def test_comments_blank_lines_and_short_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("# mine\n\na, b\n1\n\n2, 3\n")
    assert read_cells(tmp_path / "t.csv") == (("a", "b"), [{"a": "1"}, {"a": "2", "b": "3"}])


# Through the reader.


@pytest.mark.parametrize(
    "name", ["infrared_1.fits", "nan.fits", "inf_1.fits", "1e5.fits", "0.fits", "été_星.fits"]
)
def test_exposures_with_names_like_numbers(tmp_path: Path, tan_cards: Any, name: str) -> None:
    image = np.random.default_rng(1).normal(size=(60, 80)).astype(np.float32)
    hdus = [fits.PrimaryHDU(image, tan_cards()), fits.ImageHDU(np.ones((60, 80), np.float32), name="VAR")]
    fits.HDUList(hdus).writeto(tmp_path / name)
    visit = 2**63 - 2
    head = ["file", "variance_hdu", "unit", "psf_fwhm", "band", "visit", "detector", "instrument"]
    row = [name, "VAR", "nanomaggy", "1.0", "007", str(visit), "12", "Nanshan"]
    (source,) = open_exposures([write_csv(tmp_path / "t.csv", [head, row], "utf-8-sig")])
    assert (source.info.id.instrument, source.info.id.visit, source.info.id.detector) == (
        "Nanshan",
        visit,
        12,
    )
    assert source.info.band == "007"
    assert source.info.path.endswith(name)
    assert source.read().to_njy == pytest.approx(3630.7805, rel=1e-6)


@pytest.mark.parametrize("visit", ["1e20", "12345678901234567890", "5.5", "nan"])
def test_visits_that_are_no_whole_numbers_are_told(tmp_path: Path, tan_cards: Any, visit: str) -> None:
    fits.PrimaryHDU(np.ones((60, 80), np.float32), tan_cards()).writeto(tmp_path / "a.fits")
    head = ["file", "image_hdu", "band", "visit", "detector"]
    path = write_csv(tmp_path / "t.csv", [head, ["a.fits", "0", "r", visit, "1"]])
    with pytest.raises(
        InputError, match=f"found 3 faults.*row 1, column 'visit': found '?{visit}'?; expected a"
    ):
        open_exposures([path])

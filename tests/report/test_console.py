from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from lamella.data.origins import OriginSummary
from lamella.report.console import origins_table, skipped_table, summary_table
from lamella.report.record import Skipped


def printed(table, width=80):
    buffer = io.StringIO()
    Console(file=buffer, width=width, color_system=None).print(table)
    return buffer.getvalue()


def test_the_summary_fits_into_80_columns_and_says_it_all(records):
    text = printed(summary_table(records))
    assert max(len(line) for line in text.splitlines()) <= 80
    for line, band in zip((line for line in text.splitlines() if "0 · 5,4" in line), "gri", strict=True):
        cells = line.split()
        assert cells[0] == band
        assert cells[-4:-2] == ["27.75", "0.80"]
        assert cells[-2:] == ["31.3", "s"]
        assert cells[4:6] == ["10", "4"]
    words = " ".join(text.split())
    assert "2 × does not overlap" in words
    assert "is wider than" in words


def test_origins_of_values_fit_into_80_columns():
    rows = [OriginSummary("zero point [x]", "header", "MAGZP", 3, "26 to 26.5")]
    text = printed(origins_table(rows))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "zero point [x] header MAGZP 3 26 to 26.5" in " ".join(text.split())


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_number_is_cut(records, width):
    text = printed(summary_table(records), width)
    assert text.count("27.75") == 3
    assert "…" not in text


def test_absent_numbers_and_kept_coadds(records):
    summary = dataclasses.replace(records[0].summary, depth=None, psf_fwhm=None, rejected=())
    kept = dataclasses.replace(records[0], summary=summary, kept=True)
    (line,) = [line for line in printed(summary_table([kept])).splitlines() if "5,4" in line]
    assert line.split() == ["g", "0", "·", "5,4", "10", "0", "–", "–", "kept"]


def test_brackets_are_no_markup():
    text = printed(skipped_table([Skipped("[red]a[/red].fits", "[bold] is not a unit")], title="Skipped"))
    assert "[red]a[/red].fits" in text
    assert "[bold] is not a unit" in text
    assert text.startswith("Skipped")


def test_what_has_one_cause_is_one_line_with_a_count():
    items = [Skipped(f"/in/e{n}.fits", f"/in/e{n}.fits: found a weight of -{n}.") for n in range(7)]
    text = printed(skipped_table([*items, Skipped("/in/x.fits", "damaged")]), 120)
    assert text.count("found a weight") == 1
    assert "/in/e0.fits and 6 more" in text
    assert "/in/x.fits" in text

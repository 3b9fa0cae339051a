from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from lamella.causes import merged
from lamella.coadd.summary import Rejected
from lamella.data.origins import OriginSummary
from lamella.report.console import origins_table, skipped_table, summary_table
from lamella.report.record import Skipped


def printed(table, width=80):
    buffer = io.StringIO()
    Console(file=buffer, width=width, color_system=None).print(table, crop=False)
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


LONG = "/home/somebody/data/surveys/2026-03-01/night-one/exposures/exposure-r-000123-detector-07.fits"
REASON = "found no WCS; expected one in the header of the image or beside it."


@pytest.mark.parametrize("width", [40, 80, 120])
def test_paths_are_not_broken(width):
    items = [Skipped(LONG, f"{LONG}: {REASON}")]
    lines = printed(skipped_table(items, title="Skipped"), width).splitlines()
    assert lines[:2] == ["Skipped", LONG]
    assert sum(LONG in line for line in lines) == 2
    assert all(len(line) <= width for line in lines if LONG not in line)
    assert " ".join(" ".join(lines[2:]).split()) == f"{LONG}: {REASON}"


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_counted_is_told(records, width):
    text = printed(summary_table(records), width)
    assert "Used, Out: images of detectors." in text
    assert max(len(line) for line in text.splitlines()) <= width


def test_five_hundred_exposures_beyond_one_limit_are_one_line(records):
    reason = merged([f"PSF FWHM {1 + n / 1000:.3f} arcsec > 1 arcsec" for n in range(1, 501)])
    summary = dataclasses.replace(records[0].summary, rejected=(Rejected("select", reason, 500),))
    text = printed(summary_table([dataclasses.replace(records[0], summary=summary)]))
    words = text.split()
    assert all(word in words for word in ("500", "FWHM", "(1.001", "1.500)"))
    assert len(text.splitlines()) <= 10

from __future__ import annotations

import pytest

from lamella.coadd.summary import Rejected
from lamella.report.wording import ABSENT, duration, number, percent, plain, reasons, significant


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (4.25, "4.2 s"),
        (59.96, "1 min 00 s"),
        (187, "3 min 07 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (None, ABSENT),
        (float("nan"), ABSENT),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("part", "text"),
    [(0, "0 %"), (1, "100 %"), (0.517, "52 %"), (0.0534, "5.3 %"), (0.0002, "0.02 %"), (1e-6, "< 0.01 %")],
)
def test_percentages(part, text):
    assert percent(part) == text


def test_numbers():
    assert number(380000, 0) == "380,000"
    assert number(27.8236) == "27.82"
    assert number(None) == ABSENT


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00012, "0.0001200"), (1.2e-7, "1.200 × 10⁻⁷"), (1234.0, "1234"), (5.0, "5.000"), (None, ABSENT)],
)
def test_significant_digits(value, text):
    assert significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (None, ABSENT),
        (0.001, "0.001"),
        (3, "3"),
        (["BAD", "SAT"], "BAD, SAT"),
        ([], "none"),
        ("x", "x"),
    ],
)
def test_plain_values(value, text):
    assert plain(value) == text


def test_reasons_start_with_the_most_frequent():
    rejected = (Rejected("read", "truncated", 1), Rejected("select", "no overlap", 3))
    assert reasons(rejected) == ["3 × no overlap", "1 × truncated"]


@pytest.mark.parametrize("spell", [number, significant, percent, plain, duration])
def test_what_could_not_be_measured_is_told_as_unknown_numbers_are(spell):
    assert spell(float("nan")) == ABSENT

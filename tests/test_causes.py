from __future__ import annotations

import pytest

from lamella.causes import cause_of, told_once


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("row 1, column 'visit': found 'x'", ""), ("row 60, column 'visit': found 'x'", "")),
        (("/in/a.fits: found no weight", "/in/a.fits"), ("/in/b.fits: found no weight", "/in/b.fits")),
        (("no file a.wt for a.fits", "/in/a.fits"), ("no file b.wt for b.fits", "/in/b.fits")),
        (("found a variance of -1.5e-07", ""), ("found a variance of -3", "")),
    ],
)
def test_messages_that_differ_in_file_and_numbers_have_one_cause(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    if "a.wt" in one[0]:
        assert cause_of(*one) != cause_of(*other)  # another file is named
    else:
        assert cause_of(*one) == cause_of(*other)


def test_the_name_of_a_file_is_a_word_of_its_own() -> None:
    assert cause_of("a mask and a variance", "a") == "* mask and * variance"
    assert cause_of("no overlap", "a") == "no overlap"


def test_each_cause_is_told_once_with_a_count() -> None:
    rows = [
        (f"t.csv, row {n}, column 'zero_point': found 'x'; expected a number.", "t.csv") for n in range(60)
    ]
    assert told_once([*rows, ("e.fits: found no image.", "e.fits"), rows[0]]) == [
        "t.csv, row 0, column 'zero_point': found 'x'; expected a number (the same for 59 others).",
        "e.fits: found no image.",
    ]
    assert told_once(rows[:2])[0].endswith("a number (the same for 1 other).")
    assert told_once([]) == []

from __future__ import annotations

import pytest

from lamella.causes import cause_of, merged, told_once


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


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (["no overlap", "no overlap"], "no overlap"),
        (
            [
                "PSF FWHM 1.2 arcsec > 1 arcsec",
                "PSF FWHM 1.01 arcsec > 1 arcsec",
                "PSF FWHM 1.39 arcsec > 1 arcsec",
            ],
            "PSF FWHM > 1 arcsec (1.01 to 1.39)",
        ),
        (["PSF stars 10 < 12", "PSF stars 9 < 12"], "PSF stars < 12 (9 to 10)"),
        (["found a weight of -3", "found a weight of -1e-05"], "found a weight of (-3 to -1e-05)"),
        (["visit 12 is excluded", "visit 5 is excluded"], "visit is excluded (5 to 12)"),
        (["/in/e7.fits is absent", "/in/e9.fits is absent"], "/in/e7.fits is absent (and the like)"),
        (["row 1 has 2", "row 2 has 3"], "row 1 has 2 (and the like)"),
    ],
)
def test_messages_of_one_cause_are_one_with_the_range(messages: list[str], text: str) -> None:
    assert merged(messages) == text
    assert merged(messages[::-1]).rpartition(" (")[2] == text.rpartition(" (")[2]

"""Where values of exposures come from, told for many at once."""

from __future__ import annotations

from lamella.data.origins import KINDS, Origin, summarize_origins


def test_exposures_that_are_treated_alike_are_one_line() -> None:
    exposures = [
        {"zero point": Origin("header", "MAGZP", str(number)), "noise": Origin("measured", "per mesh")}
        for number in (26.5, 26.25, 26.0)
    ]
    exposures.append({"zero point": Origin("assumed", "none"), "band": Origin("header", "FILTER", "r")})
    rows = [(row.name, row.kind, row.how, row.count, row.values) for row in summarize_origins(exposures)]
    assert rows == [
        ("zero point", "header", "MAGZP", 3, "26 to 26.5"),
        ("zero point", "assumed", "none", 1, ""),
        ("noise", "measured", "per mesh", 3, ""),
        ("band", "header", "FILTER", 1, "r"),
    ]


def test_texts_are_told_in_order_and_few() -> None:
    (row,) = summarize_origins({"band": Origin("header", "FILTER", band)} for band in "zyxgra")
    assert row.values == "a, g, r and 3 more"


def test_whole_numbers_keep_their_digits() -> None:
    visits = ("20200108300001", "99", "20200108300000")
    (row,) = summarize_origins({"visit": Origin("header", "EXPNUM", visit)} for visit in visits)
    assert row.values == "99 to 20200108300001"


def test_numbers_that_are_not_finite_are_texts() -> None:
    (row,) = summarize_origins({"gain": Origin("header", "GAIN", text)} for text in ("nan", "2.0"))
    assert row.values == "2.0, nan"


def test_only_what_nobody_says_is_guessed() -> None:
    assert [Origin(kind, "").guessed for kind in KINDS] == [
        False, False, False, False, True, True,
    ]  # fmt: skip

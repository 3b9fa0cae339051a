"""Tests of the word that somebody may have meant."""

from __future__ import annotations

import pytest

from lamella.suggestions import nearest


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("zeropoint", "; did you mean zero_point?"),
        ("Weight-HDU", "; did you mean weight_hdu?"),
        ("bnad", "; did you mean band?"),
        ("qqqq", ""),
    ],
)
def test_the_nearest_word_is_suggested(word: str, expected: str) -> None:
    assert nearest(word, ["zero_point", "weight_hdu", "band"]) == expected

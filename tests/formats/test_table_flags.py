from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.errors import InputError, MissingPartError
from lamella.formats.table_flags import Place, decode_mask, flag_values

IMAGE, CELL = Place(Path("m.fits"), "HDU 2"), Place(Path("t.csv"), "row 1, column 'flags'")


def decode(values: list[int], told: str = "", **cards: object) -> dict[str, list[bool]]:
    flags = decode_mask(np.array([values]), fits.Header(cards), told, IMAGE, CELL)
    return {name: (flags.translate({name: 1})[0] == 1).tolist() for name in flags.planes}


def test_values_are_what_stands_in_the_pixels() -> None:
    assert flag_values("BAD=1 SATURATED=0x2, CR=12 BAD=16", CELL) == {"BAD": 17, "SATURATED": 2, "CR": 12}


@pytest.mark.parametrize("told", ["BAD", "BAD=", "BAD=x", "BAD=0", "BAD:1", "=1", "BAD=-1"])
def test_other_spellings_are_refused(told: str) -> None:
    with pytest.raises(InputError, match=r"t\.csv, row 1, column 'flags'.*expected NAME=value"):
        flag_values(told, CELL)


def test_flags_become_planes() -> None:
    found = decode([0, 1, 2, 3, 4], "BAD=1 SAT=6")
    assert found == {"BAD": [False, True, False, True, False], "SAT": [False, False, True, True, True]}


def test_bits_of_headers_count_from_zero() -> None:
    assert decode([0, 4], MP_BAD=2) == {"BAD": [False, True]}
    assert decode([0, 8], MSKN0003="SATURATED", MSKM0003=8) == {"SATURATED": [False, True]}


def test_what_a_person_says_counts_more_than_the_header() -> None:
    assert decode([4], "CR=4", MP_BAD=2) == {"CR": [True]}


def test_unknown_flags_are_refused() -> None:
    with pytest.raises(InputError, match=r"m\.fits, HDU 2: found the unknown flag\(s\) 0x9; expected BAD=2"):
        decode([3, 8], "BAD=2")


def test_flags_need_a_meaning_and_must_be_integers() -> None:
    with pytest.raises(MissingPartError, match="flags without a meaning"):
        decode([0])
    with pytest.raises(InputError, match="flags of type float64"):
        decode_mask(np.zeros((1, 1)), fits.Header(), "BAD=1", IMAGE, CELL)

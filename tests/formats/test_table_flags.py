from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import InputError, MissingPartError
from lamella.formats.table_flags import Location, check_flags, decode_mask, flag_values

IMAGE, CELL = Location(Path("m.fits"), "HDU 2"), Location(Path("t.csv"), "row 1, column 'flags'")


def decode(values: list[int], told: str = "", **cards: object) -> dict[str, list[bool]]:
    flags, _ = decode_mask(np.array([values]), fits.Header(cards), told, IMAGE, CELL)
    return {name: (flags.translate({name: 1})[0] == 1).tolist() for name in flags.planes}


def test_values_are_what_stands_in_the_pixels() -> None:
    assert flag_values("BAD=1 SATURATED=0x2, CR=12 BAD=16", CELL) == {
        "BAD": 17,
        "SATURATED": 2,
        "COSMIC_RAY": 12,
    }


@pytest.mark.parametrize("told", ["BAD", "BAD=", "BAD=x", "BAD=0", "BAD:1", "=1", "BAD=-1"])
def test_other_spellings_are_refused(told: str) -> None:
    with pytest.raises(InputError, match=r"t\.csv, row 1, column 'flags'.*expected NAME=value"):
        flag_values(told, CELL)


def test_flags_become_planes() -> None:
    flags = decode([0, 1, 2, 3, 4], "BAD=1 SAT=6")
    assert flags == {"BAD": [False, True, False, True, False], "SATURATED": [False, False, True, True, True]}


def test_bits_of_headers_count_from_zero() -> None:
    assert decode([0, 4], MP_BAD=2) == {"BAD": [False, True]}
    assert decode([0, 8], MSKN0003="SATURATED", MSKM0003=8) == {"SATURATED": [False, True]}


def test_what_a_person_says_counts_more_than_the_header() -> None:
    assert decode([4], "CR=4", MP_BAD=2) == {"COSMIC_RAY": [True]}


@pytest.mark.parametrize(
    ("told", "hint"),
    [
        ("DO_NOT_USE=1", "one of BAD, SATURATED, .*, or IGNORE for what is harmless"),
        ("SATURATD=1", r"the unknown plane SATURATD; .*did you mean SATURATED\?"),
        ("bad=1", r"the unknown plane bad; .*did you mean BAD\?"),
        ("Cosmic_Ray=1", r"did you mean COSMIC_RAY\?"),
        ("BAD=1 NAN=2", "the unknown plane NAN"),
        ("ignore=1", "or IGNORE for"),
        ("BAD=*", r"expected NAME=value"),
        ("BAD=3 IGNORE=2", "0x2 as IGNORE and as something else"),
        ("BAD=0x10000000000000000", "at most 64 bits"),
    ],
)
def test_names_are_those_of_planes(told: str, hint: str) -> None:
    with pytest.raises(InputError, match=rf"t\.csv, row 1, column 'flags'.*{hint}"):
        flag_values(told, CELL)


def test_a_bit_without_a_name_is_bad_and_said() -> None:
    flags, note = decode_mask(np.array([[0, 2, 3, 8, 1]]), fits.Header(), "SAT=2", IMAGE, CELL)
    assert flags.planes == {"SATURATED": 2, "BAD": 9}
    assert note == (
        "Flags taken as BAD: without a name (0x9) in 3 pixels "
        "(IGNORE=value in the column 'flags' calls them harmless)."
    )


@pytest.mark.parametrize("told", ["SAT=2 IGNORE=9", "SAT=2 IGNORE=1 IGNORE=8", "IGNORE=* SAT=2"])
def test_what_is_called_harmless_is_no_plane(told: str) -> None:
    flags, note = decode_mask(np.array([[0, 2, 3, 8, 1]]), fits.Header(), told, IMAGE, CELL)
    assert flags.planes == {"SATURATED": 2}
    assert note == ""


def test_names_of_headers_that_are_no_planes_are_bad() -> None:
    header = fits.Header({"HIERARCH MP_DO_NOT": 0, "MP_SAT": 1, "MP_GOOD": 5})
    flags, note = decode_mask(np.array([[0, 1, 2, 4]], np.uint8), header, "", IMAGE, CELL)
    assert flags.planes == {"SATURATED": 2, "BAD": 1 + 4 + 32}
    assert "DO_NOT, which is no plane here, in 1 pixels" in note
    assert "without a name (0x4) in 1 pixels" in note
    assert "GOOD" not in note


@pytest.mark.parametrize("value", [-1, 64, 1.5, "one", True])
def test_bits_of_headers_are_bits(value: object) -> None:
    with pytest.raises(InputError, match=r"m\.fits, HDU 2, MP_BAD: found .*expected a bit from 0 to 63"):
        decode([1], MP_BAD=value)


@given(
    kind=st.sampled_from(["u1", "i2", "u2", "i4", "u4", "i8", "u8"]),
    bits=st.sets(st.integers(0, 63), min_size=1),
    unnamed=st.booleans(),
    in_place=st.booleans(),
)
def test_every_bit_of_every_type_is_a_flag(kind: str, bits: set[int], unnamed: bool, in_place: bool) -> None:
    width = np.dtype(kind).itemsize * 8
    values = [1 << bit for bit in sorted(bits) if bit < width] + [0]
    mask = np.array([values], np.uint64).astype(f"u{width // 8}").view(kind)
    told = "SAT=0x8000000000000000 IGNORE=1"
    if not unnamed:
        told = f"BAD={2**64 - 2 - 2**63:#x} {told}"
    flags, note = decode_mask(mask.copy(), fits.Header(), told, IMAGE, CELL)
    result = flags.translate(
        {name: {"BAD": 1, "SATURATED": 2}[name] for name in flags.planes}, in_place=in_place
    )
    expected = [0 if value in (0, 1) else 2 if value == 1 << 63 else 1 for value in values]
    assert result.tolist() == [expected]
    assert bool(note) == (unnamed and 1 in expected)


def test_flags_need_a_meaning_and_must_be_integers() -> None:
    with pytest.raises(MissingPartError, match="flags without a meaning"):
        decode([0])
    with pytest.raises(InputError, match="flags of type float64 that are not whole"):
        decode_mask(np.full((1, 1), 0.5), fits.Header(), "BAD=1", IMAGE, CELL)


def test_flags_that_are_whole_floating_point_numbers_are_flags() -> None:
    flags, note = decode_mask(
        np.array([[0.0, 1.0, 2.0, 3.0, np.nan]]), fits.Header(), "BAD=1 SAT=2", IMAGE, CELL
    )
    planes = {name: (flags.translate({name: 1})[0] == 1).tolist() for name in flags.planes}
    assert planes == {"BAD": [False, True, False, True, True], "SATURATED": [False, False, True, True, False]}
    assert note == "1 pixels whose flags are not finite taken as BAD."


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.uint32, bool])
def test_all_values_but_zero_mean_one_plane(dtype: type) -> None:
    flags, _ = decode_mask(np.array([[0, 1, 1, 0]], dtype), fits.Header(), "NONZERO=CR", IMAGE, CELL)
    assert flags.translate({"COSMIC_RAY": 1}).tolist() == [[0, 1, 1, 0]]


def test_a_mask_of_zeros_and_others_may_have_any_values() -> None:
    mask = np.array([[0.0, 0.5, -3.0, np.nan]])
    flags, _ = decode_mask(mask, fits.Header(), "NONZERO=BAD", IMAGE, CELL)
    assert flags.translate({"BAD": 1}).tolist() == [[0, 1, 1, 1]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
def test_zero_is_bad_where_flags_say_so(dtype: type) -> None:
    flags, _ = decode_mask(np.array([[0, 1, 255, 0]], dtype), fits.Header(), "ZERO=BAD", IMAGE, CELL)
    assert flags.planes == {"BAD": 1}
    assert flags.values.tolist() == [[1, 0, 0, 1]]


def test_a_mask_of_good_pixels_without_a_value_is_bad_there() -> None:
    flags, _ = decode_mask(np.array([[np.nan, 1.0]]), fits.Header(), "zero=SAT", IMAGE, CELL)
    assert flags.planes == {"SATURATED": 1}
    assert flags.values.tolist() == [[1, 0]]


def test_codes_exclude_each_other() -> None:
    told = "codes: BAD=1 NO_DATA=1 SATURATED=3,NO_DATA=2 IGNORE=6"
    flags, _ = decode_mask(np.array([[0, 1, 2, 3, 6, 7]]), fits.Header(), told, IMAGE, CELL)
    planes = {name: flags.translate({name: 1})[0].tolist() for name in flags.planes}
    assert planes == {
        "BAD": [0, 1, 0, 0, 0, 1],
        "NO_DATA": [0, 1, 1, 0, 0, 0],
        "SATURATED": [0, 0, 0, 1, 0, 0],
    }


def test_other_codes_may_be_harmless() -> None:
    flags, note = decode_mask(np.array([[0, 1, 7]]), fits.Header(), "codes: BAD=1 IGNORE=*", IMAGE, CELL)
    assert flags.translate({"BAD": 1}).tolist() == [[0, 1, 0]]
    assert not note


def test_all_32_bits_of_unsigned_flags_can_be_used() -> None:
    mask = np.array([[0, 1, 1 << 31, (1 << 31) | 2]], np.uint32)
    flags, _ = decode_mask(mask, fits.Header(), "BAD=0x80000000 IGNORE=*", IMAGE, CELL)
    assert flags.translate({"BAD": 1}).tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize(
    "told", ["NONZERO=BADD", "ZERO=BADD", "codes: BAD", "codes: BADD=1", "BADD=1", "BAD"]
)
def test_a_meaning_that_cannot_be_read_is_told_without_the_mask(told: str) -> None:
    with pytest.raises(InputError, match=r"t\.csv, row 1, column 'flags'"):
        check_flags(told, CELL)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lamella.errors import InputError
from lamella.formats.surveys.decam_flags import CODES, OLD_BITS, decode_flags

PATH = Path("ood.fits")


def names_of(value: int, version: str) -> set[str]:
    planes = decode_flags(np.array([[0, value]]), version, PATH)
    assert not any(plane[0, 0] for plane in planes.values())
    return {name for name, plane in planes.items() if plane[0, 1]}


@pytest.mark.parametrize("code", CODES)
def test_codes_mean_what_the_table_says(code: int) -> None:
    assert names_of(code, "V4.8.2a") == set(CODES[code])


@pytest.mark.parametrize(
    ("version", "is_code"), [("V3.4.1", False), ("V3.5.0", True), ("V5.2.2LS", True), ("", True)]
)
def test_the_version_of_the_pipeline_tells_codes_from_bits(version: str, is_code: bool) -> None:
    # 4 is the code of a bleed trail, and the bit of an interpolated pixel.
    assert names_of(4, version) == ({"SATURATED", "NO_DATA"} if is_code else {"INTERPOLATED"})


def test_bits_add_up() -> None:
    assert names_of(2 | 16 | 128, "V2.0") == {"SATURATED", "COSMIC_RAY", "BAD", "NO_DATA", "TRANSIENT"}
    assert names_of(sum(OLD_BITS), "V2.0") == {name for names in OLD_BITS.values() for name in names}


def test_a_cosmic_ray_is_bad_as_well_because_nobody_repaired_it() -> None:
    assert {"BAD", "COSMIC_RAY", "NO_DATA"} <= names_of(5, "V4.8.2")


@pytest.mark.parametrize(
    ("value", "version", "message"),
    [
        (9, "V4.8.2", r"unknown value\(s\) 9; expected codes 0 to 8"),
        (-1, "V4.8.2", r"unknown value\(s\) -1"),
        (64, "", r"unknown value\(s\) 64.*pipeline version not given"),
        (8, "V3.0.0", r"unknown value\(s\) 8; expected bits"),
        (-2, "V3.0.0", r"unknown value\(s\) -2"),
    ],
)
def test_unknown_values_are_refused(value: int, version: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        decode_flags(np.array([[0, value]]), version, PATH)


def test_flags_must_be_integers() -> None:
    with pytest.raises(InputError, match="data quality of type float64; expected integers"):
        decode_flags(np.zeros((2, 2)), "V4.8.2", PATH)

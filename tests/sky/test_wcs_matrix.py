"""Which of several matrices is taken, and what is said of the others."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lamella.errors import ProjectionError
from lamella.sky.projection import projection_from_header, projection_notes

from .test_projection import SCALE, TAN, assert_same_sky

BASE = {key: value for key, value in TAN.items() if not key.startswith("CD")}
STEPS = {"CDELT1": -SCALE, "CDELT2": 2 * SCALE}
TURNED = {
    "PC1_1": math.cos(0.4),
    "PC1_2": -2 * math.sin(0.4),
    "PC2_1": math.sin(0.4) / 2,
    "PC2_2": math.cos(0.4),
}


def notes(header: dict[str, Any]) -> tuple[str, ...]:
    return projection_notes(header, path="image.fits", hdu=1)


@pytest.mark.parametrize(
    "matrix",
    [
        STEPS | {"CROTA2": 25.0},
        STEPS | {"CROTA1": 0.0, "CROTA2": "-130"},
        STEPS | TURNED,
        STEPS | {"PC1_1": 0.5},
        {key: SCALE * value for key, value in TURNED.items()},
        {"CD1_1": -SCALE, "CD2_2": SCALE},
        {"CD1_1": -SCALE, "CD2_2": SCALE, "CDELT1": 1.0, "CDELT2": 1.0},
    ],
)
def test_matrices_that_say_one_thing(matrix: dict[str, Any]) -> None:
    header = BASE | matrix
    plain = header | {"CROTA2": float(header["CROTA2"])} if "CROTA2" in header else header
    assert_same_sky(plain, (1800, 2000))
    assert notes(header) == ()


def test_a_rotation_of_the_latitude_on_the_first_axis() -> None:
    header = {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 2.2, "CRVAL2": 150.1}
    header |= {"CRPIX1": 1000.0, "CRPIX2": 900.0, "CDELT1": SCALE, "CDELT2": -2 * SCALE, "CROTA1": 25.0}
    assert_same_sky(header, (1800, 2000))


@pytest.mark.parametrize(
    ("extra", "note"),
    [
        ({"CDELT1": -1e-3, "CDELT2": 1e-3}, "CD1_1 is taken, CDELT1 = -0.001 is not: it is another scale."),
        (
            {"CDELT1": -SCALE, "CDELT2": SCALE, "CROTA2": 45.0},
            "CD1_1 is taken, CROTA2 = 45 is not: another rotation.",
        ),
    ],
)
def test_what_stands_beside_a_cd_matrix_is_not_taken(extra: dict[str, float], note: str) -> None:
    assert_same_sky(TAN | extra, (1800, 2000))
    assert notes(TAN | extra) == (note,)


def test_what_agrees_with_a_cd_matrix_needs_no_note() -> None:
    turn = math.radians(30.0)
    header = BASE | {"CDELT1": -SCALE, "CDELT2": SCALE, "CROTA2": 30.0}
    header |= {"CD1_1": -SCALE * math.cos(turn), "CD1_2": -SCALE * math.sin(turn)}
    header |= {"CD2_1": -SCALE * math.sin(turn), "CD2_2": SCALE * math.cos(turn)}
    assert notes(header) == ()


def test_a_rotation_beside_a_pc_matrix_is_not_taken() -> None:
    header = BASE | STEPS | TURNED | {"CROTA2": 45.0}
    assert_same_sky(header, (1800, 2000))
    assert notes(header) == ("PC1_1 is taken, CROTA2 = 45 is not: another rotation.",)


def test_a_rotation_of_the_longitude_is_not_taken() -> None:
    header = BASE | STEPS | {"CROTA1": 30.0, "CROTA2": 25.0}
    assert_same_sky(header, (1800, 2000))
    assert notes(header) == ("CROTA2 = 25 is taken, CROTA1 = 30 is not: another rotation.",)


def test_pixels_without_a_scale_are_refused() -> None:
    with pytest.raises(ProjectionError, match="CD1_1: found neither a CD matrix nor CDELT"):
        projection_from_header(BASE | {"CROTA2": 45.0}, path="image.fits", hdu=1)

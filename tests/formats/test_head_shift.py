"""Tests of how far files of cards move images on the sky."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.formats.head_shift import head_shift, told_shift
from lamella.formats.row_cells import RowCells
from lamella.formats.row_places import RowPlaces

SHAPE = (40, 50)


@pytest.fixture
def places(tmp_path: Path, tan_cards: Callable[..., fits.Header]) -> Callable[..., RowPlaces]:
    """Return what writes an image, and beside it cards that differ, and gives the places of its row."""

    def write(*, own: bool = True, **changed: float) -> RowPlaces:
        header = tan_cards(SHAPE)
        head = header.copy()
        head.update(changed)
        image = fits.PrimaryHDU(np.zeros(SHAPE, np.float32), header if own else None)
        image.writeto(tmp_path / "a.fits")
        (tmp_path / "a.head").write_text(head.tostring(sep="\n", endcard=True, padding=False) + "\n")
        cells = {"file": "a.fits", "wcs_head": "a.head"}
        return RowPlaces(RowCells(tmp_path / "a.fits", 0, cells))

    return write


def test_the_shift_is_in_pixels_and_told_in_steps(
    places: Callable[..., RowPlaces], tan_cards: Callable[..., fits.Header]
) -> None:
    header = tan_cards(SHAPE)
    moved = places(CRPIX1=header["CRPIX1"] + 3.0, CRPIX2=header["CRPIX2"] - 4.0)
    assert head_shift(moved) == pytest.approx(5.0, abs=0.01)
    assert told_shift(moved) in (
        ", not the WCS of the header: pixels move by up to 5",
        ", not the WCS of the header: pixels move by up to 10",
    )


def test_another_scale_shifts_the_rim_most(places: Callable[..., RowPlaces]) -> None:
    stretched = places(CD1_1=-0.262 / 3600.0 * 1.04, CRPIX1=1.0, CRVAL1=150.0)
    shift = head_shift(stretched)
    assert shift is not None
    assert shift > 0.04 * SHAPE[1] - 0.5


def test_the_same_wcs_is_told_as_such(places: Callable[..., RowPlaces]) -> None:
    assert told_shift(places()) == ", as in the header"


def test_where_the_header_has_no_wcs_nothing_is_overridden(places: Callable[..., RowPlaces]) -> None:
    lone = places(own=False)
    assert head_shift(lone) is None
    assert told_shift(lone) == ""


def test_the_other_side_of_the_sky_is_no_number_of_pixels(
    places: Callable[..., RowPlaces], tan_cards: Callable[..., fits.Header]
) -> None:
    header = tan_cards(SHAPE)
    away = places(CRVAL1=(header["CRVAL1"] + 180.0) % 360.0, CRVAL2=-header["CRVAL2"])
    assert head_shift(away) == math.inf
    assert "elsewhere on the sky" in told_shift(away)

"""Tests of which HDUs of a plain file are exposures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lamella.errors import InputError, NoInputsError
from lamella.formats.file_index import FileIndex
from lamella.formats.plain.fits import plain_rows
from lamella.formats.recognise import open_exposures

SHAPE = (50, 60)
NOISE = 5.0
IMAGE = np.random.default_rng(2).normal(100.0, NOISE, SHAPE).astype(np.float32)
SIGMA = np.full(SHAPE, NOISE, np.float32)
FLAGS = np.zeros(SHAPE, np.int16)
FLAGS[3:6, 4:9] = 2

type Units = list[tuple[np.ndarray, dict[str, Any]]]


@pytest.fixture
def rows_of(tmp_path: Path, tan_cards: Callable[..., fits.Header]) -> Callable[[Units], list[dict[str, str]]]:
    """Return what writes images with cards, all on one place of the sky, and gives the rows."""

    def rows(units: Units) -> list[dict[str, str]]:
        hdus = [fits.PrimaryHDU()]
        for data, cards in units:
            header = tan_cards(SHAPE)
            header.update(cards)
            hdus.append(fits.ImageHDU(data, header))
        fits.HDUList(hdus).writeto(tmp_path / "a.fits")
        found = [*plain_rows(tmp_path / "a.fits", FileIndex([tmp_path / "a.fits"]))]
        assert not any(isinstance(row, InputError) for row in found)
        return [row for row in found if isinstance(row, dict)]

    return rows


@pytest.mark.parametrize(
    ("plane", "kind"), [(SIGMA, "stddev"), (SIGMA**2, "variance"), (1 / SIGMA**2, "weight")]
)
def test_planes_without_a_name_are_what_their_pixels_say(
    rows_of: Callable[[Units], list[dict[str, str]]], plane: np.ndarray, kind: str
) -> None:
    (row,) = rows_of([(IMAGE, {}), (plane, {}), (FLAGS, {})])
    assert (row["image_hdu"], row[f"{kind}_hdu"], row["mask_hdu"], row["flags"]) == (
        "1",
        "2",
        "3",
        "NONZERO=BAD",
    )
    assert f"noise: file HDU 2, by its pixels ({kind})" in row["notes"]
    assert "other planes" not in row["notes"]


def test_a_plane_that_nobody_knows_is_told_and_left(rows_of: Callable[[Units], list[dict[str, str]]]) -> None:
    (row,) = rows_of([(IMAGE, {}), (IMAGE[::-1].copy(), {"EXTNAME": "SOMETHING"})])
    assert (row["noise"], row["detector"]) == ("measured", "1")
    assert "other planes: file HDU SOMETHING, not used" in row["notes"]


@pytest.mark.parametrize(
    ("cards", "bands", "visits"),
    [
        ([{"FILTER": "g"}, {"FILTER": "r"}], ["g", "r"], 1),
        ([{"EXTNAME": "F606W"}, {"EXTNAME": "F814W"}], ["F606W", "F814W"], 1),
        ([{"DATE-OBS": "2026-01-01T01:00:00"}, {"DATE-OBS": "2026-01-01T02:00:00"}], ["unknown"] * 2, 2),
    ],
)
def test_images_of_other_bands_or_times_are_exposures(
    rows_of: Callable[[Units], list[dict[str, str]]],
    cards: list[dict[str, Any]],
    bands: list[str],
    visits: int,
) -> None:
    rows = rows_of([(IMAGE, cards[0]), (IMAGE[::-1].copy(), cards[1])])
    assert [row["band"] for row in rows] == bands
    assert len({row["visit"] for row in rows}) == visits
    assert [row["detector"] for row in rows] == ["1", "2"]


@pytest.mark.parametrize("axis", ["WAVE", "FREQ-LSR", "STOKES"])
@pytest.mark.parametrize("planes", [3, 5])
def test_a_cube_of_the_spectrum_is_refused_in_words(
    tmp_path: Path, tan_cards: Callable[..., fits.Header], planes: int, axis: str
) -> None:
    header = tan_cards(SHAPE)
    header["CTYPE3"] = axis
    fits.writeto(tmp_path / "cube.fits", np.stack([IMAGE] * planes), header)
    with pytest.raises(NoInputsError, match=rf"60×50×{planes} float32.*a 2-d image") as caught:
        open_exposures([tmp_path])
    assert "cube.fits" in str(caught.value)

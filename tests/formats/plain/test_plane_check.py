"""Tests of what the pixels of a plane say of its kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.formats.plain.plane_check import bits_of_sources, check_kind, is_inverted

from ...starfields import draw_stars

SHAPE = (60, 80)
NOISE = 5.0
VALUES = {"stddev": NOISE, "variance": NOISE**2, "weight": NOISE**-2}


def write(folder: Path, plane: np.ndarray, image: np.ndarray | None = None) -> tuple[tuple[Path, int], ...]:
    """Write an image of noise and a plane; return where they are."""
    noise = np.random.default_rng(1).normal(100.0, NOISE, SHAPE).astype(np.float32)
    hdus = [fits.PrimaryHDU(noise if image is None else image), fits.ImageHDU(plane)]
    fits.HDUList(hdus).writeto(folder / "a.fits")
    return (folder / "a.fits", 0), (folder / "a.fits", 1)


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("named", VALUES)
def test_a_map_is_what_the_noise_says(tmp_path: Path, kind: str, named: str) -> None:
    places = write(tmp_path, np.full(SHAPE, VALUES[kind], np.float32))
    assert check_kind(named, *places) == kind


@pytest.mark.parametrize("factor", [0.4, 0.65, 1.0, 1.5, 2.5])
@pytest.mark.parametrize("kind", VALUES)
def test_a_map_that_is_only_off_stays_what_it_is_called(tmp_path: Path, kind: str, factor: float) -> None:
    power = {"stddev": 1, "variance": 2, "weight": -2}[kind]
    places = write(tmp_path, np.full(SHAPE, VALUES[kind] * factor**power, np.float32))
    assert check_kind(kind, *places) == kind


def test_what_cannot_be_compared_stays_what_it_is_called(tmp_path: Path) -> None:
    image, plane = write(tmp_path, np.full((5, 6), 25.0, np.float32))
    assert check_kind("stddev", image, plane) == "stddev"
    assert check_kind("confidence", image, plane) == "confidence"


def mask_of(good: int, bad: int, fraction: float = 0.05) -> np.ndarray:
    mask = np.full(SHAPE, good, np.uint8)
    mask[:, : round(SHAPE[1] * fraction)] = bad
    return mask


@pytest.mark.parametrize(
    ("mask", "inverted"),
    [
        (mask_of(0, 1), False),
        (mask_of(1, 0), True),
        (mask_of(255, 0, 0.3), True),
        (mask_of(1, 1), True),
        (mask_of(0, 0), False),
        (mask_of(2, 3), False),
        (mask_of(1, 0, 0.6), False),
    ],
)
def test_a_mask_is_inverted_where_most_is_not_zero(tmp_path: Path, mask: np.ndarray, inverted: bool) -> None:
    assert is_inverted(*write(tmp_path, mask)) is inverted


def test_an_image_without_values_in_most_pixels_is_masked_rightly(tmp_path: Path) -> None:
    mask = mask_of(1, 0, 0.3)
    image = np.where(mask == 1, np.nan, np.random.default_rng(3).normal(0.0, 5.0, SHAPE)).astype(np.float32)
    assert not is_inverted(*write(tmp_path, mask, image))


FIELD = (300, 320)


def field_of(seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return stars on a sky, with their light alone."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(5.0, 295.0, (2, 120))
    light = draw_stars(FIELD, x, y, np.full(120, 4e3), fwhm=4.0)
    return (light + rng.normal(100.0, NOISE, FIELD)).astype(np.float32), light


def defects_of(light: np.ndarray) -> np.ndarray:
    """Return the flags of a bad column, hit pixels and cores of stars."""
    flags = np.zeros(FIELD, np.int32)
    flags[:, 40:43] |= 1
    hits = np.random.default_rng(5).integers(0, 300, (2, 900))
    flags[hits[0], hits[1]] |= 2
    flags[light > 0.6 * light.max()] |= 8
    return flags


def test_flags_of_sources_are_told_from_those_of_defects(tmp_path: Path) -> None:
    image, light = field_of()
    flags = defects_of(light)
    image[(flags & 2) != 0] += 500.0
    detected = np.where(light > 1.5 * NOISE, 4, 0)
    assert bits_of_sources(*write(tmp_path, flags | detected, image)) == (4, 11)


def test_a_mask_of_sources_beside_defects_that_nobody_marked_is_one(tmp_path: Path) -> None:
    image, light = field_of()
    image[:, 40:42] += 500.0
    image[defects_of(light) == 2] += 500.0
    assert bits_of_sources(*write(tmp_path, (light > 1.5 * NOISE).astype(np.uint8), image)) == (1, 0)


def test_defects_alone_mark_no_sources(tmp_path: Path) -> None:
    image, light = field_of()
    assert bits_of_sources(*write(tmp_path, defects_of(light), image)) == (0, 11)


def test_cosmic_rays_without_stars_are_no_sources(tmp_path: Path) -> None:
    flags = defects_of(np.zeros(FIELD))
    image = np.random.default_rng(6).normal(100.0, NOISE, FIELD).astype(np.float32)
    image[(flags & 2) != 0] += 500.0
    assert bits_of_sources(*write(tmp_path, flags & 2, image)) == (0, 2)

from __future__ import annotations

import itertools

import numpy as np

from lamella.planes import STANDARD_PLANES
from lamella.report.palette import NO_DATA_COLOR, colors_at, hex_color, oklch_to_srgb, plane_color


def test_black_white_and_red():
    lightness = np.array([0.0, 1.0, 0.627955])
    chroma, hue = np.array([0.0, 0.0, 0.257683]), np.array([0.0, 0.0, 29.234])
    assert oklch_to_srgb(lightness, chroma, hue).tolist() == [[0, 0, 0], [255, 255, 255], [255, 0, 0]]


def test_the_scale_gets_brighter_at_every_step():
    # L* of CIE goes with the cube root of the luminance.
    part = np.asarray(colors_at(np.linspace(0, 1, 33))) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    lightness = np.cbrt(linear @ [0.2126, 0.7152, 0.0722])
    steps = np.diff(lightness)
    assert steps.min() > 0
    assert steps.max() < 3 * steps.mean()


def test_numbers_beyond_the_scale_get_its_ends():
    low, high = colors_at(np.array([0.0, 1.0]))
    assert colors_at(np.array([-3.0, 7.0])).tolist() == [low.tolist(), high.tolist()]


def test_planes_have_colors_that_can_be_told_apart():
    colors = {name: np.array(plane_color(name), dtype=float) for name in STANDARD_PLANES}
    for (first, a), (second, b) in itertools.combinations(colors.items(), 2):
        assert np.linalg.norm(a - b) > 18, (first, second)


def test_colors_of_planes_beyond_the_standard_ones_follow_their_bits():
    assert plane_color("MINE", 24) == plane_color("YOURS", 24)
    assert plane_color("MINE", 24) != plane_color("MINE", 25)
    assert plane_color("BAD", 3) == plane_color("BAD")


def test_no_data_is_slate():
    assert plane_color("NO_DATA") == NO_DATA_COLOR
    assert hex_color(NO_DATA_COLOR) == "#344054"

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from lamella.errors import OutputError
from lamella.planes import Layout
from lamella.report.palette import NO_DATA_COLOR, hex_color, plane_color
from lamella.report.picture import (
    Picture,
    block_mean,
    count_picture,
    image_picture,
    mask_picture,
    psf_picture,
    sky_tone,
    upright,
    variance_picture,
    write_png,
)


def test_a_star_near_the_upper_edge_is_near_the_top_and_white(coadd, star):
    pixels = image_picture(coadd).pixels
    x, y = round(star[0]) - coadd.bbox.x.start, coadd.bbox.y.stop - 1 - round(star[1])
    assert y < 70
    assert pixels[y, x].min() == 255
    assert pixels[-1 - y, x].max() < 200


def test_the_sky_is_dark_but_not_black(coadd):
    picture = image_picture(coadd)
    grey = picture.pixels[..., 0][(picture.pixels != NO_DATA_COLOR).any(axis=-1)]
    assert 15 < np.median(grey) < 45
    assert np.mean(grey == 0) < 0.01
    assert np.mean(grey == 255) < 0.01


def test_pixels_without_data_are_slate_in_all_pictures(coadd):
    count = coadd.exposure_count.array
    for draw in (image_picture, variance_picture, count_picture):
        slate = (draw(coadd).pixels[::-1] == NO_DATA_COLOR).all(axis=-1)
        assert np.mean(slate == (count == 0)) > 0.9999, draw.__name__


def test_a_notebook_shows_the_picture(coadd):
    picture = image_picture(coadd, max_side=80)
    assert np.array_equal(np.asarray(PillowImage.open(io.BytesIO(picture._repr_png_()))), picture.pixels)


def test_image_without_noise_is_drawn(coadd):
    flat = coadd.copy()
    flat.image.array[...] = 0
    flat.image.array[10, 20] = 5
    pixels = image_picture(flat).pixels
    assert pixels[-11, 20].tolist() == [255, 255, 255]
    assert pixels[0, 0].max() < 60


def test_a_coadd_without_data_is_slate(coadd):
    empty = coadd.copy()
    empty.image.array[...] = np.nan
    empty.variance.array[...] = np.inf
    empty.exposure_count.array[...] = 0
    for draw in (image_picture, variance_picture, count_picture):
        assert (draw(empty).pixels == NO_DATA_COLOR).all()
    assert variance_picture(empty).scale is None


def test_counts_have_a_color_each_and_a_legend_that_adds_up(coadd):
    picture = count_picture(coadd)
    assert [swatch.label for swatch in picture.swatches] == ["0", "2", "3", "4", "5"]
    shown = {hex_color(color) for color in np.unique(picture.pixels.reshape(-1, 3), axis=0)}
    assert shown == {swatch.color for swatch in picture.swatches}
    assert sum(float(swatch.note.removesuffix(" %")) for swatch in picture.swatches) == pytest.approx(
        100, abs=2
    )


def test_many_counts_get_a_scale(coadd):
    deep = coadd.copy()
    deep.exposure_count.array[...] = np.linspace(1, 90, deep.bbox.x.size).astype(np.int32)
    picture = count_picture(deep)
    assert picture.swatches == ()
    assert [label for _, label in picture.scale.ticks] == ["1", "46", "90"]


def test_variance_is_brighter_where_it_is_larger(coadd):
    picture = variance_picture(coadd)
    count = coadd.exposure_count.array
    light = picture.pixels[::-1].sum(axis=-1)
    assert np.median(light[count == 2]) > np.median(light[count == 4]) > np.median(light[count == 5])
    assert [float(label) for _, label in picture.scale.ticks] == pytest.approx([0.8, 1.26, 2.0], rel=0.02)


def test_flat_variance_is_one_color(coadd):
    flat = coadd.copy()
    flat.variance.array[...] = 4 * (1 + 1e-6 * np.random.default_rng(1).normal(size=flat.bbox.shape))
    assert np.ptp(variance_picture(flat).pixels.reshape(-1, 3).astype(int), axis=0).max() <= 2


def test_mask_shows_planes_in_the_colors_of_its_legend(coadd):
    picture = mask_picture(coadd)
    legend = {swatch.label: swatch.color for swatch in picture.swatches}
    assert list(legend) == ["NO_DATA", "SENSOR_EDGE", "INEXACT_PSF", "REJECTED", "BRIGHT_OBJECT", "CLIPPED"]
    bits = coadd.mask.array[..., 0]
    for name, color in legend.items():
        assert color == hex_color(plane_color(name))
        alone = bits == Layout(coadd.mask.schema).bits([name])
        shown = np.median(picture.pixels[::-1][alone], axis=0)
        # A fifth of the dimmed image shines through.
        assert np.abs(shown - plane_color(name)).max() < 0.2 * 255, name


def test_one_masked_pixel_in_a_large_mask_is_seen(coadd):
    large = coadd.copy()
    large.mask.array[...] = 0
    without = mask_picture(large, max_side=360).pixels[::-1][100, 150].astype(int)
    large.mask.array[200, 300, 0] = Layout(large.mask.schema).bits(["SATURATED"])
    picture = mask_picture(large, max_side=360)
    assert picture.pixels.shape == (270, 360, 3)
    color = np.array(plane_color("SATURATED"))
    distance = np.abs(picture.pixels[::-1][100, 150] - color).sum()
    assert distance < 0.7 * np.abs(without - color).sum()


def test_psf_is_brightest_in_the_middle_and_cut_at_the_floor():
    x = np.arange(-40, 41)
    stamp = np.exp(-(x[:, None] ** 2 + x**2) / 8)
    pixels = psf_picture(stamp).pixels
    side = pixels.shape[0]
    # exp(-r^2/8) = 1e-4 at r = 8.6; one pixel of margin and more around it.
    assert pixels.shape == (2 * 10 + 1, 2 * 10 + 1, 3)
    light = pixels.astype(int).sum(axis=-1)
    assert np.unravel_index(light.argmax(), light.shape) == (side // 2, side // 2)


@given(
    height=st.integers(1, 40), width=st.integers(1, 40), side=st.integers(1, 45), value=st.floats(-1e6, 1e6)
)
def test_block_means_of_a_constant_are_constant_and_small_enough(height, width, side, value):
    blocks = block_mean(np.full((height, width), value), side)
    assert max(blocks.shape) <= side
    np.testing.assert_allclose(blocks, value, rtol=1e-12)


def test_block_means_against_loops():
    values = np.random.default_rng(2).normal(size=(23, 31))
    values[4:9, 3:8] = np.nan
    blocks = block_mean(values, 11)
    assert blocks.shape == (8, 11)
    for j, i in np.ndindex(blocks.shape):
        cell = values[3 * j : 3 * j + 3, 3 * i : 3 * i + 3]
        if np.isfinite(cell).mean() < 0.5:
            assert np.isnan(blocks[j, i])
        else:
            assert blocks[j, i] == pytest.approx(np.nanmean(cell), rel=1e-12)


@given(st.lists(st.floats(-10, 1e5), min_size=3, max_size=30))
def test_the_tone_curve_rises_and_stays_in_range(values):
    tone = sky_tone(np.sort(np.array(values)))
    assert np.all(np.diff(tone) >= 0)
    assert tone.min() >= 0
    assert tone.max() <= 1


def test_upright_turns_rows_over():
    colors = np.zeros((2, 1, 3), dtype=np.uint8)
    colors[1] = 9
    assert upright(colors)[:, 0, 0].tolist() == [9, 0]


def test_png_carries_pixels_and_words(coadd, tmp_path):
    picture = count_picture(coadd)
    write_png(tmp_path / "count.png", picture)
    with PillowImage.open(tmp_path / "count.png") as found:
        assert found.format == "PNG"
        assert found.text["Title"] == picture.title
        assert found.text["Description"] == picture.alt
        np.testing.assert_array_equal(np.asarray(found), picture.pixels)
    assert [path.name for path in tmp_path.iterdir()] == ["count.png"]


def test_jpeg_is_close_to_the_pixels(coadd):
    picture = image_picture(coadd)
    with PillowImage.open(io.BytesIO(picture.jpeg())) as found:
        difference = np.asarray(found).astype(int) - picture.pixels
    assert np.sqrt(np.mean(difference**2)) < 5


def test_a_picture_that_is_all_noise_becomes_a_jpeg():
    pixels = np.random.default_rng(5).integers(0, 256, (900, 900, 3)).astype(np.uint8)
    content = Picture(name="noise", title="Noise", alt="Noise.", pixels=pixels).jpeg()
    assert PillowImage.open(io.BytesIO(content)).size == (900, 900)


def test_a_picture_that_cannot_be_written_is_an_output_error(coadd, tmp_path):
    with pytest.raises(OutputError, match=r"absent/count\.png: cannot be written"):
        write_png(tmp_path / "absent" / "count.png", count_picture(coadd))


def test_large_images_become_small_pictures(coadd):
    assert coadd.bbox.shape == (540, 720)
    assert image_picture(coadd, max_side=300).pixels.shape == (180, 240, 3)

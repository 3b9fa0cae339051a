"""A bad weight or variance is a bad pixel, in every reader; a map of them is an error."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from lamella.data.exposure import Exposure
from lamella.errors import InputError
from lamella.fits.scaling import restore_zeros
from lamella.formats.noise_maps import check_signs, variance_from_weight, without_marks
from lamella.formats.read_control import ReadControl
from lamella.formats.recognise import open_exposures
from lamella.planes import Layout
from lamella.testing.contracts import check_exposure_source

from .afw.exposures import pixels as afw_pixels
from .afw.exposures import write_exposure
from .conftest import DecamWriter, open_row
from .surveys.test_visit_image import BOX, make_visit_image

PATH = Path("x.fits")
BAD_VALUES = (-1e-3, -5.0, 0.0, -0.0, math.nan, math.inf, -math.inf)
PLACES = tuple((20 + n, 30 + n) for n in range(len(BAD_VALUES)))
SHAPE = (60, 80)


def spoil(values: np.ndarray) -> np.ndarray:
    for pixel, value in zip(PLACES, BAD_VALUES, strict=True):
        values[pixel] = value
    return values


def assert_bad_there_alone(exposure: Exposure, kind: str) -> None:
    mask, schema = exposure.pixels.mask.array[..., 0], exposure.pixels.mask.schema
    for name in ("BAD", "NO_DATA"):
        flagged = np.argwhere(mask & Layout(schema).bits([name]))
        assert [tuple(map(int, pixel)) for pixel in flagged] == list(PLACES)
    assert np.isnan(exposure.pixels.image.array).sum() == len(PLACES)
    assert np.isposinf(exposure.pixels.variance.array).sum() == len(PLACES)
    assert f"3 pixels with a negative {kind} taken as bad." in exposure.notes


def test_zero_weight_is_no_measurement() -> None:
    weight = np.array([[4.0, 0.0, np.nan, np.inf, 1e-45]], dtype=np.float32)
    variance, note = variance_from_weight(weight, PATH)
    assert variance.tolist() == [[0.25, *[math.inf] * 4]]
    assert note == ""


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([[1.0, -2.0, -3.0]], r"a weight below zero in 2 pixels, above in 1 \(lowest -3\)"),
        ([[0.0, 0.0]], "found no pixel with a positive weight"),
        ([[0.0, np.nan, np.inf]], "found no pixel with a positive weight"),
        ([[0.0, -1e-9]], "a weight below zero in 1 pixels, above in 0"),
    ],
)
def test_maps_that_are_no_weights_are_refused(weight: list[list[float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        variance_from_weight(np.array(weight), PATH)
    with pytest.raises(InputError, match=message):
        variance_from_weight(np.array(weight, dtype=np.float32), PATH)


def test_negative_variances_are_counted() -> None:
    assert check_signs(np.array([1.0, 2.0, -1.0]), "variance", PATH) == (
        "1 pixel with a negative variance taken as bad."
    )
    assert check_signs(np.array([1.0, 0.0, np.nan]), "variance", PATH) == ""


def test_decam(decam: DecamWriter) -> None:
    (source,) = open_exposures([decam.write(change=lambda arrays: spoil(arrays["w"]))])
    assert_bad_there_alone(source.read(), "weight")
    check_exposure_source(source)


@pytest.mark.parametrize("kind", ["weight", "variance"])
def test_table(tmp_path: Path, tan_cards: Callable[..., fits.Header], kind: str) -> None:
    image = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    hdus = [
        fits.PrimaryHDU(image, tan_cards(SHAPE)),
        fits.ImageHDU(spoil(np.ones(SHAPE, np.float32)), name="NOISE"),
    ]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    source = open_row(tmp_path, **{f"{kind}_hdu": "NOISE"})
    assert_bad_there_alone(source.read(), kind)
    check_exposure_source(source)


def test_archives(tmp_path: Path) -> None:
    image = make_visit_image()
    image.mask.array[...] = 0
    spoil(image.variance.array)
    image.write(tmp_path / "v.fits")
    assert BOX.shape == SHAPE
    (source,) = open_exposures([tmp_path / "v.fits"])
    assert_bad_there_alone(source.read(), "variance")


def test_files_of_afw(tmp_path: Path) -> None:
    planes = afw_pixels(1)
    planes["MASK"][...] = 0
    planes["IMAGE"][np.isnan(planes["IMAGE"])] = 0
    spoil(planes["VARIANCE"])
    path = write_exposure(tmp_path / "a.fits", planes=planes)
    (source,) = open_exposures([path])
    assert_bad_there_alone(source.read(), "variance")


@pytest.mark.parametrize("kind", ["zeros", "mostly negative"])
def test_a_whole_map_that_is_none_is_refused_by_each(tmp_path: Path, kind: str) -> None:
    image = make_visit_image()
    image.variance.array[...] = 0.0
    if kind == "mostly negative":
        image.variance.array[...] = -1.0
        image.variance.array[:20] = 1.0
    image.write(tmp_path / "v.fits")
    (source,) = open_exposures([tmp_path / "v.fits"])
    expected = (
        "no pixel with a value" if kind == "zeros" else r"v\.fits.*a variance below zero in 3200 pixels"
    )
    with pytest.raises(InputError, match=expected):
        source.read()


# Compression with quantisation.


def quantised(
    folder: Path, values: np.ndarray, method: int, tile: tuple[int, int], seed: int
) -> fits.CompImageHDU:
    unit = fits.CompImageHDU(
        values,
        compression_type="RICE_1",
        quantize_level=4.0,
        quantize_method=method,
        dither_seed=seed,
        tile_shape=tile,
    )
    unit.writeto(folder / "c.fits", overwrite=True)
    with fits.open(folder / "c.fits", memmap=False) as hdus:
        stored = hdus[1]
        stored.data  # noqa: B018
        return stored


@given(
    seed=st.integers(1, 9999),
    method=st.sampled_from([-1, 1, 2]),
    tile=st.sampled_from([(1, 80), (7, 33), (60, 80)]),
    level=st.floats(1e-6, 1e4),
    share=st.floats(0.0, 0.6),
    window=st.sampled_from([(slice(None), slice(None)), (slice(3, 50), slice(11, 70))]),
)
def test_zeros_come_back_from_any_quantisation(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    method: int,
    tile: tuple[int, int],
    level: float,
    share: float,
    window: tuple[slice, slice],
) -> None:
    rng = np.random.default_rng(seed)
    values = (level * rng.normal(1.0, 0.02, SHAPE)).astype(np.float32)
    dead = rng.random(SHAPE) < share
    values[dead] = 0.0
    unit = quantised(tmp_path_factory.mktemp("q"), values, method, tile, seed)
    data = unit.data[window].copy()
    restore_zeros(unit, data, *window)
    assert (data[dead[window]] == 0).all()
    # Where the noise of a tile is that of its zeros, its steps are wide; what is left is a measurement.
    alive, stored = data[~dead[window]], unit.data[window][~dead[window]]
    assert (alive[alive != 0] == stored[alive != 0]).all()
    if share < 0.3:
        assert (alive != 0).all()


@pytest.mark.parametrize("plane", ["weight", "variance"])
def test_a_compressed_map_loses_no_good_pixel_and_gains_no_bad_one(
    tmp_path: Path, tan_cards: Callable[..., fits.Header], plane: str
) -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(4.0, 0.05, SHAPE).astype(np.float32)
    for pixel in PLACES:
        values[pixel] = 0.0
    image = rng.normal(size=SHAPE).astype(np.float32)
    compressed = fits.CompImageHDU(
        values, name="NOISE", quantize_level=4.0, quantize_method=1, dither_seed=77, tile_shape=(60, 80)
    )
    fits.HDUList([fits.PrimaryHDU(image, tan_cards(SHAPE)), compressed]).writeto(tmp_path / "a.fits")
    stored = fits.getdata(tmp_path / "a.fits", "NOISE")
    assert (np.array([stored[pixel] for pixel in PLACES]) != 0).any()
    exposure = open_row(tmp_path, **{f"{plane}_hdu": "NOISE"}).read()
    missing = np.argwhere(np.isnan(exposure.pixels.image.array))
    assert [tuple(map(int, pixel)) for pixel in missing] == list(PLACES)


@pytest.mark.parametrize("folder", ["decam-dither1", "decam-electrons"])
def test_downloads_of_decam_are_read_whole(shared: Path, folder: str) -> None:
    inputs = open_exposures([shared / "data" / "formats" / folder], control=ReadControl(edge_width=0))
    assert len(inputs) > 0
    for source in inputs:
        exposure: Any = source.read()
        variance = exposure.pixels.variance.array
        good = np.isfinite(variance)
        assert good.mean() > 0.9
        # Weights within half a step of zero would be variances of 1e6 and more.
        assert variance[good].max() < 100 * np.median(variance[good])


@pytest.mark.parametrize(
    "unit", ["electrons", "ELECTRON", "e-", "adu", "ADUs", "counts", "DN", "e", "electron/pixel"]
)
def test_counts_have_many_names(decam: DecamWriter, unit: str) -> None:
    (source,) = open_exposures([decam.write(header={"BUNIT": unit})])
    assert source.read().to_njy > 0


@pytest.mark.parametrize("unit", ["electrons/s", "adu/s", "nJy", "counts per hour", "elephants"])
def test_other_units_are_no_counts(decam: DecamWriter, unit: str) -> None:
    (source,) = open_exposures([decam.write(header={"BUNIT": unit})])
    with pytest.raises(InputError, match="expected counts"):
        source.read()


def test_a_variance_that_only_says_that_there_is_none_is_infinite() -> None:
    variance = np.array([[4.0, 5.0, 6.0, 1e20, np.inf, np.nan, 0.0, 400.0]], np.float32)
    result = without_marks(variance)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [[4.0, 5.0, 6.0, np.inf, np.inf, np.nan, 0.0, 400.0]])
    assert without_marks(variance[:, :3]) is not None
    np.testing.assert_array_equal(without_marks(variance[:, 4:7]), variance[:, 4:7])

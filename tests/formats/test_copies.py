"""The same pixels under two identities count once, whatever they are called and however they are packed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import DuplicateInputError
from lamella.formats.recognise import Inputs, open_exposures

from .surveys.test_visit_image import make_visit_image

SHAPE = (60, 80)
SIGMA = 3.0

type Cards = Callable[..., fits.Header]


@pytest.fixture
def folder(tmp_path: Path, tan_cards: Cards) -> Path:
    """A folder with three exposures of the same stars on the same pixels, with noise of their own."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    stars = 5000.0 * np.exp(-0.5 * ((x - 30) ** 2 + (y - 25) ** 2) / 9) + 100
    for number in range(3):
        noise = np.random.default_rng(number).normal(0.0, SIGMA, SHAPE)
        write(tmp_path / f"e{number}.fits", (stars + noise).astype(np.float32), tan_cards(SHAPE))
    return tmp_path


def write(path: Path, image: np.ndarray, header: fits.Header, **options: Any) -> None:
    science = fits.CompImageHDU(image, header, name="SCI", **options) if options else fits.ImageHDU(
        image, header, name="SCI"
    )  # fmt: skip
    variance = fits.ImageHDU(np.full(SHAPE, SIGMA**2, np.float32), name="VAR")
    fits.HDUList([fits.PrimaryHDU(), science, variance]).writeto(path)


def opened(folder: Path, *rows: dict[str, Any], strict: bool | None = None) -> Inputs:
    common = {"variance_hdu": "VAR", "zero_point": 27.0, "psf_fwhm": 1.0, "band": "r", "detector": 1}
    full = [common | {"image_hdu": "SCI", "visit": number} | row for number, row in enumerate(rows)]
    Table(full).write(folder / "t.ecsv", overwrite=True)
    return open_exposures([folder / "t.ecsv"], strict=strict)


def visits(inputs: Inputs) -> list[int]:
    return [source.info.id.visit for source in inputs]


def test_exposures_of_their_own_all_count(folder: Path) -> None:
    inputs = opened(folder, *({"file": f"e{number}.fits"} for number in range(3)))
    assert visits(inputs) == [0, 1, 2]
    assert inputs.problems == ()


def link(old: Path, new: Path) -> None:
    new.symlink_to(old.name)


def fpack(old: Path, new: Path) -> None:
    with fits.open(old) as hdus:
        write(new, hdus["SCI"].data, hdus["SCI"].header, compression_type="RICE_1", quantize_level=2.0)


def rescale(old: Path, new: Path) -> None:
    with fits.open(old) as hdus:
        write(new, np.round(7 * hdus["SCI"].data).astype(np.int32), hdus["SCI"].header)


def less_sky(old: Path, new: Path) -> None:
    with fits.open(old) as hdus:
        image = hdus["SCI"].data - np.linspace(90, 110, SHAPE[1], dtype=np.float32)
        image[10:14, 20:30] = np.nan
        write(new, image, hdus["SCI"].header)


@pytest.mark.parametrize("how", [shutil.copy, os.link, link, fpack, rescale, less_sky])
def test_a_copy_is_left_out_and_named(folder: Path, how: Callable[[Path, Path], object]) -> None:
    how(folder / "e0.fits", folder / "copy.fits")
    rows = [{"file": f"{name}.fits"} for name in ("e1", "e0", "e2", "copy")]
    inputs = opened(folder, *rows)
    assert visits(inputs) == [0, 1, 2]
    (problem,) = inputs.problems
    assert problem.path.endswith("copy.fits")
    assert isinstance(problem.error, DuplicateInputError)
    text = str(problem)
    assert "found unknown visit 3 detector 1 with the same pixels as unknown visit 1 detector 1" in text
    assert "e0.fits" in text
    assert "left out" in text


def test_copies_are_found_before_their_scale_is_known(folder: Path) -> None:
    shutil.copy(folder / "e1.fits", folder / "of_another_name.fits")
    inputs = open_exposures([folder])
    assert len(inputs) == 3
    (problem,) = inputs.problems
    assert "with the same pixels as" in str(problem)


def test_the_order_of_the_rows_does_not_matter(folder: Path) -> None:
    shutil.copy(folder / "e0.fits", folder / "copy.fits")
    rows = [
        {"file": "copy.fits", "visit": 9},
        {"file": "e1.fits", "visit": 5},
        {"file": "e0.fits", "visit": 3},
    ]
    assert visits(opened(folder, *rows)) == visits(opened(folder, *rows[::-1])) == [3, 5]


def test_one_hdu_as_two_visits_counts_once(folder: Path) -> None:
    inputs = opened(folder, {"file": "e0.fits"}, {"file": "../" + folder.name + "/e0.fits", "image_hdu": "1"})
    assert visits(inputs) == [0]


def test_a_row_that_stands_twice_counts_once(folder: Path) -> None:
    inputs = opened(folder, {"file": "e0.fits", "visit": 1}, {"file": "e0.fits", "visit": 1})
    assert visits(inputs) == [1]
    assert "left out" in str(inputs.problems[0])


def test_other_pixels_of_one_identity_are_an_error(folder: Path) -> None:
    with pytest.raises(DuplicateInputError, match="expected one file per exposure"):
        opened(folder, {"file": "e0.fits", "visit": 1}, {"file": "e1.fits", "visit": 1})


def test_a_copy_is_an_error_where_all_problems_are(folder: Path) -> None:
    with pytest.raises(DuplicateInputError, match="with the same pixels as"):
        opened(folder, {"file": "e0.fits"}, {"file": "e0.fits"}, strict=True)


def test_bands_are_compared_one_by_one(folder: Path) -> None:
    assert visits(opened(folder, {"file": "e0.fits"}, {"file": "e0.fits", "band": "i"})) == [0, 1]


def test_detectors_of_one_visit_are_not_compared(folder: Path) -> None:
    inputs = opened(folder, {"file": "e0.fits", "visit": 5}, {"file": "e0.fits", "visit": 5, "detector": 2})
    assert visits(inputs) == [5, 5]


def test_two_hdus_of_one_file_are_two_exposures(folder: Path, tan_cards: Cards) -> None:
    with fits.open(folder / "e0.fits") as first, fits.open(folder / "e1.fits") as second:
        hdus = [fits.PrimaryHDU(), *(file["SCI"].copy() for file in (first, second)), first["VAR"].copy()]
        fits.HDUList(hdus).writeto(folder / "two.fits")
    inputs = opened(folder, {"file": "two.fits", "image_hdu": "1"}, {"file": "two.fits", "image_hdu": "2"})
    assert visits(inputs) == [0, 1]


def test_copies_in_two_formats(tmp_path: Path) -> None:
    archive = make_visit_image(u.nJy)
    archive.image.array[...] = np.random.default_rng(4).normal(0, 3, archive.bbox.shape)
    archive.write(tmp_path / "v.fits")
    archive.write(tmp_path / "v.json")
    header = archive.fits_wcs.to_header(relax=True)
    write(tmp_path / "x.fits", archive.image.array / 10, header)
    row = {"file": "x.fits", "image_hdu": "SCI", "variance_hdu": "VAR", "zero_point": 28.9, "psf_fwhm": 1.0}
    (band,) = {source.info.band for source in open_exposures([tmp_path / "v.fits"])}
    Table([row | {"band": band, "visit": 8, "detector": 3, "instrument": "Cam"}]).write(tmp_path / "t.ecsv")
    for name in ("v.fits", "v.json"):
        inputs = open_exposures([tmp_path / name, tmp_path / "t.ecsv"])
        assert visits(inputs) == [7]
        assert "x.fits" in inputs.problems[0].path


def test_images_without_noise_are_no_evidence(tmp_path: Path, tan_cards: Cards) -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    stars = np.zeros(SHAPE, np.float32)
    for at in range(5, 80, 10):
        stars += 50 * np.exp(-0.5 * ((x - at) ** 2 + (y - at / 2) ** 2) / 4).astype(np.float32)
    for number, image in enumerate(
        (stars, stars, np.full(SHAPE, 5, np.float32), np.full(SHAPE, 5, np.float32))
    ):
        write(tmp_path / f"e{number}.fits", image, tan_cards(SHAPE))
    assert visits(opened(tmp_path, *({"file": f"e{number}.fits"} for number in range(4)))) == [0, 1, 2, 3]


@given(
    seed=st.integers(0, 2**32 - 1),
    level=st.floats(0.0, 30.0),
    integers=st.booleans(),
    noise=st.floats(1.0, 10.0),
)
def test_no_exposure_is_taken_for_another(
    tmp_path_factory: pytest.TempPathFactory, seed: int, level: float, integers: bool, noise: float
) -> None:
    """The same sky, crowded with stars, on the same pixels, n times: none is a copy of another."""
    folder = tmp_path_factory.mktemp("crowded")
    rng = np.random.default_rng(seed)
    sky = level * np.abs(rng.normal(0, SIGMA, SHAPE))
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 1.0}
    header = fits.Header(cards | {"CRPIX1": 40.0, "CRPIX2": 30.0, "CD1_1": -1e-4, "CD2_2": 1e-4})
    for number in range(3):
        image = sky + rng.normal(0.0, noise, SHAPE)
        write(
            folder / f"e{number}.fits", np.round(image).astype(np.int16 if integers else np.float32), header
        )
        with fits.open(folder / f"e{number}.fits", mode="update") as hdus:
            hdus["VAR"].data[...] = noise**2
    assert visits(opened(folder, *({"file": f"e{number}.fits"} for number in range(3)))) == [0, 1, 2]


# The HDU of the image.


def write_hdus(path: Path, *hdus: tuple[str, Any, fits.Header | None]) -> None:
    units: list[Any] = [fits.PrimaryHDU()]
    for name, data, header in hdus:
        units.append(fits.ImageHDU(data, header, name=name))
    if hdus[0][0] == "":
        units[:2] = [fits.PrimaryHDU(hdus[0][1], hdus[0][2])]
    fits.HDUList(units).writeto(path)


def sky_of(folder: Path, **cells: Any) -> float:
    row = {"file": "a.fits", "zero_point": 27.0, "psf_fwhm": 1.0, "band": "r", "visit": 1, "detector": 1}
    Table([row | cells]).write(folder / "t.ecsv", overwrite=True)
    (source,) = open_exposures([folder / "t.ecsv"])
    return float(np.nanmedian(source.read().pixels.image.array))


@pytest.mark.parametrize("first", ["", "VAR", "WHT", "DQ", "err", "BPM"])
@pytest.mark.parametrize("leading", [(), (1,), (1, 1)])
def test_the_image_is_no_other_plane(
    tmp_path: Path, tan_cards: Cards, first: str, leading: tuple[int, ...]
) -> None:
    image, header = np.full((*leading, *SHAPE), 5.0, np.float32), tan_cards(SHAPE)
    variance = np.full(SHAPE, 9.0, np.float32)
    if first:
        planes = [(first, variance, header), ("X", image, header), ("MINE", variance, header)]
    else:
        planes = [("", image, header), ("MINE", variance, header)]
    write_hdus(tmp_path / "a.fits", *planes)
    assert sky_of(tmp_path, variance_hdu="MINE") == 5.0


def test_a_plane_that_is_named_is_not_the_image(tmp_path: Path, tan_cards: Cards) -> None:
    header, ones = tan_cards(SHAPE), np.ones(SHAPE, np.float32)
    write_hdus(tmp_path / "a.fits", ("ONE", 9 * ones, header), ("TWO", 5 * ones, header))
    assert sky_of(tmp_path, variance_hdu="ONE") == 5.0
    assert sky_of(tmp_path, variance_hdu="two") == 9.0
    assert sky_of(tmp_path, variance_hdu="2", variance_file="a.fits") == 9.0


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"image_hdu": "VAR", "variance_hdu": "VAR"}, "HDU 2: found the same HDU as image and as variance"),
        ({"image_hdu": "2", "weight_hdu": "var"}, "as image and as weight"),
        (
            {"image_hdu": "VAR", "variance_hdu": "VAR", "variance_file": "./a.fits"},
            "as image and as variance",
        ),
        ({"variance_hdu": "VAR"}, r"HDU 1: found an array of 80 x 60 x 3 numbers; .*column image_hdu"),
    ],
)
def test_what_is_not_clear_is_refused(
    tmp_path: Path, tan_cards: Cards, cells: dict[str, str], message: str
) -> None:
    header = tan_cards(SHAPE)
    cube, variance = np.ones((3, *SHAPE), np.float32), np.ones(SHAPE, np.float32)
    write_hdus(tmp_path / "a.fits", ("RGB", cube, header), ("VAR", variance, header))
    with pytest.raises(Exception, match=message):
        sky_of(tmp_path, **cells)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.image.defects import find_defects

from ..starfields import Field


def counts(image: np.ndarray, **options: float) -> dict[str, int]:
    return {name: int(plane.sum()) for name, plane in find_defects(image, **options).items()}


CLEAN = {"NO_DATA": 0, "SATURATED": 0, "BAD": 0}
BRIGHT = Field(stars=700, flux=(1000.0, 3e6))


@pytest.mark.parametrize(
    "field",
    [
        Field(stars=0),
        Field(flux=(300.0, 1e7)),
        Field(stars=400, fwhm=1.2, flux=(300.0, 1e6)),
        Field(stars=1600, fwhm=5.0, flux=(300.0, 1e6)),
        Field(stars=400, fwhm=6.0, beta=2.5, flux=(300.0, 3e6)),
        Field(sky=0.0),
    ],
)
def test_a_clean_field_has_no_defects(field: Field) -> None:
    assert counts(field.image()) == CLEAN


@pytest.mark.parametrize(("sky", "sigma"), [(500.0, 10.0), (500.0, 1.0), (500.0, 0.3), (0.0, 1.0)])
def test_a_clean_field_of_whole_numbers_has_none_either(sky: float, sigma: float) -> None:
    assert counts(np.round(Field(sky=sky, sigma=sigma).image()), whole=True) == CLEAN


def test_counts_of_few_photons_are_measurements() -> None:
    for mean in (0.05, 0.5, 2.0):
        image = np.random.default_rng(1).poisson(mean, (300, 300)).astype(np.float32)
        assert counts(image, whole=True) == CLEAN, mean


def test_pixels_at_saturation_are_told_by_its_level() -> None:
    image = BRIGHT.image()
    assert counts(image, saturation=5000.0) == {**CLEAN, "SATURATED": np.count_nonzero(image >= 5000.0)}


@pytest.mark.parametrize("blur", [0.0, 0.02])
def test_a_pile_of_the_brightest_pixels_is_saturated(blur: float) -> None:
    image = BRIGHT.image()
    full = image >= 5000.0
    level = 5000.0 * np.random.default_rng(2).normal(1.0, blur, image.shape)
    saturated = find_defects(np.where(full, level, image).astype(np.float32))["SATURATED"]
    assert saturated[full].mean() > 0.98
    assert saturated.sum() < 1.2 * full.sum()


@pytest.mark.parametrize("sky", [0.0, 500.0])
@pytest.mark.parametrize("mark", [0.0, -32768.0])
def test_rims_and_gaps_that_hold_one_value_have_no_data(sky: float, mark: float) -> None:
    image = Field(sky=sky).image()
    gap = np.zeros(image.shape, bool)
    gap[:30] = gap[:, 390:] = gap[200:210, :150] = True
    image[gap] = mark
    defects = find_defects(image)
    np.testing.assert_array_equal(defects["NO_DATA"], gap)
    assert not defects["BAD"].any()


def test_values_that_are_not_finite_are_no_data() -> None:
    image = Field().image()
    image[3, 4], image[5, 6] = np.nan, np.inf
    assert counts(image) == {**CLEAN, "NO_DATA": 2}


def test_dead_pixels_are_bad() -> None:
    image = np.round(Field(sky=200.0, sigma=20.0).image())
    image[3, 4] = image[200, 300] = 0.0
    assert counts(image, whole=True) == {**CLEAN, "BAD": 2}
    image[10, 10] = 0.0
    assert counts(image + 100.0)["BAD"] == 3  # 10 sigma below the sky


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("excess", [5000.0, 20.0, -20.0])
def test_hot_and_cold_columns_and_rows_are_bad(axis: int, excess: float) -> None:
    image = Field().image()
    lines = image if axis == 0 else image.T
    lines[120] += excess
    lines[300, 200:] += excess
    bad = find_defects(image)["BAD"]
    bad = bad if axis == 0 else bad.T
    assert bad[120].all()
    assert bad[300, 270:].all()
    assert np.delete(bad, [120, 300], axis=0).sum() == 0


def test_a_column_that_does_not_see_the_sky_is_bad() -> None:
    image = Field().image()
    image[:, 77] = np.random.default_rng(3).normal(500.0, 0.1, 400)
    image[:, 78] = 503.0
    defects = find_defects(image)
    lost = defects["BAD"] | defects["NO_DATA"]
    assert lost[:, 77:79].all()
    assert lost.sum() == 800


def test_decam_cutouts_are_clean(shared: Path) -> None:
    for path in sorted((shared / "data/decam/images").glob("*_ooi_*")):
        image = fits.getdata(path, 1).astype(np.float32)
        assert sum(counts(image).values()) < 400, path.name  # a bad column of the survey's own at most


def test_the_bad_columns_of_plain_images_are_seen(shared: Path) -> None:
    for path in sorted((shared / "data/formats/plain").glob("*.fits")):
        lost = np.logical_or.reduce([*find_defects(fits.getdata(path).astype(np.float32)).values()])
        assert np.count_nonzero(lost.mean(axis=0) > 0.99) == 1, path.name

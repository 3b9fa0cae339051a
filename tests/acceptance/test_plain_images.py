"""Images of which nobody knows anything, measured and coadded, against what they were made from.

Four exposures of a field with 20 stars of S/N above 100: the recipe for which the accuracy is promised.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits

from lamella.data.coadd import PatchCoadd
from lamella.data.exposure import ExposureSource
from lamella.data.origins import Origin
from lamella.formats.exposure_stars import read_stars, row_of
from lamella.formats.recognise import open_exposures
from lamella.run.coadds import coadd_exposures
from lamella.run.patch_config import PatchConfig
from lamella.testing.photometry import aperture_flux

from ..plainfields import WIDTHS, PlainField

POGSON = 2.5 / np.log(10.0)
RECIPE = {seed: PlainField(seed) for seed in (1, 2, 3)}
HARD = {
    "crowded": PlainField(4, faint=250),
    "steep sky": PlainField(5, slope=2.0),
    "three stars": PlainField(6, stars=3),
}


@dataclasses.dataclass(frozen=True)
class Night:
    """The exposures of a field, as they were measured."""

    field: PlainField
    table: Path
    sources: list[ExposureSource]
    """In the order in which they were written."""

    @classmethod
    def of(cls, field: PlainField, folder: Path) -> Night:
        table = field.write(folder)
        return cls(field, table, sorted(open_exposures([folder / "bare"]), key=lambda item: item.info.path))

    @property
    def reference(self) -> int:
        """Number of the exposure whose units all are put into."""
        (number,) = (n for n, told in enumerate(self._scales()) if told.how.endswith("reference"))
        return number

    def _scales(self) -> list[Origin]:
        return [source.info.origins["relative scale"] for source in self.sources]

    def magnitudes(self) -> np.ndarray:
        """Return how wrong the relative scales are, in magnitudes."""
        rows = [row_of(source) for source in self.sources]
        scales = np.array([float(row.values["flux_scale"]) for row in rows if row is not None])
        truth = np.array([self.field.to_njy(number) for number in range(len(scales))])
        return np.asarray(POGSON * np.log(scales / truth * truth[self.reference]))

    def stated(self) -> np.ndarray:
        """Return the errors of the relative scales that are told, in magnitudes; 0 for the reference."""
        told = [re.search(r"to ([\d.]+) %", origin.how) for origin in self._scales()]
        return np.array([0.0 if match is None else POGSON * 0.01 * float(match[1]) for match in told])

    def noise(self) -> np.ndarray:
        """Return the measured noise of each exposure over the scatter of blank sky, medians."""
        ratios = []
        for source, name in zip(self.sources, self.field.variances(), strict=True):
            variance = source.read().pixels.variance.array
            ratios.append(np.sqrt(np.median(variance / fits.getdata(self.table.parent / name))))
        return np.array(ratios)


@pytest.fixture(scope="module", params=RECIPE)
def night(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Night:
    return Night.of(RECIPE[request.param], tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="module", params=HARD)
def hard_night(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Night:
    return Night.of(HARD[request.param], tmp_path_factory.mktemp("hard"))


def test_the_noise_is_within_three_per_cent_of_the_scatter_of_blank_sky(night: Night) -> None:
    np.testing.assert_allclose(night.noise(), 1.0, atol=0.03)


def test_widths_are_within_five_per_cent(night: Night) -> None:
    for number, source in enumerate(night.sources):
        assert source.info.psf_fwhm == pytest.approx(night.field.width(number), rel=0.05)


def test_relative_scales_are_within_a_hundredth_of_a_magnitude(night: Night) -> None:
    assert np.abs(night.magnitudes()).max() < 0.01
    assert (np.abs(night.magnitudes()) <= 2.0 * night.stated() + 1e-9).all()


def test_fluxes_in_the_coadd_are_within_a_per_cent_of_those_of_all_information(night: Night) -> None:
    config = PatchConfig(assemble={"reject": {"method": "none"}})
    measured = next(iter(coadd_exposures(night.sources, config=config)))
    informed = next(iter(coadd_exposures(open_exposures([night.table]).sources, config=config)))
    njy = night.field.to_njy(night.reference)
    ratio = njy * star_fluxes(measured, night) / star_fluxes(informed, night)
    assert np.isfinite(ratio).sum() >= 18
    np.testing.assert_allclose(ratio[np.isfinite(ratio)], 1.0, atol=0.01)


def star_fluxes(coadd: PatchCoadd, night: Night) -> np.ndarray:
    ra, dec, _ = night.field.truth()
    places = coadd.sky_projection.sky_to_pixel(SkyCoord(ra, dec, unit="deg"))
    return aperture_flux(coadd.image, np.asarray(places.x), np.asarray(places.y), 5.0)


def test_where_it_is_hard_the_stated_errors_hold(hard_night: Night) -> None:
    np.testing.assert_allclose(hard_night.noise(), 1.0, atol=0.03)
    wrong, stated = hard_night.magnitudes(), hard_night.stated()
    assert (np.abs(wrong) <= 2.0 * stated + 1e-9).all()
    assert stated.max() < 0.06
    for (first, one), (second, other) in itertools.combinations(zip(wrong, stated, strict=True), 2):
        assert abs(first - second) <= 2.5 * np.hypot(one, other)
    for star, truth in zip(read_stars(hard_night.sources, 1), WIDTHS, strict=True):
        assert abs(star.width.fwhm - truth) < 3.0 * star.width.error < 0.1 * truth

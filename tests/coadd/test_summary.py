from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.images import Box, Image, Mask, SkyProjection
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.coadd.summary import CoaddSummary, Rejected, summarize
from lamella.data.coadd import PatchCoadd, Rejection
from lamella.data.detector import DetectorInput
from lamella.data.exposure import ExposureId
from lamella.data.flux_unit import NJY, FluxUnit
from lamella.data.photometry import AB_FLUX_NJY
from lamella.errors import InvalidPsfError
from lamella.planes import Layout, make_schema
from lamella.psf.measure import adaptive_moments

from .. import makers
from ..projections import turned_tan

BOX = Box.factory[50:350, 1000:1400]
SCALE = 0.263
SIGMA = 1.9
NOISE = 3.0


def make_projection() -> SkyProjection[Any]:
    return turned_tan(52.0, -61.0, x=1199, y=199, scale=SCALE, tract=BOX)


def make_coadd(*, empty: np.ndarray | None = None, factor: float = 1.0, **changes: Any) -> PatchCoadd:
    """Make a coadd of pure noise, times a factor, with pixels without data."""
    empty = np.zeros(BOX.shape, dtype=bool) if empty is None else empty
    image = factor * np.random.default_rng(1).normal(0, NOISE, BOX.shape)
    planes = makers.make_planes(
        np.where(empty, np.nan, image),
        np.where(empty, np.inf, (factor * NOISE) ** 2),
        np.where(empty, Layout.of().bits(["NO_DATA"]), 0),
        box=BOX,
        unit=u.nJy,
        projection=make_projection(),
    )
    detectors = [make_detector(visit, ccd) for visit in (1, 2) for ccd in (5, 6)]
    identity = {"band": "i", "skymap": "test", "tract": 3, "patch": (2, 7), "detectors": detectors}
    return makers.make_coadd(planes, np.where(empty, 0, 4), **(identity | changes))


def make_detector(visit: int, ccd: int) -> DetectorInput:
    return makers.make_detector(
        visit, ccd, BOX, make_projection(), band="i", sigma=SIGMA, side=31, weight=0.5
    )


def test_numbers_of_a_plain_coadd():
    summary = summarize(make_coadd(), seconds=2.5)
    assert (summary.band, summary.tract, summary.patch, summary.label) == ("i", 3, (2, 7), "3 · 2,7")
    assert (summary.width, summary.height, summary.seconds) == (400, 300, 2.5)
    assert (summary.visits, summary.detectors) == (2, 4)
    assert (summary.median_count, summary.max_count) == (4, 4)
    assert summary.pixel_scale == pytest.approx(SCALE, rel=1e-6)
    assert summary.area == pytest.approx(400 * 300 * SCALE**2 / 3600, rel=1e-6)
    assert summary.psf_fwhm == pytest.approx(2.35482 * SIGMA * SCALE, rel=2e-3)
    assert summary.psf_area == pytest.approx(4 * np.pi * SIGMA**2, rel=2e-3)
    assert summary.pixel_noise == pytest.approx(NOISE, rel=0.02)
    assert summary.noise_ratio == pytest.approx(1, rel=0.02)
    assert summary.psf_noise_ratio == pytest.approx(1, rel=0.06)
    assert summary.mask_fractions == {}
    assert summary.notes == ()


def test_depth_is_that_of_the_formula():
    # sigma of a PSF flux on independent noise: NOISE * sqrt(4 pi SIGMA^2).
    flux = 5 * NOISE * math.sqrt(4 * math.pi) * SIGMA
    summary = summarize(make_coadd())
    assert summary.depth_stated == pytest.approx(31.4 - 2.5 * math.log10(flux), abs=0.003)
    assert summary.depth == pytest.approx(31.4 - 2.5 * math.log10(flux), abs=0.06)


@pytest.mark.parametrize("error", [0.1, 5.0])
def test_a_wrong_variance_plane_does_not_change_the_depth(error):
    coadd = make_coadd()
    right = summarize(coadd)
    coadd.variance.array[...] *= error
    wrong = summarize(coadd)
    assert wrong.depth == pytest.approx(right.depth, abs=1e-4)
    assert wrong.depth_stated == pytest.approx(right.depth_stated - 1.25 * math.log10(error), abs=1e-4)
    assert wrong.psf_noise_ratio == pytest.approx(right.psf_noise_ratio / math.sqrt(error), rel=1e-4)


def line_psf() -> np.ndarray:
    stamp = np.zeros((31, 31))
    stamp[8:23, 15] = 1.0
    return stamp


def one_pixel_psf() -> np.ndarray:
    stamp = np.zeros((31, 31))
    stamp[15, 15] = 1.0
    return stamp


class StampPsf(GaussianPointSpreadFunction):
    """A PSF whose image is the same everywhere."""

    def __init__(self, stamp: np.ndarray) -> None:
        super().__init__(SIGMA, BOX, 31)
        self.stamp = stamp / stamp.sum()

    def compute_kernel_image(self, *, x: float, y: float) -> Image:
        image = super().compute_kernel_image(x=x, y=y)
        return Image(self.stamp, bbox=image.bbox)


@pytest.mark.parametrize("stamp", [line_psf(), one_pixel_psf()], ids=["line", "one pixel"])
def test_depth_and_width_exist_where_adaptive_moments_do_not(stamp):
    psf = StampPsf(stamp)
    with pytest.raises(InvalidPsfError, match="do not converge"):
        adaptive_moments(psf.compute_kernel_image(x=1200.0, y=200.0))
    summary = summarize(make_coadd(matched_psf=psf))
    area = 1 / np.sum(psf.stamp**2)
    assert summary.psf_area == pytest.approx(area, rel=1e-6)
    assert summary.psf_fwhm == pytest.approx(2.35482 * math.sqrt(area / (4 * math.pi)) * SCALE, rel=1e-4)
    depth = 31.4 - 2.5 * math.log10(5 * NOISE * math.sqrt(area))
    assert summary.depth_stated == pytest.approx(depth, abs=0.003)
    assert summary.depth == pytest.approx(depth, abs=0.1)
    assert summary.notes == ()


def test_without_blank_sky_there_is_no_depth_but_that_of_the_variance_plane():
    coadd = make_coadd()
    coadd.mask.array[..., 0] |= Layout.of().bits(["DETECTED"])
    summary = summarize(coadd)
    assert summary.depth is None
    assert summary.depth_stated is not None
    assert "too little blank sky" in summary.notes[0]


def test_the_depth_of_a_large_coadd_is_that_of_its_median_variance():
    """The noise is measured around the centre, which has twice the exposures that most of this coadd has."""
    box = Box.factory[0:40, 0:3000]
    rng = np.random.default_rng(3)
    variance = np.where(np.abs(np.arange(3000) - 1500) < 600, 9.0, 18.0) * np.ones(box.shape)
    changes = {
        name: Image(np.full(box.shape, 4, np.int32), bbox=box)
        for name in ("exposure_count", "exposure_count_unmasked")
    }
    image = rng.normal(0, np.sqrt(variance)).astype(np.float32)
    coadd = make_coadd(
        image=Image(image, bbox=box, unit=u.nJy, sky_projection=make_projection()),
        mask=Mask(np.zeros((*box.shape, 1), np.int32), schema=make_schema(), bbox=box),
        variance=Image(variance.astype(np.float32), bbox=box),
        inner_bbox=box,
        detectors=[],
        matched_psf=GaussianPointSpreadFunction(SIGMA, box, 31),
        **changes,
    )
    flux = 5 * math.sqrt(18.0 * 4 * math.pi) * SIGMA
    assert summarize(coadd).depth == pytest.approx(31.4 - 2.5 * math.log10(flux), abs=0.1)


def test_depth_is_reached_by_fits_to_noise():
    """The scatter of fluxes from fits to many places of the noise is a fifth of the flux at the depth."""
    coadd = make_coadd()
    summary = summarize(coadd)
    stamp = coadd.psf.compute_kernel_image(x=1200.0, y=200.0).array
    half = stamp.shape[0] // 2
    places = [(y, x) for y in range(half, 300 - half, 12) for x in range(half, 400 - half, 12)]
    fluxes = [
        np.sum(stamp * coadd.image.array[y - half : y + half + 1, x - half : x + half + 1]) / np.sum(stamp**2)
        for y, x in places
    ]
    limit = AB_FLUX_NJY * 10 ** (-0.4 * summary.depth)
    assert 5 * np.std(fluxes) == pytest.approx(limit, rel=4 / math.sqrt(2 * len(fluxes)))


@settings(max_examples=8)
@given(factor=st.floats(1e-3, 1e3))
def test_brighter_pixels_make_a_shallower_coadd(factor):
    plain, scaled = summarize(make_coadd()), summarize(make_coadd(factor=factor))
    assert scaled.depth == pytest.approx(plain.depth - 2.5 * math.log10(factor), abs=1e-5)
    assert scaled.noise_ratio == pytest.approx(plain.noise_ratio, rel=1e-4)


def test_pixels_without_data_do_not_count():
    empty = np.zeros(BOX.shape, dtype=bool)
    empty[:, :100] = True
    summary = summarize(make_coadd(empty=empty))
    assert summary.covered_fraction == 0.75
    assert summary.area == pytest.approx(300 * 300 * SCALE**2 / 3600, rel=1e-6)
    assert summary.median_count == 4
    assert summary.mask_fractions == {"NO_DATA": 0.25}
    assert summary.psf_position == (1250, 200)


def test_the_psf_is_taken_where_there_are_data():
    empty = np.zeros(BOX.shape, dtype=bool)
    empty[100:200, 100:300] = True
    x, y = summarize(make_coadd(empty=empty)).psf_position
    assert not empty[y - BOX.y.start, x - BOX.x.start]
    assert math.hypot(x - 1200, y - 200) < 52


def test_the_psf_is_taken_where_it_is_exact():
    coadd = make_coadd()
    coadd.mask.array[100:200, 150:250, 0] |= Layout.of().bits(["INEXACT_PSF"])
    x, y = summarize(coadd).psf_position
    assert not (100 <= y - BOX.y.start < 200 and 150 <= x - BOX.x.start < 250)


def test_reasons_that_differ_in_numbers_and_files_are_one_cause():
    rejected = [
        Rejection(ExposureId("Cam", n, 1), f"/in/{n}.fits", "read", f"/in/{n}.fits, row {n}: found nan.")
        for n in (7, 8, 9)
    ]
    summary = summarize(make_coadd(rejections=rejected))
    assert summary.rejected == (Rejected("read", "/in/7.fits, row 7: found nan (and the like)", 3),)


def test_rejections_are_counted_by_reason():
    rejected = [
        Rejection(ExposureId("Cam", 7, 1), "a", "select", "no overlap"),
        Rejection(ExposureId("Cam", 7, 2), "b", "select", "no overlap"),
        Rejection(ExposureId("Cam", 8, 1), "c", "read", "truncated"),
    ]
    summary = summarize(make_coadd(rejections=rejected))
    assert summary.rejected == (Rejected("read", "truncated", 1), Rejected("select", "no overlap", 2))
    assert summary.rejected_count == 3


def test_a_coadd_without_inputs_has_no_psf_and_says_why():
    summary = summarize(make_coadd(detectors=[]))
    assert summary.psf_fwhm is summary.psf_area is summary.depth is summary.psf_noise_ratio is None
    assert summary.depth_stated is None
    assert summary.noise_ratio == pytest.approx(1, rel=0.02)
    assert len(summary.notes) == 1
    assert "no input is on record" in summary.notes[0]


def test_a_coadd_without_data_has_no_numbers():
    summary = summarize(make_coadd(empty=np.ones(BOX.shape, dtype=bool)))
    assert summary.covered_fraction == summary.area == 0
    absent = ("median_count", "psf_fwhm", "depth", "median_variance", "pixel_noise", "noise_ratio")
    assert [getattr(summary, name) for name in absent] == [None] * len(absent)


def test_bad_pixels_are_no_sky():
    coadd = make_coadd()
    coadd.image.array[:, ::3] *= 2
    coadd.mask.array[:, ::3, 0] |= Layout.of().bits(["BAD"])
    assert summarize(coadd).noise_ratio == pytest.approx(1, rel=0.02)


def test_summary_survives_json():
    summary = summarize(make_coadd(rejections=[Rejection(ExposureId("C", 1, 2), "a", "read", "cut")]))
    assert CoaddSummary.from_dict(json.loads(json.dumps(summary.to_dict(), allow_nan=False))) == summary


def test_foreign_values_are_refused():
    values = summarize(make_coadd()).to_dict()
    with pytest.raises(ValueError, match="color"):
        CoaddSummary.from_dict(values | {"color": 1})
    with pytest.raises(ValueError, match="depth"):
        CoaddSummary.from_dict(values | {"depth": "deep"})


def test_summary_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        summarize(make_coadd()).depth = 30.0


def test_fluxes_without_magnitudes_have_a_limit_and_no_depth():
    unit = FluxUnit("adu", "a.fits")
    detectors = [dataclasses.replace(make_detector(1, 5), flux_unit=unit)]
    summary, absolute = summarize(make_coadd(detectors=detectors)), summarize(make_coadd())
    assert (summary.depth, summary.depth_stated) == (None, None)
    assert summary.flux_limit == absolute.flux_limit
    assert summary.flux_limit_stated == pytest.approx(5 * NOISE * math.sqrt(4 * math.pi) * SIGMA, rel=2e-3)
    assert (summary.fluxes, absolute.fluxes) == (unit, NJY)
    assert absolute.depth == pytest.approx(-2.5 * math.log10(absolute.flux_limit / AB_FLUX_NJY))
    assert CoaddSummary.from_dict(json.loads(json.dumps(summary.to_dict()))) == summary


def test_summaries_of_older_records_are_in_njy():
    plain = summarize(make_coadd()).to_dict()
    for name in ("flux_unit", "flux_reference", "flux_limit", "flux_limit_stated"):
        del plain[name]
    summary = CoaddSummary.from_dict(plain)
    assert summary.fluxes == NJY
    assert summary.depth == plain["depth"]

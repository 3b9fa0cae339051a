"""Stars of a matched warp have the model's shape and their flux; noise, masks and edges are told rightly."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from lsst.images import Box, Image, Mask
from lsst.images.psfs import GaussianPointSpreadFunction, PointSpreadFunction

from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.warp.ownership import detector_regions
from lamella.coadd.warp.psfmatch import match_warp, patch_target_psf, target_fwhm
from lamella.data.coadd import PatchCoadd
from lamella.data.detector import DetectorInput
from lamella.data.exposure import ExposureId
from lamella.data.warp import Warp
from lamella.errors import PsfMatchError
from lamella.formats.archive.products import ArchiveWarp
from lamella.formats.archive.write import write_archive
from lamella.planes import Layout
from lamella.psf.gaussian import FWHM_PER_SIGMA
from lamella.psf.gridded import GriddedPsf
from lamella.psf.match_control import MatchControl

from ...makers import moffat

SIDE = 300
STARS = [(150.0, 140.0), (60.3, 80.6), (230.7, 60.2), (70.5, 235.5), (241.1, 228.4)]
"""Positions (x, y) from the corner of the warp."""


def seeing(box: Box, fwhm: float = 4.0) -> GriddedPsf:
    """A PSF whose width and shape change over a box."""
    stamps = np.array(
        [
            [moffat(fwhm * (1 + 0.04 * i), 0.95 - 0.05 * j, 0.3 + 0.4 * i, 3.5, 41) for j in range(2)]
            for i in range(2)
        ]
    )
    return GriddedPsf(stamps, [box.x.start, box.x.stop], [box.y.start, box.y.stop], box)


def make_warp(maker, psf: PointSpreadFunction | None = None, noise: float = 0.0, flux: float = 1e5) -> Warp:
    """Stars with a PSF on a grid that is that of the detector."""
    box = Box.from_shape((SIDE, SIDE), start=(100, 200))
    psf = psf or seeing(box)
    detector = dataclasses.replace(maker.detector(1), bbox=box, psf=psf, good_pixels=box.area)
    image = Image(np.zeros((SIDE, SIDE), np.float32), bbox=box, unit=u.nJy, sky_projection=maker.projection)
    variance = np.full((SIDE, SIDE), max(noise, 1.0) ** 2, np.float32)
    for x, y in STARS:
        star = psf.compute_stellar_image(x=x + 200, y=y + 100)
        image[star.bbox].array[...] += flux * star.array
    if noise:
        image.array[...] += np.random.default_rng(8).normal(0.0, noise, image.array.shape)
    return Warp(
        image,
        mask=Mask(np.zeros((SIDE, SIDE, 1), np.int32), bbox=box, schema=maker.warp(1).mask.schema),
        variance=Image(variance, bbox=box, unit=u.nJy**2),
        instrument="Cam",
        visit=1,
        band="r",
        detectors=[detector],
    )


def matched(warp: Warp, control: MatchControl | None = None) -> Warp:
    control = control or MatchControl()
    fwhm = target_fwhm(warp.detectors, warp.sky_projection, warp.bbox, control)
    return match_warp(warp, patch_target_psf(fwhm, warp.bbox, control), control)


def flags(warp: Warp, plane: str) -> np.ndarray:
    return warp.mask.array[..., 0] & Layout(warp.mask.schema).bits((plane,)) != 0


def test_stars_have_the_shape_of_the_model_and_their_flux(maker) -> None:
    warp = make_warp(maker)
    result = matched(warp)
    assert result.bbox == warp.bbox
    assert result.psf is result.matched_psf
    model = np.zeros((SIDE, SIDE))
    canvas = Image(model, bbox=warp.bbox)
    for x, y in STARS:
        star = result.psf.compute_stellar_image(x=x + 200, y=y + 100)
        canvas[star.bbox].array[...] += 1e5 * star.array
    peak = model.max()
    good = np.isfinite(result.image.array)
    assert np.abs(result.image.array - model)[good].max() < 0.005 * peak
    assert np.abs(warp.image.array - model).max() > 0.2 * peak
    for x, y in STARS:
        near = (slice(int(y) - 32, int(y) + 33), slice(int(x) - 32, int(x) + 33))
        assert result.image.array[near].sum(dtype=float) == pytest.approx(1e5, rel=1e-4)
    (record,) = result.match_records
    assert record.id == ExposureId("Cam", 1, 3, "r")
    assert 0.0 < record.residual < 0.005
    assert 0.1 < record.noise_gain < 0.6


def test_the_variance_is_that_of_the_noise(maker) -> None:
    result = matched(make_warp(maker, noise=3.0, flux=0.0))
    values = result.image.array / np.sqrt(result.variance.array)
    assert np.nanstd(values) == pytest.approx(1.0, abs=0.03)  # neighbours share noise
    gain = np.sqrt(result.variance.array[np.isfinite(result.image.array)]).max() / 3.0
    assert gain <= result.match_records[0].noise_gain * 1.2


def test_a_bright_neighbour_raises_the_variance_by_the_square_of_the_kernel(maker) -> None:
    warp = make_warp(maker, flux=0.0)
    warp.variance.array[150, 150] = 1e6
    inner = (slice(100, 200), slice(100, 200))
    before = matched(make_warp(maker, flux=0.0)).variance.array[inner]
    extra = (matched(warp).variance.array[inner] - before) / 1e6
    point = make_warp(maker, flux=0.0)
    point.image.array[150, 150] = 1.0
    kernel = matched(point).image.array[inner]
    near = (slice(35, 66), slice(35, 66))
    np.testing.assert_allclose(extra[near], kernel[near] ** 2, atol=0.02 * np.nanmax(kernel**2))
    assert np.nansum(extra[near]) == pytest.approx(np.nansum(kernel[near].astype(float) ** 2), rel=0.02)
    assert np.nanmin(extra[near]) > -1e-3 * np.nanmax(extra[near])


def test_lost_pixels_stay_lost_and_do_not_spread_far(maker) -> None:
    warp = make_warp(maker, flux=0.0)
    warp.image.array[...] = 7.0
    warp.image.array[100:104, 100:104] = np.nan
    warp.variance.array[200, 200] = np.inf
    warp.mask.array[50, 250, 0] |= Layout(warp.mask.schema).bits(("NO_DATA",))
    warp.image.array[50, 250] = 1e9
    result = matched(warp)
    lost = flags(result, "NO_DATA")
    np.testing.assert_array_equal(lost, ~np.isfinite(result.image.array))
    np.testing.assert_array_equal(lost, ~np.isfinite(result.variance.array))
    for y, x in ((101, 101), (200, 200), (50, 250), (0, 0)):
        assert lost[y, x]
    # Constants are kept, next to holes and edges too: remaining weights are scaled up.
    np.testing.assert_allclose(result.image.array[~lost], 7.0, rtol=1e-5)
    near = lost[85:119, 85:119]
    assert 16 < near.sum() < 16 * 6
    assert not lost[115, 115]
    edge = flags(result, "DETECTION_EDGE")
    assert edge[101, 105]
    assert not edge[101, 125]
    assert not edge[150, 150]
    rim = np.flatnonzero(~lost[150])
    assert 1 <= rim[0] <= 6
    assert SIDE - 7 <= rim[-1] <= SIDE - 2
    assert edge[150, rim[0]]


@pytest.mark.parametrize("planes", [None, ("BAD",)])
@pytest.mark.parametrize("value", [1e30, np.nan, -np.inf, 1e5])
def test_what_masked_pixels_hold_does_not_matter(maker, value: float, planes: Any) -> None:
    results = []
    for spoiled in (3.0, value):
        warp = make_warp(maker, noise=1.0)
        warp.bad_mask_planes = planes
        where = np.s_[140:150, 140:144]
        warp.mask.array[(*where, 0)] |= Layout(warp.mask.schema).bits(("BAD",))
        warp.image.array[where] = warp.variance.array[where] = spoiled
        # Made from good pixels: these values are as good as they can be.
        warp.mask.array[50:54, 50, 0] |= Layout(warp.mask.schema).bits(("BAD", "INTERPOLATED"))
        results.append(matched(warp))
    first, second = results
    for name in ("image", "mask", "variance"):
        np.testing.assert_array_equal(getattr(first, name).array, getattr(second, name).array)
    assert flags(first, "NO_DATA")[140:150, 140:144].all()
    assert not flags(first, "NO_DATA")[50:54, 50].any()


def test_without_planes_masked_values_are_used(maker) -> None:
    warp = make_warp(maker, flux=0.0)
    warp.bad_mask_planes = ()
    warp.mask.array[150, 150, 0] |= Layout(warp.mask.schema).bits(("BAD",))
    warp.image.array[150, 150] = 1e5
    assert matched(warp).image.array[150, 152] > 100


def test_planes_spread_as_far_as_weights_matter(maker) -> None:
    warp = make_warp(maker, flux=0.0)
    warp.mask.array[150, 150, 0] |= Layout(warp.mask.schema).bits(("SATURATED",))
    grown = flags(matched(warp), "SATURATED")
    point = make_warp(maker, flux=0.0)
    point.image.array[150, 150] = 1.0
    kernel = np.nan_to_num(matched(point).image.array)
    heavy = kernel > 0.07 * kernel.max()
    assert grown[heavy].all()
    assert not grown[150, 150 + 10]
    assert grown.sum() < 200
    everywhere = flags(matched(warp, MatchControl(mask_threshold=1e-6)), "SATURATED")
    assert everywhere.sum() > grown.sum()


def test_each_detector_is_matched_with_its_own_psf(maker) -> None:
    box = Box.from_shape((SIDE, SIDE), start=(100, 200))
    halves = [Box.factory[100:400, 200:350], Box.factory[100:400, 350:500]]
    whole = make_warp(maker, flux=0.0)
    detectors = []
    for number, (half, sigma) in enumerate(zip(halves, (1.4, 1.9), strict=True)):
        psf = GaussianPointSpreadFunction(sigma, half, 31)
        detectors.append(
            dataclasses.replace(whole.detectors[0], id=ExposureId("Cam", 1, number), bbox=half, psf=psf)
        )
        for x, y in STARS:
            if half.contains(y=int(y) + 100, x=int(x) + 200) and abs(x - 150) > 20:
                star = psf.compute_stellar_image(x=x + 200, y=y + 100)
                whole.image[star.bbox].array[...] += 1e5 * star.array
    whole.detectors = tuple(detectors)
    result = matched(whole)
    assert [record.id.detector for record in result.match_records] == [0, 1]
    assert result.match_records[0].noise_gain < 0.9 * result.match_records[1].noise_gain
    for x, y in STARS[1:]:
        model = result.psf.compute_stellar_image(x=x + 200, y=y + 100)
        found = result.image[model.bbox].array
        assert np.abs(found / 1e5 - model.array).max() < 0.005 * model.array.max()
    assert not flags(result, "NO_DATA")[20:-20, 140:160].any()  # no rim where detectors meet
    assert result.bbox == box


def test_the_target_is_wider_than_the_widest(maker) -> None:
    box = Box.from_shape((SIDE, SIDE), start=(100, 200))
    detectors = [
        dataclasses.replace(maker.detector(visit), bbox=box, psf=GaussianPointSpreadFunction(sigma, box, 31))
        for visit, sigma in ((1, 1.5), (2, 2.5), (3, 2.0))
    ]
    fwhm = target_fwhm(detectors, maker.projection, box)
    assert fwhm == pytest.approx(1.05 * 2.5 * FWHM_PER_SIGMA, rel=0.02)
    assert target_fwhm(reversed(detectors), maker.projection, box) == fwhm
    assert target_fwhm(detectors, maker.projection, box, MatchControl(fwhm=7.7)) == 7.7
    with pytest.raises(PsfMatchError, match="no detector"):
        target_fwhm([], maker.projection, box)


def test_a_narrower_target_is_refused_or_matched_as_well_as_can_be(maker) -> None:
    warp = make_warp(maker)
    target = patch_target_psf(2.5, warp.bbox)
    with pytest.raises(PsfMatchError, match=r"visit 1 detector 3: .*too narrow") as caught:
        match_warp(warp, target)
    assert caught.value.noise_gain > 1.2
    result = match_warp(warp, target, MatchControl(narrower="regularize"))
    assert result.match_records[0].residual == caught.value.residual
    assert np.isfinite(result.image.array).mean() > 0.9


def test_what_cannot_be_matched(maker) -> None:
    warp = make_warp(maker)
    result = matched(warp)
    with pytest.raises(PsfMatchError, match="already"):
        matched(result)


def test_regions_are_those_of_the_outlines(maker) -> None:
    box = maker.bbox
    left = dataclasses.replace(maker.detector(1), bbox=Box.factory[100:140, 200:226])
    right: DetectorInput = dataclasses.replace(
        left, id=ExposureId("Cam", 1, 4), bbox=Box.factory[100:140, 220:250]
    )
    away = dataclasses.replace(left, id=ExposureId("Cam", 1, 9), bbox=Box.factory[500:540, 220:250])
    regions = list(detector_regions([right, left, away], maker.projection, box))
    assert [region.index for region in regions] == [0, 1]
    owner = np.full(box.shape, -1)
    for region in regions:
        y, x = region.box.slice_within(box)
        assert not (owner[y, x][region.owned] >= 0).any()
        owner[y, x][region.owned] = region.index
    # The right one comes later by identity and has the overlap, with one pixel for rounding.
    assert (owner[:, :19] == 1).all()
    assert (owner[:, 20:] == 0).all()


def test_a_matched_warp_comes_back_from_an_archive(maker, tmp_path: Path) -> None:
    result = matched(make_warp(maker))
    write_archive(result, tmp_path / "warp.fits")
    again = Warp.read(str(tmp_path / "warp.fits"))
    assert again.matched_psf == result.matched_psf
    assert again.match_records == result.match_records
    np.testing.assert_array_equal(again.image.array, result.image.array)
    part = Box.factory[120:140, 230:260]
    assert result[part].psf == result.psf
    assert result.copy().match_records == result.match_records
    assert ArchiveWarp(tmp_path / "warp.fits").as_input().model_psf == result.matched_psf
    direct = make_warp(maker)
    write_archive(direct, tmp_path / "direct.fits")
    assert Warp.read(str(tmp_path / "direct.fits")).matched_psf is None


def test_the_coadd_of_matched_warps_has_the_model_psf(maker, tmp_path: Path) -> None:
    first = matched(make_warp(maker), MatchControl(fwhm=5.0))
    other = make_warp(maker)
    other.visit = 2
    second = matched(other, MatchControl(fwhm=5.0))
    coadd = assemble([first, second], AssembleConfig(statistic="MEAN"))
    assert coadd.psf == first.psf
    write_archive(coadd, tmp_path / "coadd.fits")
    assert PatchCoadd.read(str(tmp_path / "coadd.fits")).psf == first.psf
    assert coadd[Box.factory[120:140, 230:260]].psf == first.psf
    wider = match_warp(other, patch_target_psf(6.0, other.bbox))
    for mixture in ([first, other], [first, wider]):
        with pytest.raises(PsfMatchError, match=r"visit 2 .* not matched to the same PSF"):
            assemble(mixture, AssembleConfig(statistic="MEAN"))

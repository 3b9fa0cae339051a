"""What masked pixels hold does not matter; what the warp says of them, and whose pixels win in overlaps."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.images import Box

from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.stack.prepare import input_of, target_around
from lamella.coadd.warp.psfmatch import match_warp, patch_target_psf
from lamella.coadd.warp.warp import make_warp
from lamella.coadd.warp.warp_control import WarpControl
from lamella.data.exposure import Exposure
from lamella.planes import Layout

from ...same import assert_same_planes
from .test_warp import TRACT, bits, detector_projection, flag, make_exposure

PLANES = ("NO_DATA", "BAD", "SATURATED", "COSMIC_RAY")
CONTROL = WarpControl(bad_mask_planes=PLANES)
PATCH = Box.factory[6700:7300, 4700:5300]
SPOILED = (1e5, np.nan, -np.inf, 1e30, -3.0)


def masked_exposure(seed: int, shape: tuple[int, int] = (60, 50), **options: Any) -> Exposure:
    """Noise with defects of all sizes, under several planes."""
    rng = np.random.default_rng(seed)
    exposure = make_exposure(rng.normal(100, 10, shape), extra=("GLINT",), **options)
    for _ in range(rng.integers(1, 9)):
        y, x = rng.integers(-4, shape[0]), rng.integers(-4, shape[1])
        where = slice(max(y, 0), y + rng.integers(5, 15)), slice(max(x, 0), x + rng.integers(5, 15))
        if rng.random() < 0.7:
            where = where[0], slice(where[1].start, where[1].start + rng.integers(1, 4))
        flag(exposure, str(rng.choice([*PLANES, "SUSPECT", "GLINT"])), where)
    return exposure


def spoil(exposure: Exposure, value: float, planes: tuple[str, ...]) -> Exposure:
    """Put a value, and a variance of the same, under planes."""
    pixels = exposure.pixels.copy()
    where = bits(pixels, *planes)
    pixels.image.array[where] = pixels.variance.array[where] = value
    return dataclasses.replace(exposure, pixels=pixels)


@given(
    seed=st.integers(0, 2**32 - 1),
    value=st.sampled_from(SPOILED),
    planes=st.sets(st.sampled_from([*PLANES, "GLINT"]), min_size=1).map(sorted).map(tuple),
    width=st.sampled_from([0, 3, 8]),
    kernel=st.sampled_from(["lanczos3", "bilinear"]),
)
def test_what_masked_pixels_hold_never_matters(seed, value, planes, width, kernel) -> None:
    control = WarpControl(bad_mask_planes=planes, repair_width=width, kernel=kernel)
    exposures = [masked_exposure(seed), masked_exposure(seed + 1, detector=2)]
    first = make_warp(exposures, TRACT, PATCH, control)
    # NO_DATA says that there is no value, whatever the planes.
    spoiled = [spoil(exposure, value, (*planes, "NO_DATA")) for exposure in exposures]
    second = make_warp(spoiled, TRACT, PATCH, control, in_place=True)
    assert first is not None
    assert second is not None
    assert_same_planes(first, second)


def star_field(fwhm: float, seed: int, shape: tuple[int, int] = (121, 121)) -> tuple[np.ndarray, tuple]:
    """One star with the wings of a Moffat profile of beta 3, flux 1, averaged over pixels."""
    rng = np.random.default_rng(seed)
    x, y = 60 + rng.uniform(-0.5, 0.5, 2)
    fine = [(np.arange(5 * size) + 0.5) / 5 - 0.5 for size in shape]
    width2 = (fwhm / 2) ** 2 / (2 ** (1 / 3.0) - 1)
    star = (1 + ((fine[0][:, None] - y) ** 2 + (fine[1] - x) ** 2) / width2) ** -3.0
    star = star.reshape(shape[0], 5, shape[1], 5).mean(axis=(1, 3))
    return star / star.sum(), (x, y)


@pytest.mark.parametrize("fwhm", [2.0, 2.5, 3.5, 5.0])
@pytest.mark.parametrize("width", [1, 3, 6, 9])
def test_stars_beside_bleed_trails_keep_their_flux(fwhm: float, width: int) -> None:
    """Pixels that are not flagged are those of a warp without the trail, to 0.3 % of the star."""
    rng = np.random.default_rng(width)
    for turn in (0.0, 0.03, 0.4, 0.8):
        star, (x, _) = star_field(fwhm, int(1000 * turn) + width)
        clean = make_exposure(1e6 * star, detector_projection(turn=turn))
        left = round(x + rng.uniform(-2, 2) * fwhm - width / 2)
        trail = make_exposure(1e6 * star, detector_projection(turn=turn))
        flag(trail, "SATURATED", (slice(None), slice(left, left + width)))
        trail.pixels.image.array[:, left : left + width] = 1e7
        truth, warp = (make_warp([one], TRACT, PATCH) for one in (clean, trail))
        assert truth is not None
        assert warp is not None
        y, x = warp.bbox.slice_within(truth.bbox).y, warp.bbox.slice_within(truth.bbox).x
        good = ~bits(warp, "NO_DATA", "SATURATED") & ~bits(truth[warp.bbox], "NO_DATA")
        error = (warp.image.array - truth.image.array[y, x])[good]
        assert abs(error.sum()) < 0.003 * truth.image.array[np.isfinite(truth.image.array)].sum()
        assert np.abs(error).max() < 0.01 * np.nanmax(truth.image.array)


def test_flags_say_what_was_lost_and_what_was_repaired() -> None:
    exposure = make_exposure(np.full((60, 50), 100.0))
    flag(exposure, "SATURATED", np.s_[10:30, 10:30])
    flag(exposure, "COSMIC_RAY", np.s_[45, 20:22])
    exposure.pixels.image.array[10:30, 10:30] = 1e7
    warp = make_warp([exposure], TRACT, PATCH, CONTROL)
    assert warp is not None
    wide, narrow = bits(warp, "SATURATED"), bits(warp, "COSMIC_RAY")
    assert wide.sum() > 400
    # Within the kernel of the mask, but of less weight than may be lost.
    assert (np.isfinite(warp.image.array) & wide).sum() < 30
    missing = bits(warp, "NO_DATA")
    assert (missing & wide).sum() > 400
    assert np.isnan(warp.image.array[missing]).all()
    assert np.isposinf(warp.variance.array[missing]).all()
    assert 8 < narrow.sum() < 36
    assert (bits(warp, "INTERPOLATED") == narrow).all()
    assert not bits(warp, "BAD", "NO_DATA")[narrow].any()
    # A flat image: whatever is left of the kernel, its value is right.
    good = np.isfinite(warp.image.array)
    np.testing.assert_allclose(warp.image.array[good], np.median(warp.image.array[good]), rtol=2e-3)


def test_no_planes_leave_values_as_they_are() -> None:
    """As in the original: a value under BAD that cannot be repaired enters its neighbours."""
    exposure = make_exposure(np.zeros((60, 50)))
    flag(exposure, "BAD", np.s_[10:30, 10:30])
    exposure.pixels.image.array[10:30, 10:30] = 1e5
    for planes, largest in (((), 1e3), (PLANES, 0.0)):
        warp = make_warp([exposure], TRACT, PATCH, WarpControl(bad_mask_planes=planes))
        assert warp is not None
        unflagged = np.nanmax(np.abs(warp.image.array[~bits(warp, "BAD", "NO_DATA")]))
        assert unflagged >= largest if largest else unflagged == 0.0


@pytest.mark.parametrize("plane", ["SATURATED", "COSMIC_RAY", "SUSPECT", "STREAK"])
@pytest.mark.parametrize("lost", [True, False])
def test_planes_say_why_there_is_no_value(plane: str, lost: bool) -> None:
    exposures = [make_exposure(np.ones((60, 50)), detector=detector) for detector in (1, 2)]
    for exposure in exposures:
        flag(exposure, plane, np.s_[20:40, 10:30])
        if lost:
            flag(exposure, "NO_DATA", np.s_[20:40, 10:30])
            exposure.pixels.image.array[20:40, 10:30] = np.nan
    for number in (1, 2):
        warp = make_warp(exposures[:number], TRACT, PATCH, CONTROL)
        assert warp is not None
        assert bits(warp, plane).sum() > 300
        expected = lost or plane in PLANES
        assert (bits(warp, "NO_DATA")[bits(warp, plane)] == expected).mean() > 0.8


def test_a_saturated_visit_shows_in_the_coadd() -> None:
    warps = []
    for visit in (1, 2):
        exposure = make_exposure(np.full((60, 50), 5.0), visit=visit)
        where = np.s_[20:40, 10 : 30 if visit == 1 else 22]
        for plane in ("SATURATED", "NO_DATA"):
            flag(exposure, plane, where)
        exposure.pixels.image.array[where] = np.nan
        warp = make_warp([exposure], TRACT, PATCH)
        assert warp is not None
        warps.append(warp)
    coadd = assemble(warps)
    both = bits(warps[0], "SATURATED") & bits(warps[1], "SATURATED")
    one = bits(warps[0], "SATURATED") & ~bits(warps[1], "SATURATED")
    assert both.sum() > 100
    assert one.sum() > 100
    for plane in ("SATURATED", "REJECTED", "INEXACT_PSF"):
        assert bits(coadd, plane)[both | one].all()
    assert (coadd.exposure_count.array[both] == 0).all()
    assert (coadd.exposure_count.array[one] == 1).all()


@pytest.mark.parametrize("first", [1, 2])
def test_good_pixels_of_one_detector_are_not_hidden_by_another(first: int) -> None:
    """Their bad pixels and rims lie in different places; the warp has neither."""
    shape = (80, 70)
    flawed, good = (make_exposure(np.full(shape, 5.0), detector=d) for d in (first, 3 - first))
    flag(flawed, "BAD", np.s_[10:30, 10:30])
    flag(flawed, "DETECTION_EDGE", np.s_[:, :5])
    flag(good, "COSMIC_RAY", np.s_[60:62, 50:52])  # not among the planes that count by default
    warp = make_warp([flawed, good], TRACT, PATCH)
    alone = make_warp([good], TRACT, PATCH)
    assert warp is not None
    assert alone is not None
    assert not bits(warp, "BAD", "DETECTION_EDGE").any()
    assert (np.isfinite(warp.image.array) == np.isfinite(alone.image.array)).all()
    owned = sum(detector.good_pixels for detector in warp.detectors)
    assert owned == np.isfinite(warp.image.array).sum()


def test_without_planes_the_last_detector_has_the_overlap() -> None:
    exposures = [make_exposure(np.full((80, 70), 5.0), detector=d) for d in (1, 2)]
    flag(exposures[1], "BAD", np.s_[10:30, 10:30])
    control = WarpControl(bad_mask_planes=(), yielding_mask_planes=())
    warp = make_warp(exposures, TRACT, PATCH, control)
    assert warp is not None
    assert [detector.id.detector for detector in warp.detectors] == [2]
    assert bits(warp, "BAD").sum() > 300


def test_bits_of_planes_never_collide_with_the_mark_of_repaired_pixels() -> None:
    exposure = make_exposure(np.ones((60, 50)), extra=tuple(f"X{n}" for n in range(7)))
    flag(exposure, "BAD", np.s_[30, 20])
    warp = make_warp([exposure], TRACT, PATCH)
    assert warp is not None
    assert (warp.mask.array >= 0).all()
    assert Layout(warp.mask.schema).bits(["X6"]) == 2**30


METHODS = ("none", "compare_warp", "safe_clip")


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), value=st.sampled_from(SPOILED))
@pytest.mark.parametrize("statistic", ["NOISECLIP", "MEANCLIP", "MEAN", "MEDIAN", *METHODS[1:]])
def test_what_masked_pixels_hold_never_reaches_a_coadd(seed: int, value: float, statistic: str) -> None:
    reject = statistic.lower() in METHODS
    config = AssembleConfig(**({"reject": {"method": statistic}} if reject else {"statistic": statistic}))
    coadds = []
    for spoiled in (0.0, value):
        inputs = []
        for visit in range(4):
            exposure = masked_exposure(seed + visit, (70, 60), visit=visit)
            warp = make_warp([spoil(exposure, spoiled, WarpControl().bad_mask_planes)], TRACT, PATCH)
            assert warp is not None
            one = input_of(warp)
            if statistic == "compare_warp":
                target = patch_target_psf(5.0, PATCH)
                one = dataclasses.replace(one, matched=input_of(match_warp(warp, target)).source)
            inputs.append(one)
        target = target_around([one.source.bbox for one in inputs], TRACT)
        coadds.append(assemble(inputs, config, target=target))
    for name in ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked"):
        np.testing.assert_array_equal(getattr(coadds[0], name).array, getattr(coadds[1], name).array)
    assert coadds[0].removals == coadds[1].removals
    assert coadds[0].noise == coadds[1].noise
    assert [d.weight for d in coadds[0].detectors] == [d.weight for d in coadds[1].detectors]

"""Assembly: what a coadd is where inputs agree, are masked, end, or are missing."""

from __future__ import annotations

import dataclasses

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lsst.images import Box, Mask

from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.brightmask import BrightObject, BrightObjectCatalog
from lamella.coadd.stack.prepare import input_of
from lamella.data.coadd import PatchCoadd, Rejection
from lamella.data.exposure import ExposureId
from lamella.data.flux_unit import FluxUnit
from lamella.data.inputs import CoaddTarget, WarpInput
from lamella.errors import ConfigError, DuplicateInputError, MixedBandsError, MixedUnitsError, NoInputsError
from lamella.image.spans import SpanMask
from lamella.planes import make_schema
from lamella.resources import Resources

from ..makers import varied_warps

MEAN = AssembleConfig(statistic="MEAN", fill_gaps=False)
STATISTICS = ("MEAN", "MEANCLIP", "NOISECLIP", "MEDIAN")
KEEPS_FIXTURES = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10, deadline=None
)


def planes_of(coadd: PatchCoadd) -> tuple[np.ndarray, ...]:
    counts = (coadd.exposure_count.array, coadd.exposure_count_unmasked.array)
    return (coadd.image.array, coadd.variance.array, coadd.mask.array, *counts)


def assert_same_bits(first: PatchCoadd, second: PatchCoadd) -> None:
    for one, other in zip(planes_of(first), planes_of(second), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_mean_is_the_weighted_mean_with_its_variance_and_counts(maker) -> None:
    warps = [maker.warp(visit, variance=variance) for visit, variance in ((1, 4.0), (2, 9.0), (3, 16.0))]
    coadd = assemble(warps, MEAN)
    weights = np.array([1 / 4, 1 / 9, 1 / 16])
    cube = np.array([warp.image.array for warp in warps], dtype=np.float64)
    expected = np.tensordot(weights, cube, axes=1) / weights.sum()
    np.testing.assert_allclose(coadd.image.array, expected, rtol=1e-6)
    np.testing.assert_allclose(coadd.variance.array, 1 / weights.sum(), rtol=1e-6)
    np.testing.assert_array_equal(coadd.exposure_count.array, 3)
    # By hand: these warps do not say what their detectors hold, and their pixels are of 0.04 arcsec2.
    np.testing.assert_allclose(coadd.inputs["weight"], 0.04 * weights, rtol=1e-6)
    assert coadd.unit == u.nJy
    assert not coadd.mask.array.any()


@given(order=st.permutations(range(6)), statistic=st.sampled_from(STATISTICS))
@KEEPS_FIXTURES
def test_the_order_of_inputs_changes_no_bit(maker, order: list[int], statistic: str) -> None:
    config = AssembleConfig(statistic=statistic)
    warps = varied_warps(maker)
    assert_same_bits(assemble([warps[i] for i in order], config), assemble(warps, config))


@given(memory=st.floats(1e-4, 0.5), threads=st.integers(1, 3), statistic=st.sampled_from(STATISTICS))
@KEEPS_FIXTURES
def test_tiles_and_threads_change_no_bit(maker, memory: float, threads: int, statistic: str) -> None:
    config = AssembleConfig(statistic=statistic)
    warps = varied_warps(maker)
    small = assemble(warps, config, resources=Resources(threads=threads, memory=memory))
    assert_same_bits(small, assemble(warps, config))


def test_tiles_change_no_bit_where_pixels_look_at_those_around(maker) -> None:
    """Stars within a pixel, which each visit sees elsewhere: tiles of one row know the rows beside them."""
    warps = [maker.warp(visit) for visit in range(5)]
    for visit, warp in enumerate(warps):
        warp.image.array[3::7, 3::7] += 3e4 * (1.0 + 0.2 * visit)
        warp.image.array[3::7, 4::7] += 2e4 * (visit % 3)
        warp.image.array[4::7, 3::7] += 1e4 * (visit % 2)
    config = AssembleConfig(statistic="NOISECLIP", fill_gaps=False)
    whole = assemble(warps, config)
    rows = assemble(warps, config, resources=Resources(threads=2, memory=1e-4))
    for name in ("image", "variance", "mask"):
        np.testing.assert_array_equal(getattr(rows, name).array, getattr(whole, name).array)
    np.testing.assert_array_equal(rows.exposure_count.array, whole.exposure_count.array)
    alone = assemble(warps, config.replace(gradient_tolerance=0.0))
    assert (alone.exposure_count.array < whole.exposure_count.array).any()


def test_tiles_change_no_bit_whatever_planes_are_propagated(maker) -> None:
    """A warp that misses a part of a tile is as one that misses all of it."""
    warps = varied_warps(maker)
    config = MEAN.replace(mask_propagation_thresholds={"NO_DATA": 0.01, "SAT": 0.1})
    small = assemble(warps, config, resources=Resources(memory=1e-4))
    assert_same_bits(small, assemble(warps, config))


def test_one_warp_at_a_time_changes_no_bit(maker) -> None:
    warps = varied_warps(maker)
    streaming = Resources(streaming=True)
    assert_same_bits(assemble(warps, MEAN, resources=streaming), assemble(warps, MEAN))
    with pytest.raises(ConfigError, match="for the statistic MEAN only; found MEDIAN"):
        assemble(warps, MEAN.replace(statistic="MEDIAN"), resources=streaming)


@given(value=st.floats(width=32), statistic=st.sampled_from(STATISTICS))
@KEEPS_FIXTURES
def test_the_value_of_a_masked_pixel_never_matters(maker, value: float, statistic: str) -> None:
    config = AssembleConfig(statistic=statistic)
    where = (slice(3, 9), slice(4, 30))

    def coadd(bad_value: float) -> PatchCoadd:
        warps = [maker.warp(visit) for visit in range(4)]
        maker.flag(warps[2], "BAD", where)
        warps[2].image.array[where] = bad_value
        warps[2].variance.array[where] = bad_value
        return assemble(warps, config)

    assert_same_bits(coadd(value), coadd(0.0))


@given(power=st.integers(-12, 12), statistic=st.sampled_from(STATISTICS))
@KEEPS_FIXTURES
def test_scaling_the_inputs_scales_image_and_variance(maker, power: int, statistic: str) -> None:
    config = AssembleConfig(statistic=statistic, fill_gaps=False)
    k = 2.0**power
    warps = varied_warps(maker)
    inputs = [dataclasses.replace(input_of(warp), scale=k) for warp in warps]
    scaled = assemble(inputs, config, target=target_of(maker))
    plain = assemble(warps, config)
    np.testing.assert_array_equal(scaled.image.array, plain.image.array * np.float32(k))
    np.testing.assert_array_equal(scaled.variance.array, plain.variance.array * np.float32(k * k))
    np.testing.assert_array_equal(scaled.mask.array, plain.mask.array)


def target_of(maker) -> CoaddTarget:
    return CoaddTarget(outer_bbox=maker.bbox, projection=maker.projection)


def test_planes_say_why_inputs_are_missing(maker) -> None:
    warps = [maker.warp(visit) for visit in range(5)]
    bad, edge, none, sat = (slice(0, 2),), (slice(4, 6),), (slice(8, 10),), (slice(12, 14),)
    columns = slice(None)
    maker.flag(warps[0], "BAD", (*bad, columns))
    maker.flag(warps[0], "EDGE", (*edge, columns))
    maker.flag(warps[0], "NO_DATA", (*none, columns))
    maker.flag(warps[0], "SAT", (*sat, columns))
    mask = assemble(warps, MEAN).mask
    rows = {name: set(np.flatnonzero(mask.get(name).all(axis=1))) for name in mask.schema.names}
    assert rows["REJECTED"] == {0, 1, 12, 13}
    assert rows["SENSOR_EDGE"] == {4, 5}
    assert rows["INEXACT_PSF"] == {0, 1, 4, 5, 12, 13}
    assert rows["SATURATED"] == {12, 13}  # a fifth of the weight, over the threshold of a tenth
    assert rows["NO_DATA"] == set()
    for name in ("BAD", "DETECTION_EDGE"):
        assert not mask.get(name).any()


def test_saturation_is_not_propagated_below_its_threshold(maker) -> None:
    warps = [maker.warp(visit) for visit in range(5)]
    maker.flag(warps[0], "SAT", (slice(12, 14), slice(None)))
    config = MEAN.replace(mask_propagation_thresholds={"SAT": 0.3})
    mask = assemble(warps, config).mask
    assert not mask.get("SATURATED").any()
    assert mask.get("REJECTED")[12:14].all()


def test_pixels_without_any_input(maker) -> None:
    warps = [maker.warp(visit) for visit in range(3)]
    for warp in warps:
        maker.flag(warp, "BAD", (slice(10, 12), slice(20, 22)))
    coadd = assemble(warps, MEAN)
    hole = (slice(10, 12), slice(20, 22))
    assert coadd.mask.get("NO_DATA").sum() == 4
    assert coadd.mask.get("NO_DATA")[hole].all()
    assert np.isnan(coadd.image.array[hole]).all()
    assert np.isposinf(coadd.variance.array[hole]).all()
    assert (coadd.exposure_count.array[hole] == 0).all()
    filled = assemble(warps, MEAN.replace(fill_gaps=True))
    assert np.isfinite(filled.image.array).all()
    assert filled.mask.get("NO_DATA")[hole].all()
    assert filled.mask.get("INTERPOLATED")[hole].all()
    assert (filled.variance.array > 0).all()


def test_counts_tell_used_from_unmasked(maker) -> None:
    warps = [maker.warp(visit) for visit in range(5)]
    warps[0].image.array[7, 7] = np.nan
    warps[1].image.array[9, 9] = 1e6
    maker.flag(warps[2], "BAD", (slice(11, 12), slice(11, 12)))
    coadd = assemble(warps, AssembleConfig(statistic="NOISECLIP", fill_gaps=False))
    used, unmasked = coadd.exposure_count.array, coadd.exposure_count_unmasked.array
    assert (used[7, 7], unmasked[7, 7]) == (4, 5)
    assert (used[9, 9], unmasked[9, 9]) == (4, 5)
    assert (used[11, 11], unmasked[11, 11]) == (4, 4)
    assert coadd.mask.get("CLIPPED")[9, 9]
    assert coadd.mask.get("INEXACT_PSF")[9, 9]


def test_the_end_of_a_warp_is_no_rejection(maker) -> None:
    warps = [maker.warp(1), maker.warp(2)[Box.factory[100:140, 200:225]]]
    coadd = assemble(warps, MEAN)
    assert coadd.bbox == maker.bbox
    assert (coadd.exposure_count.array[:, 25:] == 1).all()
    assert (coadd.exposure_count.array[:, :25] == 2).all()
    assert not coadd.mask.array.any()


def test_planes_can_be_removed_and_added(maker) -> None:
    warps = [maker.warp(visit, extra=("CUSTOM",) if visit else ()) for visit in range(2)]
    for warp in warps:
        maker.flag(warp, "NOT_DEBLENDED", (slice(0, 3), slice(None)))
    maker.flag(warps[1], "CUSTOM", (slice(5, 6), slice(None)))
    artifacts = Mask(0, bbox=Box.factory[110:112, 210:213], schema=make_schema())
    artifacts.set("CLIPPED")
    inputs = [
        input_of(warps[0]),
        dataclasses.replace(input_of(warps[1]), alternate=SpanMask.from_mask(artifacts)),
    ]
    config = MEAN.replace(bad_mask_planes=(*MEAN.bad_mask_planes, "CLIPPED"))
    coadd = assemble(inputs, config, target=target_of(maker))
    assert not coadd.mask.get("NOT_DEBLENDED").any()
    assert coadd.mask.get("CUSTOM")[5].all()
    expected = np.full((40, 50), 2)
    expected[10:12, 10:13] = 1
    np.testing.assert_array_equal(coadd.exposure_count.array, expected)
    np.testing.assert_array_equal(coadd.mask.get("CLIPPED"), expected == 1)
    np.testing.assert_array_equal(coadd.mask.get("INEXACT_PSF"), expected == 1)


def test_bright_objects_are_painted(maker) -> None:
    sky: SkyCoord = maker.projection.pixel_to_sky(x=225.0, y=120.0)
    star = BrightObject(id=1, ra=sky.ra.deg, dec=sky.dec.deg, shape="circle", radius=4.2 * 0.2 / 3600)
    coadd = assemble([maker.warp(1)], MEAN, bright_objects=BrightObjectCatalog(objects=(star,)))
    rows, columns = np.nonzero(coadd.mask.get("BRIGHT_OBJECT"))
    assert (rows.mean(), columns.mean()) == (20, 25)
    assert rows.size == 49  # pixels with dx^2 + dy^2 <= 16


def test_a_warp_without_a_weight_is_reported(maker) -> None:
    bad = maker.warp(2)
    maker.flag(bad, "BAD", (slice(None), slice(None)))
    before = Rejection(ExposureId("Cam", 9, 3, "r"), "visit9.fits", "select", "PSF too wide")
    coadd = assemble([maker.warp(1), bad], MEAN, rejected=[before])
    assert [(r.id.visit, r.stage) for r in coadd.rejections] == [(2, "weight"), (9, "select")]
    assert "no good pixel" in coadd.rejections[0].reason
    assert list(coadd.inputs["visit"]) == [1]


def test_nothing_to_coadd_says_why(maker) -> None:
    with pytest.raises(NoInputsError, match="no warps were given"):
        assemble([])
    bad = maker.warp(2)
    bad.variance.array[:] = np.inf
    with pytest.raises(NoInputsError, match="Cam visit 2 detector 3: no good pixel"):
        assemble([bad])


def test_one_visit_twice_is_an_error(maker) -> None:
    with pytest.raises(DuplicateInputError, match="Cam visit 4: found two warps"):
        assemble([maker.warp(4), maker.warp(1), maker.warp(4)])


def test_bands_are_not_mixed(maker) -> None:
    warps = [maker.warp(4), maker.warp(7), maker.warp(2)]
    for warp, band in zip(warps, "iri", strict=True):
        warp.band = band
    for order in (warps, warps[::-1], [input_of(warp) for warp in warps]):
        with pytest.raises(MixedBandsError) as caught:
            assemble(order)
        assert (caught.value.path, caught.value.found) == ("Cam visit 7", "'r'")
        assert caught.value.expected.startswith("'i', the band of Cam visit 2")
    warps[2].visit, warps[2].band = 4, "r"  # one visit in two bands
    with pytest.raises(MixedBandsError, match="Cam visit 4, band: found 'r'; expected 'i'"):
        assemble([warps[2], warps[0]])


def test_fluxes_of_different_units_are_not_combined(maker) -> None:
    warps = [maker.warp(visit) for visit in (2, 4, 7)]
    unit = FluxUnit("adu", "a.fits")
    warps[2].detectors = tuple(dataclasses.replace(one, flux_unit=unit) for one in warps[2].detectors)
    for order in (warps, warps[::-1]):
        with pytest.raises(MixedUnitsError) as caught:
            assemble(order)
        assert (caught.value.path, caught.value.found) == ("Cam visit 7", str(unit))
        assert caught.value.expected.startswith("nJy, the unit of Cam visit 2")


def test_a_coadd_has_the_unit_of_its_warps_and_says_what_it_means(maker) -> None:
    warp, unit = maker.warp(2), FluxUnit("adu", "a.fits")
    warp.detectors = tuple(dataclasses.replace(one, flux_unit=unit) for one in warp.detectors)
    coadd = assemble([warp], MEAN)
    assert (coadd.flux_unit, coadd.image.unit, coadd.variance.unit) == (unit, u.adu, u.adu**2)
    assert unit.note in coadd.notes
    assert assemble([maker.warp(2)], MEAN).image.unit == u.nJy


def test_records_need_a_target(maker) -> None:
    with pytest.raises(NoInputsError, match="pixel grid of the coadd is unknown"):
        assemble([input_of(maker.warp(1))])


def test_a_failed_tile_fails_the_coadd(maker) -> None:
    class Broken:
        bbox, schema = maker.bbox, make_schema()

        def read(self, box: Box) -> None:
            raise OSError("the disk is gone")

    one = WarpInput(instrument="Cam", visit=1, band="r", source=Broken(), weight=1.0)
    with pytest.raises(OSError, match="the disk is gone"):
        assemble([one], MEAN, target=target_of(maker))

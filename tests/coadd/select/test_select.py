import dataclasses

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box, GeneralFrame, Polygon, SkyProjection

from lamella.coadd.select.select import Selection, select_exposures
from lamella.coadd.select.select_control import SelectControl
from lamella.data.exposure import ExposureId, ExposureInfo
from lamella.data.flux_unit import NJY, FluxUnit
from lamella.data.times import ExposureTimes
from lamella.errors import ConfigError, GeometryError
from lamella.sky.footprint import footprint_polygon
from lamella.sky.layout import tract_wcs
from lamella.sky.registry import make_skymap

FRAME = GeneralFrame(unit=u.pix)
POLE = (0.0, 90.0)


def info(visit=1, detector=1, *, crval=POLE, size=3600, scale=0.5, turn=0.0, code="TAN", **values):
    middle = 0.5 * (size - 1)
    wcs = tract_wcs(code, scale, crval, rotation=turn, crpix=(middle, middle))
    return ExposureInfo(
        id=ExposureId("Cam", visit, detector),
        path=f"{visit}-{detector}.fits",
        band="r",
        bbox=Box.factory[0:size, 0:size],
        projection=SkyProjection.from_fits_wcs(wcs, FRAME),
        **values,
    )


def patch_at(ra, dec, size=3600, scale=0.5):
    options = {"ra": ra, "dec": dec, "width": size, "height": size, "pixel_scale": scale}
    return make_skymap("field", options | {"patches": {"inner": (size, size)}})[0].patch(0)


def test_the_footprint_is_found_once_and_is_that_of_the_valid_pixels():
    whole, part = (info(turn=30.0, polygon=p) for p in (None, Polygon.from_box(Box.factory[0:900, 0:1800])))
    assert whole.footprint is whole.footprint == footprint_polygon(whole)
    assert float(part.footprint.area / whole.footprint.area) == pytest.approx(1 / 8, rel=1e-2)


@pytest.fixture(scope="module")
def patch():
    return patch_at(*POLE)


def kept(infos, patch, **limits) -> list[int]:
    return [i.id.visit for i in select_exposures(infos, patch, SelectControl(**limits)).kept]


def only_rejection(item, patch, **limits):
    selection = select_exposures([item], patch, SelectControl(**limits))
    assert selection.kept == ()
    (rejected,) = selection.rejected
    assert rejected.info is item
    return rejected


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"size": 7200},
        {"size": 1800},
        {"turn": 45.0},
        # Half of the diagonal away, turned: corners touch the middle of the patch.
        {"crval": (45.0, 90.0 - 0.25 * np.sqrt(2)), "turn": 45.0},
        {"crval": (200.0, 89.6)},
    ],
)
def test_exposures_over_a_pole_are_selected(patch, options):
    item = info(**options)
    assert select_exposures([item], patch) == Selection((item,), ())


@pytest.mark.parametrize(
    "options", [{"crval": (0.0, -90.0)}, {"crval": (0.0, 89.0)}, {"crval": (123.0, 0.0)}]
)
def test_exposures_elsewhere_are_not(patch, options):
    rejected = only_rejection(info(**options), patch)
    assert rejected.code == "footprint"
    assert "does not overlap" in rejected.reason


def test_edges_decide_to_the_pixel():
    # Gnomonic boxes about points of one equator: they meet where the half widths add up.
    patch = patch_at(180.0, 0.0, size=1001)
    half = np.degrees(np.arctan(np.radians(0.5 / 3600) * 500.5))
    for gap, found in [(-0.2, 1), (0.2, 0)]:
        ra = 180.0 + 2 * half + gap * 0.5 / 3600
        assert len(select_exposures([info(crval=(ra, 0.0), size=1001)], patch).kept) == found


def test_the_valid_region_counts_not_the_box(patch):
    corner = Polygon(x_vertices=[0.0, 100.0, 0.0], y_vertices=[0.0, 0.0, 100.0])
    # The box of this exposure covers the patch with its upper half only.
    low = info(crval=(0.0, 89.7), polygon=corner)
    whole = info(crval=(0.0, 89.7))
    results = [len(select_exposures([item], patch).kept) for item in (low, whole)]
    assert results == [0, 1]


def test_a_region_may_be_given_instead_of_a_patch(patch):
    assert select_exposures([info()], patch.polygon).kept == select_exposures([info()], patch).kept


def test_exposures_off_their_projection_are_reported(patch):
    rejected = only_rejection(info(code="SIN", scale=3600.0), patch)
    assert rejected.code == "projection"
    assert "not finite" in rejected.reason


def test_record_is_what_a_coadd_keeps(patch):
    record = only_rejection(info(7, 3, crval=(0, 0)), patch).record()
    assert (record.id, record.path, record.stage) == (ExposureId("Cam", 7, 3, "r"), "7-3.fits", "select")
    assert record.reason == "does not overlap the patch"


@pytest.mark.parametrize(
    ("values", "limits", "code", "reason"),
    [
        ({"psf_fwhm": 2.31}, {"max_psf_fwhm": 1.8}, "psf_fwhm", "PSF FWHM 2.31 arcsec > 1.8 arcsec"),
        ({"psf_fwhm": 0.3}, {"min_psf_fwhm": 0.5}, "psf_fwhm", "PSF FWHM 0.3 arcsec < 0.5 arcsec"),
        (
            {"psf_fwhm": np.nan},
            {"max_psf_fwhm": 1.8},
            "psf_fwhm",
            "PSF FWHM unknown, as its measurement failed; expected at most 1.8 arcsec",
        ),
        (
            {"psf_fwhm": np.nan},
            {"min_psf_fwhm": 0.1, "max_psf_fwhm": 1.8},
            "psf_fwhm",
            "unknown, as its measurement failed; expected at least 0.1 arcsec and at most 1.8 arcsec",
        ),
        (
            {"times": ExposureTimes(middle=58000.5)},
            {"max_mjd": 58000.0},
            "time",
            "MJD 58000.5 day > 58000 day",
        ),
        (
            {"times": ExposureTimes(middle=58000.5)},
            {"min_mjd": 58001.0},
            "time",
            "MJD 58000.5 day < 58001 day",
        ),
        ({}, {"exclude_visits": (1,)}, "visit", "visit 1 is excluded"),
        ({}, {"exclude_detectors": (1,)}, "detector", "detector 1 is excluded"),
        ({}, {"max_psf_fwhm": 1.8, "require_known": True}, "psf_fwhm", "PSF FWHM is not known"),
        (
            {"quality": {"psf_ellipticity_residual": 0.008}},
            {"max_ellipticity_residual": 0.007},
            "psf_ellipticity_residual",
            "PSF ellipticity residual 0.008 > 0.007",
        ),
        (
            {"quality": {"psf_size_scatter": 0.2}},
            {"max_size_scatter": 0.1},
            "psf_size_scatter",
            "0.2 pixel > 0.1",
        ),
        (
            {"quality": {"psf_scaled_size_scatter": 0.02}},
            {"max_scaled_size_scatter": 0.019},
            "psf_scaled_size_scatter",
            "0.02 > 0.019",
        ),
        ({"quality": {"stars": 3.0}}, {"min_quality": {"stars": 6}}, "stars", "stars 3 < 6"),
        (
            {"quality": {"psfTraceRadiusDelta": 0.9}},
            {"max_trace_radius_delta": 0.7},
            "psf_trace_radius_delta",
            "PSF trace radius delta 0.9 pixel > 0.7",
        ),
        (
            {"quality": {"psfApFluxDelta": 0.5}},
            {"max_aperture_flux_delta": 0.24},
            "psf_aperture_flux_delta",
            "0.5 > 0.24",
        ),
        (
            {"quality": {"psfApCorrSigmaScaledDelta": np.nan}},
            {"max_aperture_correction_delta": 0.22},
            "psf_aperture_correction_delta",
            "unknown, as its measurement failed; expected at most 0.22",
        ),
        (
            {"quality": {"psfStarDeltaE1Median": 0.006, "psfStarDeltaE2Median": -0.008}},
            {"max_ellipticity_residual": 0.009},
            "psf_ellipticity_residual",
            "0.01 > 0.009",
        ),
        (
            {"quality": {"nPsfStar": 5.0}},
            {"min_psf_stars": {"r": 6, "fallback": 1}},
            "psf_stars",
            "PSF stars 5 < 6",
        ),
        (
            {"quality": {"star_ellipticity": 0.5}},
            {"max_star_ellipticity": {"u": 0.9, "fallback": 0.4}},
            "star_ellipticity",
            "star ellipticity 0.5 > 0.4",
        ),
        (
            {"quality": {"starUnNormalizedEMedian": 3.0}},
            {"max_star_unnormalized_ellipticity": {"fallback": 2.8}},
            "star_unnormalized_ellipticity",
            "3 pixel^2 > 2.8",
        ),
        # Pixels of half an arcsecond.
        ({"psf_fwhm": 2.6}, {"max_psf_fwhm_pixels": 5.0}, "psf_fwhm", "PSF FWHM 5.2"),
        ({"psf_fwhm": 0.9}, {"min_psf_fwhm_pixels": 2.0}, "psf_fwhm", "PSF FWHM 1.8"),
        (
            {"quality": {"effTime": 12.0}},
            {"min_visit_quality": {"effTime": 15.0}},
            "effTime",
            "mean effTime of the visit 12 < 15",
        ),
        ({"quality": {"sky": 3.0}}, {"max_quality": {"sky": 2}}, "sky", "sky 3 > 2"),
    ],
)
def test_limits_are_stated_with_the_value(patch, values, limits, code, reason):
    item = info(**values)
    rejected = only_rejection(item, patch, **limits)
    assert rejected.code == code
    assert reason in rejected.reason
    assert select_exposures([item], patch).kept == (item,)


def test_values_at_their_limits_pass(patch):
    item = info(psf_fwhm=1.8, quality={"psf_ellipticity_residual": 0.007}, times=ExposureTimes(middle=5.0))
    limits = {"min_psf_fwhm": 1.8, "max_psf_fwhm": 1.8, "max_ellipticity_residual": 0.007, "max_mjd": 5.0}
    assert kept([item], patch, **limits) == [1]


def test_unknown_values_pass_by_default(patch):
    assert kept([info()], patch, max_psf_fwhm=1.0, max_ellipticity_residual=0.1, min_mjd=5.0) == [1]


def test_the_footprint_is_tested_first(patch):
    item = info(psf_fwhm=9.0, crval=(0, 0))
    assert only_rejection(item, patch, max_psf_fwhm=1.0).code == "footprint"


@given(order=st.permutations(range(6)))
def test_results_are_sorted_whatever_the_order(order):
    patch = patch_at(*POLE, size=100)
    infos = [info(visit, size=100, psf_fwhm=1.0 + 0.1 * visit) for visit in range(6)]
    control = SelectControl(max_psf_fwhm=1.35, max_visits=3)
    selection = select_exposures([infos[i] for i in order], patch, control)
    assert selection == select_exposures(infos, patch, control)
    assert [i.id.visit for i in selection.kept] == [0, 1, 2]
    assert [(r.info.id.visit, r.code) for r in selection.rejected] == [
        (3, "rank"),
        (4, "psf_fwhm"),
        (5, "psf_fwhm"),
    ]


def test_best_visits_are_kept_with_all_their_detectors(patch):
    widths = {1: 1.2, 2: 0.8, 3: None, 4: 1.0, 5: np.nan}
    infos = [info(v, d, psf_fwhm=w if w is None else w + 0.01 * d) for v, w in widths.items() for d in (1, 2)]
    selection = select_exposures(infos, patch, SelectControl(max_visits=2))
    assert [(i.id.visit, i.id.detector) for i in selection.kept] == [(2, 1), (2, 2), (4, 1), (4, 2)]
    reasons = {r.info.id.visit: r.reason for r in selection.rejected}
    assert reasons[1] == "visit has rank 3 of 5 in seeing; kept are 1 to 2"
    # Unknown seeing is the last choice.
    assert reasons[3] == "visit has rank 4 of 5 in seeing; kept are 1 to 2"
    assert kept(infos, patch, max_visits=10) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"seeing_quantiles": (0.0, 0.33), "min_visits": 6}, range(10)),
        ({"seeing_quantiles": (0.0, 0.1), "min_visits": 6}, range(6)),
        ({"seeing_quantiles": (0.25, 0.75), "min_visits": 1}, range(8, 22)),
        ({"seeing_quantiles": (0.9, 1.0), "min_visits": 6}, range(24, 30)),
        ({"seeing_quantiles": (0.9, 1.0), "min_visits": 60}, range(30)),
        ({"seeing_quantiles": (0.0, 1.0)}, range(30)),
    ],
)
def test_quantiles_of_seeing(limits, expected):
    patch = patch_at(*POLE, size=100)
    # Seeing gets worse with the number of the visit.
    infos = [info(visit, size=100, psf_fwhm=0.5 + 0.01 * visit) for visit in range(30)]
    assert kept(infos, patch, **limits) == list(expected)


@pytest.mark.parametrize(
    "limits",
    [
        {"seeing_quantiles": (0.5, 0.5)},
        {"max_visits": 0},
        {"max_psf_fwhm": 0.0},
        {"min_psf_stars": {"r": 6}},
        {"seeing_statistic": "mode"},
    ],
)
def test_limits_that_cannot_be_are_refused(limits):
    with pytest.raises(ConfigError, match=next(iter(limits))):
        SelectControl(**limits)


def test_one_rule_for_all_numbers_that_are_not_known(patch):
    limits = {
        "max_psf_fwhm_pixels": 4.0,
        "max_size_scatter": 1.0,
        "max_trace_radius_delta": 0.7,
        "min_psf_stars": {"fallback": 6},
        "min_visit_quality": {"effTime": 1.0},
    }
    assert kept([info()], patch, **limits) == [1]
    for name, value in limits.items():
        only_rejection(info(), patch, require_known=True, **{name: value})


@given(order=st.permutations(range(6)))
def test_means_of_visits_do_not_depend_on_the_order(order):
    patch = patch_at(*POLE, size=100)
    times = {(1, 1): 10.0, (1, 2): 20.0, (2, 1): 9.0, (2, 2): np.nan, (3, 1): 16.0, (3, 2): None}
    infos = [info(v, d, size=100, quality={} if t is None else {"effTime": t}) for (v, d), t in times.items()]
    control = SelectControl(min_visit_quality={"effTime": 15.0})
    selection = select_exposures([infos[i] for i in order], patch, control)
    # 15 of 10 and 20; 16 of 16 and an unknown one.  A visit goes with all its exposures.
    assert [i.id.visit for i in selection.kept] == [1, 1, 3, 3]
    assert [r.reason for r in selection.rejected] == ["mean effTime of the visit 9 < 15"] * 2


def test_a_visit_of_nothing_but_nan_has_no_mean(patch):
    rejected = only_rejection(info(quality={"effTime": np.nan}), patch, min_visit_quality={"effTime": 0.0})
    assert (
        rejected.reason == "mean effTime of the visit unknown, as its measurement failed; expected at least 0"
    )


def test_visits_are_ranked_by_median_or_mean(patch):
    widths = {1: (0.8, 0.8, 1.7), 2: (1.0, 1.0, 1.0)}
    infos = [info(v, d, psf_fwhm=w) for v, many in widths.items() for d, w in enumerate(many)]
    assert set(kept(infos, patch, max_visits=1)) == {1}
    assert set(kept(infos, patch, max_visits=1, seeing_statistic="mean")) == {2}


def test_visits_of_equal_seeing_are_ranked_by_their_numbers(patch):
    infos = [info(visit, psf_fwhm=1.0) for visit in (3, 1, 2)]
    assert kept(infos, patch, max_visits=2) == [1, 2]


def test_units_of_limits():
    assert SelectControl.units()["max_psf_fwhm"] == "arcsec"


def test_nothing_in_nothing_out(patch):
    assert select_exposures([], patch) == Selection((), ())


def test_strongly_bent_edges_count():
    # The lower edge of this wide box is a parallel, not the arc between its corners.
    wcs = tract_wcs("CEA", 60.0, (180.0, 0.0), crpix=(1500.0, 0.0))
    wide = ExposureInfo(
        id=ExposureId("Cam", 1, 1),
        path="",
        band="r",
        bbox=Box.factory[2400:2500, 0:3001],
        projection=SkyProjection.from_fits_wcs(wcs, FRAME),
    )
    # Its middle lies farther south than that arc, and the patch around it too.
    lower = wide.projection.pixel_to_sky(x=1500.0, y=2400.0)
    patch = patch_at(float(lower.ra.deg), float(lower.dec.deg), size=100, scale=1.0)
    assert select_exposures([wide], patch).kept == (wide,)
    assert patch.polygon.contains(SkyCoord(lower))


def test_an_exposure_without_a_place_on_the_sky_names_its_file() -> None:
    # Beyond a quarter of the sky a gnomonic projection has no directions of one hemisphere.
    item = dataclasses.replace(info(code="CAR", scale=3600.0, size=400), path="/in/far.fits")
    with pytest.raises(GeometryError, match=r"^/in/far.fits, .* visit 1 detector 1: no region of the sky: "):
        _ = item.footprint


def test_a_coadd_is_of_one_flux_unit(patch):
    counts, others = FluxUnit("adu", "a.fits"), FluxUnit("adu", "b.fits")
    infos = [info(visit, flux_unit=unit) for visit, unit in enumerate([others, counts, counts, NJY], 1)]
    selection = select_exposures(infos, patch)
    assert [i.id.visit for i in selection.kept] == [4]
    assert [(r.info.id.visit, r.code) for r in selection.rejected] == [(n, "flux_unit") for n in (1, 2, 3)]
    assert "b.fits" in selection.rejected[0].reason
    assert "nJy" in selection.rejected[0].reason
    # Without magnitudes, the unit of most exposures; of equally many, the first by name.
    assert kept(infos[:3], patch) == [2, 3]
    assert kept(infos[:2], patch) == kept(infos[1::-1], patch) == [2]

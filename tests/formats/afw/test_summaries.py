import itertools

import astropy.units as u
import numpy as np
import pytest
import shapely

from lamella.coadd.select.select import select_exposures
from lamella.coadd.select.select_control import SelectControl
from lamella.data.exposure import ExposureId
from lamella.errors import InputError, MissingPartError
from lamella.formats.afw.summaries import VisitSummary
from lamella.sky.footprint import footprint_polygon
from lamella.sky.registry import make_skymap

from .test_catalogs import catalog_hdu, rows
from .test_psf_coadd import DETECTOR, add_wcs

VISITS = (1176, 36434)


@pytest.fixture(scope="module")
def summaries(afw_files):
    return {
        visit: VisitSummary.read(afw_files / f"drp_tasks_visitSummary_{visit}.fits.gz") for visit in VISITS
    }


# What a summary says.


@pytest.mark.parametrize("visit", VISITS)
def test_all_detectors_of_a_visit(summaries, visit):
    summary = summaries[visit]
    assert (len(summary), summary.visits) == (103, (visit,))
    assert {entry.detector for entry in summary} == set(range(104)) - {9}
    assert {(entry.visit, entry.band, entry.physical_filter) for entry in summary} == {(visit, "z", "HSC-Z")}
    assert all(entry.bbox.shape == (4176, 2048) and entry.usable for entry in summary)
    assert summary.find(visit, 50).detector == 50
    assert summary.find(visit, 9) is None
    assert summary.find(1, 50) is None


@pytest.mark.parametrize("visit", VISITS)
def test_corners_are_those_of_the_projection(summaries, visit):
    worst = 0.0
    for entry in summaries[visit]:
        box = entry.bbox
        x = np.array([box.x.start, box.x.stop, box.x.stop, box.x.start]) - 0.5
        y = np.array([box.y.start, box.y.start, box.y.stop, box.y.stop]) - 0.5
        sky = entry.projection.pixel_to_sky(x=x, y=y)
        worst = max(worst, float(sky.separation(entry.corners).to_value("mas").max()))
    assert worst < 1e-3


@pytest.mark.parametrize("visit", VISITS)
def test_calibrations_are_those_of_the_columns(summaries, visit):
    for entry in summaries[visit]:
        assert entry.photo_calib.zero_point == pytest.approx(entry.zero_point, abs=1e-5)


@pytest.mark.parametrize(("visit", "low", "high"), [(1176, 1.0, 1.2), (36434, 0.3, 1.5)])
def test_seeing_is_in_arcseconds(summaries, visit, low, high):
    widths = np.array([entry.psf_fwhm for entry in summaries[visit]])
    # HSC has pixels of 0.168 arcsec, smaller by 10 % at the rim of the field.
    nominal = 0.168 * 2.3548 * np.array([entry.psf_sigma for entry in summaries[visit]])
    assert ((widths / nominal > 0.89) & (widths / nominal < 1.01)).all()
    assert low < np.median(widths) < high


def test_an_exposure_is_described_as_selection_needs_it(summaries):
    entry = summaries[1176].find(1176, 42)
    info = entry.info()
    assert info.id == ExposureId("HSC", 1176, 42, "z")
    assert (info.band, info.physical_filter, info.bbox, info.format) == ("z", "HSC-Z", entry.bbox, "afw")
    # From TAI, 35 seconds ahead of UTC in 2014.
    assert entry.visit_info.mjd - info.mjd == pytest.approx(35.0 / 86400.0, abs=1e-9)
    assert info.exposure_time == 270.0
    assert info.path.endswith("drp_tasks_visitSummary_1176.fits.gz")
    assert entry.info(path="calexp.fits").path == "calexp.fits"
    quality = info.quality
    assert quality["psf_stars"] == quality["nPsfStar"] > 10
    residual = np.hypot(quality["psfStarDeltaE1Median"], quality["psfStarDeltaE2Median"])
    assert quality["psf_ellipticity_residual"] == pytest.approx(residual)
    assert {"id", "visit"}.isdisjoint(quality)


# Selection.


def test_a_summary_drives_selection_by_quality(summaries):
    infos = summaries[1176].exposures()
    skymap = rings()
    (_, patches) = skymap.find_tract_patches(footprint_polygon(infos[50]))[0]
    patch = patches[0]
    limit = float(np.median([info.psf_fwhm for info in infos]))
    everything = select_exposures(infos, patch)
    sharp = select_exposures(infos, patch, SelectControl(max_psf_fwhm=limit))
    assert {info.id for info in sharp.kept} == {info.id for info in everything.kept if info.psf_fwhm <= limit}
    stars = float(np.median([info.quality["psf_stars"] for info in infos]))
    many = select_exposures(infos, patch, SelectControl(min_psf_stars={"z": stars, "fallback": 0.0}))
    assert {info.id for info in many.kept} == {
        info.id for info in everything.kept if info.quality["psf_stars"] >= stars
    }
    assert {item.code for item in many.rejected} <= {"footprint", "psf_stars"}


def rings():
    patches = {"builder": "legacy", "inner": (4000, 4000), "border": 100}
    return make_skymap(
        "rings",
        {
            "num_rings": 120,
            "projection": "TAN",
            "tract_overlap": 1.0 / 60.0,
            "pixel_scale": 0.168,
            "patches": patches,
        },
    )


def plane(projection, x, y, centre):
    """Return positions in the plane that touches the sky at a point, in which great circles are straight."""
    sky = projection.pixel_to_sky(x=np.asarray(x, float), y=np.asarray(y, float))
    ra, dec = sky.ra.rad - centre.ra.rad, sky.dec.rad
    dec0 = centre.dec.rad
    depth = np.sin(dec) * np.sin(dec0) + np.cos(dec) * np.cos(dec0) * np.cos(ra)
    xi = np.cos(dec) * np.sin(ra) / depth
    eta = (np.sin(dec) * np.cos(dec0) - np.cos(dec) * np.sin(dec0) * np.cos(ra)) / depth
    return np.stack([xi, eta], axis=-1)


def outline(box, per_side):
    """Return points around a box of pixels."""
    t = np.linspace(0.0, 1.0, per_side, endpoint=False)
    x0, x1, y0, y1 = box.x.start - 0.5, box.x.stop - 0.5, box.y.start - 0.5, box.y.stop - 0.5
    x = np.concatenate([x0 + (x1 - x0) * t, x1 + 0 * t, x1 + (x0 - x1) * t, x0 + 0 * t])
    y = np.concatenate([y0 + 0 * t, y0 + (y1 - y0) * t, y1 + 0 * t, y1 + (y0 - y1) * t])
    return x, y


@pytest.mark.parametrize("visit", VISITS)
def test_which_detectors_overlap_which_patch_is_what_brute_force_finds(summaries, visit):
    infos = summaries[visit].exposures()
    assert len(infos) == 103
    skymap = rings()
    first = summaries[visit][0].record
    row = first.archive.record(first.row.integer("visitInfo")).row()
    boresight = (row.number(f"boresightradec_{axis}") * u.rad for axis in ("ra", "dec"))
    centre = type(skymap.centers)(*boresight)
    tracts = np.flatnonzero(skymap.centers.separation(centre) < 2.4 * u.deg)
    patches = [patch for tract in tracts.tolist() for patch in skymap[tract]]
    assert len(patches) > 200

    # Regions in one plane, every valid region and every outer box against each other.
    regions = []
    for info in infos:
        valid = info.polygon.to_shapely().intersection(
            shapely.box(
                *(edge - 0.5 for edge in (info.bbox.x.start, info.bbox.y.start)),
                *(edge - 0.5 for edge in (info.bbox.x.stop, info.bbox.y.stop)),
            )
        )
        corners = shapely.get_coordinates(shapely.segmentize(valid, 100.0))
        points = plane(info.projection, corners[:, 0], corners[:, 1], centre)
        regions.append(shapely.MultiPoint(points).convex_hull)
    boxes = [
        shapely.Polygon(plane(patch.projection, *outline(patch.outer_bbox, 1), centre)) for patch in patches
    ]
    overlap = shapely.intersects(np.array(regions)[:, None], np.array(boxes)[None, :])
    expected = {
        (info.id.detector, patch.tract, patch.sequential)
        for (info, patch), touches in zip(itertools.product(infos, patches), overlap.ravel(), strict=True)
        if touches
    }

    patches_of = {
        (info.id.detector, tract.id, patch.sequential)
        for info in infos
        for tract, members in skymap.find_tract_patches(footprint_polygon(info))
        for patch in members
    }
    assert patches_of == expected
    assert {detector for detector, _, _ in patches_of} == {info.id.detector for info in infos}
    assert len({(tract, patch) for _, tract, patch in patches_of}) > 60
    for patch in patches[:: len(patches) // 3]:
        kept = select_exposures(infos, patch).kept
        wanted = {d for d, tract, number in expected if (tract, number) == (patch.tract, patch.sequential)}
        assert {info.id.detector for info in kept} == wanted


# Parts that are missing.


def summary_of(writer, **changes):
    wcs = add_wcs(writer, DETECTOR)
    calib = writer.add(
        "PhotoCalib",
        {
            "flags": {"isConstant": [True]},
            "calibrationMean": np.array([2.0]),
            "calibrationErr": np.array([0.1]),
            "field": np.array([0], dtype=np.int32),
            "version": np.array([1], dtype=np.int32),
        },
    )
    links = {"wcs": wcs, "photoCalib": calib}
    table = rows(2, **{name: np.full(2, id, dtype=np.int32) for name, id in links.items()})
    table |= {"visit": np.array([8, 8], dtype=np.int64), "band": np.array(["r", "r"])}
    writer.units = [
        catalog_hdu({name: value for name, value in (table | changes).items() if value is not None})
    ]
    return VisitSummary.read(writer.write())


def test_a_summary_may_say_little(writer):
    first, second = summary_of(writer)
    assert first.usable
    assert (first.psf_fwhm, first.psf_sigma, first.zero_point, first.corners) == (None, None, None, None)
    assert (first.polygon, first.mjd, first.physical_filter) == (None, None, "")
    info = second.info(instrument="DECam")
    assert info.id == ExposureId("DECam", 8, 1, info.band)
    assert (info.exposure_time, info.mjd, dict(info.quality)) == (None, None, {})
    assert first.identity().instrument == "unknown"


@pytest.mark.parametrize(("column", "value"), [("wcs", 0), ("photoCalib", 0), ("bbox_max_x", -1)])
def test_detectors_that_failed_are_left_out(writer, column, value):
    normal = {"wcs": 1, "photoCalib": 2, "bbox_max_x": 19}
    summary = summary_of(writer, **{column: np.array([value, normal[column]], dtype=np.int32)})
    assert [entry.usable for entry in summary] == [False, True]
    assert [info.id.detector for info in summary.exposures()] == [1]
    if column != "photoCalib":
        with pytest.raises(MissingPartError, match="visit 8, detector 0: found no p"):
            summary[0].info()


def test_a_width_that_is_nan_is_known_to_be_nan(writer):
    first, second = summary_of(writer, psfSigma=np.array([np.nan, 2.0], dtype=np.float32))
    assert np.isnan(first.psf_fwhm)
    # Pixels of 5e-5 degrees.
    assert second.psf_fwhm == pytest.approx(2.0 * 2.3548 * 0.18, rel=1e-4)


def test_tables_that_are_no_visit_summaries_are_refused(writer, afw_files):
    with pytest.raises(MissingPartError, match="visit"):
        VisitSummary.read(afw_files / "afw_version-1-ExposureCatalog.fits")
    with pytest.raises(InputError, match="detectors that come twice"):
        summary_of(writer, id=np.array([3, 3], dtype=np.int64))

from __future__ import annotations

import pickle
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sep
from astropy.coordinates import SkyCoord
from astropy.table import Table
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.data.exposure import Exposure
from lamella.data.photometry import njy_per_count
from lamella.errors import InputError, LamellaError, MissingPartError, ProjectionError, ShapeError, UnitError
from lamella.formats.read_control import ReadControl
from lamella.formats.recognise import Inputs, open_exposures
from lamella.planes import Layout

from ..conftest import SHAPE, DecamWriter

NJY_PER_NANOMAGGY = 3630.7805477


def plane(exposure: Exposure, name: str) -> np.ndarray:
    mask = exposure.pixels.mask
    return (mask.array[..., 0] & Layout(mask.schema).bits([name])) != 0


def test_an_exposure_is_read_with_all_that_its_headers_say(decam: DecamWriter) -> None:
    (source,) = open_exposures([decam.write()])
    info = source.info
    assert (info.id.instrument, info.id.visit, info.id.detector) == ("DECam", 100, 34)
    assert (info.band, info.physical_filter) == ("r", "r DECam SDSS c0002 6415.0 1480.0")
    assert info.bbox.shape == SHAPE
    assert info.psf_fwhm == pytest.approx(4.0 * 0.262, rel=1e-6)
    assert info.mjd == pytest.approx(57000.0 + 50.0 / 86400)
    assert info.exposure_time == 100.0
    assert info.format == "decam"
    centre = info.projection.pixel_to_sky(x=39.5, y=29.5)
    assert (centre.ra.deg, centre.dec.deg) == pytest.approx((180.34, 20.0))


def test_pixels_lose_their_sky_and_keep_their_noise(decam: DecamWriter) -> None:
    exposure = open_exposures([decam.write()]).sources[0].read()
    image = exposure.pixels.image.array
    assert abs(np.median(image)) < 0.5
    assert np.std(image) == pytest.approx(5.0, rel=0.05)
    np.testing.assert_allclose(exposure.pixels.variance.array, 25.0, rtol=1e-6)
    assert exposure.to_njy == pytest.approx(njy_per_count(30.0))
    assert isinstance(exposure.psf, GaussianPointSpreadFunction)
    assert exposure.psf.sigma == pytest.approx(4.0 / 2.3548200)
    text = " ".join(exposure.notes)
    assert "MAGZERO" in text
    assert "meshes of 80 x 60 pixels" in text
    assert "Gaussian of 4.000 pixels FWHM" in text


def test_the_sky_stays_when_it_is_wanted(decam: DecamWriter) -> None:
    control = ReadControl(subtract_background="never")
    exposure = open_exposures([decam.write()], control=control).sources[0].read()
    assert np.median(exposure.pixels.image.array) == pytest.approx(500.0, abs=1.0)
    assert "Sky left in." in exposure.notes


def test_flags_and_weights_reach_the_mask(decam: DecamWriter) -> None:
    def spoil(arrays: dict[str, np.ndarray]) -> None:
        arrays["d"][20, 20], arrays["i"][20, 20], arrays["w"][20, 20] = 5, 9e4, 0.0
        arrays["d"][20, 25], arrays["w"][20, 25] = 3, 0.0
        arrays["d"][20, 30] = 7
        arrays["w"][20, 35] = 0.0
        # A value that the flags reject, although its weight is positive.
        arrays["d"][20, 40], arrays["i"][20, 40] = 8, 9e4

    exposure = open_exposures([decam.write(change=spoil)]).sources[0].read()
    columns = {
        name: np.argwhere(plane(exposure, name))[:, 1].tolist() for name in ("COSMIC_RAY", "SATURATED", "BAD")
    }
    assert columns == {"COSMIC_RAY": [20], "SATURATED": [25], "BAD": [20, 35, 40]}
    assert np.argwhere(plane(exposure, "TRANSIENT")).tolist() == [[20, 30]]
    assert np.argwhere(plane(exposure, "NO_DATA"))[:, 1].tolist() == [20, 25, 35, 40]
    assert np.nanmax(exposure.pixels.image.array) < 50


@pytest.mark.parametrize("width", [0, 3])
def test_the_rim_has_the_width_of_the_options(decam: DecamWriter, width: int) -> None:
    exposure = open_exposures([decam.write()], control=ReadControl(edge_width=width)).sources[0].read()
    inner = (SHAPE[0] - 2 * width) * (SHAPE[1] - 2 * width)
    assert plane(exposure, "DETECTION_EDGE").sum() == SHAPE[0] * SHAPE[1] - inner


def test_a_file_of_many_ccds_gives_one_exposure_for_each(decam: DecamWriter) -> None:
    path = decam.write("c4d_1_ooi_r_v1.fits.fz", ccds={"S31": 28, "N3": 34}, compress=True)
    inputs = open_exposures([path])
    assert [source.info.id.detector for source in inputs] == [28, 34]
    ra = [source.info.projection.pixel_to_sky(x=39.5, y=29.5).ra.deg for source in inputs]
    assert ra == pytest.approx([180.28, 180.34])
    first, second = (source.read().pixels.image.array for source in inputs)
    assert not np.array_equal(first, second)


def test_companions_are_found_where_the_survey_puts_them(decam: DecamWriter, tmp_path: Path) -> None:
    decam.folder = tmp_path / "images"
    decam.folder.mkdir()
    path = decam.write()
    row = {"expnum": 100, "ccdname": "N3", "ccdzpt": 26.0, "exptime": 100.0, "fwhm": 5.0}
    Table([row | {"ccdraoff": 0.36, "ccddecoff": -0.72}]).write(tmp_path / "survey-ccds-1.fits.gz")
    (source,) = open_exposures([path])
    assert source.info.psf_fwhm == pytest.approx(5.0 * 0.262, rel=1e-6)
    exposure = source.read()
    assert exposure.to_njy == pytest.approx(njy_per_count(31.0))
    moved = source.info.projection.pixel_to_sky(x=39.5, y=29.5)
    east, north = SkyCoord(180.34, 20.0, unit="deg").spherical_offsets_to(moved)
    assert (east.arcsec, north.arcsec) == pytest.approx((0.36, -0.72), abs=1e-5)
    assert "moved by 360 mas east and -720 mas north" in " ".join(exposure.notes)


def test_sources_can_be_sent_to_another_process(decam: DecamWriter) -> None:
    (source,) = open_exposures([decam.write()])
    here = source.read()
    there = pickle.loads(pickle.dumps(source))
    assert there.info.id == source.info.id
    np.testing.assert_array_equal(there.read().pixels.image.array, here.pixels.image.array)


def test_threads_read_what_one_reads_alone(decam: DecamWriter) -> None:
    paths = []
    for number in range(6):
        decam.sky = 100.0 * number
        paths.append(decam.write(f"c4d_{number}_ooi_r_v1.fits", visit=number))
    alone = [source.read().pixels.image.array for source in open_exposures(paths)]
    filters = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda source: source.read().pixels.image.array, open_exposures(paths)))
    for ours, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(ours, other)
    assert warnings.filters == filters


def negative(arrays: dict[str, np.ndarray]) -> None:
    arrays["w"][:] *= -1.0


def weightless(arrays: dict[str, np.ndarray]) -> None:
    arrays["w"][:] = 0.0


def unknown_code(arrays: dict[str, np.ndarray]) -> None:
    arrays["d"][5, 5] = 12


def smaller_weight(arrays: dict[str, np.ndarray]) -> None:
    arrays["w"] = arrays["w"][1:]


def smaller_quality(arrays: dict[str, np.ndarray]) -> None:
    arrays["d"] = arrays["d"][:, 1:]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"change": negative}, InputError, "_oow_.*found a weight below zero in 4800 pixels, above in 0"),
        ({"change": weightless}, InputError, "_oow_.*no pixel with a positive weight"),
        ({"change": unknown_code}, InputError, r"_ood_.*unknown value\(s\) 12"),
        ({"change": smaller_weight}, ShapeError, r"_oow_.*weight has shape \(59, 80\); expected \(60, 80\)"),
        ({"change": smaller_quality}, ShapeError, r"_ood_.*quality has shape \(60, 79\)"),
        ({"leave_out": "w"}, MissingPartError, r"no file .*_oow_.* with its weights"),
        ({"leave_out": "d"}, MissingPartError, r"no file .*_ood_.* with its data quality"),
        ({"primary": {"MAGZERO": "NaN"}}, MissingPartError, "MAGZERO: found no zero point"),
        ({"primary": {"EXPTIME": "unknown"}}, InputError, "EXPTIME: found 'unknown'"),
        ({"primary": {"FILTER": ""}}, MissingPartError, "FILTER"),
        ({"header": {"FWHM": -1.0}}, InputError, "neither a PSFEx file nor a width"),
        ({"header": {"BUNIT": "MJy/sr"}}, UnitError, "BUNIT: found 'MJy/sr'; expected counts"),
        ({"header": {"CTYPE1": "PIXEL", "CTYPE2": "PIXEL"}}, ProjectionError, "CTYPE"),
        ({"header": {"CRVAL1": "NaN"}}, ProjectionError, "CRVAL1"),
    ],
)
def test_what_is_wrong_is_said_once_and_clearly(
    decam: DecamWriter, options: dict[str, Any], error: type[LamellaError], message: str
) -> None:
    with pytest.raises(error, match=message):
        open_exposures([decam.write(**options)]).sources[0].read()


def test_a_missing_ccd_in_the_weights_is_named(decam: DecamWriter) -> None:
    path = decam.write(ccds={"N3": 34, "N4": 35})
    shutil.move(
        decam.write("c4d_9_ooi_r_v1.fits").with_name("c4d_9_oow_r_v1.fits"),
        str(path).replace("_ooi_", "_oow_"),
    )
    fine, broken = open_exposures([path])
    assert fine.read().info.id.detector == 34
    with pytest.raises(MissingPartError, match=r"_oow_.*, HDU N4: found only HDUs 0 PRIMARY, 1 N3"):
        broken.read()


# Real exposures.


@pytest.fixture(scope="module")
def real(shared: Path) -> Inputs:
    return open_exposures([shared / "data" / "decam"])


@pytest.fixture(scope="module")
def exposures(real: Inputs) -> list[Exposure]:
    return [source.read() for source in real]


def test_the_folder_of_the_survey_is_nine_exposures(real: Inputs) -> None:
    assert not real.problems
    assert sorted(source.info.band for source in real) == list("ggrrrzzzz")
    assert [source.info.id.visit for source in real] == [
        431608, 630780, 634850, 640615, 650104, 716705, 720558, 725257, 730182,
    ]  # fmt: skip


def test_the_sky_is_gone_and_the_variance_is_that_of_the_pixels(exposures: list[Exposure]) -> None:
    for exposure in exposures:
        image, variance = exposure.pixels.image.array, exposure.pixels.variance.array
        good = np.isfinite(variance)
        sigma = np.sqrt(np.median(variance[good]))
        scatter = 1.4826 * np.median(np.abs(image[good] - np.median(image[good])))
        # Faint sources widen the distribution by a few per cent.
        assert 0.99 < scatter / sigma < 1.06
        assert abs(np.median(image[good])) < 0.12 * sigma


def test_cosmic_rays_cannot_be_used(exposures: list[Exposure]) -> None:
    counts = {exposure.info.id.visit: int(plane(exposure, "COSMIC_RAY").sum()) for exposure in exposures}
    assert {visit: n for visit, n in counts.items() if n} == {630780: 177, 640615: 136, 650104: 71}
    for exposure in exposures:
        hit = plane(exposure, "COSMIC_RAY")
        assert np.isnan(exposure.pixels.image.array[hit]).all()
        assert plane(exposure, "BAD")[hit].all()


def test_a_star_has_one_flux_in_all_exposures_of_a_band(exposures: list[Exposure]) -> None:
    star = SkyCoord(186.73508, 25.46480, unit="deg")
    fluxes: dict[str, list[float]] = {}
    for exposure in exposures:
        at = exposure.info.projection.sky_to_pixel(star)
        image = np.ascontiguousarray(exposure.pixels.image.array)
        bad = ~np.isfinite(image)
        x, y, _ = sep.winpos(image, [float(at.x)], [float(at.y)], 2.0, mask=bad)
        flux, _, _ = sep.sum_circle(image, x, y, 8.0, mask=bad)
        fluxes.setdefault(exposure.info.band, []).append(
            float(flux[0]) * float(exposure.to_njy) / NJY_PER_NANOMAGGY
        )
    # Measured independently, on a common grid; an aperture of 8 pixels loses what the seeing spreads.
    assert sorted(fluxes["r"]) == pytest.approx([45.5, 48.2, 50.0], rel=0.02)
    assert sorted(fluxes["z"]) == pytest.approx([204, 205, 208, 215], rel=0.02)


def test_the_survey_s_companions_are_used(exposures: list[Exposure]) -> None:
    for exposure in exposures:
        text = " ".join(exposure.notes)
        assert "survey-ccds-1.fits.gz" in text
        assert "-splinesky.fits" in text
        assert "-psfex.fits" in text
        assert exposure.psf.compute_kernel_image(x=100.0, y=90.0).array.sum() == pytest.approx(1.0)


def test_positions_agree_better_with_the_survey_s_corrections(
    exposures: list[Exposure], real: Inputs
) -> None:
    def stars(exposure: Exposure) -> tuple[np.ndarray, np.ndarray]:
        image = np.ascontiguousarray(exposure.pixels.image.array)
        bad = ~np.isfinite(image)
        sigma = float(np.sqrt(np.median(exposure.pixels.variance.array[~bad])))
        sources = sep.extract(image, 10 * sigma, mask=bad, minarea=8)
        x, y, _ = sep.winpos(image, sources["x"], sources["y"], 2.0, mask=bad)
        return x, y

    def spread(skies: list[SkyCoord]) -> float:
        steps = []
        for n, first in enumerate(skies):
            for second in skies[:n]:
                index, apart, _ = first.match_to_catalog_sky(second)
                near = apart.arcsec < 0.8
                east, north = first[near].spherical_offsets_to(second[index[near]])
                steps += [np.median(east.mas), np.median(north.mas)]
        return float(np.sqrt(np.mean(np.square(steps))))

    positions = [stars(exposure) for exposure in exposures]
    corrected = [
        e.info.projection.pixel_to_sky(x=x, y=y) for e, (x, y) in zip(exposures, positions, strict=True)
    ]
    plain = []
    for (x, y), exposure, source in zip(positions, exposures, real, strict=True):
        record = source.recipe.record  # type: ignore[attr-defined]
        sky = exposure.info.projection.pixel_to_sky(x=x, y=y)
        east, north = (offset / 3600 for offset in record.offset)
        plain.append(SkyCoord(sky.ra.deg - east / np.cos(sky.dec.rad), sky.dec.deg - north, unit="deg"))
    assert spread(corrected) < 30 < spread(plain)


def test_the_row_of_the_ccd_is_the_psf(decam: DecamWriter) -> None:
    path = decam.write(ccds={"S31": 28, "N3": 34})
    y, x = np.mgrid[-12:13, -12:13]
    rows = []
    for ccd, sigma in (("S31", 1.5), ("N3", 2.5)):
        stamp = np.exp(-0.5 * (x**2 + y**2) / sigma**2)[np.newaxis] / (2 * np.pi * sigma**2)
        row = {
            "psf_mask": stamp.astype(np.float32),
            "expnum": 100,
            "ccdname": ccd,
            "polnaxis": 0,
            "psf_samp": 1.0,
        }
        rows.append(
            row | {"polname1": "fake", "polname2": "fake", "psfaxis1": 25, "psfaxis2": 25, "psfaxis3": 1}
        )
    Table(rows).write(path.with_name("c4d_150101_000000_ooi_r_v1-psfex.fits"))
    exposures = [source.read() for source in open_exposures([path])]
    peaks = [exposure.psf.compute_kernel_image(x=30.0, y=30.0).array.max() for exposure in exposures]
    assert peaks == pytest.approx([1 / (2 * np.pi * sigma**2) for sigma in (1.5, 2.5)], rel=0.02)

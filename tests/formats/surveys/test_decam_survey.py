from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lamella.errors import InputError, MissingPartError
from lamella.formats.surveys.decam_survey import find_ccd, read_spline_sky

GRID_X, GRID_Y = np.arange(-1, 100, 20), np.arange(-1, 80, 16)


def sky_at(x: Any, y: Any) -> Any:
    # A cubic, which a bicubic spline with "not a knot" ends reproduces.
    return 100.0 + 0.5 * x - 0.1 * y + 1e-3 * x * y + 1e-5 * x**3 - 2e-4 * y**2


def write_sky(path: Path, rows: list[dict[str, Any]]) -> Path:
    Table(rows).write(path)
    return path


def sky_row(x0: int = 0, y0: int = 0, level: float = 0.0, **more: Any) -> dict[str, Any]:
    values = sky_at(GRID_X[None, :], GRID_Y[:, None]) + level
    return {"xgrid": GRID_X, "ygrid": GRID_Y, "gridvals": values, "x0": x0, "y0": y0, "order": 3} | more


def test_the_spline_is_evaluated_on_the_cut_out_part_of_the_ccd(tmp_path: Path) -> None:
    path = write_sky(tmp_path / "sky.fits", [sky_row(x0=30, y0=12)])
    sky = read_spline_sky(path, (40, 50), "N3")
    y, x = np.mgrid[12:52, 30:80]
    np.testing.assert_allclose(sky, sky_at(x, y), rtol=2e-6)
    assert sky.dtype == np.float32


def test_the_row_of_the_ccd_is_taken_from_a_merged_file(tmp_path: Path) -> None:
    rows = [sky_row(ccdname="S1", level=1000.0), sky_row(ccdname="N3")]
    path = write_sky(tmp_path / "sky.fits", rows)
    assert read_spline_sky(path, (40, 50), "N3")[0, 0] == pytest.approx(100.0, rel=1e-6)
    assert read_spline_sky(path, (40, 50), "S1")[0, 0] == pytest.approx(1100.0, rel=1e-6)
    with pytest.raises(MissingPartError, match="no row for N31"):
        read_spline_sky(path, (40, 50), "N31")


def test_a_sky_that_does_not_reach_over_the_image_is_refused(tmp_path: Path) -> None:
    path = write_sky(tmp_path / "sky.fits", [sky_row(x0=80)])
    with pytest.raises(InputError, match="xgrid: found a grid from -1 to 99; expected 80 to 129"):
        read_spline_sky(path, (40, 50), "N3")


def test_a_sky_without_a_column_or_with_nan_is_refused(tmp_path: Path) -> None:
    row = sky_row()
    row["gridvals"] = np.full_like(row["gridvals"], np.nan)
    with pytest.raises(InputError, match="gridvals"):
        read_spline_sky(write_sky(tmp_path / "nan.fits", [row]), (40, 50), "N3")
    del row["order"]
    with pytest.raises(MissingPartError, match="order"):
        read_spline_sky(write_sky(tmp_path / "short.fits", [row]), (40, 50), "N3")


def ccds(path: Path, **changes: Any) -> Path:
    row = {"expnum": 7, "ccdname": "N3 ", "ccdzpt": 25.0, "exptime": 100.0, "fwhm": 4.5}
    row |= {"ccdraoff": 0.02, "ccddecoff": -0.01} | changes
    Table([{name: value for name, value in row.items() if value is not None}]).write(path)
    return path


def test_a_ccd_is_found_by_exposure_and_name(tmp_path: Path) -> None:
    path = ccds(tmp_path / "survey-ccds.fits")
    record = find_ccd(path, 7, "N3")
    assert record is not None
    assert record.zero_point == pytest.approx(30.0)
    assert record.fwhm == pytest.approx(4.5)
    assert record.offset == pytest.approx((0.02, -0.01))
    assert find_ccd(path, 8, "N3") is None
    assert find_ccd(path, 7, "N4") is None


def test_a_table_of_ccds_may_lack_what_is_not_needed(tmp_path: Path) -> None:
    record = find_ccd(ccds(tmp_path / "a.fits", fwhm=None, ccdraoff=np.nan, ccddecoff=None), 7, "N3")
    assert record is not None
    assert record.fwhm is None
    assert record.offset == (0.0, 0.0)


def test_a_table_of_ccds_without_zero_points_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match="ccdzpt"):
        find_ccd(ccds(tmp_path / "a.fits", ccdzpt=None), 7, "N3")
    with pytest.raises(InputError, match="exposure 7 CCD N3, ccdzpt: found nan"):
        find_ccd(ccds(tmp_path / "b.fits", ccdzpt=np.nan), 7, "N3")


def test_the_sky_models_of_the_survey_fit_their_images(shared: Path) -> None:
    folder = shared / "data" / "decam"
    for image in sorted((folder / "images").glob("*_ooi_*.fits")):
        base, ccd = image.name.split(".")[:2]
        pixels = fits.getdata(image, 1)
        weight = fits.getdata(image.with_name(image.name.replace("_ooi_", "_oow_")), 1)
        sky = read_spline_sky(folder / "splinesky" / f"{base}-{ccd}-splinesky.fits", pixels.shape, ccd)
        # Sources raise the median of what is left a little.
        left = np.median((pixels - sky)[weight > 0])
        assert 0.0 < left < 0.12 * np.median(weight[weight > 0]) ** -0.5

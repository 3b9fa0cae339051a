"""When exposures were taken: what follows from what is known, and what stays unknown."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
from astropy.io import fits
from astropy.table import Table

from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.summary import CoaddSummary, summarize
from lamella.data.coadd import PatchCoadd
from lamella.data.detector import DetectorInput
from lamella.data.exposure import ExposureId
from lamella.data.times import UNKNOWN_TIMES, ExposureTimes, TotalTimes, mjd_from_text, to_utc
from lamella.data.warp import Warp
from lamella.formats.afw.write import write_afw
from lamella.formats.archive.products import read_product
from lamella.formats.archive.write import write_archive, write_plain_fits
from lamella.formats.time_cards import times_from_headers

DAY = 86400.0
UTC_2024 = 37.0  # seconds that TAI was ahead of it


def times(begin: float, seconds: float) -> ExposureTimes:
    return ExposureTimes.of(begin=begin, exposure_time=seconds)


@pytest.mark.parametrize(
    "known",
    [
        {"begin": 60310.125, "exposure_time": 30.0},
        {"middle": 60310.125 + 15 / DAY, "exposure_time": 30.0},
        {"end": 60310.125 + 30 / DAY, "exposure_time": 30.0},
        {"begin": 60310.125, "end": 60310.125 + 30 / DAY, "exposure_time": 30.0},
    ],
)
def test_the_others_follow(known: dict[str, float]) -> None:
    found = ExposureTimes.of(**known)
    for name, expected in (("begin", 0.0), ("middle", 15.0), ("end", 30.0)):
        assert (getattr(found, name) - 60310.125) * DAY == pytest.approx(expected, abs=2e-6)
    assert found.exposure_time == 30.0
    assert found.date == "2024-01-01T03:00:00.000"


def test_what_is_not_known_stays_unknown() -> None:
    assert ExposureTimes.of() == UNKNOWN_TIMES
    for nothing in (0.0, -1.0, math.nan, math.inf):
        assert ExposureTimes.of(begin=nothing, middle=nothing, exposure_time=nothing) == UNKNOWN_TIMES
    assert ExposureTimes.of(middle=60000.0) == ExposureTimes(middle=60000.0)
    assert ExposureTimes.of(begin=60000.0) == ExposureTimes(begin=60000.0)
    assert ExposureTimes.of(exposure_time=9.0) == ExposureTimes(exposure_time=9.0)
    assert UNKNOWN_TIMES.date == ""


def test_time_scales() -> None:
    assert (60310.0 - to_utc(60310.0, "TAI")) * DAY == pytest.approx(UTC_2024, abs=1e-5)  # type: ignore[operator]
    assert (60310.0 - to_utc(60310.0, "tt")) * DAY == pytest.approx(UTC_2024 + 32.184, abs=1e-5)  # type: ignore[operator]
    assert to_utc(60310.0, " UTC ") == to_utc(60310.0, "UT") == 60310.0
    assert to_utc(60310.0, "GPS") is to_utc(60310.0, "LOCAL") is None
    assert mjd_from_text("2024-01-01T03:00:00") == mjd_from_text("2024-01-01 03:00:00Z") == 60310.125
    assert mjd_from_text("2024-01-01") is mjd_from_text("01/01/98") is mjd_from_text("Thursday") is None
    assert mjd_from_text("2024-01-01T03:00:00", "local") is None


@pytest.mark.parametrize(
    ("cards", "begin", "seconds"),
    [
        ({"DATE-OBS": "2024-01-01T03:00:00", "EXPTIME": 30.0}, 60310.125, 30.0),
        ({"MJD-OBS": 60310.125, "XPOSURE": 30}, 60310.125, 30.0),
        ({"DATE-OBS": "2024-01-01", "TIME-OBS": "03:00:00", "EXPOSURE": 30.0}, 60310.125, 30.0),
        ({"MJD-AVG": 60310.125 + 15 / DAY, "EXPTIME": 30.0}, 60310.125, 30.0),
        (
            {"DATE-BEG": "2024-01-01T03:00:00", "DATE-OBS": "1999-01-01T00:00:00", "EXPTIME": 30.0},
            60310.125,
            30.0,
        ),
        ({"DATE-END": "2024-01-01T03:00:30", "EXPTIME": 30.0}, 60310.125, 30.0),
        ({"MJD-OBS": 60310.125 + UTC_2024 / DAY, "TIMESYS": "TAI", "EXPTIME": 30.0}, 60310.125, 30.0),
        ({"MJD-OBS": 0.0, "DATE-OBS": "2024-01-01T03:00:00", "EXPTIME": 0.0}, 60310.125, None),
        ({"DATE-OBS": "2024-01-01", "EXPTIME": "long"}, None, None),
        ({"MJD-OBS": 60310.125, "TIMESYS": "GPS", "EXPTIME": 30.0}, None, 30.0),
    ],
)
def test_headers(cards: dict[str, object], begin: float | None, seconds: float | None) -> None:
    for headers in ([fits.Header(cards)], [fits.Header(), fits.Header(cards)]):
        found = times_from_headers(headers)
        assert found.begin == (None if begin is None else pytest.approx(begin, abs=1e-9))
        assert found.exposure_time == seconds


def record(
    visit: int, detector: int, when: ExposureTimes, weight: float = 1.0, instrument: str = "Cam"
) -> DetectorInput:
    values: dict[str, object] = dict.fromkeys(("bbox", "projection", "psf"))
    id = ExposureId(instrument, visit, detector)
    return DetectorInput(id=id, band="r", times=when, weight=weight, **values)  # type: ignore[arg-type]


def test_totals_count_visits_not_detectors() -> None:
    first, second = times(60310.0, 30.0), times(60312.0, 60.0)
    found = TotalTimes.of([[record(1, n, first) for n in range(5)], [record(2, 0, second)]])
    assert (found.exposure_time, found.dated, found.timed) == (90.0, 2, 2)
    assert (found.begin, found.end) == (first.begin, second.end)
    assert found.elapsed == pytest.approx(2 * DAY + 60.0, abs=1e-4)
    assert found.middle == pytest.approx(60311.0 + 22.5 / DAY, abs=1e-9)
    heavy = TotalTimes.of([[record(1, 0, first, 3.0)], [record(2, 0, second, 1.0)]])
    assert heavy.middle == pytest.approx(60310.5 + (0.75 * 15 + 0.25 * 30) / DAY, abs=1e-9)


def test_a_sum_that_lacks_a_visit_is_none() -> None:
    found = TotalTimes.of([[record(1, 0, times(60310.0, 30.0))], [record(2, 0, UNKNOWN_TIMES)]])
    assert (found.exposure_time, found.dated, found.timed) == (None, 1, 1)
    assert found.begin == 60310.0
    assert TotalTimes.of([]) == TotalTimes.of([[record(1, 0, UNKNOWN_TIMES)]]) == TotalTimes()


@pytest.fixture
def coadd(maker) -> PatchCoadd:
    """Three nights of 30, 60 and 90 s, one detector each."""
    warps = [maker.warp(visit, noise=False) for visit in (1, 2, 3)]
    for night, warp in enumerate(warps):
        when = times(60310.125 + night, 30.0 * (night + 1))
        warp.detectors = tuple(dataclasses.replace(one, times=when) for one in warp.detectors)
    return assemble(warps, AssembleConfig(statistic="MEAN"))


def test_headers_and_tables_of_a_coadd(coadd: PatchCoadd, tmp_path: Path) -> None:
    write_plain_fits(coadd, tmp_path / "a.fits")
    header = fits.getheader(tmp_path / "a.fits", 0)
    assert (header["TIMESYS"], header["DATE-OBS"]) == ("UTC", "2024-01-01T03:00:00.000")
    assert (header["DATE-BEG"], header["DATE-END"]) == (header["DATE-OBS"], "2024-01-03T03:01:30.000")
    assert header["MJD-OBS"] == header["MJD-BEG"] == 60310.125
    assert header["MJD-END"] == pytest.approx(60312.125 + 90 / DAY, abs=1e-9)
    assert header["MJD-AVG"] == pytest.approx(60311.125 + 30 / DAY, abs=1e-9)
    assert (header["EXPTIME"], header["XPOSURE"], header["NDATED"]) == (180.0, 180.0, 3)
    assert header["TELAPSE"] == pytest.approx(2 * DAY + 90.0, abs=1e-4)
    table = Table.read(tmp_path / "a.fits", hdu="INPUTS")
    assert list(table["exposure_time"]) == [30.0, 60.0, 90.0]
    assert list(table["mjd_begin"]) == [60310.125, 60311.125, 60312.125]
    assert [str(date) for date in table["date_obs"]][1] == "2024-01-02T03:00:00.000"
    assert [(table[name].unit or "").to_string() for name in ("mjd", "exposure_time")] == ["d", "s"]


def test_without_times_there_are_no_cards(maker, tmp_path: Path) -> None:
    coadd = assemble([maker.warp(1), maker.warp(2)], AssembleConfig(statistic="MEAN"))
    write_plain_fits(coadd, tmp_path / "a.fits")
    header = fits.getheader(tmp_path / "a.fits", 0)
    names = ("TIMESYS", "DATE-OBS", "MJD-OBS", "MJD-AVG", "EXPTIME", "TELAPSE", "XPOSURE")
    assert [name for name in names if name in header] == []
    assert header["NDATED"] == 0
    table = Table.read(tmp_path / "a.fits", hdu="INPUTS")
    for name in ("mjd_begin", "mjd", "mjd_end", "exposure_time"):
        assert all(math.isnan(value) for value in table[name].filled(math.nan))


def test_archives_keep_the_times(coadd: PatchCoadd, maker, tmp_path: Path) -> None:
    write_archive(coadd, tmp_path / "a.fits")
    assert [one.times for one in PatchCoadd.read(str(tmp_path / "a.fits")).detectors] == [
        one.times for one in coadd.detectors
    ]
    warp = maker.warp(4)
    warp.detectors = tuple(dataclasses.replace(one, times=times(60310.0, 20.0)) for one in warp.detectors)
    write_archive(warp, tmp_path / "warp.fits")
    assert Warp.read(str(tmp_path / "warp.fits")).detectors[0].times == times(60310.0, 20.0)


def test_files_for_the_stack_keep_them_in_tai(coadd: PatchCoadd, tmp_path: Path) -> None:
    write_afw(coadd, tmp_path / "a.fits")
    for found, expected in zip(read_product(tmp_path / "a.fits").detectors, coadd.detectors, strict=True):
        for name in ("begin", "middle", "end"):
            difference = getattr(found.times, name) - getattr(expected.times, name)
            assert abs(difference) * DAY < 1e-5
        assert found.times.exposure_time == expected.times.exposure_time


def test_the_summary_goes_through_json(coadd: PatchCoadd) -> None:
    summary = summarize(coadd)
    assert summary.times == coadd.times
    again = CoaddSummary.from_dict(json.loads(json.dumps(summary.to_dict())))
    assert again.times == summary.times
    assert summary.times.exposure_time == 180.0

"""The benchmark's exposures are what they say, and programs that resample them are judged alike."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from benchmarks import coadd, peers
from benchmarks.cost_model import DETECTORS_PER_WARP, FITTED, TEST, exposures_of, fit, release, work_of
from benchmarks.exposures import Exposures, dump, exposure_header, load, make_exposures, projection_of
from benchmarks.stars import measure_stars, summarise
from benchmarks.warping import _inside, _measure, covered, table, warpers


def make(folder: Path, distortion: str = "TPV", **options):
    of = Exposures(folder, 2, (300, 200), 320, distortion, (10.0, 10.0), **options)
    make_exposures(of)
    return of


def test_sip_and_tpv_are_the_same_distortion(tmp_path: Path) -> None:
    of = Exposures(tmp_path, 1, (4096, 2048), 4200)
    tan, sip, tpv = (projection_of(exposure_header(3, of, kind)) for kind in ("TAN", "SIP", "TPV"))
    x, y = (values.ravel() for values in np.mgrid[0:2048:5j, 0:4096:5j])
    places = [one.pixel_to_sky(x=x, y=y) for one in (tan, sip, tpv)]
    assert places[1].separation(places[2]).arcsec.max() < 1e-7
    moved = places[0].separation(places[1]).arcsec.max() / 0.2
    assert 0.3 < moved < 5.0


def test_descriptions_survive_json(tmp_path: Path) -> None:
    import json

    of = Exposures(tmp_path, 3, (30, 20), 40, "SIP", (1.0, 2.0), 5.0, 2)
    assert load(json.loads(dump(of))) == of


def test_stars_are_measured_without_error_where_nothing_was_resampled(tmp_path: Path) -> None:
    of = make(tmp_path, "SIP")
    header = fits.Header(list(exposure_header(1, of, "SIP").items()))
    for brightness in (False, True):
        found = summarise(measure_stars(fits.getdata(of.name(1)), header, 1, of, brightness=brightness))
        assert found["stars"] > 5
        assert abs(found["flux_median"]) < 1e-4
        assert found["centroid_rms_px"] < 1e-3
    shifted = np.roll(fits.getdata(of.name(1)), 1, axis=1)
    found = summarise(measure_stars(shifted, header, 1, of, brightness=False))
    assert found["centroid_rms_px"] == pytest.approx(1.0, abs=0.1)


def test_lamella_and_swarp_keep_stars_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = make(tmp_path / "exposures", "SIP")
    monkeypatch.setattr(peers, "has_packages", lambda python, names: False)
    programs = {one.name: one for one in warpers([1], sys.executable)}
    ours = _measure("SIP", of, programs["lamella warp"], 1, lambda line: None)
    assert ours["status"] == "ok"
    assert ours["centroid_rms_px"] < 0.02
    assert abs(ours["flux_median"]) < 1e-3
    rows = [ours, _inside("SIP", of)]
    assert set(rows[1]["steps"]) == {"read", "warp", "write"}
    swarp = _measure("SIP", of, programs["SWarp LANCZOS3"], 1, lambda line: None)
    if shutil.which("SWarp"):
        assert swarp["centroid_rms_px"] < 0.02
    rows += [swarp, _measure("SIP", of, programs["drizzle"], 1, lambda line: None)]
    assert rows[-1]["status"] == "not installed"
    text = table(rows)
    assert "| drizzle | not installed |" in text
    assert len({line.count("|") for line in text.splitlines()}) == 1


def test_covered_pixels_are_those_inside_of_the_patch(tmp_path: Path) -> None:
    inside = Exposures(tmp_path, 1, (300, 200), 2000, "TAN", (0.0, 0.0))
    assert covered(inside) == pytest.approx(300 * 200, rel=0.003)
    larger = Exposures(tmp_path, 2, (3000, 3000), 500, "TAN", (0.0, 0.0))
    assert covered(larger) == 2 * 500 * 500


def test_coadds_of_both_programs_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coadd, "COMBINATIONS", {"MEAN": "WEIGHTED"})
    ours, swarp = coadd.run(tmp_path, 256, [3], [1], 1, lambda line: None)
    assert ours["status"] == "ok"
    if swarp["status"] != "not installed":
        assert swarp["difference"] < 0.05
    assert len({line.count("|") for line in coadd.table([ours, swarp]).splitlines()}) == 1


def test_the_model_finds_the_costs_that_made_the_times() -> None:
    true = [2.0, 0.05, 1e-7, 2e-7, 4e-7]
    works = [work_of(exposures_of(case, Path("nowhere"), 0.2)) for case in FITTED]
    found = fit(works, [work.seconds(true) for work in works])
    assert found == pytest.approx(true, rel=1e-3)
    test = work_of(exposures_of(TEST, Path("nowhere"), 0.2))
    assert test.seconds(found) == pytest.approx(test.seconds(true), rel=1e-3)
    assert min(fit(works, [1.0 for _ in works])) >= 0.0


def test_the_release_is_the_sum_of_its_parts() -> None:
    found = release([100.0, 1.0, 0.0, 0.0, 0.0], 2.0)
    # The start is paid once per process, and is not part of a release.
    assert found["mean_coadds_s"] == pytest.approx(found["warps"] * DETECTORS_PER_WARP)
    assert found["rejecting_s"] == 2.0 * found["mean_coadds_s"]
    assert found["warps"] == pytest.approx(1.08e8, rel=0.01)
    assert found["published_s"] == pytest.approx(1.049e10, rel=1e-3)

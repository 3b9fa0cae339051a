"""``lamella demo``: a survey, its coadds, and a rerun."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamella.cli import demo
from lamella.testing.survey import open_survey

from .conftest import TINY, lamella_ok, listing


def test_the_demo_leaves_survey_truth_and_coadds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SurveyConfig", lambda seed: TINY.replace(seed=seed, bands=("i", "r")))
    text = lamella_ok("demo", "-o", tmp_path / "demo", "--seed", 7, "--workers", 1)
    survey = open_survey(tmp_path / "demo" / "survey")
    assert survey.config.seed == 7
    assert str(survey.table) in text
    coadds = tmp_path / "demo" / "coadds"
    assert (coadds / "coadd-r-0-0,0.png").exists()
    assert f"Report: {coadds / 'index.html'}" in text
    for pattern in ("coadd-*.fits", "*.png"):
        assert f"{coadds / pattern} ({len(list(coadds.glob(pattern)))} files)" in text
    assert "2 bands (r, i)" in (coadds / "index.html").read_text()
    before = listing(tmp_path)
    lamella_ok("demo", "-o", tmp_path / "demo", "--seed", 7, "--workers", 1)
    after = listing(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {"demo/coadds/index.html"}

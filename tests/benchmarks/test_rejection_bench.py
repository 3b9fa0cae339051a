"""The measurement of rejections writes what it measured."""

from __future__ import annotations

import json

import pytest

from benchmarks.rejection import main, misses
from benchmarks.simulated.scores import Score


def test_it_writes_tables_and_values(tmp_path, capsys) -> None:
    words = [
        "--visits",
        "3",
        "--artifacts",
        "1",
        "--side",
        # In a smaller field it takes long to find free places for all galaxies.
        "200",
        "--methods",
        "MEAN",
        "NOISECLIP",
        "CompareWarp",
    ]
    assert main([*words, "--output", str(tmp_path)]) == 0
    values = json.loads((tmp_path / "rejection.json").read_text())
    found = values["visits"]["3"]
    assert list(found) == ["MEAN", "NOISECLIP", "CompareWarp"]
    assert min(found["MEAN"]["artifacts"].values()) >= 1
    assert found["MEAN"]["complete SATELLITE"] == 0.0
    assert found["NOISECLIP"]["complete COSMIC_RAY"] > 0.5
    assert found["CompareWarp"]["complete SATELLITE"] > 0.5
    text = (tmp_path / "rejection.md").read_text()
    assert "| 3 | CompareWarp |" in text
    assert text.strip() in capsys.readouterr().out


def test_aims_that_are_missed_are_named() -> None:
    good, poor = Score(), Score()
    for score, hits in ((good, 999), (poor, 900)):
        for kind in ("SATELLITE", "COSMIC_RAY", "ASTEROID"):
            score.count(f"complete {kind}", hits, 1000)
        score.count("clean", 1000 - hits, 100_000)
    poor.stars["18-19"] = [-0.01, -0.02]
    assert misses({5: {"CompareWarp": good}}) == []
    assert misses({3: {"CompareWarp": poor}}) == []
    found = misses({10: {"CompareWarp": poor}})
    assert len(found) == 4
    assert found[0] == "CompareWarp, 10 visits: SATELLITE 90.0 % < 99 %"
    assert found[-1] == "CompareWarp, 10 visits: stars 18-19 -1.50 %"
    assert pytest.approx(0.1) == poor.ratio("clean") * 100

"""What was measured when a folder was opened is not measured again when the exposures are read."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lamella.formats import measure, row_flags, row_noise, row_sky
from lamella.formats.measured_source import MeasuredSource
from lamella.formats.recognise import open_exposures
from lamella.formats.source import FileSource

from ..same import assert_same_planes
from .test_measure import SHAPE, Bare

_MEASURING = (
    (row_noise, "find_blank_sky"),
    (row_flags, "find_defects"),
    (row_sky, "fit_background"),
    (row_sky, "_stands_out"),
)


def folder_of(tmp_path: Path, gain: float | None, weight: str | None) -> Path:
    folder = tmp_path / "night"
    folder.mkdir()
    for letter in "ab":
        path = Bare(f"{letter}.fits", cards={} if gain is None else {"GAIN": gain}).write(folder)
        if weight:
            map_ = np.ones(SHAPE, np.float32)
            map_[:, 40] = 0.0
            fits.writeto(path.with_suffix(weight), map_)
    return folder


@pytest.fixture
def no_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("measured again")

    for module, name in _MEASURING:
        monkeypatch.setattr(module, name, refuse)


@pytest.mark.parametrize("weight", [None, ".weight.fits"])
@pytest.mark.parametrize("gain", [None, 2.0])
def test_pixels_have_the_bits_of_a_measurement_of_their_own(
    tmp_path: Path, gain: float | None, weight: str | None, request: pytest.FixtureRequest
) -> None:
    sources = open_exposures([folder_of(tmp_path, gain, weight)]).sources
    assert all(isinstance(source, MeasuredSource) for source in sources)
    anew = [FileSource(source.recipe).read() for source in sources]  # type: ignore[attr-defined]
    request.getfixturevalue("no_measuring")
    for source, expected in zip(sources, anew, strict=True):
        exposure = pickle.loads(pickle.dumps(source)).read()
        assert_same_planes(exposure.pixels, expected.pixels)
        assert exposure.notes == expected.notes


def test_what_is_kept_takes_little_memory_also_after_reading(tmp_path: Path) -> None:
    for source in open_exposures([folder_of(tmp_path, 2.0, None)]).sources:
        assert isinstance(source, MeasuredSource)
        source.read()
        assert len(pickle.dumps(source)) < 0.2 * SHAPE[0] * SHAPE[1]


def test_beyond_the_room_exposures_are_measured_when_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path, None, None)
    kept = open_exposures([folder]).sources
    monkeypatch.setattr(measure, "_MOST_KEPT", kept[0].measurements.nbytes)  # type: ignore[attr-defined]
    first, second = open_exposures([folder]).sources
    assert isinstance(first, MeasuredSource)
    assert not isinstance(second, MeasuredSource)
    assert_same_planes(second.read().pixels, kept[1].read().pixels)

"""Exposure tables that are written of exposures: they give the same exposures again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lamella.errors import ConfigError, NoInputsError
from lamella.formats.recognise import open_exposures
from lamella.formats.write_table import write_exposure_table
from lamella.testing.survey import Survey, simulate_survey

from ..surveys import TINY


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return simulate_survey(tmp_path_factory.mktemp("survey"), TINY.replace(visits_per_band=1))


@pytest.mark.parametrize("name", ["exposures.csv", "exposures.ecsv"])
def test_a_table_gives_the_same_exposures_from_another_folder(
    survey: Survey, tmp_path: Path, name: str
) -> None:
    sources = open_exposures([survey.table]).sources
    table = tmp_path / "deeper" / name
    table.parent.mkdir()
    assert write_exposure_table(sources, table) == ()
    again = open_exposures([table]).sources
    assert [source.info.id for source in again] == [source.info.id for source in sources]
    ours, theirs = again[0].read(), sources[0].read()
    assert ours.to_njy == theirs.to_njy
    for plane in ("image", "variance", "mask"):
        assert np.array_equal(
            getattr(ours.pixels, plane).array, getattr(theirs.pixels, plane).array, equal_nan=plane != "mask"
        )


def test_cells_with_commas_and_quotes_survive(survey: Survey, tmp_path: Path) -> None:
    (source, *_) = open_exposures([survey.table]).sources
    source.recipe.values["notes"] = 'noise: header "A", B\n'  # type: ignore[attr-defined]
    write_exposure_table([source], tmp_path / "a.csv")
    (again,) = open_exposures([tmp_path / "a.csv"]).sources
    assert again.recipe.values["notes"] == 'noise: header "A", B'  # type: ignore[attr-defined]


def test_a_table_of_another_name_is_refused(survey: Survey, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.csv or \.ecsv"):
        write_exposure_table(open_exposures([survey.table]).sources, tmp_path / "a.txt")
    assert not list(tmp_path.iterdir())


def test_exposures_with_a_reader_of_their_own_have_no_row(tmp_path: Path) -> None:
    other = SimpleNamespace(info=SimpleNamespace(format="mycam"))
    with pytest.raises(NoInputsError, match="mycam"):
        write_exposure_table([other], tmp_path / "a.csv")  # type: ignore[list-item]
    assert not list(tmp_path.iterdir())

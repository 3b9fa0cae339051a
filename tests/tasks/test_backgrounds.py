"""Backgrounds of exposures in a repository, and warps of the manual's task that have them back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.daf.butler import Butler

from lamella.errors import DuplicateInputError, InputError, NoInputsError
from lamella.tasks.backgrounds import ingest_backgrounds
from lamella.tasks.cmdline.butler import CommandButler
from lamella.tasks.cmdline.locations import find_location
from lamella.tasks.ingest import ingest_exposures
from lamella.tasks.manual.makeCoaddTempExp import MakeCoaddTempExpTask

from ..cli.conftest import lamella_ok
from ..formats.afw.test_background import write
from .small import INSTRUMENT, SmallSurvey, new_repository

LEVELS = np.array([[3.0, 4.0], [5.0, 6.0]])
ID = {"instrument": INSTRUMENT, "visit": 100, "detector": 1}


@pytest.fixture
def butler(tmp_path: Path, survey: SmallSurvey) -> Iterator[Butler]:
    with new_repository(tmp_path / "repo") as opened:
        ingest_exposures(opened, survey.sources)
        yield opened


def background(path: Path, survey: SmallSurvey, **cards: Any) -> Path:
    box = survey.sources[0].info.bbox
    size = {
        "BKGD_X0": box.x.start,
        "BKGD_Y0": box.y.start,
        "BKGD_WIDTH": box.x.size,
        "BKGD_HEIGHT": box.y.size,
    }
    return Path(write(path, LEVELS, **(size | cards)))


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize(
    "name", ["calexpBackground-0000100-001.fits", "calexpBackground_Sim_r_HSC-I_100_1_runs_20250101T0Z.fits"]
)
def test_a_background_belongs_to_the_exposure_of_its_name(
    name: str, copy: bool, butler: Butler, survey: SmallSurvey, tmp_path: Path
) -> None:
    path = background(tmp_path / name, survey)
    for _ in range(2):  # the second time it is there
        (ref,) = ingest_backgrounds(butler, [path], copy=copy)
        assert dict(ref.dataId.required) == ID
    if copy:
        path.unlink()
    stored = butler.get("calexpBackground", ID, collections=f"{INSTRUMENT}/defaults")
    box = survey.sources[0].info.bbox
    assert stored.bbox == box
    middle = stored.image(box).array[box.y.size // 2, box.x.size // 2]
    assert middle == pytest.approx(LEVELS.mean(), abs=0.2)


def test_the_sky_is_put_back(butler: Butler, survey: SmallSurvey, tmp_path: Path) -> None:
    folder = tmp_path / "backgrounds"
    folder.mkdir()
    background(folder / "bkgd-100-1.fits", survey)
    told = lamella_ok("butler", "backgrounds", tmp_path / "repo", folder)
    assert told == "The repository has 1 background of this call.\n"
    command = CommandButler(find_location(str(tmp_path / "repo"), rerun="x"))
    (ref,) = command.subset("calexp", visit=100, ccd=1)
    task = MakeCoaddTempExpTask()
    with_sky, without = (task.getCalExp(ref, subtracted).pixels.image.array for subtracted in (False, True))
    added = (with_sky - without)[np.isfinite(without)]
    assert 1.0 < added.min() < 3.0 < 6.0 < added.max() < 8.0
    assert np.median(added) == pytest.approx(LEVELS.mean(), abs=0.2)


def test_what_belongs_to_no_exposure_is_refused_before_anything_is_written(
    butler: Butler, survey: SmallSurvey, tmp_path: Path
) -> None:
    good = background(tmp_path / "bkgd-100-1.fits", survey)
    other = shutil.copy(good, tmp_path / "bkgd-7-1.fits")
    small = background(tmp_path / "bkgd-100-0.fits", survey, BKGD_WIDTH=30)
    several = shutil.copy(good, tmp_path / "bkgd-100-1-100-0.fits")
    for wrong, message in ((other, "no such exposure"), (small, "size"), (several, "2 such exposures")):
        with pytest.raises(InputError, match=message):
            ingest_backgrounds(butler, [good, wrong])
    with pytest.raises(NoInputsError):
        ingest_backgrounds(butler, [])
    assert not butler.registry.queryDatasetTypes("calexpBackground")


def test_another_background_of_the_same_exposure_needs_another_run(
    butler: Butler, survey: SmallSurvey, tmp_path: Path
) -> None:
    ingest_backgrounds(butler, [background(tmp_path / "bkgd-100-1.fits", survey)])
    (tmp_path / "other").mkdir()
    other = background(tmp_path / "other" / "bkgd-100-1.fits", survey, INTERPSTYLE=1)
    with pytest.raises(DuplicateInputError, match=f"which the run {INSTRUMENT}/calexpBackground has from"):
        ingest_backgrounds(butler, [other])
    (ref,) = ingest_backgrounds(butler, [other], run="mine")
    assert ref.run == "mine"
    assert "mine" not in butler.collections.get_info(f"{INSTRUMENT}/defaults").children

"""Tests of the descriptions that are shipped."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

import lamella.formats.described
from lamella.formats.described.description import read_description
from lamella.formats.recognise import open_exposures
from lamella.testing.config import SurveyConfig
from lamella.testing.layouts.layouts import write_layout
from lamella.testing.survey import Survey

FOLDER = Path(lamella.formats.described.__file__).parent / "surveys"
PATHS = sorted(FOLDER.glob("*.toml"))
NO_FACT = ({"measured": True},)
"""A section of only this says that nothing is known."""


def test_the_surveys_that_people_use_are_described() -> None:
    shipped = {path.stem for path in PATHS}
    space = {"hst-acs", "hst-wfc3", "jwst", "wise", "irac", "euclid-vis"}
    ground = {"ztf", "ps1-warp", "ps1-stack", "sdss-frame", "des", "vista", "wfcam", "skymapper", "blackgem"}
    assert shipped >= space | ground | {"lco", "cfht-megacam", "noirlab-cp", "ccddata", "dragons"}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_each_fact_of_a_description_has_its_source(path: Path) -> None:
    description = read_description(path)
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    stating = {"match", "noise", "mask", "flux", "psf", "refuse", "tables", "wcs"}
    facts = {name for name in stating & content.keys() if content[name] not in NO_FACT}
    assert facts <= description.sources.keys()
    assert all(len(source) > 10 for source in description.sources.values())


@pytest.mark.parametrize(
    ("name", "end", "other", "better"),
    [
        ("hst-acs", "_flc.fits", "_flt.fits", False),
        ("irac", "_cbcd.fits", "_bcd.fits", False),
        ("jwst", "_cal.fits", "_o001_crf.fits", True),
    ],
)
def test_an_exposure_in_two_stages_counts_once(
    name: str, end: str, other: str, better: bool, tmp_path: Path
) -> None:
    config = SurveyConfig(bands=("r",), visits_per_band=1, detector_grid=(1, 1), detector_shape=(120, 130))
    folder = write_layout(name, Survey(config).exposures(), tmp_path)
    (path,) = folder.glob(f"*{end}")
    copy = path.with_name(path.name.replace(end, other))
    shutil.copy(path, copy)
    for companion in folder.glob("*_cbunc.fits"):
        shutil.copy(companion, companion.with_name(companion.name.replace("_cbunc", "_bunc")))
    assert [source.info.path for source in open_exposures([folder])] == [str(copy if better else path)]

"""Tests of the descriptions that are shipped."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import lamella.formats.described
from lamella.errors import DuplicateInputError
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


def one_visit(name: str, folder: Path, detectors: int = 1) -> Path:
    """Write the exposures of one visit, with stars, in a layout."""
    config = SurveyConfig(
        bands=("r",),
        visits_per_band=1,
        detector_grid=(1, detectors),
        detector_shape=(120, 130),
        distortion=0.0,
    )
    return write_layout(name, Survey(config).exposures(), folder)


@pytest.mark.parametrize(
    ("name", "pattern", "product"),
    [
        ("dragons", r"_image", "_stack"),
        ("hst-acs", r"^(\w{6})\w{3}_flc", r"\g<1>010_drc"),
        ("hst-acs", r"^(\w{6})\w{3}_flc", r"hst_10092_01_acs_wfc_f606w_\1_drc"),
        ("hst-wfc3", r"_flt", "_drz"),
        ("irac", r"_\d{4}_\d{4}_\d+_cbcd", "_0000_1_E123_maic"),
        ("jwst", r"_cal", "_i2d"),
        ("jwst", r"^jw(\d{5})(\d{3}).*_cal", r"jw\1-o\2_t001_nircam_f150w_i2d"),
        ("ps1-warp", r"\.wrp\.r\.\d+_\d+", ".stk.r.unconv"),
        ("vista", r"_st", "_st_tl"),
        (
            "ztf",
            r"^ztf_\d{14}_(\d{6}_z[a-z]_c\d\d)_o_(q\d)_sciimg",
            r"ztf_\1_\2_refimg",
        ),
    ],
)
def test_what_was_made_of_exposures_is_left_out_beside_them(
    name: str, pattern: str, product: str, tmp_path: Path
) -> None:
    folder = one_visit(name, tmp_path)
    inputs = open_exposures([folder], measure=False)
    path = Path(inputs.sources[0].info.path)
    copy = path.with_name(re.sub(pattern, product, path.name))
    assert copy != path
    shutil.copy(path, copy)
    alone = [source.info.id for source in inputs]
    for paths in ([folder], sorted(folder.iterdir())):
        beside = open_exposures(paths, measure=False)
        assert [source.info.id for source in beside] == alone
        (problem,) = beside.problems
        assert problem.path == str(copy)
        assert f"of which {path.name} is here itself; expected each exposure once" in str(problem)
    with pytest.raises(DuplicateInputError, match="is here itself"):
        open_exposures([folder], strict=True, measure=False)


@pytest.mark.parametrize(("name", "end"), [("vista", "_st"), ("wfcam", "_st"), ("wfcam", "_sf_st")])
def test_stacks_of_pawprints_stand_for_frames_that_are_not_there(name: str, end: str, tmp_path: Path) -> None:
    folder = one_visit(name, tmp_path)
    stacks = {path: path.with_name(path.name.replace("_st", end)) for path in folder.iterdir()}
    for path, stack in stacks.items():
        path.rename(stack)
    assert {Path(source.info.path).name for source in open_exposures([folder], measure=False)} == {
        path.name for path in stacks.values() if "conf" not in path.name
    }
    for stack in stacks.values():
        shutil.copy(stack, stack.with_name(stack.name.replace(end, "")))
    inputs = open_exposures([folder], measure=False)
    assert len(inputs) == 1
    assert all("_st" not in Path(source.info.path).name for source in inputs)
    assert "stack" in str(inputs.problems[0])


def test_detectors_of_a_visit_share_its_number_where_names_have_letters(tmp_path: Path) -> None:
    folder = one_visit("jwst", tmp_path, detectors=2)
    numbers = {source.info.id.visit for source in open_exposures([folder], measure=False)}
    assert len(numbers) == 1
    for path in folder.iterdir():
        path.rename(path.with_name(re.sub(r"^(jw\d{11})_\w{5}_", r"\1_0210c_", path.name)))
    lettered = open_exposures([folder], measure=False)
    assert len(lettered) == 2
    (number,) = {source.info.id.visit for source in lettered}
    assert number not in numbers
    assert {source.info.origins["visit"].kind for source in lettered} == {"file"}


@pytest.mark.parametrize(
    ("name", "map"),
    [("irac", "_cbunc"), ("wise", "-unc-1b"), ("ps1-warp", ".wt.fits"), ("noirlab-cp", "_oow_")],
)
def test_noise_whose_map_is_not_there_is_measured_and_told(name: str, map: str, tmp_path: Path) -> None:
    folder = one_visit(name, tmp_path)
    stated = open_exposures([folder]).sources[0].read().pixels
    for path in folder.glob(f"*{map}*"):
        path.unlink()
    (source,) = open_exposures([folder])
    assert (source.info.origins["noise"].kind, source.info.origins["noise"].how) == (
        "measured",
        "in the pixels",
    )
    measured = source.read().pixels.variance.array
    usable = np.isfinite(measured) & np.isfinite(stated.variance.array)
    ratio = np.sqrt(measured[usable] / stated.variance.array[usable])
    assert np.median(ratio) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(
    ("cards", "factor"),
    [({"MAGZP": 25.0}, 10 ** (0.4 * 6.4)), ({"BUNIT": "uJy"}, 1e3), ({"BUNIT": "nJy", "MAGZP": 25.0}, 1.0)],
)
def test_the_scale_of_ccddata_is_that_of_its_cards(
    cards: dict[str, str | float], factor: float, tmp_path: Path
) -> None:
    config = SurveyConfig(
        bands=("r",), visits_per_band=1, detector_grid=(1, 1), detector_shape=(120, 130), distortion=0.0
    )
    (path,) = write_layout("ccddata", Survey(config).exposures(), tmp_path).iterdir()
    for key, value in cards.items():
        fits.setval(path, key, value=value)
    (source,) = open_exposures([path])
    assert source.info.flux_unit.is_absolute
    assert source.read().to_njy == pytest.approx(factor, rel=1e-6)

"""Tests of formats made from descriptions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lamella.data.origins import Origin
from lamella.errors import ConfigError, InputError, MissingPartError, NoInputsError
from lamella.formats.described.formats import shipped_descriptions
from lamella.formats.description_files import SHIPPED, description_names, description_paths, user_folder
from lamella.formats.read_control import ReadControl
from lamella.formats.readers import find_format, format_names
from lamella.formats.recognise import Inputs, open_exposures, recognise

SHAPE = (64, 80)
TEXT = r"""
description = "images of my camera"
[match]
name = '^m\d+_sci\.fits'
cards = {INSTRUME = 'MYCAM', OLD = false}
[image]
hdu = '(.*)\.SCI'
[companions]
mask = ['_sci', '_msk']
weight = {suffix = '.weight', optional = true}
head = {extension = '.head', optional = true}
ignore = ['_cat\.fits']
[[noise]]
weight = {file = 'weight'}
[[noise]]
stddev = '\1.ERR'
gain = 'GAIN'
[mask]
file = 'mask'
flags = {BAD = [1, 4], SATURATED = 2, IGNORE = '*'}
[flux]
zero_point = ['MAGZP + 2.5*log10(EXPTIME) + ab', 'ZP']
[psf]
fwhm_pixels = 'SEEING'
[sky]
state = [{when = {SKYSUB = 'T'}, is = 'subtracted'}, {is = 'present'}]
[identity]
band = {card = 'FILTER', match = '^(.)'}
visit = {name = '^m(\d+)_'}
detector = 'CCD'
[wcs]
head = 'head'
radesys = 'ICRS'
[[refuse]]
when = {WCSERR = '>0'}
because = "the astrometric solution failed"
[tables.ab]
card = 'FILTER'
'r.*' = 0.25
"""


@pytest.fixture
def survey(tmp_path: Path, tan_cards: Callable[..., fits.Header]) -> Callable[..., Path]:
    """Return what writes an exposure of two detectors, with its mask, and gives the description."""
    rng = np.random.default_rng(9)

    def write(visit: int = 7, cards: dict[str, Any] | None = None, description: str = TEXT) -> Path:
        primary = fits.PrimaryHDU()
        primary.header.update({"INSTRUME": "MyCam", "FILTER": "r.MC", "MAGZP": 24.0, "EXPTIME": 100.0})
        primary.header.update({"SEEING": 3.0, "GAIN": 2.0, **(cards or {})})
        science, masks = [primary], [fits.PrimaryHDU()]
        for ccd in (1, 2):
            header = tan_cards(SHAPE)
            header.remove("RADESYS", ignore_missing=True)
            header["CCD"] = ccd
            sigma = np.full(SHAPE, ccd, np.float32)
            image = rng.normal(100, ccd, SHAPE).astype(np.float32)
            science.append(fits.ImageHDU(image, header, name=f"Q{ccd}.SCI"))
            science.append(fits.ImageHDU(sigma, name=f"Q{ccd}.ERR"))
            mask = np.zeros(SHAPE, np.int16)
            mask[10, 10 + ccd] = 4
            masks.append(fits.ImageHDU(mask, name=f"Q{ccd}.SCI"))
        folder = tmp_path / "night"
        folder.mkdir(exist_ok=True)
        fits.HDUList(science).writeto(folder / f"m{visit:03}_sci.fits")
        fits.HDUList(masks).writeto(folder / f"m{visit:03}_msk.fits")
        path = tmp_path / "mycam.toml"
        path.write_text(description)
        return path

    return write


def open_night(path: Path, **options: Any) -> Inputs:
    control = ReadControl(background_mesh=32)
    return open_exposures([path.parent / "night"], format=str(path), control=control, **options)


def test_a_folder_of_a_described_survey_is_read(survey: Callable[..., Path]) -> None:
    inputs = open_night(survey())
    assert not inputs.problems
    assert [(s.info.id.visit, s.info.id.detector, s.info.band) for s in inputs] == [(7, 1, "r"), (7, 2, "r")]
    for ccd, source in enumerate(inputs, start=1):
        exposure = source.read()
        assert exposure.info.format == "mycam"
        assert np.median(exposure.pixels.variance.array) == ccd**2
        assert exposure.to_njy == pytest.approx(10 ** ((31.4 - 29.25) / 2.5), rel=1e-3)
        bad = exposure.pixels.mask.array[..., 0] & exposure.pixels.mask.schema.bit("BAD").mask
        assert np.argwhere(bad).tolist() == [[10, 10 + ccd]]
        assert abs(np.median(exposure.pixels.image.array)) < 1
        assert source.info.origins["zero point"].how == "MAGZP + 2.5*log10(EXPTIME) + ab"
        assert source.info.origins["noise"] == Origin("file", "HDU of stddev", f"Q{ccd}.ERR")


def test_alternatives_are_taken_where_cards_and_files_are(survey: Callable[..., Path]) -> None:
    path = survey(cards={"MAGZP": None, "ZP": 27.0})
    weight = [
        fits.PrimaryHDU(),
        *(fits.ImageHDU(np.full(SHAPE, 0.01, np.float32), name=f"Q{n}.SCI") for n in (1, 2)),
    ]
    fits.HDUList(weight).writeto(path.parent / "night" / "m007_sci.weight.fits")
    exposure = open_night(path).sources[0].read()
    assert exposure.to_njy == pytest.approx(10 ** ((31.4 - 27.0) / 2.5), rel=1e-3)
    assert np.median(exposure.pixels.variance.array) == pytest.approx(100.0)


def test_a_companion_that_is_missing_is_named(survey: Callable[..., Path]) -> None:
    path = survey()
    (path.parent / "night" / "m007_msk.fits").unlink()
    with pytest.raises(NoInputsError, match=r"m007_sci\.fits, companion mask: found no file m007_msk\.fits"):
        open_night(path)


def test_what_must_not_be_used_is_refused_with_the_reason(survey: Callable[..., Path]) -> None:
    survey(visit=8)
    path = survey(cards={"WCSERR": 4})
    inputs = open_night(path)
    assert {source.info.id.visit for source in inputs} == {8}
    assert "found WCSERR = 4; expected an exposure to use: the astrometric solution failed" in str(
        inputs.problems[0]
    )


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"MAGZP": None}, "MAGZP: found no such keyword; .*ZP: found no such keyword"),
        ({"FILTER": "z.MC"}, r"FILTER: found 'z\.MC'; expected one of r\.\*"),
        ({"SEEING": -1.0}, "expected|psf"),
        ({"EXPTIME": 0.0}, "'MAGZP .* EXPTIME = 0.*no finite number"),
    ],
)
def test_values_that_cannot_be_had_are_told(
    survey: Callable[..., Path], cards: dict[str, Any], message: str
) -> None:
    with pytest.raises(NoInputsError, match=message):
        open_night(survey(cards=cards))


def test_files_of_others_are_not_taken(survey: Callable[..., Path]) -> None:
    path = survey(cards={"OLD": 1})
    format = find_format(str(path))
    night = path.parent / "night"
    assert recognise(night / "m007_sci.fits", [format])[0] is None
    other = night / "m007_cat.fits"
    shutil.copy(night / "m007_msk.fits", other)
    assert recognise(other, [format])[1].value == "companion"


def test_cards_beside_the_image_override_its_own(survey: Callable[..., Path]) -> None:
    path = survey()
    (path.parent / "night" / "m007_sci.head").write_text("MAGZP   = 20.0\nEND\nMAGZP   = 21.0\nEND\n")
    scales = [source.read().to_njy for source in open_night(path)]
    assert scales == pytest.approx([10 ** ((31.4 - zp) / 2.5) for zp in (25.25, 26.25)], rel=1e-3)


def test_descriptions_of_the_user_are_asked_before_those_that_are_shipped(
    survey: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("described.formats", "description_files"):
        monkeypatch.setattr(f"lamella.formats.{module}.user_folder", lambda: tmp_path / "own")
    (tmp_path / "own").mkdir()
    shutil.copy(survey(), tmp_path / "own" / "mycam.toml")
    assert "mycam" in format_names()
    assert {source.info.format for source in open_exposures([tmp_path / "night"])} == {"mycam"}
    (tmp_path / "own" / "ztf.toml").write_text(TEXT.replace("my camera", "my ZTF"))
    assert find_format("ztf").description == "images of my ZTF"
    (tmp_path / "own" / "broken.toml").write_text("[mtach]")
    with pytest.raises(ConfigError, match=r"broken\.toml: found .*did you mean match"):
        open_exposures([tmp_path / "night"])


def test_the_folder_of_the_user_is_one_for_configurations() -> None:
    assert user_folder().parts[-2:] in {("lamella", "formats"), ("Lamella", "formats")}


def test_shipped_descriptions_are_formats() -> None:
    names = [description.name for description in shipped_descriptions()]
    assert names == [path.stem for path in description_paths(SHIPPED)]
    assert set(names) <= set(description_names()) <= set(format_names())
    with pytest.raises(ConfigError, match=r"no format 'zft'.*did you mean ztf\?"):
        find_format("zft")


def test_a_description_that_is_wrong_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a description in TOML"):
        find_format(str(tmp_path / "absent.toml"))


def test_two_surveys_may_lie_in_one_folder_and_companions_are_no_exposures(
    survey: Callable[..., Path], tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = survey()
    monkeypatch.setattr("lamella.formats.described.formats.user_folder", lambda: path.parent)
    for file in (shared / "data" / "formats" / "ztf").glob("*.fits"):
        shutil.copy(file, tmp_path / "night")
    inputs = open_exposures([tmp_path / "night"])
    assert [source.info.format for source in inputs] == ["mycam", "mycam", "ztf"]
    assert not inputs.problems


def test_an_hdu_that_is_missing_is_named(survey: Callable[..., Path]) -> None:
    path = survey(description=TEXT.replace(r"'\1.ERR'", r"'\1.RMS'"))
    with pytest.raises(NoInputsError, match=r"HDU Q1\.RMS: found only HDUs 0 PRIMARY, 1 Q1\.SCI"):
        open_night(path)
    path.write_text(TEXT.replace("'(.*)\\.SCI'", "'IMAGE'"))
    with pytest.raises(MissingPartError, match="HDU IMAGE: found only HDUs"):
        open_exposures([path.parent / "night" / "m007_sci.fits"], format=str(path))


def test_an_image_need_not_have_a_mask_or_areas_of_its_pixels(survey: Callable[..., Path]) -> None:
    text = TEXT.replace("[mask]\nfile = 'mask'", "[mask]\nhdu = 'MASK'\noptional = true")
    folder = survey(description=text.replace("[flux]", "[flux]\npixel_area_map = 'AREA'"))
    exposure = open_night(folder).sources[0].read()
    assert abs(np.median(exposure.pixels.image.array)) < 1
    mask = exposure.pixels.mask
    assert not (mask.array[..., 0] & mask.schema.bit("BAD").mask).any()

"""Tests of descriptions of surveys."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamella.errors import InputError, UnreadableFileError
from lamella.formats.described.description import Description, read_description

TEXT = r"""
description = "images of a survey"
[match]
name = '-e91\.fits'
cards = {ORIGIN = 'LCOGT', SIMPLE = true}
hdus = ['SCI', 'ERR']
[image]
hdu = '(.*)\.SCI'
siblings = "name"
[companions]
mask = {replace = ['sciimg', 'mskimg']}
head = {extension = '.head', optional = true}
ignore = ['_segmap']
[[noise]]
stddev = {hdu = '\1.RMS'}
gain = 'GAIN'
[[noise]]
measured = true
[mask]
file = 'mask'
bits = {BAD = [0, 2], SATURATED = 1, IGNORE = '*'}
[flux]
zero_point = 'L1ZP + 2.5*log10(EXPTIME) + ab_offset'
[psf]
fwhm = 'L1FWHM'
[sky]
state = 'present'
[identity]
band = {card = 'FILTER', map = {gp = 'g'}}
visit = {name = '_(\d+)_'}
[wcs]
head = 'head'
[[refuse]]
when = {WCSERR = '>0'}
because = "the astrometric solution failed"
[tables.ab_offset]
card = 'FILTER'
gp = 0.1
[sources]
match = "the manual"
"""


def read(tmp_path: Path, text: str) -> Description:
    path = tmp_path / "Survey.toml"
    path.write_text(text, encoding="utf-8")
    return read_description(path)


def test_a_description_is_read_with_the_name_of_its_file(tmp_path: Path) -> None:
    description = read(tmp_path, TEXT)
    assert description.name == "survey"
    assert [noise.measured for noise in description.noise] == [False, True]
    assert description.mask[0].bits == {"BAD": (1, 4), "SATURATED": (2,), "IGNORE": None}
    assert description.companions["head"].optional
    assert [pattern.pattern for pattern in description.ignore] == ["_segmap"]
    assert description.identity.visit.name is not None


def test_a_short_description_has_defaults(tmp_path: Path) -> None:
    text = "description = 'x'\n[match]\nname = 'x'\n[identity]\nband = 'FILTER'"
    description = read(tmp_path, text)
    assert description.noise[0].measured
    assert description.psf[0].measured
    assert description.flux.measured
    assert description.identity.visit.hash


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("fwhm =", "fhwm =", r"psf\.fhwm: the unknown word 'fhwm' .* did you mean fwhm\?"),
        ("[sky]", "[skye]", r"skye: the unknown word 'skye' .* did you mean sky\?"),
        ("gain =", "gian =", r"noise\.gian: the unknown word 'gian' .* did you mean gain\?"),
        ("because", "becuase", r"did you mean because\?.*refuse|refuse.because is missing"),
        ("'present'", "'here'", r"sky: state 'here'; expected present or subtracted"),
        ("stddev = {hdu = '\\1.RMS'}", "stddev = {hdu = 'A'}\nweight = {hdu = 'B'}", "stddev and weight of"),
        ("gain = 'GAIN'", "counts = true", "stddev and counts"),
        ("stddev = {hdu = '\\1.RMS'}\ngain = 'GAIN'", "counts = true", "noise: counts without gain"),
        ("'L1ZP + 2.5", "'L1ZP + + * 2.5", r"flux\.zero_point: .*no arithmetic on keywords"),
        ("+ ab_offset", "+ ab_ofset", r"'ab_ofset' is no keyword.*did you mean ab_offset\?"),
        ("file = 'mask'", "file = 'maks'", r"mask\.file: no companion 'maks' .*did you mean mask\?"),
        ("BAD = [0, 2]", "BAAD = [0, 2]", r"mask\.bits: the unknown plane BAAD.*did you mean BAD\?"),
        ("BAD = [0, 2]", "BAD = [64]", r"mask\.bits: BAD has a bit above 63"),
        ("BAD = [0, 2]", "BAD = '*'", "'\\*' for BAD"),
        ("bits = {", "codes = {BAD = [1]}\nbits = {", "mask: bits and codes of"),
        ("card = 'FILTER'\ngp", "gp", r"tables\.ab_offset: a table needs a word card"),
        ("gp = 0.1", "gp = 'x'", "'x' for gp is no number"),
        ("['sciimg', 'mskimg']", "['sciimg']", r"companions\.mask\.replace: .* of another length"),
        ("['sciimg', 'mskimg']", r"['sciimg', '\2']", r"companions\.mask: replace: invalid group"),
        ('siblings = "name"', 'siblings = "all"', r"image\.siblings: 'all': input should be"),
        ("band = {card = 'FILTER', map = {gp = 'g'}}", "", r"identity\.band is missing"),
        ("band = {card = 'FILTER', map = {gp = 'g'}}", "band = 'FILTER + 1'", "is no keyword; a text"),
        ('match = "the', 'mtach = "the', r"sources: no section 'mtach'; did you mean match\?"),
        ("name = '-e91\\.fits'", "name = '('", r"match\.name: '\(' is no regular expression"),
    ],
)
def test_each_fault_is_told_with_the_word(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert old in TEXT
    with pytest.raises(InputError, match=fault) as caught:
        read(tmp_path, TEXT.replace(old, new))
    assert caught.value.path == str(tmp_path / "Survey.toml")


def test_all_faults_are_one_error(tmp_path: Path) -> None:
    text = TEXT.replace("fwhm =", "fhwm =").replace("'present'", "'here'").replace("hdus =", "hduss =")
    with pytest.raises(InputError, match="found 3 faults") as caught:
        read(tmp_path, text)
    assert all(word in str(caught.value) for word in ("fhwm", "'here'", "hduss"))


@pytest.mark.parametrize("text", ["[match", "a = = 3", "\x00"])
def test_what_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnreadableFileError, match="expected a description in TOML"):
        read(tmp_path, text)


def test_an_absent_description_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="No such file"):
        read_description(tmp_path / "x.toml")

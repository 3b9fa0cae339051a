"""Texts of users survive in every product, whatever their letters."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from lamella import read_product, write_afw
from lamella.data.coadd import PatchCoadd
from lamella.data.detector import DetectorInput
from lamella.data.exposure import ExposureId
from lamella.data.warp import Warp
from lamella.fits.text import from_fits, own_text, to_fits
from lamella.formats.archive.artifact_files import read_artifacts, write_artifacts
from lamella.formats.archive.write import write_archive, write_plain_fits

from ..formats.afw import test_write as afw
from ..formats.archive.test_artifact_files import make_masks, make_visit
from ..formats.archive.test_write import make_coadd

TEXTS = [
    "Télescope",
    "星/été_1.fits",
    "back\\slash",
    "a\nb\tc",
    "\\xe9 \\",
    "plain 15 %",
    "🔭",
    "r′ ",
    "\x7f",
]


@given(text=st.text(st.characters(exclude_categories=[]), max_size=30))
def test_any_text_survives(text: str) -> None:
    written = to_fits(text)
    assert from_fits(written) == text
    fits.Card("KEY", written).verify("exception")
    assert all(32 <= ord(letter) < 127 for letter in written)


@pytest.mark.parametrize("text", ["r", "HSC-I2", "/data/[a] 'b' \"c\" 15 %.fits", ""])
def test_plain_texts_stay_as_they_are(text: str) -> None:
    assert to_fits(text) == from_fits(text) == text


@pytest.mark.parametrize("text", ["ends with \\", "\\xq", "\\u12", "C:\\new é"])
def test_what_was_not_encoded_is_left_alone(text: str) -> None:
    assert from_fits(text) == text


def test_texts_of_others_are_not_decoded() -> None:
    assert own_text(fits.Header({"A": "\\xe9"}), "A") == "\\xe9"
    assert own_text(fits.Header({"A": "\\xe9", "LAMELLA": "0.1"}), "A") == "é"


def renamed(detectors: Any, text: str) -> tuple[DetectorInput, ...]:
    return tuple([
        dataclasses.replace(one, id=ExposureId(f"I {text}", one.id.visit, one.id.detector), band=f"b {text}",
                            path=f"/p {text}", notes=(f"n {text}",))
        for one in detectors
    ])  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_plain_fits_files(tmp_path: Path, text: str) -> None:
    coadd = make_coadd()
    coadd = coadd.replace(band=f"b {text}", skymap=f"s {text}", detectors=renamed(coadd.detectors, text))
    write_plain_fits(coadd, tmp_path / "c.fits")
    data = (tmp_path / "c.fits").read_bytes()
    with fits.open(tmp_path / "c.fits") as hdus:
        assert from_fits(hdus[0].header["BAND"]) == f"b {text}".rstrip()
        assert from_fits(hdus[0].header["SKYMAP"]) == f"s {text}".rstrip()
        row = hdus["INPUTS"].data[0]
        found = {name: from_fits(str(row[name])) for name in ("instrument", "path", "notes", "band")}
    wanted = {"instrument": f"I {text}", "path": f"/p {text}", "notes": f"n {text}", "band": f"b {text}"}
    assert found["path"] == wanted["path"].rstrip()
    assert found["notes"] == wanted["notes"].rstrip()
    assert found["instrument"] == wanted["instrument"].rstrip()
    assert not any(letter > 126 for letter in data[:2880])


@pytest.mark.parametrize("text", TEXTS)
def test_archives_hold_the_texts_themselves(tmp_path: Path, text: str) -> None:
    coadd = make_coadd()
    coadd = coadd.replace(detectors=renamed(coadd.detectors, text))
    write_archive(coadd, tmp_path / "c.fits")
    back = read_product(tmp_path / "c.fits")
    assert [(one.id.instrument, one.path, one.notes) for one in back.detectors] == [
        (f"I {text}", f"/p {text}", (f"n {text}",))
    ] * 2


@pytest.mark.parametrize("text", TEXTS)
def test_artifacts(tmp_path: Path, text: str) -> None:
    visit = make_visit(3, {"CLIPPED": np.eye(40, 50, dtype=bool)}, instrument=f"I {text}".rstrip())
    masks = make_masks(visit, band=f"b {text}".rstrip(), skymap=f"s {text}".rstrip())
    write_artifacts(masks, tmp_path / "a.fits")
    back = read_artifacts(tmp_path / "a.fits")
    assert (back.band, back.skymap) == (masks.band, masks.skymap)
    assert back.visits[0].removal == visit.removal


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", [Warp, PatchCoadd])
def test_files_for_afw(tmp_path: Path, kind: type, text: str) -> None:
    name = text.rstrip()
    detectors = renamed(afw.detectors([7]), name)
    if kind is Warp:
        product = afw.make_warp(detectors=detectors, band=f"b {name}", instrument=f"I {name}")
    else:
        product = afw.make_coadd(detectors=detectors, band=f"b {name}", skymap=f"s {name}")
    write_afw(product, tmp_path / "p.fits")
    back = read_product(tmp_path / "p.fits")
    assert back.band == f"b {name}"
    assert {one.id.instrument for one in back.detectors} == {f"I {name}"}
    if kind is PatchCoadd:
        assert back.skymap == f"s {name}"

"""``lamella describe``: the table of exposures, which gives their coadds again."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.testing.survey import Survey

from .conftest import lamella, lamella_ok


def described_files(survey: Survey, folder: Path) -> Path:
    """Copy an exposure into files that a description of one's own fits; return the description."""
    folder.mkdir()
    for visit in (100, 101):
        path = survey.file(visit, 0)
        with fits.open(path) as hdus:
            hdus[0].header["CAMERA"] = "mine"
            hdus[0].header["VISIT"] = visit
            hdus.writeto(folder / f"{visit}.fits")
    text = """
        description = "my camera"
        match.cards = {CAMERA = 'mine'}
        image.hdu = 'IMAGE'
        noise.variance = 'VARIANCE'
        mask.hdu = 'MASK'
        flux.zero_point = 31.4
        psf.fwhm = 0.8
        sky.state = 'present'
        identity = {band = {is = 'r'}, visit = 'VISIT', detector = 1}
    """
    description = folder.parent / "mine.toml"
    description.write_text("\n".join(line.strip() for line in text.splitlines()))
    return description


def pixels(folder: Path) -> list[np.ndarray]:
    (coadd,) = folder.glob("coadd-r-*-plain.fits")
    with fits.open(coadd) as hdus:
        return [np.array(hdus[name].data) for name in ("IMAGE", "MASK", "VARIANCE", "COUNT")]


def test_the_table_gives_the_same_coadd_as_the_folder(survey: Survey, tmp_path: Path) -> None:
    description = described_files(survey, tmp_path / "files")
    table = tmp_path / "exposures.csv"
    told = lamella_ok("describe", tmp_path / "files", "-o", table, "--format", description)
    assert f"2 exposures: {table}" in told.replace("\n", "")
    assert table.read_text().splitlines()[0].startswith("file,band,visit,detector,image_hdu,")
    for source, options in ((tmp_path / "files", ("--format", description)), (table, ())):
        lamella_ok("coadd", source, "-o", tmp_path / f"of-{source.name}", "--workers", 1, *options)
    ours, theirs = pixels(tmp_path / "of-files"), pixels(tmp_path / "of-exposures.csv")
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(ours, theirs, strict=True))


def test_a_table_that_is_there_is_kept(survey: Survey, tmp_path: Path) -> None:
    table = tmp_path / "exposures.csv"
    table.write_text("mine")
    ended = lamella("describe", survey.table, "-o", table)
    assert ended.status == 2
    assert "--overwrite" in ended.err
    assert table.read_text() == "mine"
    lamella_ok("describe", survey.table, "-o", table, "--overwrite")
    assert table.read_text().startswith("file,band,visit,detector,")


@pytest.mark.parametrize("wrong", [True, False])
def test_noise_that_is_not_that_of_the_pixels_is_warned_of(
    survey: Survey, tmp_path: Path, wrong: bool
) -> None:
    """Standard deviations that are taken for variances, once for all exposures that have them so."""
    rows = ["file,band,visit,detector,image_hdu,variance_hdu,zero_point,psf_fwhm"]
    for visit in (100, 101):
        with fits.open(survey.file(visit, 0)) as hdus:
            scale = 30.0  # counts, of which the square is far from the number
            image, variance = hdus["IMAGE"].copy(), hdus["VARIANCE"].copy()
            noise = float(np.sqrt(np.median(variance.data)))
            image.data = (image.data * (scale / noise)).astype(np.float32)
            variance.data = (variance.data * (scale / noise) ** (1 if wrong else 2)).astype(np.float32)
            if wrong:
                variance.data = np.sqrt(variance.data * scale / noise).astype(np.float32)
            fits.HDUList([fits.PrimaryHDU(), image, variance]).writeto(tmp_path / f"{visit}.fits")
        rows.append(f"{visit}.fits,r,{visit},1,IMAGE,VARIANCE,25,0.8")
    (tmp_path / "in.csv").write_text("\n".join(rows) + "\n")
    ended = lamella("describe", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert ended.status == 0
    told = " ".join(ended.err.split())
    assert told.count("times what its variance says") == wrong
    assert (re.search(r"Its noise is 5\.[456] times what", told) is not None) is wrong

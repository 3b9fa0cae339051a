from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from lsst.images import Box

from lamella.errors import InputError, MissingPartError, UnreadableFileError
from lamella.formats.psfex import read_psfex
from lamella.psf.measure import adaptive_moments, effective_area, fwhm

from .psfex_definition import star_of

FILES = {
    "c4d_140717_065122_ooi_i_ls11-S2-se.psf": (63, 2),
    "c4d_140818_002108_ooi_z_v1.ext27.psf": (49, 6),
    "esheldon_test_psfcat.psf": (21, 2),
}


def direct(path: Path, x: float, y: float, box: Box) -> np.ndarray:
    """Evaluate a PSFEx file by its definition at FITS pixel (x, y): on the pixels of a box counted from 1."""
    with fits.open(path) as hdus:
        header, cube = hdus[1].header, hdus[1].data["PSF_MASK"][0].astype(float)
    u = (x - header["POLZERO1"]) / header["POLSCAL1"]
    v = (y - header["POLZERO2"]) / header["POLSCAL2"]
    degree, step = header["POLDEG1"], header["PSF_SAMP"]
    model, term = np.zeros(cube.shape[1:]), 0
    for power_y in range(degree + 1):
        for power_x in range(degree + 1 - power_y):
            model += u**power_x * v**power_y * cube[term]
            term += 1
    assert term == header["PSFAXIS3"]
    return star_of(model, step, x, y, box)


@pytest.mark.parametrize("name", FILES)
def test_stars_are_what_the_file_defines(shared: Path, name: str) -> None:
    path = shared / "data" / "psf_and_regions" / name
    psf = read_psfex(path)
    side, _ = FILES[name]
    assert psf.kernel_bbox.shape == (side, side)
    rng = np.random.default_rng(3)
    for x, y in rng.uniform((30, 90), (2000, 2800), size=(20, 2)):
        star = psf.compute_stellar_image(x=x, y=y)
        in_fits = Box.factory[
            star.bbox.y.start + 1 : star.bbox.y.stop + 1, star.bbox.x.start + 1 : star.bbox.x.stop + 1
        ]
        expected = direct(path, x + 1.0, y + 1.0, in_fits)
        np.testing.assert_allclose(star.array, expected, atol=1e-12)


@pytest.mark.parametrize("name", FILES)
def test_kernels_are_centred_and_vary(shared: Path, name: str) -> None:
    psf = read_psfex(shared / "data" / "psf_and_regions" / name)
    box = psf.bounds.bbox
    corner = psf.compute_kernel_image(x=box.x.start, y=box.y.start)
    middle = psf.compute_kernel_image(x=np.mean([box.x.min, box.x.max]), y=np.mean([box.y.min, box.y.max]))
    assert corner.array.sum() == pytest.approx(1.0, abs=1e-12)
    moments = adaptive_moments(middle)
    assert np.hypot(moments.x, moments.y) < 0.02
    assert np.abs(corner.array - middle.array).max() > 1e-3


def decam(shared: Path) -> list[tuple[Path, dict[str, float]]]:
    folder = shared / "data" / "decam"
    models = []
    for row in Table.read(folder / "survey-ccds-1.fits.gz"):
        stem = Path(str(row["image_filename"]).strip()).name.removesuffix(".fits").replace(".", "-")
        models.append(
            (folder / "psfex" / f"{stem}-psfex.fits", {n: float(row[n]) for n in ("fwhm", "psfnorm")})
        )
    return models


def test_decam_models_have_the_width_and_norm_of_the_survey(shared: Path) -> None:
    cases = decam(shared)
    assert len(cases) == 9
    for path, survey in cases:
        psf = read_psfex(path, bounds=Box.factory[0:250, 0:250])
        kernel = psf.compute_kernel_image(x=124.0, y=124.0)
        assert kernel.array.sum() == pytest.approx(1.0, abs=1e-12)
        assert psf.samples(124.0, 124.0).sum() == pytest.approx(1.0, abs=0.04)
        assert fwhm(psf, 124.0, 124.0) == pytest.approx(survey["fwhm"], rel=0.07)
        # The survey's norm is sqrt(sum p^2), at the centre of the cutout.
        assert effective_area(psf, 124.0, 124.0) ** -0.5 == pytest.approx(survey["psfnorm"], rel=1e-3)


def write(
    path: Path, array: np.ndarray, header: dict[str, object], *, flat: bool = False, rows: int = 1
) -> Path:
    size = array.size
    dim = None if flat else str(array.shape[::-1])
    column = fits.Column("PSF_MASK", f"{size}E", dim=dim, array=np.repeat(array.ravel()[None], rows, axis=0))
    if not flat:
        column = fits.Column("PSF_MASK", f"{size}E", dim=dim, array=np.repeat(array[None], rows, axis=0))
    table = fits.BinTableHDU.from_columns([column])
    table.header.update(header)
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(name="OTHER"), table]).writeto(path)
    return path


HEADER = {
    "POLNAXIS": 2,
    "POLNAME1": "X_IMAGE",
    "POLNAME2": "Y_IMAGE",
    "POLZERO1": 10.0,
    "POLZERO2": 20.0,
    "POLSCAL1": 8.0,
    "POLSCAL2": 16.0,
    "POLGRP1": 1,
    "POLGRP2": 1,
    "POLDEG1": 1,
    "PSF_SAMP": 0.9,
    "PSFAXIS1": 5,
    "PSFAXIS2": 5,
    "PSFAXIS3": 3,
}
CUBE = np.random.default_rng(1).uniform(size=(3, 5, 5)).astype(np.float32)


@pytest.mark.parametrize("flat", [False, True])
def test_table_with_and_without_dimensions(tmp_path: Path, flat: bool) -> None:
    psf = read_psfex(write(tmp_path / "a.psf", CUBE, HEADER, flat=flat))
    np.testing.assert_array_equal(psf.images, CUBE)
    assert psf.sampling == 0.9
    assert psf.bounds == Box.factory[11:28, 5:14]


def test_model_without_variation(tmp_path: Path) -> None:
    psf = read_psfex(
        write(tmp_path / "a.psf", CUBE[0], {"PSF_SAMP": 1.0, "POLNAXIS": 0}), 2, bounds=Box.factory[0:9, 0:9]
    )
    np.testing.assert_allclose(
        psf.compute_kernel_image(x=3.0, y=100.0).array, CUBE[0] / CUBE[0].sum(dtype=float), rtol=1e-6
    )


@pytest.mark.parametrize("key", ["POLZERO1", "POLSCAL2", "POLGRP1", "POLDEG1", "PSF_SAMP"])
def test_missing_keywords_are_named(tmp_path: Path, key: str) -> None:
    header = {name: value for name, value in HEADER.items() if name != key}
    with pytest.raises(MissingPartError, match=f"HDU 2, {key}"):
        read_psfex(write(tmp_path / "a.psf", CUBE, header))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"POLSCAL1": 0.0}, "POLSCAL"),
        ({"PSF_SAMP": 0.0}, "sampling"),
        ({"POLDEG1": 2}, r"expected \(6, side, side\)"),
        ({"POLDEG1": -1}, "negative"),
        ({"POLDEG1": 1.5}, "whole numbers"),
        ({"POLGRP1": 0}, "groups"),
        ({"POLNAME1": "MAG_AUTO"}, "depends on MAG_AUTO, Y_IMAGE"),
    ],
)
def test_wrong_keywords_are_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = write(tmp_path / "a.psf", CUBE, HEADER | change)
    with pytest.raises(InputError, match=message) as caught:
        read_psfex(path)
    assert str(path) in str(caught.value)


def test_files_that_are_not_psfex(tmp_path: Path, shared: Path) -> None:
    with pytest.raises(UnreadableFileError):
        read_psfex(tmp_path / "absent.psf")
    plain = tmp_path / "image.fits"
    fits.writeto(plain, np.zeros((4, 4)))
    with pytest.raises(MissingPartError, match="no table with a column PSF_MASK"):
        read_psfex(plain)
    with pytest.raises(MissingPartError, match="HDU 7"):
        read_psfex(plain, 7)
    with pytest.raises(InputError, match="2 rows; expected one row"):
        read_psfex(write(tmp_path / "two.psf", CUBE, HEADER, rows=2))
    whole = shared / "data" / "psf_and_regions" / "esheldon_test_psfcat.psf"
    cut = tmp_path / "cut.psf"
    shutil.copy(whole, cut)
    cut.chmod(0o644)
    with cut.open("r+b") as stream:
        stream.truncate(9000)
    with pytest.raises(UnreadableFileError):
        read_psfex(cut)


def test_even_stamps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="odd side"):
        read_psfex(write(tmp_path / "a.psf", CUBE[:, :4, :4], HEADER))


def merged_table(shared: Path, folder: Path) -> tuple[Path, dict[str, Path]]:
    """Write a table as the Legacy Surveys do: a row per CCD, parameters as columns, images padded."""
    singles = {"S2": "c4d_140717_065122_ooi_i_ls11-S2-se.psf", "N27": "c4d_140818_002108_ooi_z_v1.ext27.psf"}
    rows = []
    for ccd, name in singles.items():
        with fits.open(shared / "data" / "psf_and_regions" / name) as hdus:
            header, cube = hdus[1].header, hdus[1].data["PSF_MASK"][0]
        padded = np.zeros((28, 63, 63), np.float32)
        padded[: cube.shape[0], : cube.shape[1], : cube.shape[2]] = cube
        keys = [
            key
            for key in header
            if key.startswith(("POL", "PSF_SAMP", "PSF_FWHM", "PSFNAXIS", "PSFAXIS", "CHI2"))
        ]
        rows.append(
            {"psf_mask": padded, "expnum": 42, "ccdname": ccd} | {key.lower(): header[key] for key in keys}
        )
    flat = dict(rows[0]) | {
        "ccdname": "N1",
        "polnaxis": 0,
        "polngrp": 0,
        "poldeg1": 0,
        "polgrp1": 0,
        "polgrp2": 0,
    }
    flat |= {"polname1": "fake", "polname2": "fake", "polzero1": 0.0, "polzero2": 0.0, "psfaxis3": 1}
    path = folder / "c4d-42-psfex.fits"
    Table([*rows, flat, dict(rows[0]) | {"expnum": 43}]).write(path)
    return path, {ccd: shared / "data" / "psf_and_regions" / name for ccd, name in singles.items()}


def test_tables_with_a_row_per_ccd_are_the_models_of_their_rows(shared: Path, tmp_path: Path) -> None:
    path, singles = merged_table(shared, tmp_path)
    for ccd, single in singles.items():
        expected, psf = read_psfex(single), read_psfex(path, ccd=ccd.lower(), exposure=42)
        assert psf.bounds.bbox == expected.bounds.bbox
        for x, y in ((100.0, 200.0), (1800.0, 3500.0)):
            here, there = (model.compute_kernel_image(x=x, y=y).array for model in (psf, expected))
            np.testing.assert_array_equal(here, there)
    box = Box.factory[0:4094, 0:2046]
    constant = read_psfex(path, ccd="N1", exposure=42, bounds=box)
    stamps = [constant.compute_kernel_image(x=x, y=x).array for x in (10.0, 2000.0)]
    np.testing.assert_array_equal(*stamps)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "found 4 rows; expected one row"),
        ({"ccd": "S2"}, "found 2 rows of CCD S2; expected one row"),
        ({"ccd": "S9", "exposure": 42}, "found 0 rows of CCD S9 of exposure 42"),
    ],
)
def test_tables_without_the_one_row_are_refused(
    shared: Path, tmp_path: Path, options: dict, message: str
) -> None:
    path, _ = merged_table(shared, tmp_path)
    with pytest.raises(InputError, match=message):
        read_psfex(path, **options)

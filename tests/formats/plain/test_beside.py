"""Tests of the files that belong to a plain image, by their names and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamella.formats.file_index import FileIndex
from lamella.formats.plain.beside import companions_of, file_pattern, head_of, is_companion_name


def index_of(*names: str) -> FileIndex:
    return FileIndex(Path("/data") / name for name in names)


def beside(image: str, *others: str) -> dict[str, str]:
    """Return the files beside an image, by what they are to it."""
    found = companions_of(Path("/data") / image, index_of(image, *others))
    return {kind: str(path.relative_to("/data")) for kind, path in found}


@pytest.mark.parametrize(
    ("image", "other", "kind"),
    [
        ("x.fits", "x.rms.fits", "stddev"),
        ("x.fits", "x_unc.fits.gz", "stddev"),
        ("x.fits", "x_std.fits", "scatter"),
        ("x.fits", "x.var.fits", "variance"),
        ("x.fits", "x-invvar.fits", "weight"),
        ("x.fits", "x_wht.fits", "confidence"),
        ("x.fits", "X.WEIGHT.FITS", "confidence"),
        ("x.fits", "x.exp.fits", "coverage"),
        ("x.fits", "mask_x.fits", "mask"),
        ("x.fits", "bpm_x.fits.fz", "mask"),
        ("x.fits", "x-dq.fits", "mask"),
        ("x.fits", "x_badpix.fit", "mask"),
        ("m_f606w_drz_sci.fits", "m_f606w_drz_wht.fits", "confidence"),
        ("m_f606w_drz_sci.fits", "m_f606w_drz_ctx.fits", "other"),
        ("KIDS_130.0_-0.5_r_sci.fits", "KIDS_130.0_-0.5_r_wei.fits", "confidence"),
        ("KIDS_130.0_-0.5_r_sci.fits", "KIDS_130.0_-0.5_r_msk.fits", "mask"),
        ("legacysurvey-1501p020-image-r.fits.fz", "legacysurvey-1501p020-invvar-r.fits.fz", "weight"),
        ("unwise-1501p020-w1-img-m.fits", "unwise-1501p020-w1-std-m.fits.gz", "scatter"),
        ("PTF_201001011234_i_p_scie_t1_f02_c06.fits", "PTF_201001011234_i_p_mask_t1_f02_c06.fits", "mask"),
        ("x.fits", "weights/x.fits", "confidence"),
        ("x.fits", "masks/x_mask.fits", "mask"),
        ("images/x.fits", "weights/x.fits", "confidence"),
        ("x.fits", "x.head", "head"),
    ],
)
def test_a_word_at_any_place_or_the_folder_says_what_a_file_is(image: str, other: str, kind: str) -> None:
    assert beside(image, other) == {kind: other}
    assert beside(other, image) == {}


@pytest.mark.parametrize(
    ("image", "other"),
    [
        ("x.fits", "y_mask.fits"),
        ("x_1.fits", "x_2_mask.fits"),
        ("m_drz_sci.fits", "m_drc_wht.fits"),
        ("flagstaff_1.fits", "flagstaff_2.fits"),
        ("x.fits", "weights_2024/x.fits"),
    ],
)
def test_other_names_belong_to_other_images(image: str, other: str) -> None:
    assert beside(image, other) == {}


def test_what_is_trusted_most_comes_first() -> None:
    kinds = [
        *beside("x.fits", "x.exp.fits", "x_mask.fits", "x_wht.fits", "x_rms.fits", "x_std.fits", "x.wcs")
    ]
    assert kinds == ["stddev", "scatter", "confidence", "coverage", "mask", "head"]


def test_files_of_another_night_belong_to_its_image() -> None:
    names = ("night1/x.fits", "night2/x.fits", "night2/x_mask.fits", "night2/x.head")
    assert beside(names[0], *names[1:]) == {}
    assert beside(names[1], names[0], *names[2:]) == {"mask": names[2], "head": names[3]}
    # One that lies elsewhere is that of the only image of its name.
    assert beside("images/x.fits", "other/x_mask.fits") == {"mask": "other/x_mask.fits"}
    assert head_of(Path("/data/night1/x.fits"), index_of(*names)) is None


def test_names_of_companions_are_known_without_their_images() -> None:
    names = ("x.weight.fits", "x_rms.fits.gz", "x-mask.fit", "x_dq.fits")
    assert all(is_companion_name(Path(name)) for name in names)
    assert not any(
        is_companion_name(Path(name)) for name in ("mask.fits", "x.fits", "std_1.fits", "x_exp.fits")
    )


@pytest.mark.parametrize(
    ("image", "other", "told"),
    [
        ("x.fits", "x_mask.fits.gz", "*_mask.fits"),
        ("x.fits", "mask_x.fits", "mask_*.fits"),
        ("x.fits", "weights/x.fits", "weights/*.fits"),
        ("x_drz_sci.fits", "x_drz_wht.fits", "*wht*"),
    ],
)
def test_a_file_is_told_by_what_differs(image: str, other: str, told: str) -> None:
    assert file_pattern(Path(image), Path(other)) == told

"""Tests of what HDUs are to an image, by their names and classes."""

from __future__ import annotations

import pytest

from lamella.formats.plane_roles import hdu_role


@pytest.mark.parametrize(
    ("name", "kind", "rest"),
    [
        ("ERR", "stddev", ()),
        ("rms", "stddev", ()),
        ("SIGMA_2", "stddev", ("2",)),
        ("VAR", "variance", ()),
        ("VAR_POISSON", "variance", ("POISSON",)),
        ("STAT", "variance", ()),
        ("IVAR", "weight", ()),
        ("STD", "scatter", ()),
        ("WHT", "confidence", ()),
        ("WEIGHT_MAP", "confidence", ()),
        ("CTX", "other", ()),
        ("CHI2", "other", ("2",)),
        ("DQ", "mask", ()),
        ("MASK1", "mask", ("1",)),
        ("DET11.RMS", "stddev", ("DET", "11")),
        ("DET11.DQ", "mask", ("DET", "11")),
        ("CAMERA.CCD 1.2 uncert", "stddev", ("CAMERA", "CCD", "1", "2")),
    ],
)
def test_a_word_of_the_name_says_what_an_hdu_is(name: str, kind: str, rest: tuple[str, ...]) -> None:
    role = hdu_role({"EXTNAME": name})
    assert role is not None
    assert (role.kind, role.rest) == (kind, rest)


@pytest.mark.parametrize(
    "name",
    ["", "SCI", "PRIMARY", "DET11.SCI", "ccd00", "CHIP", "EXP1", "IM1", "S29", "LBCCHIP1", "INT", "VARUNA"],
)
def test_other_names_are_of_images(name: str) -> None:
    assert hdu_role({"EXTNAME": name}) is None


@pytest.mark.parametrize(
    ("classes", "kind"),
    [
        (("DATA", ""), None),
        (("ERROR", "MSE"), "variance"),
        (("ERROR", "RMSE"), "stddev"),
        (("ERROR", "INVMSE"), "weight"),
        (("ERROR", "INVRMSE"), "other"),
        (("QUALITY", "FLAG32BIT"), "mask"),
        (("QUALITY", "MASKZERO"), "mask"),
        (("QUALITY", "MASKONE"), "good"),
    ],
)
def test_classes_of_the_data_standard_go_before_names(classes: tuple[str, str], kind: str | None) -> None:
    role = hdu_role({"EXTNAME": "CUBE", "HDUCLAS2": classes[0], "HDUCLAS3": classes[1], "SCIDATA": "sci"})
    assert (role.kind, role.image) == (kind, "SCI") if role else kind is None


def test_the_kind_of_an_uncertainty_goes_before_its_name() -> None:
    role = hdu_role({"EXTNAME": "UNCERT", "UTYPE": "InverseVariance"})
    assert role is not None
    assert role.kind == "weight"

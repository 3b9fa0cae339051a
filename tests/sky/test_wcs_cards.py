"""Cards are found under any of their spellings, and are checked as they are taken."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lamella.errors import ProjectionError
from lamella.sky.projection import projection_from_header
from lamella.sky.wcs_cards import WcsCards

from .test_projection import PV, SIP, TAN


def cards(**values: Any) -> WcsCards:
    return WcsCards.of(values, "image.fits", 1)


def sky(header: Any) -> Any:
    return projection_from_header(header, path="image.fits", hdu=1).pixel_to_sky(x=10.0, y=20.0)


def assert_same(first: Any, second: Any) -> None:
    assert sky(first).separation(sky(second)).to_value("mas") < 1e-6


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("PC001001", "PC1_1"),
        ("PC001002", "PC1_2"),
        ("CD002001", "CD2_1"),
        ("CD02_01", "CD2_1"),
        ("PV02_003", "PV2_3"),
        ("PV2_11", "PV2_11"),
        ("PC1_1", "PC1_1"),
        ("PC1_1A", "PC1_1A"),
    ],
)
def test_old_spellings(spelled: str, name: str) -> None:
    assert cards(**{spelled: 0.5}).values == {name: 0.5}


def test_two_spellings_must_agree() -> None:
    assert cards(PC001001=0.5, PC1_1=0.5).number("PC1_1") == 0.5
    with pytest.raises(
        ProjectionError, match=r"HDU 1, PC001001, PC1_1: found 0.5 and 0.6 for the same element"
    ):
        cards(PC001001=0.5, PC1_1=0.6)


@pytest.mark.parametrize(
    ("value", "number"), [("150.1", 150.1), (" -2.5E1 ", -25.0), ("1.5D2", 150.0), (".5", 0.5), (7, 7.0)]
)
def test_numbers_may_be_texts(value: Any, number: float) -> None:
    assert cards(CRVAL1=value).number("CRVAL1") == number


@pytest.mark.parametrize("value", ["", "  ", fits.card.UNDEFINED])
def test_a_blank_card_is_none(value: Any) -> None:
    assert cards(LONPOLE=value).number("LONPOLE", 180.0) == 180.0
    with pytest.raises(ProjectionError, match="LONPOLE: found nothing; expected a number"):
        cards(LONPOLE=value).number("LONPOLE")


@pytest.mark.parametrize("value", [True, "10:00:24", "nan", "1_0", math.nan, np.inf, "inf"])
def test_other_values_are_no_numbers(value: Any) -> None:
    with pytest.raises(ProjectionError, match=r"CRVAL1: found .*; expected a (finite )?number"):
        cards(CRVAL1=value).number("CRVAL1")


@pytest.mark.parametrize("header", [TAN, TAN | SIP, TAN | PV])
def test_all_numbers_as_texts(header: dict[str, Any]) -> None:
    texts = {key: value if isinstance(value, str) else repr(value) for key, value in header.items()}
    assert_same(texts, header)


@pytest.mark.parametrize(
    "unit", ["deg", "DEG", "degree", "Degrees", " deg ", "", "arcsec", "ARCSEC", "arcsecs", "rad", "mas"]
)
def test_units_in_any_case(unit: str) -> None:
    factor = {"a": 3600.0, "r": math.pi / 180.0, "m": 3.6e6}.get(unit.strip().lower()[:1], 1.0)
    scaled = {key: value * factor for key, value in TAN.items() if key[:2] == "CD" or key[:5] == "CRVAL"}
    assert_same(TAN | scaled | {"CUNIT1": unit, "CUNIT2": unit}, TAN)


def test_fields_of_records_may_be_texts() -> None:
    parsed = fits.Header(
        [fits.Card.fromstring("DP1     = 'EXTVER: 3.0'"), fits.Card.fromstring("DP1     = 'AXIS.1: 1'")]
    )
    assert WcsCards.of(parsed, "a", 1).values == {"DP1.EXTVER": 3.0, "DP1.AXIS.1": 1.0}
    assert cards(DP1="EXTVER: 3.0").number("DP1.EXTVER") == 3.0


@pytest.mark.parametrize(
    "more",
    [
        {"WCSAXES": 3, "CTYPE3": "STOKES", "CRPIX3": 1.0, "CRVAL3": 1.0, "CDELT3": 1.0},
        {"NAXIS": 3, "NAXIS3": 1, "CD3_3": 1.0, "CD1_3": 0.0},
        {"WCSAXES": 4, "CTYPE3": "FREQ", "CTYPE4": "STOKES", "PC1_3": 0.0},
        {"NAXIS": 3, "NAXIS3": 1, "CD1_3": 1e-3, "CRPIX3": 1.0},
    ],
)
def test_axes_of_one_pixel_do_not_count(more: dict[str, Any]) -> None:
    assert_same(TAN | more, TAN)


def test_an_axis_that_shifts_the_others_is_refused() -> None:
    with pytest.raises(ProjectionError, match=r"CD1_3, CRPIX3: found 0.001 and 0, which shift axis 1"):
        sky(TAN | {"NAXIS": 3, "NAXIS3": 1, "CD1_3": 1e-3})


def test_other_descriptions_are_not_meant() -> None:
    other = {f"{key}A": value for key, value in (TAN | {"CRVAL1": 10.0}).items()}
    distortions = {"CPDIS1A": "TPD", "CQDIS1B": "TPD", "A_ORDERA": 3, "PV2_1A": 7.0}
    assert_same(TAN | other | distortions, TAN)


def test_cards_that_no_projection_has_are_not_parsed() -> None:
    class Header(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            assert key not in ("PCOUNT", "EXPTIME", "AIRMASS", "OBJECT")
            return super().__getitem__(key)

    others = {"PCOUNT": 0, "EXPTIME": 60.0, "AIRMASS": 1.2, "OBJECT": "M 31"}
    values = WcsCards.of(Header(**TAN, **SIP, **others), "image.fits", 1).values
    assert values == {**TAN, **SIP}

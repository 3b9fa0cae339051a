from __future__ import annotations

from typing import Any

import pytest

from lamella.data.flux_unit import NJY, FluxUnit
from lamella.errors import UnitError
from lamella.formats.row_scale import is_flux_unit
from lamella.formats.units import is_counts, reference_cards, relative_unit


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "adu"),
        ("ADU", "adu"),
        ("DN", "adu"),
        ("Counts", "adu"),
        ("data number", "adu"),
        ("e-", "electron"),
        ("ELECTRONS", "electron"),
        ("ELECTRONS/S", "electron / s"),
        ("e-/s", "electron / s"),
        ("counts/sec", "adu / s"),
        ("adu s**-1", "adu / s"),
        ("electron s-1", "electron / s"),
    ],
)
def test_names_of_counts_are_units(text: str, name: str) -> None:
    assert relative_unit(text, "a.fits", path="b.fits", where="BUNIT") == FluxUnit(name, "a.fits")


@pytest.mark.parametrize("text", ["nJy", "Jy", "nonsense", "1"])
def test_what_is_no_count_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(UnitError, match=rf"b\.fits, HDU 1, BUNIT: found '{text}'"):
        relative_unit(text, path="b.fits", where="HDU 1, BUNIT")


def test_rates_are_no_counts() -> None:
    assert not is_counts("electrons/s")


def test_cards_are_those_of_relative_fluxes_only() -> None:
    assert reference_cards(NJY) == []
    cards: dict[str, Any] = {
        key: value for key, value, _ in reference_cards(FluxUnit("electron / s", "n\xe9.fits"))
    }
    assert cards == {"FLUXUNIT": "electron / s", "FLUXREF": r"n\xe9.fits"}
    assert [key for key, _, _ in reference_cards(FluxUnit("adu"))] == ["FLUXUNIT"]


def test_units_in_odd_spellings_are_read_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    text = "10**(-20)*erg/s/cm**2/Angstrom"
    assert relative_unit(text, path="b.fits", where="BUNIT").name.startswith("1e-20 erg")
    assert not is_flux_unit(text)
    assert is_flux_unit("erg/s/cm**2/Hz")
    assert not recwarn.list

from __future__ import annotations

import astropy.units as u
import pytest

from lamella.data.flux_unit import NJY, FluxUnit, flux_unit_of
from lamella.data.photometry import AB_FLUX_NJY
from lamella.errors import CalibrationError

from .. import makers


def test_only_njy_has_magnitudes() -> None:
    assert FluxUnit("nJy") == NJY
    assert NJY.is_absolute
    assert NJY.magnitude(AB_FLUX_NJY / 100) == pytest.approx(5.0)
    assert (str(NJY), NJY.note) == ("nJy", "")
    relative = FluxUnit("electron / s", "a.fits")
    assert relative.magnitude(100.0) is None
    assert relative.unit == u.electron / u.s
    assert str(relative) == "electron / s of the reference exposure a.fits"
    assert str(relative) in relative.note


def test_units_of_two_references_differ() -> None:
    assert FluxUnit("adu", "a.fits") != FluxUnit("adu", "b.fits")
    assert len({FluxUnit("adu", "a.fits"), FluxUnit("adu", "a.fits"), FluxUnit("adu"), NJY}) == 3


@pytest.mark.parametrize("fields", [("counts of old",), ("uJy",), ("Jy", "a.fits"), ("nJy", "a.fits")])
def test_a_flux_density_has_no_reference_and_a_unit_is_one(fields: tuple[str, ...]) -> None:
    with pytest.raises(CalibrationError, match=fields[0]):
        FluxUnit(*fields)


def test_records_share_their_unit() -> None:
    maker, unit = makers.WarpMaker(), FluxUnit("adu", "a.fits")
    assert flux_unit_of([]) is NJY
    assert flux_unit_of([makers.make_detector(1, 1, maker.bbox, maker.projection, flux_unit=unit)]) == unit

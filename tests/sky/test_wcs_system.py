"""The celestial system, by all names that headers have for it."""

from __future__ import annotations

from typing import Any

import pytest
from astropy.coordinates import FK4, FK5, TETE, FK4NoETerms, SkyCoord
from astropy.time import Time

from lamella.errors import ProjectionError
from lamella.sky.projection import projection_from_header, projection_notes

from .test_projection import TAN

FRAMES: dict[str, Any] = {
    "ICRS": "icrs",
    "FK5": FK5(),
    "FK5 of 1975": FK5(equinox="J1975"),
    "FK4": FK4(equinox="B1950"),
    "FK4-NO-E": FK4NoETerms(equinox="B1950"),
    "GAPPT": TETE(obstime=Time(58000.0, format="mjd")),
}
# Of the old systems AST and astropy have other models.
TOLERANCES_MAS = {"ICRS": 1e-3, "FK5": 1e-3, "FK5 of 1975": 30.0, "GAPPT": 60.0}


def notes(**cards: Any) -> tuple[str, ...]:
    return projection_notes(TAN | cards, path="image.fits", hdu=1)


@pytest.mark.parametrize(
    ("cards", "frame"),
    [
        ({}, "ICRS"),
        ({"RADESYS": " icrs "}, "ICRS"),
        ({"RADESYS": "ICRF2"}, "ICRS"),
        ({"RADESYS": "ICRS J2000.0"}, "ICRS"),
        ({"RADESYS": "ICRS", "EQUINOX": 2000.0}, "ICRS"),
        ({"RADESYS": "", "RADECSYS": "FK5"}, "FK5"),
        ({"RADESYS": "J2000"}, "FK5"),
        ({"RADESYS": "J2000.0", "EQUINOX": "2000.0"}, "FK5"),
        ({"RADESYS": "FK5 (J2000)"}, "FK5"),
        ({"RADESYS": "2000.0"}, "FK5"),
        ({"EQUINOX": 2000}, "FK5"),
        ({"EQUINOX": "J2000.0"}, "FK5"),
        ({"EQUINOX": ""}, "ICRS"),
        ({"EPOCH": "2000."}, "FK5"),
        ({"RADESYS": "FK5", "EQUINOX": "J1975"}, "FK5 of 1975"),
        ({"RADESYS": "FK4"}, "FK4"),
        ({"RADESYS": "B1950"}, "FK4"),
        ({"RADESYS": "FK4/B1950.0", "EQUINOX": "B1950"}, "FK4"),
        ({"EQUINOX": 1950.0}, "FK4"),
        ({"EQUINOX": "B1950"}, "FK4"),
        ({"RADESYS": "FK4-NO-E"}, "FK4-NO-E"),
        ({"RADESYS": "GAPPT", "MJD-OBS": 58000.0}, "GAPPT"),
        ({"RADESYS": "GAPPT", "DATE-OBS": "2017-09-04T00:00:00"}, "GAPPT"),
    ],
)
def test_names_of_systems(cards: dict[str, Any], frame: str) -> None:
    sky = projection_from_header(TAN | cards, path="image.fits", hdu=1).pixel_to_sky(x=999.0, y=899.0)
    expected = SkyCoord(150.1, 2.2, unit="deg", frame=FRAMES[frame]).icrs
    assert sky.separation(expected).to_value("mas") < TOLERANCES_MAS.get(frame, 100.0)


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"RADESYS": "MOON"}, "RADESYS: found 'MOON'; expected ICRS, FK5, FK4, FK4-NO-E or GAPPT"),
        (
            {"RADESYS": "J2000", "EQUINOX": 1950.0},
            "RADESYS, EQUINOX: found 'J2000' and 1950; expected the same",
        ),
        ({"RADECSYS": "B1950", "EPOCH": 2000.0}, "RADECSYS, EPOCH: found 'B1950' and 2000"),
        (
            {"RADESYS": "FK5", "EQUINOX": "B1950"},
            "RADESYS, EQUINOX: found 'FK5' and 'B1950'; expected a Julian",
        ),
        ({"EQUINOX": 0.0}, "EQUINOX: found 0; expected a year between 1000 and 3000"),
        ({"RADESYS": "FK5", "EPOCH": 1e9}, r"EPOCH: found 1e\+09; expected a year"),
        ({"EQUINOX": "today"}, "EQUINOX: found 'today'; expected a number"),
        ({"RADESYS": "GAPPT"}, "RADESYS, MJD-OBS: found GAPPT without a date"),
        ({"RADESYS": "GAPPT", "DATE-OBS": "yesterday"}, "DATE-OBS: found 'yesterday'; expected a date"),
    ],
)
def test_what_is_not_known_or_contradicts_itself(cards: dict[str, Any], message: str) -> None:
    with pytest.raises(ProjectionError, match=message):
        projection_from_header(TAN | cards, path="image.fits", hdu=1)


def test_notes_say_what_is_not_taken() -> None:
    assert notes() == notes(RADESYS="ICRS", EQUINOX=2000.0) == notes(RADESYS="FK5", EQUINOX=1975.0) == ()
    assert notes(RADESYS="ICRS", EQUINOX=1950.0) == (
        "RADESYS = ICRS is taken, EQUINOX = 1950 is not: ICRS has no equinox.",
    )
    assert notes(RADESYS="FK4", EPOCH=2000.0) == (
        "RADESYS = FK4 is taken with EPOCH = 2000, which is unusual.",
    )
    assert notes(RADESYS="ICRS", RADECSYS="FK5") == ("RADESYS = ICRS is taken, RADECSYS = FK5 is not.",)
    assert "apparent places" in notes(**{"RADESYS": "GAPPT", "MJD-OBS": 58000.0})[0]

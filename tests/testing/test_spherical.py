import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from lamella.testing.spherical import convergence, offset_sky, separation

decs = st.floats(-89.9, 89.9)
ras = st.floats(0, 359.999)
arcsecs = st.floats(-600, 600)


@given(ras, decs, ras, decs)
def test_separation_is_that_of_astropy(ra1, dec1, ra2, dec2):
    expected = SkyCoord(ra1 * u.deg, dec1 * u.deg).separation(SkyCoord(ra2 * u.deg, dec2 * u.deg)).arcsec
    # The chord is flat near the antipode: a part in 1e8 of half a turn.
    assert separation(ra1, dec1, ra2, dec2) == pytest.approx(expected, abs=0.02)


@given(ras, decs, arcsecs, arcsecs)
def test_offsets_are_gnomonic(ra, dec, east, north):
    found = offset_sky(ra, dec, east, north)
    distance = np.degrees(np.arctan(np.radians(np.hypot(east, north) / 3600))) * 3600
    assert separation(ra, dec, *found) == pytest.approx(distance, abs=1e-6)
    if distance > 1:
        angle = SkyCoord(ra * u.deg, dec * u.deg).position_angle(SkyCoord(*found, unit="deg")).deg
        off = (angle - np.degrees(np.arctan2(east, north)) + 180) % 360 - 180
        assert abs(off) < 1e-4


def test_offset_crosses_the_pole_and_the_zero_of_right_ascension():
    ra, dec = offset_sky(10.0, 89.999, 0.0, 7.2)
    assert (float(ra), float(dec)) == (pytest.approx(190.0), pytest.approx(89.999))
    ra, _ = offset_sky(359.9999, 0.0, 3.6, 0.0)
    assert float(ra) == pytest.approx(0.0009)


@given(ras, st.floats(-80, 80), arcsecs, arcsecs)
def test_convergence_is_the_turn_of_north_along_a_great_circle(ra, dec, east, north):
    if np.hypot(east, north) < 10:
        east += 20.0
    there = offset_sky(ra, dec, east, north)
    here, far = SkyCoord(ra * u.deg, dec * u.deg), SkyCoord(*there, unit="deg")
    forth, back = here.position_angle(far).deg, far.position_angle(here).deg
    turn = (back - 180 - forth + 180) % 360 - 180
    assert convergence(ra, dec, float(there[0]), float(there[1])) == pytest.approx(turn, abs=1e-5)

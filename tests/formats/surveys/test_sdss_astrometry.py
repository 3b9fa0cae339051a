from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import ProjectionError
from lamella.formats.surveys.sdss_astrometry import FieldAstrometry, fit_projection
from lamella.sky.projection import projection_from_header

SHAPE = (1489, 2048)
STEP = 0.396 / 3600
FIELD = FieldAstrometry(
    mu=(351.5, STEP, 2e-8),
    nu=(-0.01, 1e-8, STEP),
    row_terms=(-0.02, 8e-5, -8e-8, 2e-11),
    column_terms=(-0.08, 7e-4, -9e-7, 3e-10),
)


def test_on_the_equator_the_great_circle_coordinates_are_ra_and_dec() -> None:
    plain = dataclasses.replace(FIELD, row_terms=(), column_terms=())
    ra, dec = plain.to_sky(np.array([0.0, 100.0]), np.array([0.0, 10.0]))
    assert ra == pytest.approx(
        351.5 + STEP * np.array([0.5, 10.5]) + 2e-8 * np.array([0.5, 100.5]), abs=1e-10
    )
    assert dec == pytest.approx(
        -0.01 + 1e-8 * np.array([0.5, 10.5]) + STEP * np.array([0.5, 100.5]), abs=1e-10
    )


def test_an_inclined_circle_rises_to_its_inclination() -> None:
    tilted = FieldAstrometry(mu=(185.0, 0.0, 0.0), nu=(0.0, 0.0, 0.0), node=95.0, inclination=32.5)
    ra, dec = tilted.to_sky(np.array(0.0), np.array(0.0))
    assert (float(ra), float(dec)) == pytest.approx((185.0, 32.5), abs=1e-12)
    at_node = dataclasses.replace(tilted, mu=(95.0, 0.0, 0.0), nu=(1.0, 0.0, 0.0))
    ra, dec = at_node.to_sky(np.array(0.0), np.array(0.0))
    # One degree along the perpendicular at the node, which leans by the inclination.
    assert float(dec) == pytest.approx(
        np.degrees(np.arcsin(np.sin(np.radians(1)) * np.cos(np.radians(32.5))))
    )


def test_corrections_are_polynomials_of_the_column() -> None:
    plain = dataclasses.replace(FIELD, row_terms=(), column_terms=())
    x, y = np.array([999.5]), np.array([499.5])
    column = 1000.0
    row_shift = -0.02 + 8e-5 * column - 8e-8 * column**2 + 2e-11 * column**3
    column_shift = -0.08 + 7e-4 * column - 9e-7 * column**2 + 3e-10 * column**3
    expected = plain.to_sky(x + column_shift, y + row_shift)
    np.testing.assert_allclose(FIELD.to_sky(x, y), expected, atol=1e-12)


@given(inclination=st.floats(-60.0, 60.0), mu0=st.floats(100.0, 260.0))
def test_the_fit_is_good_to_a_milliarcsecond_anywhere(inclination: float, mu0: float) -> None:
    field = dataclasses.replace(FIELD, mu=(mu0, STEP, 2e-8), inclination=inclination)
    header, error_mas = fit_projection(field, SHAPE, Path("tsField.fit"))
    projection = projection_from_header(header, path="x", hdu=0)
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 2047, 200), rng.uniform(0, 1488, 200)
    sky = projection.pixel_to_sky(x=x, y=y)
    ra, dec = field.to_sky(x, y)
    east = (sky.ra.deg - ra + 180) % 360 - 180
    apart = 3.6e6 * np.hypot(east * np.cos(np.radians(dec)), sky.dec.deg - dec)
    assert error_mas < 0.01
    assert apart.max() < 0.01
    back = projection.sky_to_pixel(sky)
    np.testing.assert_allclose([back.x, back.y], [x, y], atol=1e-6)


def test_solutions_that_cannot_be_are_refused() -> None:
    lost = dataclasses.replace(FIELD, mu=(np.nan, STEP, 0.0))
    with pytest.raises(ProjectionError, match="not finite"):
        fit_projection(lost, SHAPE, Path("tsField.fit"))
    bent = dataclasses.replace(FIELD, column_terms=(0.0, 0.0, 0.0, 0.0, 0.0, 1e-15))
    with pytest.raises(ProjectionError, match=r"TAN-SIP fits to .* mas only; expected 1 mas"):
        fit_projection(bent, SHAPE, Path("tsField.fit"))

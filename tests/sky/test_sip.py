"""Any subset of SIP's terms gives the positions that the convention defines."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, Sip
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import ProjectionError
from lamella.sky.projection import projection_from_header

SIZE = 400
SCALE = 0.7 / 3600.0


def header(**more: Any) -> fits.Header:
    cards: dict[str, Any] = {
        "CTYPE1": "RA---TAN-SIP",
        "CTYPE2": "DEC--TAN-SIP",
        "CRVAL1": 150.1,
        "CRVAL2": 2.2,
    }
    cards |= {"CRPIX1": 200.5, "CRPIX2": 180.0, "CD1_1": -SCALE, "CD1_2": 1e-6, "CD2_1": 2e-6, "CD2_2": SCALE}
    return fits.Header(cards | {"RADESYS": "ICRS"} | more)


@st.composite
def terms(draw: st.DrawFn) -> dict[str, Any]:
    """Draw cards of SIP: orders, any of the terms, and a distortion of up to some pixels at the corners."""
    cards: dict[str, Any] = {}
    for name in ("A", "B", "AP", "BP"):
        order = draw(st.integers(2, 9))
        powers = [(p, q) for p in range(order + 1) for q in range(order + 1 - p) if p + q > 1]
        chosen = draw(st.lists(st.sampled_from(powers), unique=True, max_size=6))
        if name in "AB" or draw(st.booleans()):
            cards[f"{name}_ORDER"] = order
            for p, q in chosen:
                pixels = draw(st.sampled_from([0.0, 3.0, -0.5, 0.01]))
                cards[f"{name}_{p}_{q}"] = pixels / (0.5 * SIZE) ** (p + q)
    return cards


def assert_as_defined(cards: fits.Header) -> None:
    """Compare with TAN after the polynomials, written out."""
    linear = cards.copy()
    for key in [key for key in linear if key[:2] in ("A_", "B_", "AP", "BP")]:
        del linear[key]
    linear["CTYPE1"], linear["CTYPE2"] = "RA---TAN", "DEC--TAN"
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(0, SIZE - 1, 7), np.linspace(0, SIZE - 1, 7)))
    u, v = x + 1 - cards["CRPIX1"], y + 1 - cards["CRPIX2"]
    shift = {}
    for name in "AB":
        keys = [key.split("_") for key in cards if key.startswith(f"{name}_") and key[2:3].isdigit()]
        shift[name] = sum(
            (cards["_".join(k)] * u ** int(k[1]) * v ** int(k[2]) for k in keys), np.zeros_like(u)
        )
    sky = WCS(linear).pixel_to_world(x + shift["A"], y + shift["B"])
    found = projection_from_header(cards, path="x.fits", hdu=0).pixel_to_sky(x=x, y=y)
    pixels = sky.separation(found).deg / SCALE
    assert pixels.max() < 0.001


@given(cards=terms())
def test_any_subset_of_terms(cards: dict[str, Any]) -> None:
    assert_as_defined(header(**cards))


@given(cards=terms())
def test_astropy_agrees(cards: dict[str, Any]) -> None:
    forward = {key: value for key, value in cards.items() if key[:2] in ("A_", "B_")}
    full = header(**forward)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = WCS(full)
    assert isinstance(theirs.sip, Sip)
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(0, SIZE - 1, 5), np.linspace(0, SIZE - 1, 5)))
    sky = theirs.pixel_to_world(x, y)
    found = projection_from_header(full, path="x.fits", hdu=0).pixel_to_sky(x=x, y=y)
    assert (sky.separation(found).deg / SCALE).max() < 0.001


@pytest.mark.parametrize(
    "cards",
    [
        {"A_ORDER": 2, "B_ORDER": 2, "A_0_2": 1e-6, "B_2_0": 1e-6},
        {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 0.0, "B_2_0": 0.0},
        {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-6, "B_2_0": 1e-6},
        {"A_ORDER": 2, "B_ORDER": 2},
        {"A_ORDER": 0, "B_ORDER": 0, "A_0_0": 1.5, "B_0_0": -0.5},
        {"A_ORDER": 1, "B_ORDER": 1, "A_1_0": 1e-3, "A_0_1": -2e-3},
        {"A_ORDER": 3, "B_ORDER": 0, "A_3_0": 1e-8},
    ],
)
def test_headers_of_others(cards: dict[str, Any]) -> None:
    assert_as_defined(header(**cards))
    projection = projection_from_header(header(**cards), path="x.fits", hdu=0)
    x = np.array([3.0, 100.0, 390.0])
    back = projection.sky_to_pixel(projection.pixel_to_sky(x=x, y=x[::-1]))
    np.testing.assert_allclose([back.x, back.y], [x, x[::-1]], atol=1e-3)


def test_terms_beyond_the_order_are_refused() -> None:
    with pytest.raises(ProjectionError, match="A_3_0: found a term; expected no term beyond A_ORDER = 2"):
        projection_from_header(header(A_ORDER=2, B_ORDER=2, A_3_0=1e-9), path="x.fits", hdu=0)

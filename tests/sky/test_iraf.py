"""TNX and ZPX: the examples of their descriptions, and surfaces of every kind, evaluated by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.images._transforms import _ast as astshim

from lamella.errors import ProjectionError
from lamella.sky.projection import projection_from_header

from .test_wcs_astropy import native, vectors

SCALE = 0.26 / 3600.0
PLANE: dict[str, Any] = {
    "CTYPE1": "RA---TNX",
    "CTYPE2": "DEC--TNX",
    "CRVAL1": 310.0,
    "CRVAL2": 20.0,
    "CRPIX1": 2100.0,
    "CRPIX2": -800.0,
    "CD1_1": 1e-3 * SCALE,
    "CD2_1": SCALE,
    "CD1_2": SCALE,
    "CD2_2": -2e-3 * SCALE,
}
# The example of the registry of conventions: half of the cross terms, of a CCD of the CTIO mosaic.
EXAMPLE = (
    "3. 4. 4. 2. -0.3171856965643079 -0.0150652479325533 -0.3126038394350166 -0.1511955040928311 "
    "0.002318100364838772 0.01749134520424022 -0.01082784423020123 -0.1387962673564234 "
    "-4.307309762939804E-4 0.009069288008295441 0.002875265278754504 -0.04487658756007625 "
    "-0.1058043162287004 -0.0686214765375767"
)


def cards_of(texts: dict[int, str], **more: Any) -> dict[str, Any]:
    """Break the texts of two axes into WAT cards of 68 characters, as IRAF does."""
    cards = PLANE | more
    for axis, text in texts.items():
        for number, start in enumerate(range(0, len(text), 68), start=1):
            cards[f"WAT{axis}_{number:03d}"] = text[start : start + 68]
    return cards


def attribute(axis: int, surface: str, kind: str = "tnx", projp: str = "") -> str:
    names = ("ra", "lngcor") if axis == 1 else ("dec", "latcor")
    return f'wtype={kind} axtype={names[0]} {projp}{names[1]} = "{surface} "'


def cheby(n: int, x: np.ndarray) -> np.ndarray:
    return np.cos(n * np.arccos(np.clip(x, -1, 1)))


def legendre(n: int, x: np.ndarray) -> np.ndarray:
    before, now = np.ones_like(x), x
    for k in range(1, n):
        before, now = now, ((2 * k + 1) * x * now - k * before) / (k + 1)
    return before if n == 0 else now


def evaluate(text: str, xi: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return a surface at positions in degrees, term by term as the description has it."""
    numbers = [float(word) for word in text.split()]
    kind, width, height, cross = (int(value) for value in numbers[:4])
    low_xi, high_xi, low_eta, high_eta = numbers[4:8]
    base: Callable[[int, np.ndarray], np.ndarray] = {1: cheby, 2: legendre, 3: lambda n, x: x**n}[kind]
    if kind != 3:
        xi = (2.0 * xi - (high_xi + low_xi)) / (high_xi - low_xi)
        eta = (2.0 * eta - (high_eta + low_eta)) / (high_eta - low_eta)
    total, left = np.zeros_like(xi), iter(numbers[8:])
    for n in range(height):
        for m in range(width):
            if (cross == 0 and m and n) or (cross == 2 and m + n > max(width, height) - 1):
                continue
            total = total + next(left) * base(m, xi) * base(n, eta)
    assert next(left, None) is None
    return total


def errors(cards: dict[str, Any], surfaces: tuple[str, str], code: str = "TAN", **more: Any) -> np.ndarray:
    """Return differences in pixels to TAN or ZPN of astropy behind surfaces that are evaluated by hand."""
    x, y = np.random.default_rng(0).uniform(0, 2000, (2, 200))
    u, v = x + 1 - cards["CRPIX1"], y + 1 - cards["CRPIX2"]
    xi, eta = (cards[f"CD{i}_1"] * u + cards[f"CD{i}_2"] * v for i in (1, 2))
    planes = xi + evaluate(surfaces[0], xi, eta), eta + evaluate(surfaces[1], xi, eta)
    plain = fits.Header(
        {key: cards[key] for key in ("CRVAL1", "CRVAL2")} | {"CRPIX1": 0.0, "CRPIX2": 0.0} | more
    )
    plain["CTYPE1"], plain["CTYPE2"] = f"RA---{code}", f"DEC--{code}"
    expected = np.array(WCS(plain).wcs_pix2world(*planes, 1))
    projection = projection_from_header(cards, path="x", hdu=0)
    sky = native(projection, "System=ICRS", x, y)
    back = projection.sky_to_pixel(projection.pixel_to_sky(x=x, y=y))
    assert np.hypot(back.x - x, back.y - y).max() < 1e-5
    return np.asarray(np.degrees(np.linalg.norm(vectors(sky) - vectors(expected), axis=0)) / SCALE)


@st.composite
def surfaces(draw: st.DrawFn) -> str:
    """Draw a surface of any kind that adds up to an arcsecond or so in the field."""
    kind, cross = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    width, height = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    pairs = [(m, n) for n in range(height) for m in range(width)]
    if cross == 0:
        pairs = [pair for pair in pairs if 0 in pair]
    if cross == 2:
        pairs = [pair for pair in pairs if sum(pair) < max(width, height)]
    # Powers are of degrees, of which the field has a fifth.
    sizes = [1e-4 if kind < 3 else 1e-4 / 0.2 ** sum(pair) for pair in pairs]
    values = [draw(st.floats(-1.0, 1.0)) * size for size in sizes]
    return " ".join(
        map(repr, [float(kind), float(width), float(height), float(cross), -0.3, 0.3, -0.25, 0.27, *values])
    )


@settings(max_examples=60)
@given(first=surfaces(), second=surfaces())
def test_surfaces_of_every_kind(first: str, second: str) -> None:
    cards = cards_of({1: attribute(1, first), 2: attribute(2, second)})
    assert errors(cards, (first, second)).max() < 0.001


def test_the_example_of_its_description() -> None:
    cards = cards_of({1: attribute(1, EXAMPLE), 2: attribute(2, EXAMPLE)})
    apart = errors(cards, (EXAMPLE, EXAMPLE))
    assert apart.max() < 0.001
    # AST can evaluate surfaces of powers, too.
    texts = [f"'{v}'" if isinstance(v, str) else f"{v!r:>20}" for v in cards.values()]
    lines = [f"{key:<8}= {text}".ljust(80) for key, text in zip(cards, texts, strict=True)]
    frames = astshim.FitsChan(astshim.StringStream("\n".join(lines)), "Encoding=FITS-WCS").read()
    x, y = np.random.default_rng(1).uniform(1, 2000, (2, 100))
    theirs = np.degrees(frames.applyForward(np.array([x + 1, y + 1])))
    ours = native(projection_from_header(cards, path="x", hdu=0), "System=ICRS", x, y)
    assert np.degrees(np.linalg.norm(vectors(ours) - vectors(theirs), axis=0)).max() < 0.001 * SCALE


def test_zpx_is_zpn_behind_a_surface() -> None:
    projp = "projp0=0. projp1=1. projp2=0. projp3=337.74 projp4=0. projp5=632052. "
    texts = {axis: attribute(axis, EXAMPLE, "zpx", projp) for axis in (1, 2)}
    cards = cards_of(texts, CTYPE1="RA---ZPX", CTYPE2="DEC--ZPX")
    more = {"PV2_0": 0.0, "PV2_1": 1.0, "PV2_3": 337.74, "PV2_5": 632052.0}
    assert errors(cards, (EXAMPLE, EXAMPLE), "ZPN", **more).max() < 0.001


def test_blanks_at_the_end_of_a_card_are_part_of_the_text() -> None:
    text = attribute(1, "3. 2. 2. 1. -1. 1. -1. 1. 0.001 0.002 0.003 0.004")
    # So that the 68th character is a blank between two numbers.
    text = text.replace("wtype=tnx", "wtype=tnx".ljust(9 + 67 - text.index(" 0.002")))
    cards = cards_of({1: text})
    assert cards["WAT1_001"][-1] == " "
    stripped = {key: value.rstrip() if isinstance(value, str) else value for key, value in cards.items()}
    skies = [projection_from_header(c, path="x", hdu=0).pixel_to_sky(x=5.0, y=9.0) for c in (cards, stripped)]
    assert skies[0].separation(skies[1]).to_value("mas") < 1e-6


def test_longitude_may_be_the_second_axis() -> None:
    second = "3. 2. 2. 1. -1. 1. -1. 1. 0.001 0.002 0.003 0.004"
    plain = cards_of({1: attribute(1, EXAMPLE), 2: attribute(2, second)})
    turned = {
        re.sub(r"^(CTYPE|CRVAL|CD|WAT)([12])", lambda m: f"{m[1]}{3 - int(m[2])}", key): value
        for key, value in plain.items()
    }
    skies = [projection_from_header(c, path="x", hdu=0).pixel_to_sky(x=5.0, y=9.0) for c in (plain, turned)]
    assert skies[0].separation(skies[1]).to_value("mas") < 1e-6


@pytest.mark.parametrize(
    ("surface", "message"),
    [
        ("3. 4. 4.", "WAT1_001, lngcor: found 3 numbers; expected eight parameters of a surface"),
        ("4. 2. 2. 1. 0 1 0 1 0 0 0 0", "found surface 4 with cross terms 1"),
        ("3. 2. 2. 3. 0 1 0 1 0 0 0 0", "found surface 3 with cross terms 3"),
        ("3. 2. 99. 1. 0 1 0 1 0 0 0 0", "found 2 x 99 terms; expected 1 to 30 along each axis"),
        ("3. 2. 2. 1. 0 1 0 1 0 0 0", "found 3 coefficients; expected 4 of them"),
        ("3. 2. 2. 1. 0 1 0 1 0 0 0 0 7", "found 5 coefficients; expected 4 of them"),
        ("3. 2. 2. 1. 0 1 0 1 0 0 zero 0", "found 'zero'; expected a finite number"),
        ("1. 2. 2. 1. 1 0 0 1 0 0 0 0", "found a range from 1 to 0; expected a range that is not empty"),
    ],
)
def test_faults_are_named(surface: str, message: str) -> None:
    with pytest.raises(ProjectionError, match=message):
        projection_from_header(cards_of({1: attribute(1, surface)}), path="x", hdu=0)


def test_tnx_without_a_surface_is_tan() -> None:
    plain = projection_from_header(PLANE, path="x", hdu=0).pixel_to_sky(x=5.0, y=9.0)
    tan = projection_from_header(PLANE | {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}, path="x", hdu=0)
    assert plain.separation(tan.pixel_to_sky(x=5.0, y=9.0)).to_value("mas") < 1e-6

"""Headers of every kind give the positions that astropy gives, in their own system, to 0.001 pixels."""

from __future__ import annotations

import math
import re
import warnings
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.images import SkyProjection
from lsst.images._transforms import _ast as astshim

from lamella.sky.projection import projection_from_header

SIZE = (300, 400)
SCALE = 0.3 / 3600.0
AST_NAMES = {"RA": "ICRS", "GLON": "GALACTIC", "ELON": "ECLIPTIC", "SLON": "SUPERGALACTIC"}
PLAIN = ("TAN", "SIN", "ARC", "STG", "ZEA", "CAR", "SFL", "AIT", "MOL", "CEA", "MER", "TSC", "HPX", "COE")
PARAMETERS: dict[str, dict[str, float]] = {
    "ZPN": {"PV{lat}_1": 1.0, "PV{lat}_3": 44.0},
    "AZP": {"PV{lat}_1": 2.0, "PV{lat}_2": 10.0},
    "SZP": {"PV{lat}_1": 2.0, "PV{lat}_2": 150.0, "PV{lat}_3": 70.0},
    "SIN": {"PV{lat}_1": 0.05, "PV{lat}_2": -0.02},
    "COE": {"PV{lat}_1": 45.0, "PV{lat}_2": 10.0},
    "COP": {"PV{lat}_1": 45.0, "PV{lat}_2": 25.0},
    "CEA": {"PV{lat}_1": 0.7},
    "BON": {"PV{lat}_1": 45.0},
    "AIR": {"PV{lat}_1": 45.0},
}
OBLIQUE = ("TAN", "SIN", "ARC", "STG", "ZEA", "ZPN", "AZP", "SZP", "AIR")


@st.composite
def types(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the kinds of both axes, and the parameters of the projection."""
    code = draw(st.sampled_from(sorted({*PLAIN, *PARAMETERS})))
    lon, lat = draw(st.sampled_from([("RA", "DEC"), ("GLON", "GLAT"), ("ELON", "ELAT"), ("SLON", "SLAT")]))
    order = draw(st.sampled_from([(1, 2), (2, 1)]))
    sip = draw(st.booleans())
    cards: dict[str, Any] = {}
    for axis, name in zip(order, (lon, lat), strict=True):
        cards[f"CTYPE{axis}"] = f"{name:-<4}-{code}{'-SIP' if sip else ''}"
    needed = code in PARAMETERS and (code not in PLAIN or draw(st.booleans()) or code == "COE")
    if needed:
        cards |= {key.format(lat=order[1]): value for key, value in PARAMETERS[code].items()}
    # Away from the reference point, some projections of the whole sky end or fold.
    latitude = draw(st.floats(-85.0, 85.0)) if code in OBLIQUE else 0.0
    if code in ("COE", "COP"):
        latitude = 45.0
    # AST takes less than 0.4 mas of longitude for none.
    cards[f"CRVAL{order[0]}"] = draw(st.floats(0.01, 359.0))
    cards[f"CRVAL{order[1]}"] = latitude
    if sip:
        cards |= draw(polynomials())
    return cards


@st.composite
def old_types(draw: st.DrawFn) -> dict[str, Any]:
    """Draw conventions beside the standard: TPV by name and as SCAMP's TAN, NCP and GLS of AIPS, PROJP."""
    code = draw(st.sampled_from(["TPV", "TAN", "NCP", "GLS", "ZPN"]))
    # Where declination is first, astropy takes even a polynomial that changes nothing for a rotation.
    order = draw(st.sampled_from([(1, 2), (2, 1)][: 1 if code in ("TPV", "TAN") else None]))
    cards: dict[str, Any] = {}
    for axis, name in zip(order, ("RA", "DEC"), strict=True):
        cards[f"CTYPE{axis}"] = f"{name:-<4}-{code}"
    cards[f"CRVAL{order[0]}"] = draw(st.floats(0.01, 359.0))
    cards[f"CRVAL{order[1]}"] = draw(st.sampled_from([-1.0, 1.0])) * draw(st.floats(10.0, 80.0))
    if code == "ZPN":
        cards |= {"PROJP1": 1.0, "PROJP3": draw(st.floats(10.0, 300.0))}
    if code in ("TPV", "TAN"):
        powers = (
            dict.fromkeys((0, 1, 2, 3), 1) | dict.fromkeys((4, 5, 6), 2) | dict.fromkeys((7, 8, 9, 10, 11), 3)
        )
        for axis in (1, 2):
            terms = draw(st.lists(st.sampled_from(sorted(powers)), unique=True, max_size=5))
            values = {k: draw(st.floats(-1.0, 1.0)) * 1e-5 / 0.02 ** powers[k] for k in [*terms, 7]}
            cards |= {f"PV{axis}_{k}": value + (k == 1) for k, value in ({1: 0.0} | values).items()}
    return cards


@st.composite
def polynomials(draw: st.DrawFn) -> dict[str, Any]:
    cards: dict[str, Any] = {}
    for name in "AB":
        order = draw(st.integers(2, 5))
        cards[f"{name}_ORDER"] = order
        powers = [(p, q) for p in range(order + 1) for q in range(order + 1 - p) if p + q > 1]
        for p, q in draw(st.lists(st.sampled_from(powers), unique=True, max_size=5)):
            cards[f"{name}_{p}_{q}"] = draw(st.floats(-3.0, 3.0)) / 200.0 ** (p + q)
    return cards


@st.composite
def matrices(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a matrix in any way to write it: turned, skewed or turned over, with pixels of two lengths."""
    turn = draw(st.floats(-180.0, 180.0))
    sizes = [SCALE * draw(st.sampled_from([-1.0, 1.0])) * draw(st.floats(0.5, 2.0)) for _ in range(2)]
    kind = draw(
        st.sampled_from(["CD", "PC", "PC00", "CD00", "PC0", "CROTA", "CDELT", "PC alone", "part of CD"])
    )
    if kind == "CDELT":
        return {"CDELT1": sizes[0], "CDELT2": sizes[1]}
    if kind == "CROTA":
        return {"CDELT1": sizes[0], "CDELT2": sizes[1], "CROTA": turn}
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    rows = [[cosine, -sine], [sine, cosine + draw(st.floats(0.0, 0.1))]]
    if kind == "part of CD":
        return {"CD1_1": sizes[0], "CD2_2": sizes[1]}
    name = {"PC00": "PC00{}00{}", "CD00": "CD00{}00{}", "PC0": "PC0{}_0{}", "CD": "CD{}_{}"}.get(
        kind, "PC{}_{}"
    )
    scaled = kind in ("CD", "CD00", "PC alone")
    cards = {
        name.format(i + 1, j + 1): rows[i][j] * (sizes[i] if scaled else 1.0) for i in (0, 1) for j in (0, 1)
    }
    return cards if scaled else cards | {"CDELT1": sizes[0], "CDELT2": sizes[1]}


@st.composite
def headers(draw: st.DrawFn, kinds: st.SearchStrategy[dict[str, Any]]) -> fits.Header:
    cards = {"NAXIS": 2, "NAXIS1": SIZE[1], "NAXIS2": SIZE[0]} | draw(kinds)
    # With CDELT, astropy takes the polynomials of TPV to be of pixels.
    polynomial = any(re.fullmatch(r"PV._7", key) for key in cards)
    cards |= draw(matrices().filter(lambda matrix: not polynomial or "CDELT1" not in matrix))
    latitude = 1 if cards["CTYPE1"].split("-")[0].endswith(("LAT", "DEC")) else 2
    if "CROTA" in cards:
        cards[f"CROTA{latitude}"] = cards.pop("CROTA")
    cards |= {"CRPIX1": draw(st.floats(-100.0, 500.0)), "CRPIX2": draw(st.floats(-100.0, 400.0))}
    if cards["CTYPE1"].split("-")[-1] in OBLIQUE and draw(st.booleans()):
        cards |= {"LONPOLE": draw(st.sampled_from([180.0, 170.0, 10.0]))}
    unit = draw(st.sampled_from(["", "deg", "DEG", "degree"]))
    if unit:
        cards |= {"CUNIT1": unit, "CUNIT2": unit}
    # Of ecliptic axes, AST has the equinox of the sky, and changes it with the system.
    systems = [{}, {"WCSAXES": 2}, {"EQUINOX": "2000.0"}, {"RADESYS": "FK5", "EQUINOX": 1975.0}]
    cards |= draw(st.sampled_from(systems[: 2 if cards["CTYPE1"][0] == "E" else None]))
    if draw(st.booleans()):
        # Another description, which is not meant.
        cards |= {"CTYPE1A": "RA---SIN", "CRVAL1A": 10.0, "CD1_1A": 1.0, "CPDIS1A": "TPD"}
    texts = draw(st.sets(st.sampled_from(["CRVAL1", "CRVAL2", "CRPIX1"])))
    return fits.Header({key: str(value) if key in texts else value for key, value in cards.items()})


def native(projection: SkyProjection[Any], system: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return longitude and latitude (2, n) in degrees, in a system of AST."""
    mapping = projection.pixel_to_sky_transform._ast_mapping
    frames = astshim.FrameSet.fromString(mapping.show(False))
    frames._impl.set(system)
    return np.degrees(frames.applyForward(np.array([x, y])))


def vectors(sky: np.ndarray) -> np.ndarray:
    lon, lat = np.radians(sky)
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def theirs(header: fits.Header, x: np.ndarray, y: np.ndarray, hdus: Any = None) -> np.ndarray:
    """Return what astropy says, longitude first, in degrees."""
    cards = fits.Header([(card.keyword, card.value) for card in header.cards])
    for key in ("CRVAL1", "CRVAL2", "CRPIX1", "EQUINOX"):
        if isinstance(cards.get(key), str):
            cards[key] = float(cards[key])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wcs = WCS(cards, hdus)
        values = np.array(wcs.all_pix2world(x, y, 0))
    return values if wcs.wcs.lng == 0 else values[::-1]


def system_of(header: fits.Header) -> str:
    name = header["CTYPE1"].split("-")[0]
    name = {"DEC": "RA"}.get(name, name.replace("LAT", "LON"))
    if name == "RA" and "EQUINOX" in header:
        return f"System=FK5,Equinox=J{float(header['EQUINOX'])}"
    return f"System={AST_NAMES[name]}"


def errors(header: fits.Header, hdus: Any = None, tables: Any = None) -> np.ndarray:
    """Return the differences to astropy in pixels, over the image and beside it."""
    x, y = (
        values.ravel()
        for values in np.meshgrid(np.linspace(-20, SIZE[1] + 20, 7), np.linspace(-20, SIZE[0] + 20, 7))
    )
    expected = theirs(header, x, y, hdus)
    projection = projection_from_header(header, path="x.fits", hdu=0, tables=tables)
    sky = native(projection, system_of(header), x, y)
    apart = 2.0 * np.arcsin(0.5 * np.linalg.norm(vectors(sky) - vectors(expected), axis=0))
    finite = np.isfinite(expected).all(axis=0)
    assert finite.any()
    return np.degrees(apart[finite]) / (0.5 * SCALE)


@settings(max_examples=60)
@given(header=headers(old_types()))
def test_headers_beside_the_standard(header: fits.Header) -> None:
    assert errors(header).max() < 0.001


@settings(max_examples=150)
@given(header=headers(types()))
def test_headers_of_every_kind(header: fits.Header) -> None:
    assert errors(header).max() < 0.001

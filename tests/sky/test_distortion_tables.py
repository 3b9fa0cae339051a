"""Lookup tables of headers give the positions that astropy gives, also beside SIP."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.errors import ProjectionError
from lamella.sky.projection import projection_from_header

from .test_wcs_astropy import native, vectors

SCALE = 0.05 / 3600.0
TAN: dict[str, Any] = {
    "NAXIS": 2,
    "NAXIS1": 300,
    "NAXIS2": 200,
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.1,
    "CRVAL2": 2.2,
    "CRPIX1": 140.0,
    "CRPIX2": 90.0,
    "CD1_1": -SCALE,
    "CD1_2": 0.1 * SCALE,
    "CD2_1": 0.05 * SCALE,
    "CD2_2": SCALE,
}
SIP = {
    "CTYPE1": "RA---TAN-SIP",
    "CTYPE2": "DEC--TAN-SIP",
    "A_ORDER": 3,
    "B_ORDER": 2,
    "A_2_0": 8e-6,
    "A_1_1": -5e-6,
    "A_0_3": 1e-8,
    "B_0_2": -7e-6,
    "B_1_1": 6e-6,
}


def array_hdu(extname: str, version: int, shape: tuple[int, ...], seed: int, **cards: Any) -> fits.ImageHDU:
    values = np.random.default_rng(seed).normal(0.0, 0.05, shape).astype(np.float32)
    hdu = fits.ImageHDU(values, fits.Header(cards), name=extname)
    hdu.ver = version
    return hdu


def record(name: str, version: int) -> list[tuple[str, str]]:
    return [(name, text) for text in (f"EXTVER: {version}", "NAXES: 2", "AXIS.1: 1", "AXIS.2: 2")]


def header(*names: tuple[str, str, int], **more: Any) -> fits.Header:
    """Return a header that asks for tables: card, record and version of each."""
    cards = fits.Header(TAN | more)
    for card, name, version in names:
        cards[card] = "Lookup"
        for key, text in record(name, version):
            cards.append(fits.Card.fromstring(f"{key:<8}= '{text}'"), end=True)
    return cards


def read_from(hdus: fits.HDUList) -> Any:
    return lambda name, version: (hdus[name, version].data, hdus[name, version].header)


def errors(cards: fits.Header, hdus: fits.HDUList) -> np.ndarray:
    """Return the differences to astropy in pixels, over the image and a margin."""
    x, y = np.random.default_rng(5).uniform(-40, (340, 240), (300, 2)).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.array(WCS(cards.copy(), hdus).all_pix2world(x, y, 0))
        plain = np.array(WCS(cards.copy(), hdus).wcs_pix2world(x, y, 0))
    # The tables, and SIP, do something.
    assert np.abs(vectors(expected) - vectors(plain)).max() > np.radians(0.05 * SCALE)
    projection = projection_from_header(cards, path="x.fits", hdu=1, tables=read_from(hdus))
    there = projection.pixel_to_sky(x=x, y=y)
    back = projection.sky_to_pixel(there)
    assert np.hypot(back.x - x, back.y - y).max() < 1e-6
    sky = native(projection, "System=ICRS", x, y)
    return np.asarray(np.degrees(np.linalg.norm(vectors(sky) - vectors(expected), axis=0)) / SCALE)


@st.composite
def lookups(draw: st.DrawFn) -> tuple[fits.Header, fits.HDUList]:
    """Draw tables of any size and lattice, for any of the four corrections, with SIP or without."""
    # astropy cannot read CPDIS of one axis alone.
    both, first, second = [("CPDIS1", "DP1"), ("CPDIS2", "DP2")], ("D2IMDIS1", "D2IM1"), ("D2IMDIS2", "D2IM2")
    kinds = [both, [*both, first], [*both, first, second], [second], [first, second]]
    chosen = draw(st.sampled_from(kinds))
    names, hdus = [], [fits.PrimaryHDU()]
    for number, (card, name) in enumerate(chosen, start=3):
        shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 12)))
        cards = {
            "CRPIX1": draw(st.sampled_from([0.0, 1.0, 2.5])),
            "CRPIX2": draw(st.sampled_from([0.0, 1.0])),
        }
        cards |= {
            "CRVAL1": draw(st.sampled_from([0.0, 1.0, 100.0])),
            "CRVAL2": draw(st.sampled_from([-30.0, 1.0])),
        }
        cards |= {"CDELT1": draw(st.floats(5.0, 64.0)), "CDELT2": draw(st.floats(5.0, 64.0))}
        hdus.append(array_hdu("WCSDVARR" if card[0] == "C" else "D2IMARR", number, shape, number, **cards))
        names.append((card, name, number))
    return header(*names, **(SIP if draw(st.booleans()) else {})), fits.HDUList(hdus)


@settings(max_examples=60)
@given(pair=lookups())
def test_any_tables(pair: tuple[fits.Header, fits.HDUList]) -> None:
    assert errors(*pair).max() < 0.001


def test_table_of_a_column_of_pixels() -> None:
    for axis in (1, 2):
        cards = header(AXISCORR=axis, **SIP)
        hdus = fits.HDUList([fits.PrimaryHDU(), array_hdu("D2IMARR", 1, (300,), 1, CRPIX1=1.0, CRVAL1=1.0)])
        assert errors(cards, hdus).max() < 0.001


@pytest.mark.parametrize("folder", ["hst-flc-lookup", "hst-flc-sip"])
def test_real_headers_of_hst(shared: Path, folder: str) -> None:
    path = shared / "data" / "formats" / folder / "j94f05bgq_flc.fits"
    with fits.open(path) as hdus:
        for number in (1, 2):
            cards = hdus["SCI", number].header
            x, y = np.random.default_rng(5).uniform(-50, 170, (2, 300))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = np.array(WCS(cards.copy(), hdus).all_pix2world(x, y, 0))
            projection = projection_from_header(cards, path=path, hdu=1, tables=read_from(hdus))
            sky = native(projection, "System=ICRS", x, y)
            apart = np.degrees(np.linalg.norm(vectors(sky) - vectors(expected), axis=0)) / SCALE
            assert apart.max() < 0.0001


def test_records_may_be_texts_and_versions_have_a_default() -> None:
    hdus = fits.HDUList([fits.PrimaryHDU(), array_hdu("WCSDVARR", 1, (4, 5), 1, CDELT1=64.0, CDELT2=64.0)])
    full = header(("CPDIS1", "DP1", 1))
    texts = TAN | {"CPDIS1": "LOOKUP", "DP1": "EXTVER: 1.0"}
    bare = TAN | {"CPDIS1": "LOOKUP"}
    skies = [
        projection_from_header(cards, path="x", hdu=1, tables=read_from(hdus)).pixel_to_sky(x=50.0, y=60.0)
        for cards in (full, texts, bare)
    ]
    assert max(skies[0].separation(sky).to_value("mas") for sky in skies) < 1e-6


def test_one_table_alone_leaves_the_other_coordinate() -> None:
    values = [array_hdu("WCSDVARR", 1, (4, 5), 1, CDELT1=64.0, CDELT2=64.0)]
    values.append(array_hdu("WCSDVARR", 2, (4, 5), 1, CDELT1=64.0, CDELT2=64.0))
    values[1].data[:] = 0.0
    hdus = fits.HDUList([fits.PrimaryHDU(), *values])
    alone, both = (
        header(("CPDIS1", "DP1", 1), **SIP),
        header(("CPDIS1", "DP1", 1), ("CPDIS2", "DP2", 2), **SIP),
    )
    assert errors(both, hdus).max() < 0.001
    skies = [
        projection_from_header(cards, path="x", hdu=1, tables=read_from(hdus)).pixel_to_sky(x=50.0, y=60.0)
        for cards in (alone, both)
    ]
    assert skies[0].separation(skies[1]).to_value("mas") < 1e-6


def sky_of(values: np.ndarray, nodes: dict[str, float], **record: int) -> Any:
    """Return where pixels are with a table for x, whose record says something of its axes."""
    cards = (
        TAN | {"CPDIS1": "LOOKUP"} | {f"DP1.{key.replace('_', '.')}": value for key, value in record.items()}
    )
    projection = projection_from_header(cards, path="x", hdu=1, tables=lambda name, version: (values, nodes))
    return projection.pixel_to_sky(x=np.array([3.0, 90.0, 250.0]), y=np.array([150.0, 20.0, 80.0]))


def test_the_columns_of_a_table_may_lie_along_y() -> None:
    values = np.random.default_rng(0).normal(0.0, 0.1, (4, 6))
    nodes = {"CRPIX1": 1.0, "CRPIX2": 2.0, "CRVAL1": 5.0, "CRVAL2": -7.0, "CDELT1": 60.0, "CDELT2": 70.0}
    turned = {key[:-1] + {"1": "2", "2": "1"}[key[-1]]: value for key, value in nodes.items()}
    apart = sky_of(values, nodes).separation(sky_of(values.T, turned, NAXES=2, AXIS_1=2, AXIS_2=1))
    assert apart.to_value("mas").max() < 1e-6


@pytest.mark.parametrize("along", [1, 2])
def test_a_table_of_one_axis(along: int) -> None:
    line, nodes = np.random.default_rng(0).normal(0.0, 0.1, 6), {"CDELT1": 60.0, "CDELT2": 60.0}
    plane = np.tile(line, (3, 1)) if along == 1 else np.tile(line[:, np.newaxis], (1, 3))
    apart = sky_of(plane, nodes).separation(sky_of(line, nodes, NAXES=1, AXIS_1=along))
    assert apart.to_value("mas").max() < 1e-6


def test_pixels_that_begin_elsewhere() -> None:
    hdus = fits.HDUList([fits.PrimaryHDU(), array_hdu("WCSDVARR", 1, (4, 5), 1, CDELT1=64.0, CDELT2=64.0)])
    cards = header(("CPDIS1", "DP1", 1), **SIP)
    plain = projection_from_header(cards, path="x", hdu=1, tables=read_from(hdus))
    moved = projection_from_header(cards, path="x", hdu=1, tables=read_from(hdus), start=(-50, 1000))
    apart = plain.pixel_to_sky(x=50.0, y=60.0).separation(moved.pixel_to_sky(x=1050.0, y=10.0))
    assert apart.to_value("mas") < 1e-6


@pytest.mark.parametrize(
    ("change", "table", "message"),
    [
        (
            {"DP1.AXIS.1": 2},
            {},
            r"DP1.AXIS.1: found 2 axes, \[2.0, 2.0\]; expected axes 1 and 2 of the image",
        ),
        ({"DP1.OFFSET.1": 3.0}, {}, "DP1.OFFSET.1: found 3.0; expected EXTVER, NAXES and AXIS"),
        ({"DP1.NAXES": 1e9}, {}, "DP1.AXIS.1: found 1e[+]09 axes"),
        ({}, {"CDELT1": 1e300}, "WCSDVARR,1, CDELT1: found 1e[+]300; expected the distance of two nodes"),
        ({"AXISCORR": 3}, {}, "AXISCORR: found 3; expected 1 or 2"),
        ({"AXISCORR": 1, "D2IMDIS1": "LOOKUP"}, {}, "AXISCORR, D2IMDIS1: found two corrections"),
        ({}, {"CDELT1": 0.0}, "WCSDVARR,1, CDELT1: found 0; expected the distance of two nodes"),
        ({}, {"CRVAL2": "here"}, "WCSDVARR,1, CRVAL2: found 'here'"),
    ],
)
def test_faults_are_named(change: dict[str, Any], table: dict[str, Any], message: str) -> None:
    hdus = fits.HDUList([fits.PrimaryHDU(), array_hdu("WCSDVARR", 1, (4, 5), 1, **table)])
    with pytest.raises(ProjectionError, match=message):
        projection_from_header(TAN | {"CPDIS1": "LOOKUP"} | change, path="x", hdu=1, tables=read_from(hdus))


def test_tables_are_checked_and_bounded() -> None:
    def read(values: np.ndarray) -> Any:
        return lambda name, version: (values, {"CDELT1": 1.0, "CDELT2": 1.0})

    for values, message in (
        (
            np.full((3, 3), np.nan),
            "found an array of shape .3, 3.; expected two dimensions of finite numbers",
        ),
        (np.zeros((2, 3, 4)), "two dimensions of finite numbers"),
        (np.zeros((1100, 1000)), "CPDIS1: found tables of 1100000 nodes; expected at most 1048576"),
    ):
        with pytest.raises(ProjectionError, match=message):
            projection_from_header(TAN | {"CPDIS1": "LOOKUP"}, path="x", hdu=1, tables=read(values))

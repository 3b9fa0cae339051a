from __future__ import annotations

import math
import pickle
import warnings
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from lsst.images import Box, SkyProjection, TractFrame

from lamella.errors import ProjectionError
from lamella.sky.projection import projection_from_header, same_grid

SCALE = 0.2 / 3600
TAN: dict[str, Any] = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.1,
    "CRVAL2": 2.2,
    "CRPIX1": 1000.0,
    "CRPIX2": 900.0,
    "CD1_1": -SCALE,
    "CD1_2": 0.02 * SCALE,
    "CD2_1": 0.03 * SCALE,
    "CD2_2": SCALE,
}
SIP: dict[str, Any] = {
    "A_ORDER": 3,
    "B_ORDER": 2,
    "A_2_0": 5e-7,
    "A_1_1": -3e-7,
    "A_0_3": 2e-11,
    "B_0_2": 4e-7,
    "B_1_1": 1e-7,
}
PV: dict[str, Any] = {
    "PV1_0": 2e-5,
    "PV1_1": 1.002,
    "PV1_2": 1e-4,
    "PV1_4": 2e-3,
    "PV1_7": -0.012,
    "PV2_1": 0.999,
    "PV2_5": 3e-3,
    "PV2_9": 0.01,
}


def read(header: Any, **options: Any) -> SkyProjection[Any]:
    return projection_from_header(header, path="image.fits", hdu=1, **options)


def astropy_wcs(header: Any) -> WCS:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(header if isinstance(header, fits.Header) else fits.Header(list(header.items())))


def assert_same_sky(header: Any, shape: tuple[int, int], *, tolerance: float = 1e-6) -> None:
    """Compare with astropy, forward and back, in pixels."""
    projection, wcs = read(header), astropy_wcs(header)
    rng = np.random.default_rng(0)
    y, x = (rng.uniform(0, n, 300) for n in shape)
    expected = wcs.pixel_to_world(x, y).icrs
    back = projection.sky_to_pixel(expected)
    assert np.hypot(back.x - x, back.y - y).max() < tolerance
    scale = projection.pixel_to_sky(x=0.0, y=0.0).separation(projection.pixel_to_sky(x=1.0, y=0.0))
    apart = projection.pixel_to_sky(x=x, y=y).separation(expected)
    assert (apart / scale).to_value("").max() < tolerance


@pytest.mark.parametrize("number", range(9))
def test_decam_tpv(shared: Path, number: int) -> None:
    path = sorted((shared / "data" / "decam" / "images").glob("*ooi*.fits"))[number]
    header = fits.getheader(path, 1)
    assert header["CTYPE1"] == "RA---TPV"
    assert_same_sky(header, (250, 250))


@pytest.mark.parametrize("number", range(4))
def test_sdss_with_right_ascension_along_rows(shared: Path, number: int) -> None:
    path = sorted((shared / "data" / "sdss").glob("fpC-*.fit.gz"))[number]
    assert_same_sky(fits.getheader(path, 0), (1489, 2048))


@pytest.mark.parametrize(
    ("extra", "types"),
    [
        ({}, "TAN"),
        (SIP, "TAN-SIP"),
        (PV, "TPV"),
        ({"LONPOLE": 170.0}, "TAN"),
        ({}, "SIN"),
        ({}, "ZEA"),
        ({}, "STG"),
        ({"PV2_0": 0.0, "PV2_1": 1.0, "PV2_3": -50.0}, "ZPN"),
        ({"RADESYS": "ICRS"}, "TAN"),
        ({"CUNIT1": "arcsec", "CUNIT2": "arcsec"}, "TAN"),
    ],
)
def test_same_as_astropy(extra: dict[str, Any], types: str) -> None:
    header = TAN | {"CTYPE1": f"RA---{types}", "CTYPE2": f"DEC--{types}"} | extra
    if extra.get("CUNIT1") == "arcsec":
        header |= {key: 3600 * TAN[key] for key in TAN if key[:2] == "CD" or key[:5] == "CRVAL"}
    assert_same_sky(header, (1800, 2000))


@pytest.mark.parametrize(
    ("extra", "shift_mas", "tolerance_mas"),
    [
        ({"RADESYS": "FK5", "EQUINOX": 2000.0}, 20, 0.1),
        ({"EQUINOX": 2000.0}, 20, 0.1),
        # The two take other models of precession.
        ({"RADESYS": "FK5", "EQUINOX": 1985.5}, 1e5, 20),
    ],
)
def test_fk5_is_taken_to_icrs(extra: dict[str, Any], shift_mas: float, tolerance_mas: float) -> None:
    found = read(TAN | extra).pixel_to_sky(x=999.0, y=899.0)
    expected = SkyCoord(150.1 * u.deg, 2.2 * u.deg, frame="fk5", equinox=f"J{extra['EQUINOX']}").icrs
    assert found.separation(expected).to_value("mas") < tolerance_mas
    assert found.separation(SkyCoord(150.1 * u.deg, 2.2 * u.deg)).to_value("mas") > shift_mas


def test_galactic_axes_are_taken_to_icrs() -> None:
    header = TAN | {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}
    found = read(header).pixel_to_sky(x=999.0, y=899.0)
    # AST and astropy do not quite agree on the galactic pole.
    assert found.separation(SkyCoord(150.1 * u.deg, 2.2 * u.deg, frame="galactic")).to_value("mas") < 2.0


@pytest.mark.parametrize("extra", [{}, SIP, PV])
def test_axes_may_be_swapped(extra: dict[str, Any]) -> None:
    kind = "TPV" if extra is PV else "TAN-SIP" if extra else "TAN"
    plain = TAN | {"CTYPE1": f"RA---{kind}", "CTYPE2": f"DEC--{kind}"} | extra
    other = {"1": "2", "2": "1"}
    swapped: dict[str, Any] = {}
    for key, value in plain.items():
        if key[:5] in ("CTYPE", "CRVAL"):
            swapped[key[:5] + other[key[5]]] = value
        elif key[:2] in ("CD", "PV"):
            swapped[key[:2] + other[key[2]] + key[3:]] = value
        else:
            swapped[key] = value
    one, two = (read(header).pixel_to_sky(x=300.0, y=1500.0) for header in (plain, swapped))
    assert one.separation(two).to_value("mas") < 1e-6


def test_sip_without_its_name_is_honoured() -> None:
    named = read(TAN | {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"} | SIP)
    found = read(TAN | SIP).pixel_to_sky(x=10.0, y=20.0)
    assert found.separation(named.pixel_to_sky(x=10.0, y=20.0)).to_value("mas") < 1e-6
    assert found.separation(read(TAN).pixel_to_sky(x=10.0, y=20.0)).to_value("mas") > 50


def test_scamp_tan_is_tpv() -> None:
    found = read(TAN | PV).pixel_to_sky(x=10.0, y=20.0)
    tpv = read(TAN | {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"} | PV).pixel_to_sky(x=10.0, y=20.0)
    assert found.separation(tpv).to_value("mas") < 1e-6
    assert found.separation(read(TAN).pixel_to_sky(x=10.0, y=20.0)).to_value("mas") > 50


def test_type_decides_between_sip_and_pv() -> None:
    sip = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"}
    tpv = {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"}
    for names, terms in ((sip, SIP), (tpv, PV)):
        both, one = (read(TAN | names | extra).pixel_to_sky(x=10.0, y=20.0) for extra in (SIP | PV, terms))
        assert both.separation(one).to_value("mas") < 1e-6
    with pytest.raises(ProjectionError, match="A_ORDER, PV1_7: found SIP terms beside TAN with PV terms"):
        read(TAN | SIP | PV)


def test_inverse_sip_of_the_header_is_not_used() -> None:
    inverse = {"AP_ORDER": 2, "BP_ORDER": 2, "AP_2_0": 3e-6, "BP_0_2": -3e-6}
    projection = read(TAN | {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"} | SIP | inverse)
    x, y = np.random.default_rng(1).uniform(0, 2000, (2, 200))
    back = projection.sky_to_pixel(projection.pixel_to_sky(x=x, y=y))
    assert np.hypot(back.x - x, back.y - y).max() < 1e-6


def test_old_ways_to_write_the_matrix() -> None:
    turn = math.radians(25.0)
    base = {key: value for key, value in TAN.items() if not key.startswith("CD")}
    rotated = base | {"CDELT1": -SCALE, "CDELT2": 2 * SCALE, "CROTA2": 25.0}
    pc = base | {"CDELT1": -SCALE, "CDELT2": 2 * SCALE}
    pc |= {
        "PC1_1": math.cos(turn),
        "PC1_2": 2 * math.sin(turn),
        "PC2_1": -math.sin(turn) / 2,
        "PC2_2": math.cos(turn),
    }
    plain = base | {"CDELT1": -SCALE, "CDELT2": 2 * SCALE}
    for header in (rotated, pc, plain):
        assert_same_sky(header, (1800, 2000))
    one, two = (read(header).pixel_to_sky(x=10.0, y=20.0) for header in (rotated, pc))
    assert one.separation(two).to_value("mas") < 1e-6


def test_first_pixel_may_have_other_coordinates() -> None:
    plain, moved = read(TAN), read(TAN, start=(-7, 50))
    one, two = plain.pixel_to_sky(x=3.0, y=4.0), moved.pixel_to_sky(x=53.0, y=-3.0)
    assert one.separation(two).to_value("mas") < 1e-6


def test_frame_is_kept() -> None:
    frame = TractFrame(skymap="rings", tract=3, bbox=Box.factory[0:10, 0:10])
    assert read(TAN, pixel_frame=frame).pixel_frame == frame


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"CTYPE1": None, "CTYPE2": None}, "CTYPE1, CTYPE2: found no projection to the sky"),
        ({"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"}, "CTYPE1: found 'LINEAR'"),
        ({"CTYPE1": "RA---ZPX", "CTYPE2": "DEC--ZPX"}, "WAT1_001, projp: found no parameters of ZPX"),
        ({"CTYPE1": "RA---TPD", "CTYPE2": "DEC--TPD"}, "CTYPE1: found 'RA---TPD'"),
        ({"CTYPE1": "RA---TAB", "CTYPE2": "DEC--TAB"}, "CTYPE1: found 'RA---TAB'"),
        ({"CTYPE1": "RA---TAN-XYZ", "CTYPE2": "DEC--TAN-XYZ"}, "CTYPE1: found 'RA---TAN-XYZ'"),
        ({"CTYPE2": "DEC--SIN"}, "expected a pair of celestial axes"),
        ({"CTYPE2": "GLAT-TAN"}, "expected a pair of celestial axes"),
        ({"CRVAL1": math.nan}, "CRVAL1: found nan; expected a finite number"),
        ({"CRPIX2": math.inf}, "CRPIX2: found inf"),
        ({"CRVAL2": None}, "CRVAL2: found nothing"),
        ({"CRVAL2": "here"}, "CRVAL2: found 'here'"),
        ({"CD1_2": math.nan}, "CD1_2: found nan"),
        ({"CD1_1": 0.0, "CD1_2": 0.0}, "found the singular matrix"),
        ({"CD1_1": 1e300}, "found the singular matrix"),
        ({"CD1_1": None, "CD1_2": None, "CD2_1": None, "CD2_2": None}, "neither a CD matrix nor CDELT"),
        ({"CUNIT1": "s"}, "CUNIT1: found 's'; expected a unit of angle"),
        ({"RADESYS": "MOON"}, "RADESYS: found 'MOON'"),
        ({"CPDIS1": "LOOKUP"}, "CPDIS1: found a lookup table; expected the file that holds it"),
        ({"CPDIS1": "TPD"}, "CPDIS1: found 'TPD'; expected no distortion but SIP, TPV or a lookup table"),
        ({"CQDIS2": "LOOKUP"}, "CQDIS2"),
        ({"D2IMDIS1": "Lookup"}, "D2IMDIS1"),
        ({"AXISCORR": 1}, "AXISCORR: found a lookup table"),
        (
            {"WAT1_001": "wtype=tnx axtype=ra lngcor = '3. 4. 4.'"},
            "CTYPE1, WAT1_001: found TAN beside a correction of IRAF; expected TNX or ZPX",
        ),
        ({"AP_ORDER": 2, "AP_2_0": 1e-7}, "AP_ORDER: found an inverse distortion alone"),
        (
            {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"},
            "CTYPE1, A_ORDER: found SIP without its terms",
        ),
        ({"A_ORDER": 2, "A_2_0": 1e-7}, "B_ORDER: found nothing"),
        (
            {"A_ORDER": 2, "B_ORDER": 2, "A_2_2": 1e-9},
            "A_2_2: found a term; expected no term beyond A_ORDER = 2",
        ),
        ({"A_ORDER": 2.5, "B_ORDER": 2}, "A_ORDER: found 2.5; expected an integer"),
        ({"A_ORDER": 2, "B_ORDER": 2, "A_2_0": math.nan}, "A_2_0: found nan"),
        ({"CTYPE1": "RA---TNX", "CTYPE2": "DEC--TNX"} | SIP, "CTYPE1, A_ORDER: found TNX with SIP"),
        (
            {"CTYPE1": "RA---NCP", "CTYPE2": "DEC--NCP", "CRVAL2": 0.0},
            "CTYPE1, CRVAL2: found NCP on the equator",
        ),
        ({"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_40": 1.0}, "PV1_40: found a term"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    header = {key: value for key, value in (TAN | change).items() if value is not None}
    with pytest.raises(ProjectionError) as caught:
        read(header)
    assert message in str(caught.value)
    assert str(caught.value).startswith("image.fits, HDU 1, ")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_parameters_that_a_projection_lacks_are_missed_at_once() -> None:
    with pytest.raises(
        ProjectionError, match=r"HDU 1: found a projection that AST cannot read .*PV2_1 was not"
    ):
        read(TAN | {"CTYPE1": "RA---BON", "CTYPE2": "DEC--BON"})


def test_grids_are_the_same_when_their_pixels_are_within_the_tolerance() -> None:
    box = Box.factory[0:1000, 0:2000]

    def shifted(dx: float, frame: TractFrame | None = None) -> SkyProjection[Any]:
        cards = TAN | {"CRPIX1": TAN["CRPIX1"] + dx}
        return projection_from_header(cards, path="t", hdu=0, pixel_frame=frame)

    first = shifted(0.0)
    assert same_grid(first, shifted(0.0), box)
    assert same_grid(first, shifted(5e-7), box)
    assert not same_grid(first, shifted(5e-6), box)
    assert same_grid(first, shifted(5e-6), box, tolerance=1e-5)
    # The other side of the sky has no pixel.
    far = projection_from_header(TAN | {"CRVAL1": 330.1, "CRVAL2": -2.2}, path="t", hdu=0)
    assert not same_grid(first, far, box)
    tracts = [shifted(0.0, TractFrame(skymap="rings", tract=number, bbox=box)) for number in (1, 1, 2)]
    assert same_grid(tracts[0], tracts[1], box)
    assert not same_grid(tracts[0], tracts[2], box)
    # One that does not say its tract may be of any.
    assert same_grid(first, tracts[2], box)


def test_a_pc_matrix_that_contradicts_the_cd_matrix_is_refused() -> None:
    pc = {f"PC{i}_{j}": TAN[f"CD{i}_{j}"] / SCALE for i in (1, 2) for j in (1, 2)}
    same = TAN | pc | {"CDELT1": SCALE, "CDELT2": SCALE}
    assert same_grid(read(same), read(TAN), Box.factory[0:1800, 0:2000])
    with pytest.raises(
        ProjectionError, match=r"HDU 1, CD1_1, PC1_1: found the CD matrix .* beside CDELT and PC"
    ):
        read(same | {"PC1_2": 0.5})

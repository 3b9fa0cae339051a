"""The pixels of an image as a sky map: exactly its projection and shape."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import ConfigError, ProjectionError, UnreadableFileError
from lamella.fits.headers import projection_header
from lamella.sky.image import skymap_from_header
from lamella.sky.projection import projection_from_header
from lamella.sky.registry import make_skymap, skymap_from_json

SHAPE = (500, 600)
SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-6, "B_0_2": -2e-6, "A_1_1": 3e-7}


def header(longitude: str = "RA", latitude: str = "DEC", code: str = "TAN", **cards: Any) -> fits.Header:
    """Return the header of an image with pixels of 0.2 arcsec, turned by 17 degrees."""
    turn, step = np.radians(17.0), 0.2 / 3600
    values = {
        "CTYPE1": f"{longitude:-<5}{code}",
        "CTYPE2": f"{latitude:-<5}{code}",
        "CRVAL1": 150.123456789,
        "CRVAL2": 2.2,
        "CRPIX1": 300.5,
        "CRPIX2": 250.25,
        "CD1_1": -step * np.cos(turn),
        "CD1_2": step * np.sin(turn),
        "CD2_1": step * np.sin(turn),
        "CD2_2": step * np.cos(turn),
    }
    return fits.Header(values | cards)


@pytest.mark.parametrize(
    "cards",
    [
        header(RADESYS="ICRS"),
        header(RADESYS="FK5", EQUINOX=2000.0),
        header("GLON", "GLAT"),
        header(code="ZEA"),
        header(code="TAN-SIP", **SIP),
        header("DEC", "RA", CRVAL1=2.2, CRVAL2=150.1),
    ],
    ids=["icrs", "fk5", "galactic", "zea", "sip", "flipped"],
)
def test_its_tract_has_the_pixels_of_the_image(cards: fits.Header) -> None:
    tract = skymap_from_header(cards, SHAPE, path="a.fits")[0]
    assert (tract.bbox.y.start, tract.bbox.x.start, *tract.bbox.shape) == (0, 0, *SHAPE)
    assert tuple(tract.n_patches) == (1, 1)
    patch = tract.patch(0)
    assert patch.inner_bbox == patch.outer_bbox == tract.bbox
    assert tract.pixel_scale.value == pytest.approx(0.2, rel=1e-3)
    x, y = np.meshgrid(np.linspace(-0.5, 599.5, 5), np.linspace(-0.5, 499.5, 5))
    ours, expected = tract.projection.pixel_to_sky(x=x, y=y), WCS(cards).pixel_to_world(x, y).icrs
    # The pole of the galaxy is not the same to all digits in astropy and AST.
    assert ours.separation(expected).mas.max() < (2.0 if "GLON" in cards["CTYPE1"] else 1e-5)
    written = WCS(projection_header(tract.projection.as_fits_wcs(tract.bbox), tract.bbox, "a.fits"))
    assert ours.separation(written.pixel_to_world(x, y).icrs).mas.max() < 1e-4


@given(
    st.floats(0, 360, exclude_max=True), st.floats(-85, 85), st.floats(0.1, 2.0),
    st.sampled_from([0.0, 30.0, -123.4]), st.integers(50, 900), st.integers(50, 900),
)  # fmt: skip
def test_the_same_grid_by_name_and_by_header_has_the_same_bits(
    ra: float, dec: float, scale: float, rotation: float, width: int, height: int
) -> None:
    options = {"ra": round(ra, 6), "dec": round(dec, 6), "width": width, "height": height}
    options |= {"pixel_scale": float(f"{scale:.4g}"), "rotation": rotation}
    named = make_skymap("field", options | {"patches": {"inner": (width, height)}})[0]
    projection, box = named.projection, named.bbox
    cards = projection_header(projection.as_fits_wcs(box, allow_approximation=True), box, "a.fits")
    x, y = np.random.default_rng(1).uniform(0, 900, (2, 200))
    sky, again = (
        tract.projection.pixel_to_sky(x=x, y=y)
        for tract in (named, skymap_from_header(cards, box.shape, path="a.fits")[0])
    )
    assert (sky.ra.deg.tobytes(), sky.dec.deg.tobytes()) == (again.ra.deg.tobytes(), again.dec.deg.tobytes())


def test_patches_cover_the_image_and_no_more() -> None:
    tract = skymap_from_header(header(), SHAPE, path="a.fits", patch_size=256, patch_border=20)[0]
    assert tuple(tract.n_patches) == (3, 2)
    counts = np.zeros(SHAPE, int)
    for patch in tract:
        counts[patch.inner_bbox.slice_within(tract.bbox)] += 1
        assert tract.bbox.contains(patch.outer_bbox)
        assert patch in tract.overlapping_patches(patch.polygon)
    assert (counts == 1).all()
    assert tract.patch("2,1").inner_bbox.shape == (244, 88)
    assert tract.find_patch(tract.center).label == "1,0"


def test_it_survives_files_and_processes() -> None:
    skymap = skymap_from_header(header(code="TAN-SIP", **SIP), SHAPE, path="a.fits", name="mine")
    for again in (skymap_from_json(skymap.to_json()), pickle.loads(pickle.dumps(skymap))):
        assert again == skymap
        assert again.identity == skymap.identity
    assert "STG" not in skymap.to_json()
    other = skymap_from_header(header(), SHAPE, path="a.fits")
    assert other.identity != skymap.identity
    assert pickle.loads(pickle.dumps(skymap[0])) == skymap[0]


def test_what_is_no_grid_is_refused() -> None:
    with pytest.raises(ProjectionError, match=r"a\.fits, HDU 3, CTYPE1, CTYPE2"):
        skymap_from_header(fits.Header(), SHAPE, path="a.fits", hdu=3)
    with pytest.raises(ProjectionError, match=r"found the projection RA---TPV.*cannot be written"):
        skymap_from_header(header(code="TPV", PV1_1=1.0, PV1_4=1e-1, PV2_1=1.0), SHAPE, path="a.fits")
    with pytest.raises(ConfigError, match="CD1_1"):
        make_skymap(
            "image", {"cards": [("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN")], "width": 3, "height": 3}
        )
    text = skymap_from_header(header(), SHAPE, path="a.fits").to_json()
    with pytest.raises(UnreadableFileError, match="identity"):
        skymap_from_json(text.replace('"width": 600', '"width": 601'))


def test_a_small_scamp_distortion_is_not_lost() -> None:
    cards = header(code="TPV", PV1_1=1.0, PV1_4=1e-3, PV2_1=1.0)
    with pytest.raises(ProjectionError):
        skymap_from_header(cards, SHAPE, path="a.fits")
    x, y = np.array([0.0, 599.0]), np.array([0.0, 499.0])
    with_terms = projection_from_header(cards, path="a.fits", hdu=0).pixel_to_sky(x=x, y=y)
    without = projection_from_header(header(), path="a.fits", hdu=0).pixel_to_sky(x=x, y=y)
    assert with_terms.separation(without).mas.max() > 0.1

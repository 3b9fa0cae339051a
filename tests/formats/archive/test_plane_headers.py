"""Headers of planes are those that `lsst.images` writes."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from lsst.images import Box, GeneralFrame, Mask, MaskedImage, MaskSchema, SkyProjection
from lsst.images.fits import ExtensionKey

from lamella.formats.archive.write import plane_headers
from lamella.planes import make_schema
from lamella.sky.projection import projection_from_header

from ...makers import make_planes
from .test_write import make_projection

SHAPE = (20, 30)
BOX = Box.factory[7 : 7 + SHAPE[0], -3 : -3 + SHAPE[1]]
STRUCTURE = {"XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "EXTNAME", "DATE"}


def odd_projection() -> SkyProjection[GeneralFrame]:
    """A projection whose numbers have all their digits, with a distortion that FITS headers hold."""
    cards = {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "CRVAL1": 359.87654321987, "CRVAL2": -1e-7 / 3}
    cards |= {"CRPIX1": 1e4 / 7, "CRPIX2": -1e-3 / 7, "PV1_1": 1.0, "PV2_1": 1.0, "PV1_4": 1e-5 / 3}
    cards |= {"CD1_1": -2e-4 / 3, "CD1_2": 1e-9 / 3, "CD2_1": 1e-5 / 7, "CD2_2": 2e-4 / 3}
    return projection_from_header(cards, path="odd", hdu=0)


def make_image(projection: SkyProjection[GeneralFrame] | None, unit: u.UnitBase | None) -> MaskedImage:
    schema = make_schema(["EXTRA_PLANE"])
    return make_planes(np.zeros(SHAPE), 1.0, box=BOX, schema=schema, unit=unit, projection=projection)


@pytest.mark.parametrize("projection", [make_projection, odd_projection, lambda: None])
@pytest.mark.parametrize("unit", [u.nJy, u.imperial.inch, None])
def test_headers_are_those_of_lsst_images(projection, unit, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    image = make_image(projection(), unit)
    image.write(str(tmp_path / "a.fits"), compression_options=dict.fromkeys(("image", "mask", "variance")))
    headers = plane_headers(image)
    with fits.open(tmp_path / "a.fits") as hdus:
        for name in ("IMAGE", "MASK", "VARIANCE"):
            cards = [str(card) for card in hdus[name].header.cards if card.keyword not in STRUCTURE]
            assert headers[ExtensionKey(name)].decode("ascii") == "".join(cards)


def test_masks_that_are_stored_in_another_way_are_left_out() -> None:
    image = make_image(make_projection(), u.nJy)
    schema = MaskSchema([None, *make_schema()], dtype=np.int32)
    image._mask = Mask(image.mask.array, bbox=BOX, schema=schema)
    assert {key.name for key in plane_headers(image)} == {"IMAGE", "VARIANCE"}

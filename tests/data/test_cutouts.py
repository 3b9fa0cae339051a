"""Parts of coadds around positions."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.nddata import Cutout2D
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.images import Box

import lamella
from lamella.data.cutouts import box_around
from lamella.data.inputs import CoaddTarget
from lamella.errors import NoOverlapError, WrongTypeError

from ..makers import WarpMaker, varied_warps
from ..same import COUNTS, assert_same_planes

MAKER = WarpMaker()
TARGET = CoaddTarget(outer_bbox=MAKER.bbox, projection=MAKER.projection)


@pytest.fixture(scope="module")
def coadd() -> lamella.PatchCoadd:
    return lamella.assemble(varied_warps(MAKER), lamella.AssembleConfig(statistic="MEAN"), target=TARGET)


@given(
    x=st.floats(-5, 30),
    y=st.floats(-5, 25),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
)
@settings(max_examples=60, deadline=None)
def test_boxes_are_those_of_astropy(x: float, y: float, height: int, width: int) -> None:
    box = Box.from_shape((20, 25), start=(100, 50))
    try:
        expected = Cutout2D(np.zeros((20, 25)), (x, y), (height, width), mode="trim")
    except ValueError:  # no overlap
        with pytest.raises(NoOverlapError):
            box_around((x + 50, y + 100), (height, width), box, MAKER.projection)
        return
    found = box_around((x + 50, y + 100), (height, width), box, MAKER.projection)
    (y0, y1), (x0, x1) = expected.bbox_original
    assert (found.y.start - 100, found.y.stop - 101) == (y0, y1)
    assert (found.x.start - 50, found.x.stop - 51) == (x0, x1)


def test_a_cutout_has_the_pixels_the_psf_and_the_inputs_of_its_coadd(coadd: lamella.PatchCoadd) -> None:
    x, y = coadd.bbox.x.center, coadd.bbox.y.center
    sky = coadd.sky_projection.pixel_to_sky(x=x, y=y)
    cutout = coadd.cutout(sky, (8, 6))
    assert cutout.bbox.shape == (8, 6)
    assert_same_planes(cutout, coadd[cutout.bbox], *COUNTS)
    assert cutout.provenance is coadd.provenance
    stamps = [one.psf.compute_kernel_image(x=round(x), y=round(y)).array for one in (cutout, coadd)]
    assert np.allclose(*stamps, rtol=1e-6, atol=1e-12)  # the model warps its stamps from another corner


@pytest.mark.parametrize("kind", ["galactic", "pixels", "angle", "both"])
def test_positions_and_sizes_are_of_any_unit(coadd: lamella.PatchCoadd, kind: str) -> None:
    sky = coadd.sky_projection.pixel_to_sky(x=coadd.bbox.x.center, y=coadd.bbox.y.center)
    expected = coadd.cutout(sky, 6).bbox
    scale = MAKER.projection.pixel_to_sky(x=0.0, y=0.0).separation(
        MAKER.projection.pixel_to_sky(x=0.0, y=1.0)
    )
    size: Any = {"galactic": 6, "pixels": 6 * u.pix, "angle": 6 * scale, "both": (6 * u.pix, 6 * scale)}[kind]
    assert coadd.cutout(sky.galactic if kind == "galactic" else sky, size).bbox == expected


def test_what_lies_beyond_the_edges_is_cut_off(coadd: lamella.PatchCoadd) -> None:
    corner = (coadd.bbox.x.start, coadd.bbox.y.start)
    assert coadd.cutout(corner, 5).bbox.shape == (3, 3)
    with pytest.raises(NoOverlapError):
        coadd.cutout((corner[0] - 100, corner[1]), 5)


@pytest.mark.parametrize(
    ("position", "size"),
    [
        (5, 5), ("x", 5), ((1, 2, 3), 5), ((1, 2), "x"), ((1, 2), -5), ((1, 2), 0), ((1, 2), 5 * u.s),
        ((1, 2), (1, 2, 3)), ((1, 2), float("nan")), (SkyCoord([1, 2], [1, 2], unit="deg"), 5),
    ],
)  # fmt: skip
def test_what_is_no_position_or_size_is_refused(coadd: lamella.PatchCoadd, position: Any, size: Any) -> None:
    with pytest.raises(WrongTypeError):
        coadd.cutout(position, size)


@pytest.mark.parametrize("index", [(slice(1, 2), slice(3, 4)), 5, "x"])
def test_an_index_that_is_no_box_is_told_what_to_use(coadd: lamella.PatchCoadd, index: Any) -> None:
    for image in (coadd, varied_warps(MAKER)[0]):
        with pytest.raises(WrongTypeError, match=r"image.local\[y0:y1, x0:x1\]"):
            image[index]
    assert coadd.local[1:4, 2:7].bbox.shape == (3, 5)
    assert isinstance(coadd.local[1:4, 2:7], lamella.PatchCoadd)

"""Mask planes have two spellings; every door takes both, and means one plane."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.wcs import WCS

import lamella
from lamella.data.inputs import CoaddTarget
from lamella.formats.described.sections import Mask
from lamella.formats.described.words import parse_plane_name
from lamella.formats.table_flags import Location, flag_values
from lamella.image.gaps import fill_masked_image
from lamella.image.options import GapControl
from lamella.planes import ALIASES, Layout

from .makers import WarpMaker, varied_warps
from .same import COUNTS, assert_same_planes

MAKER = WarpMaker()
TARGET = CoaddTarget(outer_bbox=MAKER.bbox, projection=MAKER.projection)
SPELLINGS = pytest.mark.parametrize(("old", "new"), ALIASES.items())


def assembled(**options: Any) -> lamella.PatchCoadd:
    config = lamella.AssembleConfig(statistic="MEAN", **options)
    return lamella.assemble(varied_warps(MAKER), config, target=TARGET)


OPTIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    "bad_mask_planes": lambda name: {"bad_mask_planes": ("NO_DATA", name)},
    "remove_mask_planes": lambda name: {"remove_mask_planes": (name,)},
    "mask_propagation_thresholds": lambda name: {"mask_propagation_thresholds": {name: 0.01}},
    "bright_object_plane": lambda name: {"bright_object_plane": name},
}


@SPELLINGS
@pytest.mark.parametrize("option", OPTIONS)
def test_options_of_coadds_take_both(option: str, old: str, new: str) -> None:
    assert_same_planes(assembled(**OPTIONS[option](old)), assembled(**OPTIONS[option](new)), *COUNTS)


@SPELLINGS
def test_planes_of_images_are_asked_for_by_both(old: str, new: str) -> None:
    coadd, warp = assembled(), varied_warps(MAKER)[0]
    for image in (coadd, warp):
        assert np.array_equal(image.plane(old), image.plane(new))
        assert np.array_equal(image.plane(new), image.mask.get(new))


@SPELLINGS
def test_layouts_and_tables_of_flags_take_both(old: str, new: str) -> None:
    layout = Layout(assembled().mask.schema)
    assert layout.bits([old]) == layout.bits([new]) != 0
    cell = Location(Path("t.csv"), "flags")
    assert flag_values(f"{old}=4", cell) == flag_values(f"{new}=4", cell)
    assert parse_plane_name(old) == parse_plane_name(new) == new
    assert Mask(hdu="DQ", flags={old: 4}).flags == Mask(hdu="DQ", flags={new: 4}).flags
    assert Mask(hdu="DQ", flags={old: 4, new: 8}).flags == {new: (4, 8)}


@SPELLINGS
def test_masks_of_arrays_take_both(old: str, new: str) -> None:
    rng, wcs = np.random.default_rng(1), WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [10.0, 0.0]
    wcs.wcs.cdelt, wcs.wcs.crpix = [-1e-4, 1e-4], [30.0, 30.0]
    image, plane = rng.normal(size=(60, 60)), np.eye(60, dtype=bool)
    made = [
        lamella.Exposure.from_arrays(
            image, wcs, variance=1.0, mask={name: plane}, fwhm=1.0, zero_point=25.0, sky="subtracted"
        )
        for name in (old, new)
    ]
    layout = Layout(made[0].pixels.mask.schema)
    for exposure in made:
        bits = exposure.pixels.mask.array[..., 0] & layout.bits([new])
        assert (bits[plane] != 0).all()
    assert np.array_equal(made[0].pixels.mask.array, made[1].pixels.mask.array)


@SPELLINGS
def test_gaps_are_filled_by_both(old: str, new: str) -> None:
    filled = []
    for name in (old, new):
        image = varied_warps(MAKER)[0].copy()
        fill_masked_image(image, (name,), GapControl())
        filled.append(image)
    assert_same_planes(*filled)


@SPELLINGS
def test_options_of_warps_take_both(old: str, new: str) -> None:
    controls = [lamella.WarpControl(bad_mask_planes=(name,)) for name in (old, new)]
    layout = Layout(assembled().mask.schema)
    assert layout.bits(controls[0].bad_mask_planes) == layout.bits(controls[1].bad_mask_planes)

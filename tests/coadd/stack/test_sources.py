"""Warp sources in memory: boxes, copies, and masks that agree by name."""

from __future__ import annotations

import numpy as np
import pytest
from lsst.images import Box, Image, Mask, MaskedImage, MaskPlane, MaskSchema

from lamella.coadd.stack.sources import ImageSource, view_planes
from lamella.errors import MaskPlaneError
from lamella.image.planes import conform_mask, mask_plane_of
from lamella.planes import Layout


def foreign_image() -> MaskedImage:
    """An image with the mask of another package: bytes, other bits, a name of the old kind."""
    planes = [MaskPlane(name, "") for name in ("CR", "ODD", *(f"P{i}" for i in range(6)), "SAT")]
    mask = Mask(0, schema=MaskSchema(planes, dtype=np.uint8), bbox=Box.factory[3:7, 10:15])
    for row, name in enumerate(("CR", "ODD", "SAT")):
        flags = np.zeros((4, 5), dtype=bool)
        flags[row] = True
        mask.set(name, flags)
    return MaskedImage(Image(np.arange(20, dtype=np.float32).reshape(4, 5), bbox=mask.bbox), mask=mask)


def test_masks_of_other_packages_are_converted_by_name() -> None:
    image = foreign_image()
    layout = Layout.of(image.mask.schema)
    bits = conform_mask(image.mask, layout)
    assert bits.dtype == np.int32
    for row, name in enumerate(("COSMIC_RAY", "ODD", "SATURATED")):
        np.testing.assert_array_equal(bits[row], layout.bits((name,)))
    assert not bits[3].any()


def test_a_box_is_a_copy_of_the_planes() -> None:
    source = ImageSource(foreign_image())
    box = Box.factory[4:6, 11:14]
    part = source.read(box)
    np.testing.assert_array_equal(part.image, [[6, 7, 8], [11, 12, 13]])
    part.image[:] = -1
    np.testing.assert_array_equal(source.read(box).image, [[6, 7, 8], [11, 12, 13]])
    assert (part.mask.dtype, part.variance.dtype) == (np.int32, np.float32)


def test_all_planes_can_be_looked_at_without_a_copy() -> None:
    source = ImageSource(foreign_image())
    seen, read = view_planes(source), source.read(source.bbox)
    for name in ("image", "mask", "variance"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(read, name))
        assert np.shares_memory(getattr(seen, name), getattr(view_planes(source), name))


def test_bits_move_between_schemas_by_name() -> None:
    old, new = Layout.of(names=["BETA", "DELTA"]), Layout.of(names=["ALPHA", "BETA", "DELTA"])
    names = ("BAD", "BETA", "DELTA")
    mask = np.array([[old.bits((name,)) for name in names]], dtype=np.int32)
    expected = [[new.bits((name,)) for name in names]]
    np.testing.assert_array_equal(new.moved(mask, old), expected)
    assert new.moved(mask, new) is mask


def test_only_masks_of_one_int32_are_a_plane() -> None:
    with pytest.raises(MaskPlaneError, match="2 elements of uint8 per pixel"):
        mask_plane_of(foreign_image())

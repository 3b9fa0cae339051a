"""Planes as bits, names, regions, and masks that are used instead of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.images import Box, Mask, MaskPlane, MaskSchema

from lamella.errors import MaskPlaneError
from lamella.image.spans import Runs
from lamella.planes import Layout, make_schema
from lamella.tasks.manual.maskPlanes import (
    AltMask,
    add_plane,
    bits_or_names,
    names_of_bits,
    plane_layout,
    region_list,
)
from lamella.tasks.manual.spans import SpanSet, as_spans

SCHEMA = make_schema()
SPANS = SpanSet([(101, 200, 203)])


@pytest.mark.parametrize("kind", [int, np.int32, np.int64, np.uint8, np.uint64])
def test_integers_are_bits(kind: Any) -> None:
    bits = bits_or_names(kind(5))
    assert type(bits) is int
    assert bits == 5


@pytest.mark.parametrize("names", ["SAT", "SATURATED,", ["SAT"], ("SAT", "SATURATED"), iter(["SAT"])])
def test_texts_are_names(names: Any) -> None:
    assert bits_or_names(names) == ("SATURATED",)
    assert bits_or_names("SAT, CR ,BAD") == ("SATURATED", "COSMIC_RAY", "BAD")


def test_bits_have_names() -> None:
    layout = plane_layout(["BAD", "ZEBRA"], ["ANT"])
    assert layout.names[-2:] == ("ANT", "ZEBRA")
    assert names_of_bits(layout.bits(("BAD", "ZEBRA")), layout) == ("BAD", "ZEBRA")
    assert names_of_bits(0, layout) == ()
    with pytest.raises(MaskPlaneError, match="The bits 0x20000000 of 0x20000001 belong to no mask plane"):
        names_of_bits(1 << 29 | 1, layout)


BOX = Box.factory[101:102, 200:204]


@pytest.mark.parametrize(
    "one",
    [
        SPANS,
        SPANS.runs,
        BOX,
        (np.ones((1, 4), bool), BOX),
        [(101, 200, 203)],
        [(101, 200, 201), (101, 202, 203)],
        list(SPANS),
    ],
)
def test_a_region_stands_for_a_list_of_it(one: Any) -> None:
    for regions in (region_list(one), region_list([one])):
        assert len(regions) == 1
        assert as_spans(regions[0]).getArea() == 4
    assert region_list([one, one]) == [one, one]
    assert region_list([]) == []


def test_a_mask_gets_a_plane_in_place() -> None:
    mask = Mask(0, schema=SCHEMA, bbox=Box.factory[0:2, 0:3])
    mask.set("BAD", np.array([[True, False, False]] * 2))
    array = mask.array
    add_plane(mask, "FLARE", "Light of a lamp.")
    assert mask.array is array
    mask.set("FLARE")
    assert mask.get("BAD").sum() == 2
    assert mask.schema.descriptions["FLARE"] == "Light of a lamp."
    before = mask.schema
    add_plane(mask, "SAT", "")
    assert mask.schema is before


def test_a_mask_without_a_bit_left_gets_a_wider_array() -> None:
    schema = MaskSchema([MaskPlane(f"P{i}", "") for i in range(8)], dtype=np.uint8)
    mask = Mask(0, schema=schema, bbox=Box.factory[0:2, 0:3])
    mask.set("P7")
    add_plane(mask, "P8", "")
    assert not mask.get("P8").any()
    mask.set("P8")
    assert mask.array.shape == (2, 3, 2)
    assert mask.get("P7").all()


def test_a_mask_is_used_instead_where_it_has_pixels(maker: Any) -> None:
    warp = maker.warp(1, extra=("ZEBRA",))
    maker.flag(warp, "BAD", (slice(None), slice(None)))
    maker.flag(warp, "ZEBRA", (slice(0, 1), slice(0, 1)))
    other = Mask(0, schema=make_schema(["ANT"]), bbox=Box.factory[90:105, 230:300])
    other.set("ANT")
    image = AltMask.of(other).put_in(warp)
    inside = np.zeros((40, 50), bool)
    inside[:5, 30:] = True
    np.testing.assert_array_equal(image.mask.get("ANT"), inside)
    np.testing.assert_array_equal(image.mask.get("BAD"), ~inside)
    assert image.mask.get("ZEBRA").sum() == 1
    assert "ANT" not in warp.mask.schema.names
    assert (warp.mask.array[..., 0] & Layout(warp.mask.schema).bits(("BAD",))).all()
    assert AltMask.of(None).put_in(warp) is warp


def test_regions_are_added_to_regions() -> None:
    mask = Mask(0, schema=SCHEMA, bbox=BOX)
    mask.set("BAD")
    alternate = AltMask.of({"CLIPPED": SPANS}).adding({"CLIPPED": [BOX]}).adding(mask)
    assert [as_spans(region).getArea() for region in alternate.spans["CLIPPED"]] == [4, 4]
    assert set(alternate.spans) == {"CLIPPED", "BAD"}
    assert alternate.names == {"CLIPPED", "BAD"}
    assert AltMask.of(alternate) is alternate
    assert "BAD" in AltMask.of(mask).names
    assert isinstance(SPANS.runs, Runs)

"""Mask planes have the same bits everywhere, and old names are understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import MaskPlaneError
from lamella.planes import (
    ALIASES,
    STANDARD_PLANES,
    Layout,
    legacy_name,
    make_schema,
    plane_name,
    plane_names,
)


def test_first_planes_have_the_bits_of_the_original_pipelines() -> None:
    schema = make_schema()
    names = ["BAD", "SAT", "INTRP", "CR", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "SUSPECT", "NO_DATA"]
    assert [Layout(schema).bits([name]) for name in names] == [1 << bit for bit in range(9)]


def test_aliases_lead_to_standard_planes_and_back() -> None:
    for old, new in ALIASES.items():
        assert new in STANDARD_PLANES
        assert plane_name(old) == new
        assert legacy_name(new) == old
    assert plane_names(["SAT", "SATURATED", "BAD"]) == ("SATURATED", "BAD")


@given(st.permutations(["ZETA", "ALPHA", "MU"]))
def test_bits_of_further_planes_do_not_depend_on_their_order(extra: list[str]) -> None:
    assert make_schema(extra) == make_schema(["ALPHA", "MU", "ZETA"])


def test_mask_has_one_int32_per_pixel_and_a_limit() -> None:
    schema = make_schema()
    assert (schema.dtype, schema.mask_size) == ("int32", 1)
    with pytest.raises(MaskPlaneError, match="do not fit into 31 bits"):
        make_schema(f"EXTRA{i}" for i in range(8))


def test_an_unknown_plane_is_an_error_unless_it_may_be_missing() -> None:
    schema = make_schema()
    with pytest.raises(MaskPlaneError, match="no mask plane 'NONSENSE'"):
        Layout(schema).bits(["NONSENSE"])
    assert Layout(schema).bits(["NONSENSE", "BAD"], missing_ok=True) == 1


def test_a_layout_has_the_bits_of_a_schema() -> None:
    layout = Layout.of(make_schema(["ZETA"]), names=["ALPHA", "SAT"])
    assert layout.schema == make_schema(["ALPHA", "ZETA"])
    assert layout.names == tuple(layout.schema.names)
    assert (layout.bad, layout.saturated, layout.edge, layout.no_data) == (1, 2, 16, 256)
    assert layout.bits(["ZETA", "BAD"]) == 1 | 1 << (len(layout.names) - 1)

"""Comparison of planes to the last bit."""

from __future__ import annotations

from typing import Any

from lamella.testing.asserts import assert_bits_equal

COUNTS = ("exposure_count", "exposure_count_unmasked")


def assert_same_planes(found: Any, expected: Any, *more: str) -> None:
    """Require that box, schema, three planes and more, by their names, are equal."""
    assert found.bbox == expected.bbox
    assert found.mask.schema == expected.mask.schema
    for name in ("image", "mask", "variance", *more):
        assert_bits_equal(getattr(found, name).array, getattr(expected, name).array, name=name)

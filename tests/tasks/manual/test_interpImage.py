"""Interpolation of the documented task against the core, and its arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.images import Box
from lsst.pex.config import FieldValidationError

from lamella.errors import ConfigError, MaskPlaneError
from lamella.image.gaps import fill_masked_image
from lamella.image.options import GapControl
from lamella.tasks.manual.interpImage import InterpImageConfig, InterpImageTask
from lamella.tasks.manual.spans import SpanSet

from .conftest import plane


def task_with(**options: Any) -> InterpImageTask:
    config = InterpImageConfig()
    config.update(**options)
    return InterpImageTask(config=config)


def damaged(maker: Any) -> Any:
    warp = maker.warp(1)
    warp.image.array[:, :10] = 1e4
    warp.image.array[10:20, 30:33] = 1e4
    maker.flag(warp, "BAD", (slice(None), slice(0, 10)))
    maker.flag(warp, "BAD", (slice(10, 20), slice(30, 33)))
    return warp


@pytest.mark.parametrize("fallback", ["MEAN", "MEDIAN", "MEANCLIP", "USER"])
@pytest.mark.parametrize("transpose", [False, True])
def test_planes_are_filled_as_the_core_fills_them(maker, fallback: str, transpose: bool) -> None:
    found, expected = damaged(maker), damaged(maker)
    task = task_with(fallbackValueType=fallback, fallbackUserValue=8.0, transpose=transpose)
    summary = task.run(found, planeName="BAD").summary
    control = GapControl(fallback=fallback, fallback_value=8.0, transpose=transpose)  # type: ignore[arg-type]
    assert summary == fill_masked_image(expected, ("BAD",), control)
    np.testing.assert_array_equal(found.image.array, expected.image.array)
    np.testing.assert_array_equal(found.variance.array, expected.variance.array)
    np.testing.assert_array_equal(found.mask.array, expected.mask.array)
    assert found.image.array.max() < 100
    assert task.metadata["interpolated_pixel_count"] == 430


def test_the_edge_gets_the_fallback_value_or_is_extrapolated(maker) -> None:
    found = damaged(maker)
    task_with(fallbackValueType="USER", fallbackUserValue=3.25).run(found, planeName="BAD")
    np.testing.assert_array_equal(found.image.array[:, 1], 3.25)
    assert np.isposinf(found.variance.array[:, 1]).all()
    found = damaged(maker)
    task_with(useFallbackValueAtEdge=False).run(found, planeName="BAD")
    assert (found.image.array[:, 1] != 3.25).all()


def test_defects_are_as_good_as_a_plane(maker) -> None:
    by_plane, by_defects = damaged(maker), damaged(maker)
    task_with().run(by_plane, planeName="BAD")
    spans = SpanSet((y, 230, 232) for y in range(110, 120))
    task_with().run(by_defects, defects=[Box.factory[100:140, 200:210], spans])
    np.testing.assert_array_equal(by_defects.image.array, by_plane.image.array)
    np.testing.assert_array_equal(plane(by_defects, "INTRP"), plane(by_plane, "INTRP"))
    np.testing.assert_array_equal(plane(by_defects, "BAD"), plane(by_plane, "BAD"))


def test_wrong_arguments(maker) -> None:
    task = task_with()
    for wrong in ({}, {"planeName": "BAD", "defects": []}):
        with pytest.raises(ConfigError, match="either planeName or defects"):
            task.run(damaged(maker), **wrong)
    with pytest.raises(MaskPlaneError, match="NOT_THERE"):
        task.run(damaged(maker), planeName="NOT_THERE")


def test_wrong_options() -> None:
    with pytest.raises(FieldValidationError, match="fallbackUserValue"):
        task_with(fallbackValueType="USER", fallbackUserValue=-1.0)
    task_with(fallbackValueType="USER", fallbackUserValue=-1.0, negativeFallbackAllowed=True)
    with pytest.raises(FieldValidationError, match="fallbackValueType"):
        task_with(fallbackValueType="MODE")

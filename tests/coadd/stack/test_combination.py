"""Statistics of the user's own."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import lamella
from lamella.coadd.stack import combination
from lamella.data.inputs import CoaddTarget
from lamella.errors import CombineError, LamellaError, PixelTypeError, ShapeError, WrongTypeError
from lamella.planes import Layout

from ...makers import WarpMaker, varied_warps
from ...same import COUNTS, assert_same_planes

MAKER = WarpMaker()
TARGET = CoaddTarget(outer_bbox=MAKER.bbox, projection=MAKER.projection)
PLAIN = lamella.AssembleConfig(statistic="MEAN", fill_gaps=False)


def assemble(combine: Any = None, **options: Any) -> lamella.PatchCoadd:
    config = PLAIN.replace(**options)
    return lamella.assemble(varied_warps(MAKER), config, target=TARGET, combine=combine)


def mean(
    values: np.ndarray, variances: np.ndarray, masks: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    total = weights.sum(axis=0)
    image = np.nansum(weights * values, axis=0) / total
    return image, np.nansum(weights**2 * variances, axis=0) / total**2


def middle(values: np.ndarray, *_: np.ndarray) -> np.ndarray:
    return np.nanmedian(values, axis=0)


def test_a_mean_of_ones_own_is_the_mean() -> None:
    coadd, expected = assemble(mean), assemble()
    for name in ("image", "variance"):
        mine, theirs = getattr(coadd, name).array, getattr(expected, name).array
        assert np.array_equal(np.isfinite(mine), np.isfinite(theirs))
        assert np.allclose(mine, theirs, rtol=2e-6, equal_nan=True)
    assert np.array_equal(coadd.mask.array, expected.mask.array)
    assert np.array_equal(coadd.exposure_count.array, expected.exposure_count.array)
    assert not any("Variances are those" in note for note in coadd.notes)


def test_a_median_of_ones_own_is_the_median() -> None:
    coadd, expected = assemble(middle), assemble(statistic="MEDIAN")
    assert np.allclose(coadd.image.array, expected.image.array, rtol=1e-6, equal_nan=True)
    assert np.isfinite(coadd.image.array).sum() > 100
    variance = assemble().variance.array
    assert np.array_equal(coadd.variance.array, variance)
    assert any(
        "Variances are those of the weighted mean" in note and "middle" in note for note in coadd.notes
    )


class Callable:
    def __call__(self, values: np.ndarray, *_: np.ndarray) -> np.ndarray:
        return np.nanmedian(values, axis=0)


NAMED = [
    (middle, f"{__name__}.middle"),
    (lambda values, *_: np.nanmedian(values, axis=0), f"{__name__}.<lambda>"),
    (functools.partial(middle), f"{__name__}.middle"),
    (Callable(), f"{__name__}.Callable"),
]


@pytest.mark.parametrize(("function", "name"), NAMED, ids=["function", "lambda", "partial", "object"])
def test_the_record_tells_the_name(function: Any, name: str) -> None:
    coadd = assemble(function)
    assert coadd.settings["assemble"]["statistic"] == name
    assert name in repr(coadd)


def test_the_function_gets_all_warps_with_nan_where_they_are_not_used() -> None:
    shapes, seen = [], []

    def look(*planes: np.ndarray) -> np.ndarray:
        shapes.append({plane.shape for plane in planes})
        seen.append([plane.copy() for plane in planes])
        return middle(*planes)

    coadd = assemble(look)
    values, variances, masks, weights = seen[0]
    visits = len({item.id.visit for item in coadd.detectors})
    assert shapes[0] == {(visits, *coadd.bbox.shape)}
    assert (values.dtype, variances.dtype, masks.dtype, weights.dtype) == (
        np.float64, np.float64, np.int32, np.float64,
    )  # fmt: skip
    bad = Layout.of(coadd.mask.schema).bits(PLAIN.bad_mask_planes)
    used = np.isfinite(values)
    assert not (masks[used] & bad).any()
    assert np.array_equal(used, weights > 0)
    assert np.array_equal(used, np.isfinite(variances))
    assert np.array_equal(used.sum(axis=0), coadd.exposure_count.array)


def test_what_the_function_changes_is_its_own() -> None:
    def spoil(values: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        result = np.nanmedian(values, axis=0)
        values[...] = 7.0
        return result

    assert_same_planes(assemble(spoil), assemble(middle), *COUNTS)


def test_the_result_does_not_depend_on_tiles_threads_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = assemble(mean)
    monkeypatch.setattr(combination, "_TILE_BYTES", 1)
    assert_same_planes(assemble(mean), expected, *COUNTS)
    few = lamella.Resources(threads=2, memory=64)
    coadd = lamella.assemble(varied_warps(MAKER), PLAIN, target=TARGET, resources=few, combine=mean)
    assert_same_planes(coadd, expected, *COUNTS)


def test_a_pixel_without_a_value_has_no_data() -> None:
    def holey(values: np.ndarray, *_: np.ndarray) -> np.ndarray:
        return np.where(values[0] > 0, np.nan, np.nanmedian(values, axis=0))

    coadd = assemble(holey)
    lost = ~np.isfinite(coadd.image.array)
    assert lost.any()
    assert np.array_equal(coadd.plane("NO_DATA"), lost)
    assert (coadd.exposure_count.array[lost] == 0).all()
    assert np.isinf(coadd.variance.array[lost]).all()


def fails(*_: np.ndarray) -> np.ndarray:
    raise ZeroDivisionError("by nothing")


WRONG: list[tuple[Any, type[LamellaError], str]] = [
    (5, WrongTypeError, "combine: found a value of type int"),
    ("median", WrongTypeError, "combine: found a value of type str"),
    (fails, CombineError, f"combine function {__name__}.fails: ZeroDivisionError: by nothing"),
    (lambda *planes: planes[0], ShapeError, "<lambda> has shape"),
    (lambda *planes: None, PixelTypeError, "<lambda> holds"),
    (lambda *planes: planes[0][0] * 1j, PixelTypeError, "<lambda> holds values of type complex128"),
    (lambda *planes: (planes[0][0], planes[0]), ShapeError, "variance of combine function"),
    (lambda values, *_: values[0] - np.nanmean(values), CombineError, "depends on other pixels"),
    (lambda values: values[0], CombineError, "TypeError"),
]


@pytest.mark.parametrize(("function", "kind", "told"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_statistic_is_named(function: Any, kind: type[LamellaError], told: str) -> None:
    with pytest.raises(kind) as caught:
        assemble(function)
    assert told in str(caught.value)


def test_artifacts_are_left_out_before() -> None:
    coadd = assemble(middle, reject={"method": "safe_clip"})
    assert coadd.removals
    assert coadd.settings["assemble"]["statistic"] == f"{__name__}.middle"


@pytest.mark.parametrize("value", [5, "x", [1, 2], [None]])
def test_what_are_no_warps_is_named(value: Any) -> None:
    with pytest.raises(WrongTypeError, match="warps"):
        lamella.assemble(value)
    with pytest.raises(WrongTypeError, match="warps"):
        lamella.assemble(varied_warps(MAKER)[0])  # type: ignore[arg-type]

"""Inputs get weights and an order; those without a weight say why."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from lamella.coadd.stack.prepare import input_of, prepare_inputs, weigh
from lamella.data.inputs import WarpInput
from lamella.data.options import WeightControl
from lamella.data.weights import MeanVariance

BAD = ("BAD", "NO_DATA")
VARIANCE = WeightControl(rule="variance")


def test_the_weight_is_the_inverse_of_the_clipped_mean_variance(maker) -> None:
    warp = maker.warp(1, variance=4.0)
    warp.variance.array[0, 0] = 1e6  # a star; clipped
    warp.variance.array[5] = 9.0
    maker.flag(warp, "BAD", (slice(5, 6), slice(None)))
    weighed = weigh(input_of(warp), VARIANCE, BAD)
    assert isinstance(weighed, WarpInput)
    assert weighed.weight == pytest.approx(0.25, rel=1e-6)


def test_a_scale_enters_the_weight_squared(maker) -> None:
    one = dataclasses.replace(input_of(maker.warp(1, variance=4.0)), scale=3.0)
    assert weigh(one, VARIANCE, BAD).weight == pytest.approx(1 / 36)


def test_a_given_weight_is_kept(maker) -> None:
    one = dataclasses.replace(input_of(maker.warp(1)), weight=7.0)
    assert weigh(one, VARIANCE, BAD) is one


def test_inputs_are_in_the_order_of_their_identities(maker) -> None:
    prepared = prepare_inputs([maker.warp(3), maker.warp(1), maker.warp(2)], VARIANCE, BAD)
    assert [one.visit for one in prepared.inputs] == [1, 2, 3]
    assert prepared.projection == maker.projection


@pytest.mark.parametrize(("value", "reason"), [(np.nan, "no good pixel"), (0.0, "not positive")])
def test_a_warp_without_a_weight_says_why(maker, value: float, reason: str) -> None:
    warp = maker.warp(4)
    warp.variance.array[:] = value
    prepared = prepare_inputs([warp], VARIANCE, BAD)
    assert prepared.inputs == ()
    (rejection,) = prepared.rejected
    assert (rejection.id.visit, rejection.stage, rejection.path) == (4, "weight", "visit4.fits")
    assert reason in rejection.reason


def known(**changes: Any) -> MeanVariance:
    values = {"mean": 9.0, "bad_mask_planes": frozenset({"BAD"}), "sigma_clip": 3.0, "clip_iter": 2} | changes
    return MeanVariance(**values)


def test_a_mean_that_is_known_saves_the_pixels(maker) -> None:
    one = dataclasses.replace(input_of(maker.warp(1)), source=None, mean_variance=known(), scale=2.0)
    assert weigh(one, VARIANCE, ["BAD"]).weight == 1 / 36


@pytest.mark.parametrize(
    "other", [{"bad_mask_planes": frozenset({"BAD", "NO_DATA"})}, {"sigma_clip": 2.5}, {"clip_iter": 3}]
)
def test_a_mean_that_was_found_in_another_way_is_not_used(maker, other: dict[str, Any]) -> None:
    one = input_of(maker.warp(1))
    expected = weigh(one, VARIANCE, ["BAD"]).weight
    assert expected != 1 / 9
    assert weigh(dataclasses.replace(one, mean_variance=known(**other)), VARIANCE, ["BAD"]).weight == expected


@pytest.mark.parametrize(
    ("image", "variance", "masked"),
    [(np.nan, 4.0, False), (np.inf, 4.0, False), (1.0, np.inf, False), (1.0, 4.0, True), (1.0, -1.0, False)],
)
@pytest.mark.parametrize("where", [slice(None), slice(1, None)])
def test_a_warp_that_has_nothing_to_give_has_no_weight(maker, image, variance, masked, where) -> None:
    """Nor does one that has nothing but a few pixels owe its weight to the others."""
    warp, usual = maker.warp(1), maker.warp(2)
    warp.variance.array[:] = 9.0
    warp.image.array[where], warp.variance.array[where] = image, variance
    if masked:
        maker.flag(warp, "BAD", (where, slice(None)))
    prepared = prepare_inputs([warp, usual], VARIANCE.replace(clip_iter=0), BAD)
    if where.start is None or variance < 0:
        assert [one.visit for one in prepared.inputs] == [2]
        (rejection,) = prepared.rejected
        assert rejection.stage == "weight"
        assert "value and variance" in rejection.reason or "not positive" in rejection.reason
    else:
        assert prepared.inputs[0].weight == pytest.approx(1 / 9)

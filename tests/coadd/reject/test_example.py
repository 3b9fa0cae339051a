"""The example of a rejection is where most was left out."""

from __future__ import annotations

import numpy as np
import pytest
from lsst.images import Box

from lamella.coadd.reject.example import example_box
from lamella.coadd.reject.reject import Findings
from lamella.image.spans import Runs, SpanMask, no_runs

BBOX = Box.factory[1000:1700, -200:400]


def findings_at(*boxes: Box) -> Findings:
    """Return findings of one visit that lost some boxes."""
    lost = np.zeros(BBOX.shape, dtype=bool)
    for box in boxes:
        lost[box.slice_within(BBOX)] = True
    return Findings((SpanMask({}),), (), no_runs(), (Runs.from_array(lost, BBOX),))


@pytest.mark.parametrize(("y", "x"), [(1010, -190), (1400, 100), (1640, 330)])
def test_it_holds_the_place_of_most_artifacts(y: int, x: int) -> None:
    box = example_box(findings_at(Box.factory[y : y + 40, x : x + 40], Box.factory[1200:1210, 0:10]), BBOX)
    assert box is not None
    assert box.shape == (256, 256)
    assert BBOX.contains(box)
    assert box.y.start <= y + 20 < box.y.stop
    assert box.x.start <= x + 20 < box.x.stop


def test_a_small_coadd_is_its_own_example() -> None:
    small = Box.factory[0:90, 0:300]
    lost = np.zeros(small.shape, dtype=bool)
    lost[5, 290] = True
    box = example_box(Findings((SpanMask({}),), (), no_runs(), (Runs.from_array(lost, small),)), small)
    assert box is not None
    assert box.shape == (90, 256)
    assert box.x.stop > 290


def test_nothing_lost_is_no_example() -> None:
    assert example_box(findings_at(), BBOX) is None
    assert example_box(Findings((), (), no_runs(), ()), BBOX) is None

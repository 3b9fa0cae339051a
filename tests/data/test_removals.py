"""The record of what was removed from a visit."""

from __future__ import annotations

import numpy as np
from lsst.images import Box

from lamella.data.removals import Removal, VisitArtifacts, told_apart
from lamella.image.spans import Runs

BOX = Box.factory[0:10, 0:20]


def runs(*at: tuple[slice, slice]) -> Runs:
    flags = np.zeros(BOX.shape, dtype=bool)
    for one in at:
        flags[one] = True
    return Runs.from_array(flags, BOX)


def found(**changes) -> VisitArtifacts:  # type: ignore[no-untyped-def]
    kinds = {"transient": runs((slice(0, 2), slice(0, 5))), "streak": runs((slice(1, 3), slice(0, 10)))}
    return VisitArtifacts(kinds, valid=runs((slice(0, 10), slice(0, 8))), **changes)


def test_only_valid_pixels_count_and_each_once() -> None:
    record = Removal.of("Cam", 7, found(alone=9), 0.5)
    assert (record.valid, record.transient, record.streak, record.ghost) == (80, 10, 16, 0)
    assert record.removed == 10 + 16 - 5
    assert record.fraction == 21 / 80
    assert record.alone == 9
    assert record.warning == ""


def test_a_visit_that_loses_much_gets_a_warning_with_numbers() -> None:
    record = Removal.of("Cam", 7, found(notes=("Look here.",)), 0.25)
    assert record.warning.startswith("Look here. 26.2 % of its pixels were removed, more than 25.0 %")


def test_a_warning_does_not_contradict_itself() -> None:
    record = Removal.of("Cam", 7, found(), 21 / 80 - 1e-5)
    assert "26.250 % of its pixels were removed, more than 26.249 %" in record.warning
    assert told_apart(5.0, 5.0) == ("5.0000000000000000", "5.0000000000000000")
    assert Removal.of("Cam", 7, found(), 21 / 80).warning == ""


def test_a_visit_without_a_valid_pixel_loses_nothing() -> None:
    record = Removal.of("Cam", 7, VisitArtifacts({}, valid=runs()), 0.1)
    assert record.fraction == 0.0

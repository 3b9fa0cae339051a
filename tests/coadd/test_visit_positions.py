from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lamella.coadd.star_matches import match_stars
from lamella.coadd.visit_positions import VisitOffset, visit_offsets

from .catalogs import PIXEL, Night

OFFSETS = ((0.02, -0.03), (0.0, 0.0), (-0.01, 0.02), (0.8, -1.5), (0.0, 0.01))


def offsets_of(night: Night) -> tuple[VisitOffset, ...]:
    catalogs = night.catalogs()
    return visit_offsets(catalogs, match_stars(catalogs))


@pytest.mark.parametrize("stars", [3, 20])
def test_a_visit_that_is_off_is_named_and_no_other(stars: int) -> None:
    measured = offsets_of(Night(scales=(1.0,) * 5, offsets=OFFSETS, stars=stars))
    assert [item.visit for item in measured if item.is_off] == ["3"]
    off = measured[3]
    assert off.east == pytest.approx(0.8, abs=0.05)
    assert off.north == pytest.approx(-1.5, abs=0.05)
    assert off.pixels == pytest.approx(1.7 / PIXEL, rel=0.05)


def test_errors_are_right() -> None:
    squares = []
    for seed in range(30):
        for item, truth in zip(offsets_of(Night(seed=seed)), Night().offsets, strict=True):
            squares += [((item.east - truth[0]) / item.error) ** 2]
    assert 0.2 < np.mean(squares) < 1.5


def test_of_two_visits_the_second_is_off() -> None:
    night = Night(scales=(1.0, 1.0), offsets=((1.0, 0.0), (0.0, 0.0)))
    first, second = offsets_of(night)
    assert not first.is_off
    assert second.is_off
    assert second.east == pytest.approx(-1.0, abs=0.02)


def test_detectors_of_a_visit_are_measured_together() -> None:
    catalogs = Night().catalogs()
    one_visit = [dataclasses.replace(catalog, visit="0") for catalog in catalogs[:2]]
    measured = visit_offsets([*one_visit, *catalogs[2:]], match_stars(catalogs))
    assert [item.visit for item in measured] == ["0", "2", "3"]


def test_a_visit_without_common_stars_is_not_known_to_be_off() -> None:
    catalogs = [*Night().catalogs()[:3], *Night(ra=152.0).catalogs()[3:]]
    lonely = visit_offsets(catalogs, match_stars(catalogs))[-1]
    assert np.isnan(lonely.error)
    assert not lonely.is_off

"""Which rejection suits a band: from visits and PSFs, and from nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.images import Box

from lamella.coadd.reject.choice import RejectionChoice, choose_rejection, figures_of, measure_coverage
from lamella.data.exposure import ExposureId, ExposureInfo
from lamella.data.origins import Origin

from ...projections import turned_tan

PROJECTION = turned_tan()
SIDE = 160


class Field:
    """A patch of 160 x 160 pixels."""

    inner_bbox = Box.factory[0:SIDE, 0:SIDE]
    projection = PROJECTION


def exposure(visit: int, x0: int = 0, x1: int = SIDE, *, detector: int = 0, **values: object) -> ExposureInfo:
    """Return an exposure that covers some columns of the field."""
    return ExposureInfo(
        id=ExposureId("Cam", visit, detector),
        path=f"{visit}-{detector}.fits",
        band="r",
        bbox=Box.factory[0:SIDE, x0:x1],
        projection=PROJECTION,
        **values,  # type: ignore[arg-type]
    )


def choose(exposures: Sequence[ExposureInfo]) -> RejectionChoice:
    return choose_rejection([(Field(), exposures)])  # type: ignore[list-item]


ASSUMED = {"PSF": Origin("assumed", "to be 3 pixels wide, for want of any star", "3")}
MEASURED = {"PSF": Origin("measured", "from a fit to stars", "3")}


@pytest.mark.parametrize(
    ("visits", "method"), [(1, "none"), (2, "none"), (3, "compare_warp"), (30, "compare_warp")]
)
def test_three_visits_are_compared(visits: int, method: str) -> None:
    choice = choose([exposure(visit) for visit in range(visits)])
    assert choice.method == method
    assert choice.visits == visits
    assert choice.shared == (1.0 if visits >= 3 else 0.0)
    assert choice.reason.startswith("fewer" if method == "none" else "three or more")


def test_detectors_of_one_visit_are_one_visit() -> None:
    assert choose([exposure(7, detector=number) for number in range(6)]).method == "none"


@pytest.mark.parametrize(("columns", "method"), [(60, "none"), (100, "compare_warp")])
def test_most_of_the_area_with_data_counts(columns: int, method: str) -> None:
    """Two visits are on all of the field, and the third on some columns of it."""
    choice = choose([exposure(1), exposure(2), exposure(3, 0, columns)])
    assert choice.method == method
    assert choice.shared == pytest.approx(columns / SIDE, abs=0.03)


def test_area_without_data_does_not_count() -> None:
    assert choose([exposure(visit, 0, 30) for visit in range(3)]).method == "compare_warp"


def test_a_mosaic_of_single_visits_is_not_compared() -> None:
    tiles = [exposure(visit, 20 * visit, 20 * visit + 25) for visit in range(8)]
    choice = choose(tiles)
    assert (choice.method, choice.visits) == ("none", 8)


UNKNOWN = [
    (0, 3, "compare_warp"),
    (1, 3, "none"),
    (1, 4, "compare_warp"),
    (4, 7, "none"),
    (3, 7, "compare_warp"),
]


@pytest.mark.parametrize(("unknown", "visits", "method"), UNKNOWN)
def test_psfs_must_be_known(unknown: int, visits: int, method: str) -> None:
    """Three at least, and more than half of all at a place."""
    origins = [ASSUMED if visit < unknown else MEASURED for visit in range(visits)]
    choice = choose([exposure(visit, origins=origins[visit]) for visit in range(visits)])
    assert choice.method == method


def test_a_format_that_says_the_psf_itself_is_believed_and_a_width_of_nothing_is_not() -> None:
    assert choose([exposure(visit) for visit in range(3)]).method == "compare_warp"
    assert choose([exposure(visit, psf_fwhm=math.nan) for visit in range(3)]).method == "none"


def test_nothing_is_nothing_to_compare() -> None:
    assert choose([]) == RejectionChoice(
        method="none",
        reason="fewer than three visits with a known PSF are on most of the area",
        visits=0,
        shared=0.0,
    )


# Even columns, so that no place lies on a side.
SPANS = st.tuples(st.integers(0, SIDE // 2 - 10), st.integers(10, SIDE // 2)).map(
    lambda pair: (2 * pair[0], 2 * max(pair[0] + 10, pair[1]))
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(SPANS, st.booleans()), min_size=1, max_size=7), st.randoms(use_true_random=False))
def test_it_is_what_columns_say_in_any_order(rows, random) -> None:
    """Against a count by hand, and whatever the order of the exposures and how the field is cut."""
    exposures = [
        exposure(visit, *span, origins=ASSUMED if assumed else {})
        for visit, (span, assumed) in enumerate(rows)
    ]
    columns = [-0.5 + (column + 0.5) * SIDE / 16 for column in range(16)]
    inside = [[lo - 0.5 <= x <= hi - 0.5 for (lo, hi), _ in rows] for x in columns]
    with_psf = [[hit and not rows[n][1] for n, hit in enumerate(hits)] for hits in inside]
    coverage = measure_coverage([(Field(), exposures)])  # type: ignore[list-item]
    assert coverage.places == 16 * sum(map(any, inside))
    assert coverage.shared == 16 * sum(
        sum(good) >= 3 and 2 * sum(good) > sum(hits) for good, hits in zip(with_psf, inside, strict=True)
    )
    mixed = list(exposures)
    random.shuffle(mixed)
    assert choose(mixed) == choose(exposures)


def test_figures_of_several_bands() -> None:
    choices = [choose([exposure(visit) for visit in range(number)]) for number in (3, 5)]
    assert figures_of(choices) == "3 to 5 visits; such three on 100 % of the area"
    assert figures_of([choose([exposure(1)])]) == "1 visit; such three on 0 % of the area"

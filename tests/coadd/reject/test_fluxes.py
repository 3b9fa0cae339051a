"""Sources that vary have the shape of the template; artifacts on top of them have not."""

from __future__ import annotations

import numpy as np
import pytest
from lsst.images import Box

from lamella.coadd.reject.compare_control import VariableControl
from lamella.coadd.reject.fluxes import unlike_template
from lamella.coadd.reject.template import Difference, Template
from lamella.image.footprints import Footprints

BOX = Box.factory[50:90, 10:60]
ROWS, COLUMNS = np.indices(BOX.shape)


def spot(y: float, x: float, peak: float, sigma: float) -> np.ndarray:
    return peak * np.exp(-0.5 * ((ROWS - y) ** 2 + (COLUMNS - x) ** 2) / sigma**2)


def unlike(
    difference: np.ndarray,
    sky: np.ndarray,
    *,
    tolerance: np.ndarray | float = 0.0,
    flagged: np.ndarray | None = None,
    **options: float,
) -> list[float]:
    noise = np.random.default_rng(3).normal(0, 1, BOX.shape)
    image = (difference + noise).astype(np.float32)
    plane = np.zeros(BOX.shape, np.float32)
    # Of two epochs, each with a noise of one.
    template = Template(BOX, sky.astype(np.float32), plane + 0.5, plane.astype(np.int32) + 2, plane, plane)
    footprints = Footprints.find(np.abs(difference) > 3.0 if flagged is None else flagged, BOX)
    control = VariableControl(**options)
    spread = (plane + 1.0 + tolerance**2).astype(np.float32)
    matched = Difference(BOX, image, spread, plane.astype(np.int32), plane == 0, template)
    return unlike_template(footprints, matched, control).tolist()


def varies(difference: np.ndarray, sky: np.ndarray, **options: float) -> list[bool]:
    return [part <= VariableControl().mismatch for part in unlike(difference, sky, **options)]


STAR = spot(20, 25, 100.0, 2.0)


@pytest.mark.parametrize("factor", [0.1, 1.0, 5.0, -0.5])
def test_a_multiple_of_the_template_varies(factor: float) -> None:
    assert varies(factor * STAR, STAR) == [True]


@pytest.mark.parametrize(
    "artifact",
    [spot(20, 25, 60.0, 0.7), spot(22, 26, 60.0, 1.2), spot(20, 25, 60.0, 6.0), spot(20, 32, 60.0, 2.0)],
    ids=["sharp", "off centre", "wide", "beside"],
)
def test_an_artifact_on_a_star_does_not(artifact: np.ndarray) -> None:
    assert varies(artifact, STAR) == [False]


def test_a_sharp_artifact_is_foreign_also_on_a_star_that_varies() -> None:
    (part,) = unlike(0.3 * STAR + spot(23, 28, 150.0, 0.8), STAR)
    assert part > VariableControl().foreign
    assert unlike(0.5 * STAR, np.zeros(BOX.shape)) == [1.0]


@pytest.mark.parametrize("level", [0.7, 3.0])
def test_a_faint_artifact_on_even_light_is_no_multiple_of_it(level: float) -> None:
    # Only its peak is looked at, where the light is the same all over.
    even = np.full(BOX.shape, level)
    (part,) = unlike(spot(20, 25, 20.0, 2.2), even, significance=3.0)
    assert part > VariableControl().foreign
    assert varies(0.5 * STAR, STAR + level) == [True]


def test_nothing_varies_on_empty_sky_nor_when_it_is_switched_off() -> None:
    assert varies(STAR, np.zeros(BOX.shape)) == [False]
    assert varies(STAR, -STAR) == [False]
    assert varies(STAR, STAR, enabled=False) == [False]


@pytest.mark.parametrize("peak", [100.0, 1e5])
def test_a_source_is_one_however_much_it_may_differ(peak: float) -> None:
    # The peak of a narrow star is seen before matching alone; after it nothing is there but noise.
    star, nothing = spot(20, 25, peak, 1.4), np.zeros(BOX.shape)
    three = np.zeros(BOX.shape, bool)
    three[20, 24:27] = True
    assert unlike(nothing, star, tolerance=0.5 * peak * np.ones(BOX.shape), flagged=three) == [0.0]
    faint = spot(20, 25, 1.0, 1.4)
    assert unlike(nothing, faint, tolerance=0.5 * np.ones(BOX.shape), flagged=three) == [1.0]


def test_each_footprint_is_judged_by_itself() -> None:
    sky = STAR + spot(33, 40, 80.0, 2.0)
    difference = 0.5 * STAR + spot(34, 42, 80.0, 0.8)
    assert varies(difference, sky) == [True, False]

from __future__ import annotations

import numpy as np
import pytest

from lamella.coadd.relative_scales import relative_scales
from lamella.coadd.scale_check import contradictions
from lamella.coadd.star_matches import match_stars

from .catalogs import Night

NIGHT = Night(seed=4)


def contradicted(stated: dict[int, float], night: Night = NIGHT) -> dict[int, float]:
    catalogs = night.catalogs()
    return contradictions(relative_scales(catalogs, match_stars(catalogs)), stated)


def stated_scales(**wrong: float) -> dict[int, float]:
    scales = dict(enumerate(100.0 * np.array(NIGHT.scales)))
    return {index: scale * wrong.get(f"of{index}", 1.0) for index, scale in scales.items()}


def test_right_scales_are_not_contradicted_whatever_their_unit() -> None:
    assert contradicted(stated_scales()) == {}
    assert contradicted(stated_scales(of1=1.03)) == {}


@pytest.mark.parametrize("ratio", [0.8, 1.1])
def test_a_wrong_scale_is_named_with_its_ratio(ratio: float) -> None:
    wrong = contradicted(stated_scales(of2=ratio))
    assert wrong == {2: pytest.approx(ratio, rel=0.01)}


def test_of_two_the_second_is_named() -> None:
    scales = stated_scales(of0=0.5)
    assert list(contradicted({0: scales[0], 1: scales[1]})) == [1]


def test_scales_that_stars_do_not_know_well_are_not_contradicted() -> None:
    faint = Night(seed=4, stars=3, snr=5.0, scatter=0.1)
    assert contradicted(stated_scales(of2=1.1), faint) == {}

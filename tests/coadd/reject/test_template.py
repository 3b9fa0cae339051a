"""The static sky of matched warps, and what differences it tolerates."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from lsst.images import Box

from lamella.coadd.reject.compare_control import CompareWarpControl, TemplateControl
from lamella.coadd.reject.template import Template, make_template, matched_inputs
from lamella.coadd.stack.sources import Rows
from lamella.data.inputs import WarpSource
from lamella.errors import NoMatchedWarpsError
from lamella.image.planes import Planes
from lamella.planes import Layout, make_schema

SCHEMA = make_schema()


def template_of(maker, **options) -> Template:  # type: ignore[no-untyped-def]
    control = CompareWarpControl(template=TemplateControl(**options))
    return make_template(maker.scene(method="compare_warp", compare_warp=control))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_template_is_the_sky_without_the_artifacts_of_single_visits(epochs, n: int) -> None:
    maker = epochs(n)
    maker.add_cosmic_ray(0, 75, 80, value=500.0)
    found = template_of(maker)
    sky = sum(maker.star(y, x, flux, maker.target) for y, x, flux in maker.stars)
    error = (found.image - sky) / np.sqrt(found.variance)
    # Of two epochs a difference of up to five sigma stays, and half of it in the mean.
    assert np.abs(error[60:90, 60:110]).max() < (9.5 if n == 2 else 6.5)
    assert (found.epochs == n).all()


def test_matched_inputs_weigh_by_the_noise_that_matching_leaves(epochs) -> None:
    maker = epochs(2)
    sharp, wide = matched_inputs(maker.inputs(), ("NO_DATA",))[0]
    for one in (sharp, wide):
        assert one.weight == pytest.approx(1.0 / float(one.source.read(one.source.bbox).variance[0, 0]))
    assert sharp.weight > 1.4 * wide.weight


class Slow:
    """A source that is asked for rows once, and for nothing else."""

    def __init__(self, source: WarpSource) -> None:
        self.bbox, self.schema, self._source, self.asked = source.bbox, source.schema, source, 0

    def read(self, box: Box) -> Planes:
        raise AssertionError("it takes long to be asked")

    def read_rows(self, rows: Sequence[int]) -> Rows:
        self.asked += 1
        planes, at = self._source.read(self.bbox), np.array(rows) - self.bbox.y.start
        return Rows(planes.image[at], planes.mask[at], planes.variance[at])


def test_a_source_that_takes_long_is_asked_once_for_its_weight(epochs) -> None:
    inputs = epochs(2).inputs()
    slow = [dataclasses.replace(one, matched=Slow(one.matched)) for one in inputs]
    weights = [one.weight for one in matched_inputs(slow, ("NO_DATA",))[0]]
    assert weights == [one.weight for one in matched_inputs(inputs, ("NO_DATA",))[0]]
    assert [one.matched.asked for one in slow] == [1, 1]


def test_a_visit_without_a_good_matched_pixel_is_left_out(epochs) -> None:
    maker = epochs(3)
    maker.masks[1] |= Layout(SCHEMA).bits(("NO_DATA",))
    assert [one.visit for one in matched_inputs(maker.inputs(), ("NO_DATA",))[0]] == [0, 2]
    assert (template_of(maker).epochs == 2).all()


def test_tolerances_follow_brightness_and_slope(epochs) -> None:
    maker = epochs(5)
    found = template_of(maker, flux_tolerance=0.03, registration=0.1, direct_flux_tolerance=0.4, reach=3)
    peak = found.image[25, 30]
    assert found.tolerance[25, 30] == pytest.approx(0.03 * peak, rel=0.05)
    # On the flank of a Gaussian at its width the slope is the value over the width.
    value = 0.5 * (found.image[25, 32] + found.image[25, 28])
    slope = value * 2 / maker.target**2
    assert found.tolerance[25, 32] == pytest.approx(np.hypot(0.03 * value, 0.1 * slope), rel=0.15)
    assert found.direct_tolerance[25, 33] == pytest.approx(0.4 * peak, rel=0.05)
    # Noise is no source.
    assert np.median(found.direct_tolerance) == 0.0


def test_visits_that_cannot_be_a_part_are_named(epochs) -> None:
    maker = epochs(3)
    maker.masks[1] |= Layout(SCHEMA).bits(("NO_DATA",))
    left_out = template_of(maker).left_out
    assert list(left_out) == [("Cam", 1)]
    assert "no good pixel" in left_out["Cam", 1]


def test_no_matched_warps_no_template(epochs) -> None:
    maker = epochs(2)
    inputs = maker.inputs(matched=False)
    with pytest.raises(NoMatchedWarpsError, match="PSF-matched"):
        make_template(maker.scene(inputs))

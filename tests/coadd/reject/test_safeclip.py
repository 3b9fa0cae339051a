"""SafeClip: which visit a footprint is clipped from, and what it finds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lamella.coadd.reject.reject_control import SafeClipControl
from lamella.coadd.reject.safeclip import _significant, attribute_footprints, detect, safe_clip
from lamella.image.footprints import Footprints
from lamella.planes import Layout, make_schema

CONTROL = SafeClipControl()
SCHEMA = make_schema()


@pytest.mark.parametrize(
    ("covered", "bad", "clipped"),
    [
        ([51, 0, 0], [0, 0, 0], [0]),  # alone and beyond a half
        ([50, 0, 0], [0, 0, 0], []),
        ([61, 40, 10], [0, 0, 0], [0]),  # the only one beyond 0.6
        ([61, 62, 10], [0, 0, 0], []),
        ([59, 40, 10], [0, 0, 0], []),
        ([46, 50, 15, 10], [0, 0, 0, 0], [0, 1]),  # two of four, the others hardly
        ([46, 50, 16, 10], [0, 0, 0, 0], []),
        ([80, 50, 15], [0, 0, 0], [0]),  # three visits: the rule for two does not hold
        ([80, 50, 15, 10], [0, 0, 0, 0], [0, 1]),  # it comes before the rule for one
        ([30, 0, 0], [49, 0, 0], []),  # more bad than detected
        ([40, 0, 0], [40, 0, 0], [0]),  # of the good pixels two thirds
        ([45, 0, 0], [50, 0, 0], []),  # half of it is bad
        ([0, 0, 0], [0, 0, 0], []),
    ],
)
def test_the_rules(covered: list[int], bad: list[int], clipped: list[int]) -> None:
    areas = np.array([100])
    columns = (np.array(values)[:, np.newaxis] for values in (bad, covered))
    found = attribute_footprints(areas, *columns, CONTROL)
    assert np.flatnonzero(found[:, 0]).tolist() == clipped


def test_areas_beyond_sixteen_bits_do_not_wrap() -> None:
    areas = np.array([100_000])
    covered, bad = np.array([[70_000], [0]]), np.array([[0], [0]])
    assert attribute_footprints(areas, bad, covered, CONTROL)[:, 0].tolist() == [True, False]


def clip(maker, **options) -> np.ndarray:  # type: ignore[no-untyped-def]
    widths = tuple(2.3548 * maker.sigma(k) for k in range(len(maker.images)))
    scene = maker.scene(maker.inputs(matched=False), method="safe_clip", safe_clip=options)
    found = safe_clip(dataclasses.replace(scene, fwhm=widths))
    return np.array([one.kinds["clipped"].to_array(maker.bbox) for one in found])


def test_bright_artifacts_on_the_sky_are_clipped_from_their_visit(epochs) -> None:
    maker = epochs(5)
    maker.add(1, maker.star(75.0, 80.0, 3000.0, 1.9))
    maker.add(3, maker.star(90.0, 15.0, 3000.0, 1.8))
    flags = clip(maker)
    truth = np.array(maker.artifacts)
    assert (flags & truth).sum() / truth.sum() > 0.98
    assert not flags[[0, 2, 4]].any()


def test_detected_planes_of_the_inputs_are_used_if_there_are_any(epochs) -> None:
    maker = epochs(5)
    maker.add(1, maker.star(75.0, 80.0, 3000.0, 1.9))
    for mask in maker.masks:
        mask[0, 0] |= Layout(SCHEMA).bits(("DETECTED",))
    assert not clip(maker).any()
    maker.masks[1][65:86, 70:91] |= Layout(SCHEMA).bits(("DETECTED",))
    assert clip(maker)[1, 75, 80]


def test_what_is_faint_in_single_pixels_is_significant_when_smoothed(epochs) -> None:
    # A star as bright as 5 sigma of a fit with the PSF: one sigma in its brightest pixel.
    noise, sigma = np.random.default_rng(1).normal(0.0, 1.0, (100, 100)), 2.0
    star = epochs(1).star(50.0, 50.0, 5.0 * 2.0 * sigma * np.sqrt(np.pi), sigma)[:100, :100]
    assert star.max() == pytest.approx(1.41, abs=0.01)
    known, variance = np.ones((100, 100), bool), np.ones((100, 100), np.float32)
    significant = [
        _significant(star.astype(np.float32), variance, known, sigma, limit) for limit in (4.9, 5.1)
    ]
    assert [flags.any() for flags in significant] == [True, False]
    part = _significant(noise.astype(np.float32), variance, known, sigma, 2.0).mean()
    assert part == pytest.approx(0.0455, abs=0.02)


def test_detections_grow(epochs) -> None:
    maker = epochs(1)
    (one,) = maker.inputs(matched=False)
    radius = []
    for grow in (0.0, 2.4):
        scene = maker.scene([one], method="safe_clip", safe_clip={"detection_grow": grow})
        detections = detect(scene, Footprints.none(), one, maker.sigma(0)).detections
        assert detections.count == len(maker.stars)
        radius.append(np.sqrt(detections.areas / np.pi))
    np.testing.assert_allclose(radius[1] - radius[0], round(2.4 * maker.sigma(0)), atol=0.6)


def test_whole_big_detections_follow_when_a_part_is_clipped(epochs) -> None:
    maker = epochs(5)
    rows, columns = np.indices(maker.bbox.shape)
    trail = 25.0 * np.exp(-0.5 * ((rows - columns - 10) / 2.5) ** 2)
    maker.images[2] += trail
    maker.masks[2][np.abs(rows - columns - 10) < 10] |= Layout(SCHEMA).bits(("DETECTED",))
    for k in (0, 1, 3, 4):
        maker.masks[k][0, 0] |= Layout(SCHEMA).bits(("DETECTED",))
    whole = clip(maker)[2]
    assert whole[np.abs(rows - columns - 10) < 10].all()
    part = clip(maker, min_big_overlap=10**6)[2]
    assert 0 < part.sum() < whole.sum()


def test_of_two_visits_nothing_is_clipped(epochs) -> None:
    """What the note of the method says."""
    maker = epochs(2)
    maker.add(1, maker.star(75.0, 80.0, 3000.0, 1.9))
    assert not clip(maker).any()

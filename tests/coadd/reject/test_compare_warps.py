"""CompareWarp: what is found, what is kept, and what few epochs allow."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from lsst.images import Box

from lamella.coadd.reject.compare_control import (
    CompareWarpControl,
    FluxControl,
    GhostControl,
    PositionControl,
    TemplateControl,
    VariableControl,
)
from lamella.coadd.reject.compare_warps import _few_epochs, compare_warps, max_epochs
from lamella.coadd.reject.template import Template
from lamella.coadd.stack.sources import ImageSource
from lamella.data.removals import VisitArtifacts
from lamella.errors import NoMatchedWarpsError
from lamella.image.spans import shared_runs
from lamella.planes import Layout, make_schema

SCHEMA = make_schema()


def compare(maker, inputs=None, *, threads: int = 1, **options) -> list[VisitArtifacts]:  # type: ignore[no-untyped-def]
    control = CompareWarpControl(**options)
    return compare_warps(maker.scene(inputs, threads=threads, method="compare_warp", compare_warp=control))


def removed(maker, found: list[VisitArtifacts]) -> np.ndarray:  # type: ignore[no-untyped-def]
    return np.array([one.removed.to_array(maker.bbox) for one in found])


def completeness(maker, flags: np.ndarray) -> float:  # type: ignore[no-untyped-def]
    truth = np.array(maker.artifacts)
    return float((flags & truth).sum() / truth.sum())


@pytest.mark.parametrize("n", [2, 3, 5])
def test_cosmic_rays_are_found_and_clean_visits_are_left_alone(epochs, n: int) -> None:
    maker = epochs(n)
    for visit in range(n - 1):
        for y in (10, 75, 140):
            maker.add_cosmic_ray(visit, y, 15 + 40 * visit)
    flags = removed(maker, compare(maker))
    assert completeness(maker, flags) == 1.0
    assert flags[n - 1].sum() < 20
    assert flags.sum() < 12 * np.sum(maker.artifacts)


@pytest.mark.parametrize("n", [3, 5])
def test_a_cosmic_ray_on_a_star_is_found_and_the_star_stays_in_the_other_visits(epochs, n: int) -> None:
    maker = epochs(n)
    maker.add_cosmic_ray(1, 25, 31, value=150.0)  # on the flank of a star with a peak of 170
    flags = removed(maker, compare(maker))
    assert completeness(maker, flags) > 0.9
    others = np.delete(np.arange(n), 1)
    assert not flags[others, 20:31, 25:36].any()


def test_a_satellite_is_removed_to_its_full_width(epochs) -> None:
    maker = epochs(5)
    rows, columns = np.indices(maker.bbox.shape)
    distance = (rows - 0.8 * columns - 10) / np.hypot(1, 0.8)
    trail = 30.0 * np.exp(-0.5 * (distance / maker.sigma(2)) ** 2)
    maker.add(2, trail)
    flags = removed(maker, compare(maker))
    assert completeness(maker, flags) == 1.0
    left = trail[~flags[2]].sum() / trail.sum()
    assert left < 0.005
    assert flags[[0, 1, 3, 4]].sum() < 50


def test_a_star_that_varies_stays_unless_asked_for(epochs) -> None:
    maker = epochs(5)
    y, x, flux = maker.stars[0]
    maker.images[3] += maker.star(y, x, 0.8 * flux, maker.sigma(3))
    flags = removed(maker, compare(maker))
    assert not flags[:, 15:36, 20:41].any()
    strict = removed(maker, compare(maker, variables=VariableControl(enabled=False)))
    assert strict[3, 25, 30]


def test_a_source_that_moves_is_removed_where_it_was(epochs) -> None:
    maker = epochs(5)
    for visit in range(5):
        maker.add(visit, maker.star(80.0, 20.0 + 25 * visit, 1500.0, maker.sigma(visit)))
    assert completeness(maker, removed(maker, compare(maker))) == 1.0


def test_what_many_visits_show_is_no_artifact(epochs) -> None:
    maker = epochs(5)
    y, x, flux = maker.stars[3]
    for visit, change in enumerate((0.5, -0.4, 0.0, 0.7, -0.5)):
        # Shifted, so that it has not the shape of the star.
        maker.images[visit] += maker.star(y + 3, x, change * flux, maker.sigma(visit))
    keep = removed(maker, compare(maker))
    assert keep[:, 110:135, 110:130].mean() < 0.02


def test_a_single_visit_is_compared_with_nothing(epochs) -> None:
    maker = epochs(1)
    maker.add_cosmic_ray(0, 75, 80)
    (found,) = compare(maker)
    assert found.removed.area == 0
    assert found.alone == found.valid.area == maker.bbox.area


def test_of_two_visits_the_brighter_one_loses(epochs) -> None:
    maker = epochs(2)
    maker.add_cosmic_ray(0, 75, 80)
    signal = np.zeros(maker.bbox.shape)
    signal[140, 20:28] = -40.0
    maker.images[1] += signal
    flags = removed(maker, compare(maker))
    assert flags[0, 75, 80:86].all()
    assert not flags[1].any()
    assert not flags[0, 135:146, 15:35].any()  # it shows no light there, whatever the other one lacks


@pytest.mark.parametrize(("n", "shift"), [(2, 0.3), (2, 0.6), (3, 0.4), (5, 0.4)])
def test_stars_that_are_displaced_in_one_visit_stay(epochs, n: int, shift: float) -> None:
    """At two visits each would lose the side of its stars that the other lacks; a third takes sides."""
    maker = epochs(n)
    for y, x, flux in maker.stars:
        maker.images[0] += maker.star(y, x + shift, flux, maker.sigma(0)) - maker.star(
            y, x, flux, maker.sigma(0)
        )
    found = compare(maker)
    flags = removed(maker, found)
    for y, x, _ in maker.stars:
        near = (slice(None), slice(int(y) - 8, int(y) + 9), slice(int(x) - 8, int(x) + 9))
        assert flags[near].sum() < 5
    if n > 2:
        assert flags.mean() < 1e-3


def test_positions_are_measured_and_told(epochs) -> None:
    maker = epochs(5)
    for x in np.linspace(10, 140, 7):
        for visit in range(5):
            shift = 0.5 if visit == 1 else 0.0
            maker.images[visit] += maker.star(55.0, x + shift, 4000.0, maker.sigma(visit)).astype(np.float32)
    offsets = [one.offset for one in compare(maker)]
    # The visit is a part of the static sky, and the other half of its stars is where it should be.
    assert offsets[1][0] == pytest.approx(0.4, abs=0.15)
    assert all(abs(shift) < 0.15 for index in (0, 2, 3, 4) for shift in offsets[index])
    assert all(abs(offset[1]) < 0.05 for offset in offsets)
    strict = compare(maker, positions=PositionControl(max_offset=0.05))
    assert "look at its astrometry" in " ".join(strict[1].notes)
    assert not any("astrometry" in note for index in (0, 2, 3, 4) for note in strict[index].notes)
    off = compare(maker, positions=PositionControl(enabled=False))
    assert np.isnan(off[1].offset).all()


@pytest.mark.parametrize("lost", [False, True])
def test_rims_along_the_end_of_the_coadd_are_evidence(epochs, lost: bool) -> None:
    """All visits are made up for alike there; beside pixels that they have lost they are not believed."""
    maker = epochs(4)
    maker.add_cosmic_ray(1, 1, 70)
    maker.add_cosmic_ray(2, 100, maker.bbox.x.size - 3)
    for visit in (0, 2, 3) if lost else ():
        maker.masks[visit][6:12] |= Layout(SCHEMA).bits(("NO_DATA",))
    inputs = []
    for visit, one in enumerate(maker.inputs()):
        matched = maker.match(visit)
        for rim in (np.s_[:6], np.s_[-6:], np.s_[:, :6], np.s_[:, -6:]):
            matched.mask.array[rim] |= Layout(SCHEMA).bits(("DETECTION_EDGE",))
        inputs.append(dataclasses.replace(one, matched=ImageSource(matched)))
    flags = removed(maker, compare(maker, inputs))
    assert flags[2][:, -6:].any()
    assert flags[1][:3].any() != lost


@pytest.mark.parametrize("start", range(22, 42, 3))
def test_a_source_beside_the_end_of_another_visit_stays_whole(epochs, start: int) -> None:
    """The rim of a matched warp says nothing of what lies beyond it."""
    maker = epochs(2)
    maker.masks[1][:, :start] |= Layout(SCHEMA).bits(("NO_DATA",))
    y, x, _ = maker.stars[0]
    flags = removed(maker, compare(maker))
    assert not flags[:, int(y) - 10 : int(y) + 11, int(x) - 10 : int(x) + 11].any()


def test_the_last_visit_of_a_pixel_is_never_removed(epochs) -> None:
    maker = epochs(3)
    maker.masks[0][:, 90:] |= Layout(SCHEMA).bits(("NO_DATA",))
    maker.masks[1][:, 110:] |= Layout(SCHEMA).bits(("NO_DATA",))
    rows, columns = np.indices(maker.bbox.shape)
    for visit, row in ((0, 75), (1, 76), (2, 75)):
        trail = 40.0 * np.exp(-0.5 * ((rows - row - 0.1 * visit * columns) / maker.sigma(visit)) ** 2)
        maker.add(visit, trail)
    found = compare(maker)
    usable = np.array([one.valid.to_array(maker.bbox) for one in found])
    flags = removed(maker, found) & usable
    assert flags.any()
    left = (usable & ~flags).sum(axis=0)
    assert (left[usable.any(axis=0)] > 0).all()
    assert not flags[2, :, 110:].any()


def trail(maker, slope: float, start: float, peak: float) -> np.ndarray:  # type: ignore[no-untyped-def]
    rows, columns = np.indices(maker.bbox.shape)
    across = (rows - slope * columns - start) / np.hypot(1.0, slope)
    return peak * np.exp(-0.5 * (across / maker.sigma(0)) ** 2)


def test_what_lies_below_a_trail_of_another_of_four_visits_is_removed(epochs) -> None:
    """Two of four visits differ there, but not because the sky does."""
    maker = epochs(4, shape=(400, 410))
    maker.images[3] += trail(maker, 0.1, 230.0, 12.0)
    maker.add_cosmic_ray(0, 245, 150)
    maker.add(1, maker.star(252.0, 220.0, 1500.0, maker.sigma(1)))
    flags = removed(maker, compare(maker))
    assert completeness(maker, flags) == 1.0
    assert not flags[2, 240:260, 140:240].any()


def test_what_two_of_four_visits_show_alike_stays_also_beside_a_trail(epochs) -> None:
    maker = epochs(4)
    for visit, flux in ((0, 1500.0), (1, 800.0)):
        maker.images[visit] += maker.star(80.0, 60.0, flux, maker.sigma(visit))
    y, x, flux = maker.stars[3]
    for visit in (0, 3):  # a star whose shape differs in two visits, one of them with a trail across it
        maker.images[visit] += maker.star(y + 3, x, 0.5 * flux, maker.sigma(visit))
    maker.add(3, trail(maker, 0.1, y - 0.1 * x, 12.0))
    flags = removed(maker, compare(maker))
    assert completeness(maker, flags) == 1.0
    assert not flags[:, 74:87, 54:67].any()
    assert not flags[:3, 114:130, 114:127].any()


@pytest.mark.parametrize("n", [2, 4])
def test_diffraction_spikes_are_no_streaks_and_trails_across_bright_stars_are(epochs, n: int) -> None:
    maker = epochs(n, shape=(200, 210))
    y, x = 101.0, 104.0
    for visit in range(n):
        maker.images[visit] += maker.star(y, x, 3e5, maker.sigma(visit)).astype(np.float32)
    rows, columns = np.indices(maker.bbox.shape)
    for visit, angle in ((0, 0.5), (1, 0.9)):
        along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
        across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
        spike = 200.0 / (8.0 + np.abs(along)) * np.exp(-np.abs(along) / 60.0)
        maker.images[visit] += (spike * np.exp(-0.5 * (across / 1.7) ** 2)).astype(np.float32)
    flags = removed(maker, compare(maker))
    assert flags[:, 40:160, 40:170].mean() < 2e-3
    across = (rows - y) * np.cos(-0.4) - (columns - x) * np.sin(-0.4)
    trail = 6.0 * np.exp(-0.5 * (across / 1.8) ** 2)
    maker.add(0, trail)
    flags = removed(maker, compare(maker))
    far = (trail > 3.0) & (np.hypot(rows - y, columns - x) > 20)
    assert flags[0][far].mean() > 0.95


def test_the_limit_of_epochs_is_neither_rounded_nor_less_than_one() -> None:
    control = CompareWarpControl()
    limits = max_epochs(np.array([1, 2, 3, 4, 5, 10, 100]), control)
    np.testing.assert_allclose(limits, [1.0, 1.0, 1.2, 1.6, 2.0, 2.3, 5.0])
    assert max_epochs(10, control, sky=True) == 4.0
    assert max_epochs(2, control, sky=True) == 1.0


def test_threads_and_order_change_nothing(epochs) -> None:
    maker = epochs(4)
    for visit in range(4):
        maker.add_cosmic_ray(visit, 20 + 30 * visit, 70)
    first = removed(maker, compare(maker))
    again = removed(maker, compare(maker, threads=3))
    np.testing.assert_array_equal(first, again)
    backwards = removed(maker, compare(maker, maker.inputs()[::-1]))
    np.testing.assert_array_equal(first, backwards[::-1])
    assert first.any()


def test_a_visit_without_a_matched_warp_is_compared_as_it_is_and_says_so(epochs) -> None:
    maker = epochs(4)
    maker.add_cosmic_ray(1, 75, 80)
    inputs = maker.inputs()
    inputs[1] = dataclasses.replace(inputs[1], matched=None)
    found = compare(maker, inputs)
    assert completeness(maker, removed(maker, found)) == 1.0
    assert "no matched warp" in found[1].notes[0]
    assert found[0].notes == ()


def test_without_any_matched_warp_there_is_advice(epochs) -> None:
    maker = epochs(3)
    with pytest.raises(NoMatchedWarpsError, match="safe_clip"):
        compare(maker, maker.inputs(matched=False))


def test_a_wrong_photometric_scale_of_a_matched_warp_is_told(epochs) -> None:
    maker = epochs(5)
    inputs = maker.inputs()
    inputs[2] = dataclasses.replace(inputs[2], matched_scale=1.1)
    found = [one.notes for one in compare(maker, inputs)]
    assert [len(notes) for notes in found] == [0, 0, 1, 0, 0]
    # The template has a fifth of this visit.
    assert "Its bright sources are 7." in found[2][0]
    assert "% brighter than those of the static sky, more than 5.0 %" in found[2][0]
    inputs[2] = dataclasses.replace(inputs[2], matched_scale=1 / 1.1)
    assert "% fainter" in compare(maker, inputs)[2].notes[0]
    lenient = compare(maker, inputs, fluxes=FluxControl(max_deviation=0.2))
    assert not any(one.notes for one in lenient)


def test_a_visit_whose_matched_warp_is_lost_is_told(epochs) -> None:
    maker = epochs(4)
    maker.add_cosmic_ray(0, 75, 80)
    inputs = maker.inputs()
    planes = maker.match(1)
    planes.mask.array[..., 0] |= Layout(SCHEMA).bits(("NO_DATA",))
    inputs[1] = dataclasses.replace(inputs[1], matched=ImageSource(planes))
    found = compare(maker, inputs)
    assert [bool(one.notes) for one in found] == [False, True, False, False]
    assert "not part of the static sky: no good pixel" in found[1].notes[0]
    assert completeness(maker, removed(maker, found)) == 1.0


@pytest.mark.parametrize(
    ("level", "foreign", "found"), [(0.0, True, True), (3.0, True, True), (3.0, False, False)]
)
def test_artifacts_of_three_visits_of_ten_at_one_place(level: float, foreign: bool, found: bool) -> None:
    # Faint light below them does not turn what has another shape into an error of the match.
    shape, control = (4, 5), CompareWarpControl()
    plane = np.ones(shape, np.float32)
    sky = TemplateControl(), np.full(shape, level, np.float32), 0.1 * plane
    template = Template.of(Box.from_shape(shape), sky[1], sky[2], np.full(shape, 10, np.int32), sky[0])
    counts = np.full(shape, 3, np.int32)
    assert (_few_epochs(counts, template, control, foreign=foreign) == found).all()
    assert not _few_epochs(counts + 2, template, control, foreign=foreign).any()
    bright = dataclasses.replace(template, tolerance=plane)
    if level:
        assert not _few_epochs(counts, bright, control, foreign=foreign).any()


def test_the_scale_of_the_matched_warp_is_its_own(epochs) -> None:
    maker = epochs(4)
    expected = removed(maker, compare(maker))
    inputs = maker.inputs()
    for name, factor in (("source", 2.0), ("matched", 5.0)):
        planes = getattr(inputs[2], name)
        planes.view().image[...] /= np.float32(factor)
        planes.view().variance[...] /= np.float32(factor**2)
    inputs[2] = dataclasses.replace(inputs[2], scale=2.0, matched_scale=5.0)
    np.testing.assert_array_equal(removed(maker, compare(maker, inputs)), expected)
    wrong = [dataclasses.replace(one, matched_scale=1.0) for one in inputs]
    # Stars that are fainter by one factor look like variable ones, and stay all the same.
    assert not removed(maker, compare(maker, wrong))[2].any()
    assert removed(maker, compare(maker, wrong, variables=VariableControl(enabled=False)))[2].sum() > 50


def test_masked_pixels_are_not_candidates(epochs) -> None:
    maker = epochs(4)
    maker.add_cosmic_ray(1, 75, 80)
    maker.masks[1][70:82, 75:95] |= Layout(SCHEMA).bits(("BAD",))
    found = compare(maker)
    assert shared_runs(found[1].removed, found[1].valid).area == 0
    assert found[1].valid.area == maker.bbox.area - 12 * 20


def test_untested_pixels_are_discarded_on_demand(epochs) -> None:
    maker = epochs(3)
    inputs = maker.inputs()
    edge, no_data = (Layout(SCHEMA).bits((name,)) for name in ("DETECTION_EDGE", "NO_DATA"))
    matched = inputs[0].matched
    matched.view().image[:8], matched.view().variance[:8] = np.nan, np.inf
    matched.view().mask[:8] |= no_data
    matched.view().mask[8:10] |= edge
    kept = compare(maker, inputs)
    assert kept[0].removed.area < 20
    assert kept[0].edges is None
    found = compare(maker, inputs, untested="discard")
    assert found[0].kinds["untested"].area == 8 * maker.bbox.x.size
    assert found[0].edges.area == 2 * maker.bbox.x.size
    assert found[1].kinds["untested"].area == 0


def test_wrong_variances_do_not_matter_when_the_noise_is_measured(epochs) -> None:
    maker = epochs(4)
    inputs = maker.inputs()
    for one in inputs:
        one.source.view().variance[...] /= np.float32(4.0)
        one.matched.view().variance[...] /= np.float32(4.0)
    trusting = removed(maker, compare(maker, inputs, rescale_variance=False))
    measured = removed(maker, compare(maker, inputs))
    assert trusting.mean() > 20 * max(measured.mean(), 1e-5)
    assert measured.mean() < 0.002


@pytest.mark.parametrize("n", [2, 5])
def test_faint_wide_light_is_found_in_bins(epochs, n: int) -> None:
    maker = epochs(n, shape=(400, 410))
    rows, columns = np.indices(maker.bbox.shape)
    ghost = np.hypot(rows - 250, columns - 200) < 70
    maker.images[0][ghost] += 0.6
    flags = removed(maker, compare(maker, ghosts=GhostControl(bin_size=16)))
    assert flags[0][ghost].mean() > 0.8
    assert flags[0][~ghost].mean() < 0.03
    assert flags[1:].mean() < 0.002
    without = removed(maker, compare(maker, ghosts=GhostControl(enabled=False)))
    assert without[0][ghost].mean() < 0.1


def test_the_template_tolerates_what_it_is_told_to(epochs) -> None:
    maker = epochs(5)
    y, x, flux = maker.stars[2]
    maker.images[2] += maker.star(y + 2.0, x, 0.06 * flux, maker.sigma(2))
    spot = (2, slice(100, 121), slice(30, 51))
    as_they_are = PositionControl(enabled=False)  # a faint star beside another one displaces it
    strict = compare(
        maker, template=TemplateControl(flux_tolerance=0.002, registration=0.0), positions=as_they_are
    )
    assert removed(maker, strict)[spot].any()
    lenient = compare(maker, template=TemplateControl(flux_tolerance=0.05), positions=as_they_are)
    assert not removed(maker, lenient)[spot].any()

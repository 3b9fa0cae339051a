"""Rejection as a part of assembly: planes, counts, records, and what a coadd becomes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from lsst.images import Mask

from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.reject.compare_control import CompareWarpControl
from lamella.coadd.reject.reject import Findings, find_rejections
from lamella.coadd.reject.reject_control import RejectControl
from lamella.coadd.reject.scene import count_visits
from lamella.data.coadd import PatchCoadd
from lamella.data.inputs import CoaddTarget
from lamella.errors import ConfigError
from lamella.image.spans import SpanMask
from lamella.planes import Layout, make_schema
from lamella.resources import Resources

SCHEMA = make_schema()
METHODS = ("safe_clip", "compare_warp")


def config_of(method: str, **options) -> AssembleConfig:  # type: ignore[no-untyped-def]
    return AssembleConfig(fill_gaps=False, reject=RejectControl(method=method, **options))


def messy(epochs, n: int = 5):  # type: ignore[no-untyped-def]
    maker = epochs(n)
    for visit in range(n):
        maker.add(visit, maker.star(75.0, 15.0 + 28 * visit, 3000.0, maker.sigma(visit)))
    return maker


def coadd_of(inputs, maker, grid, config, **options) -> PatchCoadd:  # type: ignore[no-untyped-def]
    target = CoaddTarget(outer_bbox=maker.bbox, projection=grid.projection)
    return assemble(inputs, config, target=target, **options)


@pytest.mark.parametrize("method", METHODS)
def test_the_coadd_is_the_mean_of_what_is_left(epochs, maker, method: str) -> None:
    visits = messy(epochs)
    seen: list[Findings] = []
    coadd = coadd_of(visits.inputs(), visits, maker, config_of(method), on_findings=seen.append)
    (found,) = seen
    cleaned = found.apply(visits.inputs())
    config = AssembleConfig(
        statistic="MEAN",
        fill_gaps=False,
        bad_mask_planes=("NO_DATA", "BAD", "SATURATED", "DETECTION_EDGE", "CLIPPED"),
    )
    expected = coadd_of(cleaned, visits, maker, config)
    for name in ("image", "variance", "exposure_count"):
        np.testing.assert_array_equal(getattr(coadd, name).array, getattr(expected, name).array)
    np.testing.assert_array_equal(coadd.mask.array, expected.mask.array)
    counts = count_visits(found.removed, visits.bbox)
    np.testing.assert_array_equal(coadd.exposure_count.array, 5 - counts)
    assert counts[75, 15] == counts[75, 71] == 1
    clipped = coadd.mask.get("CLIPPED")
    np.testing.assert_array_equal(clipped, counts > 0)
    np.testing.assert_array_equal(coadd.mask.get("INEXACT_PSF"), clipped)


def test_the_mean_of_stars_is_that_of_clean_visits(epochs, maker) -> None:
    visits = messy(epochs)
    clean = epochs(5)
    coadd = coadd_of(visits.inputs(), visits, maker, config_of("compare_warp"))
    truth = coadd_of(clean.inputs(), clean, maker, AssembleConfig(statistic="MEAN", fill_gaps=False))
    for y, x, flux in visits.stars:
        spot = (slice(int(y) - 8, int(y) + 9), slice(int(x) - 8, int(x) + 9))
        difference = float((coadd.image.array[spot] - truth.image.array[spot]).sum())
        assert abs(difference) < 0.001 * flux
    # In place of a moving source there is the mean of the other four visits.
    assert abs(coadd.image.array[70:81, 10:21] - truth.image.array[70:81, 10:21]).max() < 2.5


@pytest.mark.parametrize("method", METHODS)
def test_records_say_how_much_was_removed_from_which_visit(epochs, maker, method: str) -> None:
    visits = messy(epochs)
    coadd = coadd_of(visits.inputs(), visits, maker, config_of(method, warn_fraction=0.0))
    table = coadd.artifacts
    assert table["visit"].tolist() == [0, 1, 2, 3, 4]
    assert (table["removed"] > 20).all()
    assert (table["removed"] < 800).all()
    np.testing.assert_allclose(table["fraction"], table["removed"] / table["valid"])
    assert all("more than 0.0 %" in text for text in table["warning"])
    kind = "clipped" if method == "safe_clip" else "transient"
    assert (table[kind] == table["removed"]).all()


def test_records_survive_archives_and_cutting(epochs, maker, tmp_path) -> None:
    visits = messy(epochs)
    inputs = [dataclasses.replace(one, detectors=(maker.detector(one.visit),)) for one in visits.inputs()]
    coadd = coadd_of(inputs, visits, maker, config_of("compare_warp"))
    coadd.write(str(tmp_path / "coadd.fits"))
    read = PatchCoadd.read(str(tmp_path / "coadd.fits"))
    assert read.removals == coadd.removals
    assert len(read.removals) == 5
    assert coadd[visits.bbox].removals == coadd.removals
    assert coadd.copy().removals == coadd.removals


def test_nothing_is_looked_for_unless_asked(epochs, maker) -> None:
    visits = messy(epochs)
    seen: list[Findings] = []
    config = AssembleConfig(statistic="MEAN", fill_gaps=False)
    coadd = coadd_of(visits.inputs(), visits, maker, config, on_findings=seen.append)
    assert coadd.removals == ()
    assert len(coadd.artifacts) == 0
    assert not count_visits(seen[0].removed, visits.bbox).any()
    assert config.after_rejection() is config


@pytest.mark.parametrize("method", METHODS)
def test_the_example_is_the_coadd_with_its_artifacts(epochs, maker, method: str) -> None:
    visits = messy(epochs)
    seen: list[Findings] = []
    coadd_of(visits.inputs(), visits, maker, config_of(method), on_findings=seen.append)
    before = seen[0].before
    assert before is not None
    config = AssembleConfig(statistic="MEAN", fill_gaps=False)
    expected = coadd_of(visits.inputs(), visits, maker, config)
    np.testing.assert_array_equal(before.array, expected.image[before.bbox].array)


def test_planes_that_an_input_had_stay(epochs, maker) -> None:
    visits = messy(epochs)
    inputs = visits.inputs()
    flags = np.zeros((*visits.bbox.shape, 1), np.int32)
    flags[40:45, 60:65] = Layout(SCHEMA).bits(("BAD",))
    flags[75, 15] = Layout(SCHEMA).bits(("CLIPPED",))
    alternate = SpanMask.from_mask(Mask(flags, schema=SCHEMA, bbox=visits.bbox))
    inputs[0] = dataclasses.replace(inputs[0], alternate=alternate)
    found = find_rejections(visits.scene(inputs))
    planes = found.apply(inputs)[0].alternate.planes
    assert planes["BAD"].area == 25
    assert planes["CLIPPED"].area >= found.artifacts[0].planes["CLIPPED"].area
    assert planes["CLIPPED"].to_array(visits.bbox)[75, 15]


def test_untested_pixels_leave_no_data_and_edges_an_inexact_psf(epochs, maker) -> None:
    visits = epochs(3)
    inputs = visits.inputs()
    no_data, edge = (Layout(SCHEMA).bits((name,)) for name in ("NO_DATA", "DETECTION_EDGE"))
    matched = inputs[0].matched
    matched.view().image[:8], matched.view().variance[:8] = np.nan, np.inf
    matched.view().mask[:8] |= no_data
    matched.view().mask[8:10] |= edge
    control = CompareWarpControl(untested="discard")
    coadd = coadd_of(inputs, visits, maker, config_of("compare_warp", compare_warp=control))
    assert (coadd.exposure_count.array[:8] <= 2).all()
    assert np.median(coadd.exposure_count.array[8:]) == 3
    assert not coadd.mask.get("NO_DATA")[:8].any()
    for plane in ("SENSOR_EDGE", "INEXACT_PSF"):
        assert coadd.mask.get(plane)[8:10].all()
        assert coadd.mask.get(plane)[20:].mean() < 0.05
    assert coadd.artifacts["untested"].tolist() == [8 * visits.bbox.x.size, 0, 0]


@pytest.mark.parametrize("method", METHODS)
def test_tiles_threads_and_order_change_no_bit(epochs, maker, method: str) -> None:
    visits = messy(epochs)
    first = coadd_of(visits.inputs(), visits, maker, config_of(method))
    resources = Resources(threads=3, memory=0.05)
    second = coadd_of(visits.inputs()[::-1], visits, maker, config_of(method), resources=resources)
    for name in ("image", "variance", "mask", "exposure_count"):
        np.testing.assert_array_equal(getattr(first, name).array, getattr(second, name).array)
    assert first.removals == second.removals


def test_streaks_are_marked_as_such(epochs) -> None:
    visits = epochs(5)
    rows, columns = np.indices(visits.bbox.shape)
    distance = (rows - 0.8 * columns - 10) / np.hypot(1, 0.8)
    visits.add(2, 12.0 * np.exp(-0.5 * (distance / visits.sigma(2)) ** 2))
    found = find_rejections(visits.scene())
    streak = found.artifacts[2].planes["STREAK"].to_array(visits.bbox)
    assert streak[visits.artifacts[2]].mean() > 0.9
    assert found.removals[2].streak > 0
    assert "STREAK" not in found.artifacts[1].planes


@pytest.mark.parametrize("method", METHODS)
def test_with_a_rejection_the_statistic_is_the_mean(method: str) -> None:
    reject = {"method": method}
    for config in (
        AssembleConfig(reject=reject),
        AssembleConfig(reject=reject, statistic="MEAN"),
        AssembleConfig(reject=RejectControl(method=method)).replace(fill_gaps=False),
        AssembleConfig(fill_gaps=False).replace(reject=reject),
        AssembleConfig(**{"reject": reject, "statistic": "MEAN"} | AssembleConfig(reject=reject).to_dict()),
    ):
        assert (config.statistic, config.reject.method) == ("MEAN", method)
    assert (
        AssembleConfig().statistic == AssembleConfig(reject={"warn_fraction": 0.1}).statistic == "NOISECLIP"
    )
    for refused in (
        lambda: AssembleConfig(reject=reject, statistic="MEDIAN"),
        lambda: AssembleConfig(statistic="NOISECLIP").replace(reject=reject),
        lambda: AssembleConfig(reject=reject).replace(statistic="MEANCLIP"),
    ):
        with pytest.raises(ConfigError, match="MEAN of the rest") as caught:
            refused()
        assert caught.value.option == "statistic"


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigError, match="method"):
        RejectControl(method="sigma")

"""A visit that does not go with the others is told: its place, its flux, its noise; good ones are not."""

from __future__ import annotations

import dataclasses
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from lsst.images import Box, Image, Mask, MaskedImage

from lamella.coadd import assemble as module
from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.stack.sources import ImageSource
from lamella.data.inputs import CoaddTarget, WarpInput
from lamella.data.visit_check import VisitCheck
from lamella.image.spans import SpanMask
from lamella.planes import Layout, make_schema
from lamella.resources import Resources
from lamella.sky.footprint import pixel_scale

from ..makers import make_detector, make_planes
from ..projections import tan_projection

SIDE, SCHEMA = 260, make_schema()
BOX = Box.from_shape((SIDE, SIDE), start=(30, -40))
PROJECTION = tan_projection(SkyCoord(10 * u.deg, 5 * u.deg), 0.2 * u.arcsec, (90.0, 160.0))
TARGET = CoaddTarget(outer_bbox=BOX, projection=PROJECTION)
SIGMA, SKY = 1.8, 25.0


def draw(stars: np.ndarray, sigma: float, shift: tuple[float, float]) -> np.ndarray:
    """Draw Moffat stars (y, x, flux) with an exponent of 3."""
    image = np.zeros((SIDE, SIDE))
    square = (2.3548 * sigma / (2 * np.sqrt(2 ** (1 / 3) - 1))) ** 2
    rows = np.arange(SIDE)
    for y, x, flux in stars:
        r2 = np.add.outer((rows - y - shift[0]) ** 2, (rows - x - shift[1]) ** 2)
        image += flux * 2 / (np.pi * square) * (1 + r2 / square) ** -3
    return image


def visit(
    number: int,
    rng: np.random.Generator,
    stars: np.ndarray,
    *,
    sigma: float = SIGMA,
    shift: tuple[float, float] = (0.0, 0.0),
    factor: float = 1.0,
    stated: float = 1.0,
) -> WarpInput:
    image = factor * draw(stars, sigma, shift)
    variance = SKY + image
    image = image + rng.normal(size=image.shape) * np.sqrt(variance)
    planes = make_planes(image, stated * variance, box=BOX, unit=u.nJy)
    weight = 1.0 / (SKY * stated)
    return WarpInput(instrument="Cam", visit=number, band="r", source=ImageSource(planes), weight=weight)


def some_visits(seed: int, n: int, wrong: dict[str, Any] | None = None, number: int = 40) -> list[WarpInput]:
    """Return visits of a field with scatter of seeing and positions; the first one is wrong."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(12, SIDE - 12, (2, number))
    stars = np.column_stack([*places, 10 ** rng.uniform(3.0, 5.0, number)])
    inputs = []
    for k in range(n):
        how: dict[str, Any] = {"sigma": SIGMA * np.exp(0.08 * rng.normal()), "shift": rng.normal(0, 0.03, 2)}
        inputs.append(visit(k, rng, stars, **(how | (wrong or {} if k == 0 else {}))))
    return inputs


def checks(inputs: list[WarpInput], **options: Any) -> tuple[VisitCheck, ...]:
    return assemble(inputs, AssembleConfig(fill_gaps=False, **options), target=TARGET).visit_checks


def warned(found: tuple[VisitCheck, ...]) -> list[int]:
    return [one.visit for one in found if one.warning]


@pytest.mark.parametrize("n", [1, 2, 3, 6])
@pytest.mark.parametrize("seed", [1, 2])
def test_good_visits_are_not_warned_of(n: int, seed: int) -> None:
    found = checks(some_visits(seed, n))
    assert warned(found) == []
    assert [one.visit for one in found] == list(range(n))
    for one in found:
        assert one.noise == pytest.approx(1.0, abs=0.1)
        if n > 1:
            assert one.sources > 10
            assert one.flux == pytest.approx(1.0, abs=0.08)
            assert np.hypot(one.dx or 0.0, one.dy or 0.0) < 0.15
        else:
            assert one.dx is one.flux is None


@pytest.mark.parametrize("statistic", ["NOISECLIP", "MEAN", "MEDIAN"])
def test_a_visit_at_another_place_is_told_with_the_distance(statistic: str) -> None:
    found = checks(some_visits(3, 6, {"shift": (0.9, -0.4)}), statistic=statistic)
    assert warned(found) == [0]
    assert found[0].dy == pytest.approx(0.9, abs=0.12)
    assert found[0].dx == pytest.approx(-0.4, abs=0.12)
    assert "pixels or" in found[0].warning
    assert "mas" in found[0].warning
    assert "astrometry" in found[0].warning


@pytest.mark.parametrize("n", [2, 6])
@pytest.mark.parametrize("shift", [2.0, 12.0])
def test_a_visit_far_away_is_told(n: int, shift: float) -> None:
    found = checks(some_visits(4, n, {"shift": (shift, 0.0)}))
    assert 0 in warned(found)
    assert "astrometry" in found[0].warning
    if n > 2:  # of two, nothing says which is wrong
        assert warned(found) == [0]


@pytest.mark.parametrize("n", [2, 6])
@pytest.mark.parametrize(("factor", "word"), [(0.1, "fainter"), (0.5, "fainter"), (3.0, "brighter")])
def test_a_visit_with_another_zero_point_is_told_with_the_size(n: int, factor: float, word: str) -> None:
    found = checks(some_visits(5, n, {"factor": factor}))
    assert 0 in warned(found)
    assert word in found[0].warning
    assert "zero point" in found[0].warning
    if n > 2:
        assert warned(found) == [0]
        assert found[0].flux == pytest.approx(factor, rel=0.1)


def test_cosmic_rays_that_are_left_are_no_sources() -> None:
    rng = np.random.default_rng(8)
    inputs = []
    for warp in some_visits(8, 2, number=25):
        image = warp.source.read(BOX).image.copy()
        y, x = rng.integers(12, SIDE - 12, (2, 25))
        image[y, x] += 3000.0
        planes = make_planes(image, SKY + np.maximum(image, 0.0), box=BOX, unit=u.nJy)
        fwhm = 2.3548 * SIGMA * pixel_scale(PROJECTION, BOX)
        detector = make_detector(warp.visit, 0, BOX, PROJECTION, sigma=SIGMA, psf_fwhm=fwhm)
        inputs.append(dataclasses.replace(warp, source=ImageSource(planes), detectors=(detector,)))
    told = checks(inputs)
    assert warned(told) == []
    assert all(check.sources >= 10 for check in told)
    # Where nobody knows how wide stars are, some sources are still in both visits.
    unknown = checks([dataclasses.replace(warp, detectors=()) for warp in inputs])
    assert warned(unknown) == []
    assert all(check.sources > 40 for check in unknown)


def test_a_sigma_that_is_taken_for_a_variance_is_told() -> None:
    """In all visits, so that they agree with each other; and in a single one."""
    inputs = some_visits(6, 4)
    for k, one in enumerate(inputs):
        planes = one.source.read(BOX)
        variance = Image(np.sqrt(planes.variance), bbox=BOX)
        mask = Mask(planes.mask[..., None], bbox=BOX, schema=SCHEMA)
        source = ImageSource(MaskedImage(Image(planes.image, bbox=BOX), mask=mask, variance=variance))
        inputs[k] = dataclasses.replace(one, source=source)
    for some in (inputs, inputs[:1]):
        found = checks(some)
        assert warned(found) == [one.visit for one in some]
        for one in found:
            assert one.noise == pytest.approx(SKY**0.25, rel=0.1)
            assert "times what its variance says" in one.warning


def test_a_variance_that_is_too_large_is_told_of_that_visit() -> None:
    found = checks(some_visits(7, 6, {"stated": 5.0}))
    assert warned(found) == [0]
    assert found[0].noise == pytest.approx(5**-0.5, rel=0.1)


def test_threads_order_and_tiles_change_no_number() -> None:
    inputs = some_visits(8, 3, {"factor": 0.5})
    config = AssembleConfig(fill_gaps=False)
    first = assemble(inputs, config, target=TARGET).visit_checks
    resources = Resources(threads=3, memory=0.1)
    assert assemble(inputs[::-1], config, target=TARGET, resources=resources).visit_checks == first


@pytest.mark.parametrize("statistic", ["VARIANCE", "NPOINT"])
def test_what_is_no_image_of_the_sky_is_not_compared(statistic: str) -> None:
    assert checks(some_visits(9, 2), statistic=statistic) == ()


def test_fields_without_sources_and_masked_visits_are_no_problem() -> None:
    inputs = some_visits(10, 2, number=0)
    assert warned(checks(inputs)) == []
    source = inputs[1].source
    assert isinstance(source, ImageSource)
    source.view().mask[:] |= Layout(SCHEMA).bits(("BAD",))
    found = checks(inputs)
    assert warned(found) == []
    assert found[1].noise is None


def test_images_without_noise_are_no_problem() -> None:
    inputs = some_visits(12, 1)
    source = inputs[0].source
    assert isinstance(source, ImageSource)
    source.view().image[:] = 5.0
    (found,) = checks(inputs)
    assert (found.noise, found.warning) == (None, "")


def test_a_bright_level_without_noise_is_no_source() -> None:
    inputs = some_visits(13, 3)
    for one in inputs:
        assert isinstance(one.source, ImageSource)
        one.source.view().image[:] = 1000.0
    assert [(one.sources, one.warning) for one in checks(inputs)] == [(0, "")] * 3


def test_pixels_that_are_masked_for_this_coadd_alone_say_nothing_of_the_noise() -> None:
    inputs = some_visits(14, 4)
    source = inputs[0].source
    assert isinstance(source, ImageSource)
    rows = slice(0, 3 * SIDE // 4)
    source.view().image[rows] *= 5.0
    region = Mask(0, bbox=BOX, schema=SCHEMA)
    region.set("BAD", np.arange(SIDE)[:, np.newaxis] * np.ones(SIDE) < rows.stop)
    inputs[0] = dataclasses.replace(inputs[0], alternate=SpanMask.from_mask(region))
    found = checks(inputs)[0]
    assert found.noise == pytest.approx(1.0, abs=0.1)
    assert not found.warning


def test_a_comparison_that_fails_ends_no_job(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise ZeroDivisionError("nothing there")

    monkeypatch.setattr(module, "check_visits", fail)
    assert checks(some_visits(11, 2)) == ()
    assert "could not be compared" in caplog.text

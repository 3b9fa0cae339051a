from __future__ import annotations

import numpy as np
import pytest
from lsst.images import Box

from lamella.psf.maps import DetectorMaps

REGION = Box.factory[0:4000, 0:4000]
CHIP = Box.factory[0:4000, 0:2000]


def exact(coadd, detector, x: float, y: float) -> tuple[float, float]:
    sky = coadd.pixel_to_sky_transform.apply_forward(x=x, y=y)
    found = detector.sky_to_pixel_transform.apply_forward(x=sky.x, y=sky.y)
    return found.x, found.y


def test_positions_and_derivatives_agree_with_the_exact_map(tan) -> None:
    sip = np.zeros((4, 4))
    sip[2, 0], sip[1, 1], sip[0, 3] = 3e-6, -2e-6, 1e-9
    coadd = tan(30.0, 60.0, x=2000.0, y=2000.0)
    detectors = [tan(30.0 + d, 60.0, angle=40.0 * k, sip=sip) for k, d in enumerate((-0.05, 0.0, 0.08))]
    maps = DetectorMaps(coadd, detectors, [CHIP] * 3, REGION)
    assert maps.approximated.all()
    rng = np.random.default_rng(5)
    for x, y in rng.uniform(0, 4000, size=(40, 2)):
        indices = maps.near(x, y)
        found = maps.at(x, y, indices)
        for n, k in enumerate(indices):
            here = np.array(exact(coadd, detectors[k], x, y))
            assert np.abs(here - (found.x[n], found.y[n])).max() < 1e-4
            across = (
                np.array(exact(coadd, detectors[k], x + 1, y)) - exact(coadd, detectors[k], x - 1, y)
            ) / 2
            up = (np.array(exact(coadd, detectors[k], x, y + 1)) - exact(coadd, detectors[k], x, y - 1)) / 2
            np.testing.assert_allclose(found.matrix[n], np.stack([across, up], axis=1), atol=2e-6)


def test_no_detector_is_overlooked(tan) -> None:
    coadd = tan(30.0, 2.0, x=2000.0, y=2000.0)
    rng = np.random.default_rng(6)
    detectors = [
        tan(30.0 + dx, 2.0 + dy, angle=angle, scale=scale)
        for dx, dy, angle, scale in zip(
            rng.normal(0, 0.1, 60),
            rng.normal(0, 0.1, 60),
            rng.uniform(0, 360, 60),
            rng.uniform(0.1, 0.3, 60),
            strict=True,
        )
    ]
    maps = DetectorMaps(coadd, detectors, [CHIP] * 60, REGION)
    covered = 0
    for x, y in rng.uniform(0, 4000, size=(20, 2)):
        inside = {
            k
            for k, d in enumerate(detectors)
            if CHIP.contains(**dict(zip("xy", exact(coadd, d, x, y), strict=True)))
        }
        near = maps.near(x, y)
        assert inside <= set(near.tolist())
        assert len(near) < 60
        covered += len(inside)
    assert covered > 20


def test_a_map_that_no_polynomial_follows_is_used_as_it_is(tan) -> None:
    sip = np.zeros((4, 4))
    sip[3, 0] = 3e-7
    coadd, detector = tan(x=2000.0, y=2000.0), tan(sip=sip)
    maps = DetectorMaps(coadd, [detector], [CHIP], REGION, tolerance=1e-13)
    assert not maps.approximated.any()
    found = maps.at(1700.0, 1800.0, np.array([0]))
    assert (found.x[0], found.y[0]) == pytest.approx(exact(coadd, detector, 1700.0, 1800.0), abs=1e-9)


def test_outside_of_the_region_the_exact_map_is_used(tan) -> None:
    coadd, detector = tan(x=2000.0, y=2000.0), tan(angle=20.0)
    maps = DetectorMaps(coadd, [detector], [CHIP], Box.factory[1900:2100, 1900:2100])
    assert maps.approximated.all()
    found = maps.at(2900.0, 1500.0, np.array([0]))
    assert (found.x[0], found.y[0]) == pytest.approx(exact(coadd, detector, 2900.0, 1500.0), abs=1e-9)


def test_a_detector_on_the_other_side_of_the_sky_is_nowhere(tan) -> None:
    maps = DetectorMaps(tan(30.0, 2.0), [tan(210.0, -2.0)], [CHIP], REGION)
    found = maps.at(100.0, 100.0, np.array([0]))
    assert np.isnan(found.x[0])
    assert np.isnan(found.y[0])

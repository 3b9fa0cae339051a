from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lamella.coadd.star_matches import match_stars

from .catalogs import Night


def true_groups(night: Night) -> int:
    """Return how many stars at least two exposures have, by their fluxes without noise."""
    catalogs = dataclasses.replace(night, snr=1e9).catalogs()
    fluxes = [
        np.round(catalog.flux * scale, 1) for catalog, scale in zip(catalogs, night.scales, strict=True)
    ]
    _, counts = np.unique(np.concatenate(fluxes), return_counts=True)
    return int(np.count_nonzero(counts > 1))


@pytest.mark.parametrize(("ra", "dec"), [(150.0, 2.2), (0.0, -70.0), (0.001, 85.0)])
@pytest.mark.parametrize("shift", [0.0, 4.0])
def test_all_stars_that_two_exposures_share_are_matched(ra: float, dec: float, shift: float) -> None:
    offsets = ((0.0, 0.0), (shift, 0.0), (0.0, -shift), (0.1, 0.1))
    night = Night(ra=ra, dec=dec, offsets=offsets, snr=1e9)
    catalogs = night.catalogs()
    matches = match_stars(catalogs)
    assert len(np.unique(matches.star)) == true_groups(night)
    fluxes = np.array(
        [
            catalogs[index].flux[row] * night.scales[index]
            for index, row in zip(matches.exposure, matches.row, strict=True)
        ]
    )
    for star in np.unique(matches.star):
        assert np.ptp(fluxes[matches.star == star]) < 1e-3 * fluxes.max()
        assert len(set(matches.exposure[matches.star == star])) == np.count_nonzero(matches.star == star)


def test_fields_that_are_apart_have_no_star_in_common() -> None:
    near, far = Night().catalogs()[:2], Night(ra=151.0).catalogs()[:2]
    matches = match_stars([*near, *far])
    assert {frozenset(matches.exposure[matches.star == star]) for star in set(matches.star)} == {
        frozenset({0, 1}),
        frozenset({2, 3}),
    }


def test_a_lone_star_elsewhere_is_another_one() -> None:
    catalogs = Night(stars=3, scales=(1.0, 1.0), offsets=((0.0, 0.0), (0.0, 0.0))).catalogs()
    first, second = (
        dataclasses.replace(
            catalog,
            **{
                name: getattr(catalog, name)[:1]
                for name in ("ra", "dec", "position_error", "flux", "flux_error")
            },
        )
        for catalog in catalogs
    )
    assert len(match_stars([first, second])) == 2
    moved = dataclasses.replace(second, dec=second.dec + 3.0 / 3600.0)
    assert len(match_stars([first, moved])) == 0


def test_exposures_without_stars_match_nothing() -> None:
    catalog = Night().catalogs()[0]
    names = ("ra", "dec", "position_error", "flux", "flux_error")
    empty = dataclasses.replace(catalog, **{name: np.empty(0) for name in names})
    assert len(match_stars([empty, catalog])) == 0
    assert len(match_stars([])) == 0

"""Faint and wide light in the bins of single epochs."""

from __future__ import annotations

import numpy as np
import pytest
from lsst.images import Box

from lamella.coadd.reject.compare_control import GhostControl
from lamella.coadd.reject.ghosts import Bins, find_ghosts

SIZE = 10
BOX = Box.factory[3:198, 7:252]  # the last bins in y are half as high
CONTROL = GhostControl(bin_size=SIZE)
SPOT = (slice(4, 9), slice(10, 14))


def epochs_of(n: int, seed: int = 1) -> list[Bins]:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        bins = Bins.empty(BOX, SIZE)
        bins.sums[2] = SIZE * SIZE
        bins.sums[1] = SIZE * SIZE
        bins.sums[0] = rng.normal(0, SIZE, bins.sums[0].shape)
        made.append(bins)
    return made


@pytest.mark.parametrize("n", [2, 3, 4, 9])
def test_a_ghost_is_found_in_its_epoch_and_in_no_other(n: int) -> None:
    epochs = epochs_of(n)
    epochs[1].sums[(0, *SPOT)] += 1.5 * SIZE * SIZE
    found = find_ghosts(epochs, BOX, CONTROL, 1.0)
    expected = np.zeros(BOX.shape, dtype=bool)
    expected[40:90, 100:140] = True
    flags = found[1].to_array(BOX)
    assert flags[expected].all()
    assert flags[~expected].mean() < 0.02
    assert all(one.area == 0 for k, one in enumerate(found) if k != 1)


def test_what_more_epochs_show_is_left_alone() -> None:
    epochs = epochs_of(5)
    for one in epochs[:2]:
        one.sums[(0, *SPOT)] += 1.5 * SIZE * SIZE
    assert [one.area > 0 for one in find_ghosts(epochs, BOX, CONTROL, 2.0)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    found = find_ghosts(epochs, BOX, CONTROL, 1.0)
    assert not any(one.to_array(BOX)[40:90, 100:140].any() for one in found)


def test_the_level_of_a_whole_epoch_is_no_ghost() -> None:
    epochs = epochs_of(4)
    epochs[2].sums[0] += 3.0 * SIZE * SIZE
    assert not any(one.area for one in find_ghosts(epochs, BOX, CONTROL, 1.0))


def test_a_rough_sky_raises_the_threshold() -> None:
    epochs = epochs_of(4)
    rng = np.random.default_rng(5)
    for one in epochs:
        one.sums[0] += rng.normal(0, 1.0 * SIZE * SIZE, one.sums[0].shape)
    assert sum(one.area for one in find_ghosts(epochs, BOX, CONTROL, 1.0)) == 0


def test_few_bins_are_no_ghost_and_bins_of_sources_are_unknown() -> None:
    epochs = epochs_of(3)
    epochs[0].sums[0, 5, 5] += 5 * SIZE * SIZE
    epochs[1].sums[(slice(None), *SPOT)] = 3.0  # of three pixels
    epochs[1].sums[(0, *SPOT)] = 15.0
    assert not any(one.area for one in find_ghosts(epochs, BOX, CONTROL, 1.0))
    assert find_ghosts(epochs, BOX, CONTROL.replace(min_bins=1), 1.0)[0].to_array(BOX)[50:60, 50:60].all()


def test_one_epoch_has_nothing_to_be_compared_with() -> None:
    epochs = epochs_of(1)
    epochs[0].sums[(0, *SPOT)] += 5 * SIZE * SIZE
    assert find_ghosts(epochs, BOX, CONTROL, 1.0)[0].area == 0


def test_light_below_the_floor_stays() -> None:
    epochs = epochs_of(5)
    for one in epochs:
        one.sums[0] /= 5.0  # deep enough that it would be found
        one.sums[1] /= 25.0
    epochs[2].sums[(0, *SPOT)] += 0.04 * SIZE * SIZE
    assert find_ghosts(epochs, BOX, CONTROL.replace(floor=0.3), 1.0)[2].area == 0
    epochs[2].sums[(0, *SPOT)] += 0.3 * SIZE * SIZE
    assert find_ghosts(epochs, BOX, CONTROL.replace(floor=0.3), 1.0)[2].area >= 2000
    assert find_ghosts(epochs, BOX, CONTROL.replace(floor=3.0), 1.0)[2].area == 0

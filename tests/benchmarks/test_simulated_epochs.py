import dataclasses

import numpy as np
import pytest

from benchmarks.simulated.epochs import EpochsConfig, simulate_epochs
from benchmarks.simulated.injection import KINDS
from lamella.planes import Layout

SMALL = EpochsConfig(visits=3, side=192, stars=60, bright_stars=1, galaxies=40)


@pytest.fixture(scope="module")
def epochs():
    return simulate_epochs(SMALL, 3)


def test_cubes_hold_the_warps(epochs):
    assert len(epochs.warps) == 3
    assert epochs.image.shape == (3, 192, 192)
    for index, warp in enumerate(epochs.warps):
        at = warp.bbox.slice_within(epochs.target.outer_bbox)
        assert np.array_equal(epochs.image[index, at.y, at.x], warp.image.array, equal_nan=True)
        assert np.array_equal(epochs.mask[index, at.y, at.x], warp.mask.array[..., 0])
    no_data = Layout(epochs.warps[0].mask.schema).bits(("NO_DATA",))
    assert ((epochs.mask & no_data) != 0)[np.isnan(epochs.image)].all()


def test_without_artifacts_the_same_noise_is_left():
    none = {"satellites": 0, "cosmic_rays": 0, "asteroids": 0, "ghosts": 0}
    config = SMALL.replace(injection=SMALL.injection.replace(**none))
    clean = simulate_epochs(config, 5)
    dirty = simulate_epochs(SMALL, 5)
    assert sum(dirty.counts.values()) > 5
    assert clean.counts == dict.fromkeys(KINDS, 0)
    both = np.isfinite(clean.image) & np.isfinite(dirty.image)
    difference = np.abs(dirty.clean() - clean.image)[both] / np.sqrt(clean.variance[both])
    # float32 arithmetic on artifacts of hundreds of sigma, beside stars of thousands
    assert difference.max() < 0.02
    changed = np.abs(dirty.image - clean.image)[both] > 1.0 * np.sqrt(clean.variance[both])
    assert changed.sum() > 100


def test_a_seed_gives_the_same_epochs_again(epochs):
    again = simulate_epochs(SMALL, 3)
    assert np.array_equal(epochs.image, again.image, equal_nan=True)
    assert epochs.counts == again.counts
    other = simulate_epochs(SMALL, 4)
    assert not np.array_equal(epochs.image, other.image, equal_nan=True)


def test_counts_are_of_artifacts_in_the_patch(epochs):
    sigma = np.sqrt(epochs.variance)
    for kind in KINDS:
        visible = int(sum((epochs.artifacts[kind][i] > 0.2 * sigma[i]).any() for i in range(3)))
        assert epochs.counts[kind] >= visible * (kind == "COSMIC_RAY")
        if not visible:
            assert epochs.counts[kind] == 0


def test_the_sources_are_where_the_warps_have_them(epochs):
    """Isolated bright stars have their flux in every visit, to the error of the calibration and noise."""
    sources, box = epochs.sources, epochs.target.outer_bbox
    clean = epochs.clean()
    seen = 0
    for k in np.flatnonzero((sources.radius == 0) & (sources.amplitude == 0) & (sources.magnitude < 20)):
        x, y = sources.x[k] - box.x.start, sources.y[k] - box.y.start
        x0, y0 = int(np.rint(x)), int(np.rint(y))
        if sources.magnitude[k] < 16.5 or not (14 < x0 < 178 and 14 < y0 < 178):
            continue
        stamps = clean[:, y0 - 10 : y0 + 11, x0 - 10 : x0 + 11]
        if not np.isfinite(stamps).all():
            continue
        seen += 1
        assert stamps.sum(axis=(1, 2)) == pytest.approx(sources.flux[k], rel=0.3)
        step = np.arange(-10, 11)
        for stamp in stamps:
            centre = (stamp * step).sum() / stamp.sum()
            assert centre == pytest.approx(x - x0, abs=1.0)
    assert seen >= 2


def test_variable_stars_vary_and_others_do_not():
    config = SMALL.replace(
        visits=6, galaxies=0, bright_stars=0, star_magnitudes=(18.0, 19.0), flux_error=0.0,
        injection={"satellites": 0, "cosmic_rays": 0, "asteroids": 0, "ghosts": 0, "variable_stars": 0.5},
    )  # fmt: skip
    epochs = simulate_epochs(config, 6)
    sources, box = epochs.sources, epochs.target.outer_bbox
    spread = {True: [], False: []}
    for k in range(len(sources.x)):
        x0, y0 = int(np.rint(sources.x[k] - box.x.start)), int(np.rint(sources.y[k] - box.y.start))
        if not (14 < x0 < 178 and 14 < y0 < 178):
            continue
        stamps = epochs.image[:, y0 - 10 : y0 + 11, x0 - 10 : x0 + 11]
        if np.isfinite(stamps).all():
            fluxes = stamps.sum(axis=(1, 2))
            spread[bool(sources.amplitude[k] > 0)].append(fluxes.std() / fluxes.mean())
    assert len(spread[True]) >= 2
    assert len(spread[False]) >= 2
    assert max(spread[False]) < 0.05
    assert min(spread[True]) > 0.05


def test_epochs_are_frozen(epochs):
    with pytest.raises(dataclasses.FrozenInstanceError):
        epochs.seed = 4

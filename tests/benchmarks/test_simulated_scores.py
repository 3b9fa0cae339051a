"""The measurement of rejections gives known answers for methods whose answers are known."""

import numpy as np
import pytest

from benchmarks.simulated.epochs import simulate_epochs
from benchmarks.simulated.injection import KINDS
from benchmarks.simulated.outcomes import outcome_of_masks, outcome_of_statistic, usable_pixels
from benchmarks.simulated.scores import Evaluator, Score, evaluate

from .conftest import CONFIG


@pytest.fixture(scope="module")
def evaluator(epochs):
    return Evaluator(epochs)


def test_nothing_removed_finds_nothing_and_harms_nothing(epochs, evaluator):
    score = evaluator.score(outcome_of_masks(epochs, np.zeros(epochs.image.shape, bool)))
    for kind in KINDS:
        assert score.ratio(f"complete {kind}") == 0.0
        assert score.ratio(f"left {kind}") == pytest.approx(1.0)
    assert np.isnan(score.ratio("pure"))
    assert score.ratio("clean") == score.ratio("core") == score.ratio("touched") == 0.0
    assert all(bias == 0.0 for values in score.stars.values() for bias in values)


def test_the_truth_removed_finds_all_and_harms_nothing(epochs, evaluator):
    score = evaluator.score(outcome_of_masks(epochs, evaluator.region))
    for kind in KINDS:
        assert score.ratio(f"complete {kind}") == 1.0
        assert abs(score.ratio(f"left {kind}")) < 0.01
    assert score.ratio("pure") == 1.0
    assert score.ratio("clean") == 0.0
    assert score.counts == epochs.counts
    for name in ("core", "variable", "galaxy"):
        assert score.ratio(name) == 0.0


def test_faint_light_beyond_an_artifact_is_neither_it_nor_clean(epochs, evaluator):
    light = np.max([np.abs(level) for level in evaluator.level.values()], axis=0)
    faint = ~evaluator.region & (light > 0.1) & evaluator.usable
    assert 0 < faint.sum() < 0.05 * faint.size
    score = evaluator.score(outcome_of_masks(epochs, faint))
    rest = (evaluator.usable & ~evaluator.region).sum()
    assert (score.ratio("clean"), score.ratio("pure")) == (0.0, 0.0)
    assert score.ratio("rest") == pytest.approx(faint.sum() / rest)
    assert score.ratio("core") == score.ratio("galaxy") == 0.0


def test_clean_pixels_removed_are_counted(epochs, evaluator):
    removed = np.random.default_rng(1).random(epochs.image.shape) < 0.1
    score = evaluator.score(outcome_of_masks(epochs, removed))
    for name in ("clean", "galaxy", "core", *(f"complete {kind}" for kind in ("SATELLITE", "COSMIC_RAY"))):
        assert score.ratio(name) == pytest.approx(0.1, abs=0.04), name
    region = (evaluator.region & usable_pixels(epochs)).sum() / usable_pixels(epochs).sum()
    assert score.ratio("pure") == pytest.approx(region, abs=0.01)
    inputs = (usable_pixels(epochs) & ~evaluator.touched).sum(axis=0)
    expected = (1.0 - 0.9 ** inputs[inputs > 0]).mean()
    assert score.ratio("touched") == pytest.approx(expected, abs=0.01)


@pytest.fixture(scope="module")
def quiet():
    """Bright stars without artifacts, and without errors of calibration."""
    none = {"satellites": 0, "cosmic_rays": 0, "asteroids": 0, "ghosts": 0, "variable_stars": 0}
    sources = {"galaxies": 0, "stars": 200, "star_magnitudes": (16.5, 19.5)}
    errors = {"psf_error": 0, "flux_error": 0, "position_error": 0}
    return simulate_epochs(CONFIG.replace(injection=none, **sources, **errors), 3)


def test_a_dimmed_star_is_seen(quiet):
    """Leave out the sharpest visit in the core of every star: their fluxes in the window fall."""
    evaluator = Evaluator(quiet)
    removed = np.zeros(quiet.image.shape, bool)
    sharpest = int(np.argmin(quiet.fwhm))
    for spot in evaluator.spots:
        removed[sharpest, *spot.at] |= spot.core
    score = evaluator.score(outcome_of_masks(quiet, removed))
    biases = [b for values in score.stars.values() for b in values]
    assert len(biases) >= 5
    assert max(biases) < -0.01
    assert score.ratio("core") == pytest.approx(0.25, abs=0.08)


def test_a_median_has_no_list_but_leaves_less(epochs, evaluator):
    score = evaluator.score(outcome_of_statistic(epochs, statistic="MEDIAN"))
    assert not score.keeps_list
    assert 0.0 <= score.ratio("left COSMIC_RAY") < 0.4


def test_stars_of_a_mean_are_its_psf(quiet):
    evaluator = Evaluator(quiet)
    mean = evaluator.score(outcome_of_statistic(quiet, statistic="MEAN"))
    clip = evaluator.score(outcome_of_statistic(quiet, statistic="MEANCLIP", sigma_clip=1.2))
    assert mean.stamps >= 5
    assert mean.psf_residual < 0.008  # photon noise of 14 stars
    assert clip.psf_residual > 1.5 * mean.psf_residual


def test_scores_add(epochs, evaluator):
    outcome = outcome_of_masks(epochs, evaluator.region)
    one = evaluate(epochs, outcome)
    total = Score()
    total += one
    total += one
    assert total.ratio("pure") == one.ratio("pure")
    assert total.counts == {kind: 2 * number for kind, number in one.counts.items()}
    assert total.stamps == 2 * one.stamps
    assert total.psf_residual == pytest.approx(one.psf_residual, nan_ok=True)
    summary = total.summary()
    assert summary["complete SATELLITE"] == 1.0
    assert all(entry["mean"] <= entry["worst"] for entry in summary["star_bias"].values())

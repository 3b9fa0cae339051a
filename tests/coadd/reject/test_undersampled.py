"""Undersampled PSFs: visits whose stars are hardly wider than a pixel are matched, compared and clipped."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.simulated.epochs import Epochs, EpochsConfig, simulate_epochs
from benchmarks.simulated.injection import InjectionConfig
from benchmarks.simulated.outcomes import matched_inputs, outcome_of_rejection, usable_pixels
from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.reject.reject_control import RejectControl
from lamella.coadd.summary import summarize
from lamella.coadd.warp.psfmatch import match_warp, patch_target_psf, target_fwhm
from lamella.psf.match_control import MatchControl
from lamella.psf.measure import fwhm

PIXEL = 0.2
"""Arcseconds."""


def simulate(width: float) -> Epochs:
    """Three visits, dithered by fractions of a pixel and turned, whose stars have a width in pixels."""
    config = EpochsConfig(
        visits=3,
        side=128,
        seeing=(width * PIXEL, width * PIXEL),
        stars=100,
        star_magnitudes=(18.0, 24.0),
        bright_stars=0,
        galaxies=0,
        injection=InjectionConfig(satellites=1, cosmic_rays=0, asteroids=0, ghosts=0, variable_stars=0),
        psf_error=0.0,
        flux_error=0.0,
        position_error=0.0,
    )
    return simulate_epochs(config, 4)


@pytest.fixture(scope="module", params=[1.2, 1.7])
def epochs(request: pytest.FixtureRequest) -> Epochs:
    return simulate(request.param)


def test_the_target_is_wide_enough_for_pixels(epochs: Epochs) -> None:
    target = epochs.target
    detectors = [detector for warp in epochs.warps for detector in warp.detectors]
    arguments = detectors, target.projection, target.outer_bbox
    assert target_fwhm(*arguments) == MatchControl().min_fwhm
    free = target_fwhm(*arguments, MatchControl(min_fwhm=0.0))
    assert float(epochs.fwhm.min()) < free < MatchControl().min_fwhm


def test_they_are_matched_within_the_limits(epochs: Epochs) -> None:
    psf = patch_target_psf(MatchControl().min_fwhm, epochs.target.outer_bbox)
    for warp in epochs.warps:
        (record,) = match_warp(warp, psf).match_records
        assert record.residual < 0.03


@pytest.mark.parametrize("method", ["compare_warp", "safe_clip"])
def test_artifacts_are_looked_for(epochs: Epochs, method: str) -> None:
    outcome, findings = outcome_of_rejection(epochs, matched_inputs(epochs), RejectControl(method=method))
    assert not any("match" in removal.warning for removal in findings.removals)
    if method == "compare_warp":
        level = np.where(usable_pixels(epochs).sum(axis=0) > 1, epochs.artifacts["SATELLITE"], 0.0)
        level /= np.sqrt(epochs.variance)
        assert (level > 2).sum() > 100
        assert outcome.removed[level > 2].mean() > 0.9
        assert outcome.removed[level < 0.1].mean() < 0.02


def test_their_coadd_has_width_and_depth(epochs: Epochs) -> None:
    coadd = assemble(epochs.warps, AssembleConfig(), target=epochs.target)
    summary = summarize(coadd)
    assert summary.psf_fwhm is not None
    assert summary.depth is not None
    box = coadd.bbox
    assert summary.psf_fwhm == pytest.approx(PIXEL * fwhm(coadd.psf, box.x.center, box.y.center), rel=0.2)


@pytest.mark.parametrize("width", [1.2, 1.7])
def test_two_visits_that_are_turned_lose_no_star(width: float) -> None:
    # Before matching a star of 1.2 pixels is up to seven times as bright as in the static sky, depending on
    # where within a pixel it is.
    config = simulate(width).config
    quiet = InjectionConfig(satellites=0, cosmic_rays=0, asteroids=0, ghosts=0, variable_stars=0)
    epochs = simulate_epochs(config.replace(visits=2, stars=300, injection=quiet), 5)
    sources, box = epochs.sources, epochs.target.outer_bbox
    peak = sources.flux / (1.13 * 3.2**2)  # in a matched warp
    bright = peak > 10.0 * np.sqrt(np.nanmedian(epochs.variance))
    y, x = (
        np.rint(values[bright]).astype(int) for values in (sources.y - box.y.start, sources.x - box.x.start)
    )
    inside = (x >= 0) & (y >= 0) & (x < box.x.size) & (y < box.y.size)
    assert inside.sum() > 15
    outcome, _ = outcome_of_rejection(epochs, matched_inputs(epochs), RejectControl(method="compare_warp"))
    assert not outcome.removed[:, y[inside], x[inside]].any()

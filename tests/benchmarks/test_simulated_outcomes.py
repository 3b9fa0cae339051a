import numpy as np
import pytest

from benchmarks.simulated.outcomes import (
    BAD_PLANES,
    matched_inputs,
    outcome_of_masks,
    outcome_of_rejection,
    outcome_of_statistic,
    usable_pixels,
)
from benchmarks.simulated.scores import Evaluator
from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.reject.reject_control import RejectControl


def test_what_a_statistic_used_is_known_from_its_mask(epochs):
    mean = outcome_of_statistic(epochs, statistic="MEAN")
    assert not mean.removed.any()
    clip = outcome_of_statistic(epochs, statistic="NOISECLIP")
    again = outcome_of_masks(epochs, clip.removed)
    both = np.isfinite(clip.image) & np.isfinite(again.image)
    assert both.mean() > 0.9
    assert clip.image[both] == pytest.approx(again.image[both], rel=1e-4, abs=0.05)
    assert Evaluator(epochs).score(clip).ratio("complete COSMIC_RAY") > 0.8


def test_what_a_method_removes_is_what_the_coadd_lacks(epochs):
    inputs = matched_inputs(epochs)
    assert all(one.matched is not None for one in inputs)
    control = RejectControl(method="compare_warp")
    outcome, findings = outcome_of_rejection(epochs, inputs, control)
    assert outcome.removed.any()
    assert len(findings.artifacts) == len(epochs.warps)
    config = AssembleConfig(reject=control, bad_mask_planes=BAD_PLANES, fill_gaps=False)
    coadd = assemble(inputs, config, target=epochs.target)
    count = (usable_pixels(epochs) & ~outcome.removed).sum(axis=0)
    assert np.array_equal(coadd.exposure_count.array, count)
    there = count > 0
    assert coadd.image.array[there] == pytest.approx(outcome.image[there], rel=1e-4, abs=0.05)

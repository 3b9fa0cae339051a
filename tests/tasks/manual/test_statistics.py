"""The documented control of statistics against that of the core."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.coadd.stack.stack import statistics_stack
from lamella.coadd.stack.stack_control import StackControl
from lamella.errors import ConfigError
from lamella.planes import Layout, make_schema
from lamella.tasks.manual.statistics import Property, StatisticsControl, stringToStatisticsProperty


def test_names_and_numbers() -> None:
    assert stringToStatisticsProperty("MEANCLIP") == Property.MEANCLIP == 0x80
    assert Property.MEDIAN.statistic == "MEDIAN"
    with pytest.raises(ConfigError, match="'MODE'"):
        stringToStatisticsProperty("MODE")
    for none in (Property.ERRORS, Property.NOTHING, Property.MEAN | Property.VARIANCE):
        with pytest.raises(ConfigError, match="not one statistic"):
            _ = none.statistic


def test_what_is_set_is_what_the_core_gets() -> None:
    control = StatisticsControl(2.5, 4, andMask=3)
    control.setNanSafe(False)
    control.setWeighted(True)
    control.setCalcErrorFromInputVariance(True)
    control.setNoGoodPixelsMask(1)
    control.setFluxTolerance(0.1)
    control.setGradientTolerance(0.2)
    control.setLeastNoiseClip(4.0)
    control.setMaskPropagationThreshold(1, 0.25)
    expected = StackControl(
        statistic="MEANCLIP",
        sigma_clip=2.5,
        clip_iter=4,
        bad_mask=3,
        nan_safe=False,
        weighted=True,
        error_from_input_variance=True,
        no_good_mask=1,
        flux_tolerance=0.1,
        gradient_tolerance=0.2,
        least_noise_clip=4.0,
        propagation_thresholds={1: 0.25},
        clipped_mask=2,
        mask_map=((1, 4),),
    )
    assert control.to_core(Property.MEANCLIP, clipped=2, mask_map=((1, 4),)) == expected
    assert (control.getNumSigmaClip(), control.getNumIter(), control.getAndMask()) == (2.5, 4, 3)
    assert (control.getNoGoodPixelsMask(), control.getFluxTolerance()) == (1, 0.1)
    assert (control.getGradientTolerance(), control.getLeastNoiseClip()) == (0.2, 4.0)
    assert not control.getNanSafe()
    assert control.getWeighted()
    assert control.getCalcErrorFromInputVariance()
    assert not control.getCalcErrorMosaicMode()


def test_defaults_are_the_documented_ones() -> None:
    control = StatisticsControl()
    assert (control.getNumSigmaClip(), control.getNumIter(), control.getAndMask()) == (3.0, 3, 0)
    assert control.getNoGoodPixelsMask() == Layout.of().bits(("NO_DATA",))
    assert not control.getWeightedIsSet()
    control.setWeighted(False)
    assert control.getWeightedIsSet()
    assert control.getMaskPropagationThreshold(5) == 1.0


def test_wrong_values_are_refused() -> None:
    control = StatisticsControl()
    for wrong in (
        lambda: control.setNumSigmaClip(0.0),
        lambda: control.setNumIter(0),
        lambda: control.setAndMask(-1),
    ):
        with pytest.raises(ConfigError):
            wrong()
    control.setCalcErrorFromInputVariance(True)
    with pytest.raises(ConfigError, match="exclude each other"):
        control.setCalcErrorMosaicMode(True)


def test_bits_are_translated_by_name() -> None:
    """Planes of an input get other bits when another input has more of them."""
    small, large = make_schema(["ZEBRA"]), make_schema(["APPLE", "ZEBRA"])
    bit = Layout(small).bits(["ZEBRA"])
    control = StatisticsControl(andMask=bit, schema=small)
    control.setMaskPropagationThreshold(bit.bit_length() - 1, 0.1)
    core = control.to_core(Property.MEAN, mask_map=((bit, 1),), schema=large)
    moved = Layout(large).bits(["ZEBRA"])
    assert moved != bit
    assert core.bad_mask == moved
    assert core.mask_map == ((moved, 1),)
    mask = np.array([moved, 0], np.int32).reshape(2, 1, 1)
    found = statistics_stack(np.array([[[9.0]], [[1.0]]]), mask, np.ones((2, 1, 1)), control=core)
    assert found.image == 1.0
    assert found.mask & moved

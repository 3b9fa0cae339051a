"""Core configurations in the middleware's form: same options, defaults, limits and checks."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

pytest.importorskip("lsst.pex.config", reason="needs the extra [lsst]")

from lsst.pex.config import ChoiceField, ConfigField, FieldValidationError, ListField, RangeField

from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.select.select_control import SelectControl
from lamella.coadd.warp.warp_control import WarpControl
from lamella.config import Config, option
from lamella.errors import ConfigError
from lamella.formats.read_control import ReadControl
from lamella.psf.match_control import ModelPsfConfig
from lamella.run.patch_config import PatchConfig
from lamella.sky.layout import CellPatches
from lamella.sky.skymap import SkyMapConfig
from lamella.tasks.derive import derive_config, derive_field, field_name, from_core, to_core
from lamella.tasks.pipeline import AssembleWarpsTask

ALL = [
    AssembleConfig, ModelPsfConfig, PatchConfig, ReadControl, SelectControl, SkyMapConfig, WarpControl,
]  # fmt: skip


class Sized(Config):
    """Options for these tests."""

    size: int = option(..., "Size.", unit="pixel", ge=2, lt=9)
    pair: tuple[float, float] = option((0.0, 1.0), "Pair.")


@pytest.mark.parametrize("core", ALL, ids=lambda core: core.__name__)
def test_defaults_are_those_of_the_core(core: type[Config]) -> None:
    derived = derive_config(core)()
    derived.validate()
    assert to_core(derived) == core()
    assert set(derived._fields) == {field_name(name) for name in core.model_fields}


@pytest.mark.parametrize("core", ALL, ids=lambda core: core.__name__)
def test_saved_text_gives_the_same_options(core: type[Config]) -> None:
    derived = derive_config(core)()
    again = derive_config(core)()
    again.loadFromString(derived.saveToString())
    assert again == derived
    assert pickle.loads(pickle.dumps(derived)) == derived


def test_a_core_configuration_goes_there_and_back() -> None:
    core = PatchConfig(
        select=SelectControl(max_psf_fwhm=1.5, exclude_visits=(3, 4), min_quality={"depth": 2.0}),
        warp=WarpControl(kernel="lanczos5", mask_kernel=""),
        assemble=AssembleConfig(statistic="MEDIAN", mask_propagation_thresholds={"BAD": 0.5}),
    )
    assert to_core(from_core(core)) == core


def test_one_of_several_kinds_of_configurations() -> None:
    core = SkyMapConfig(patches=CellPatches(cells=7))
    derived = from_core(core)
    assert derived.patches.name == "cells"
    assert to_core(derived) == core
    derived.patches = "legacy"
    derived.patches["legacy"].border = 3
    assert to_core(derived).patches.border_size == 3


def test_nested_default_differs_from_that_of_its_class() -> None:
    gaps = derive_config(AssembleConfig)().gaps
    assert gaps.maxGap == 10
    assert type(gaps)().maxGap is None


def test_names_units_limits_and_choices() -> None:
    fields = derive_config(Combined)._fields
    assert fields["maxPsfFwhm"].doc == "Largest width of the PSF. [arcsec]"
    assert fields["maxPsfFwhm"].optional
    assert isinstance(fields["seeingQuantiles"], ListField)
    assert fields["seeingQuantiles"].length == 2
    assert isinstance(fields["control"], ConfigField)
    kernel = fields["control"].dtype._fields["kernel"]
    assert isinstance(kernel, ChoiceField)
    names = ["conserving", "lanczos3", "lanczos4", "lanczos5", "bilinear", "nearest"]
    assert list(kernel.allowed) == names
    size = derive_field(Sized, "size")
    assert isinstance(size, RangeField)
    assert size.rangeString == "[2,9)"


class Combined(SelectControl):
    """A configuration with one inside."""

    control: WarpControl = option(WarpControl(), "How to warp.")


@pytest.mark.parametrize(
    ("name", "value"), [("size", 1), ("size", 9), ("size", "many"), ("pair", [1.0]), ("pair", ["a", "b"])]
)
def test_wrong_values_are_refused_with_the_name_of_the_field(name: str, value: Any) -> None:
    config = derive_config(Sized)()
    config.size = 5

    def set_and_check() -> None:
        setattr(config, name, value)
        config.validate()

    with pytest.raises((FieldValidationError, TypeError), match=name):
        set_and_check()


def test_a_required_option_must_be_given() -> None:
    config = derive_config(Sized)()
    with pytest.raises(FieldValidationError, match="size"):
        config.validate()
    config.size = 2
    config.validate()
    assert to_core(config) == Sized(size=2)


def test_checks_of_the_core_are_made_by_validate() -> None:
    nested = derive_config(PatchConfig)()
    nested.warp.kernel, nested.warp.maskKernel = "bilinear", "lanczos3"
    with pytest.raises(ConfigError, match="mask_kernel lanczos3 is wider than kernel bilinear"):
        nested.validate()
    weight = derive_config(AssembleConfig)()
    weight.gaps.fallback, weight.gaps.fallbackValue = "USER", float("nan")
    with pytest.raises(FieldValidationError, match=r"gaps.fallbackValue.*finite"):
        weight.validate()


def test_values_are_read_as_the_command_line_gives_them() -> None:
    config = AssembleWarpsTask.ConfigClass()
    config.update(sigmaClip=4, statistic="MEAN")
    config.maskPropagationThresholds["BAD"] = 0.25
    core = to_core(config)
    assert (core.sigma_clip, core.statistic) == (4.0, "MEAN")
    assert core.mask_propagation_thresholds == {"SATURATED": 0.1, "BAD": 0.25}


def test_an_option_that_the_middleware_cannot_hold_is_named() -> None:
    class Odd(Config):
        """Options."""

        table: tuple[tuple[int, int], ...] = option((), "Pairs.")

    with pytest.raises(TypeError, match=r"Odd\.table"):
        derive_config(Odd)


def test_two_configurations_of_one_name_are_refused() -> None:
    def make() -> type[Config]:
        class Twin(Config):
            """Options."""

            depth: int = option(1, "Depth.")

        return Twin

    derive_config(make())
    with pytest.raises(TypeError, match="TwinConfig"):
        derive_config(make())

"""Options from configurations: file, then --set, then the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lamella.cli.options import FileOptions, build_config
from lamella.cli.run_options import COADD_OPTIONS
from lamella.errors import ConfigError
from lamella.run.patch_config import CoaddConfig

from .conftest import Ended, lamella, lamella_ok


def shown(*arguments: object, command: str = "coadd") -> dict[str, Any]:
    """Return the configuration that is in force."""
    values: dict[str, Any] = yaml.safe_load(lamella_ok(command, *arguments, "--show-config"))
    return values


def write(folder: Path, text: str, name: str = "options.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_defaults_are_those_of_the_configuration() -> None:
    values = shown()
    assert {name: values[name] for name in CoaddConfig.model_fields} == CoaddConfig().to_dict()
    assert values["memory"] == 2048.0
    assert "output" not in values


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "statistic: mean\nsigma-clip: 4\nbad_mask_planes: [NO_DATA, BAD]\nfill-gaps: false\n"),
        ("a.toml", 'statistic = "MEAN"\nsigma_clip = 4.0\nfill_gaps = false\n'
                   'bad-mask-planes = "NO_DATA,BAD"\n'),
        ("b.toml", '[assemble]\nstatistic = "MEAN"\nsigma_clip = 4\nfill_gaps = false\n'
                   'bad_mask_planes = ["NO_DATA", "BAD"]\n'),
        ("b.yaml", "assemble: {statistic: MEAN, sigma_clip: 4, fill_gaps: no}\n"
                   "assemble.bad_mask_planes: [NO_DATA, BAD]\n"),
    ],
)  # fmt: skip
def test_a_file_has_the_names_of_the_command_line_or_nested_ones(
    tmp_path: Path, name: str, text: str
) -> None:
    assemble = shown("-c", write(tmp_path, text, name))["assemble"]
    assert assemble["statistic"] == "MEAN"
    assert assemble["sigma_clip"] == 4.0
    assert assemble["bad_mask_planes"] == ["NO_DATA", "BAD"]
    assert assemble["fill_gaps"] is False
    assert assemble["clip_iter"] == 2


def test_a_file_can_hold_all_else_of_the_command_line(tmp_path: Path) -> None:
    text = """
        output: results
        exposures: [night1, night2]
        band: r
        patch: ["0,0", "1,0"]
        center: [150.1, -2.2]
        size: 0.1
        scale: 0.2
        workers: 3
        memory: 100
        keep-warps: true
        bright-objects: stars.reg
        format: decam
    """
    values = shown("-c", write(tmp_path, text))
    expected = {
        "output": "results",
        "exposures": ["night1", "night2"],
        "band": ["r"],
        "patch": ["0,0", "1,0"],
        "center": [150.1, -2.2],
        "size": [0.1, 0.1],
        "scale": 0.2,
        "workers": 3,
        "memory": 100.0,
        "keep-warps": True,
        "bright-objects": "stars.reg",
        "format": "decam",
    }
    assert {name: values[name] for name in expected} == expected


def test_the_command_line_wins_over_set_and_set_over_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "assemble: {sigma_clip: 4, clip_iter: 5, flux_tolerance: 0.1}\nworkers: 3\n")
    values = shown(
        "-c", file, "--set", "sigma_clip=6", "--set", "assemble.clip_iter=7", "--sigma-clip", "8",
        "--workers", "1",
    )  # fmt: skip
    assemble = values["assemble"]
    assert (assemble["sigma_clip"], assemble["clip_iter"], assemble["flux_tolerance"]) == (8.0, 7, 0.1)
    assert values["workers"] == 1


def test_set_reaches_options_without_a_name_of_their_own() -> None:
    values = shown(
        "--set", "assemble.gaps.fallback=MEAN", "--set", "select.max_quality={ellipticity: 0.3}",
        "--set", "warp.repair-width=2", "--set", "select.exclude_visits=[3, 4]",
    )  # fmt: skip
    assert values["assemble"]["gaps"]["fallback"] == "MEAN"
    assert values["select"]["max_quality"] == {"ellipticity": 0.3}
    assert values["select"]["exclude_visits"] == [3, 4]
    assert values["warp"]["repair_width"] == 2


@pytest.mark.parametrize("command", ["coadd", "warp", "stack"])
def test_what_is_shown_can_be_read_back(tmp_path: Path, command: str) -> None:
    arguments = ["--set", "assemble.gaps.fallback=MEAN", "-o", "here"]
    if command != "stack":
        arguments += ["--center", "10:00:24,-2:12:00", "--size", "0.1,0.2", "--band", "r", "a.fits"]
        arguments += ["--max-psf-fwhm", "1.1"]
    first = shown(*arguments, command=command)
    again = shown("-c", write(tmp_path, yaml.safe_dump(first)), command=command)
    assert again == first


def test_showing_the_options_does_nothing_else(tmp_path: Path) -> None:
    shown("absent.fits", "-o", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def fails(*arguments: object) -> Ended:
    ended = lamella("coadd", *arguments, "--show-config")
    assert ended.out == ""
    assert ended.err.count("\n") == 1
    return ended


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sigma_klip: 4", "sigma_klip: no such option"),
        ("assemble: {sigma_klip: 4}", "assemble.sigma_klip: no such option; there are: "),
        ("assemble: {gaps: {fallback: NONE}}", "assemble.gaps.fallback: "),
        ("assemble: 3", "assemble: found 3; expected options"),
        ("assemble.sigma_clip.x: 3", "assemble.sigma_clip has no options of its own"),
        ("sigma-clip: wide", "sigma-clip: 'wide' is not a valid float"),
        ("workers: 0", "workers: 0 is not in the range"),
        ("statistic: [MEAN, MEDIAN]", "statistic: "),
        ("size: wide", "size: 'wide' is not a size"),
        ("config: other.yaml", "config: no such option"),
    ],
)
def test_a_mistake_in_a_file_names_the_file_and_the_option(tmp_path: Path, text: str, message: str) -> None:
    ended = fails("-c", write(tmp_path, text))
    assert ended.status == 2
    assert ended.err.startswith(f"Error: {tmp_path / 'options.yaml'}: ")
    assert message in ended.err


def test_a_broken_or_absent_file_is_an_error(tmp_path: Path) -> None:
    for text, name in (("a: [", "a.yaml"), ("a = ", "a.toml"), ("- a\n- b\n", "b.yaml")):
        assert str(tmp_path / name) in fails("-c", write(tmp_path, text, name)).err
    assert "absent.yaml" in fails("-c", tmp_path / "absent.yaml").err


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("assemble.sigma_klip=3", "--set assemble.sigma_klip: no such option"),
        ("sigma_clip", "--set sigma_clip: expected NAME=VALUE"),
        ("sigma_clip=[", "--set sigma_clip=[: expected NAME=VALUE"),
        ("sigma_clip=-1", "--set assemble.sigma_clip: Input should be greater than 0"),
        ("warp.kernel=sinc", "--set warp.kernel: "),
        ("warp=lanczos3", "--set warp: found 'lanczos3'; expected options"),
    ],
)
def test_a_mistake_in_set_names_it(setting: str, message: str) -> None:
    ended = fails("--set", setting)
    assert ended.status == 2
    assert message in ended.err


@given(
    file=st.none() | st.floats(0.1, 10),
    setting=st.none() | st.floats(0.1, 10),
    given=st.none() | st.floats(0.1, 10),
)
def test_the_later_of_three_places_wins(
    file: float | None, setting: float | None, given: float | None
) -> None:
    config = build_config(
        CoaddConfig,
        COADD_OPTIONS,
        given={"option_assemble_sigma_clip": given},
        file=FileOptions(Path("a.yaml"), {} if file is None else {"assemble": {"sigma_clip": file}}),
        settings=() if setting is None else (f"sigma_clip={setting!r}",),
    )
    places = [value for value in (given, setting, file) if value is not None]
    assert config.assemble.sigma_clip == (places[0] if places else CoaddConfig().assemble.sigma_clip)
    assert config.replace(assemble=CoaddConfig().assemble) == CoaddConfig()


# Rejection of artifacts, and matched warps.


@pytest.mark.parametrize(
    "arguments",
    [
        ["--reject", "compare-warp"],
        ["--reject", "compare_warp"],
        ["--reject", "Compare-Warp"],
        ["--set", "reject=compare-warp"],
        ["--set", "assemble.reject.method=compare_warp"],
        ["--set", "assemble.reject.method=compare-warp"],
        ["-c", "reject: compare-warp"],
        ["-c", "assemble: {reject: {method: compare-warp}}"],
        ["-c", "assemble.reject.method: compare_warp"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("command", ["coadd", "stack"])
def test_rejection_in_all_spellings_makes_the_statistic_the_mean(
    tmp_path: Path, arguments: list[str], command: str
) -> None:
    if arguments[0] == "-c":
        arguments = ["-c", str(write(tmp_path, arguments[1]))]
    options = shown(*arguments, command=command)["assemble"]
    assert (options["reject"]["method"], options["statistic"]) == ("compare_warp", "MEAN")


@pytest.mark.parametrize(
    "arguments", [["--statistic", "MEDIAN"], ["--set", "statistic=NOISECLIP"], ["-c", "statistic: MEDIAN"]]
)
def test_another_statistic_beside_a_rejection_is_an_error_that_says_so(
    tmp_path: Path, arguments: list[str]
) -> None:
    if arguments[0] == "-c":
        arguments = ["-c", str(write(tmp_path, arguments[1]))]
    ended = fails("--reject", "safe-clip", *arguments)
    assert ended.status == 2
    assert "with the rejection safe_clip" in ended.err
    assert "the coadd is the MEAN of the rest" in ended.err
    ended = lamella("coadd", "--reject", "none", *arguments, "--show-config")
    assert ended.status == 0
    assert shown("--reject", "safe-clip", "--statistic", "MEAN")["assemble"]["statistic"] == "MEAN"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "direct"),
        (["--psf-matched"], "psf_matched"),
        (["--set", "psf-matched=true"], "psf_matched"),
        (["--set", "warp_type=psf-matched"], "psf_matched"),
        (["-c", "psf-matched: true"], "psf_matched"),
        (["-c", "warp_type: psf_matched"], "psf_matched"),
        (["-c", "psf-matched: true", "--no-psf-matched"], "direct"),
    ],
)
def test_matched_warps_are_a_switch(tmp_path: Path, arguments: list[str], expected: str) -> None:
    if "-c" in arguments:
        arguments = ["-c", str(write(tmp_path, arguments[1])), *arguments[2:]]
    for command in ("coadd", "stack", "warp"):
        assert shown(*arguments, command=command)["warp_type"] == expected
    assert shown("--match-fwhm", "6.5")["match"]["fwhm"] == 6.5
    assert fails("--match-fwhm", "0").status == 2
    assert "'none', 'safe-clip', 'compare-warp'" in lamella("coadd", "--reject", "clip").err


def test_an_error_from_two_options_together_names_the_stage() -> None:
    with pytest.raises(ConfigError, match="mask_kernel"):
        build_config(CoaddConfig, (), given={}, settings=("warp.kernel=nearest", "warp.mask_kernel=lanczos5"))

"""What a shell is offered: asked for as the completion scripts of click ask."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.shell_completion import BashComplete, ShellComplete

from lamella.cli.main import _lamella
from lamella.formats.readers import format_names
from lamella.sky import KINDS


def offered(*words: str) -> list[str]:
    """Return what is offered for the last of some words."""
    shell = ShellComplete(_lamella, {}, "lamella", "_LAMELLA_COMPLETE")
    return [item.value for item in shell.get_completions([*words[:-1]], words[-1]) if item.type == "plain"]


def test_commands_and_options():
    assert offered("sk") == ["skymap"]
    assert offered("skymap", "") == ["find", "make", "show"]
    assert offered("coadd", "--sig") == ["--sigma-clip"]
    assert "--noise" in offered("stack", "--no")


def test_choices_as_the_help_shows_them():
    assert {"none", "safe-clip", "compare-warp"} <= set(offered("coadd", "--reject", ""))
    assert offered("coadd", "--reject", "compare_") == ["compare-warp"]
    assert offered("coadd", "--statistic", "noise") == ["NOISECLIP"]
    assert offered("skymap", "make", "--kind", "r") == ["rings"]


def test_formats_and_kinds():
    assert offered("coadd", "--format", "") == list(format_names())
    assert offered("formats", "zt") == ["ztf"]
    assert offered("coadd", "--skymap", "") == list(KINDS)


@pytest.mark.parametrize(
    ("incomplete", "expected"),
    [
        ("assemble.gaps.fallback-v", ["assemble.gaps.fallback_value="]),
        ("select.max-v", ["select.max_visits="]),
        ("assemble.weights.rule=", ["assemble.weights.rule=information", "assemble.weights.rule=variance"]),
        ("assemble.fill_gaps=f", ["assemble.fill_gaps=false"]),
        ("warp.kernel=lanczos4", ["warp.kernel=lanczos4"]),
        ("nothing.like", []),
    ],
)
@pytest.mark.parametrize("command", ["coadd", "stack"])
def test_keys_of_set(command, incomplete, expected):
    if command == "stack" and not incomplete.startswith("assemble"):
        expected = []
    assert offered(command, "--set", incomplete) == expected


def test_keys_of_a_kind_of_sky_map():
    assert offered("skymap", "make", "--kind", "rings", "--set", "num") == ["num_rings="]
    assert offered("skymap", "make", "--set", "patch_s") == ["patch_size="]


def test_files_of_options_are_left_to_the_shell():
    shell = BashComplete(_lamella, {}, "lamella", "_LAMELLA_COMPLETE")
    assert [item.type for item in shell.get_completions(["coadd", "--config"], "opt")] == ["file"]
    assert [item.type for item in shell.get_completions(["coadd"], "nig")] == ["file"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_of_the_shells(shell, tmp_path):
    program = tmp_path / "lamella"
    program.write_text("import sys; from lamella.cli.main import main; main()")
    environment = {**os.environ, "_LAMELLA_COMPLETE": f"{shell}_source"}
    ended = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, check=True
    )
    assert "_LAMELLA_COMPLETE" in ended.stdout
    assert ended.stderr == ""

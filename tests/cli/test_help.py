"""The help of the commands: sections, examples, width, colour; and words that may have been meant."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lamella.cli.help import Command, sections_of
from lamella.cli.main import _lamella, main

from .conftest import lamella


def _commands(command: click.Command = _lamella, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield names
        return
    for name in command.list_commands(click.Context(command)):
        member = command.get_command(click.Context(command), name)
        assert member is not None
        yield from _commands(member, (*names, name))


COMMANDS = tuple(_commands())


def _command(names: tuple[str, ...]) -> Command:
    command: click.Command = _lamella
    for name in names:
        assert isinstance(command, click.Group)
        member = command.get_command(click.Context(command), name)
        assert member is not None
        command = member
    assert isinstance(command, Command)
    return command


@pytest.mark.parametrize("columns", [80, 120, 300, 20])
@pytest.mark.parametrize("command", [(), ("skymap",), *COMMANDS], ids=" ".join)
def test_the_help_is_as_wide_as_the_terminal(monkeypatch, command, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    widest = max(map(len, lamella(*command, "--help").out.splitlines()))
    assert widest <= max(min(columns, 120), 80)
    if command == ("coadd",) and columns >= 120:
        assert widest > 100


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_option_has_a_section(names):
    options = [param for param in _command(names).params if isinstance(param, click.Option)]
    assert "Other" not in sections_of(options)


def test_sections_of_the_help_of_coadd():
    heads = re.findall(r"^(\w+):$", lamella("coadd", "--help").out, re.MULTILINE)
    assert heads == [
        *("Input", "Output", "Selection", "Grid", "Resampling", "Rejection", "Combination"),
        *("Options", "Machine", "Messages", "Examples"),
    ]


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_examples_are_command_lines_that_the_command_takes(names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = _command(names)
    assert command.examples
    for example in command.examples:
        assert f"  {example}\n" in lamella(*names, "--help").out
        program, *words = shlex.split(example)
        if program == "export":  # of the shell
            continue
        own = next(path for path in COMMANDS if tuple(words[: len(path)]) == path)
        assert program == "lamella"
        assert own in (names, ("coadd",))
        for word in words:
            if re.fullmatch(r"[\w/-]+\.(toml|fits|json|csv)", word):  # some must be there
                Path(word).parent.mkdir(exist_ok=True, parents=True)
                Path(word).touch()
        _command(own).make_context("lamella", words[len(own) :])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["coad"], "No such command 'coad'; did you mean coadd?"),
        (["skymap", "fnid"], "No such command 'fnid'; did you mean find?"),
        (["qqq"], "No such command 'qqq'."),
    ],
)
def test_a_misspelt_command_is_told_with_the_one_that_may_have_been_meant(words, message):
    ended = lamella(*words)
    assert ended.status == 2
    assert ended.err.endswith(f"Error: {message}\n")


@pytest.mark.parametrize("module", ["lamella", "lamella.cli", "lamella.cli.main"])
def test_the_package_runs_as_the_command(module):
    ended = subprocess.run(
        [sys.executable, "-m", module, "skymap", "--help"], capture_output=True, text=True, check=True
    )
    assert ended.stdout.startswith("Usage: lamella skymap ")
    version = subprocess.run([sys.executable, "-m", module, "-V"], capture_output=True, text=True, check=True)
    assert version.stdout == lamella("--version").out != ""


def test_a_terminal_gets_colour_unless_it_is_not_wanted(monkeypatch):
    def told() -> str:
        screen = io.StringIO()
        screen.isatty = lambda: True  # type: ignore[method-assign]
        with contextlib.redirect_stdout(screen), pytest.raises(SystemExit):
            main(["coadd", "--help"])
        return screen.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[36m-o, --output PATH" in told()
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert "\x1b" not in told()

"""What others wrote reaches screen, log and page as visible text: no escape sequence, no mark, no markup."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from rich.table import Table
from rich.text import Text

import lamella.cli
from lamella.cli.console import Console
from lamella.cli.screen import echo, show_error
from lamella.cli.terminal import facts_table, rows_table
from lamella.cli.voice import Voice, _logging
from lamella.data.origins import OriginSummary
from lamella.errors import UnreadableFileError
from lamella.report.console import origins_table, skipped_table
from lamella.report.page import render_page
from lamella.report.record import RunRecord, Skipped
from lamella.testing.survey import Survey

from .conftest import Ended
from .conftest import lamella as run

HOSTILE = {
    "colour": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "cursor": "\x1b[2J\x1b[H",
    "C1": "\x9b31m\x85",
    "return": "good\rbad",
    "erased": "bad\x08\x08\x7f",
    "order": "\u202estif.txt\u202c",
    "isolate": "\u2067abc\u2069",
    "mark": "a\u200fb\u061c",
    "markup": "[bold]x[/bold][/]",
    "link": "[link=http://x]y[/link] :smile:",
}
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def on_console(*things: object) -> str:
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    for thing in things:
        console.print(thing)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def on_error(text: str) -> str:
    with pytest.MonkeyPatch.context() as patch, io.StringIO() as stream:
        patch.setattr("sys.stderr", stream)
        show_error(click.UsageError(f"No such option: {text}"))
        return stream.getvalue()


def echoed(text: str) -> str:
    with pytest.MonkeyPatch.context() as patch, io.StringIO() as stream:
        patch.setattr("sys.stdout", stream)
        echo(text)
        return stream.getvalue()


def as_cell(text: str) -> str:
    table = Table(text)
    table.add_row(text)
    return on_console(table)


PLACES: dict[str, Callable[[str], str]] = {
    "echo": echoed,
    "error of click": on_error,
    "console": on_console,
    "text": lambda text: on_console(Text(text)),
    "cell": as_cell,
    "facts": lambda text: on_console(facts_table(text, {text: text})),
    "rows": lambda text: on_console(rows_table([{text: text}], title=text)),
    "skipped": lambda text: on_console(skipped_table([Skipped(text, text)], title="Skipped")),
    "skipped, long": lambda text: on_console(skipped_table([Skipped("x" * 40 + text, text)])),
    "origins": lambda text: on_console(origins_table([OriginSummary(text, text, text, 1, text)])),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", HOSTILE)
def test_shown_as_it_is(place: str, kind: str) -> None:
    shown = PLACES[place](HOSTILE[kind])
    assert STEERS.search(shown) is None
    if kind in ("markup", "link"):
        assert HOSTILE[kind] in shown
    elif kind == "colour":
        assert r"\x1b[31mred" in shown


@pytest.mark.parametrize("place", PLACES)
def test_other_scripts_stay(place: str) -> None:
    assert "Hα Ω 日本 é" in PLACES[place]("Hα Ω 日本 é")


@pytest.mark.parametrize("kind", HOSTILE)
def test_log_and_warnings(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for log in (tmp_path / "log", None):
        with _logging(Voice(log=log)):
            logging.getLogger("lamella.test").warning("read %s", HOSTILE[kind])
            warning = UserWarning(f"astropy met {HOSTILE[kind]}")
            if log:
                warnings.showwarning(warning, UserWarning, "fits.py", 1)
            else:
                sys.stderr.write(warnings.formatwarning(warning, UserWarning, "fits.py", 1))
    text = capsys.readouterr().err + (tmp_path / "log").read_text(encoding="utf-8")
    assert text.count("astropy met") == text.count("read ") == 3
    assert STEERS.search(text) is None


@pytest.mark.parametrize("kind", HOSTILE)
def test_page(kind: str) -> None:
    text = f"{HOSTILE[kind]}<script>"
    page = render_page(RunRecord(title=text, skipped=(Skipped(text, text),), settings={text: text}))
    assert STEERS.search(page) is None
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def ends_visibly(ended: Ended) -> None:
    assert STEERS.search(ended.out + ended.err + ended.progress) is None
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", ["inspect", "coadd", "describe", "stack", "export", "skymap"])
def test_names_of_files(command: str, tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31m\u202egalaxy\x9b.fits"
    path.write_bytes(b"no FITS")
    alone = {"skymap": ("show", path), "inspect": (path,)}
    arguments = alone.get(command, (path, "-o", tmp_path / "out.fits"))
    ended = run(command, *arguments)
    assert ended.status != 0
    assert r"\x1b[31m\u202egalaxy\x9b.fits" in "".join(ended.err.split())
    ends_visibly(ended)


def test_cells_of_tables(own_survey: Survey) -> None:
    table = own_survey.table
    text = table.read_text(encoding="utf-8")
    assert "LamellaSim" in text
    table.write_text(text.replace("LamellaSim", "\x1b[2J\u202eSim"), encoding="utf-8")
    for options in ((), ("--json",)):
        ended = run("inspect", table, *options)
        assert "[2J" in ended.out
        ends_visibly(ended)
    names = {exposure["instrument"] for exposure in json.loads(ended.out)}
    assert names == {"\x1b[2J\u202eSim"}


def test_only_the_screen_prints() -> None:
    folder = Path(lamella.cli.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            imported = isinstance(node, ast.ImportFrom) and node.module == "rich.console"
            names = (
                {alias.name for alias in node.names}
                if isinstance(node, ast.ImportFrom) and imported
                else set()
            )
            assert called not in ("click.echo", "click.secho", "print") or path.name == "screen.py", path
            assert "Console" not in names, path


def test_error_names_the_file_visibly() -> None:
    error = UnreadableFileError("\x1b[1m.fits", found="text", expected="FITS")
    assert r"\x1b[1m.fits" in echoed(str(error))

"""Help, exit statuses, and errors in one line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from lamella import __version__
from lamella.cli import main as module
from lamella.errors import ConfigError, LamellaError, OutputError
from lamella.testing.survey import Survey

from .conftest import lamella

COMMANDS = [
    (),
    ("coadd",),
    ("warp",),
    ("stack",),
    ("skymap",),
    ("skymap", "make"),
    ("skymap", "show"),
    ("skymap", "find"),
    ("inspect",),
    ("export",),
    ("demo",),
    ("warm",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_the_terminal_and_is_complete(command: tuple[str, ...]) -> None:
    ended = lamella(*command, "--help")
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith(f"Usage: lamella {' '.join(command)}".rstrip())
    # Each option says what it is for.
    for index, line in enumerate(lines):
        if re.match(r"  -", line):
            text = re.split(r"\s{2,}", line.strip(), maxsplit=1)[1:] or [lines[index + 1].strip()]
            assert len(text[0]) > 3, line


def test_numbers_have_their_unit_and_default() -> None:
    text = " ".join(lamella("coadd", "--help").out.split())
    for piece in (
        "[default: 3 sigma]",
        "[default: 0.001 pixel]",
        "[default: 2048 MiB]",
        "[default: NOISECLIP]",
        "Largest width of the PSF. [arcsec]",
        "[arcsec; default: the median of the exposures]",
    ):
        assert piece in text


def test_help_imports_nothing_heavy_and_is_quick() -> None:
    code = (
        "import sys, time; from lamella.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'numba', 'astropy', 'scipy', 'lsst.images', 'PIL', 'pydantic', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)), time.process_time(), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy, seconds = ended.stderr.rsplit(maxsplit=1)
    assert heavy == "[]"
    assert float(seconds) < 0.5
    for command in ("coadd", "warp", "stack", "skymap", "inspect", "export", "butler", "demo", "warm"):
        assert f"  {command} " in ended.stdout


def test_the_version() -> None:
    assert lamella("--version").out == f"lamella, version {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["coadd", "--nonsense"], "No such option"),
        (["coadd", "-o", "out"], "Missing argument 'EXPOSURES...'"),
        (["coadd", "a.fits"], "Missing option '-o'"),
        (["coadd", "a.fits", "-o", "out", "--workers", "0"], "--workers"),
        (["coadd", "a.fits", "-o", "out", "--statistic", "MOST"], "'MOST' is not one of"),
        (["coadd", "a.fits", "-o", "out", "--sigma-clip", "-1"], "--sigma-clip: Input should be greater"),
        (["coadd", "a.fits", "-o", "out", "--center", "1;2", "--size", "1"], "not a position"),
        (["coadd", "a.fits", "-o", "out", "--center", "1,nan", "--size", "1"], "not a position"),
        (["coadd", "a.fits", "-o", "out", "--size", "0"], "between 0 and 90"),
        (["coadd", "a.fits", "-o", "out", "--size", "1,2,3"], "not a size"),
        (["coadd", "a.fits", "-o", "out", "--format", "hubble"], "'hubble' is not one of"),
        (["stack", "-o", "a.fits"], "Missing argument 'INPUTS...'"),
        (["skymap", "find", "a.json"], "Give exposures"),
    ],
)
def test_bad_usage_is_status_2(arguments: list[str], message: str) -> None:
    ended = lamella(*arguments)
    assert ended.status == 2
    assert message in ended.err


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (LamellaError("It is\n  broken."), 1, "Error: It is broken.\n"),
        (OutputError("a.fits", reason="disk full"), 1, "Error: a.fits: cannot be written: disk full.\n"),
        (ConfigError("--size: too large."), 2, "Error: --size: too large.\n"),
        (FileNotFoundError(2, "No such file", "a.fits"), 1, "Error: a.fits: No such file.\n"),
        (OSError("odd"), 1, "Error: odd.\n"),
        (KeyboardInterrupt(), 130, "the same command continues"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_errors_are_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, message: str
) -> None:
    @click.command()
    def broken() -> None:
        raise error

    monkeypatch.setattr(module._LazyGroup, "get_command", lambda *_: broken)
    ended = lamella("demo")
    assert (ended.status, ended.out) == (status, "")
    assert message in ended.err
    assert ended.err.strip().count("\n") == 0


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module._LazyGroup, "get_command", lambda *_: broken)
    with pytest.raises(ZeroDivisionError):
        lamella("demo")


@pytest.mark.parametrize(
    ("number", "text"),
    [("SIGINT", "Interrupted"), ("SIGTERM", "Ended by SIGTERM"), ("SIGHUP", "Ended by SIGHUP")],
)
def test_a_signal_that_ends_the_run_is_told_and_leaves_nothing(
    survey: Survey, tmp_path: Path, number: str, text: str
) -> None:
    # The interrupt comes from the command's own first write, so that it is never too early or too late.
    code = (
        "import os, signal, sys; import lamella.files as files; sync = files.sync\n"
        f"def interrupt(path): os.kill(os.getpid(), signal.{number}); sync(path)\n"
        # A job in the background of a shell without job control ignores interrupts.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "files.sync = interrupt; from lamella.cli.main import main\n"
        f"main(['coadd', {str(survey.table)!r}, '-o', {str(tmp_path / 'out')!r}, '--workers', '1'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 128 + signal.Signals[number], ended.stderr
    said = [line for line in ended.stderr.split("\n") if line and not line.startswith("lamella: ")]
    assert said == [f"{text}. What is finished is kept, and the same command continues."]
    assert os.listdir(tmp_path / "out") == []

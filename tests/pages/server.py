"""Commands that start at once: they are forked from a process that has imported what they need.

A folder of small scripts, which comes first in ``PATH``, passes each command with its files, folder and
environment to that process, and ends as the command does.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import json
import multiprocessing
import os
import resource
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ..processes import PRELOADED

__all__ = ("SMALL_DEMO", "command_server")

SMALL_DEMO = {
    "visits_per_band": 3,
    "detector_grid": (1, 2),
    "detector_shape": (150, 160),
    "stars": 30,
    "galaxies": 40,
    "bright_stars": 1,
}
"""The survey that ``lamella demo`` simulates in these tests; that of its users is ten times as large."""

# Started without site-packages, in a hundredth of the time of the command.
_SHIM = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    words = dict(name={name!r}, words=sys.argv[1:], folder=os.getcwd(), environment=dict(os.environ))
    socket.send_fds(server, [b"x"], [0, 1, 2])
    server.sendall(json.dumps(words).encode())
    server.shutdown(socket.SHUT_WR)
    status = server.recv(16)
sys.exit(int(status or 1))
"""


@contextlib.contextmanager
def command_server(folder: Path) -> Iterator[Path]:
    """Serve all commands of the environment; yield the folder with their scripts."""
    scripts = folder / "bin"
    scripts.mkdir()
    address = str(folder / "commands")
    for name in _served():
        script = scripts / name
        script.write_text(_SHIM.format(python=sys.executable, address=address, name=name))
        script.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(32)
        server = PRELOADED.Process(target=serve, args=(listener,))
        server.start()
    try:
        yield scripts
    finally:
        server.terminate()
        server.join()


@functools.cache  # which forks have
def _served() -> dict[str, Any]:
    """Return the entry points of the commands by name."""
    names = ("lamella", "butler", "pipetask", "bps")
    scripts = {point.name: point for point in entry_points(group="console_scripts")}
    return {name: point for name, point in scripts.items() if name in names or "lamella" in point.value}


def serve(listener: socket.socket) -> None:
    """Fork a process for each command, until this one is terminated."""
    _import_all()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that answer
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _leave(functools.partial(_answer, connection))
        connection.close()


def _import_all() -> None:
    import lamella.cli.demo as demo
    from lamella.cli.main import main
    from lamella.run import execute
    from lamella.testing.config import SurveyConfig

    # The survey of the demo is smaller here.
    demo.SurveyConfig = functools.partial(SurveyConfig, **SMALL_DEMO)  # type: ignore[misc, assignment]
    # Workers are forks of the command: a server of forks would import everything once more for each command.
    execute._CONTEXT = multiprocessing.get_context("fork")  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        _make_coadds(Path(folder), main)
    with contextlib.suppress(ImportError):
        for point in _served().values():
            point.load()


def _make_coadds(folder: Path, run: Callable[[list[str]], object]) -> None:
    """Make coadds here, so that forks find the kernels in memory."""
    from lamella.testing.config import SurveyConfig
    from lamella.testing.survey import simulate_survey

    config = SurveyConfig(**{**SMALL_DEMO, "detector_grid": (1, 1)}, bands=("r",))
    simulate_survey(folder / "survey", config)
    words = ["coadd", str(folder / "survey"), "-o", str(folder / "out"), "--workers", "1", "--quiet"]
    for further in (["--reject", "compare-warp"], ["--psf-matched", "--statistic", "MEDIAN"]):
        with contextlib.suppress(SystemExit):
            run([*words, *further])


def _answer(connection: socket.socket) -> int:
    """Run a command in a child, and send the status with which it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, *_ = socket.recv_fds(connection, 1, 3)
    text = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    child = os.fork()
    if child == 0:
        connection.close()
        _leave(functools.partial(_run, files, **json.loads(text)))
    for file in files:
        os.close(file)
    _, status, usage = os.wait4(child, 0)
    _note_usage(usage, json.loads(text))
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    return 0


def _note_usage(usage: resource.struct_rusage, command: dict[str, Any]) -> None:
    """Add the CPU seconds of a command to a file, for whoever looks for what takes long."""
    if "LAMELLA_PAGES_USAGE" in os.environ:
        with open(os.environ["LAMELLA_PAGES_USAGE"], "a") as file:
            print(f"{usage.ru_utime + usage.ru_stime:.2f}", command["name"], *command["words"], file=file)


def _leave(work: Callable[[], int]) -> None:
    """End this process, which is a fork, with the status of some work, and with nothing of its parent's."""
    status = 1
    try:
        status = work()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


def _run(files: list[int], name: str, words: list[str], folder: str, environment: dict[str, str]) -> int:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(Path(sys.executable).with_name(name)), *words]
    atexit._clear()  # what the parent would do at its end
    try:
        ended = _served()[name].load()()
    except SystemExit as exit_:
        ended = exit_.code
        if isinstance(ended, str):
            print(ended, file=sys.stderr)
            ended = 1
    atexit._run_exitfuncs()
    return int(ended or 0)

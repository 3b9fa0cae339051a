"""Run a command as a child process, and learn what it used.

The kernel counts the memory of the process that starts a command as the
command's own until the command's program is loaded.  So the commands are not
started by the benchmark, which has large modules loaded, but by this file run
as a program of its own that needs nothing beyond the standard library.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a command used, all its threads and finished children included."""

    user_s: float
    system_s: float
    wall_s: float
    peak_mb: float
    """Largest resident memory of the process, in units of 1e6 bytes; pages of mapped files count."""

    @property
    def cpu_s(self) -> float:
        return self.user_s + self.system_s


class CommandError(RuntimeError):
    """A measured command failed."""


def run_measured(
    command: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> tuple[Usage, str]:
    """Run a command to its end; return what it used, and its standard output.

    Raises
    ------
    CommandError
        Raised when the command cannot be started or its exit status is not 0.
    """
    with tempfile.TemporaryDirectory(prefix="usage-") as folder:
        report = Path(folder, "usage.json")
        launcher = [sys.executable, "-I", "-S", __file__, report, *command]
        # Modules are compiled once, as those of an installed package are.
        usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        # No process is left behind when this one is interrupted.
        words, pipe, env = [str(word) for word in launcher], subprocess.PIPE, {**usual, **(env or {})}
        with subprocess.Popen(
            words, cwd=cwd, env=env, stdout=pipe, stderr=pipe, text=True, process_group=0
        ) as process:
            try:
                text, errors = process.communicate()
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode != 0:
            last = (errors.strip() or text.strip() or "no message").splitlines()[-1]
            raise CommandError(f"exit status {process.returncode}: {last}")
        return Usage(**json.loads(report.read_text())), text


def main(report: str, *command: str) -> int:
    """Run the command, and write what it used to the file ``report``."""
    start = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    # Linux counts kibibytes, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    found = Usage(usage.ru_utime, usage.ru_stime, wall, usage.ru_maxrss * unit / 1e6)
    Path(report).write_text(json.dumps(dataclasses.asdict(found)))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    # A command killed by a signal has a negative status.
    sys.exit(abs(main(*sys.argv[1:])))

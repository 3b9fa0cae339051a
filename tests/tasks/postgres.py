"""A PostgreSQL server of our own on loopback, for as long as a test needs it."""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ("PostgresServer", "find_postgres", "run_postgres")

_USER = "lamella"
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class PostgresServer:
    """A running server."""

    port: int
    binaries: Path

    def address(self, database: str) -> str:
        """Return the URL of a database, whether it is there or not."""
        return f"postgresql+psycopg://{_USER}@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str | None = None) -> str:
        """Make a database, and return its URL.

        Parameters
        ----------
        template
            Database to copy; without it, one that has the extension that a Butler needs.
        """
        name = f"test{next(_NUMBERS)}"
        self.execute("postgres", f"create database {name} template {template or 'template1'}")
        if template is None:
            self.execute(name, "create extension btree_gist")
        return self.address(name)

    def execute(self, database: str, statement: str) -> str:
        """Run a statement with psql, and return what it prints."""
        command = [str(self.binaries / "psql"), "-XqAt", "-h", "127.0.0.1", "-p", str(self.port), "-U", _USER]
        done = subprocess.run([*command, "-d", database, "-c", statement], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{statement}: {done.stderr}")
        return done.stdout.strip()


def find_postgres() -> Path:
    """Return the folder of the server's programs, or skip the test with the reason."""
    places = [Path(p) for p in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    found = shutil.which("initdb")
    places += [Path(found).resolve().parent] if found else []
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    if os.environ.get("CI"):
        pytest.fail("CI must install the Debian package postgresql.")
    pytest.skip("needs a PostgreSQL server (Debian package postgresql)")


@contextlib.contextmanager
def run_postgres() -> Iterator[PostgresServer]:
    """Start a server on a free port of loopback; it and its data are gone afterwards."""
    binaries = find_postgres()
    # The server refuses to run as root, and its user cannot enter a folder of pytest.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="lamella-postgres-"))
    try:
        if user:
            shutil.chown(folder, user)
        data, port = folder / "data", _free_port()
        initdb = [binaries / "initdb", "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8", "-N"]
        subprocess.run(initdb, check=True, capture_output=True, user=user, cwd=folder)
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
        # What is written here is thrown away.
        settings |= {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
        settings |= {"shared_buffers": "32MB", "max_connections": 50}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(
                [binaries / "postgres", "-D", data, *options],
                stdout=log,
                stderr=log,
                user=user,
                cwd=folder,
            )
        try:
            _wait(server, [binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(port)], folder / "log")
            yield PostgresServer(port, binaries)
        finally:
            server.send_signal(signal.SIGQUIT)  # at once, without writing what is in memory
            server.wait(300)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _wait(server: subprocess.Popen[bytes], is_ready: list[Path | str], log: Path) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text()}")
        # It takes connections before it takes statements.
        if subprocess.run(is_ready, capture_output=True).returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError(f"the server does not answer: {log.read_text()}")

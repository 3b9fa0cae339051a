"""Which other programs are installed, and in which versions."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence

NOT_INSTALLED = "not installed"
_PROGRAMS = {
    "SWarp": (("SWarp", "swarp"), ("-v",)),
    "Siril": (("siril-cli",), ("--version",)),
    "gnuastro": (("astarithmetic",), ("--version",)),
    # It tells no version.
    "Montage": (("mProject",), ()),
}
"""Names of the executable, and how its version is asked for."""
PACKAGES = ("numpy", "astropy", "bottleneck", "drizzle", "reproject")


def find(peer: str) -> str | None:
    """Return the executable of a peer, if it is installed."""
    return next((path for name in _PROGRAMS[peer][0] if (path := shutil.which(name))), None)


def versions() -> dict[str, str]:
    """Return the version of each program, or that it is not installed."""
    return {peer: _version(peer) for peer in _PROGRAMS}


def _version(peer: str) -> str:
    program, words = find(peer), _PROGRAMS[peer][1]
    if program is None:
        return NOT_INSTALLED
    if not words:
        return "installed"
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    text = (done.stdout.strip() or done.stderr.strip()).splitlines()
    found = re.search(r"\d+\.\d[\w.]*", text[0]) if text else None
    return found.group() if found else "unknown"


def package_versions(python: str) -> dict[str, str]:
    """Return the versions of the packages of peers that a Python interpreter has."""
    code = (
        "import importlib.metadata as m, json, sys\n"
        "have = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
        "print(json.dumps({n: have[n] for n in sys.argv[1:] if n in have}))"
    )
    done = subprocess.run([python, "-c", code, *PACKAGES], capture_output=True, text=True, check=False)
    found: dict[str, str] = json.loads(done.stdout) if done.returncode == 0 else {}
    return {name: found.get(name, NOT_INSTALLED) for name in PACKAGES}


def has_packages(python: str, names: Sequence[str]) -> bool:
    """Return whether an interpreter has all of some packages."""
    found = package_versions(python)
    return all(found[name] != NOT_INSTALLED for name in names)

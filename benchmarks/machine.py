"""On what a benchmark ran, and how busy it was."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import peers

PACKAGES = ("lamella", "numpy", "numba", "llvmlite", "astropy", "lsst-images", "isal")


def load() -> list[float] | None:
    """Return the mean number of running processes over 1, 5 and 15 minutes, where known."""
    try:
        return [round(value, 2) for value in os.getloadavg()]
    except OSError:
        return None


def describe(peers_python: str = sys.executable) -> dict[str, Any]:
    """Return processor, cores, memory, system, and versions of all that takes part.

    ``peers_python`` is the interpreter of the peers that are Python packages.
    """
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": os.process_cpu_count(),
        "cache": _field("/proc/cpuinfo", "cache size"),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "commit": _commit(),
        "peers": {**peers.versions(), **peers.package_versions(peers_python)},
    }


def _field(path: str, name: str) -> str | None:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def _commit() -> str | None:
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()

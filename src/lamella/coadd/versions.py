"""Versions of the packages that a result depends on."""

from __future__ import annotations

import functools
import platform
from importlib import metadata

__all__ = ("package_versions",)

_PACKAGES = (
    "lamella",
    "lsst-images",
    "astropy",
    "numpy",
    "numba",
    "scipy",
    "sep",
    "shapely",
    "starlink-pyast",
)


@functools.cache
def package_versions() -> dict[str, str]:
    """Return the version of Python and of each package that can change a result."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in _PACKAGES}

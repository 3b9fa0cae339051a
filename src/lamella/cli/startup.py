"""What a command need not wait for when it starts."""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

__all__ = ("import_images",)

_SPLINES = "scipy.interpolate"


def import_images() -> None:
    """Import `lsst.images` without the splines of SciPy.

    They take a third of a second to import, and serve one kind of background
    in archives.  While `lsst.images` is imported a module stands in for them,
    which imports the real one as soon as something of it is used.
    """
    if "lsst.images" in sys.modules or _SPLINES in sys.modules:
        return
    sys.modules[_SPLINES] = _Splines(_SPLINES)
    try:
        importlib.import_module("lsst.images")
    finally:
        _step_aside()


def _step_aside() -> None:
    if isinstance(sys.modules.get(_SPLINES), _Splines):
        del sys.modules[_SPLINES]


class _Splines(types.ModuleType):
    """Stands in for the splines of SciPy."""

    @staticmethod
    def Akima1DInterpolator(*args: Any, **options: Any) -> Any:
        """Make what the real class makes."""
        from scipy.interpolate import Akima1DInterpolator

        return Akima1DInterpolator(*args, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _step_aside()
        return getattr(importlib.import_module(_SPLINES), name)

"""What a command need not wait for when it starts."""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.abc
import importlib.util
import sys
import types
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from typing import Any

__all__ = ("lighten_imports", "quick_imports")

_SPLINES = "scipy.interpolate"


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Import what does the work of a command, once it is known that there is work.

    Nothing that modules make is garbage: without the collector they are imported
    a tenth faster, and what is frozen is not looked through again.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def lighten_imports() -> None:
    """Have `lsst.images` imported without a part of SciPy that it would import and that is seldom used.

    It takes a third of a second for splines, which serve one kind of background
    in archives.  While it is imported, a module stands in for them, which
    imports the real one as soon as something of it is used.

    Processes that a command starts import its module, and so this is done in
    them, too.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Splines(types.ModuleType):
    """Stands in for the splines of SciPy."""

    @staticmethod
    def Akima1DInterpolator(*args: Any, **options: Any) -> Any:
        """Make what the real class makes."""
        from scipy.interpolate import Akima1DInterpolator

        return Akima1DInterpolator(*args, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # those that the import system asks for
            raise AttributeError(name)
        self.step_aside()
        return getattr(importlib.import_module(self.__name__), name)

    def step_aside(self) -> None:
        """Have the real module imported from now on."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


class _Finder(importlib.abc.MetaPathFinder):
    """Finds `lsst.images`, once, to be imported with a stand-in."""

    def __init__(self) -> None:
        self._waiting = True

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how the package is imported with its stand-in; `None` for all others."""
        if fullname != "lsst.images" or not self._waiting:
            return None
        self._waiting = False
        if _SPLINES in sys.modules:
            return None
        spec = importlib.util.find_spec(fullname)  # by the finders behind this one
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Imports a module while the stand-in is there."""

    def __init__(self, real: importlib.abc.Loader) -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        """Make the module as it is usually made."""
        return self._real.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        """Run its code."""
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        stand_in = _Splines(_SPLINES)
        sys.modules.setdefault(_SPLINES, stand_in)
        try:
            self._real.exec_module(module)
        finally:
            stand_in.step_aside()

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
    """Have two packages imported without parts of SciPy that they would import and that lamella does not use.

    `lsst.images` takes a third of a second for splines, which serve one kind of
    background in archives.  Numba takes as long at the first call of a kernel to
    see whether there is a BLAS, of which no kernel makes use; it looks again
    when one does.  While these packages are imported, modules stand in for the
    parts, which import the real ones as soon as something of them is used.

    Processes that a command starts import its module, and so this is done in
    them, too.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _StandIn(types.ModuleType):
    """Stands in for a module that takes long to import."""

    def __getattr__(self, name: str) -> Any:
        # The import system asks for names of its own; that of Cython is for those who use the module.
        if name.startswith("__") and name != "__pyx_capi__":
            raise AttributeError(name)
        self.step_aside()
        return getattr(importlib.import_module(self.__name__), name)

    def step_aside(self) -> None:
        """Have the real module imported from now on."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


class _Splines(_StandIn):
    """Stands in for the splines of SciPy."""

    @staticmethod
    def Akima1DInterpolator(*args: Any, **options: Any) -> Any:
        """Make what the real class makes."""
        from scipy.interpolate import Akima1DInterpolator

        return Akima1DInterpolator(*args, **options)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that are to be imported with a stand-in, each once."""

    def __init__(self) -> None:
        # The stand-in, and a module after whose import it would save nothing.
        self._waiting = {
            "lsst.images": (_Splines("scipy.interpolate"), "scipy.interpolate"),
            "numba.np.arraymath": (_StandIn("scipy.linalg.cython_blas"), "scipy.linalg"),
        }

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how a module is imported with its stand-in; `None` for all others."""
        stand_in, heavy = self._waiting.pop(fullname, (None, ""))
        if stand_in is None or heavy in sys.modules:
            return None
        spec = importlib.util.find_spec(fullname)  # by the finders behind this one
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, stand_in)
        return spec


class _Loader(importlib.abc.Loader):
    """Imports a module while a stand-in is there for another."""

    def __init__(self, real: importlib.abc.Loader, stand_in: _StandIn) -> None:
        self._real, self._stand_in = real, stand_in

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        """Make the module as it is usually made."""
        return self._real.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        """Run its code."""
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        sys.modules.setdefault(self._stand_in.__name__, self._stand_in)
        try:
            self._real.exec_module(module)
        finally:
            self._stand_in.step_aside()

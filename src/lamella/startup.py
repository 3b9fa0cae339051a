"""What a command need not wait for when it starts, and when it ends."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from typing import Any

__all__ = ("lighten_exit", "lighten_imports", "quick_imports")

_STAND_INS: dict[str, dict[str, tuple[str, ...]]] = {
    # Errors and summaries on a terminal.
    "structlog": {
        "rich": (),
        "rich.console": ("Console",),
        "rich.pretty": (),
        "rich.traceback": ("Traceback",),
    },
    # Splines serve one kind of background in archives.
    "lsst.images": {
        "scipy.interpolate": ("Akima1DInterpolator",),
        "rich": (),
        "rich.console": ("Console",),
        "rich.table": ("Table",),
        "rich.text": ("Text",),
        "rich.tree": ("Tree",),
    },
    # Tables of records in files of whole pipelines.
    "lsst.daf.butler": {"pyarrow.compute": ()},
    # Graphs serve pipelines, not butlers and single tasks.
    "lsst.pipe.base": {
        "networkx": (),
        "networkx.algorithms": (),
        "networkx.algorithms.bipartite": (),
        "networkx.algorithms.boundary": (),
        "networkx.algorithms.dag": (),
        "networkx.drawing": (),
        "networkx.drawing.nx_agraph": ("write_dot",),
    },
}
"""Modules that are not imported with a package, and the functions and classes that it imports by name."""


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Import what does the work of a command, once it is known that there is work.

    Nothing that modules make is garbage: without the collector they are imported
    a tenth faster, and what is frozen is not looked through again.
    """
    with _no_collector():
        yield
        gc.freeze()


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def lighten_exit() -> None:
    """Have the process end without a search for garbage in all that it holds, which goes anyway.

    Handlers of the exit run as usual, before.
    """
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)


def lighten_imports() -> None:
    """Have packages imported without the collector, and without large modules that they seldom use.

    While such a package is imported, a module stands in for each of them, which
    imports the real one as soon as something of it is used.

    It is done when `lamella` is imported, and so also in the processes that a
    command starts.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _StandIn(types.ModuleType):
    """Stands in for a module.

    Parameters
    ----------
    name
        Name of the module.
    members
        Names of functions and classes that can be imported from it without using it.
    """

    def __init__(self, name: str, members: Sequence[str] = ()) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # submodules are asked for, and found by `_Finder`
        for member in members:
            setattr(self, member, _Member(self, member))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # those that the import system asks for
            raise AttributeError(name)
        return getattr(self.real(), name)

    def real(self) -> types.ModuleType:
        """Return the real module, which is imported from now on."""
        if not _is_real(self.__name__):
            _step_aside(self.__name__)
        return importlib.import_module(self.__name__)


class _Member:
    """Stands in for a function or a class of a module."""

    def __init__(self, module: _StandIn, name: str) -> None:
        self._module = module
        self._name = name

    def _real(self) -> Any:
        return getattr(self._module.real(), self._name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._real()(*args, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._real(), name)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, self._real())

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, self._real())

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._real(),)


def _step_aside(name: str) -> None:
    """Have a module imported from now on, and its package, no part of which is real without the others."""
    for other, module in list(sys.modules.items()):
        if isinstance(module, _StandIn) and _package(other) == _package(name):
            del sys.modules[other]


def _is_real(name: str) -> bool:
    return name in sys.modules and not isinstance(sys.modules[name], _StandIn)


def _package(name: str) -> str:
    return name.partition(".")[0]


class _Finder:
    """Finds packages, each once, to be imported with stand-ins."""

    def __init__(self) -> None:
        self._waiting = dict(_STAND_INS)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how a package is imported with stand-ins, or a part of one; `None` for all others."""
        parent = fullname.rpartition(".")[0]
        if isinstance(sys.modules.get(parent), _StandIn):
            _step_aside(parent)
            return importlib.util.find_spec(fullname)  # imports the parent
        if fullname not in self._waiting:
            return None
        wanted = self._waiting.pop(fullname)
        present = {_package(name) for name in wanted if _is_real(name)}
        stand_ins = {name: uses for name, uses in wanted.items() if _package(name) not in present}
        spec = importlib.util.find_spec(fullname)  # by the finders behind this one
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, stand_ins)  # type: ignore[assignment]
        return spec


class _Loader:
    """Imports a module while stand-ins are there."""

    def __init__(self, real: Any, stand_ins: Mapping[str, Sequence[str]]) -> None:
        self._real = real
        self._stand_ins = stand_ins

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        """Make the module as it is usually made."""
        module: types.ModuleType | None = self._real.create_module(spec)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Run its code."""
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        # Those that are there belong to a package whose import led to this one.
        added = {
            name: _StandIn(name, members)
            for name, members in self._stand_ins.items()
            if name not in sys.modules
        }
        sys.modules.update(added)
        try:
            with _no_collector():
                self._real.exec_module(module)
        finally:
            for name, stand_in in added.items():
                if sys.modules.get(name) is stand_in:
                    del sys.modules[name]

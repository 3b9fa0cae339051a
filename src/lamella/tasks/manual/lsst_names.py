"""Import this to have the documented names of the manual where the LSST Science Pipelines are absent.

.. code-block:: python

    import lamella.tasks.manual.lsst_names
    from lsst.pipe.tasks.assembleCoadd import AssembleCoaddTask  # that of lamella.tasks.manual

It adds a finder to the *end* of `sys.meta_path` of this process, so that
whatever is installed is found first.  Where ``lsst.pipe.tasks`` is installed, nothing in it
is added to.  The names stand for the classes of `lamella.tasks.manual`, which
keep their own module names: what is pickled or saved can be read without this.
``python -m lamella.tasks.manual SCRIPT`` runs a script with these names.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from ...errors import ConfigError
from ..cmdline.stack_names import MODULES, SINGLE_NAMES, find_name, offer

__all__ = ("install",)

_PACKAGES = {
    name.rsplit(".", depth)[0]
    for name in (*MODULES, *SINGLE_NAMES)
    for depth in range(1, name.count("."))
    if not name.rsplit(".", depth)[0].startswith("lsst.pipe.base")
} - {"lsst.pipe"}
"""Packages that the names lie in and the middleware has not, e.g. ``lsst.pipe.tasks``."""

_MIDDLEWARE = {f"lsst.{name}" for name in ("ctrl", "daf", "pex", "pipe", "resources", "sphgeom", "utils")}


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules and names of the table, when nobody else has found them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module of the table.

        Raises
        ------
        ModuleNotFoundError
            Raised for other modules of the pipelines; the message says what lamella has.
        """
        parent = fullname.rpartition(".")[0]
        if parent in _PACKAGES and not _is_ours(parent):
            return None  # of what is installed, nothing is added to
        if fullname in SINGLE_NAMES:
            return importlib.machinery.ModuleSpec(fullname, _NameLoader())
        if fullname in MODULES or fullname in _PACKAGES:
            return importlib.machinery.ModuleSpec(fullname, _Loader(), is_package=fullname in _PACKAGES)
        if _is_ours(parent) or parent in ("lsst", "lsst.daf"):
            reason = "it needs pip install 'lamella[lsst]'" if fullname in _MIDDLEWARE else offer(fullname)
            raise ModuleNotFoundError(f"No module named {fullname!r}: {reason}.", name=fullname)
        return None


class _Loader(importlib.abc.Loader):
    """Makes a module whose names are looked up when they are used."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Return nothing: an ordinary module will do."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Give the module the names of the table."""
        name = module.__name__
        sources = MODULES.get(name, ())

        def look_up(attribute: str) -> Any:
            if attribute == "__all__" and sources:
                return tuple(word for source in sources for word in importlib.import_module(source).__all__)
            if attribute.startswith("__") or not sources:
                raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
            try:
                return find_name(f"{name}.{attribute}")
            except ConfigError as err:
                raise AttributeError(str(err)) from None

        module.__getattr__ = look_up  # type: ignore[method-assign]
        if sources:
            module.__dir__ = lambda: list(look_up("__all__"))  # type: ignore[method-assign]


class _NameLoader(importlib.abc.Loader):
    """Puts a class in the place of a module, as ``from package import Class`` looks for one."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Return nothing: the module is only a place."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Replace the module by what its name stands for."""
        sys.modules[module.__name__] = find_name(module.__name__)


def _is_ours(package: str) -> bool:
    spec = getattr(sys.modules.get(package), "__spec__", None)
    return isinstance(getattr(spec, "loader", None), _Loader)


def install() -> None:
    """Add the names to this process; importing this module has done so."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


install()

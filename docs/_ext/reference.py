"""Which names the reference of Python has: those that somebody calls, and what these take and give."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import lamella
from lamella.config import Config

__all__ = ("called_names", "reference", "setup")

_DOCS = Path(__file__).parents[1]
_IMAGE_MEMBERS = ("image", "mask", "variance", "bbox", "unit", "sky_projection", "fits_wcs", "astropy_wcs")
_INHERITED = (*_IMAGE_MEMBERS, "copy", "metadata", "write", "read")
"""Of `lsst.images.MaskedImage`: what users of a warp or a coadd need."""
_HIDDEN = re.compile(r"SerializationModel$|^Archived")


def called_names() -> dict[str, Any]:
    """Return all values of the reference by their full names.

    These are the names of `lamella` itself, those that pages name or import, and the classes of lamella that
    the public annotations of these name.
    """
    called = {_full_name(value): value for value in _called()}
    annotated = {_full_name(value): value for owner in called.values() for value in _annotated(owner)}
    values = {name: value for name, value in {**annotated, **called}.items() if _is_public(value)}
    return dict(sorted(values.items()))


def _called() -> Iterator[Any]:
    yield from (getattr(lamella, name) for name in lamella.__all__ if name != "__version__")
    for path in sorted(_DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"`(lamella(?:\.\w+)+)[`(]", text):
            yield from _import(name)
        for block in re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
            yield from _imported(block)


def _imported(block: str) -> Iterator[Any]:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "lamella":
            for alias in node.names:
                yield from _import(f"{node.module}.{alias.name}")


def _import(name: str) -> Iterator[Any]:
    """Yield the class or function of that name, if there is one."""
    module, _, member = name.rpartition(".")
    try:
        value = getattr(importlib.import_module(module), member)
    except (ImportError, AttributeError):
        return
    if inspect.isclass(value) or inspect.isfunction(value):
        yield value


def _full_name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _is_public(value: Any) -> bool:
    """Whether a value is in the list of its module, and of a room that people call."""
    module = importlib.import_module(value.__module__)
    room = value.__module__.split(".")
    hidden = _HIDDEN.search(value.__name__) or room[1:2] in (["kernels"], ["fits"], ["tasks"], ["cli"])
    return room[0] == "lamella" and value.__name__ in getattr(module, "__all__", ()) and not hidden


def _annotated(value: Any) -> Iterator[Any]:
    """Yield the classes that the fields, the constructor, methods and results of something name."""
    holders = [value]
    if inspect.isclass(value):
        members = [member for name, member in vars(value).items() if not name.startswith("_")]
        members = [getattr(member, "fget", None) or getattr(member, "func", member) for member in members]
        holders += [member for member in members if inspect.isfunction(member)]
        holders += [] if dataclasses.is_dataclass(value) else [vars(value).get("__init__")]
    for holder in filter(None, holders):
        names = _names(" ".join(map(str, getattr(holder, "__annotations__", {}).values())))
        module = importlib.import_module(holder.__module__)
        yield from filter(inspect.isclass, (getattr(module, name, None) for name in names))


def _names(annotations: str) -> set[str]:
    return set(re.findall(r"\b[A-Z]\w+", annotations))


def reference(package: str) -> str:
    """Return, as reStructuredText, the names of a package that are in the reference, by module."""
    names = {name: value for name, value in called_names().items() if name.startswith(f"{package}.")}
    parts: list[str] = []
    for module in _modules(package):
        members = [(name, value) for name, value in names.items() if value.__module__ == module.__name__]
        if members:
            summary = (inspect.getdoc(module) or "").split("\n\n")[0].replace("\n", " ")
            parts += [module.__name__, "-" * len(module.__name__), "", summary, ""]
        for name, value in members:
            parts += [*_entry(name, value), ""]
    return "\n".join(parts)


def _modules(package: str) -> Iterator[ModuleType]:
    root = importlib.import_module(package)
    yield root
    for module in pkgutil.walk_packages(getattr(root, "__path__", ()), f"{package}."):
        yield importlib.import_module(module.name)


def _entry(name: str, value: Any) -> list[str]:
    module, _, member = name.rpartition(".")
    if not inspect.isclass(value):
        return [f".. autofunction:: {module}.{member}"]
    directive = "autoexception" if issubclass(value, BaseException) else "autoclass"
    is_image = issubclass(value, _masked_image())
    inherited = [name for name in _INHERITED if hasattr(value, name)] if is_image else []
    own = [name for name in vars(value) if not name.startswith("_") and name not in (*inherited, "serialize")]
    fields = [name for name in getattr(value, "__annotations__", {}) if not name.startswith("_")]
    listed = ", ".join(dict.fromkeys([*fields, *own, *inherited]))
    members = f"   :members: {listed}" if inherited else "   :members:"
    return [f".. {directive}:: {module}.{member}", members, "   :show-inheritance:"]


def _masked_image() -> type:
    from lsst.images import MaskedImage

    return MaskedImage


def _short_signature(app: Any, what: str, name: str, value: Any, *rest: Any) -> tuple[str, str] | None:
    """Leave the options of a configuration to the list of them."""
    if what == "class" and issubclass(value, Config):
        return ("(**options)", "")
    return None


def _list_options(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Describe each option of a configuration as a parameter."""
    if what != "class" or not issubclass(value, Config):
        return
    units = value.units()
    for option, field in value.model_fields.items():
        text = " ".join((field.description or "").split())
        unit = f" In {units[option]}." if option in units else ""
        default = (
            ""
            if field.is_required() or isinstance(field.default, Config)
            else f" Default: {field.default!r}."
        )
        lines.append(f":param {option}: {text}{unit}{default}".replace("*", "\\*"))


def setup(app: Any) -> dict[str, Any]:
    """Register the directive."""
    from from_code import text_directive

    app.connect("autodoc-process-signature", _short_signature)
    app.connect("autodoc-process-docstring", _list_options, priority=900)  # behind napoleon
    app.add_directive("reference", text_directive(reference, 1))
    return {"version": lamella.__version__, "parallel_read_safe": True}

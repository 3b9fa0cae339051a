"""Dotted names of options: where they lead in a configuration, and setting what is there."""

from __future__ import annotations

import ast
import contextlib
import importlib
from collections.abc import MutableMapping, MutableSequence
from typing import Any

from lsst.pex.config import Config
from lsst.pex.config.callStack import StackFrame
from lsst.pex.config.configChoiceField import ConfigInstanceDict
from lsst.pex.config.configurableField import ConfigurableInstance

from ...errors import ConfigError

__all__ = ("find_class", "history_entry", "literal", "retarget", "set_option", "set_path", "walk")

ROOTS = ("config", "root")
"""Names that a configuration may have in a file: today's, and that of old files."""


def set_option(config: Config, name: str, text: str, source: str = "command line") -> None:
    """Set one option from text, as ``-c NAME=VALUE`` does.

    The text itself is tried first, so that a word needs no quotes; then the
    Python literal that it spells.  ``NAME.retarget=package.module.Class`` puts
    another task behind a subtask.

    Parameters
    ----------
    config
        The configuration to change.
    name
        Dotted name, e.g. ``scaleZeroPoint.zeroPoint`` or ``maskPropagationThresholds['SAT']``.
    text
        The value.
    source
        Where the value comes from, for the history.

    Raises
    ------
    ConfigError
        Raised when there is no such option, or it cannot have the value.
    """
    try:
        node = ast.parse(f"config.{name}", mode="eval").body
    except SyntaxError:
        node = None
    if not isinstance(node, ast.Attribute | ast.Subscript):
        raise ConfigError(f"{name!r} is not the name of an option.", option=name)
    at = history_entry(source, 0, f"{name}={text}")
    owner = walk(config, node.value, name)
    if (
        isinstance(node, ast.Attribute)
        and node.attr == "retarget"
        and isinstance(owner, ConfigurableInstance)
    ):
        retarget(owner, find_class(text.strip()), None, at)
        return
    readings: list[Any] = []
    if not isinstance(_current(owner, node), MutableSequence | MutableMapping):
        readings.append(text)  # a list would take a text letter by letter
    with contextlib.suppress(SyntaxError, ValueError):
        readings.append(literal(ast.parse(text.strip(), mode="eval").body))
    reason = f"expected a literal such as ['A', 'B'] or {{'A': 1}}, found {text!r}"
    for value in readings:
        try:
            set_path(owner, node, value, name, at)
            return
        except ConfigError:
            raise
        except (TypeError, ValueError) as err:
            reason = _short(err)
    raise ConfigError(f"{name}={text}: {reason}", option=name, found=text, reason=reason)


def _short(error: Exception) -> str:
    """Return the last line of a message of the middleware; the others say where fields were defined."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for line in lines:
        if line.startswith("Error: ") or " Error: " in line:
            return line
    return lines[0] if len(lines) == 1 else " ".join(lines[:2])


def walk(config: Any, node: ast.expr, name: str) -> Any:
    """Follow a path such as ``config.a['b'].c`` and return what is there.

    Raises
    ------
    ConfigError
        Raised when there is nothing of that name, or the path is no path.
    """
    if isinstance(node, ast.Name) and node.id in ROOTS:
        return config
    if isinstance(node, ast.Attribute | ast.Subscript):
        return _current(walk(config, node.value, name), node, name)
    raise ConfigError(f"{name!r} is not the name of an option.", option=name)


def _current(owner: Any, node: ast.Attribute | ast.Subscript, name: str = "") -> Any:
    try:
        if isinstance(node, ast.Subscript):
            return owner[literal(node.slice)]
        if node.attr.startswith("_"):
            raise AttributeError(node.attr)
        return getattr(owner, node.attr)
    except (AttributeError, LookupError):
        if not name:
            return None  # an entry that is about to be made
        raise ConfigError(f"There is no config field {name!r}.", option=name) from None


def set_path(
    owner: Any, node: ast.Attribute | ast.Subscript, value: Any, name: str, at: list[StackFrame]
) -> None:
    """Set the attribute or the entry of ``owner`` that ``node`` names, and note in the history where.

    Raises
    ------
    ConfigError
        Raised when there is no such option.
    TypeError, ValueError
        Raised when the option does not take the value.
    """
    if isinstance(node, ast.Subscript):
        try:
            owner.__setitem__(literal(node.slice), value, at=at)
        except AttributeError:
            raise ConfigError(f"There is no config field {name!r}.", option=name) from None
        return
    is_option = isinstance(owner, Config) and node.attr in owner._fields
    chooses = isinstance(owner, ConfigInstanceDict) and node.attr in ("name", "names")
    is_option |= isinstance(owner, ConfigurableInstance) and node.attr in owner.value._fields
    is_option |= hasattr(owner, "fieldNames")  # a struct of actions takes any
    if not (is_option or chooses):
        raise ConfigError(f"There is no config field {name!r}.", option=name)
    if chooses:
        setattr(owner, node.attr, value)
    else:
        owner.__setattr__(node.attr, value, at=at, label="assignment")


def retarget(
    owner: ConfigurableInstance[Any], target: Any, config_class: type[Config] | None, at: list[StackFrame]
) -> None:
    """Put another task behind a subtask, with the defaults of its own configuration.

    Raises
    ------
    ConfigError
        Raised when the class is not something a subtask can be.
    """
    try:
        owner.retarget(target, ConfigClass=config_class, at=at)
    except (TypeError, ValueError, AttributeError) as err:
        raise ConfigError(f"{owner._field.name} cannot be retargeted to {target!r}: {_short(err)}") from err


def history_entry(file: str, line: int, text: str) -> list[StackFrame]:
    """Return where an option was set, as the history of a configuration keeps it."""
    return [StackFrame(file, line, "load", text)]


def find_class(path: str) -> Any:
    """Return what a dotted path names, importing its module.

    Raises
    ------
    ConfigError
        Raised when there is no such module, or nothing of that name in it.
    """
    module, _, name = path.rpartition(".")
    if not module or not all(word.isidentifier() for word in path.split(".")):
        raise ConfigError(f"{path!r} is not the path of a class; expected package.module.Class.", found=path)
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as err:
        raise ConfigError(f"{path}: cannot be imported: {err}.", found=path) from err


def literal(node: ast.expr) -> Any:
    """Return the value of a literal; ``float('nan')`` and ``float('inf')`` count as literals.

    Raises
    ------
    ValueError
        Raised when the expression is anything else.
    """
    match node:
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value=str(text))], keywords=[]):
            return float(text)
    return ast.literal_eval(node)

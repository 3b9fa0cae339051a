"""Dotted names of options: where they lead in a configuration, and setting what is there."""

from __future__ import annotations

import ast
import contextlib
import importlib
from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence
from typing import Any

from lsst.pex.config import Config
from lsst.pex.config.callStack import StackFrame
from lsst.pex.config.configChoiceField import ConfigInstanceDict
from lsst.pex.config.configurableField import ConfigurableInstance

from ...arithmetic import constant
from ...errors import ConfigError
from ...suggestions import nearest
from .stack_names import find_name, is_ours
from .stack_options import PassedOver, StackOption, find_stack_option

__all__ = (
    "ROOTS",
    "find_class",
    "history_entry",
    "renamed",
    "retarget",
    "roots_of",
    "set_option",
    "set_path",
    "short",
    "walk",
)

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
    roots = roots_of(config)
    option = find_stack_option(roots, node)
    if option is not None and option.is_absent:
        passed = PassedOver()
        passed.note(option, name, _value(text))
        passed.tell(source)
        return
    if option is not None:
        node = renamed(node, option)
    owner = walk(roots, node.value, name)
    if (
        isinstance(node, ast.Attribute)
        and node.attr == "retarget"
        and isinstance(owner, ConfigurableInstance)
    ):
        retarget(owner, find_class(text.strip()), None, at)
        return
    reason = f"expected a literal such as ['A', 'B'] or {{'A': 1}}, found {text!r}"
    for value in _readings(text, _current(owner, node), option):
        try:
            set_path(owner, node, value, name, at)
            return
        except ConfigError:
            raise
        except (TypeError, ValueError) as err:
            reason = short(err)
    raise ConfigError(f"{name}={text}: {reason}", option=name, found=text, reason=reason)


def _readings(text: str, current: Any, option: StackOption | None) -> list[Any]:
    """Return the values that a text may stand for, where an option has a value now."""
    readings: list[Any] = []
    if not isinstance(current, MutableSequence | MutableMapping):
        readings.append(text)  # a list would take a text letter by letter
    with contextlib.suppress(SyntaxError, ValueError):
        readings.append(_literal(text))
    return readings if option is None else [option.here(value) for value in readings]


def _literal(text: str) -> Any:
    return constant(ast.parse(text.strip(), mode="eval").body)


def _value(text: str) -> Any:
    """Return the literal that a text spells, or the text itself."""
    try:
        return _literal(text)
    except (SyntaxError, ValueError):
        return text


def renamed(node: ast.Attribute | ast.Subscript, option: StackOption) -> ast.Attribute | ast.Subscript:
    """Return a path with the name that an option of the pipelines has here."""
    if not option.renamed:
        return node
    return ast.Attribute(value=node.value, attr=option.renamed, ctx=ast.Store())


def roots_of(config: Config) -> dict[str, Any]:
    """Return a configuration by the names that it may have in a path."""
    return dict.fromkeys(ROOTS, config)


def short(error: Exception) -> str:
    """Return the last line of a message of the middleware; the others say where fields were defined."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for line in lines:
        if line.startswith("Error: ") or " Error: " in line:
            return line
    return lines[0] if len(lines) == 1 else " ".join(lines[:2])


def walk(roots: Mapping[str, Any], node: ast.expr, name: str) -> Any:
    """Follow a path such as ``config.a['b'].c`` and return what is there.

    Parameters
    ----------
    roots
        What a path may begin with, by name; see `roots_of`.
    node
        The path.
    name
        What messages call it.

    Raises
    ------
    ConfigError
        Raised when there is nothing of that name, or the path is no path.
    """
    if isinstance(node, ast.Name) and node.id in roots:
        return roots[node.id]
    if isinstance(node, ast.Attribute | ast.Subscript):
        return _current(walk(roots, node.value, name), node, name)
    raise ConfigError(f"{name!r} is not the name of an option.", option=name)


def _current(owner: Any, node: ast.Attribute | ast.Subscript, name: str = "") -> Any:
    try:
        if isinstance(node, ast.Subscript):
            return owner[constant(node.slice)]
        if node.attr.startswith("_"):
            raise AttributeError(node.attr)
        return getattr(owner, node.attr)
    except (AttributeError, LookupError, TypeError):
        if not name:
            return None  # an entry that is about to be made
        raise _no_option(owner, node, name) from None


def _no_option(owner: Any, node: ast.Attribute | ast.Subscript, name: str) -> ConfigError:
    """Return the error that there is no such option; it names the most similar that there is."""
    word = node.attr if isinstance(node, ast.Attribute) else str(constant(node.slice))
    return ConfigError(f"There is no config field {name!r}{nearest(word, _options(owner))}.", option=name)


def _options(owner: Any) -> Iterable[str]:
    owner = owner.value if isinstance(owner, ConfigurableInstance) else owner
    names = owner._fields if isinstance(owner, Config) else owner
    return [str(name) for name in names] if isinstance(names, Mapping) else ()


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
            owner.__setitem__(constant(node.slice), value, at=at)
        except (AttributeError, IndexError):
            raise _no_option(owner, node, name) from None
        return
    is_option = isinstance(owner, Config) and node.attr in owner._fields
    chooses = isinstance(owner, ConfigInstanceDict) and node.attr in ("name", "names")
    is_option |= isinstance(owner, ConfigurableInstance) and node.attr in owner.value._fields
    is_option |= hasattr(owner, "fieldNames")  # a struct of actions takes any
    if not (is_option or chooses):
        raise _no_option(owner, node, name)
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
    own = getattr(target, "ConfigClass", None)
    if config_class is not None and isinstance(own, type) and issubclass(own, config_class):
        config_class = own  # tasks of the pipelines without options name the base of all configurations
    try:
        owner.retarget(target, ConfigClass=config_class, at=at)
    except (TypeError, ValueError, AttributeError) as err:
        raise ConfigError(f"{owner._field.name} cannot be retargeted to {target!r}: {short(err)}") from err


def history_entry(file: str, line: int, text: str) -> list[StackFrame]:
    """Return where an option was set, as the history of a configuration keeps it."""
    return [StackFrame(file, line, "load", text)]


def find_class(path: str) -> Any:
    """Return what a dotted path names, importing its module.

    Names of `lamella.tasks.cmdline.stack_names` stand for the classes of
    lamella, also where the pipelines are installed, whose classes do not fit
    the tasks here.

    Raises
    ------
    ConfigError
        Raised when there is no such module, or nothing of that name in it.
    """
    module, _, name = path.rpartition(".")
    if not module or not all(word.isidentifier() for word in path.split(".")):
        raise ConfigError(f"{path!r} is not the path of a class; expected package.module.Class.", found=path)
    if is_ours(path):
        return find_name(path)
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as err:
        raise ConfigError(f"{path}: cannot be imported: {err}.", found=path) from err

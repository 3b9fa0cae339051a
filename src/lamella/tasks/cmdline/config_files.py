"""Configuration files, read as literals: nothing in them is executed.

A configuration file of the manual's time is a Python program.  The statements
that such files consist of are understood here one by one, and everything else
is refused with its file and line::

    config.subregionSize = [10000, 200]            # also root.subregionSize
    config.badMaskPlanes += ["SUSPECT"]
    config.removeMaskPlanes.append("CROSSTALK")
    config.modelPsf["doubleGaussian"].sigma = 2.0
    from lamella.tasks.manual.scaleZeroPoint import SpatialScaleZeroPointTask
    config.scaleZeroPoint.retarget(SpatialScaleZeroPointTask)
    config.load("more.py")

Files that the middleware saved consist of the same statements.  A module is
imported only for a class that a file puts behind a subtask.
"""

from __future__ import annotations

import ast
from collections.abc import MutableMapping, MutableSequence, MutableSet
from os import PathLike
from pathlib import Path
from typing import Any

from lsst.pex.config import Config
from lsst.pex.config.callStack import StackFrame
from lsst.pex.config.configurableField import ConfigurableInstance

from ...errors import ConfigError, UnreadableFileError
from .option_paths import ROOTS, find_class, history_entry, literal, retarget, set_path, walk

__all__ = ("config_text", "load_config_file", "load_config_text")

_CHANGES: dict[type, tuple[str, ...]] = {
    MutableSequence: ("append", "extend", "insert", "remove"),
    MutableSet: ("add", "discard", "remove"),
    MutableMapping: ("update",),
}
"""Methods of a list, a set and a dictionary that a file may call, with literals."""


def load_config_file(config: Config, path: str | PathLike[str]) -> None:
    """Change a configuration as a file says.

    Parameters
    ----------
    config
        The configuration to change.
    path
        A file of assignments to ``config.…`` or ``root.…``.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent or is not text.
    ConfigError
        Raised with file and line for a statement that is not understood, an
        option that does not exist, and a value that an option cannot have.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise UnreadableFileError(path, found=str(err), expected="a configuration file") from err
    load_config_text(config, text, name=str(path))


def load_config_text(config: Config, text: str, *, name: str = "<config>") -> None:
    """Change a configuration as the text of a configuration file says.

    Parameters
    ----------
    config
        The configuration to change.
    text
        The statements.
    name
        Name of the file, for messages and the history.

    Raises
    ------
    ConfigError
        As for `load_config_file`.
    """
    try:
        tree = ast.parse(text, filename=name)
    except (SyntaxError, ValueError) as err:
        line = getattr(err, "lineno", None) or 0
        raise ConfigError(f"{name}:{line}: not a configuration file: {err}.", found=name) from None
    _Reader(config, name, text.splitlines()).read(tree.body)


def config_text(config: Config, *, with_imports: bool = True) -> str:
    """Return the statements that make a configuration of the same class equal to this one."""
    return str(config.saveToString(skipImports=not with_imports))


class _Reader:
    """Does what the statements of one file say.

    Parameters
    ----------
    config
        The configuration to change.
    name
        The file.
    lines
        Its text, for messages and the history.
    """

    def __init__(self, config: Config, name: str, lines: list[str]) -> None:
        self._config = config
        self._name = name
        self._lines = lines
        self._imported: dict[str, str] = {}

    def read(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            try:
                self._read(statement)
            except (TypeError, ValueError, LookupError) as err:
                line, reason = f"{self._name}:{statement.lineno}", str(err)
                if reason.startswith(f"{self._name}:"):
                    raise ConfigError(reason, found=line) from err
                text = f"{line}: {self._text(statement)!r}: {reason}"
                raise ConfigError(text, found=line, reason=reason) from err

    def _read(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Import(names=names):
                for item in names:
                    self._imported[item.asname or item.name.partition(".")[0]] = (
                        item.name if item.asname else item.name.partition(".")[0]
                    )
            case ast.ImportFrom(module=str(module), names=names, level=0):
                self._imported |= {item.asname or item.name: f"{module}.{item.name}" for item in names}
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if not isinstance(target, ast.Attribute | ast.Subscript):
                        raise ValueError("only options of config can be assigned")
                    owner = walk(self._config, target.value, ast.unparse(target))
                    set_path(owner, target, self._value(value), _option(target), self._at(statement))
            case ast.AugAssign(target=ast.Attribute() | ast.Subscript() as target, op=ast.Add(), value=value):
                owner = walk(self._config, target.value, ast.unparse(target))
                old = walk(self._config, target, _option(target))
                if not isinstance(old, MutableSequence):
                    raise ValueError("only a list can be added to")
                set_path(owner, target, [*old, *literal(value)], _option(target), self._at(statement))
            case ast.Expr(value=ast.Call(func=ast.Attribute() as method) as call):
                self._call(statement, method, call)
            case ast.Assert(test=ast.Compare(left=ast.Call(func=ast.Name(id="type")), comparators=[kind])):
                expected = self._dotted(kind)
                actual = f"{type(self._config).__module__}.{type(self._config).__name__}"
                if actual != expected:
                    raise ValueError(f"the file is for a {expected}; found a {actual}")
            case ast.Pass() | ast.Expr(value=ast.Constant(value=str())):
                pass
            case _:
                raise ValueError(
                    "this statement is not understood; nothing in a configuration file is executed"
                )

    def _value(self, node: ast.expr) -> Any:
        """Return a literal, a configuration class, or a configuration with its defaults."""
        match node:
            case ast.Attribute() | ast.Name():
                return self._config_class(node)
            case ast.Call(func=ast.Attribute() as func, args=[], keywords=[]):
                return self._config_class(func)()
        try:
            return literal(node)
        except ValueError:
            raise ValueError("the value is not a literal") from None

    def _config_class(self, node: ast.expr) -> type[Config]:
        named = find_class(self._dotted(node))
        if not (isinstance(named, type) and issubclass(named, Config)):
            raise ValueError("the value is neither a literal nor a configuration class")
        return named

    def _call(self, statement: ast.stmt, method: ast.Attribute, call: ast.Call) -> None:
        owner = walk(self._config, method.value, _option(method.value))
        if method.attr == "retarget" and isinstance(owner, ConfigurableInstance):
            named = {keyword.arg: keyword.value for keyword in call.keywords}
            named |= dict(zip(("target", "ConfigClass"), call.args, strict=False))
            if "target" not in named or set(named) - {"target", "ConfigClass"}:
                raise ValueError("retarget takes a target, and a ConfigClass if it is not that of the target")
            classes = {key: find_class(self._dotted(node)) for key, node in named.items()}
            retarget(owner, classes["target"], classes.get("ConfigClass"), self._at(statement))
        elif method.attr == "load" and isinstance(owner, Config | ConfigurableInstance) and not call.keywords:
            (path,) = (literal(item) for item in call.args)
            config = owner if isinstance(owner, Config) else owner.value
            load_config_file(config, Path(self._name).parent / str(path))
        elif any(isinstance(owner, kind) and method.attr in names for kind, names in _CHANGES.items()):
            getattr(owner, method.attr)(*(literal(item) for item in call.args))
        else:
            raise ValueError(f"{ast.unparse(method)}() is not something a configuration file may call")

    def _dotted(self, node: ast.expr) -> str:
        """Return the path of what an imported name means."""
        path = ast.unparse(node)
        first, dot, rest = path.partition(".")
        if first not in self._imported:
            raise ValueError(f"{first} is neither a literal nor imported")
        return self._imported[first] + dot + rest

    def _at(self, statement: ast.stmt) -> list[StackFrame]:
        return history_entry(self._name, statement.lineno, self._text(statement))

    def _text(self, statement: ast.stmt) -> str:
        return self._lines[statement.lineno - 1].strip()


def _option(node: ast.expr) -> str:
    """Return a path without the name of the configuration before it."""
    path = ast.unparse(node)
    first, dot, rest = path.partition(".")
    return rest if dot and first in ROOTS else path

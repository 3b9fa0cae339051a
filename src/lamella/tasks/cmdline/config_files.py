"""Configuration files: parsed and read, and nothing in them is executed.

A configuration file of the manual's time is a Python program.  The statements
that such files consist of are understood here one by one, and everything else
is refused with its file, line and text::

    config.subregionSize = [10000, 200]            # also root.subregionSize
    config.skyMap["rings"].tractOverlap = 1.0 / 60
    config.badMaskPlanes += ["SUSPECT"]
    config.removeMaskPlanes.append("CROSSTALK")
    from lsst.pipe.tasks.selectImages import PsfWcsSelectImagesTask
    config.select.retarget(PsfWcsSelectImagesTask)
    config.load(os.path.join(getPackageDir("obs_subaru"), "config", "coaddBase.py"))
    for plane in ("SAT", "CR"):
        config.maskPropagationThresholds[plane] = 0.1

Files that the middleware saved, and those that the LSST Science Pipelines
saved, consist of the same statements.  A module is imported only for a class
that a file puts behind a subtask.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, MutableMapping, MutableSequence, MutableSet, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from lsst.pex.config import Config
from lsst.pex.config.callStack import StackFrame
from lsst.pex.config.configurableField import ConfigurableInstance

from ...errors import ConfigError
from ...texts import read_text
from .config_values import Scope
from .option_paths import ROOTS, find_class, history_entry, renamed, retarget, set_path, short, walk
from .package_folders import PackageFolders
from .stack_names import find_name, is_ours
from .stack_options import PassedOver, find_stack_option, stands_for

__all__ = ("config_text", "load_config_file", "load_config_text")

_MAX_STATEMENTS = 100_000
"""Statements that a file may come to with its loops."""
_MAX_TEXT = 1 << 20
_MAX_FILES = 50
"""Files that may load each other."""
_CHANGES: dict[type, tuple[str, ...]] = {
    MutableSequence: ("append", "extend", "insert", "remove"),
    MutableSet: ("add", "discard", "remove"),
    MutableMapping: ("update",),
}
"""Methods of a list, a set and a dictionary that a file may call, with literals."""


def load_config_file(
    config: Config, path: str | PathLike[str], folders: PackageFolders | None = None
) -> None:
    """Change a configuration as a file says.

    Parameters
    ----------
    config
        The configuration to change.
    path
        A file of assignments to ``config.…`` or ``root.…``.
    folders
        Where packages lie whose files it loads; by default those of the environment.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent or is not text.
    ConfigError
        Raised with file, line and text for a statement that is not understood, an
        option that does not exist, and a value that an option cannot have.
    """
    _load(config, Path(path), folders or PackageFolders(), ())


def _load(config: Config, path: Path, folders: PackageFolders, outer: tuple[str, ...]) -> None:
    text = read_text(path, "a configuration file", limit=_MAX_TEXT)
    _read(config, text, str(path), folders, outer)


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
    _read(config, text, name, PackageFolders(), ())


def _read(config: Config, text: str, name: str, folders: PackageFolders, outer: tuple[str, ...]) -> None:
    if len(outer) >= _MAX_FILES:
        raise ConfigError(f"{name}: more than {_MAX_FILES} files load each other.", found=name)
    try:
        tree = ast.parse(text, filename=name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as err:
        line = getattr(err, "lineno", None) or 0
        reason = getattr(err, "msg", None) or str(err)
        raise ConfigError(f"{name}:{line}: not a configuration file: {reason}.", found=name) from None
    reader = _Reader(Scope(config, name, folders), name, text, outer)
    reader.read(tree.body)
    reader.tell()


def config_text(config: Config, *, with_imports: bool = True) -> str:
    """Return the statements that make a configuration of the same class equal to this one."""
    return str(config.saveToString(skipImports=not with_imports))


class _Reader:
    """Does what the statements of one file say.

    Parameters
    ----------
    scope
        The configuration to change, and what names mean.
    name
        The file.
    text
        Its text, for messages and the history.
    outer
        The files that load this one.
    """

    def __init__(self, scope: Scope, name: str, text: str, outer: tuple[str, ...]) -> None:
        self._scope = scope
        self._config = scope.config
        self._name = name
        self._lines = text.split("\n")
        self._outer = outer
        self._statements = 0
        self._passed = PassedOver()

    def read(self, statements: list[ast.stmt]) -> None:
        """Do what statements say, and raise a `ConfigError` that names the one that cannot be done."""
        for statement in statements:
            try:
                self._read(statement)
            except _ReadError:
                raise
            except (TypeError, ValueError, LookupError, OSError) as err:
                reason = short(err)
                line = f"{self._name}:{statement.lineno}"
                text = f"{line}: {self._first_line(statement)!r}: {reason}"
                raise _ReadError(text, found=line, reason=reason) from err

    def tell(self) -> None:
        """Warn of the options that have no effect here."""
        self._passed.tell(self._name)

    def _read(self, statement: ast.stmt) -> None:
        self._statements += 1
        if self._statements > _MAX_STATEMENTS:
            raise ValueError(f"loops of more than {_MAX_STATEMENTS} statements")
        match statement:
            case ast.Import() | ast.ImportFrom(module=str(), level=0):
                self._scope.imports(statement)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._assign(statement, target, value)
            case ast.AugAssign(target=ast.Attribute() | ast.Subscript() as target, op=ast.Add(), value=value):
                self._extend(statement, target, value)
            case ast.Expr(value=ast.Call(func=ast.Attribute() as method) as call):
                self._call(statement, method, call)
            case ast.For(target=target, iter=items, body=body, orelse=[]):
                self._repeat(target, items, body)
            case ast.If(test=test, body=body, orelse=orelse):
                self.read(body if self._scope.holds(test) else orelse)
            case ast.Assert(
                test=ast.Compare(
                    left=ast.Call(func=ast.Name(id="type")), ops=[ast.Eq() | ast.Is()], comparators=[kind]
                )
            ):
                self._check_class(self._scope.dotted(kind))
            case ast.Pass() | ast.Expr(value=ast.Constant(value=str())):
                pass
            case _:
                raise ValueError(
                    "this statement is not understood; nothing in a configuration file is executed"
                )

    def _assign(self, statement: ast.stmt, target: ast.expr, node: ast.expr) -> None:
        if not isinstance(target, ast.Attribute | ast.Subscript):
            self._scope.bind(target, self._scope.value(node))
            return
        path = self._scope.settled(target)
        name = _option(path)
        option = find_stack_option(self._scope.roots, path)
        value = self._scope.value(node)
        if option is not None and option.is_absent:
            self._passed.note(option, name, value)
            return
        if option is not None:
            path, value = renamed(path, option), option.here(value)
        set_path(walk(self._scope.roots, path.value, name), path, value, name, self._at(statement))

    def _extend(self, statement: ast.stmt, target: ast.Attribute | ast.Subscript, node: ast.expr) -> None:
        path = self._scope.settled(target)
        owner = walk(self._scope.roots, path.value, _option(path))
        old = walk(self._scope.roots, path, _option(path))
        items = self._scope.value(node)
        if not isinstance(old, MutableSequence) or not isinstance(items, Sequence) or isinstance(items, str):
            raise ValueError("only a list can be added to a list")
        set_path(owner, path, [*old, *items], _option(path), self._at(statement))

    def _repeat(self, target: ast.expr, node: ast.expr, body: list[ast.stmt]) -> None:
        items = self._scope.value(node)
        if not isinstance(items, Sequence | Mapping) or isinstance(items, str):
            raise ValueError(f"{ast.unparse(node)} is not a list to go through")
        for item in items:
            self._scope.bind(target, item)
            self.read(body)

    def _check_class(self, expected: str) -> None:
        actual = f"{type(self._config).__module__}.{type(self._config).__name__}"
        same = actual == expected or (is_ours(expected) and find_name(expected) is type(self._config))
        if not same:
            raise ValueError(f"the file is for a {expected}; found a {actual}")

    def _call(self, statement: ast.stmt, method: ast.Attribute, call: ast.Call) -> None:
        path = self._scope.settled(method.value)
        option = find_stack_option(self._scope.roots, path)
        if option is not None and option.values is None and option.is_absent:
            self._passed.note(option, _option(path))
            return
        owner = walk(self._scope.roots, path, _option(path))
        if method.attr == "retarget" and isinstance(owner, Config | ConfigurableInstance):
            self._retarget(owner, _option(path), call, self._at(statement))
        elif method.attr == "load" and isinstance(owner, Config | ConfigurableInstance) and not call.keywords:
            (file,) = (self._scope.value(item) for item in call.args)
            config = owner if isinstance(owner, Config) else owner.value
            try:
                _load(
                    config,
                    Path(self._name).parent / str(file),
                    self._scope.folders,
                    (*self._outer, self._name),
                )
            except _ReadError as err:
                raise ConfigError(str(err), found=err.found) from err  # told with this statement before it
        elif any(isinstance(owner, kind) and method.attr in names for kind, names in _CHANGES.items()):
            getattr(owner, method.attr)(*(self._scope.value(item) for item in call.args))
        else:
            raise ValueError(f"{ast.unparse(method)}() is not something a configuration file may call")

    def _retarget(
        self, owner: Config | ConfigurableInstance[Any], name: str, call: ast.Call, at: list[StackFrame]
    ) -> None:
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        named |= dict(zip(("target", "ConfigClass"), call.args, strict=False))
        if "target" not in named or set(named) - {"target", "ConfigClass"}:
            raise ValueError("retarget takes a target, and a ConfigClass if it is not that of the target")
        paths = {key: self._scope.dotted(node) for key, node in named.items()}
        if isinstance(owner, Config):
            if not stands_for(name, paths["target"]):
                raise ValueError(f"{name} is no subtask here, and cannot be retargeted to {paths['target']}")
            return
        target = find_class(paths["target"])
        retarget(owner, target, find_class(paths["ConfigClass"]) if "ConfigClass" in paths else None, at)

    def _at(self, statement: ast.stmt) -> list[StackFrame]:
        return history_entry(self._name, statement.lineno, self._first_line(statement))

    def _first_line(self, statement: ast.stmt) -> str:
        return self._lines[statement.lineno - 1].strip()


class _ReadError(ConfigError):
    """An error that names file, line and statement."""


def _option(node: ast.expr) -> str:
    """Return a path without the name of the configuration before it."""
    path = ast.unparse(node)
    first, dot, rest = path.partition(".")
    return rest if dot and first in ROOTS else path

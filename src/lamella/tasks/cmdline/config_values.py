"""What the expressions of a configuration file mean: constants, paths, names, options; nothing is called."""

from __future__ import annotations

import ast
import operator
import os.path
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lsst.pex.config import Config

from ...arithmetic import constant
from .option_paths import find_class, roots_of, walk
from .package_folders import PackageFolders

__all__ = ("Scope",)

_PATHS: dict[str, Callable[..., Any]] = {
    "os.path.abspath": os.path.abspath,
    "os.path.dirname": os.path.dirname,
    "os.path.exists": os.path.exists,
    "os.path.isfile": os.path.isfile,
    "os.path.join": os.path.join,
    "os.path.normpath": os.path.normpath,
    "os.path.realpath": os.path.realpath,
}
"""Functions of paths that a file may call, with texts."""
_FOLDERS = ("lsst.utils.getPackageDir", "lsst.utils.packages.getPackageDir")
_VARIABLES = ("os.environ.get", "os.getenv")
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
}


class Scope:
    """The names of one file.

    Parameters
    ----------
    config
        The configuration that ``config`` and ``root`` stand for.
    name
        The file, which ``__file__`` stands for.
    folders
        Where packages lie.
    """

    def __init__(self, config: Config, name: str, folders: PackageFolders) -> None:
        self.config = config
        self.folders = folders
        self.imported: dict[str, str] = {}
        self.roots = roots_of(config)
        """What paths of options may begin with: the configuration, and what variables stand for."""
        self._variables: dict[str, Any] = {"__file__": str(Path(name).absolute())}

    def imports(self, statement: ast.Import | ast.ImportFrom) -> None:
        """Note what the names of an import mean; nothing is imported."""
        for item in statement.names:
            if isinstance(statement, ast.ImportFrom):
                self.imported[item.asname or item.name] = f"{statement.module}.{item.name}"
            elif item.asname:
                self.imported[item.asname] = item.name
            else:
                first = item.name.partition(".")[0]
                self.imported[first] = first

    def bind(self, target: ast.expr, value: Any) -> None:
        """Give a variable its value; several are given one item each.

        Raises
        ------
        ValueError
            Raised when the target is no variable, or the items are more or fewer.
        """
        match target:
            case ast.Name(id=name) if name not in roots_of(self.config):
                self._variables[name] = self.roots[name] = value
            case ast.Tuple(elts=targets) if isinstance(value, tuple | list) and len(value) == len(targets):
                for item, part in zip(targets, value, strict=True):
                    self.bind(item, part)
            case _:
                raise ValueError("only options of config, and variables, can be assigned")

    def settled(self, node: ast.expr) -> Any:
        """Return a path whose entries are literals: of a variable, ``config.a[name]`` is ``config.a['b']``.

        ``getattr(config, name)`` is ``config.b``.
        """
        match node:
            case ast.Call(func=ast.Name(id="getattr"), args=[owner, name], keywords=[]):
                return ast.copy_location(
                    ast.Attribute(self.settled(owner), self._word(name), ast.Load()), node
                )
            case ast.Attribute(value=owner, attr=attr):
                return ast.copy_location(ast.Attribute(self.settled(owner), attr, ast.Load()), node)
            case ast.Subscript(value=owner, slice=key):
                entry = ast.parse(repr(self.value(key)), mode="eval").body
                return ast.copy_location(ast.Subscript(self.settled(owner), entry, ast.Load()), node)
        return node

    def dotted(self, node: ast.expr) -> str:
        """Return the path of what an imported name means.

        Raises
        ------
        ValueError
            Raised when the name is not imported.
        """
        path = ast.unparse(node)
        first, dot, rest = path.partition(".")
        if first not in self.imported:
            raise ValueError(f"{first} is neither a literal nor imported")
        return self.imported[first] + dot + rest

    def value(self, node: ast.expr) -> Any:
        """Return the value of an expression; lists and dictionaries of options are themselves, not copies.

        Raises
        ------
        ValueError
            Raised when it is none that a configuration file may have; the message names the part of it.
        """
        return constant(node, self._named)

    def _named(self, node: ast.expr) -> Any:
        match node:
            case ast.Name(id=name) if name in self._variables:
                return self._variables[name]
            case ast.Subscript(value=ast.Attribute() as owner, slice=key) if self._is(owner, "os.environ"):
                return self.folders.of_variable(self.value(key))
            case ast.Attribute() | ast.Subscript() | ast.Name() | ast.Call() if self._is_option(node):
                return walk(self.roots, self.settled(node), ast.unparse(node))
            case ast.Attribute() | ast.Name():
                return self._config_class(node)
            case ast.Call(func=func, args=args, keywords=[]):
                return self._called(node, func, args)
        raise ValueError(f"{ast.unparse(node)} is not a literal")

    def _called(self, node: ast.Call, func: ast.expr, args: list[ast.expr]) -> Any:
        match func:
            case ast.Attribute(value=owner, attr="items") if not args:
                items = self.value(owner)
                return list(items.items()) if isinstance(items, Mapping) else self._refuse(node)
            case ast.Name(id="int" | "str" | "range" | "len"):
                return self._refuse(node)
        name = self.dotted(func)
        if not (name in _PATHS or name in _FOLDERS or name in _VARIABLES):
            return self._refuse(node) if args else self._config_class(func)()
        texts = [self.value(item) for item in args]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{ast.unparse(node)}: expected texts")
        try:
            function = _PATHS.get(name) or (
                self.folders.find if name in _FOLDERS else self.folders.of_variable
            )
            return function(*texts)
        except TypeError:
            raise ValueError(f"{ast.unparse(node)}: a wrong number of arguments") from None

    def _refuse(self, node: ast.expr) -> Any:
        raise ValueError(f"{ast.unparse(node)} is not a literal, and not called")

    def _is(self, node: ast.expr, path: str) -> bool:
        try:
            return self.dotted(node) == path
        except ValueError:
            return False

    def _is_option(self, node: ast.expr) -> bool:
        """Whether a path begins with the configuration, or with a variable."""
        match node:
            case ast.Attribute(value=owner) | ast.Subscript(value=owner):
                return self._is_option(owner)
            case ast.Call(func=ast.Name(id="getattr"), args=[owner, _]):
                return self._is_option(owner)
            case ast.Name(id=name):
                return name in self.roots
        return False

    def _word(self, node: ast.expr) -> str:
        word = self.value(node)
        if not (isinstance(word, str) and word.isidentifier()):
            raise ValueError(f"{ast.unparse(node)} is not the name of an option")
        return word

    def _config_class(self, node: ast.expr) -> type[Config]:
        named = find_class(self.dotted(node))
        if not (isinstance(named, type) and issubclass(named, Config)):
            raise ValueError("the value is neither a literal nor a configuration class")
        return named

    def holds(self, node: ast.expr) -> bool:
        """Return whether a condition of constants and options is true.

        Raises
        ------
        ValueError
            Raised when it is another kind of condition.
        """
        match node:
            case ast.BoolOp(op=ast.And(), values=parts):
                return all(self.holds(part) for part in parts)
            case ast.BoolOp(op=ast.Or(), values=parts):
                return any(self.holds(part) for part in parts)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return not self.holds(part)
            case ast.Compare(left=left, ops=[comparison], comparators=[right]):
                return bool(_COMPARISONS[type(comparison)](self.value(left), self.value(right)))
            case ast.Call(func=ast.Name(id="hasattr"), args=[owner, name], keywords=[]):
                word = self._word(name)
                return not word.startswith("_") and hasattr(self.value(owner), word)
        return bool(self.value(node))

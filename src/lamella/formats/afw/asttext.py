"""The text in which AST writes mappings and frames, parsed into a tree."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import NoReturn

__all__ = ("AstNode", "fail", "parse_ast")

_MAX_DEPTH = 100
_MAX_LINES = 200_000
_LINE = re.compile(
    r"[ \t]*(?:(?P<verb>Begin|IsA|End)[ \t]+(?P<name>\w+)"
    r"|(?P<key>[A-Za-z]\w*)[ \t]*=[ \t]*(?P<value>\"[^\"]*\"|<bad>|[-+.\w]*))[ \t]*(?:#.*)?",
    re.ASCII,
)
_NUMBERED = re.compile(r"([A-Za-z]+)([1-9]\d{0,5})", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,9}", re.ASCII)


def fail(reason: str) -> NoReturn:
    """Raise a `ValueError` about a text of AST."""
    raise ValueError(f"a text of AST with {reason}")


@dataclasses.dataclass
class AstNode:
    """One object: its class, and the values of each of the classes that it is made of.

    Attributes
    ----------
    name
        Class.
    sections
        For each class whose values were written, from the base class to
        ``name``: texts of the values, or objects.
    """

    name: str
    sections: dict[str, dict[str, str | AstNode]] = dataclasses.field(default_factory=dict)

    @property
    def own(self) -> dict[str, str | AstNode]:
        """Values of the class itself, without those of its base classes."""
        return self.sections.get(self.name, {})

    def whole(
        self, key: str, default: int | None = None, *, section: str = "", least: int = 0, most: int
    ) -> int:
        """Return a whole number within limits; without a default it must be there."""
        value = self.sections.get(section or self.name, {}).get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not _WHOLE.fullmatch(value) or not least <= int(value) <= most:
            fail(f"{key} = {value if isinstance(value, str) else None} in a {self.name}")
        return int(value)

    def part(self, key: str) -> AstNode:
        """Return an object that the class itself holds."""
        value = self.own.get(key)
        if not isinstance(value, AstNode):
            fail(f"a {self.name} without {key}")
        return value

    def numbered(self, prefix: str) -> dict[int, str | AstNode]:
        """Return the values of the class itself that have a number, as ``CF1`` and ``CF2``, by number."""
        matches = ((_NUMBERED.fullmatch(key), value) for key, value in self.own.items())
        return {int(match[2]): value for match, value in matches if match is not None and match[1] == prefix}

    def write(self) -> str:
        """Return the text that AST reads."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"Begin {self.name}"
        for section, values in self.sections.items():
            for key, value in values.items():
                if isinstance(value, AstNode):
                    yield f"{key} ="
                    yield from value._lines()
                else:
                    yield f"{key} = {value}"
            yield f"End {self.name}" if section == self.name else f"IsA {section}"


def parse_ast(text: str) -> AstNode:
    """Parse a text of AST.

    Parameters
    ----------
    text
        What AST's channel wrote, from ``Begin`` on; comments are left out.

    Raises
    ------
    ValueError
        Raised when the text is not well-formed.
    """
    lines = text.splitlines()
    if len(lines) > _MAX_LINES:
        fail(f"{len(lines)} lines")
    builder = _Builder()
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            builder.add(line)
    if builder.result is None:
        fail("no end")
    return builder.result


@dataclasses.dataclass
class _Open:
    """An object whose end has not come yet."""

    node: AstNode
    values: dict[str, str | AstNode] = dataclasses.field(default_factory=dict)
    """Those of the class that is being read."""
    awaited: str = ""
    """Key whose object comes next."""


class _Builder:
    """Builds the tree line by line."""

    def __init__(self) -> None:
        self.result: AstNode | None = None
        self._stack: list[_Open] = []

    def add(self, line: str) -> None:
        match = _LINE.fullmatch(line)
        innermost = self._stack[-1] if self._stack else None
        # An object begins where one is awaited, and nothing else can stand there.
        awaited = innermost is None or bool(innermost.awaited)
        if match is None or self.result is not None or awaited != (match["verb"] == "Begin"):
            fail(f"the line {line.strip()[:60]!r} where it does not belong")
        if innermost is None or match["verb"] == "Begin":
            if len(self._stack) >= _MAX_DEPTH:
                fail(f"more than {_MAX_DEPTH} objects in each other")
            self._stack.append(_Open(AstNode(match["name"])))
        elif match["verb"] is None:
            key, value = match["key"], match["value"]
            if key in innermost.values:
                fail(f"two values of {key} in a {innermost.node.name}")
            if value:
                innermost.values[key] = value
            else:
                innermost.awaited = key
        else:
            # The end of the values of one class, and with the last class of the object.
            name, is_end = match["name"], match["verb"] == "End"
            if is_end != (name == innermost.node.name) or name in innermost.node.sections:
                fail(f"the end of {name} in a {innermost.node.name}")
            innermost.node.sections[name], innermost.values = innermost.values, {}
            if is_end:
                self._stack.pop()
                if self._stack:
                    parent = self._stack[-1]
                    parent.values[parent.awaited], parent.awaited = innermost.node, ""
                else:
                    self.result = innermost.node

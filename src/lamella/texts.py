"""The one door for files of text: JSON, YAML, TOML, and text as such.

What other people wrote may be damaged, or meant to do harm: a file without an end, values within values
ten thousand deep, a few lines of YAML that stand for billions of values.  Nothing is opened here that is
no file, nothing is read beyond a limit, and whatever the parsers meet becomes one typed error.
"""

from __future__ import annotations

import collections
import itertools
import json
import os
import stat
import tomllib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from .errors import UnreadableFileError

__all__ = (
    "MAX_DEPTH",
    "MAX_DIGITS",
    "StrictLoader",
    "hdu_of",
    "parse_json",
    "parse_toml",
    "parse_whole",
    "parse_yaml",
    "read_bytes",
    "read_json",
    "read_text",
    "require_file",
    "require_modest_yaml",
    "require_plain",
)

MAX_DEPTH = 100
"""Values within values."""
MAX_DIGITS = 20
"""Digits of a whole number: those of 64 bits."""
_MAX_TEXT = 1 << 25
"""Bytes of a text; JSON of 32 MB becomes some 800 MB of values at worst."""
_MAX_GROUPS = 1_000_000
"""Lists and mappings of a text in JSON, which take fifty times the memory of the brackets that make them."""
_MAX_YAML = 1 << 20
_MAX_TOML = 1 << 18
_MAX_DOTS = 4000
"""In a line of TOML: time and memory that a dotted name takes grow with the square of its length."""
_MAX_VALUES = 200_000
"""Values of a YAML file, those that stand behind aliases counted wherever they appear."""


def parse_whole(text: str) -> int | None:
    """Return the number that a text of at most 20 digits of ASCII spells; `None` for another text."""
    return int(text) if len(text) <= MAX_DIGITS and text.isascii() and text.isdecimal() else None


def hdu_of(text: str) -> int | str:
    """Return the HDU that a text names: its number, or its name."""
    number = parse_whole(text)
    return text if number is None else number


def require_file(path: str | PathLike[str], expected: str) -> None:
    """Refuse what is absent, and what is no file: a folder, a pipe, a device, which may have no end.

    Raises
    ------
    UnreadableFileError
        Raised with what it is.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as err:
        raise UnreadableFileError(path, found=_reason(err), expected=expected) from err
    if not stat.S_ISREG(mode):
        raise UnreadableFileError(path, found=_kind(mode), expected=expected)


def _kind(mode: int) -> str:
    kinds: tuple[tuple[Callable[[int], bool], str], ...] = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    return next((name for holds, name in kinds if holds(mode)), "no file")


def read_bytes(path: str | PathLike[str], expected: str, *, limit: int = _MAX_TEXT) -> bytes:
    """Return the content of a file of at most ``limit`` bytes.

    Raises
    ------
    UnreadableFileError
        Raised when it is absent, no file, cannot be read, or is larger.
    """
    require_file(path, expected)
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as err:
        raise UnreadableFileError(path, found=_reason(err), expected=expected) from err
    if len(content) > limit:
        raise UnreadableFileError(path, found=f"more than {limit} bytes", expected=expected)
    return content


def read_text(
    path: str | PathLike[str], expected: str, *, encoding: str = "utf-8", limit: int = _MAX_TEXT
) -> str:
    """Return the text of a file; every kind of line end is one ``\\n``.

    Parameters
    ----------
    path
        The file.
    expected
        What it should be, for errors.
    encoding
        How its characters are stored.
    limit
        Bytes that it may have at most.

    Raises
    ------
    UnreadableFileError
        Raised when it is absent, no file, larger, or not in this encoding: then with the byte.
    """
    content = read_bytes(path, expected, limit=limit)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as err:
        octet = f"byte 0x{content[err.start]:02x}, which is no {encoding.upper().removesuffix('-SIG')}"
        raise UnreadableFileError(path, where=f"byte {err.start}", found=octet, expected=expected) from err
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: str | PathLike[str], expected: str) -> Any:
    """Return what a file of JSON holds; see `parse_json`."""
    return parse_json(read_text(path, expected), path, expected)


def parse_json(text: str, path: str | PathLike[str], expected: str) -> Any:
    """Return what a text in JSON holds.

    Parameters
    ----------
    text
        The text.
    path, expected
        Where it comes from, and what it should be, for errors.

    Raises
    ------
    UnreadableFileError
        Raised when it is no JSON, has a name twice, or holds what `require_plain` refuses.
    """

    def load() -> Any:
        if text.count("[") + text.count("{") > _MAX_GROUPS:
            raise _Refused(f"more than {_MAX_GROUPS} lists and mappings")
        return json.loads(text, object_pairs_hook=_unique)

    return _parsed(load, "JSON", path, expected)


def parse_toml(text: str, path: str | PathLike[str], expected: str) -> dict[str, Any]:
    """Return what a text in TOML holds; parameters and errors as for `parse_json`."""
    _require_length(text, _MAX_TOML, path, expected)

    def load() -> dict[str, Any]:
        if max(line.count(".") for line in text.split("\n")) > _MAX_DOTS:
            raise _Refused(f"a line of more than {_MAX_DOTS} dots")
        return tomllib.loads(text)

    content: dict[str, Any] = _parsed(load, "TOML", path, expected)
    return content


def parse_yaml(
    text: str, path: str | PathLike[str], expected: str, *, loader: type[yaml.CSafeLoader] | None = None
) -> Any:
    """Return what a text in YAML holds, as literals.

    Parameters
    ----------
    text, path, expected
        As for `parse_json`.
    loader
        A class derived from `StrictLoader` that knows more tags.

    Raises
    ------
    UnreadableFileError
        Raised when it is no YAML, has a name twice, holds what `require_plain` refuses, or more values
        than 200,000 when aliases are followed.
    """
    require_modest_yaml(text, path, expected)
    return _parsed(lambda: yaml.load(text, loader or StrictLoader), "YAML", path, expected)


def require_modest_yaml(text: str, path: str | PathLike[str], expected: str) -> None:
    """Refuse a text in YAML that would become too many values, or such that are nested too deep.

    For texts that others parse; parameters and errors as for `parse_yaml`.
    """
    _require_length(text, _MAX_YAML, path, expected)
    _parsed(lambda: _require_modest(yaml.parse(text, yaml.CSafeLoader)), "YAML", path, expected)


def _require_length(text: str, limit: int, path: str | PathLike[str], expected: str) -> None:
    if len(text) > limit:
        raise UnreadableFileError(
            path, found=f"{len(text)} characters", expected=f"{expected} of at most {limit}"
        )


def _parsed(parse: Callable[[], Any], kind: str, path: str | PathLike[str], expected: str) -> Any:
    try:
        value = parse()
        require_plain(value)
    except RecursionError as err:
        raise UnreadableFileError(path, found=_TOO_DEEP, expected=expected) from err
    except Exception as err:
        # The parsers let errors of what they call through: IndexError of an empty number with a tag, ...
        reason = f"broken {kind}: {_reason(err)}" if type(err) is not _Refused else str(err)
        raise UnreadableFileError(path, found=reason, expected=expected) from err
    return value


_TOO_DEEP = f"values within values, more than {MAX_DEPTH} deep"


_DIGITS = "for integer string conversion"


class _Refused(ValueError):
    """A content that is well formed and is not read."""


def _reason(err: Exception) -> str:
    reason = getattr(err, "strerror", None) or " ".join(str(err).split())[:300]
    if _DIGITS in reason:  # with advice for those who write programs
        return f"a number of more than {MAX_DIGITS} digits"
    return reason.rstrip(".") or type(err).__name__


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise _Refused(_told_twice(name for name, _ in pairs))
    return values


def _told_twice(names: Iterable[Hashable]) -> str:
    twice = next(name for name, count in collections.Counter(names).items() if count > 1)
    return f"the name {twice!r} twice in one mapping"


def require_plain(value: Any) -> None:
    """Refuse values that are nested too deep, whole numbers beyond 64 bits, and texts that no file can hold.

    Parameters
    ----------
    value
        Mappings and lists of anything.

    Raises
    ------
    ValueError
        Raised with what was met.
    """
    depth, level = 0, [value]
    while level:
        groups: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is float:
                continue
            if kind is int:
                if not -_BEYOND < item < _BEYOND:
                    raise _Refused(f"a number of more than {MAX_DIGITS} digits")
            elif kind is str:
                if not item.isascii():
                    _require_whole(item)
            elif kind is dict:
                groups += (item, item.values())
            elif kind in _GROUPS:
                groups.append(item)
        if groups and depth >= MAX_DEPTH:
            raise _Refused(_TOO_DEEP)
        depth, level = depth + 1, list(itertools.chain.from_iterable(groups))


_BEYOND = 10**MAX_DIGITS
_GROUPS = (list, tuple, set, frozenset)


def _require_whole(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as err:
        raise _Refused(f"half a character, {text[err.start]!a}") from err


# YAML.


class StrictLoader(yaml.CSafeLoader):
    """Reads YAML of literals, and refuses names that a mapping has twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping."""
        if isinstance(node, yaml.MappingNode):
            # Before those of others are merged into it (<<), which it may replace.
            names = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != _MERGE]
            if all(isinstance(name, Hashable) for name in names) and len(set(names)) < len(names):
                raise _Refused(_told_twice(names))
        content: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return content


_MERGE = "tag:yaml.org,2002:merge"


def _require_modest(events: Iterator[yaml.Event]) -> None:
    """Follow a text in YAML without making values of it; refuse what would become too many or too deep."""
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []  # anchor, and values within so far
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, 1))
            if len(opened) > MAX_DEPTH:
                raise _Refused(_TOO_DEEP)
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = opened.pop()
        elif isinstance(event, yaml.AliasEvent):
            anchor, size = None, _size_of(event.anchor, sizes)
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        if opened:
            opened[-1] = (opened[-1][0], opened[-1][1] + size)
        if size > _MAX_VALUES:
            raise _Refused(f"more than {_MAX_VALUES} values")


def _size_of(anchor: str | None, sizes: Mapping[str, int]) -> int:
    if anchor is None or anchor not in sizes:
        raise _Refused(f"the alias *{anchor} of nothing before it")
    return sizes[anchor]

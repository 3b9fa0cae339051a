"""What ``--show`` prints."""

from __future__ import annotations

import argparse
import fnmatch
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from lsst.pex.config import Config
from lsst.pex.config import history as pex_history
from lsst.pex.config.configurableField import ConfigurableInstance

from ...errors import ConfigError
from .config_files import config_text

__all__ = ("show", "stops")


def stops(wanted: Sequence[str]) -> bool:
    """Whether a command ends when it has shown what is wanted."""
    return bool(wanted) and "run" not in wanted


def show(wanted: Sequence[str], namespace: argparse.Namespace) -> str:
    """Return what ``--show`` is to print.

    Parameters
    ----------
    wanted
        ``config[=GLOB[:NOIGNORECASE]]``, ``history=GLOB``, ``tasks``, ``data``, ``run``.
    namespace
        The parsed command, with ``config`` and the containers of identifiers by
        the names in ``idNames``.

    Raises
    ------
    ConfigError
        Raised when something else is wanted.
    """
    return "\n".join(_show_one(item, namespace) for item in wanted if item != "run")


def _show_one(item: str, namespace: argparse.Namespace) -> str:
    what, equals, pattern = item.partition("=")
    match what:
        case "config":
            if not pattern:
                return config_text(namespace.config, with_imports=False).rstrip()
            matches = _matcher(pattern)
            stream = _OptionStream()
            namespace.config.saveToStream(stream, skipImports=True)
            return "\n\n".join(text.strip() for name, text in stream.options if matches(name))
        case "history" if equals and pattern:
            matches = _matcher(pattern)
            options = [(owner, field) for name, owner, field in _fields(namespace.config) if matches(name)]
            if not options:
                raise ConfigError(f"No config field matches {pattern!r}.", option="show", found=pattern)
            return "\n\n".join(str(pex_history.format(*pair)).rstrip() for pair in options)
        case "history":
            raise ConfigError(
                "--show history needs a value, e.g. history=*.sigmaClip.", option="show", found=item
            )
        case "tasks" if not equals:
            names = [
                f"{name}: {owner.target.__module__}.{owner.target.__name__}"
                for name, owner in sorted(_subtasks(namespace.config))
            ]
            return "\n".join(["Subtasks:", *names])
        case "data" if not equals:
            lines = []
            for name in namespace.idNames:
                refs = getattr(namespace, name).refList
                lines += [f"{name} dataRef: {ref.dataId}" for ref in refs] or [f"{name} dataRef: none"]
            return "\n".join(lines)
    raise ConfigError(
        f"--show {item} is unknown; there are: config[=GLOB], history=GLOB, tasks, data, run.",
        option="show",
        found=item,
    )


class _OptionStream(io.StringIO):
    """Keeps what is written, one piece for each option, by the name of the option."""

    def __init__(self) -> None:
        super().__init__()
        self.options: list[tuple[str, str]] = []

    def write(self, text: str) -> int:
        match = re.search(r"^config\.(.+?)\s*(?:=|\.retarget\()", text, flags=re.MULTILINE)
        if match:
            self.options.append((match[1], text))
        return len(text)


def _matcher(pattern: str) -> Any:
    """Return a function that tells whether a dotted name matches; case counts only where it is said."""
    exact = pattern.removesuffix(":NOIGNORECASE")
    flags = 0 if exact != pattern else re.IGNORECASE
    return re.compile(fnmatch.translate(exact.removeprefix("config.")), flags).match


def _fields(config: Config, prefix: str = "") -> Iterator[tuple[str, Config, str]]:
    """Yield the dotted name of every option with its configuration and its own name."""
    for field in config._fields:
        name, value = f"{prefix}{field}", getattr(config, field)
        inner = value.value if isinstance(value, ConfigurableInstance) else value
        if isinstance(inner, Config):
            yield from _fields(inner, f"{name}.")
        yield name, config, field


def _subtasks(config: Config, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field in config._fields:
        value = getattr(config, field)
        if isinstance(value, ConfigurableInstance):
            yield f"{prefix}{field}", value
            yield from _subtasks(value.value, f"{prefix}{field}.")
        elif isinstance(value, Config):
            yield from _subtasks(value, f"{prefix}{field}.")

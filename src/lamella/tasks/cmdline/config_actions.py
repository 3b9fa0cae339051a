"""The options of a command line that change the configuration and the log."""

from __future__ import annotations

import argparse
from typing import Any

from ...errors import LamellaError
from .config_files import load_config_file
from .log_setup import parse_level
from .option_paths import set_option

__all__ = ("ConfigFileAction", "ConfigValueAction", "LogLevelAction")


class ConfigValueAction(argparse.Action):
    """Sets options of the configuration: ``-c NAME=VALUE …``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Set each option, or end with the error."""
        for item in values:
            name, equals, text = item.partition("=")
            if not equals or not name:
                parser.error(f"{option_string}: {item!r} is not NAME=VALUE")
            try:
                set_option(namespace.config, name, text)
            except LamellaError as err:
                parser.error(f"{option_string}: {err}")


class ConfigFileAction(argparse.Action):
    """Reads configuration files: ``-C FILE …``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Read each file, or end with the error."""
        for path in values:
            try:
                load_config_file(namespace.config, path)
            except LamellaError as err:
                parser.error(f"{option_string}: {err}")


class LogLevelAction(argparse.Action):
    """Collects log levels: ``-L LEVEL|COMPONENT=LEVEL …``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add the levels to those of earlier occurrences, or end with the error."""
        try:
            levels = [parse_level(item) for item in values]
        except ValueError as err:
            parser.error(f"{option_string}: {err}")
        setattr(namespace, self.dest, [*(getattr(namespace, self.dest) or ()), *levels])

"""The options of a command line that change the configuration and the log."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from ...errors import LamellaError
from .config_files import load_config_file
from .log_setup import parse_level
from .option_paths import set_option

__all__ = ("CommandAction", "ConfigFileAction", "ConfigValueAction", "LogLevelAction")


class CommandAction(argparse.Action):
    """What an option does; it ends the command with the option and what is wrong."""

    caught: ClassVar[type[Exception]] = LamellaError

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Apply the values, or end with the error."""
        try:
            self.apply(namespace, values)
        except (self.caught, argparse.ArgumentTypeError) as err:
            parser.error(f"{option_string}: {err}")

    def apply(self, namespace: argparse.Namespace, values: Any) -> None:
        """Change the namespace, or raise an error of the class ``caught``."""
        raise NotImplementedError


class ConfigValueAction(CommandAction):
    """Sets options of the configuration: ``-c NAME=VALUE …``."""

    def apply(self, namespace: argparse.Namespace, values: Any) -> None:
        """Set each option."""
        for item in values:
            name, equals, text = item.partition("=")
            if not equals or not name:
                raise argparse.ArgumentTypeError(f"{item!r} is not NAME=VALUE")
            set_option(namespace.config, name, text)


class ConfigFileAction(CommandAction):
    """Reads configuration files: ``-C FILE …``."""

    def apply(self, namespace: argparse.Namespace, values: Any) -> None:
        """Read each file."""
        for path in values:
            load_config_file(namespace.config, path, namespace.packageFolders)


class LogLevelAction(CommandAction):
    """Collects log levels: ``-L LEVEL|COMPONENT=LEVEL …``."""

    caught = ValueError

    def apply(self, namespace: argparse.Namespace, values: Any) -> None:
        """Add the levels to those of earlier occurrences."""
        levels = [parse_level(item) for item in values]
        setattr(namespace, self.dest, [*(getattr(namespace, self.dest) or ()), *levels])

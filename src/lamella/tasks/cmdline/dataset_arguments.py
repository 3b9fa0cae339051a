"""Dataset types that are known only when the command line has been parsed."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any, Protocol

__all__ = ("ConfigDatasetType", "DatasetArgument", "NamesDatasetType")


class NamesDatasetType(Protocol):
    """Something that knows a dataset type when the command line has been parsed."""

    def getDatasetType(self, namespace: argparse.Namespace) -> str:
        """Return the name of the dataset type."""


@dataclasses.dataclass(frozen=True)
class ConfigDatasetType:
    """A dataset type that an option of the configuration names.

    Parameters
    ----------
    name
        Dotted name of the option.
    suffix
        What follows its value, e.g. ``Coadd`` for ``coaddName``.
    """

    name: str
    suffix: str = ""

    def getDatasetType(self, namespace: argparse.Namespace) -> str:
        """Return the name of the dataset type, when the configuration is complete."""
        value = namespace.config
        for part in self.name.split("."):
            value = getattr(value, part)
        return f"{value}{self.suffix}"

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Add nothing: the configuration has its own options."""


@dataclasses.dataclass(frozen=True)
class DatasetArgument:
    """A dataset type that an argument of the command line names.

    Parameters
    ----------
    name
        The argument; one that begins with ``-`` may be left out.
    default
        Its default.
    help
        Text for ``--help``.
    """

    name: str = "--dataset"
    default: str = "calexp"
    help: str = "dataset type to work on"

    def getDatasetType(self, namespace: argparse.Namespace) -> str:
        """Return the name of the dataset type."""
        return str(getattr(namespace, self.name.lstrip("-").replace("-", "_")))

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Add the argument."""
        optional: dict[str, Any] = {} if self.name.startswith("-") else {"nargs": "?"}
        parser.add_argument(self.name, default=self.default, help=self.help, **optional)

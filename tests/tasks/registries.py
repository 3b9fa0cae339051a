"""Repositories on each kind of database, made as copies, which is quicker than making them."""

from __future__ import annotations

import atexit
import functools
import gc
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from lamella.tasks.repository import create_repository

from .postgres import PostgresServer

__all__ = ("Registry",)

_NAMESPACE = "lamella"


@dataclass(frozen=True)
class Registry:
    """Where the databases of repositories are.

    Attributes
    ----------
    server
        The PostgreSQL server; `None` for an SQLite file in each repository.
    """

    server: PostgresServer | None = None

    def __str__(self) -> str:
        return "sqlite" if self.server is None else "postgresql"

    def options(self) -> str:
        """Return the options of ``lamella butler create`` for a repository with a database of its own."""
        if self.server is None:
            return ""
        return f" --registry {self.server.new_database()} --namespace {_NAMESPACE}"

    def create(self, root: Path) -> None:
        """Make an empty repository."""
        self.copy(_empty_repository(self), root)

    def copy(self, source: Path, root: Path) -> None:
        """Make a copy of a repository that nobody has open, with a database of its own."""
        shutil.copytree(source, root, dirs_exist_ok=True)
        if self.server is None:
            return
        settings = yaml.safe_load((root / "butler.yaml").read_text())
        template = settings["registry"]["db"].rpartition("/")[2]
        # Nobody may be connected; a butler that a command forgot closes its connections when it is collected.
        gc.collect()
        settings["registry"]["db"] = self.server.new_database(template)
        (root / "butler.yaml").write_text(yaml.safe_dump(settings))


@functools.cache
def _empty_repository(registry: Registry) -> Path:
    root = Path(tempfile.mkdtemp(prefix="lamella-test-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    database = registry.server.new_database() if registry.server else None
    create_repository(root, registry=database, namespace=database and _NAMESPACE)
    return root

"""Storing what a run was made with, and comparing it with what is stored.

All runs that share an output must share the configuration of a task, the
schemas of its catalogs, and the versions of the software.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import importlib.metadata
import inspect
import logging
import platform
import sys
from collections.abc import Container, Iterator, Mapping
from typing import Any

import lsst.utils.packages
import yaml
from astropy.table import Table
from lsst.pex.config import Config
from lsst.pipe.base import TaskError
from lsst.utils.packages import Packages

from ...errors import LamellaError, UnreadableFileError
from ...texts import parse_yaml
from .config_files import config_text, load_config_text
from .records import Records

__all__ = ("current_versions", "distributions_of", "write_config", "write_schema", "write_versions")

_LOG = logging.getLogger("lamella.cmdline")


def write_config(records: Records, name: str, config: Config, *, clobber: bool, backup: bool) -> None:
    """Store the configuration of a task, or check that the stored one is equal.

    Parameters
    ----------
    records
        Where.
    name
        Name of the dataset in the manual's words, ``deep_assembleCoadd_config``.
    config
        The configuration.
    clobber
        Store it whatever is there.
    backup
        Keep what is replaced.

    Raises
    ------
    TaskError
        Raised when the stored one differs or cannot be read; each difference is logged.
    """
    file = f"config/{name.removesuffix('_config')}.py"
    stored = None if clobber else _read(records, file, "--clobber-config")
    if stored is None:
        records.write(file, config_text(config), backup=backup)
        return
    old = type(config)()
    try:
        load_config_text(old, stored, name=str(records.path(file)))
    except LamellaError as err:
        raise TaskError(
            f"The stored configuration cannot be read: {err} Use --clobber-config to replace it."
        ) from err

    def tell(text: str) -> None:
        _LOG.fatal("Comparing configuration: %s", text)

    if not config.compare(old, shortcut=False, output=tell):
        raise TaskError(
            f"The configuration differs from that of earlier runs with this output ({records.path(file)}): "
            "use another output, or --clobber-config."
        )


def write_schema(records: Records, name: str, catalog: Table, *, clobber: bool, backup: bool) -> None:
    """Store the columns of a catalog, or check that the stored ones are the same.

    Parameters
    ----------
    records
        Where.
    name
        Name of the dataset type of the catalog.
    catalog
        A table; its rows do not matter.
    clobber, backup
        As for `write_config`.

    Raises
    ------
    TaskError
        Raised when the stored columns differ, or cannot be read.
    """
    file = f"schema/{name}.yaml"
    columns = [
        {
            "name": column.name,
            "type": str(column.dtype),
            "shape": list(column.shape[1:]),
            "unit": None if column.unit is None else str(column.unit),
            "description": column.description or "",
        }
        for column in catalog.itercols()
    ]
    stored = None if clobber else _read(records, file, "--clobber-config")
    if stored is None:
        records.write(file, yaml.safe_dump({"columns": columns}, sort_keys=False), backup=backup)
    elif _parse(records, file, stored, "--clobber-config").get("columns") != columns:
        raise TaskError(
            f"The columns of {name} differ from those of earlier runs with this output "
            f"({records.path(file)}): use another output, or --clobber-config."
        )


def current_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that are imported."""
    return dict(_versions_of(_imported_packages()))


def _imported_packages() -> frozenset[str]:
    return frozenset(name.partition(".")[0] for name in sys.modules)


@functools.cache
def _versions_of(imported: frozenset[str]) -> dict[str, str]:
    with _quick_search():
        versions: Mapping[str, str] = Packages.fromSystem()
    return {"python": platform.python_version(), **{str(key): str(versions[key]) for key in sorted(versions)}}


@contextlib.contextmanager
def _quick_search() -> Iterator[None]:
    """Have the middleware, whose rules for names and versions these are, find distributions quickly."""
    module, name = lsst.utils.packages, "packages_distributions"
    usual = getattr(module, name)
    setattr(module, name, lambda: distributions_of(_imported_packages()))
    try:
        yield
    finally:
        setattr(module, name, usual)


def distributions_of(packages: Container[str]) -> dict[str, list[str]]:
    """Return the names of the installed distributions that some packages are part of.

    That is `importlib.metadata.packages_distributions` for these packages, by what distributions say of
    their files; it is not looked whether each of these exists.
    """
    distributions: dict[str, list[str]] = {}
    for distribution in importlib.metadata.distributions():
        for name in sorted(_top_level_names(distribution)):
            if name in packages:
                distributions.setdefault(name, []).append(distribution.name)
    return distributions


def _top_level_names(distribution: importlib.metadata.Distribution) -> set[str]:
    declared = distribution.read_text("top_level.txt")
    if declared:
        return set(declared.split())
    record = distribution.read_text("RECORD")
    files = (
        (row[0] for row in csv.reader(record.splitlines())) if record else map(str, distribution.files or ())
    )
    return {_top_level_name(file) for file in files}


def _top_level_name(file: str) -> str:
    folder, slash, _ = file.partition("/")
    return folder if slash else inspect.getmodulename(file) or file


def write_versions(records: Records, dataset: str, *, clobber: bool, backup: bool) -> None:
    """Store the versions of the software, or check that the stored ones agree.

    Packages that only one of the two knows are no disagreement; new ones are
    added to the file.

    Parameters
    ----------
    records
        Where.
    dataset
        Name of the file, without suffix.
    clobber, backup
        As for `write_config`.

    Raises
    ------
    TaskError
        Raised when a package has another version now; the message lists them.
    """
    file = f"config/{dataset}.yaml"
    now = current_versions()
    text = None if clobber else _read(records, file, "--clobber-versions")
    if text is None:
        records.write(file, yaml.safe_dump(now), backup=backup)
        return
    stored = {key: str(value) for key, value in _parse(records, file, text, "--clobber-versions").items()}
    changed = [
        f"{key}: {now[key]} vs {stored[key]}" for key in sorted(now) if now[key] != stored.get(key, now[key])
    ]
    if changed:
        raise TaskError(
            f"Version mismatch ({'; '.join(changed)}), now and when the output was begun: "
            "use another output, --clobber-versions or --no-versions."
        )
    if not now.keys() <= stored.keys():
        records.write(file, yaml.safe_dump(stored | now))


def _read(records: Records, file: str, remedy: str) -> str | None:
    try:
        return records.read(file)
    except LamellaError as err:
        raise TaskError(f"{err} Use {remedy} to replace it.") from err


def _parse(records: Records, file: str, text: str, remedy: str) -> dict[str, Any]:
    try:
        content = parse_yaml(text, records.path(file), "names and values in YAML")
    except UnreadableFileError as err:
        raise TaskError(f"{err} Use {remedy} to replace it.") from err
    if not isinstance(content, dict):
        raise TaskError(f"{records.path(file)} is not a mapping. Use {remedy} to replace it.")
    return content

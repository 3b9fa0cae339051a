"""Butler repositories that hold lamella's datasets: made, opened, and given instruments."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from importlib.resources import files
from os import PathLike, fspath
from pathlib import Path

from lsst.daf.butler import Butler, ButlerConfig, Config
from lsst.daf.butler.registry import CollectionType  # type: ignore[attr-defined]
from lsst.pipe.base import Instrument
from lsst.resources import ResourcePath

from ..errors import ConfigError, OutputError
from ..files import TEMPORARY_PREFIX
from .database import check_namespace, emptied_on_failure
from .datasets import DATASETS, check_prefix, coadd_datasets, common_runs, find_prefix, find_runs, prefixed
from .failures import address_errors, repository_errors
from .foreign import require_own_types
from .instrument import instrument_class, instrument_record
from .leftovers import clean_orphans, forget_unlogged
from .skymap_store import register_skymap, stored_skymap, visited_tracts

__all__ = (
    "CONFIG_FOLDER",
    "clean_orphans",
    "create_repository",
    "forget_unlogged",
    "keeps_results",
    "lacks_storage_classes",
    "open_repository",
    "register_instrument",
    "register_skymap",
    "stored_skymap",
    "visited_tracts",
)

CONFIG_FOLDER = str(files(__package__) / "configs")
"""Folder for the environment variable ``DAF_BUTLER_CONFIG_PATH``.

With it, plain ``butler`` and ``pipetask`` work with lamella's datasets in a
repository that was made without lamella.
"""

_STORAGE_CLASS = "LamellaExposure"
_RESULTS = ".lamella.results_folder"
"""Where the settings of a repository say whether there is a folder of results."""

_CONFIG_FILES = ("storageClasses.yaml", "datastore.yaml")


def create_repository(
    root: str | PathLike[str],
    *,
    registry: str | None = None,
    namespace: str | None = None,
    prefix: str = "",
    results_folder: bool = False,
) -> None:
    """Make an empty repository, all or nothing.

    Storage classes and formatters go into its ``butler.yaml``, so that plain
    ``butler`` and ``pipetask`` need nothing but lamella installed.

    Parameters
    ----------
    root
        Folder, made if it is absent; or the address of one, ``file://...``, or of a
        store that the middleware can write to.
    registry
        Address of the database, e.g. ``postgresql://user@host/name``; by
        default an SQLite file in the folder.
    namespace
        Schema of a PostgreSQL database, in lower case.
    prefix
        Beginning of the names of lamella's dataset types and runs, which leaves these names to
        other software.
    results_folder
        Whether the manual's commands put their coadds also into the folder
        ``deepCoadd-results``, see `keeps_results`.

    Raises
    ------
    OutputError
        Raised when the folder holds a repository already, or cannot be
        written to, or when the database or the store refuses.  Then there is
        nothing left of it, in the folder as in the database.
    ConfigError
        Raised when nothing can be kept at addresses of this kind, when the
        path has a character that the middleware does not take for part of it,
        when the namespace or the database's address is none, or when no name can begin with the prefix.
    """
    root = fspath(root)
    check_namespace(namespace, registry)
    check_prefix(prefix)
    config = Config()
    for name in _CONFIG_FILES:
        config.update(Config(str(Path(CONFIG_FOLDER) / name)))
    if registry is not None:
        config["registry", "db"] = registry
    if namespace is not None:
        config["registry", "namespace"] = namespace
    if results_folder:
        config[_RESULTS] = True
    with repository_errors(root), address_errors(root):
        uri = ResourcePath(root, forceDirectory=True)
        if uri.isLocal and (wrong := sorted(set("#?%").intersection(uri.ospath if "://" in root else root))):
            raise ConfigError(
                f"{root}: the path of a repository must be without {' '.join(wrong)}, "
                "which the middleware and databases read as parts of an address.",
                option="repository",
                found=root,
            )
        if results_folder and not uri.isLocal:
            message = f"{root} is not a folder of this machine, which results are kept in."
            raise ConfigError(message, option="results-folder", found=root)
        if uri.join("butler.yaml").exists():
            raise OutputError(root, reason="it is a repository already")
        with emptied_on_failure(registry, namespace), _new_folder(uri) as folder:
            Butler.makeRepo(folder, config)
            with Butler.from_config(folder, writeable=True) as butler:
                prepare_repository(butler, prefix)


def keeps_results(root: str | PathLike[str]) -> bool:
    """Tell whether the manual's commands put coadds into the folder ``deepCoadd-results``, too.

    The repository's ``butler.yaml`` says so, ``lamella: {results_folder: true}``.
    """
    uri = ResourcePath(fspath(root), forceDirectory=not fspath(root).endswith(".yaml"))
    if uri.dirLike:
        uri = uri.join("butler.yaml")
    config = Config(uri)
    return uri.isLocal and _RESULTS in config and bool(config[_RESULTS])


@contextlib.contextmanager
def _new_folder(uri: ResourcePath) -> Iterator[ResourcePath]:
    """Give a temporary folder in that of a new repository; its files move up when the block ends well.

    When it raises, the folder is as it was before, and absent if it was.  In a store the folder is itself.
    """
    if not uri.isLocal:
        yield uri
        return
    root = Path(uri.ospath)
    absent = [parent for parent in (root, *root.parents) if not parent.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f"{TEMPORARY_PREFIX}create-", dir=root, ignore_cleanup_errors=True
        ) as temporary:
            # The middleware reads a dot in the last part of a path as the beginning of a file's suffix.
            folder = Path(temporary) / "repository"
            folder.mkdir()
            yield ResourcePath(str(folder), forceDirectory=True)
            # That which makes the folder a repository comes last.
            files = sorted(folder.iterdir(), key=lambda path: path.name == "butler.yaml")
            for path in files:
                if (root / path.name).exists():
                    raise OutputError(root / path.name, reason="it is there, without a repository around it")
            for path in files:
                path.rename(root / path.name)
    except BaseException:
        for parent in absent:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


def prepare_repository(butler: Butler, prefix: str = "") -> None:
    """Register lamella's dataset types and runs; only reads where they are there already."""
    for dataset_type in (dataset.make_type(butler.dimensions) for dataset in prefixed(DATASETS, prefix)):
        if not butler.registry.queryDatasetTypes(dataset_type.name):
            butler.registry.registerDatasetType(dataset_type)
    runs = set(find_runs(butler))
    for run in common_runs(prefix):
        if run not in runs:
            butler.collections.register(run, CollectionType.RUN)


def open_repository(
    root: str | PathLike[str],
    *,
    writeable: bool = False,
    collections: str | Sequence[str] = (),
    run: str | None = None,
    prefix: str | None = None,
) -> Butler:
    """Open a repository, whether lamella made it or not.

    Parameters
    ----------
    root
        Folder or address.
    writeable
        Whether to write.  A repository of others then gets lamella's dataset types and runs.
    collections
        Collections to search.
    run
        Run to write to.
    prefix
        Beginning of the names of lamella's dataset types and runs, for a repository in which other
        software has the names; by default the one that the repository has, and "" where it has none.

    Raises
    ------
    UnreadableFileError
        Raised when there is no repository, or it has no such collection.
    ForeignTypesError
        Raised when the names of lamella's dataset types stand for something else; nothing is written.
    OutputError
        Raised when the database or the store refuses.
    ConfigError
        Raised when nothing can be kept at addresses of this kind, or the repository has another prefix.
    """
    with repository_errors(fspath(root)), address_errors(fspath(root)), contextlib.ExitStack() as undo:
        # An unfinished transaction of a killed process is rolled back; a connection for reading cannot.
        folder = ResourcePath(fspath(root), forceDirectory=True)
        database = Path(folder.ospath).resolve() / "gen3.sqlite3" if folder.isLocal else None
        if database is not None and database.with_name(f"{database.name}-journal").is_file():
            # In this mode a database that is absent is not made; one that is locked belongs to a living
            # process.
            address = f"{database.as_uri()}?mode=rw"
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(sqlite3.connect(address, timeout=0, uri=True)) as connection,
            ):
                connection.execute("select count(*) from sqlite_master")
        butler = Butler.from_config(
            fspath(root),
            collections=collections or None,
            run=run,
            searchPaths=[CONFIG_FOLDER],
            writeable=writeable or run is not None,
        )
        undo.callback(butler.close)
        prefix = find_prefix(butler, prefix)
        require_own_types(butler, fspath(root), prefixed((*DATASETS, *coadd_datasets()), prefix))
        if butler.isWriteable():
            prepare_repository(butler, prefix)
        undo.pop_all()
        return butler


def lacks_storage_classes(root: str | PathLike[str]) -> bool:
    """Tell whether plain ``butler`` and ``pipetask`` need `CONFIG_FOLDER` to read lamella's datasets."""
    return _STORAGE_CLASS not in ButlerConfig(fspath(root))["storageClasses"]


def register_instrument(butler: Butler, name: str) -> type[Instrument]:
    """Add an instrument, unless the repository has one of that name.

    Parameters
    ----------
    butler
        The repository.
    name
        Short name of the instrument.

    Returns
    -------
    type
        The class of the instrument in the repository: that of lamella, or the
        one that was there; that of lamella, too, when the latter is not
        installed here.
    """
    if not butler.query_dimension_records("instrument", instrument=name, explain=False):
        record = instrument_record(instrument_class(name))
        butler.registry.insertDimensionData("instrument", record, skip_existing=True)
        return instrument_class(name)
    try:
        return type(Instrument.fromName(name, butler.registry))
    except (ImportError, TypeError):
        return instrument_class(name)

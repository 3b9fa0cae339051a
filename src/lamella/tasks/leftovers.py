"""Leftovers of killed processes in a repository: files without a record, and tasks without a log.

The middleware stores the record of a task's success before its log.  A
process killed between both leaves a task that no rerun does again, and that
never gets its log.  Without the record, a rerun does both.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

from lsst.daf.butler import Butler, DatasetRef
from lsst.pipe.base.automatic_connection_constants import (
    CONFIG_INIT_OUTPUT_TEMPLATE,
    LOG_OUTPUT_TEMPLATE,
    METADATA_OUTPUT_TEMPLATE,
)

from ..files import TEMPORARY_PREFIX
from .datasets import find_own_runs, find_prefix, find_runs

__all__ = ("clean_orphans", "forget_unlogged")

# Stored configurations are read as text, never executed.
_NOT_LOGGED = re.compile(rb"^config\.saveLogOutput\s*=\s*False", flags=re.MULTILINE)


def clean_orphans(butler: Butler, *, older_than: float = 3600.0, dry_run: bool = False) -> list[str]:
    """Remove files that a killed process left: half-written ones, and those that the registry does not know.

    Nothing that the registry knows is touched, and nothing in runs of other software.

    Parameters
    ----------
    butler
        The repository; its datastore must be a folder.
    older_than
        Age in seconds below which files are left alone, because a running
        process may be about to register them; 0 when none is running.
    dry_run
        Whether to find them only.

    Returns
    -------
    list of str
        The files, sorted.

    Notes
    -----
    A file that has its final name but no record is left when a process is killed
    between both steps; making the dataset again replaces it.
    """
    runs = find_runs(butler)
    refs = butler.query_all_datasets(runs, find_first=False, limit=None) if runs else []
    datasets = butler.get_many_uris(refs, allow_missing=True).values()
    uris = [uri for dataset in datasets for uri in (dataset.primaryURI, *dataset.componentURIs.values())]
    registered = {Path(uri.ospath).resolve() for uri in uris if uri is not None and uri.isLocal}
    limit = time.time() - older_than
    folders: list[Path] = []  # of nothing but datasets: those of runs, and those of files to be ingested
    own_runs = find_own_runs(butler)
    for root in butler.get_datastore_roots().values():
        if root is not None and root.isLocal:
            folder = Path(root.ospath).resolve()
            folders += [folder / run for run in own_runs]
            folders += folder.glob(f"{TEMPORARY_PREFIX}*")
    orphans = {
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path not in registered and path.stat().st_mtime <= limit
    }
    for path in orphans if not dry_run else ():
        path.unlink(missing_ok=True)
        if path.parent.name.startswith(TEMPORARY_PREFIX) and not any(path.parent.iterdir()):
            path.parent.rmdir()
    return sorted(map(str, orphans))


def forget_unlogged(butler: Butler, *, older_than: float = 3600.0, dry_run: bool = False) -> list[DatasetRef]:
    """Remove records of success of tasks whose log is missing, so that a rerun does them again.

    What the tasks made is not touched, and nothing in runs of other software.
    Tasks that store no log, by their configuration, are left alone; so are
    those without a stored configuration.

    Parameters
    ----------
    butler
        The repository; its datastore must be a folder.
    older_than
        Age in seconds below which a record is left alone, because a running
        process may be about to store the log; 0 when none is running.
    dry_run
        Whether to find them only.

    Returns
    -------
    list of lsst.daf.butler.DatasetRef
        The records, in order of task, run and data ID.
    """
    limit = time.time() - older_than
    # Tasks of which the repository may have records, logs and configurations.
    prefix = find_prefix(butler)
    names = {kind.name for kind in butler.registry.queryDatasetTypes() if kind.name.startswith(prefix)}
    ending = METADATA_OUTPUT_TEMPLATE.format(label="")
    others = (LOG_OUTPUT_TEMPLATE, CONFIG_INIT_OUTPUT_TEMPLATE)
    records: list[DatasetRef] = []
    runs = find_own_runs(butler)
    for label in sorted(name.removesuffix(ending) for name in names if name.endswith(ending)):
        if names.issuperset(other.format(label=label) for other in others):
            logged = {(ref.run, ref.dataId) for ref in _datasets(butler, runs, LOG_OUTPUT_TEMPLATE, label)}
            refs = _datasets(butler, runs, METADATA_OUTPUT_TEMPLATE, label)
            missing = [ref for ref in refs if (ref.run, ref.dataId) not in logged]
            if not missing:
                continue
            configs = _files_of(butler, _datasets(butler, runs, CONFIG_INIT_OUTPUT_TEMPLATE, label))
            logging = {ref.run for ref, path in configs.items() if not _NOT_LOGGED.search(path.read_bytes())}
            records += [
                ref
                for ref, path in sorted(_files_of(butler, missing).items())
                if ref.run in logging and path.stat().st_mtime <= limit
            ]
    if records and not dry_run:
        butler.pruneDatasets(records, disassociate=True, unstore=True, purge=True)
    return records


def _datasets(butler: Butler, runs: Sequence[str], template: str, label: str) -> list[DatasetRef]:
    """Return the datasets of a type in some runs."""
    return butler.query_datasets(
        template.format(label=label), runs, find_first=False, limit=None, explain=False
    )


def _files_of(butler: Butler, refs: list[DatasetRef]) -> dict[DatasetRef, Path]:
    """Return the files of those datasets that have one on this machine."""
    uris = {ref: uri.primaryURI for ref, uri in butler.get_many_uris(refs, allow_missing=True).items()}
    return {ref: Path(uri.ospath) for ref, uri in uris.items() if uri is not None and uri.isLocal}

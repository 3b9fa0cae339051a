"""Files that killed processes left in a repository."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from lsst.daf.butler import Butler

from ..files import TEMPORARY_PREFIX
from .datasets import find_runs

__all__ = ("clean_orphans",)


def clean_orphans(butler: Butler, *, older_than: float = 3600.0, dry_run: bool = False) -> list[str]:
    """Remove files that a killed process left: half-written ones, and those that the registry does not know.

    Nothing that the registry knows is touched.

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
    registered, limit = _registered_files(butler), time.time() - older_than
    orphans = {
        path
        for folder in _data_folders(butler)
        for path in folder.rglob("*")
        if path.is_file() and path not in registered and path.stat().st_mtime <= limit
    }
    for path in orphans if not dry_run else ():
        path.unlink(missing_ok=True)
        if path.parent.name.startswith(TEMPORARY_PREFIX) and not any(path.parent.iterdir()):
            path.parent.rmdir()
    return sorted(map(str, orphans))


def _data_folders(butler: Butler) -> Iterator[Path]:
    """Yield the folders that hold nothing but datasets: those of runs, and those of files to be ingested."""
    for root in butler.get_datastore_roots().values():
        if root is not None and root.isLocal:
            folder = Path(root.ospath).resolve()
            yield from (folder / run for run in find_runs(butler))
            yield from folder.glob(f"{TEMPORARY_PREFIX}*")


def _registered_files(butler: Butler) -> set[Path]:
    runs = find_runs(butler)
    refs = butler.query_all_datasets(runs, find_first=False, limit=None) if runs else []
    datasets = butler.get_many_uris(refs, allow_missing=True).values()
    uris = [uri for dataset in datasets for uri in (dataset.primaryURI, *dataset.componentURIs.values())]
    return {Path(uri.ospath).resolve() for uri in uris if uri is not None and uri.isLocal}

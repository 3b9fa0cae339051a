"""Masks of bright objects into a repository: one region file per patch and band."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from lsst.daf.butler import Butler, DatasetRef, FileDataset

from ..errors import DuplicateInputError, InputError, MissingPartError
from ..formats.regions import read_bright_objects
from .datasets import common_runs, find_prefix
from .skymap_store import stored_skymap

__all__ = ("ingest_bright_objects",)

_IDENTITY = ("tract", "patch", "filter")
_FILE_NAME = re.compile(r"BrightObjectMask-(?P<tract>\d+)-(?P<patch>\d+,\d+)-(?P<filter>.+)\.reg")


def ingest_bright_objects(
    butler: Butler, paths: Iterable[str | PathLike[str]], *, skymap: str
) -> list[DatasetRef]:
    """Copy region files into a repository.

    Which patch and band a file is for stands in its remarks ``# tract: 0``,
    ``# patch: 5,4`` and ``# filter: HSC-I``, or in its name
    ``BrightObjectMask-<tract>-<patch>-<filter>.reg``.

    Parameters
    ----------
    butler
        The repository.
    paths
        The files.
    skymap
        Name of the sky map that tracts and patches are counted in.

    Returns
    -------
    list of DatasetRef
        One dataset per file; those that were there already are among them.

    Raises
    ------
    MissingPartError
        Raised when a file does not say what it is for.
    InputError
        Raised when no filter or band of that name is registered, or a file is damaged.
    SkyMapError
        Raised when there is no such sky map, tract or patch.
    DuplicateInputError
        Raised when the repository has another file for the same patch and band.
    """
    grid = stored_skymap(butler, skymap)
    records = butler.query_dimension_records("physical_filter", explain=False)
    bands = {r.band: r.band for r in records} | {r.name: r.band for r in records}
    refs = []
    for path in map(Path, paths):
        match = _FILE_NAME.fullmatch(path.name)
        remarks = match.groupdict() if match else {}
        remarks |= {name: str(value) for name, value in read_bright_objects(path).metadata.items()}
        for name in _IDENTITY:
            if name not in remarks:
                raise MissingPartError(
                    path, where=name, found="nothing", expected=f"a remark '# {name}: ...'"
                )
        tract, patch, filter = (remarks[name] for name in _IDENTITY)
        if filter not in bands:
            names = ", ".join(sorted(bands)) or "none (ingest exposures first)"
            raise InputError(path, where="filter", found=filter, expected=f"one of: {names}")
        data_id = {
            "skymap": skymap,
            "tract": int(tract),
            "patch": grid[int(tract)].patch(patch).sequential,
            "band": bands[filter],
        }
        refs.append(_ingest(butler, path, data_id))
    return refs


def _ingest(butler: Butler, path: Path, data_id: Mapping[str, Any]) -> DatasetRef:
    prefix = find_prefix(butler)
    name, (_, run) = f"{prefix}brightObjectMask", common_runs(prefix)
    ref = butler.find_dataset(name, data_id, collections=run)
    if ref is not None:
        if butler.getURI(ref).read() != path.read_bytes():
            name = f"tract {data_id['tract']} patch {data_id['patch']} band {data_id['band']}"
            raise DuplicateInputError(path, found=f"regions of {name}", expected="those in the repository")
        return ref
    expanded = butler.registry.expandDataId(data_id)
    ref = DatasetRef(butler.get_dataset_type(name), expanded, run=run)
    butler.ingest(FileDataset(str(path.absolute()), [ref]), transfer="copy")
    return ref

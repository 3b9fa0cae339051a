"""Backgrounds that afw subtracted from exposures into a repository, so that warps can be made without."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from lsst.daf.butler import Butler, DatasetRef, FileDataset
from lsst.daf.butler.registry import CollectionType  # type: ignore[attr-defined]

from ..errors import DuplicateInputError, InputError, NoInputsError
from ..formats.archive.products import afw
from .chains import extend_own_chain
from .datasets import BACKGROUND, defaults_chain, find_prefix, find_runs, prefixed

__all__ = ("ingest_backgrounds",)


def ingest_backgrounds(
    butler: Butler, paths: Iterable[str | PathLike[str]], *, run: str | None = None, copy: bool = False
) -> list[DatasetRef]:
    """Add backgrounds of exposures that the repository has.

    Which exposure a file belongs to stands in its name, which has the numbers of
    visit and detector one after the other, as ``calexpBackground-0903986-016.fits`` or
    ``calexpBackground_HSC_i_HSC-I_903986_16_run.fits``.

    Parameters
    ----------
    butler
        The repository.
    paths
        The files, or folders of nothing else.
    run
        Run to put them in.  By default ``<instrument>/calexpBackground``, which all commands
        read; those in another one are for those who name it.
    copy
        Whether to copy the files; by default they are referred to where they are.

    Returns
    -------
    list of DatasetRef
        One dataset per file; those that were there already are among them.

    Raises
    ------
    NoInputsError
        Raised when there is no file.
    InputError
        Raised when a file is no background, its name tells no exposure of the
        repository or several, or it is of another size than the exposure.
    DuplicateInputError
        Raised when the run has the background of that exposure from another file.
    """
    prefix = find_prefix(butler)
    (kind,) = prefixed([BACKGROUND], prefix)
    dataset_type = kind.make_type(butler.dimensions)
    files = [file.absolute() for path in map(Path, paths) for file in _files_of(path)]
    if not files:
        raise NoInputsError("There are no backgrounds.")
    exposures = _exposures(butler, prefix)
    # All are looked at before anything is written.
    belonging = [(file, _exposure_of(butler, file, exposures)) for file in files]
    butler.registry.registerDatasetType(dataset_type)
    refs = []
    for file, exposure in belonging:
        instrument = str(exposure.dataId["instrument"])
        own = f"{instrument}/{kind.name}"
        destination = run or own
        butler.collections.register(destination, CollectionType.RUN)
        if destination == own:
            extend_own_chain(butler, defaults_chain(instrument, prefix), [own])
        ref = DatasetRef(dataset_type, butler.registry.expandDataId(exposure.dataId), run=destination)
        refs.append(_ingest(butler, file, ref, "copy" if copy else "direct"))
    return refs


def _files_of(path: Path) -> Sequence[Path]:
    return sorted(file for file in path.rglob("*.fits*") if file.is_file()) if path.is_dir() else [path]


def _exposures(butler: Butler, prefix: str) -> dict[tuple[int, int], list[DatasetRef]]:
    """Return the exposures of all runs by visit and detector, the first of those that are in several."""
    runs = find_runs(butler)
    exposures: dict[tuple[int, int], list[DatasetRef]] = {}
    for ref in butler.query_datasets(f"{prefix}calexp", runs, find_first=True, explain=False, limit=None):
        key = int(ref.dataId["visit"]), int(ref.dataId["detector"])
        exposures.setdefault(key, []).append(ref)
    return exposures


def _exposure_of(
    butler: Butler, file: Path, exposures: dict[tuple[int, int], list[DatasetRef]]
) -> DatasetRef:
    """Return the exposure that a background belongs to."""
    background = afw("background").Background.read(file)
    numbers = [int(number) for number in re.findall(r"\d+", file.name)]
    pairs = dict.fromkeys(itertools.pairwise(numbers))
    matches = [ref for pair in pairs for ref in exposures.get(pair, ())]
    expected = "a name with the numbers of visit and detector of one exposure of the repository"
    if len(matches) != 1:
        found = "no such exposure" if not matches else f"{len(matches)} such exposures"
        raise InputError(file, where="name", found=found, expected=expected)
    info: Any = butler.get(matches[0].makeComponentRef("info"))
    if background.bbox != info.bbox:
        raise InputError(file, where="size", found=str(background.bbox), expected=f"{info.bbox} as {info.id}")
    return matches[0]


def _ingest(butler: Butler, file: Path, ref: DatasetRef, transfer: str) -> DatasetRef:
    stored = butler.find_dataset(ref.datasetType, ref.dataId, collections=ref.run)
    if stored is None:
        butler.ingest(FileDataset(str(file), [ref]), transfer=transfer)
        return ref
    uri = butler.getURI(stored)
    if uri.read() != file.read_bytes():
        found = f"the background of {dict(ref.dataId.required)}, which the run {ref.run} has from {uri}"
        raise DuplicateInputError(file, found=found, expected="a new one, or another run")
    return stored

"""A look at the dataset types of a repository, before anything is written to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from lsst.daf.butler import Butler, ButlerConfig, DatasetType
from lsst.daf.butler.registry import CollectionType  # type: ignore[attr-defined]
from lsst.pipe.base import Instrument

from ..errors import ForeignTypesError
from .datasets import Dataset

__all__ = ("require_own_types",)

_EXPOSURES = ("calexp", "visit_image")
"""Dataset types of exposures that ``lamella coadd`` reads from their files, whatever wrote them."""


def require_own_types(butler: Butler, root: str, datasets: Iterable[Dataset]) -> None:
    """Require that nothing else in a repository has the names of lamella's dataset types.

    Nothing is written.

    Parameters
    ----------
    butler
        The repository.
    root
        Its address, as a person names it.
    datasets
        Types of lamella.

    Raises
    ------
    ForeignTypesError
        Raised when a type of one of these names has another storage class or other dimensions;
        the message has all of them, and what works instead.
    """
    present = {kind.name: kind for kind in butler.registry.queryDatasetTypes()}
    conflicts = {
        dataset: present[dataset.name]
        for dataset in datasets
        if dataset.name in present and not _is_own(dataset, present[dataset.name])
    }
    if conflicts:
        found = ", ".join(_describe(dataset, kind) for dataset, kind in conflicts.items())
        classes = _missing_classes(butler, root, conflicts.values())
        absent = f"; not installed here: {', '.join(classes)}" if classes else ""
        expected = "no types of other software under these names. Nothing was changed. What works instead: "
        remedies = "; or ".join(_remedies(butler, root, present))
        raise ForeignTypesError(
            root, found=f"the dataset types {found}{absent}", expected=f"{expected}{remedies}"
        )


def _is_own(dataset: Dataset, kind: DatasetType) -> bool:
    expected = kind.dimensions.universe.conform(dataset.dimensions)
    return kind.dimensions == expected and kind.storageClass_name == dataset.storage_class


def _describe(dataset: Dataset, kind: DatasetType) -> str:
    if kind.storageClass_name != dataset.storage_class:
        return f"{kind.name} ({kind.storageClass_name}, not {dataset.storage_class})"
    found, expected = sorted(kind.dimensions.required), sorted(dataset.dimensions)
    return f"{kind.name} (by {', '.join(found)}, not {', '.join(expected)})"


def _missing_classes(butler: Butler, root: str, kinds: Iterable[DatasetType]) -> list[str]:
    """Return the classes of some types, and of the instruments, that cannot be imported here."""
    names: set[str] = set()
    for kind in kinds:
        try:
            assert kind.storageClass.pytype
        except KeyError:
            names.add(f"the definition of storage class {kind.storageClass_name}")
        except ImportError:
            definitions = ButlerConfig(root)["storageClasses"]
            names.add(str(definitions[kind.storageClass_name].get("pytype", kind.storageClass_name)))
    for record in butler.query_dimension_records("instrument", explain=False):
        try:
            Instrument.from_string(record.class_name)
        except (ImportError, RuntimeError, TypeError):
            names.add(record.class_name)
    return sorted(names)


def _remedies(butler: Butler, root: str, types: Iterable[str]) -> list[str]:
    """Return what works with the exposures of a repository, as commands."""
    remedies = [f"types of other names (lamella butler ingest {root} EXPOSURES --dataset-prefix lamella_)"]
    runs = butler.collections.query_info("*", collection_types={CollectionType.RUN}, include_summary=True)
    for name in set(_EXPOSURES).intersection(types):
        holding = [info.name for info in runs if name in (info.dataset_types or ())]
        if holding:
            copies = f"butler retrieve-artifacts {root} out/ -d {name} --collections {holding[0]}"
            remedies.append(f"copies of exposures ({copies}, then lamella coadd out/)")
            if (folder := _folder_of(butler, holding, name)) is not None:
                remedies.append(f"the folder of a run in place (lamella coadd {folder})")
    return remedies


def _folder_of(butler: Butler, runs: Sequence[str], name: str) -> Path | None:
    """Return the first folder of exposures of a type in some runs; `None` without one on this machine."""
    roots = [Path(root.ospath) for root in butler.get_datastore_roots().values() if root and root.isLocal]
    folders = (root / run / name for root in roots for run in runs)
    return next((folder for folder in folders if folder.is_dir()), None)

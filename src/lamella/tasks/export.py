"""The directory layout of the original pipelines, for those who expect it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from lsst.daf.butler import Butler, DatasetRef

from ..errors import ConfigError, NoInputsError
from ..files import atomic_path, make_folder
from ..formats.archive.products import afw
from ..formats.archive.write import write_plain_fits
from ..sky.skymap import SkyMap
from .datasets import coadd_datasets, common_runs, find_prefix, prefixed
from .foreign import require_own_types
from .skymap_store import stored_skymap

__all__ = ("FileForm", "coadd_filter", "export_coadds", "layout_path", "link_result")

FileForm = Literal["archive", "plain", "afw"]

_PRODUCTS = ("LamellaWarp", "LamellaPatchCoadd")
"""Storage classes of what has a form of afw."""

_BASE = "{coadd}/{filter}/{tract}/{patch}"
_TEMPLATES = {
    "{coadd}": f"{_BASE}.fits",
    "{coadd}_nImage": f"{_BASE}_nImage.fits",
    "{coadd}_directWarp": f"{_BASE}/warp-{{filter}}-{{tract}}-{{patch}}-{{visit}}.fits",
    "{coadd}_psfMatchedWarp": f"{_BASE}/psfMatchedWarp-{{filter}}-{{tract}}-{{patch}}-{{visit}}.fits",
    "{coadd}PsfMatched": "{coadd}/{filter}/{tract}/psfMatched-{patch}.fits",
    "{coadd}_calexp": "{coadd}-results/{filter}/{tract}/{patch}/calexp-{filter}-{tract}-{patch}.fits",
    "brightObjectMask": "{coadd}/BrightObjectMasks/{tract}/BrightObjectMask-{tract}-{patch}-{filter}.reg",
    "skyMap": "{coadd}/skyMap.json",
}


def layout_path(
    name: str,
    *,
    coadd_name: str = "deep",
    filter: str = "",
    tract: int = 0,
    patch: str = "0,0",
    visit: int = 0,
) -> Path:
    """Return where the original pipelines put a dataset, below the folder of the repository.

    Parameters
    ----------
    name
        Dataset type, e.g. ``deepCoadd_directWarp``.
    coadd_name
        Beginning of its name.
    filter, tract, patch, visit
        Identity, as far as the dataset has it; the patch is ``"5,4"``.

    Raises
    ------
    ConfigError
        Raised when the layout has no place for the dataset type.
    """
    coadd = f"{coadd_name}Coadd"
    templates = {key.format(coadd=coadd): value for key, value in _TEMPLATES.items()}
    if name not in templates:
        message = f"The layout has no place for {name!r}; it has: {', '.join(templates)}."
        raise ConfigError(message, option="dataset", found=name)
    safe = filter.replace("/", "_")
    return Path(templates[name].format(coadd=coadd, filter=safe, tract=tract, patch=patch, visit=visit))


def export_coadds(
    butler: Butler,
    folder: str | PathLike[str],
    *,
    collections: str | Sequence[str],
    coadd_name: str = "deep",
    warps: bool = False,
    results: bool = True,
    form: FileForm = "archive",
) -> list[Path]:
    """Copy coadds, and what belongs to them, into the directory layout of the original pipelines.

    The manual says that coadds are under ``deepCoadd-results``; the original
    code wrote them to ``deepCoadd`` and kept that folder for what was detected
    on them.  Both places are served.

    Parameters
    ----------
    butler
        The repository.
    folder
        Where to write; files that are there are replaced.
    collections
        Where to look for the datasets; the first that has one counts.
    coadd_name
        Beginning of the names of the datasets.
    warps
        Whether to copy warps as well.
    results
        Whether to put a second copy (a hard link where that is possible) of
        each coadd under ``deepCoadd-results``.
    form
        ``"archive"`` copies the files as they are, ``"plain"`` writes coadds as
        FITS files that need nothing of lamella to be read, and ``"afw"`` coadds and
        warps as exposures of the C++ stack.

    Returns
    -------
    list of pathlib.Path
        The files, sorted.

    Raises
    ------
    NoInputsError
        Raised when there is no coadd in the collections.
    ForeignTypesError
        Raised when the coadds of this name are of other software.
    OutputError
        Raised when the folder cannot be written to.
    """
    roots = [str(root) for root in butler.get_datastore_roots().values()]
    own = prefixed(coadd_datasets(coadd_name), find_prefix(butler))
    require_own_types(butler, ", ".join(roots), own)
    export = _Export(butler, make_folder(folder), coadd_name, form)
    coadd = f"{coadd_name}Coadd"
    skip = () if warps else (f"{coadd}_directWarp", f"{coadd}_psfMatchedWarp")
    _, mask_run = common_runs(export.prefix)
    masks = [*([collections] if isinstance(collections, str) else collections), mask_run]
    names = [coadd, "brightObjectMask", *(dataset.name for dataset in coadd_datasets(coadd_name))]
    for name in dict.fromkeys(names):
        if name not in skip and name in export.places:
            export.copy_all(name, collections if name != "brightObjectMask" else masks)
    if not export.coadds:
        raise NoInputsError(f"There is no {export.prefix}{coadd} in the collections {collections}.")
    export.copy_skymaps()
    if results:
        export.link_results()
    return sorted(export.written)


class _Export:
    """The state of one export."""

    def __init__(self, butler: Butler, folder: Path, coadd_name: str, form: FileForm) -> None:
        self.butler, self.folder, self.coadd_name, self.form = butler, folder, coadd_name, form
        self.places = {key.format(coadd=f"{coadd_name}Coadd") for key in _TEMPLATES}
        self.prefix = find_prefix(butler)
        self.skymaps: dict[str, SkyMap[Any]] = {}
        self.coadds: list[tuple[DatasetRef, Path]] = []
        self.written: set[Path] = set()

    def copy_all(self, name: str, collections: str | Sequence[str]) -> None:
        kind = f"{self.prefix}{name}"
        if not self.butler.registry.queryDatasetTypes(kind):
            return
        for ref in self.butler.query_datasets(kind, collections, explain=False, limit=None):
            path = self.folder / layout_path(name, coadd_name=self.coadd_name, **self._identity(ref))
            is_coadd = name == f"{self.coadd_name}Coadd"
            self._prepare(path)
            if is_coadd and self.form == "plain":
                write_plain_fits(self.butler.get(ref), path)
            elif self.form == "afw" and ref.datasetType.storageClass_name in _PRODUCTS:
                afw("write").write_afw(self.butler.get(ref), path)
            else:
                with atomic_path(path) as temporary, self.butler.getURI(ref).as_local() as local:
                    shutil.copyfile(local.ospath, temporary)
            if is_coadd:
                self.coadds.append((ref, path))

    def _identity(self, ref: DatasetRef) -> dict[str, Any]:
        return _identity(self.butler, ref, self.skymaps)

    def _prepare(self, path: Path) -> None:
        make_folder(path.parent)
        self.written.add(path)

    def copy_skymaps(self) -> None:
        """Write the sky maps: under the one name of the layout if there is one, else under their own."""
        path = self.folder / layout_path("skyMap", coadd_name=self.coadd_name)
        for name, skymap in self.skymaps.items():
            target = path if len(self.skymaps) == 1 else path.with_stem(f"{path.stem}-{name}")
            self._prepare(target)
            skymap.save(target)

    def link_results(self) -> None:
        name = f"{self.coadd_name}Coadd_calexp"
        for ref, path in self.coadds:
            target = self.folder / layout_path(name, coadd_name=self.coadd_name, **self._identity(ref))
            self._prepare(target)
            _link(path, target)


def link_result(butler: Butler, ref: DatasetRef, folder: str | PathLike[str]) -> Path | None:
    """Put a coadd where the manual says that results are, as a hard link where that is possible.

    Parameters
    ----------
    butler
        The repository.
    ref
        The coadd.
    folder
        The folder in which ``deepCoadd-results`` is.

    Returns
    -------
    `pathlib.Path` or `None`
        The file; `None` for a dataset that is no coadd of such a place.

    Raises
    ------
    OutputError
        Raised when it cannot be written.
    """
    name = ref.datasetType.name.removeprefix(find_prefix(butler))
    coadd_name, is_coadd, rest = name.partition("Coadd")
    if not is_coadd or rest:
        return None
    identity = _identity(butler, ref, {})
    target = Path(folder) / layout_path(f"{coadd_name}Coadd_calexp", coadd_name=coadd_name, **identity)
    make_folder(target.parent)
    with butler.getURI(ref).as_local() as local:
        _link(Path(local.ospath), target)
    return target


def _link(path: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        try:
            temporary.hardlink_to(path)
        except OSError:  # file systems without hard links
            shutil.copyfile(path, temporary)


def _identity(butler: Butler, ref: DatasetRef, skymaps: dict[str, SkyMap[Any]]) -> dict[str, Any]:
    """Return what tells a dataset in the layout; sky maps that are read are kept in ``skymaps``."""
    key: dict[str, Any] = dict(butler.registry.expandDataId(ref.dataId).mapping)
    name = key["skymap"]
    if name not in skymaps:
        skymaps[name] = stored_skymap(butler, name)
    patch = skymaps[name][key["tract"]].patch(key["patch"]).label
    filter_name = key.get("physical_filter") or coadd_filter(butler, ref)
    visit = {"visit": key["visit"]} if "visit" in key else {}
    return {"filter": filter_name, "tract": key["tract"], "patch": patch, **visit}


def coadd_filter(butler: Butler, ref: DatasetRef) -> str:
    """Return the name of the filter that a coadd would have had in the original pipelines.

    That is the physical filter, e.g. ``HSC-I``, if all visits that overlap the
    patch in this band have the same, and otherwise the band.
    """
    key = dict(ref.dataId.mapping)
    records: Iterable[Any] = butler.query_dimension_records(
        "physical_filter", band=key["band"], explain=False
    )
    filters = {record.name for record in records}
    if len(filters) > 1:
        region: dict[str, Any] = {
            name: key[name] for name in ("skymap", "tract", "patch", "band") if name in key
        }
        with butler.query() as query:
            rows = query.where(region).data_ids(("physical_filter", "visit", "patch"))
            filters = {str(row["physical_filter"]) for row in rows}
    return filters.pop() if len(filters) == 1 else str(key["band"])

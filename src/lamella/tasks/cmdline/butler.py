"""Today's Butler in the words of the manual's time."""

from __future__ import annotations

import contextlib
import functools
import logging
import shutil
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from lsst.daf.butler import Butler, DatasetRef, DatasetType, MissingDatasetTypeError
from lsst.daf.butler.registry import ConflictingDefinitionError
from lsst.pipe.base import Instrument, TaskMetadata

from ..datasets import BACKGROUND, DATASETS, Dataset, coadd_datasets, find_prefix, prefixed
from ..failures import dataset_errors
from ..foreign import require_own_types
from ..repository import keeps_results, open_repository
from .data_ref import DataRef
from .keys import KeyTranslator, canonical
from .locations import (
    IN_PLACE,
    Location,
    begin_run,
    inputs_of,
    records_folder,
    remove_runs,
    results_parent,
)
from .property_set import PropertySet
from .records import Records

__all__ = ("CommandButler",)

_LOG = logging.getLogger("lamella.cmdline")

type _Key = tuple[str, tuple[Any, ...]]

_COMPONENTS = {
    "_bbox": ("bbox",),
    "_wcs": ("sky_projection", "projection", "wcs"),
    "_md": ("metadata", "info"),
}
"""Suffixes of the manual's time, and the components that they mean, the first that a dataset has."""


class CommandButler:
    """A repository, read and written with the manual's names of datasets and keys.

    Parameters
    ----------
    location
        Repository, and collections to read and write.
    run
        Run to write to; `None` until `start` makes one.

    Notes
    -----
    What a name and an identifier mean is looked up once, until `forget` is
    called: a command works on the datasets that it finds first.

    A copy in another process opens the repository itself, once for all references.
    """

    def __init__(self, location: Location, run: str | None = None) -> None:
        self.location = location
        self.run = run
        self._opened: Butler | None = None
        self._butler: Butler | None = None
        self._keys: KeyTranslator | None = None
        self._known: dict[_Key, DatasetRef] | None = {}

    def __reduce__(self) -> tuple[Callable[..., CommandButler], tuple[Any, ...]]:
        return _reopen, (self.location, self.run)

    @property
    def root(self) -> str:
        """Root of the repository."""
        return self.location.root

    @property
    def collection(self) -> str:
        """Chained collection of the output."""
        return self.location.chain

    @property
    def butler(self) -> Butler:
        """Today's Butler; it can write when `start` has been called."""
        if self._butler is None:
            collections = inputs_of(self._base, self.location)
            if self.run is not None:  # other commands may add to the chain meanwhile
                collections = list(dict.fromkeys((self.location.chain, *collections)))
            self._butler = self._base.clone(collections=collections, run=self.run)
        return self._butler

    @property
    def _base(self) -> Butler:
        """The opened repository, without collections; its clones share the connection."""
        if self._opened is None:
            self._opened = open_repository(self.root, writeable=self.run is not None)
            self._closer = weakref.finalize(self, self._opened.close)
        return self._opened

    def moveTo(self, location: Location) -> None:
        """Read and write other collections of the same repository, before anything is written."""
        self.location = location
        self._butler = self._keys = None
        self._know_nothing()

    def forget(self) -> None:
        """Look up datasets each time from now on, for those that other processes make."""
        self._known = None

    def _know_nothing(self) -> None:
        if self._known is not None:
            self._known = {}

    @functools.cached_property
    def prefix(self) -> str:
        """Beginning of the names of lamella's dataset types in the repository."""
        return find_prefix(self._base)

    @property
    def keys(self) -> KeyTranslator:
        """Translator of data identifiers."""
        if self._keys is None:
            self._keys = KeyTranslator(self.butler)
        return self._keys

    @property
    def records(self) -> Records:
        """The files about the output that are no datasets."""
        return Records(records_folder(self.location))

    @property
    def overridePaths(self) -> list[str]:
        """Folders with configuration files of the instruments, the most general first."""
        paths: list[str] = []
        for record in self._base.query_dimension_records("instrument", explain=False):
            try:
                instrument = Instrument.from_string(record.class_name)
            except Exception as err:
                _LOG.debug("No configuration files of instrument %s: %s", record.name, err)
                continue
            paths += [str(path) for path in getattr(instrument, "configPaths", ())]
        return list(dict.fromkeys(paths))

    def start(self, clobber: bool = False) -> None:
        """Make a new run for output; does nothing when there is one.

        Parameters
        ----------
        clobber
            Remove first what earlier commands wrote to the same output.
        """
        if self.run is not None:
            return
        self.close()
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self._opened = open_repository(self.root, writeable=True)
            self._closer = weakref.finalize(self, self._opened.close)
            if clobber:
                remove_runs(self._opened, self.location)
                self._know_nothing()
                for folder in ("config", "schema", *((IN_PLACE,) if keeps_results(self.root) else ())):
                    shutil.rmtree(self.records.path(folder), ignore_errors=True)
            self.run = begin_run(self._opened, self.location)
            undo.pop_all()

    def getKeys(self, datasetType: str) -> dict[str, type]:
        """Return the keys that identify a dataset of a type, and the types of their values.

        Raises
        ------
        LookupError
            Raised when there is no such dataset type.
        """
        return KeyTranslator.keys_of(self.datasetType(datasetType).dimensions)

    def datasetType(self, name: str) -> DatasetType:
        """Return a dataset type, of the repository or one that lamella writes.

        Raises
        ------
        LookupError
            Raised when neither knows it.
        """
        name = self._stored_name(name)
        try:
            return self.butler.get_dataset_type(name)
        except MissingDatasetTypeError:
            dataset = _own_dataset(name.removeprefix(self.prefix))
            if dataset is None:
                raise LookupError(f"There is no dataset type {name!r}.") from None
            return prefixed([dataset], self.prefix)[0].make_type(self.butler.dimensions)

    def requireOwnTypes(self, coaddName: str) -> None:
        """Require that the dataset types of a kind of coadd are lamella's, or not there.

        Raises
        ------
        ForeignTypesError
            Raised when other software has types of these names.
        """
        require_own_types(self._base, self.root, prefixed(coadd_datasets(coaddName), self.prefix))

    def _stored_name(self, name: str) -> str:
        """Return the name that a dataset type has in the repository."""
        name, prefix = _today(name), self.prefix
        if not prefix or name.startswith(prefix):
            return name
        composite = name.partition(".")[0]  # the rest names a component
        is_prefixed = _own_dataset(composite) or self._base.registry.queryDatasetTypes(f"{prefix}{composite}")
        return f"{prefix}{name}" if is_prefixed else name

    def dataCoordinate(self, datasetType: str, dataId: Mapping[str, Any] = {}, **rest: Any) -> dict[str, Any]:
        """Return today's data identifier of a dataset."""
        return self.keys.to_gen3(
            self.datasetType(datasetType).dimensions, canonical(dataId) | canonical(rest)
        )

    def get(
        self,
        datasetType: str,
        dataId: Mapping[str, Any] = {},
        immediate: bool = True,
        bbox: Any = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        **rest: Any,
    ) -> Any:
        """Read a dataset; see `DataRef.get`.

        Raises
        ------
        LookupError
            Raised when there is no such dataset.
        LamellaError
            Raised when a file of lamella's cannot be read.
        """
        name, suffix = self._split(datasetType)
        identifier = self.dataCoordinate(name, dataId, **rest)
        if suffix == "_filename":
            primary, components = self.butler.getURIs(name, identifier)
            uris = [primary] if primary is not None else list(components.values())
            return [uri.ospath if uri.isLocal else str(uri) for uri in uris]
        wanted = dict(parameters or {}) | ({} if bbox is None else {"bbox": bbox})
        if suffix in _COMPONENTS:
            has = self.datasetType(name).storageClass.allComponents()
            component = next((component for component in _COMPONENTS[suffix] if component in has), None)
            if component is None:
                raise LookupError(f"{name} has no {suffix.removeprefix('_')}; it has: {', '.join(has)}.")
            name = f"{name}.{component}"
        read = self.butler.get if immediate else self.butler.getDeferred
        with dataset_errors(f"{name} {dict(dataId)}"):
            ref = self._find(name, identifier)
            if ref is None:  # the middleware says so
                return read(name, identifier, parameters=wanted or None)
            dataset = read(ref, parameters=wanted or None)
        return PropertySet.of(dataset) if isinstance(dataset, TaskMetadata) else dataset

    def _find(self, name: str, identifier: Mapping[str, Any]) -> DatasetRef | None:
        """Return the dataset that is meant, or that component of it."""
        parent, component = DatasetType.splitDatasetTypeName(name)
        key = self._key(self.datasetType(parent), identifier)
        ref = None if self._known is None else self._known.get(key)
        if ref is None:
            try:
                ref = self.butler.find_dataset(parent, identifier)
            except (LookupError, TypeError):  # an identifier that lacks a key, or no collections
                return None
            self._note(key, ref)
        return ref if ref is None or component is None else ref.makeComponentRef(component)

    @staticmethod
    def _key(kind: DatasetType, identifier: Mapping[str, Any]) -> _Key:
        """Return what tells a dataset from others of its type."""
        return kind.name, tuple(identifier.get(name) for name in kind.dimensions.required)

    def _note(self, key: _Key, ref: DatasetRef | None) -> None:
        if self._known is not None and ref is not None:
            self._known[key] = ref

    def _split(self, name: str) -> tuple[str, str]:
        """Return the name of a dataset type, and the suffix that says what of it is wanted."""
        for suffix in ("_sub", "_filename", *_COMPONENTS):
            if name.endswith(suffix):
                return self._stored_name(name.removesuffix(suffix)), suffix
        return self._stored_name(name), ""

    def put(self, obj: Any, datasetType: str, dataId: Mapping[str, Any] = {}, **rest: Any) -> None:
        """Write a dataset into the run of this command; what this command wrote before is replaced."""
        self.start()
        kind = self.datasetType(datasetType)
        self.butler.registry.registerDatasetType(kind)
        ref = self._put(obj, kind.name, self.dataCoordinate(kind.name, dataId, **rest))
        if kind.storageClass_name == "LamellaPatchCoadd" and keeps_results(self.root):
            from ..export import link_result

            link_result(self.butler, ref, results_parent(self.location))

    def putMetadata(self, metadata: Any, datasetType: str, ref: DataRef) -> None:
        """Write the metadata of a task that worked on a reference."""
        self.start()
        dimensions = self.datasetType(ref.datasetType).dimensions
        name = f"{self.prefix}{datasetType}"
        self.butler.registry.registerDatasetType(DatasetType(name, dimensions, "TaskMetadata"))
        self._put(metadata, name, self.dataCoordinate(name, ref.dataId))

    def _put(self, obj: Any, name: str, identifier: Mapping[str, Any]) -> DatasetRef:
        if self._known is not None:
            self._known.pop(self._key(self.datasetType(name), identifier), None)
        try:
            return self.butler.put(obj, name, identifier)
        except ConflictingDefinitionError:
            old = self.butler.find_dataset(name, identifier, collections=[self.run or ""])
            if old is None:
                raise
            self.butler.pruneDatasets([old], disassociate=True, unstore=True, purge=True)
            return self.butler.put(obj, name, identifier)

    def datasetExists(
        self, datasetType: str, dataId: Mapping[str, Any] = {}, write: bool = False, **rest: Any
    ) -> bool:
        """Tell whether a dataset can be read (with ``write``: whether this command has written it)."""
        if write and self.run is None:
            return False
        name, _ = self._split(datasetType)
        try:
            identifier = self.dataCoordinate(name, dataId, **rest)
            if write:
                return bool(self.butler.exists(name, identifier, collections=[self.run or ""]))
            ref = self._find(name, identifier)
            return ref is not None and bool(self.butler.exists(ref))
        except LookupError:
            return False

    def dataRef(self, datasetType: str, dataId: Mapping[str, Any] = {}, **rest: Any) -> DataRef:
        """Return a reference, whether or not the dataset exists.

        Raises
        ------
        LookupError
            Raised when the repository has no such patch or filter.
        """
        identifier = self.keys.normal(canonical(dataId) | canonical(rest))
        self.dataCoordinate(datasetType, identifier)
        return DataRef(self, _today(datasetType), identifier)

    def subset(self, datasetType: str, dataId: Mapping[str, Any] = {}, **rest: Any) -> list[DataRef]:
        """Return references to the existing datasets that match, in the order of their identifiers."""
        kind = self.datasetType(datasetType)
        given = canonical(dataId) | canonical(rest)
        try:
            identifier = self.keys.to_gen3(kind.dimensions, given)
            refs = self.butler.query_datasets(kind.name, data_id=identifier, explain=False, limit=None)
        except (LookupError, MissingDatasetTypeError) as err:
            _LOG.warning("%s", err)
            return []
        # Which sky map an exposure is for can be said of it, too, though it has none.
        extra = {"skymap": given["skymap"]} if "skymap" in given else {}
        for ref in refs:
            self._note(self._key(kind, ref.dataId.required), ref)
        coordinates = sorted((ref.dataId for ref in refs), key=lambda item: item.required_values)
        return [DataRef(self, _today(datasetType), self.keys.to_gen2(item) | extra) for item in coordinates]

    def close(self) -> None:
        """Close the connection to the database; the next call opens it again."""
        if self._opened is not None:
            self._closer()
        self._opened = self._butler = self._keys = None


@functools.lru_cache(maxsize=4)
def _reopen(location: Location, run: str | None) -> CommandButler:
    return CommandButler(location, run)


def _own_dataset(name: str) -> Dataset | None:
    """Return what lamella knows of a dataset type without its prefix; `None` where it is not lamella's."""
    coadd_name, coadd, _ = name.partition("Coadd")
    datasets = (*DATASETS, BACKGROUND, *(coadd_datasets(coadd_name) if coadd else ()))
    return next((dataset for dataset in datasets if dataset.name == name), None)


def _today(name: str) -> str:
    """Return today's name of a dataset type."""
    if name.endswith("Coadd_skyMap"):
        return "skyMap"
    return name.removesuffix("_tempExp") + "_directWarp" if name.endswith("Coadd_tempExp") else name

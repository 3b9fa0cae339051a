"""A reference to data of the manual's time: a butler and a data identifier with its old keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ("DataRef",)


class DataRef:
    """Datasets that share a data identifier.

    Parameters
    ----------
    butler
        Where the datasets are.
    datasetType
        Name of the dataset type that the reference was made for; the default of the methods.
    dataId
        Identifier with the manual's keys, e.g. ``{"tract": 0, "patch": "5,4", "filter": "HSC-I"}``.
    """

    def __init__(self, butler: Any, datasetType: str, dataId: Mapping[str, Any]) -> None:
        self.butler = butler
        self.datasetType = datasetType
        self.dataId = dict(dataId)

    def get(
        self, datasetType: str | None = None, immediate: bool = True, bbox: Any = None, **rest: Any
    ) -> Any:
        """Read a dataset.

        Parameters
        ----------
        datasetType
            Name; by default that of the reference.  ``NAME_sub`` with ``bbox`` reads
            a part, ``NAME_bbox``, ``NAME_wcs`` and ``NAME_md`` a component, and
            ``NAME_filename`` the addresses of its files.
        immediate
            `False` returns a handle whose ``get`` reads it.
        bbox
            Part of an image to read.
        **rest
            Further keys, e.g. ``visit=903986``, and ``parameters`` of the storage class.

        Raises
        ------
        LookupError
            Raised when there is no such dataset.
        """
        name = datasetType or self.datasetType
        return self.butler.get(name, self.dataId, immediate=immediate, bbox=bbox, **rest)

    def put(self, obj: Any, datasetType: str | None = None, doBackup: bool = False, **rest: Any) -> None:
        """Write a dataset.

        Parameters
        ----------
        obj
            What to write.
        datasetType
            Name; by default that of the reference.
        doBackup
            Accepted as in the manual's time; what earlier runs wrote is always kept.
        **rest
            Further keys.
        """
        self.butler.put(obj, datasetType or self.datasetType, self.dataId, **rest)

    def datasetExists(self, datasetType: str | None = None, write: bool = False, **rest: Any) -> bool:
        """Tell whether a dataset can be read (with ``write``: whether this run has written it)."""
        name = datasetType or self.datasetType
        return bool(self.butler.datasetExists(name, self.dataId, write=write, **rest))

    def getButler(self) -> Any:
        """Return the butler."""
        return self.butler

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DataRef):
            return NotImplemented
        return (self.datasetType, self.dataId) == (other.datasetType, other.dataId)

    def __hash__(self) -> int:
        return hash((self.datasetType, frozenset(self.dataId.items())))

    def __repr__(self) -> str:
        return f"DataRef(datasetType={self.datasetType!r}, dataId={self.dataId!r})"

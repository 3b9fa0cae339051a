"""What the command-line tasks ask of a repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .data_ref import DataRef
    from .records import Records

__all__ = ("KEY_ALIASES", "OPTIONAL_KEYS", "DataId", "LegacyButler")

KEY_ALIASES = {"detector": "ccd", "band": "filter", "physical_filter": "filter", "exposure": "visit"}
"""Today's names of the manual's keys; both may be typed."""

OPTIONAL_KEYS = frozenset({"skymap", "instrument"})
"""Keys that the manual does not know; they are needed where a repository has several."""

type DataId = Mapping[str, Any]
"""A data identifier with the manual's keys: tract, patch ("5,4"), filter, visit, ccd."""


class LegacyButler(Protocol):
    """A butler in the words of the manual's time.

    It must be picklable, for the tasks of ``-j`` work in other processes.
    """

    @property
    def records(self) -> Records:
        """The files about a run that are no datasets: configuration, schemas, versions."""

    @property
    def overridePaths(self) -> list[str]:
        """Folders with configuration files of the camera, the most general first."""

    def start(self, clobber: bool = False) -> None:
        """Make ready for output; with ``clobber``, remove what earlier runs wrote there."""

    def getKeys(self, datasetType: str) -> dict[str, type]:
        """Return the keys that identify a dataset of a type, and the types of their values."""

    def get(
        self, datasetType: str, dataId: DataId = ..., immediate: bool = True, bbox: Any = None, **rest: Any
    ) -> Any:
        """Read a dataset."""

    def put(self, obj: Any, datasetType: str, dataId: DataId = ..., **rest: Any) -> None:
        """Write a dataset."""

    def putMetadata(self, metadata: Any, datasetType: str, ref: DataRef) -> None:
        """Write the metadata of a task that worked on a reference."""

    def datasetExists(self, datasetType: str, dataId: DataId = ..., write: bool = False, **rest: Any) -> bool:
        """Tell whether a dataset can be read."""

    def dataRef(self, datasetType: str, dataId: DataId = ..., **rest: Any) -> DataRef:
        """Return a reference, whether or not the dataset exists."""

    def subset(self, datasetType: str, dataId: DataId = ..., **rest: Any) -> list[DataRef]:
        """Return references to the existing datasets that match."""

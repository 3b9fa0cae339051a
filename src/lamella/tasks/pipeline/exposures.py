"""Exposures in the Butler as sources; one that cannot be read costs itself only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lsst.daf.butler import DatasetRef, DeferredDatasetHandle

from ...data.coadd import Rejection
from ...data.exposure import Exposure, ExposureId, ExposureInfo
from ...errors import InputError, UnreadableFileError
from ..failures import dataset_errors
from ..stored_exposures import open_stored
from ..visit_records import BAND_STEP

__all__ = ("ExposureHandle", "lost_exposure", "open_handles")

_UNREADABLE = (ValueError, OSError, LookupError)
"""What the Butler raises beside errors of lamella."""


class ExposureHandle:
    """An exposure in the Butler as a `lamella.data.exposure.ExposureSource`.

    Parameters
    ----------
    handle
        Reference to a dataset ``calexp``, or to exposures of other software.
    """

    def __init__(self, handle: DeferredDatasetHandle) -> None:
        self._handle = handle
        self._source = open_stored(handle)
        self.info: ExposureInfo = self._source.info

    @property
    def number(self) -> int:
        """Number of the visit in the repository."""
        return int(self._handle.dataId["visit"])

    def read(self) -> Exposure:
        """Read the pixels.

        Raises
        ------
        UnreadableFileError
            Raised when they cannot be read.
        """
        try:
            with dataset_errors(self.info.path):
                return self._source.read()
        except InputError:
            raise
        except _UNREADABLE as err:
            reason = " ".join(str(err.__cause__ or err).split())
            raise UnreadableFileError(self.info.path, found=reason, expected="an exposure") from err


def open_handles(
    handles: Iterable[DeferredDatasetHandle],
) -> tuple[list[ExposureHandle], list[Rejection]]:
    """Read what is known of exposures without their pixels.

    Parameters
    ----------
    handles
        References to datasets ``calexp``.

    Returns
    -------
    sources : `list` [`ExposureHandle`]
        Those that can be read.
    rejected : `list` [`lamella.data.coadd.Rejection`]
        The others, with the reason.
    """
    sources: list[ExposureHandle] = []
    rejected: list[Rejection] = []
    for handle in handles:
        try:
            with dataset_errors(f"{handle.ref.datasetType.name} {dict(handle.dataId.required)}"):
                sources.append(ExposureHandle(handle))
        except _UNREADABLE as err:
            rejected.append(_unreadable(handle.dataId, err))
    return sources, rejected


def lost_exposure(ref: DatasetRef) -> Rejection:
    """Return the record of an exposure whose file is gone from the repository."""
    return _unreadable(ref.dataId, FileNotFoundError(f"its file in the run {ref.run} is gone"))


def _unreadable(dataId: Any, cause: BaseException) -> Rejection:
    band = str(dataId["band"]) if "band" in dataId else ""
    # A visit that is taken in several bands has other numbers in the repository.
    visit = int(dataId["visit"]) % BAND_STEP
    id = ExposureId(str(dataId["instrument"]), visit, int(dataId["detector"]), band)
    reason = (
        " ".join(str(cause.__cause__ or cause).split()) if not isinstance(cause, InputError) else str(cause)
    )
    return Rejection(id, str(getattr(cause, "path", "")), "read", reason)

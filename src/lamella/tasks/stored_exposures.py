"""Exposures of other software in a repository: what they are, and their pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..data.exposure import Exposure, ExposureInfo, ExposureSource
from ..errors import UnknownFormatError
from ..formats.read_control import ReadControl
from ..formats.recognise import open_exposures
from ..formats.surveys.visit_image import VisitRecords, describe_visit_image, exposure_of_visit_image

if TYPE_CHECKING:
    from lsst.daf.butler import DeferredDatasetHandle
    from lsst.images import VisitImage

__all__ = ("STORAGE_CLASSES", "VISIT_IMAGE", "convert_visit_image", "open_stored")

VISIT_IMAGE, _AFW = "VisitImage", "ExposureF"
STORAGE_CLASSES = {
    "LamellaExposure": "what lamella butler ingest stores, and what can be converted to it",
    VISIT_IMAGE: "visit images of lsst.images",
    _AFW: "files of afw on this machine, which lamella reads itself",
}
"""How exposures may be stored, by the middleware's names."""

_COMPONENTS = ("obs_info", "summary_stats", "bbox", "sky_projection", "bounds")


def open_stored(handle: DeferredDatasetHandle) -> ExposureSource:
    """Return an exposure of a repository; its description is read, and no pixel.

    Parameters
    ----------
    handle
        Reference to a dataset that is asked for by one of the names of `STORAGE_CLASSES`.

    Raises
    ------
    InputError
        Raised when it does not say what a coadd needs, or when a file of afw is not one.
    """
    match handle.ref.datasetType.storageClass_name:
        case "VisitImage":
            return _StoredVisitImage(handle)
        case "ExposureF":
            return _open_afw(handle)
    return _StoredExposure(handle)


class _StoredExposure:
    """What the middleware gives as an exposure of lamella."""

    def __init__(self, handle: DeferredDatasetHandle) -> None:
        self._handle = handle
        self.info: ExposureInfo = handle.get(component="info")

    def read(self) -> Exposure:
        exposure: Exposure = self._handle.get()
        return exposure


class _StoredVisitImage:
    """A visit image."""

    def __init__(self, handle: DeferredDatasetHandle) -> None:
        self._handle = handle
        parts = handle.get(component="components", parameters={"components": list(_COMPONENTS)})
        records = VisitRecords(band=str(handle.dataId["band"]), **parts)
        uri = handle.butler.getURI(handle.ref)
        self.info = describe_visit_image(uri.ospath if uri.isLocal else str(uri), records)

    def read(self) -> Exposure:
        return exposure_of_visit_image(self._handle.get(), self.info, ReadControl())


def _open_afw(handle: DeferredDatasetHandle) -> ExposureSource:
    """Open the file of a dataset without the classes of the stack."""
    uri = handle.butler.getURI(handle.ref)
    if not uri.isLocal:
        raise UnknownFormatError(str(uri), found="a file elsewhere", expected="a file of afw on this machine")
    inputs = open_exposures([Path(uri.ospath)], format="afw")
    for problem in inputs.problems:
        raise problem.error
    (source,) = inputs.sources
    return source


def convert_visit_image(visit_image: VisitImage) -> Exposure:
    """Make an exposure of a visit image, for the middleware, where a task asks for an exposure.

    Raises
    ------
    InputError
        Raised when the visit image does not say what a coadd needs.
    """
    parts = {name: getattr(visit_image, name) for name in _COMPONENTS}
    info = describe_visit_image("a visit image", VisitRecords(band=visit_image.band, **parts))
    return exposure_of_visit_image(visit_image, info, ReadControl())

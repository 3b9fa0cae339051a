"""Visit images of the Rubin Observatory in a repository, as exposures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..data.exposure import Exposure, ExposureInfo
from ..formats.read_control import ReadControl
from ..formats.surveys.visit_image import VisitRecords, describe_visit_image, exposure_of_visit_image

if TYPE_CHECKING:
    from lsst.daf.butler import DeferredDatasetHandle
    from lsst.images import VisitImage

__all__ = ("STORAGE_CLASS", "convert_visit_image", "describe_stored", "exposure_of")

STORAGE_CLASS = "VisitImage"
"""The middleware's name of the type."""

_COMPONENTS = ("obs_info", "summary_stats", "bbox", "sky_projection", "bounds")


def describe_stored(handle: DeferredDatasetHandle) -> ExposureInfo:
    """Return the description of an exposure in a repository, without pixels.

    Parameters
    ----------
    handle
        Reference to a dataset that is asked for as an exposure of lamella, or as a visit image.

    Raises
    ------
    InputError
        Raised when a visit image does not say what a coadd needs.
    """
    if handle.ref.datasetType.storageClass_name != STORAGE_CLASS:
        info: ExposureInfo = handle.get(component="info")
        return info
    parts = handle.get(component="components", parameters={"components": list(_COMPONENTS)})
    uri = handle.butler.getURI(handle.ref)
    records = VisitRecords(band=str(handle.dataId["band"]), **parts)
    return describe_visit_image(uri.ospath if uri.isLocal else str(uri), records)


def exposure_of(value: Any, info: ExposureInfo) -> Exposure:
    """Return what a repository gave as an exposure: one already, or a visit image."""
    return value if isinstance(value, Exposure) else exposure_of_visit_image(value, info, ReadControl())


def convert_visit_image(visit_image: VisitImage) -> Exposure:
    """Make an exposure of a visit image, for the middleware, where a task asks for an exposure.

    Raises
    ------
    InputError
        Raised when the visit image does not say what a coadd needs.
    """
    parts = {name: getattr(visit_image, name) for name in _COMPONENTS}
    records = VisitRecords(band=visit_image.band, **parts)
    return exposure_of(
        visit_image, describe_visit_image(f"a dataset of storage class {STORAGE_CLASS}", records)
    )

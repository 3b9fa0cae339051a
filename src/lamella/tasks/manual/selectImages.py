"""Which exposures go into the coadd of a patch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from astropy.coordinates import SkyCoord
from lsst.images import Box, SkyProjection
from lsst.pex.config import Config
from lsst.pipe.base import Struct
from lsst.utils.timer import timeMethod

from ...coadd.select.select import Selection, select_exposures
from ...coadd.select.select_control import SelectControl
from ...data.coadd import Rejection
from ...data.exposure import ExposureId, ExposureInfo
from ...sky.geometry import SkyPolygon
from ..cmdline.task import Task
from .fields import borrow, borrowed, check_with_core, core_values
from .references import gen3_id

__all__ = (
    "BaseSelectImagesTask",
    "BestSeeingWcsSelectImagesConfig",
    "BestSeeingWcsSelectImagesTask",
    "PsfWcsSelectImagesConfig",
    "PsfWcsSelectImagesTask",
    "SelectStruct",
    "UnreadExposure",
    "WcsSelectImagesConfig",
    "WcsSelectImagesTask",
    "make_select_struct",
    "select_struct_or_reason",
)


@dataclasses.dataclass(frozen=True)
class SelectStruct:
    """An exposure that may be selected.

    Attributes
    ----------
    dataRef
        Its data reference.
    info
        What is known of it without reading pixels.
    """

    dataRef: Any
    info: ExposureInfo

    @property
    def wcs(self) -> SkyProjection[Any]:
        """Pixels to ICRS."""
        return self.info.projection

    @property
    def bbox(self) -> Box:
        """Box of the pixels."""
        return self.info.bbox


def make_select_struct(dataRef: Any) -> SelectStruct:
    """Return an exposure for selection, given its data reference; no pixel is read."""
    return SelectStruct(dataRef, dataRef.get("calexp.info", immediate=True))


@dataclasses.dataclass(frozen=True)
class UnreadExposure:
    """An exposure of which nothing can be read.

    Attributes
    ----------
    dataRef
        Its data reference.
    record
        Why it is left out.
    """

    dataRef: Any
    record: Rejection


def select_struct_or_reason(dataRef: Any) -> SelectStruct | UnreadExposure:
    """Return an exposure for selection, or why it cannot be selected, given its data reference."""
    try:
        return make_select_struct(dataRef)
    except (LookupError, OSError, ValueError) as err:
        given = gen3_id(dataRef, "calexp") or dataRef.dataId
        detector = given.get("detector", given.get("ccd", 0))
        id = ExposureId(str(given.get("instrument", "")), int(given["visit"]), int(detector))
        reason = " ".join(str(err).split())
        return UnreadExposure(dataRef, Rejection(id, str(getattr(err, "path", "")), "read", reason))


class BaseSelectImagesTask(Task):
    """What all tasks that select exposures have in common."""

    ConfigClass: ClassVar[type[Config]] = Config
    _DefaultName = "selectImages"

    def run(self, *args: Any, **kwargs: Any) -> Struct:
        """Select; each kind of task takes what it needs."""
        raise NotImplementedError(f"{type(self).__name__} does not select by itself.")


class WcsSelectImagesConfig(Config):
    """Which exposures are left out although they overlap the patch."""

    excludeDetectors = borrow(SelectControl, "exclude_detectors")

    def validate(self) -> None:
        """Check the options one by one, and together as the core does."""
        super().validate()
        check_with_core(self, borrowed(self, SelectControl))

    def toCore(self) -> SelectControl:
        """Return the core's form of this."""
        return SelectControl(**core_values(self, SelectControl))


class WcsSelectImagesTask(BaseSelectImagesTask):
    """Selects the exposures that overlap a region of the sky."""

    ConfigClass = WcsSelectImagesConfig
    _DefaultName = "WcsSelectImages"
    config: WcsSelectImagesConfig

    @timeMethod
    def runDataRef(
        self,
        dataRef: Any,
        coordList: Any,
        makeDataRefList: bool = True,
        selectDataList: Sequence[SelectStruct] = (),
    ) -> Struct:
        """Select data references of exposures.

        Parameters
        ----------
        dataRef
            Data reference of the patch; not used here.
        coordList
            Sky coordinates, whose convex hull is the region.
        makeDataRefList
            Whether to return data references.
        selectDataList
            Exposures to select from.

        Returns
        -------
        lsst.pipe.base.Struct
            ``dataRefList``: of what was selected, or `None`; ``exposureInfoList``: its
            `SelectStruct` records; ``deselected``: records of the others, with reasons.
        """
        selection = self.select([item.info for item in selectDataList], coordList)
        for item in selection.rejected:
            self.log.info("Leaving out %s: %s", item.info.id, item.reason)
        kept = {info.id for info in selection.kept}
        chosen = [item for item in selectDataList if item.info.id in kept]
        chosen.sort(key=lambda item: item.info.id)
        return Struct(
            dataRefList=[item.dataRef for item in chosen] if makeDataRefList else None,
            exposureInfoList=chosen,
            deselected=list(selection.rejected),
        )

    def run(  # type: ignore[override]
        self,
        wcsList: Sequence[SkyProjection[Any]],
        bboxList: Sequence[Box],
        coordList: Any,
        dataIds: Sequence[Any] | None = None,
    ) -> list[int]:
        """Select by geometry alone.

        Parameters
        ----------
        wcsList, bboxList
            Projection and pixel box of each exposure.
        coordList
            Sky coordinates, whose convex hull is the region.
        dataIds
            Identities, for messages.

        Returns
        -------
        list of int
            Indices of the exposures that overlap the region.
        """
        labels = [str(label) for label in (dataIds if dataIds is not None else range(len(wcsList)))]
        images = zip(labels, wcsList, bboxList, strict=True)
        infos = [
            ExposureInfo(id=ExposureId("", index, 0), path=label, band="", bbox=bbox, projection=wcs)
            for index, (label, wcs, bbox) in enumerate(images)
        ]
        region = _region(coordList)
        selection = select_exposures(infos, region, SelectControl())
        return [info.id.visit for info in selection.kept]

    def select(self, infos: Sequence[ExposureInfo], coordList: Any) -> Selection:
        """Select records of exposures; see `lamella.select_exposures`."""
        return select_exposures(infos, _region(coordList), self.config.toCore())


def _region(coordList: Any) -> SkyPolygon:
    if isinstance(coordList, SkyPolygon):
        return coordList
    if isinstance(coordList, SkyCoord | np.ndarray):
        return SkyPolygon.hull(coordList)
    return SkyPolygon.hull(SkyCoord(list(coordList)))


class PsfWcsSelectImagesConfig(WcsSelectImagesConfig):
    """Limits on the quality of the PSF."""

    maxPsfFwhm = borrow(SelectControl, "max_psf_fwhm")
    maxPsfTraceRadiusDelta = borrow(SelectControl, "max_trace_radius_delta")
    maxPsfApFluxDelta = borrow(SelectControl, "max_aperture_flux_delta")
    maxPsfApCorrSigmaScaledDelta = borrow(SelectControl, "max_aperture_correction_delta")
    minNPsfStarPerBand = borrow(SelectControl, "min_psf_stars")
    maxStarEPerBand = borrow(SelectControl, "max_star_ellipticity")
    maxStarUnNormalizedEPerBand = borrow(SelectControl, "max_star_unnormalized_ellipticity")
    maxEllipResidual = borrow(SelectControl, "max_ellipticity_residual", default=0.007)
    maxSizeScatter = borrow(SelectControl, "max_size_scatter")
    maxScaledSizeScatter = borrow(SelectControl, "max_scaled_size_scatter", default=0.009)
    requireKnown = borrow(SelectControl, "require_known", default=True)


class PsfWcsSelectImagesTask(WcsSelectImagesTask):
    """Selects the exposures that overlap a region and have a good model of their PSF."""

    ConfigClass = PsfWcsSelectImagesConfig
    _DefaultName = "PsfWcsSelectImages"


class BestSeeingWcsSelectImagesConfig(WcsSelectImagesConfig):
    """How many visits are used, and the limits of their seeing."""

    nImagesMax = borrow(SelectControl, "max_visits", default=5)
    maxPsfFwhm = borrow(SelectControl, "max_psf_fwhm_pixels", default=5.0)
    minPsfFwhm = borrow(SelectControl, "min_psf_fwhm_pixels", default=0.0)


class BestSeeingWcsSelectImagesTask(WcsSelectImagesTask):
    """Selects, of the visits that overlap a region, those of the best seeing."""

    ConfigClass = BestSeeingWcsSelectImagesConfig
    _DefaultName = "BestSeeingWcsSelectImages"

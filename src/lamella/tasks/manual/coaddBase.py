"""What the tasks that make warps and coadds have in common."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import shapely
from lsst.images import Box, Image, MaskedImage, Polygon
from lsst.images.fields import BaseField
from lsst.pex.config import Config, ConfigField, ConfigurableField, Field, FieldValidationError, ListField
from lsst.pipe.base import Struct

from ...data.coadd import Rejection
from ...data.exposure import Exposure
from ...data.inputs import CoaddTarget
from ...errors import GeometryError, MissingPartError, PixelTypeError, ShapeError
from ...planes import Layout, is_standard, suggestion
from ...psf.match_control import ModelPsfConfig as CoreModelPsf
from ...sky.footprint import box_polygon
from ...sky.skymap import SkyMap
from ..cmdline.argument_parser import ArgumentParser
from ..cmdline.data_ids import CoaddDataIdContainer, DataIdContainer
from ..cmdline.runner import TaskRunner
from ..cmdline.task import CmdLineTask
from .coaddInputRecorder import CoaddInputRecorderTask, CoaddInputs
from .maskPlanes import plane_layout
from .references import gen3_id
from .selectImages import (
    SelectStruct,
    UnreadExposure,
    WcsSelectImagesTask,
    make_select_struct,
    select_struct_or_reason,
)

__all__ = (
    "CoaddBaseConfig",
    "CoaddBaseTask",
    "CoaddTaskRunner",
    "ModelPsfConfig",
    "SelectDataIdContainer",
    "SelectStruct",
    "getSkyInfo",
    "makeSkyInfo",
    "refuse",
)


class ModelPsfConfig(Config):
    """The PSF that warps are matched to."""

    defaultFwhm = Field[float](
        "Full width at half maximum [pixel]", default=3.0, check=lambda width: width > 0
    )
    size = Field[int]("Width of the stamp; unset: found from the width of the PSF [pixel]", optional=True)
    sizeFactor = Field[float]("Width of the stamp in units of the width of the PSF", default=3.0)
    minSize = Field[int]("Smallest width of the stamp [pixel]", default=5, optional=True)
    maxSize = Field[int]("Largest width of the stamp [pixel]", optional=True)
    addWing = Field[bool]("Add a wider Gaussian", default=True)
    wingFwhmFactor = Field[float]("Width of the wider Gaussian in units of the narrower", default=2.5)
    wingAmplitude = Field[float]("Amplitude of the wider Gaussian in units of the narrower", default=0.1)

    def toCore(self) -> CoreModelPsf:
        """Return the core's form of this, without the width of the PSF."""
        return CoreModelPsf(
            size=self.size,
            size_factor=self.sizeFactor,
            min_size=self.minSize or 1,
            max_size=self.maxSize,
            add_wing=self.addWing,
            wing_fwhm_factor=self.wingFwhmFactor,
            wing_amplitude=self.wingAmplitude,
        )


class CoaddBaseConfig(Config):
    """Options of all tasks that make warps or coadds."""

    coaddName = Field[str](
        'Kind of coadd, the beginning of the names of its datasets: "deep"', default="deep"
    )
    select: Any = ConfigurableField("Which exposures are used", target=WcsSelectImagesTask)
    badMaskPlanes = ListField[str]("Pixels with one of these planes are left out", default=["NO_DATA"])
    inputRecorder: Any = ConfigurableField("What is recorded of the inputs", target=CoaddInputRecorderTask)
    doPsfMatch = Field[bool]("Match the PSFs of the warps; the older form of warpType", default=False)
    modelPsf: Any = ConfigField("The PSF that warps are matched to", ModelPsfConfig)
    doApplyUberCal = Field[bool]("Apply the calibration of meas_mosaic", default=False)
    doApplyExternalPhotoCalib = Field[bool]("Replace the photometric calibration of exposures", default=False)
    doApplyExternalSkyWcs = Field[bool]("Replace the astrometric calibration of exposures", default=False)
    includeCalibVar = Field[bool]("Add the variance of the photometric calibration", default=False)
    matchingKernelSize = Field[int](
        "Width of the kernel of PSF matching [pixel]",
        default=21,
        check=lambda size: size > 0 and size % 2 == 1,
    )

    def validate(self) -> None:
        """Check the options, and refuse those whose data no repository of ours has."""
        super().validate()
        for name, reason in _NOT_HERE.items():
            if getattr(self, name):
                refuse(self, name, reason)


_NOT_HERE = {
    "doApplyUberCal": "the calibration of meas_mosaic cannot be applied; exposures are read calibrated",
    "doApplyExternalPhotoCalib": "exposures bring their own calibration; there is no other one to apply",
    "doApplyExternalSkyWcs": "exposures bring their own projection; there is no other one to apply",
    "includeCalibVar": "the variance of the photometric calibration of exposures is not known",
}


def refuse(config: Config, name: str, reason: str) -> None:
    """Raise a `lsst.pex.config.FieldValidationError` about a field."""
    raise FieldValidationError(config._fields[name], config, reason)


class SelectDataIdContainer(DataIdContainer):
    """The exposures of ``--selectId``, with what is needed to select among them."""

    def __init__(self) -> None:
        super().__init__()
        self.dataList: list[SelectStruct] = []
        self.unread: list[UnreadExposure] = []

    def makeDataRefList(self, namespace: argparse.Namespace) -> None:
        """Fill ``refList`` and ``dataList``; an exposure that cannot be read is warned of, in ``unread``."""
        super().makeDataRefList(namespace)
        records = [select_struct_or_reason(ref) for ref in self.refList]
        self.dataList = [record for record in records if isinstance(record, SelectStruct)]
        self.unread = [record for record in records if isinstance(record, UnreadExposure)]
        for item in self.unread:
            text = "Leaving out %s, which cannot be read: %s"
            namespace.log.warning(text, item.dataRef.dataId, item.record.reason)


class CoaddTaskRunner(TaskRunner):
    """Gives each patch the exposures of ``--selectId``."""

    @staticmethod
    def getTargetList(parsedCmd: Any, **kwargs: Any) -> list[tuple[Any, dict[str, Any]]]:
        """Return the patches with their arguments."""
        exposures = [*parsedCmd.selectId.dataList, *getattr(parsedCmd.selectId, "unread", ())]
        return TaskRunner.getTargetList(parsedCmd, selectDataList=exposures, **kwargs)


class CoaddBaseTask(CmdLineTask):
    """Base of the tasks that make warps and coadds."""

    ConfigClass: ClassVar[type[CoaddBaseConfig]] = CoaddBaseConfig
    _DefaultName = "coaddBase"
    RunnerClass = CoaddTaskRunner
    config: CoaddBaseConfig
    select: Any
    inputRecorder: Any
    # Nothing to coadd is told to the shell, see the manual's page on exit status.
    noneMeansNothing = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.makeSubtask("select")
        self.makeSubtask("inputRecorder")
        self.deselected: list[Rejection] = []
        """Exposures that overlap the patch of the last `selectExposures` and were not selected."""

    def selectExposures(
        self, patchRef: Any, skyInfo: Struct | None = None, selectDataList: Sequence[Any] = ()
    ) -> list[Any]:
        """Select the exposures that overlap a patch.

        Parameters
        ----------
        patchRef
            Data reference of the patch.
        skyInfo
            The patch, as `getSkyInfo` returns it; found from ``patchRef`` if not given.
        selectDataList
            Exposures to select from; data references do as well.  An `UnreadExposure` is recorded only.

        Returns
        -------
        list
            Data references, in the order of instrument, visit and detector.
        """
        skyInfo = skyInfo or self.getSkyInfo(patchRef)
        unread = [item for item in selectDataList if isinstance(item, UnreadExposure)]
        records = [
            item if isinstance(item, SelectStruct) else make_select_struct(item)
            for item in selectDataList
            if not isinstance(item, UnreadExposure)
        ]
        border = box_polygon(skyInfo.wcs, skyInfo.bbox)
        chosen = self.select.runDataRef(patchRef, border, selectDataList=records)
        others = getattr(chosen, "deselected", ())  # a task of a user need not tell
        self.deselected = [item.record() for item in others if item.code != "footprint"]
        self.deselected += [item.record for item in unread]
        return list(chosen.dataRefList)

    def getSkyInfo(self, patchRef: Any) -> Struct:
        """Return sky map, tract, patch, projection and box of a patch; see `makeSkyInfo`."""
        return getSkyInfo(coaddName=self.config.coaddName, patchRef=patchRef)

    def getCalExp(self, dataRef: Any, bgSubtracted: bool) -> Exposure:
        """Read a calibrated exposure.

        Parameters
        ----------
        dataRef
            Its data reference.
        bgSubtracted
            Whether to leave the sky subtracted; otherwise the dataset ``calexpBackground`` is added.

        Raises
        ------
        MissingPartError
            Raised when the background is asked for and there is none.
        ShapeError, PixelTypeError
            Raised when it does not cover the pixels, or is something else; see `add_background`.
        """
        exposure: Exposure = dataRef.get("calexp", immediate=True)
        if bgSubtracted:
            return exposure
        if not dataRef.datasetExists("calexpBackground"):
            raise MissingPartError(
                str(dataRef.dataId),
                found="no dataset calexpBackground",
                expected="the sky that was subtracted",
            )
        return add_background(exposure, dataRef.get("calexpBackground", immediate=True))

    def getCoaddDatasetName(self, warpType: str = "direct") -> str:
        """Return the name of the dataset type of coadds of a kind of warps.

        Parameters
        ----------
        warpType
            "direct" or "psfMatched".
        """
        suffix = "" if warpType == "direct" else warpType[0].upper() + warpType[1:]
        return f"{self.config.coaddName}Coadd{suffix}"

    def getTempExpDatasetName(self, warpType: str = "direct") -> str:
        """Return the name of the dataset type of a kind of warps.

        Parameters
        ----------
        warpType
            "direct" or "psfMatched".
        """
        return f"{self.config.coaddName}Coadd_{warpType}Warp"

    def getTempExpRefList(self, patchRef: Any, calExpRefList: Sequence[Any]) -> list[Any]:
        """Return references to the warps of some exposures on a patch, one per visit.

        Parameters
        ----------
        patchRef
            Data reference of the patch.
        calExpRefList
            Data references of the exposures.

        Returns
        -------
        list
            Data references, in order of the visits; whether the warps exist is found out later.
        """
        butler = patchRef.getButler()
        name = self.getTempExpDatasetName(getattr(self, "warpType", "direct"))
        groups = groupPatchExposures(patchRef, calExpRefList, self.getCoaddDatasetName(), name)
        return [butler.dataRef(name, dataId) for dataId, _ in groups]

    def getBand(self, patchRef: Any) -> str | None:
        """Return the band of a patch, which its data identifier may name by a filter.

        Parameters
        ----------
        patchRef
            Data reference of the patch.

        Returns
        -------
        str or `None`
            `None` when the identifier has no filter, or the butler does not translate it.
        """
        if "filter" not in patchRef.dataId:
            return None
        band = (gen3_id(patchRef, self.getCoaddDatasetName()) or {}).get("band")
        return None if band is None else str(band)

    def getBadPixelMask(self) -> int:
        """Return the bits of the planes of ``config.badMaskPlanes``, in `lamella.planes.make_schema`.

        A plane that is no standard one has a bit behind those, and may be there in the
        warps; a name that is much like that of a standard plane is warned of.

        Raises
        ------
        MaskPlaneError
            Raised when there are more planes than bits.
        """
        for name in self.config.badMaskPlanes:
            if not is_standard(name) and (hint := suggestion(name)):
                self.log.warning("badMaskPlanes names %s, which is no standard plane%s", name, hint)
        return self._layout.bits(self.config.badMaskPlanes)

    @property
    def _layout(self) -> Layout:
        """Bits of the planes that the options name."""
        return plane_layout(self.config.badMaskPlanes, getattr(self.config, "maskPropagationThresholds", ()))

    def shrinkValidPolygons(self, coaddInputs: CoaddInputs) -> None:
        """Shrink the valid polygons of detectors in place, by half of the matching kernel.

        Each becomes what it has in common with its bounding box, shrunk on all
        sides; a detector without a polygon gets the shrunk box of its pixels.

        Parameters
        ----------
        coaddInputs
            Records whose ``ccds`` are replaced.

        Raises
        ------
        GeometryError
            Raised when nothing is left, or when a polygon falls into pieces.
        """
        border = self.config.matchingKernelSize // 2
        shrunk = []
        for ccd in coaddInputs.ccds:
            polygon = ccd.polygon or Polygon.from_box(ccd.bbox)
            x, y = polygon.x_vertices, polygon.y_vertices
            limits = shapely.box(x.min() + border, y.min() + border, x.max() - border, y.max() - border)
            inside = min(x.max() - x.min(), y.max() - y.min()) > 2 * border
            left = polygon.to_shapely().intersection(limits) if inside else shapely.Polygon()
            if not isinstance(left, shapely.Polygon) or left.is_empty:
                text = f"{ccd.id}: shrinking its polygon by {border} pixels leaves {left.geom_type}."
                raise GeometryError(text)
            px, py = left.exterior.coords.xy
            polygon = Polygon(x_vertices=px[:-1], y_vertices=py[:-1])
            shrunk.append(dataclasses.replace(ccd, polygon=polygon))
        coaddInputs.ccds[:] = shrunk

    @classmethod
    def _makeArgumentParser(cls) -> ArgumentParser:
        parser = cls._newParser()
        parser.add_id_argument(
            "--id",
            f"{cls.ConfigClass().coaddName}Coadd",
            help="the patch, e.g. --id tract=12 patch=1,2 filter=r",
            ContainerClass=CoaddDataIdContainer,
        )
        parser.add_id_argument(
            "--selectId",
            "calexp",
            help="exposures to use, e.g. --selectId visit=6789 ccd=0..9",
            ContainerClass=SelectDataIdContainer,
        )
        return parser

    def _getConfigName(self) -> str | None:
        return f"{self.config.coaddName}_{self._DefaultName}_config"

    def _getMetadataName(self) -> str | None:
        return f"{self.config.coaddName}_{self._DefaultName}_metadata"


def getSkyInfo(coaddName: str, patchRef: Any) -> Struct:
    """Return where a patch lies, given its data reference; see `makeSkyInfo`."""
    skyMap = patchRef.get(f"{coaddName}Coadd_skyMap", immediate=True)
    return makeSkyInfo(skyMap, patchRef.dataId["tract"], patchRef.dataId["patch"])


def makeSkyInfo(skyMap: SkyMap[Any], tractId: int, patchId: str | tuple[int, int] | int) -> Struct:
    """Return where a patch lies.

    Parameters
    ----------
    skyMap
        The sky map.
    tractId
        Number of the tract.
    patchId
        Label "5,4", index (5, 4), or number of the patch.

    Returns
    -------
    lsst.pipe.base.Struct
        ``skyMap``; ``tractInfo``, a `lamella.sky.tract.Tract`; ``patchInfo``, a
        `lamella.sky.tract.Patch`; ``wcs``, the projection of the tract; ``bbox``,
        the outer box of the patch.
    """
    tract = skyMap[int(tractId)]
    patch = tract.patch(patchId)
    return Struct(
        skyMap=skyMap, tractInfo=tract, patchInfo=patch, wcs=tract.projection, bbox=patch.outer_bbox
    )


def coadd_target(skyInfo: Struct) -> CoaddTarget:
    """Return what `makeSkyInfo` returned in the form that the core has for it.

    A struct with ``wcs`` and ``bbox`` alone is enough.
    """
    patch = getattr(skyInfo, "patchInfo", None)
    if patch is None:
        return CoaddTarget(outer_bbox=skyInfo.bbox, projection=skyInfo.wcs)
    return CoaddTarget(
        outer_bbox=skyInfo.bbox,
        projection=skyInfo.wcs,
        inner_bbox=patch.inner_bbox,
        skymap=patch.skymap,
        tract=patch.tract,
        patch=patch.index,
    )


def groupPatchExposures(
    patchRef: Any, calExpRefList: Sequence[Any], coaddName: str, warpName: str
) -> list[tuple[dict[str, Any], list[Any]]]:
    """Group exposures by the warp that they go into.

    Parameters
    ----------
    patchRef
        Data reference of the patch.
    calExpRefList
        Data references of the exposures.
    coaddName, warpName
        Names of the dataset types; the keys that only the warp has are what
        exposures are grouped by.

    Returns
    -------
    list of tuple
        Identifier of each warp, and its exposures; in order of the values of the keys.
    """
    butler = patchRef.getButler()
    patch_keys = butler.getKeys(coaddName)
    keys = sorted(set(butler.getKeys(warpName)) - set(patch_keys))
    # Where a repository has several instruments or sky maps, identifiers say which.
    if any("instrument" in ref.dataId for ref in calExpRefList):
        keys = ["instrument", *keys]
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for ref in calExpRefList:
        groups.setdefault(tuple(ref.dataId[key] for key in keys), []).append(ref)
    patch_id = {key: patchRef.dataId[key] for key in (*patch_keys, "skymap") if key in patchRef.dataId}
    return [({**patch_id, **dict(zip(keys, group, strict=True))}, groups[group]) for group in sorted(groups)]


def add_background(exposure: Exposure, background: Any, sign: float = 1.0) -> Exposure:
    """Return an exposure with a model of the sky added to its image.

    Parameters
    ----------
    exposure
        The exposure; it is not changed.
    background
        What was subtracted from its pixels, in their unit: a
        `lamella.formats.afw.background.Background`, or anything else whose ``image(box)`` returns an
        `lsst.images.Image`; a field over the pixels; an image that covers them; an array of their
        shape (y, x); or one number.
    sign
        -1 to subtract it instead.

    Raises
    ------
    ShapeError
        Raised when the model does not cover the pixels.
    PixelTypeError
        Raised when it is something else.
    """
    pixels = exposure.pixels
    sky = sky_of(background, pixels.bbox, exposure.info.path)
    image = Image(
        (pixels.image.array + sign * sky).astype(pixels.image.array.dtype),
        bbox=pixels.bbox,
        unit=pixels.unit,
        sky_projection=pixels.sky_projection,
    )
    return dataclasses.replace(
        exposure, pixels=MaskedImage(image, mask=pixels.mask, variance=pixels.variance)
    )


def sky_of(background: Any, bbox: Box, path: str) -> np.ndarray:
    """Return a model of the sky at the pixels of a box: an array of shape (y, x), or of no axis.

    Parameters
    ----------
    background
        As `add_background` takes it.
    bbox
        The box.
    path
        The file of the exposure, for messages.

    Raises
    ------
    ShapeError, PixelTypeError
        Raised as by `add_background`.
    """
    name = f"The background of {path}"
    if isinstance(background, BaseField):
        return background.render(bbox, dtype=np.float64).array
    if callable(getattr(background, "image", None)):
        return np.asarray(background.image(bbox).array)
    if isinstance(background, Image | MaskedImage):
        plane = background.image if isinstance(background, MaskedImage) else background
        if not plane.bbox.contains(bbox):
            raise ShapeError(name, found=plane.bbox, expected=f"a box around {bbox}")
        return plane[bbox].array
    sky = np.asarray(background)
    if sky.dtype.kind not in "iuf":
        raise PixelTypeError(name, found=type(background).__name__, expected="numbers, an image, or a model")
    if sky.shape not in ((), bbox.shape):
        raise ShapeError(name, found=sky.shape, expected=bbox.shape)
    return sky

"""Photometric scale of warps: tasks that find the factor, and objects that apply it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from lsst.images import MaskedImage
from lsst.images.fields import BaseField
from lsst.pex.config import ChoiceField, Config, ConfigurableField, Field
from lsst.pipe.base import Struct
from lsst.utils.timer import timeMethod

from ...data.exposure import Exposure
from ...data.flux_unit import NJY
from ...data.photometry import AB_FLUX_NJY, mean_scale, scale_from_flux_mag0
from ...errors import CalibrationError, NoInputsError, ShapeError
from ..cmdline.task import Task
from .selectImages import BaseSelectImagesTask

__all__ = (
    "ImageScaler",
    "PhotoCalib",
    "ScaleZeroPointConfig",
    "ScaleZeroPointTask",
    "SpatialImageScaler",
    "SpatialScaleZeroPointConfig",
    "SpatialScaleZeroPointTask",
)


@dataclasses.dataclass(frozen=True)
class PhotoCalib:
    """A photometric scale that is the same for all pixels.

    Attributes
    ----------
    njy_per_count
        Flux of one count, in nJy.
    """

    njy_per_count: float

    @classmethod
    def from_flux_mag0(cls, fluxMag0: float) -> PhotoCalib:
        """Make the scale of images in which a source of AB magnitude 0 has this many counts."""
        if not 0.0 < fluxMag0 < math.inf:
            raise CalibrationError(f"The counts at magnitude 0 are {fluxMag0}; expected a positive number.")
        return cls(AB_FLUX_NJY / fluxMag0)

    @classmethod
    def from_exposure(cls, exposure: Any) -> PhotoCalib:
        """Return the scale of an exposure, or of a warp, as its units tell.

        Raises
        ------
        CalibrationError
            Raised when the exposure is neither in nJy nor tells its scale, or has no zero point.
        """
        if isinstance(exposure, Exposure):
            if note := exposure.info.flux_unit.note:
                raise CalibrationError(f"{exposure.info.path}: {note}", path=exposure.info.path)
            scale: Any = exposure.to_njy
            if isinstance(scale, BaseField):
                bbox = exposure.pixels.bbox
                scale = scale(x=np.array(bbox.x.center), y=np.array(bbox.y.center))
            return cls(float(scale))
        if note := getattr(exposure, "flux_unit", NJY).note:
            raise CalibrationError(note)
        unit = exposure.unit
        if unit is not None and unit.is_equivalent(u.nJy):
            return cls(float(unit.to(u.nJy)))
        flux = exposure.metadata.native.get("fluxMag0")
        if flux is None:
            raise CalibrationError(f"Pixels are in {unit}, without a number fluxMag0; expected nJy.")
        return cls.from_flux_mag0(float(flux))

    def getFluxMag0(self) -> float:
        """Return the counts of a source of AB magnitude 0."""
        return AB_FLUX_NJY / self.njy_per_count

    def getInstFluxAtZeroMagnitude(self) -> float:
        """Return the counts of a source of AB magnitude 0."""
        return self.getFluxMag0()

    def getCalibrationMean(self) -> float:
        """Return the flux of one count, in nJy."""
        return self.njy_per_count

    def instFluxToMagnitude(self, instFlux: float) -> float:
        """Return the AB magnitude of a source of so many counts."""
        return -2.5 * math.log10(instFlux / self.getFluxMag0())

    def getMagnitude(self, instFlux: float) -> float:
        """Return the AB magnitude of a source of so many counts."""
        return self.instFluxToMagnitude(instFlux)

    def magnitudeToInstFlux(self, magnitude: float) -> float:
        """Return the counts of a source of an AB magnitude."""
        return float(self.getFluxMag0() * 10.0 ** (-0.4 * magnitude))


class ImageScaler:
    """Multiplies an image by a factor, and its variance by the square.

    Parameters
    ----------
    scale
        The factor.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale

    @property
    def scale(self) -> float:
        """The factor."""
        return self._scale

    def scaleMaskedImage(self, maskedImage: MaskedImage) -> None:
        """Scale an image in place."""
        factor = self.scale
        if factor == 1.0:
            return
        # In single precision, as the core scales its inputs.
        single = np.float32(factor)
        maskedImage.image.array[...] *= single
        maskedImage.variance.array[...] *= single * single


class SpatialImageScaler(ImageScaler):
    """Multiplies an image by the mean of the factors that are known at some points.

    Parameters
    ----------
    interpStyle
        How the factor is found between the points; "CONSTANT" is the mean.
    xList, yList
        Positions in pixels.
    scaleList
        Factor at each position.

    Raises
    ------
    ShapeError
        Raised when the lists differ in length.
    NoInputsError
        Raised when there is no point.
    """

    def __init__(
        self, interpStyle: str, xList: Sequence[float], yList: Sequence[float], scaleList: Sequence[float]
    ) -> None:
        for name, values in (("xList", xList), ("yList", yList)):
            if len(values) != len(scaleList):
                raise ShapeError(name, found=(len(values),), expected=(len(scaleList),))
        super().__init__(mean_scale(scaleList))
        self.interpStyle = interpStyle
        self.xList, self.yList, self.scaleList = list(xList), list(yList), list(scaleList)


class ScaleZeroPointConfig(Config):
    """To which zero point images are scaled."""

    zeroPoint = Field[float]("Zero point that images are scaled to [mag]", default=27.0)


class ScaleZeroPointTask(Task):
    """Finds the factor that takes an exposure to the zero point of the coadd."""

    ConfigClass: ClassVar[type[Config]] = ScaleZeroPointConfig
    _DefaultName = "scaleZeroPoint"
    config: ScaleZeroPointConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._photoCalib = PhotoCalib.from_flux_mag0(10.0 ** (0.4 * self.config.zeroPoint))

    @timeMethod
    def run(self, exposure: Any, dataRef: Any = None) -> Struct:
        """Scale an exposure in place.

        Parameters
        ----------
        exposure
            A warp, or another image in nJy or with a number ``fluxMag0`` in its metadata.
        dataRef
            Its data reference, where the factor depends on it.

        Returns
        -------
        lsst.pipe.base.Struct
            ``imageScaler``: what was applied.
        """
        imageScaler = self.computeImageScaler(exposure, dataRef)
        imageScaler.scaleMaskedImage(exposure)
        return Struct(imageScaler=imageScaler)

    def computeImageScaler(self, exposure: Any, dataRef: Any = None) -> ImageScaler:
        """Return what scales an exposure to the zero point of the coadd."""
        return ImageScaler(self.scaleFromPhotoCalib(PhotoCalib.from_exposure(exposure)).scale)

    def getPhotoCalib(self) -> PhotoCalib:
        """Return the photometric scale of scaled images."""
        return self._photoCalib

    def getCalib(self) -> PhotoCalib:
        """Return the photometric scale of scaled images; the older name."""
        return self._photoCalib

    def scaleFromPhotoCalib(self, calib: PhotoCalib) -> Struct:
        """Return a struct with the factor ``scale`` for images of a photometric scale."""
        return Struct(scale=self.scaleFromFluxMag0(calib.getFluxMag0()).scale)

    def scaleFromCalib(self, calib: PhotoCalib) -> Struct:
        """Return a struct with the factor ``scale``; the older name of `scaleFromPhotoCalib`."""
        return self.scaleFromPhotoCalib(calib)

    def scaleFromFluxMag0(self, fluxMag0: float) -> Struct:
        """Return a struct with the factor ``scale`` for images with so many counts at magnitude 0."""
        return Struct(scale=scale_from_flux_mag0(fluxMag0, self.config.zeroPoint))


class SelectFluxMag0Task(BaseSelectImagesTask):
    """Where a retargeted task would look up photometric scales; this one knows of none."""

    def run(self, dataId: Any, coordList: Sequence[SkyCoord] = ()) -> Struct:
        """Say that there is no list of photometric scales.

        Raises
        ------
        NoInputsError
            Raised always.
        """
        raise NoInputsError(
            "The spatially varying zero point needs a list of scales: retarget selectFluxMag0 to a task "
            "whose run(dataId) returns a struct with fluxMagInfoList."
        )


class SpatialScaleZeroPointConfig(ScaleZeroPointConfig):
    """To which zero point images are scaled, and where scales come from."""

    selectFluxMag0: Any = ConfigurableField(
        "Task that finds scales within an image", target=SelectFluxMag0Task
    )
    interpStyle = ChoiceField[str](
        "How the factor is found between the points",
        default="CONSTANT",
        allowed={"CONSTANT": "mean of all points"},
    )


class SpatialScaleZeroPointTask(ScaleZeroPointTask):
    """Finds the factor of an exposure from scales that are known at points within it."""

    ConfigClass = SpatialScaleZeroPointConfig
    _DefaultName = "scaleZeroPoint"
    config: SpatialScaleZeroPointConfig
    selectFluxMag0: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.makeSubtask("selectFluxMag0")

    def run(self, exposure: Any, dataRef: Any = None) -> Struct:
        """Scale an exposure in place, by the scales that its data reference leads to."""
        return super().run(exposure, dataRef)

    def computeImageScaler(self, exposure: Any, dataRef: Any = None) -> SpatialImageScaler:
        """Return what scales an exposure to the zero point of the coadd.

        Raises
        ------
        NoInputsError
            Raised when no scale is known.
        """
        scales = self.selectFluxMag0.run(dataRef.dataId if dataRef is not None else {})
        xList, yList, scaleList = [], [], []
        for info in scales.fluxMagInfoList:
            if not len(info.coordList):
                raise NoInputsError("A photometric scale comes without coordinates.")
            pixels = [exposure.sky_projection.sky_to_pixel(coord) for coord in info.coordList]
            xList.append(float(np.mean([pixel.x for pixel in pixels])))
            yList.append(float(np.mean([pixel.y for pixel in pixels])))
            scaleList.append(self.scaleFromFluxMag0(info.fluxMag0).scale)
        self.log.info("found %d points with a photometric scale", len(scaleList))
        return SpatialImageScaler(self.config.interpStyle, xList, yList, scaleList)

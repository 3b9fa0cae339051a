"""Values that flow between the stages: exposures, warps and their records."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from lsst.images import Box, MaskedImage, MaskSchema, Polygon, SkyProjection
from lsst.images.fields import BaseField
from lsst.images.psfs import PointSpreadFunction

from ..errors import GeometryError
from ..image.masked_arrays import settle_masked
from ..image.spans import SpanMask
from ..kernels.resample.support import LANCZOS3, ResamplingKernel
from ..psf.check import check_psf
from ..sky.footprint import footprint_polygon
from ..sky.geometry import SkyPolygon
from .owners import Owners
from .times import UNKNOWN_TIMES, ExposureTimes

__all__ = (
    "CoaddTarget",
    "DetectorInput",
    "Exposure",
    "ExposureId",
    "ExposureInfo",
    "ExposureSource",
    "MeanVariance",
    "WarpInput",
    "WarpPixels",
    "WarpSource",
)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class ExposureId:
    """Identity of one detector's image in one visit and one band.

    Identities are ordered; this order, never that of the files, is the order
    in which inputs are combined.
    """

    instrument: str
    visit: int
    detector: int
    band: str = ""
    """Short name of the passband: a colour camera, or one behind a dichroic, has several images of one visit
    and detector.  The records of exposures and detectors fill it in from their own ``band``."""

    def __str__(self) -> str:
        return f"{self.instrument} visit {self.visit} detector {self.detector}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExposureInfo:
    """What is known of an exposure without reading its pixels."""

    id: ExposureId
    path: str
    band: str
    """Short name of the passband, e.g. ``"r"``: one coadd is made per band."""
    bbox: Box
    """Box of the pixels, in the pixel frame of ``projection``."""
    projection: SkyProjection[Any]
    """Pixels to ICRS."""
    physical_filter: str = ""
    polygon: Polygon | None = None
    """Valid region in pixels; `None` means all of ``bbox``."""
    psf_fwhm: float | None = None
    """Full width at half maximum of the PSF in arcseconds, where known."""
    quality: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Further numbers that selection can use, e.g. ``psf_ellipticity_residual``."""
    times: ExposureTimes = UNKNOWN_TIMES
    """When the exposure was taken, and how long it is, as far as known."""
    format: str = ""
    """Name of the reader."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", dataclasses.replace(self.id, band=self.band))

    @property
    def mjd(self) -> float | None:
        """Middle of the exposure, modified Julian date in UTC, where known."""
        return self.times.middle

    @property
    def exposure_time(self) -> float | None:
        """Seconds, where known."""
        return self.times.exposure_time

    @cached_property
    def footprint(self) -> SkyPolygon:
        """The smallest convex polygon on the sky that contains the valid pixels.

        Raises
        ------
        GeometryError
            Raised when a point of the border is not on the sky, or when the region has no area;
            it names the file.
        """
        try:
            return footprint_polygon(self)
        except GeometryError as err:
            raise GeometryError(f"{self.path}, {self.id}: no region of the sky: {err}") from err


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exposure:
    """One calibrated image of one detector, with all that a coadd needs.

    Attributes
    ----------
    info
        Identity and geometry.
    pixels
        Image (float32), variance (float32) and mask; the mask has the schema of
        `lamella.planes.make_schema`.  Pixels without a measurement are NaN in
        the image, +inf in the variance, and NO_DATA in the mask; elements that an
        array of `numpy.ma` masks become that.  The sky is already subtracted.
    psf
        PSF model in the pixel frame of the image.
    to_njy
        nJy per unit of the image: a number, or a field over the pixels.
    notes
        What the reader did that a user should know, e.g. a sky subtraction.

    Raises
    ------
    InputError
        Raised when the PSF model cannot be used: see `lamella.psf.check.check_psf`.
    """

    info: ExposureInfo
    pixels: MaskedImage
    psf: PointSpreadFunction
    to_njy: float | BaseField
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_psf(self.psf, self.pixels.bbox, self.info.path)
        object.__setattr__(self, "pixels", settle_masked(self.pixels))


class ExposureSource(Protocol):
    """An exposure on disk (or elsewhere) that can be read when it is needed.

    Sources can be pickled: a worker process gets the source, not the pixels.
    One that says ``reads_afresh = True`` gives pixels that nobody else has, and
    that may be changed: this saves memory.
    """

    @property
    def info(self) -> ExposureInfo:
        """What is known without reading pixels."""
        ...

    def read(self) -> Exposure:
        """Read the pixels."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorInput:
    """Record of one detector's part in a warp, as the coadd's PSF and tables need it."""

    id: ExposureId
    band: str
    bbox: Box
    """Box of the detector's pixels."""
    projection: SkyProjection[Any]
    """Detector pixels to ICRS."""
    psf: PointSpreadFunction
    polygon: Polygon | None = None
    """Valid region in detector pixels; `None` means all of ``bbox``."""
    good_pixels: int = 0
    """Number of pixels of the warp that this detector owns and that hold data."""
    weight: float = 1.0
    """1 in a warp; in a coadd the weight of the pixels that it owns."""
    information: float | None = None
    """What its image says per sky area (see `lamella.coadd.information`), arcsec2 / nJy2; `None` where that
    is not known."""
    path: str = ""
    psf_fwhm: float | None = None
    """Arcseconds."""
    times: ExposureTimes = UNKNOWN_TIMES
    """When the exposure was taken, as far as known."""
    notes: tuple[str, ...] = ()
    kernel: ResamplingKernel = LANCZOS3
    """What its pixels were resampled with."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", dataclasses.replace(self.id, band=self.band))


class WarpPixels(Protocol):
    """The three planes of a box of a warp: arrays of shape (y, x)."""

    image: np.ndarray
    mask: np.ndarray
    variance: np.ndarray


class WarpSource(Protocol):
    """Where the pixels of a warp come from; algorithms ask it for boxes and never open files."""

    @property
    def bbox(self) -> Box:
        """Box of the pixels that the warp holds, in the tract's pixel frame."""
        ...

    @property
    def schema(self) -> MaskSchema:
        """Schema of the int32 mask."""
        ...

    def read(self, box: Box) -> WarpPixels:
        """Return the planes of a box inside of `bbox`.

        The image and variance are float32, the mask is int32.  The caller may
        change the arrays.
        """
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class MeanVariance:
    """Clipped mean of the variance of a whole warp, and how it was found."""

    mean: float
    """In nJy squared; positive and finite."""
    bad_mask_planes: frozenset[str]
    """Pixels with one of these planes do not count."""
    sigma_clip: float
    clip_iter: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarpInput:
    """One warp on its way into a coadd."""

    instrument: str
    visit: int
    band: str
    source: WarpSource
    detectors: tuple[DetectorInput, ...] = ()
    weight: float | None = None
    """Weight of all pixels of this warp, with ``owners`` the mean of the weights; `None` to have it found."""
    owners: Owners | None = None
    """Which detector each pixel is from, where pixels have the weights of their detectors; of an input
    without a weight, what is known of that.  An input whose weight is given has none."""
    pixel_area: float | None = None
    """Area of a pixel of the warp in square arcseconds, where it is known."""
    mean_variance: MeanVariance | None = None
    """What is known of the variance of ``source``: saves a walk over its pixels when the weight is found."""
    scale: float = 1.0
    """Factor that puts the pixels on the photometric scale of the coadd."""
    model_psf: PointSpreadFunction | None = None
    """PSF that the pixels of ``source`` were matched to; `None` where they were not."""
    matched: WarpSource | None = None
    """The same visit, matched to the PSF in which visits are compared; `None` where it was not made."""
    matched_scale: float = 1.0
    """Factor that puts the pixels of ``matched`` on the photometric scale of the coadd: its own, never
    that of ``source``."""
    alternate: SpanMask | None = None
    """Further planes (e.g. artifacts found later) to be or-ed into the mask."""
    bad_mask_planes: tuple[str, ...] | None = None
    """Planes whose pixels had no influence on others when the warp was made; `None` if it is not known."""

    @property
    def key(self) -> tuple[str, int]:
        """What orders the inputs of a coadd."""
        return (self.instrument, self.visit)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoaddTarget:
    """The pixel grid that a coadd is made on, and its place in a sky map."""

    outer_bbox: Box
    """Box of the coadd, in the tract's pixel frame."""
    projection: SkyProjection[Any]
    """Tract pixels to ICRS."""
    inner_bbox: Box | None = None
    """Part that belongs to this patch alone; `None` means all of it."""
    skymap: str = "none"
    tract: int = 0
    patch: tuple[int, int] = (0, 0)
    """Column and row of the patch."""

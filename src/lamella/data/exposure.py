"""Exposures: identity, geometry and pixels of one detector's image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

from lsst.images import Box, MaskedImage, Polygon, SkyProjection
from lsst.images.fields import BaseField
from lsst.images.psfs import PointSpreadFunction

from ..errors import GeometryError
from ..image.masked_arrays import settle_masked
from ..psf.check import check_psf
from ..sky.footprint import footprint_polygon
from ..sky.geometry import SkyPolygon
from .flux_unit import NJY, FluxUnit
from .origins import Origin
from .times import UNKNOWN_TIMES, ExposureTimes

__all__ = ("Exposure", "ExposureId", "ExposureInfo", "ExposureSource")


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
    """Description of an exposure, without its pixels."""

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
    origins: Mapping[str, Origin] = dataclasses.field(default_factory=dict)
    """Where values come from, by name (``"zero point"``, ``"noise"``, ``"PSF"`` ...), for readers that choose
    or measure them; empty where the format itself says it."""
    flux_unit: FluxUnit = NJY
    """Unit of its fluxes once they are on the scale of `Exposure.to_njy`."""

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
        nJy per unit of the image: a number, or a field over the pixels.  Where no zero point is known,
        and ``info.flux_unit`` says so, units of the reference exposure per unit of the image.
    notes
        Remarks of the reader for a user, e.g. a sky subtraction.

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
        """Description, for which no pixel is read."""
        ...

    def read(self) -> Exposure:
        """Read the pixels."""
        ...

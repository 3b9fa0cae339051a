"""Exposures: identity, geometry and pixels of one detector's image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import astropy.units as u
import numpy as np
from lsst.images import Box, Mask, MaskedImage, Polygon, SkyProjection
from lsst.images.fields import BaseField
from lsst.images.psfs import PointSpreadFunction

from ..errors import GeometryError
from ..image.masked_arrays import settle_masked
from ..psf.check import check_psf
from ..sky.footprint import footprint_polygon
from ..sky.geometry import SkyPolygon
from .arrays import Arrays, Known
from .flux_unit import NJY, FluxUnit
from .origins import Origin
from .texts import exposure_text, info_text
from .times import UNKNOWN_TIMES, ExposureTimes
from .upward import above

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.nddata import NDData, NDUncertainty
    from astropy.wcs import WCS

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

    def __repr__(self) -> str:
        return info_text(self)

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
    given
        The arrays that it was made of, where other exposures will tell more of it (see `from_arrays`).

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
    given: Arrays | None = None

    def __post_init__(self) -> None:
        check_psf(self.psf, self.pixels.bbox, self.info.path)
        object.__setattr__(self, "pixels", settle_masked(self.pixels))

    def __repr__(self) -> str:
        return exposure_text(self)

    def _repr_html_(self) -> str:
        html: str = above("exposure_html")(self)
        return html

    @classmethod
    def from_arrays(
        cls,
        image: np.ndarray | u.Quantity,
        wcs: WCS | Header | SkyProjection[Any],
        *,
        variance: np.ndarray | u.Quantity | NDUncertainty | float | None = None,
        mask: np.ndarray | Mask | Mapping[str, np.ndarray] | None = None,
        psf: PointSpreadFunction | np.ndarray | u.Quantity | None = None,
        fwhm: u.Quantity | float | None = None,
        zero_point: u.Quantity | float | None = None,
        **facts: str | float | None,
    ) -> Exposure:
        """Make an exposure of an array and its projection to the sky.

        What is not said is measured in the pixels, as for files: the noise, bad pixels, the sky, and the PSF
        from stars.  Without a zero point the pixels are in units of their own: `lamella.coadd_exposures` then
        ties all exposures to each other by their stars, and measures again what others help to tell.

        Parameters
        ----------
        image
            Shape (y, x), real numbers of any type; elements that are NaN, or that an array of `numpy.ma`
            masks, are no measurements.  Its unit, if it has one, is one of counts, flux density or surface
            brightness.  It is copied, as all arrays here are.
        wcs
            Pixels to the sky; a header may tell more (filter, times, gain ...), as that of a file does.
        variance
            Variance of the pixels in the square of their unit: shape (y, x), or one number; or an uncertainty
            of `astropy.nddata`.
        mask
            True where a pixel is bad, shape (y, x); or such planes by their names, in either spelling
            (``SAT``, ``SATURATED``).
        psf
            Model; stamp of shape (y, x), brightest in its middle; or width, as ``fwhm``.
        fwhm
            Full width at half maximum of a Gaussian PSF: angle or pixels as a Quantity, or a number of
            arcseconds.
        zero_point
            AB magnitude of a source of one count.
        **facts
            What else is known, as columns of an exposure table: ``band``, ``visit``, ``detector``,
            ``instrument``, ``physical_filter``, ``date``, ``mjd``, ``exposure_time``, ``gain``,
            ``read_noise``, ``saturation``, ``bad_value``, ``unit``, ``flux_scale``, and ``sky``
            (``"subtracted"``, ``"present"`` or ``"measured"``).

        Returns
        -------
        Exposure
            Without a band it is ``"unknown"``; without a visit it gets a number of its own.

        Raises
        ------
        LamellaError
            Raised when one of them is not what it must be (`WrongTypeError`, `PixelTypeError`, `ShapeError`,
            `UnitError`, `ProjectionError`, `MaskPlaneError`, `ConfigError`, `InputError`).
        """
        known = Known(variance=variance, mask=mask, psf=psf, fwhm=fwhm, zero_point=zero_point, facts=facts)
        exposure: Exposure = above("exposure_from_arrays")(image, wcs, known)
        return exposure

    @classmethod
    def from_ccddata(cls, ccd: NDData, **known: Any) -> Exposure:
        """Make an exposure of an image of `astropy.nddata`.

        Its uncertainty (of every kind), mask, unit, WCS, header and PSF stamp count; what it does not say is
        measured.

        Parameters
        ----------
        ccd
            A `~astropy.nddata.CCDData`, or another NDData with a WCS.
        **known
            ``variance``, ``mask``, ``psf``, ``fwhm``, ``zero_point`` and further facts of `from_arrays`: they
            count more.

        Raises
        ------
        LamellaError
            As in `from_arrays`.
        """
        names = [field.name for field in dataclasses.fields(Known) if field.name in known]
        given = {name: known.pop(name) for name in names}
        exposure: Exposure = above("exposure_from_ccddata")(ccd, Known(**given, facts=known))
        return exposure


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

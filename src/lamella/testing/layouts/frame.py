"""A simulated exposure in the terms of a FITS writer: units, flags, projection and dates."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...planes import Layout, make_schema
from ..camera import Visit, wcs_header
from ..exposure import DetectorPixels, SimulatedExposure

if TYPE_CHECKING:
    from astropy.io.fits import CompImageHDU, Header, ImageHDU, PrimaryHDU

__all__ = ("Frame", "Number", "image_hdu", "packed_hdu", "primary_hdu", "save", "with_cards")

type Number = str | int | float | bool
_SCHEMA = make_schema()


@dataclasses.dataclass(frozen=True)
class Frame:
    """One detector of a visit.

    Attributes
    ----------
    exposure
        Which exposure.
    pixels
        Its planes, in counts.
    """

    exposure: SimulatedExposure
    pixels: DetectorPixels

    @classmethod
    def of(cls, exposure: SimulatedExposure) -> Frame:
        """Make the pixels of an exposure."""
        return cls(exposure, exposure.pixels())

    @property
    def plan(self) -> Visit:
        """Number, band, middle, seeing and zero point of the visit."""
        return self.exposure.plan

    @property
    def detector(self) -> int:
        """Number of the detector, from 0."""
        return self.exposure.detector

    @property
    def seconds(self) -> float:
        """Exposure time."""
        return self.exposure.config.exposure_time

    @property
    def gain(self) -> float:
        """Electrons per count."""
        return self.exposure.config.gain

    @property
    def scale(self) -> float:
        """Arcseconds per pixel."""
        return self.exposure.config.pixel_scale

    @property
    def fwhm(self) -> float:
        """Full width at half maximum of the PSF in pixels."""
        return self.plan.psf_fwhm / self.scale

    @property
    def rate_zero_point(self) -> float:
        """AB magnitude of one count per second."""
        return self.plan.zero_point - 2.5 * float(np.log10(self.seconds))

    @property
    def begin(self) -> float:
        """Modified Julian date (UTC) of the begin."""
        return round(self.plan.mjd - self.seconds / 172800, 9)

    @property
    def date(self) -> str:
        """Date and time of the begin, to a microsecond."""
        moment = datetime.datetime(1858, 11, 17) + datetime.timedelta(days=self.begin)
        return moment.isoformat(timespec="microseconds")

    def image(self, njy: float | None = None, sky: float = 0.0) -> np.ndarray:
        """Return the pixels, float32 of shape (y, x), on a level of sky.

        Parameters
        ----------
        njy
            Nanojansky of one unit; those of a count if not given.
        sky
            The level, in units.
        """
        factor = 1.0 if njy is None else self.plan.to_njy / njy
        return np.asarray(self.pixels.image * factor + sky, dtype=np.float32)

    def variance(self, njy: float | None = None) -> np.ndarray:
        """Return the variance in square units, float32 of shape (y, x); +inf where nothing was measured."""
        factor = 1.0 if njy is None else self.plan.to_njy / njy
        return np.asarray(self.pixels.variance * factor**2, dtype=np.float32)

    def weight(self) -> np.ndarray:
        """Return the inverse variance per square count, float32; 0 where there is no measurement."""
        return np.asarray(1.0 / self.pixels.variance, dtype=np.float32)

    def areas(self) -> np.ndarray:
        """Return the solid angle of each pixel in units of the square of `scale`, float64 of shape (y, x)."""
        box = self.exposure.info.bbox
        edges = [np.arange(axis.start, axis.stop + 1) - 0.5 for axis in (box.y, box.x)]
        rows, columns = np.meshgrid(*edges, indexing="ij")
        places = self.exposure.info.projection.pixel_to_sky(x=columns, y=rows)
        ra, dec = places.ra.rad, places.dec.rad
        right, up = ((np.diff(ra, axis=axis), np.diff(dec, axis=axis)) for axis in (1, 0))
        area = np.abs(right[0][:-1] * up[1][:, :-1] - right[1][:-1] * up[0][:, :-1]) * np.cos(dec[:-1, :-1])
        return np.asarray(area / np.radians(self.scale / 3600) ** 2)

    def stamp(self, size: int) -> np.ndarray:
        """Return the PSF as an image of unit sum, float32 of shape (size, size)."""
        steps = np.arange(size) - size // 2
        sigma = self.plan.psf_sigma(self.scale)
        stamp = np.exp(-0.5 * (steps[:, None] ** 2 + steps**2) / sigma**2)
        return np.asarray(stamp / stamp.sum(), dtype=np.float32)

    def sky_for(self, read_noise: float) -> float:
        """Return the level of sky, in counts, whose photons and the read noise (electrons) are the noise."""
        variance = (self.plan.sky_noise / self.plan.to_njy) ** 2
        return self.gain * (variance - (read_noise / self.gain) ** 2)

    def has(self, *planes: str) -> np.ndarray:
        """Return where a pixel is in one of some mask planes, bool of shape (y, x)."""
        return np.asarray((self.pixels.mask & Layout(_SCHEMA).bits(planes)) != 0)

    def flags(self, values: Mapping[str, int], dtype: str) -> np.ndarray:
        """Return the flags of pixels in a survey's own numbers: the sum of those of a pixel's planes."""
        flags = np.zeros(self.pixels.mask.shape, dtype)
        for plane, value in values.items():
            flags[self.has(plane)] |= flags.dtype.type(value)
        return flags

    def wcs(self, projection: str = "") -> Header:
        """Return the cards of the projection.

        Parameters
        ----------
        projection
            TPV, ZPN or SIN in the place of TAN: over the few arcminutes of a detector they are the same to
            1e-4 pixels with the parameters that are given here, but for SIP.
        """
        header = wcs_header(self.exposure.config, self.plan, self.detector)
        if projection:
            for key in ("CTYPE1", "CTYPE2"):
                header[key] = header[key].replace("TAN", projection)
        parameters = {"TPV": {"PV1_1": 1.0, "PV2_1": 1.0}, "ZPN": {"PV2_1": 1.0, "PV2_3": 1 / 3}}
        header.update(parameters.get(projection, {}))
        return header


def with_cards(header: Header | None, cards: Mapping[str, Number]) -> Header:
    """Return a header with further cards; keywords of more than eight characters become HIERARCH ones."""
    from astropy.io import fits

    header = fits.Header() if header is None else header.copy()
    for key, value in cards.items():
        long = len(key) > 8 or " " in key or "." in key
        header[f"HIERARCH {key}" if long else key] = value
    return header


def primary_hdu(cards: Mapping[str, Number]) -> PrimaryHDU:
    """Return a primary HDU without pixels."""
    from astropy.io import fits

    return fits.PrimaryHDU(header=with_cards(None, cards))


def image_hdu(
    data: np.ndarray, header: Header | None = None, name: str = "", version: int | None = None
) -> ImageHDU:
    """Return an extension with an image."""
    from astropy.io import fits

    return fits.ImageHDU(data, header=header, name=name, ver=version)


def packed_hdu(
    data: np.ndarray, header: Header | None = None, name: str = "", *, lossless: bool = False
) -> CompImageHDU:
    """Return an extension as fpack writes it: Rice, floats rounded to 1/16 of the noise of their row."""
    from astropy.io import fits

    kind = "GZIP_2" if lossless else "RICE_1"
    level = 0.0 if lossless else 16.0
    return fits.CompImageHDU(
        data, header=header, name=name, compression_type=kind, quantize_level=level, quantize_method=2
    )


def save(path: Path, hdus: Iterable[Any]) -> None:
    """Write HDUs into a file, whose suffix says how it is compressed; the first becomes the primary HDU."""
    from astropy.io import fits

    first, *others = hdus
    if not isinstance(first, fits.PrimaryHDU):
        first = fits.PrimaryHDU(first.data, header=first.header)
    fits.HDUList([first, *others]).writeto(path, overwrite=True, output_verify="exception")

"""The FITS form of simulated exposures and of the truth about them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..planes import STANDARD_PLANES
from .artifacts import ARTIFACT_KINDS
from .camera import INSTRUMENT, wcs_header
from .exposure import DetectorPixels, SimulatedExposure

if TYPE_CHECKING:
    from astropy.io.fits import HDUList, Header

__all__ = ("exposure_hdus", "truth_mask_hdus")


def exposure_hdus(exposure: SimulatedExposure, pixels: DetectorPixels) -> HDUList:
    """Return the HDUs of an exposure: IMAGE and VARIANCE in counts, and MASK with ``MP_`` cards.

    Parameters
    ----------
    exposure
        Which exposure.
    pixels
        Its pixels.
    """
    from astropy.io import fits

    plan, config = exposure.plan, exposure.config
    start = plan.mjd - config.exposure_time / 86400 / 2
    date = datetime.datetime(1858, 11, 17) + datetime.timedelta(days=start)
    cards: list[tuple[str, Any, str]] = [
        ("INSTRUME", INSTRUMENT, "simulated camera"),
        ("OBSERVER", "lamella", "who simulated this"),
        ("VISIT", plan.visit, "number of the visit"),
        ("DETECTOR", exposure.detector, "number of the detector"),
        ("FILTER", plan.band, "passband"),
        ("EXPTIME", config.exposure_time, "[s] exposure time"),
        ("TIMESYS", "UTC", "time scale"),
        ("DATE-OBS", date.isoformat(timespec="milliseconds"), "start of the exposure"),
        ("MJD-OBS", round(start, 9), "[d] start of the exposure"),
        ("GAIN", config.gain, "[electron/adu] gain"),
        ("SATURATE", config.saturation, "[adu] pixels are clipped here"),
        ("MAGZERO", plan.zero_point, "[mag] AB magnitude of one count"),
        ("SEEING", plan.psf_fwhm, "[arcsec] full width at half maximum of the PSF"),
    ]
    observation = fits.Header(cards)
    wcs = wcs_header(config, plan, exposure.detector)
    image = fits.ImageHDU(pixels.image, header=wcs, name="IMAGE")
    image.header.update(observation)
    image.header["BUNIT"] = "adu"
    mask = fits.ImageHDU(pixels.mask, name="MASK")
    _add_planes(mask.header, STANDARD_PLANES)
    variance = fits.ImageHDU(pixels.variance, name="VARIANCE")
    variance.header["BUNIT"] = "adu2"
    return fits.HDUList([fits.PrimaryHDU(header=observation), image, mask, variance])


def _add_planes(header: Header, names: Iterable[str]) -> None:
    for bit, name in enumerate(names):
        card = f"MP_{name}"
        header[card if len(card) <= 8 else f"HIERARCH {card}"] = bit


def truth_mask_hdus(pixels: DetectorPixels) -> HDUList:
    """Return the HDU that tells into which pixels of an exposure artifacts were injected.

    Parameters
    ----------
    pixels
        Pixels of the exposure.
    """
    from astropy.io import fits

    planes = pixels.artifacts.planes
    packed = np.zeros(next(iter(planes.values())).shape, dtype=np.uint8)
    for bit, kind in enumerate(ARTIFACT_KINDS):
        packed[planes[kind]] |= np.uint8(1 << bit)
    hdu = fits.PrimaryHDU(packed)
    _add_planes(hdu.header, ARTIFACT_KINDS)
    return fits.HDUList([hdu])

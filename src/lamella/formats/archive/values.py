"""Coadds as values of astropy."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData, VarianceUncertainty

from ...data.coadd import PatchCoadd
from ...image.planes import mask_plane_of, plane_pixels
from .write import plain_hdus

__all__ = ("coadd_ccddata", "coadd_hdus")


def coadd_hdus(coadd: PatchCoadd) -> fits.HDUList:
    """Return a coadd as HDUs in memory, with arrays of their own, see `lamella.PatchCoadd.to_hdulist`."""
    hdus = plain_hdus(coadd, coadd.name)
    for hdu in hdus:
        if isinstance(hdu, fits.ImageHDU):
            hdu.data = hdu.data.copy()
    return hdus


def coadd_ccddata(coadd: PatchCoadd) -> CCDData:
    """Return a coadd as an image of `astropy.nddata`, see `lamella.PatchCoadd.to_ccddata`."""
    hdus = plain_hdus(coadd, coadd.name)
    meta = hdus[0].header.copy(strip=True)
    for key in ("CHECKSUM", "DATASUM"):
        meta.remove(key, ignore_missing=True)
    meta.update(hdus["MASK"].header["MP_*"])
    unit = coadd.flux_unit.unit
    lost = plane_pixels(coadd.mask, "NO_DATA") | ~np.isfinite(coadd.image.array)
    # astropy takes an infinite variance for a number.
    variance = np.where(np.isfinite(coadd.variance.array), coadd.variance.array, np.nan)
    return CCDData(
        coadd.image.array.copy(),
        unit=unit,
        uncertainty=VarianceUncertainty(variance, unit=unit**2),
        mask=lost | np.isnan(variance),
        flags=mask_plane_of(coadd).copy(),
        wcs=coadd.fits_wcs,
        meta=meta,
        psf=hdus["PSF"].data.copy() if "PSF" in hdus else None,
    )

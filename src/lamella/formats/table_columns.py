"""The columns of exposure tables."""

from __future__ import annotations

from ..coadd.select.quality import QUALITY

__all__ = ("COLUMNS", "MEASURED", "NUMBERS", "QUALITY_PREFIX")

COLUMNS: dict[str, str] = {
    "file": "FITS file of the image (required)",
    "band": "short name of the passband (required)",
    "visit": "number of the visit (required)",
    "detector": "number of the detector (required)",
    "image_hdu": "HDU of the image: its name, index, or NAME,EXTVER; default: the first 2-d image; a "
    "name with * is one exposure for each HDU that it matches, and the other HDUs are those of the same * or "
    "EXTVER",
    "variance_hdu": "HDU of the variance (one of these kinds of noise, or the column noise, is required)",
    "variance_file": "file of the variance, if another",
    "stddev_hdu": "HDU of the standard deviation",
    "stddev_file": "file of the standard deviation, if another",
    "weight_hdu": "HDU of the inverse variance, zero where there is no measurement",
    "weight_file": "file of the weight, if another",
    "confidence_hdu": "HDU of relative weights, zero where there is no measurement; the noise is measured",
    "confidence_file": "file of the relative weights, if another",
    "noise": "'measured' from the pixels, with the noise of sources where gain is given, or 'counts', from "
    "the sky in the pixels, gain and read_noise",
    "gain": "electrons per unit of the image",
    "read_noise": "electrons",
    "saturation": "value of the image from which pixels are SATURATED",
    "bad_value": "value of the image that means no data",
    "defects": "'measured': bad columns, dead and saturated pixels are found in the pixels",
    "mask_hdu": "HDU of flags",
    "mask_file": "file of the flags, if another",
    "flags": "meaning of the flags, NAME=value ..., e.g. 'BAD=1 SATURATED=0x2 IGNORE=4', where IGNORE is "
    "harmless and IGNORE=* all others are; 'codes: BAD=1 BAD=2 ...' for values that exclude each other; "
    "NONZERO=BAD for masks of zeros and others; without IGNORE=* others are BAD; default: MP_ or MSKN cards",
    "zero_point": "AB magnitude of one count (this, unit, flux_scale or BUNIT in the header is required)",
    "unit": "unit of the pixels: one of flux density, e.g. nJy, or of surface brightness, e.g. MJy/sr; with "
    "flux_scale that of the reference exposure, e.g. adu",
    "pixel_area": "steradian of a pixel, for surface brightness; default: that of the WCS",
    "pixel_area_hdu": "HDU of the pixels' areas in units of pixel_area",
    "pixel_area_file": "file of these areas, if another",
    "flux_scale": "units of the reference exposure per unit of the image, where there is no zero point; "
    "'measured' from stars in common",
    "flux_reference": "name of the reference exposure, with flux_scale",
    "softening": "softening of asinh images (BSOFTEN), which are made linear",
    "offset": "offset of asinh images (BOFFSET); default: 0",
    "psf_fwhm": "full width at half maximum of the PSF in arcseconds; 'measured' from stars (this or another "
    "column of the PSF is required)",
    "psf_fwhm_pixels": "the same in pixels of the image",
    "psf_file": "PSFEx file",
    "psf_stamp_hdu": "HDU of a stamp of the PSF",
    "psf_stamp_file": "file of the stamp, if another",
    "instrument": "name of the instrument; default: INSTRUME of the header, or 'unknown'",
    "physical_filter": "full name of the filter",
    "mjd": "modified Julian date (UTC) of the middle of the exposure; default, as date: dates of the header",
    "date": "date and time (UTC) of the begin of the exposure, e.g. 2024-01-31T03:00:00",
    "exposure_time": "seconds; default: EXPTIME, XPOSURE or EXPOSURE of the header",
    "sky": "'subtracted' (default), 'present', 'file': a map that is subtracted, or "
    "'measured': by the median of the pixels",
    "sky_hdu": "HDU of the map of the sky",
    "sky_file": "file of the map of the sky, if another",
    "color": "R, G or B: of a mosaic (bayer) or of a cube of three planes",
    "bayer": "colours of a mosaic's pixels, e.g. GRBG, or the keyword that tells them; super-pixels of "
    "2 x 2 are used",
    "wcs_head": "file of cards that override those of the image's header, as SCAMP writes it",
    "radesys": "celestial system of a header that names none, e.g. ICRS",
    "notes": "where the values come from, 'name: origin; ...'",
    **{name: f"{meaning}; for selection" for name, meaning in QUALITY.items()},
}
"""Columns of an exposure table, and their meanings."""

NUMBERS = (
    "visit",
    "detector",
    "gain",
    "read_noise",
    "saturation",
    "bad_value",
    "zero_point",
    "pixel_area",
    "flux_scale",
    "softening",
    "offset",
    "psf_fwhm",
    "psf_fwhm_pixels",
    "mjd",
    "exposure_time",
)
"""Columns of numbers, keywords, or arithmetic on keywords."""

MEASURED = "measured"
"""The word for what is taken from the pixels."""

QUALITY_PREFIX = "quality_"
"""Columns of this beginning hold further numbers for selection, which go by the rest of the name."""

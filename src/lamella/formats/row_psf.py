"""The PSF of the exposure of a row: a width, a PSFEx file, or a stamp."""

from __future__ import annotations

from typing import Any

import numpy as np
from lsst.images import Box, SkyProjection
from lsst.images.psfs import PointSpreadFunction

from ..data.exposure import ExposureInfo
from ..errors import InputError, MissingPartError
from ..fits.read import hdu_label, header_text, optional_number, read_image
from ..psf.gridded import GriddedPsf
from ..sky.footprint import pixel_scale
from .cards import Cards
from .pixels import gaussian_psf
from .psfex import read_psfex
from .row_cells import RowCells
from .row_places import Place, RowPlaces

__all__ = ("require_psf", "row_fwhm", "row_psf")

_COLUMNS = ("psf_file", "psf_stamp_hdu", "psf_stamp_file", "psf_fwhm", "psf_fwhm_pixels")


def row_fwhm(cells: RowCells, cards: Cards, projection: SkyProjection[Any], bbox: Box) -> float | None:
    """Return the width in arcseconds that a row states; `None` where it states none, or is to be measured.

    Raises
    ------
    InputError
        Raised when it is not positive.
    """
    for column, scale in (("psf_fwhm", 1.0), ("psf_fwhm_pixels", None)):
        width = cells.optional(column, cards)
        if width is not None and not width > 0:
            raise cells.error(column, f"{width:g}", "a positive number")
        if width is not None:
            return width * (pixel_scale(projection, bbox) if scale is None else scale)
    return None


def require_psf(cells: RowCells) -> None:
    """Raise a `MissingPartError` where a row says nothing of the PSF."""
    if not any(column in cells for column in _COLUMNS):
        expected = "one of them, or psf_fwhm_pixels, psf_stamp_hdu, or psf_fwhm = measured"
        raise cells.error("", "neither psf_fwhm nor psf_file", expected, MissingPartError)


def row_psf(places: RowPlaces, info: ExposureInfo) -> tuple[PointSpreadFunction, str]:
    """Return the PSF of a row, and a note on it.

    Raises
    ------
    MissingPartError
        Raised when the row says nothing of it, or it was to be measured and could not.
    InputError
        Raised when it is none.
    """
    cells = places.cells
    require_psf(cells)
    if "psf_file" in cells:
        return _psfex(places, info), ""
    stamp = places.place("psf_stamp")
    if stamp is not None:
        return _stamp_psf(stamp, info.bbox), "PSF taken from a stamp."
    column = "psf_fwhm" if "psf_fwhm" in cells else "psf_fwhm_pixels"
    scale = pixel_scale(info.projection, info.bbox)
    arcsec = row_fwhm(cells, places.cards, info.projection, info.bbox)
    if arcsec is None:
        raise cells.error(column, "'measured', but no star", "stars to measure the PSF, or its width")
    told = f"{arcsec:g} arcsec"
    psf = gaussian_psf(arcsec / scale, info.bbox, path=cells.table, where=cells.where(column), told=told)
    return psf, f"PSF taken as a Gaussian of {arcsec:.3g} arcsec FWHM."


def _stamp_psf(place: Place, bbox: Box) -> PointSpreadFunction:
    """Return a PSF that is the same everywhere, from the square or odd middle of a stamp."""
    path, hdu = place
    stamp, _ = read_image(path, hdu)
    stamp = np.nan_to_num(stamp.astype(np.float64))
    height, width = stamp.shape
    y, x = (int(value) for value in np.unravel_index(np.argmax(stamp), stamp.shape))
    # The brightest pixel is the centre: of an even stamp nobody says which of the middle ones.
    half = min(y, x, height - 1 - y, width - 1 - x)
    middle = stamp[y - half : y + half + 1, x - half : x + half + 1]
    if half < 1 or not middle.sum() > 0:
        content = f"a stamp of {width} x {height} pixels whose brightest is ({x}, {y})"
        raise InputError(path, where=hdu_label(hdu), found=content, expected="a star in the middle")
    return GriddedPsf(middle[None, None], [bbox.x.center], [bbox.y.center], bbox)


def _psfex(places: RowPlaces, info: ExposureInfo) -> PointSpreadFunction:
    """Read the model of the CCD; its numbers are those of the headers, if these have some."""
    headers = places.header, places.headers[0]

    def integer(key: str, default: int) -> int:
        numbers = (optional_number(header, key) for header in headers)
        return next((int(n) for n in numbers if n is not None and n == int(n)), default)

    return read_psfex(
        places.cells.file("psf_file", places.cells.table),
        bounds=info.bbox,
        ccd=[header_text(places.header, key) for key in ("CCDNAME", "DETPOS", "EXTNAME")],
        number=integer("CCDNUM", info.id.detector),
        exposure=integer("EXPNUM", info.id.visit),
        trust_single=True,
    )

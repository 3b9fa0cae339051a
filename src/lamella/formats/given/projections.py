"""Header cards of the projections to the sky that people have in Python."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.wcsapi import BaseHighLevelWCS, BaseLowLevelWCS
from lsst.images import Box, SkyProjection

from ...errors import ProjectionError, WrongTypeError
from ...fits.quiet import quiet_astropy

__all__ = ("header_of", "is_projection", "wcs_cards", "without_wcs")

_LONGEST_KEY = 60
"""Characters of a keyword that leave room for a value."""

_WCS_CARD = re.compile(
    r"WCSAXES|(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA|CNAME)\d|(CD|PC|PV|PS)\d+_\d+|[AB]P?_(ORDER|\d+_\d+)"
    r"|LONPOLE|LATPOLE|WCSNAME|(CPDIS|D2IMDIS|DP|DQ|D2IM|CPERR|D2IMERR)\d|(LTV|LTM)\d.*"
)
"""Cards that a projection replaces as a whole."""

_WANTED = "an astropy.wcs.WCS with a celestial projection of the pixels, or a FITS header with one"


def is_projection(value: object) -> bool:
    """Return whether a value says where pixels are on the sky: a WCS or a FITS header."""
    return isinstance(value, BaseLowLevelWCS | BaseHighLevelWCS | fits.Header | SkyProjection)


def wcs_cards(wcs: Any, name: str, shape: tuple[int, ...]) -> tuple[fits.Header, tuple[fits.ImageHDU, ...]]:
    """Return the cards of a projection, and the tables of distortions that they refer to.

    Parameters
    ----------
    wcs
        A WCS of any kind that FITS can hold, a header, or a projection of `lsst.images`; of three axes, the
        first two must be those of the image, and the third independent of them.
    name
        What the user calls the image, for errors.
    shape
        Shape (y, x) of the image.

    Raises
    ------
    ProjectionError
        Raised when it is no celestial projection of two pixel axes, or FITS cannot hold it.
    WrongTypeError
        Raised when it is something else.
    """
    if isinstance(wcs, fits.Header):
        return wcs.copy(strip=True), ()
    if isinstance(wcs, SkyProjection):
        box = Box.from_shape(shape[-2:])
        wcs = wcs.as_fits_wcs(box, allow_approximation=True) or _refuse(name, "a projection not of FITS")
    flat = _flat(_fits_wcs(wcs, name), name)
    with quiet_astropy():
        hdus = flat.to_fits(relax=True)
    return hdus[0].header.copy(strip=True), tuple(hdus[1:])


def _refuse(name: str, found: str) -> Any:
    raise ProjectionError(name, where="WCS", found=found, expected=_WANTED)


def _fits_wcs(wcs: Any, name: str) -> WCS:
    """Return the FITS projection that a value is, or is a part of."""
    low = getattr(wcs, "low_level_wcs", wcs)
    if isinstance(low, WCS):
        return low
    # What slicing NDData makes.
    inner, slices = getattr(low, "_wcs", None), getattr(low, "_slices_array", None)
    if isinstance(inner, WCS) and slices is not None:
        try:
            return inner.slice(list(slices))
        except (ValueError, IndexError, NotImplementedError) as err:
            _refuse(name, f"a part of a WCS that is none ({err})")
    if isinstance(low, BaseLowLevelWCS):
        _refuse(name, f"a {type(low).__name__}, which FITS headers cannot hold")
    raise WrongTypeError.of(wcs, f"{name}: wcs", expected=_WANTED)


def _flat(wcs: WCS, name: str) -> WCS:
    """Return the celestial part of a projection, of the first two pixel axes."""
    if not wcs.has_celestial:
        kinds = ", ".join(kind or "nothing" for kind in wcs.wcs.ctype)
        _refuse(name, f"axes of the kinds {kinds}")
    if wcs.naxis == 2:
        return wcs
    mixed = wcs.axis_correlation_matrix[:2, 2:].any() or wcs.axis_correlation_matrix[2:, :2].any()
    if {wcs.wcs.lng, wcs.wcs.lat} != {0, 1} or mixed:
        _refuse(name, f"{wcs.naxis} axes, of which the first two alone are not the sky")
    return wcs.sub([1, 2])


def without_wcs(header: fits.Header) -> fits.Header:
    """Return a header without the cards of its projection."""
    kept = header.copy(strip=True)
    for key in {str(key) for key in kept if _WCS_CARD.fullmatch(str(key))}:
        kept.remove(key, remove_all=True)
    return kept


def header_of(meta: Mapping[str, Any]) -> fits.Header:
    """Return the cards of a mapping, as far as cards can hold its values."""
    if isinstance(meta, fits.Header):
        return meta.copy(strip=True)
    header = fits.Header()
    with quiet_astropy():
        for key, value in meta.items():
            value = value.item() if isinstance(value, np.generic) else value
            if isinstance(value, str | bool | int | float) and len(str(key)) < _LONGEST_KEY:
                try:
                    header[str(key)] = value
                except (ValueError, TypeError):
                    continue  # a text that cards cannot hold
    return header

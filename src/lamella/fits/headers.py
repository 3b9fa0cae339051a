"""Header cards of a projection and of mask planes."""

from __future__ import annotations

import textwrap
from os import PathLike

from astropy.io import fits
from astropy.wcs import WCS
from lsst.images import Box, MaskSchema

from ..errors import ProjectionError
from ..planes import legacy_name

__all__ = ("projection_header",)


_KEYWORD_LENGTH, _COMMENT_START, _CARD_LENGTH = 8, 33, 80


def projection_header(wcs: WCS | None, bbox: Box, path: str | PathLike[str]) -> fits.Header:
    """Return the cards that say where the pixels of a box are on the sky.

    Parameters
    ----------
    wcs
        Projection of these pixels; `None` where a FITS header cannot hold it.
    bbox
        Box of the pixels in the parent frame.
    path
        File that they are for, for messages.

    Raises
    ------
    ProjectionError
        Raised when there is no projection.
    """
    if wcs is None:
        raise ProjectionError(
            path, where="the WCS", found="a projection that no FITS header can hold", expected="a FITS WCS"
        )
    header = _with_cd_matrix(wcs.to_header(relax=True))
    # IRAF's keywords: local = parent + LTV; DS9 shows them as physical coordinates.
    header["LTV1"] = (-bbox.x.start, "parent x of the first column, negative")
    header["LTV2"] = (-bbox.y.start, "parent y of the first row, negative")
    return header


def _with_cd_matrix(header: fits.Header) -> fits.Header:
    """Return a header of a projection as most tools expect it.

    PV1_3 and PV1_4 repeat LONPOLE and LATPOLE, and tools that know the older
    TAN with PV polynomials take them for distortions; a CDELT of one degree is
    taken for the size of a pixel.
    """
    header = header.copy()
    for axis in (1, 2):
        step = header.pop(f"CDELT{axis}", 1.0)
        for other in (2, 1):
            element = header.pop(f"PC{axis}_{other}", float(axis == other))
            header.insert(
                f"CRVAL{axis}",
                (f"CD{axis}_{other}", step * element, "[deg] transformation matrix"),
                after=True,
            )
    for repeated in ("PV1_3", "PV1_4", "MJDREF"):
        header.remove(repeated, ignore_missing=True)
    return header


def add_plane_cards(header: fits.Header, schema: MaskSchema) -> None:
    """Add one card ``MP_<PLANE>`` per mask plane: its bit, and its meaning as the comment."""
    for name in schema.names:
        bit = int(schema.bit(name).mask).bit_length() - 1
        key = f"MP_{legacy_name(name)}"
        if len(key) > _KEYWORD_LENGTH:
            key = f"HIERARCH {key}"
        room = _CARD_LENGTH - max(_COMMENT_START, len(f"{key} = {bit} / "))
        header[key] = (bit, textwrap.shorten(schema.descriptions[name], room, placeholder=" ..."))

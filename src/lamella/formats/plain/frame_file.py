"""The stack of frames as a FITS file, with the header of the first of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.table import Table

from ...coadd.frame_stack import FrameStack
from ...coadd.versions import package_versions
from ...files import atomic_path
from ...fits.headers import add_plane_cards
from ...fits.text import table_hdu, to_fits, unit_text
from .frames import Frame

__all__ = ("write_frame_stack",)

_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|EXTEND|BZERO|BSCALE|BLANK|CHECKSUM|DATASUM|EXTNAME|"
    r"EXTVER|EXTLEVEL|INHERIT|NEXTEND|DATAMIN|DATAMAX|TFIELDS|(TTYPE|TFORM|TDIM|TNULL)\d+|THEAP|"
    r"ZIMAGE|ZTENSION|ZSIMPLE|ZBITPIX|ZNAXIS\d*|ZPCOUNT|ZGCOUNT|ZTILE\d+|ZCMPTYPE|ZNAME\d+|ZVAL\d+|"
    r"ZQUANTIZ|ZDITHER0|ZHECKSUM|ZDATASUM|ZBLANK|ZEXTEND|MP_.*|MSKN\d+"
)
"""Cards that say how pixels are stored."""


def write_frame_stack(
    path: str | PathLike[str],
    stack: FrameStack,
    frames: Sequence[Frame],
    notes: Sequence[Sequence[str]],
    history: str,
) -> None:
    """Write a stack of frames, all or nothing.

    The image is in the primary HDU, with the cards of the first frame, its WCS among them; NCOMBINE is the
    number of frames.  MASK, VARIANCE and COUNT (frames used at each pixel) follow, and INPUTS, a table.

    Parameters
    ----------
    path
        Final name; an existing file is replaced.
    stack
        The stack.
    frames
        All frames, in the order of the numbers of its inputs.
    notes
        Remarks on each frame.
    history
        What was done, for a HISTORY card.

    Raises
    ------
    OutputError
        Raised when the file cannot be written.
    """
    header = _first_header(frames[0])
    header["NCOMBINE"] = (len(stack.inputs), "frames in this stack")
    header["CREATOR"] = (f"lamella {package_versions().get('lamella', '')}".strip(), "software")
    header.add_history(to_fits(history))
    planes = stack.planes
    mask = fits.ImageHDU(planes.mask, name="MASK")
    add_plane_cards(mask.header, stack.layout.schema)
    variance = fits.ImageHDU(planes.variance, name="VARIANCE")
    if unit := _squared(str(header.get("BUNIT", ""))):
        variance.header["BUNIT"] = unit
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(planes.image, header),
            mask,
            variance,
            fits.ImageHDU(planes.count, name="COUNT"),
            table_hdu(_inputs(stack, frames, notes), "INPUTS"),
        ]
    )
    for hdu in hdus:
        hdu.add_checksum(when="of the HDU")  # without the time, so that equal stacks are equal files
    with atomic_path(path) as temporary:
        hdus.writeto(temporary)


def _first_header(frame: Frame) -> fits.Header:
    """Return the cards of a frame, and those of its primary HDU that it does not have."""
    header = fits.Header()
    for source in frame.headers:
        for card in source.cards:
            if _STRUCTURE.fullmatch(card.keyword):
                continue
            commentary = card.keyword in ("COMMENT", "HISTORY", "")
            if commentary or card.keyword not in header:
                header.append(card, end=commentary)
    return header


def _squared(unit: str) -> str:
    try:
        return unit_text(u.Unit(unit) ** 2) if unit else ""
    except (ValueError, TypeError):
        return ""


def _inputs(stack: FrameStack, frames: Sequence[Frame], notes: Sequence[Sequence[str]]) -> Table:
    """Return one row per frame: file, HDU, factor, weight (0 where it is left out), remarks."""
    used = {image.visit: image for image in stack.inputs}
    reasons = {rejection.id.visit: rejection.reason for rejection in stack.rejected}
    rows = []
    for number, frame in enumerate(frames):
        image = used.get(number)
        remarks = [*notes[number], *([f"Left out: {reasons[number]}."] if number in reasons else [])]
        rows.append(
            {
                "path": str(frame.path),
                "hdu": frame.places.index,
                "scale": np.nan if image is None else image.scale,
                "weight": 0.0 if image is None else image.weight or 0.0,
                "notes": " ".join(remarks),
            }
        )
    return Table(rows)

"""From the units of an afw-written image to nJy, and what a file must have to be of use."""

from __future__ import annotations

from collections.abc import Iterator

import astropy.units as u
from lsst.images.fields import BaseField

from ...errors import UnitError
from .exposure import AfwFile
from .plane_hdus import find_plane

__all__ = ("missing_parts", "scale_to_njy")

_COUNTS = (u.adu, u.electron, u.count, u.dimensionless_unscaled)
_PLANES = ("IMAGE", "MASK", "VARIANCE")


def missing_parts(file: AfwFile) -> Iterator[str]:
    """Yield the names of the parts that a file lacks, and a coadd of it would need.

    Raises
    ------
    InputError
        Raised when the file is damaged.
    """
    for kind in _PLANES:
        if find_plane(file.container, kind) is None:
            yield kind.lower()
    if file.component_id("PSF") == 0:
        yield "PSF"
    if not _is_in_njy(file) and file.photo_calib is None:
        yield "photometric calibration"


def scale_to_njy(file: AfwFile) -> tuple[float | BaseField, str]:
    """Return nJy per unit of the image, and what is to be said of it.

    Raises
    ------
    MissingPartError
        Raised when there is no calibration, and the image is not in nJy.
    UnitError
        Raised when the image is neither in counts nor in nJy.
    """
    unit, calibration = file.unit, file.photo_calib
    if unit is not None and _is_in_njy(file):
        return float(unit.to(u.nJy)), ""
    if unit is not None and unit not in _COUNTS:
        raise file.container.problem(str(unit), "nJy or counts", "BUNIT", kind=UnitError)
    if calibration is None:
        raise file.container.missing("no photometric calibration", "one", "PHOTOCALIB")
    return calibration.to_njy, f"Zero point {calibration.zero_point:.4f} AB mag (mean) from the file."


def _is_in_njy(file: AfwFile) -> bool:
    return file.has_image and file.unit is not None and bool(file.unit.is_equivalent(u.nJy))

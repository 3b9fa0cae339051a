"""Photometric calibration of an afw-written file: PhotoCalib, and the Calib and FLUXMAG0 before it."""

from __future__ import annotations

import dataclasses
import math
from os import PathLike

import numpy as np
from lsst.images.fields import BaseField

from ...errors import InputError, UnitError
from ...fits.read import Header, optional_number
from .afw_archive import Archive, ObjectRecord
from .fields import evaluate
from .persistables import persistable

__all__ = ("FLUX_AT_ZERO_MAG", "PhotoCalib", "photo_calib_from_header")

FLUX_AT_ZERO_MAG = 1e23 * 10.0 ** (-48.6 / 2.5) * 1e9
"""Flux of an AB magnitude of zero, in nJy: 3.6308e12."""

_MAX_MISMATCH = 2.0


@dataclasses.dataclass(frozen=True)
class PhotoCalib:
    """What turns pixels into nJy.

    Attributes
    ----------
    mean
        Mean over the image, in nJy per unit of the image.
    error
        Uncertainty of the mean, in the same unit.
    field
        nJy per unit of the image as a function of the pixel; `None` when it is
        the mean everywhere.
    """

    mean: float
    error: float
    field: BaseField | None = None

    @property
    def to_njy(self) -> float | BaseField:
        """nJy per unit of the image, as `lamella.data.exposure.Exposure` takes it."""
        return self.mean if self.field is None else self.field

    @property
    def zero_point(self) -> float:
        """AB magnitude of a source of one unit of the image, from the mean."""
        return 2.5 * math.log10(FLUX_AT_ZERO_MAG / self.mean)

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return nJy per unit of the image at some pixels."""
        return evaluate(self.to_njy, x, y)

    @classmethod
    def from_flux_mag0(cls, flux: float, error: float) -> PhotoCalib:
        """Return the calibration of a flux of zero magnitude, in the unit of the image, and its error."""
        return cls(FLUX_AT_ZERO_MAG / flux, FLUX_AT_ZERO_MAG * error / flux**2)


def photo_calib_from_header(header: Header, path: str | PathLike[str]) -> PhotoCalib | None:
    """Return the calibration that FLUXMAG0 gives.

    Parameters
    ----------
    header
        Header that the file keeps its metadata in.
    path
        The file, for messages.

    Returns
    -------
    `PhotoCalib` | `None`
        `None` when there is none: no keyword, or 0, by which afw said so.

    Raises
    ------
    InputError
        Raised when it is not a positive number.
    """
    if header.get("FLUXMAG0", 0) == 0:
        return None
    flux = optional_number(header, "FLUXMAG0")
    if flux is None or flux < 0:
        raise InputError(path, where="FLUXMAG0", found=repr(header["FLUXMAG0"]), expected="a positive number")
    return PhotoCalib.from_flux_mag0(flux, abs(optional_number(header, "FLUXMAG0ERR") or 0.0))


@persistable("PhotoCalib")
def build_photo_calib(record: ObjectRecord, archive: Archive) -> PhotoCalib:
    """Return a calibration in nJy; the first version, which was in maggies, is refused as afw refuses it."""
    row = record.row()
    version = row.integer("version", 0)
    if version < 1:
        stated, where = f"version {version}, which is in maggies", f"object {record.id} (PhotoCalib)"
        raise archive.container.problem(stated, "version 1, in nJy", where, kind=UnitError)
    mean, error = row.number("calibrationMean"), row.number("calibrationErr")
    if not (math.isfinite(mean) and mean > 0):
        record.fail(found=f"a mean of {mean:g}", expected="a positive number of nJy")
    if row.flag("isConstant"):
        return PhotoCalib(mean, error)
    field = archive.get(row.integer("field"))
    if isinstance(field, float):
        return PhotoCalib(field, error)
    if not isinstance(field, BaseField):
        record.fail(found=f"a {type(field).__name__}", expected="a field that calibrates each pixel")
    box = field.bounds.bbox
    ratio = float(field(x=box.x.center, y=box.y.center)) / mean
    # A field must be on the scale of the mean that the file gives for it.
    if not 1.0 / _MAX_MISMATCH < ratio < _MAX_MISMATCH:
        record.fail(found=f"a field that is {ratio:.3g} of its mean at the centre", expected="about 1")
    return PhotoCalib(mean, error, field)


@persistable("Calib")
def build_calib(record: ObjectRecord, archive: Archive) -> PhotoCalib | None:
    """Return the calibration of old files; `None` when the flux of zero magnitude was not set."""
    row = record.row()
    flux = row.number("fluxmag0")
    if flux == 0 or math.isnan(flux):
        return None
    if not 0 < flux < math.inf:
        record.fail(found=f"a flux of zero magnitude of {flux:g}", expected="a positive number")
    name = "fluxmag0.err" if "fluxmag0.err" in row else "fluxmag0_err"
    return PhotoCalib.from_flux_mag0(flux, row.number(name, 0.0))

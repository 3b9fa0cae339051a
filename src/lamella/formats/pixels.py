"""From the arrays of a file to exposures as the coadd wants them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from lsst.images import Box, DetectorFrame, Image, Mask, MaskedImage, SkyProjection
from lsst.images.psfs import GaussianPointSpreadFunction, PointSpreadFunction

from ..data.exposure import Exposure, ExposureId, ExposureInfo
from ..errors import InputError
from ..fits.read import Header, require_shape
from ..image.background import fit_background
from ..image.masked_arrays import masked_pixels
from ..kernels.flags import mark_missing, mark_untold, or_where, translate_flags
from ..planes import (
    BAD_MASK_PLANES,
    SKY_PLANES,
    STANDARD_PLANES,
    Layout,
    is_standard,
    make_schema,
    plane_name,
)
from ..psf.check import MAX_FWHM, MIN_FWHM
from ..psf.gaussian import FWHM_PER_SIGMA
from ..sky.projection import projection_from_header
from .noise_maps import check_signs, usable
from .read_control import ReadControl
from .wcs_tables import lookup_tables

__all__ = (
    "Flags",
    "as_unsigned",
    "detector_projection",
    "gaussian_psf",
    "make_archived_exposure",
    "make_exposure",
    "make_pixels",
    "note_own_planes",
)


def as_unsigned(values: np.ndarray) -> np.ndarray:
    """Return integers with the same bits and without a sign: the highest bit is a flag like the others."""
    return values.view(values.dtype.str.replace("i", "u"))


@dataclasses.dataclass(frozen=True)
class Flags:
    """Flags of pixels as integers."""

    values: np.ndarray
    """Integers of shape (y, x)."""
    planes: Mapping[str, int]
    """Bits of the mask planes, by name: a pixel with any of them is in the plane."""

    def translate(self, bits: Mapping[str, int], *, in_place: bool = False) -> np.ndarray:
        """Return an int32 array of shape (y, x) with other bits for the planes; 0 for those left out.

        Where their type allows it, the values may be changed ``in_place``.
        """
        old = np.array([self.planes[name] & _ALL for name in bits], np.uint64).view(np.int64)
        values = as_unsigned(np.ascontiguousarray(self.values))
        reused = in_place and values.dtype == np.uint32 and values.flags.writeable
        result = values.view(np.int32) if reused else np.empty(values.shape, np.int32)
        translate_flags(values, old, np.array([*bits.values()], np.int64), result)
        return result

    def with_planes(self, more: Mapping[str, np.ndarray]) -> Flags:
        """Return the flags and further ones: bool arrays of shape (y, x) by the names of their planes."""
        names = [*dict.fromkeys((*self.planes, *more))]
        bits = {name: 1 << index for index, name in enumerate(names)}
        values = self.translate({name: bits[name] for name in self.planes})
        for name, plane in more.items():
            values[plane] |= bits[name]
        return Flags(values, bits)


_ALL = 2**64 - 1


def note_own_planes(flags: Mapping[str, np.ndarray]) -> str:
    """Return a note on planes that a file defines itself; empty when no pixel is in one.

    Parameters
    ----------
    flags
        Boolean arrays of shape (y, x) by the names of their planes.
    """
    counts = {name: int(np.count_nonzero(plane)) for name, plane in flags.items() if not is_standard(name)}
    texts = [f"{name} ({count} pixels)" for name, count in counts.items() if count]
    if not texts:
        return ""
    return (
        f"Kept as information, as they are no planes that lamella knows: {', '.join(texts)}. "
        "Name them in bad_mask_planes if such pixels must not be used."
    )


def without_value(flags: Mapping[str, np.ndarray]) -> np.ndarray | bool:
    """Return which pixels a sky must not be fitted to, whatever they hold.

    Parameters
    ----------
    flags
        Boolean arrays of shape (y, x) by the names of their planes; aliases are accepted.
    """
    names = (*(name for name in BAD_MASK_PLANES if name != "DETECTION_EDGE"), "COSMIC_RAY", "UNMASKED_NAN")
    masked: np.ndarray | bool = False
    for name, plane in flags.items():
        if plane_name(name) in names:
            masked = masked | plane
    return masked


def detector_projection(
    header: Header, identity: ExposureId, bbox: Box, *, path: Path, hdu: str | int
) -> SkyProjection[Any]:
    """Return the projection of a header, for the pixels of a detector.

    Lookup tables that it names are read from the file of the header.

    Raises
    ------
    ProjectionError
        Raised when the header has no projection that can be used.
    MissingPartError
        Raised when a lookup table is not in the file.
    """
    frame = DetectorFrame(
        instrument=identity.instrument, visit=identity.visit, detector=identity.detector, bbox=bbox
    )
    return projection_from_header(header, path=path, hdu=hdu, pixel_frame=frame, tables=lookup_tables(path))


def make_exposure(
    info: ExposureInfo,
    planes: tuple[np.ndarray, np.ndarray, Flags | Mapping[str, np.ndarray]],
    *,
    psf: PointSpreadFunction,
    to_njy: Any,
    edge_width: int,
    notes: Iterable[str],
    descriptions: dict[str, str] | None = None,
) -> Exposure:
    """Assemble an exposure from planes, PSF and calibration.

    Parameters
    ----------
    info
        Description of the exposure.
    planes
        Image, variance and flags as in `make_pixels`; the arrays may be changed.
    psf, to_njy
        PSF, and flux of a pixel's unit in nJy: a number or a field.
    edge_width, descriptions
        As in `make_pixels`.
    notes
        Remarks for the reader of the coadd; empty ones are left out.
    """
    pixels = make_pixels(
        *planes,
        path=Path(info.path),
        projection=info.projection,
        edge_width=edge_width,
        start=(info.bbox.y.start, info.bbox.x.start),
        descriptions=descriptions,
        in_place=True,
    )
    return Exposure(
        info=info, pixels=pixels, psf=psf, to_njy=to_njy, notes=tuple(note for note in notes if note)
    )


def make_archived_exposure(
    info: ExposureInfo,
    planes: tuple[np.ndarray, np.ndarray, Mapping[str, np.ndarray]],
    control: ReadControl,
    *,
    psf: PointSpreadFunction,
    to_njy: Any,
    notes: Iterable[str],
    more_notes: Iterable[str] = (),
    descriptions: dict[str, str] | None = None,
) -> Exposure:
    """Assemble an exposure of a pipeline that names its planes, flags the rim, and has subtracted the sky.

    A sky is fitted to it only if ``control`` says "always".  The remarks about pixels stand between
    ``notes`` and ``more_notes``; for the other parameters see `make_exposure`.
    """
    image, variance, flags = planes
    sky_note, noise_note = "", check_signs(variance, "variance", Path(info.path))
    if control.subtract_background == "always":
        ignore = ~usable(variance) | without_value(flags)
        background = fit_background(image, ignore, control, Path(info.path))
        image, sky_note = image - background.level, background.note
    return make_exposure(
        info,
        (image, variance, flags),
        psf=psf,
        to_njy=to_njy,
        edge_width=0 if "DETECTION_EDGE" in flags else control.edge_width,
        notes=(*notes, noise_note, note_own_planes(flags), sky_note, *more_notes),
        descriptions=descriptions,
    )


def make_pixels(
    image: np.ndarray,
    variance: np.ndarray,
    flags: Flags | Mapping[str, np.ndarray],
    *,
    path: Path,
    projection: SkyProjection[Any] | None,
    edge_width: int,
    start: tuple[int, int] = (0, 0),
    descriptions: dict[str, str] | None = None,
    in_place: bool = False,
) -> MaskedImage:
    """Assemble image, variance and flags into pixels that keep the contract of an exposure.

    Where there is no measurement (value or variance not finite, or variance
    not positive, or flagged NO_DATA, or masked in an array of `numpy.ma`) the image becomes NaN, the variance
    +inf, and NO_DATA is set.  Such a pixel inside of the data that no flag
    accounts for is also BAD, or UNMASKED_NAN when its value is the reason.

    Parameters
    ----------
    image, variance
        Shape (y, x).
    flags
        Integers whose bits have names, or boolean arrays of shape (y, x) by
        name; aliases are accepted.
    path
        File, for messages.
    projection
        Pixels to ICRS, if that is known.
    edge_width
        Width in pixels of the rim that is flagged DETECTION_EDGE along the
        ends of the data; 0 for none.
    start
        Position (y, x) of the first pixel.
    descriptions
        Meaning of planes that are not standard ones.
    in_place
        Whether the arrays may be changed and become the pixels, where their
        types allow it: this saves memory.

    Raises
    ------
    ShapeError
        Raised when the arrays differ in shape.
    InputError
        Raised when more variances are negative than positive, or no pixel is measured.
    """
    schema = make_schema(flags.planes if isinstance(flags, Flags) else flags, descriptions=descriptions)
    require_shape(f"{path}: plane variance", variance, image.shape)
    masked = masked_pixels(image, variance)
    if masked is not None:
        image = np.where(masked, np.nan, np.ma.getdata(image))
        variance = np.where(masked, np.inf, np.ma.getdata(variance))
    check_signs(variance, "variance", path)
    layout = Layout(schema)
    mask = _mask_bits(flags, layout, image.shape, path, in_place=in_place)
    image, variance = (
        np.ascontiguousarray(plane, dtype=np.float32)
        if in_place and plane.flags.writeable
        else np.array(plane, dtype=np.float32, order="C")
        for plane in (image, variance)
    )
    _settle_missing(image, variance, mask, layout, edge_width, path)
    box = Box.from_shape(image.shape, start=start)
    return MaskedImage(
        Image(image, bbox=box),
        mask=Mask(mask[..., np.newaxis], schema=schema, bbox=box),
        variance=Image(variance, bbox=box),
        sky_projection=projection,
    )


def _mask_bits(
    flags: Flags | Mapping[str, np.ndarray],
    layout: Layout,
    shape: tuple[int, ...],
    path: Path,
    *,
    in_place: bool,
) -> np.ndarray:
    """Return the flags as bits of a layout: int32, shape (y, x)."""
    if isinstance(flags, Flags):
        require_shape(f"{path}: plane mask", flags.values, shape)
        bits = {name: layout.bits([name]) for name in flags.planes}
        return flags.translate(bits, in_place=in_place)
    mask = np.zeros(shape, np.int32)
    for name, plane in flags.items():
        require_shape(f"{path}: plane {name}", plane, shape)
        or_where(np.ascontiguousarray(plane, dtype=bool), layout.bits([name]), mask)
    return mask


def _settle_missing(
    image: np.ndarray, variance: np.ndarray, mask: np.ndarray, layout: Layout, edge_width: int, path: Path
) -> None:
    """Take away values that are no measurements, and complete the mask, in place."""
    rows, columns = (np.zeros(n, dtype=bool) for n in image.shape)
    no_data, bad, no_value, edge = (
        layout.bits([name]) for name in ("NO_DATA", "BAD", "UNMASKED_NAN", "DETECTION_EDGE")
    )
    reasons = layout.bits(_REASONS)
    untold, measured = mark_missing(image, variance, mask, no_data, reasons, rows, columns)
    if not measured:
        raise InputError(path, found="no pixel with a value and a weight", expected="at least one")
    y, x = ((int(indices[0]), int(indices[-1]) + 1) for indices in map(np.flatnonzero, (rows, columns)))
    if untold:
        mark_untold(image, variance, mask, no_data, no_value, bad, y, x)
    # The rim is that of the data, not of the array.
    data = mask[slice(*y), slice(*x)]
    for side in (data, data.T):
        side[:edge_width] |= np.int32(edge)
        side[max(len(side) - edge_width, 0) :] |= np.int32(edge)


_REASONS = frozenset(STANDARD_PLANES) - SKY_PLANES


def gaussian_psf(
    fwhm: float, bbox: Box, *, path: str | PathLike[str] = "", where: str = "", told: str = ""
) -> GaussianPointSpreadFunction:
    """Return a round Gaussian PSF.

    Parameters
    ----------
    fwhm
        Full width at half maximum in pixels.
    bbox
        Box of the exposure.
    path, where
        File that states the width, and column or keyword, for messages.
    told
        The width as it stands there.

    Raises
    ------
    InputError
        Raised when the width is not finite, or not one that an image can have.
    """
    if not MIN_FWHM <= fwhm <= MAX_FWHM:  # nor NaN
        expected = f"a PSF of {MIN_FWHM:g} to {MAX_FWHM:g} pixels full width at half maximum"
        width = f"{told}, {fwhm:.4g} pixels" if told else f"{fwhm:.4g} pixels"
        raise InputError(path, where=where, found=width, expected=expected)
    sigma = fwhm / FWHM_PER_SIGMA
    half = max(math.ceil(5.0 * sigma), 7)
    return GaussianPointSpreadFunction(sigma, bounds=bbox, stamp_size=2 * half + 1)

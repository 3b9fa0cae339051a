"""What lamella relies on in a reader of exposures, as checks that the author of a reader can run."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator

import numpy as np
from lsst.images import MaskedImage
from lsst.images.fields import BaseField

from ..data.exposure import Exposure, ExposureInfo, ExposureSource
from ..planes import STANDARD_PLANES, make_schema
from ..psf.gaussian import FWHM_PER_SIGMA
from ..sky.footprint import pixel_scale
from .asserts import assert_bits_equal
from .photometry import psf_moments

__all__ = ("check_exposure", "check_exposure_source")

_INVERSION_TOLERANCE = 1e-6  # px
_PSF_NORM_TOLERANCE = 1e-3
_WIDTH_FACTOR = 1.5  # between the FWHM of the description and that of the PSF model
_ARCSEC = np.pi / (180 * 3600)

type _Problems = Iterator[str]


def check_exposure_source(source: ExposureSource) -> None:
    """Check that a source of exposures keeps its promises.

    It reads the exposure three times.  All broken promises are reported at
    once.

    Parameters
    ----------
    source
        What a reader gives for one exposure.

    Raises
    ------
    AssertionError
        Raised when a promise is broken; the message lists all of them.
    """
    _raise(str(source), [*_check_info(source.info), *_check_source(source)])


def check_exposure(exposure: Exposure) -> None:
    """Check an exposure in memory: pixels, projection, PSF and photometric scale.

    Raises
    ------
    AssertionError
        Raised when a promise is broken; the message lists all of them.
    """
    _raise(str(exposure.info.id), [*_check_info(exposure.info), *_check_exposure(exposure)])


def _raise(name: str, problems: list[str]) -> None:
    if problems:
        text = "\n".join(f"  - {problem}" for problem in problems)
        raise AssertionError(f"{name} breaks {len(problems)} promise(s) of an exposure source:\n{text}")


def _check_source(source: ExposureSource) -> _Problems:
    first = source.read()
    yield from _check_exposure(first)
    yield from _compare_info(first.info, source.info, "read().info", "info")
    kept = first.pixels.copy()
    # What a caller does to its pixels must not show up in the next reading.
    first.pixels.image.array[...] = -1.0
    first.pixels.variance.array[...] = -1.0
    first.pixels.mask.array[...] = -1
    yield from _compare_pixels(source.read().pixels, kept, "a second read()")
    try:
        copy: ExposureSource = pickle.loads(pickle.dumps(source))
    except Exception as err:
        yield f"the source cannot be pickled ({type(err).__name__}: {err}); worker processes need that."
        return
    yield from _compare_info(copy.info, source.info, "info of the unpickled source", "info")
    yield from _compare_pixels(copy.read().pixels, kept, "read() of the unpickled source")


def _compare_info(actual: ExposureInfo, expected: ExposureInfo, name: str, other: str) -> _Problems:
    for field in ("band", "id", "bbox", "projection", "polygon", "psf_fwhm", "times"):
        a, b = getattr(actual, field), getattr(expected, field)
        if a != b:
            yield f"{field} in {name} is {a!r}, but {b!r} in {other}."


def _compare_pixels(actual: MaskedImage, expected: MaskedImage, name: str) -> _Problems:
    planes: tuple[tuple[str, Callable[[MaskedImage], np.ndarray]], ...] = (
        ("image", lambda p: p.image.array),
        ("variance", lambda p: p.variance.array),
        ("mask", lambda p: p.mask.array),
    )
    for plane, get in planes:
        try:
            assert_bits_equal(get(actual), get(expected), name=plane)
        except AssertionError as err:
            yield f"{name} gives other pixels than the first: {err}"


def _check_info(info: ExposureInfo) -> _Problems:
    if not info.band:
        yield "info.band is empty; it names the coadd that the exposure goes into."
    if not info.id.instrument:
        yield "info.id.instrument is empty."
    if info.psf_fwhm is not None and not (np.isfinite(info.psf_fwhm) and info.psf_fwhm > 0):
        yield f"info.psf_fwhm is {info.psf_fwhm}; expected arcseconds, or None where it is not known."
    if info.polygon is not None and not info.bbox.contains(info.polygon.bbox):
        yield f"info.polygon reaches beyond info.bbox: {info.polygon.bbox} against {info.bbox}."
    grid = info.bbox.meshgrid(11)
    x, y = np.asarray(grid.x, dtype=float).ravel(), np.asarray(grid.y, dtype=float).ravel()
    sky = info.projection.pixel_to_sky_transform.apply_forward(x=x, y=y)
    back = info.projection.sky_to_pixel_transform.apply_forward(x=np.asarray(sky.x), y=np.asarray(sky.y))
    shift = np.stack([np.asarray(back.x) - x, np.asarray(back.y) - y])
    # AST marks what has no place on the sky, or in the image, by a huge number.
    if not (np.isfinite(shift) & (np.abs(shift) < 1e100)).all():
        yield "the projection gives positions that are not finite, or none, within the box."
        return
    worst = float(np.hypot(*shift).max())
    if not worst <= _INVERSION_TOLERANCE:
        yield (
            f"pixel to sky and back is off by {worst:.3g} px; expected at most {_INVERSION_TOLERANCE:g} px "
            "(is an approximate inverse distortion used?)."
        )


def _check_exposure(exposure: Exposure) -> _Problems:
    pixels = exposure.pixels
    if pixels.bbox != exposure.info.bbox:
        yield f"the box of the pixels is {pixels.bbox}, but info.bbox is {exposure.info.bbox}."
    yield from _check_types(pixels)
    if pixels.mask.schema.dtype == np.int32 and "NO_DATA" in pixels.mask.schema.names:
        image, variance = pixels.image.array, pixels.variance.array
        flagged, infinite = pixels.mask.get("NO_DATA"), np.isposinf(variance)
        for wrong, text in (
            (np.isinf(image), "are infinite; expected NaN where there is no measurement"),
            (np.isnan(variance), "have a variance of NaN; expected +inf where there is no measurement"),
            (np.isneginf(variance) | (variance <= 0), "have a variance that is not positive"),
            (np.isnan(image) & ~flagged, "are NaN without NO_DATA"),
            (~np.isnan(image) & flagged, "are NO_DATA but not NaN"),
            (infinite & ~flagged, "have infinite variance without NO_DATA"),
            (~infinite & flagged, "are NO_DATA with a variance that is not +inf"),
        ):
            if wrong.any():
                row, column = np.argwhere(wrong)[0]
                where = f"the first at row {row}, column {column} of the array"
                yield f"{int(wrong.sum())} pixels {text}; {where}."
        if flagged.all():
            yield "all pixels are NO_DATA."
    yield from _check_psf(exposure)
    scale, box = exposure.to_njy, exposure.info.bbox
    if isinstance(scale, BaseField):
        values = np.asarray(scale(x=np.array([box.x.center]), y=np.array([box.y.center])), dtype=float)
        name = "the field to_njy at the centre of the box"
    else:
        values, name = np.array([scale], dtype=float), "to_njy"
    if not (np.isfinite(values).all() and (values > 0).all()):
        yield f"{name} is {values[0]}; expected a positive number of nJy per unit of the image."


def _check_types(pixels: MaskedImage) -> _Problems:
    for name, array in (("image", pixels.image.array), ("variance", pixels.variance.array)):
        if array.dtype != np.dtype(np.float32) or not array.dtype.isnative:
            yield f"the {name} is {array.dtype.str}; expected float32 in the machine's byte order."
    schema = pixels.mask.schema
    if schema.dtype != np.int32 or pixels.mask.array.shape[-1] != 1:
        yield (
            f"the mask has {pixels.mask.array.shape[-1]} x {schema.dtype} per pixel; expected one int32 "
            "(make the schema with lamella.planes.make_schema)."
        )
        return
    standard = make_schema()
    for name in STANDARD_PLANES:
        if name not in schema.names:
            yield f"the mask has no plane {name} (make the schema with lamella.planes.make_schema)."
        elif int(schema.bit(name).mask) != int(standard.bit(name).mask):
            yield f"mask plane {name} is not at its standard bit (make the schema with make_schema)."


def _check_psf(exposure: Exposure) -> _Problems:
    box, psf = exposure.info.bbox, exposure.psf
    x, y = box.x.center, box.y.center
    kernel = np.asarray(psf.compute_kernel_image(x=x, y=y).array)
    if not np.isfinite(kernel).all():
        yield "the PSF at the centre of the box has values that are not finite."
        return
    if abs(kernel.sum() - 1) > _PSF_NORM_TOLERANCE:
        yield f"the PSF at the centre of the box sums to {kernel.sum():.6g}; expected 1."
    star = (round(x) + 0.3, round(y) - 0.2)
    moments = psf_moments(psf, *star)
    if not np.hypot(moments[0] - star[0], moments[1] - star[1]) < 0.2:
        yield (
            f"the PSF image of a star at x = {star[0]:.2f}, y = {star[1]:.2f} is centred on "
            f"x = {moments[0]:.2f}, y = {moments[1]:.2f}."
        )
    fwhm = exposure.info.psf_fwhm
    if fwhm is None:
        return
    width = FWHM_PER_SIGMA * moments[2] * pixel_scale(exposure.info.projection, exposure.info.bbox)
    if not 1 / _WIDTH_FACTOR < width / fwhm < _WIDTH_FACTOR:
        yield (
            f"info.psf_fwhm is {fwhm:.3g} arcsec, but the PSF model has a FWHM of about "
            f"{width:.3g} arcsec (pixels taken for arcseconds, or sigma for FWHM?)."
        )

"""Assertions on arrays, masked images and exposures, with messages that say where and how much."""

from __future__ import annotations

from typing import Any

import numpy as np
from lsst.images import Box, MaskedImage, SkyProjection
from lsst.images.fields import BaseField

from ..data.exposure import Exposure

__all__ = (
    "assert_bits_equal",
    "assert_exposures_equal",
    "assert_masked_images_equal",
    "assert_projections_close",
)


def assert_bits_equal(actual: np.ndarray, expected: np.ndarray, *, name: str = "array") -> None:
    """Check that two arrays are the same to the last bit; NaN equals NaN.

    Parameters
    ----------
    actual, expected
        Arrays of any shape.
    name
        What they are, for the message.

    Raises
    ------
    AssertionError
        Raised when dtype, shape or a value differs; -0.0 differs from 0.0.
    """
    assert actual.dtype == expected.dtype, f"{name}: dtype is {actual.dtype}; expected {expected.dtype}."
    assert actual.shape == expected.shape, f"{name}: shape is {actual.shape}; expected {expected.shape}."
    differs = actual != expected
    if np.issubdtype(actual.dtype, np.floating):
        differs &= ~(np.isnan(actual) & np.isnan(expected))
        differs |= (actual == 0) & (expected == 0) & (np.signbit(actual) != np.signbit(expected))
    _report(name, differs, actual, expected)


def _report(name: str, differs: np.ndarray, actual: np.ndarray, expected: np.ndarray) -> None:
    if not differs.any():
        return
    first = tuple(int(i) for i in np.argwhere(differs)[0])
    raise AssertionError(
        f"{name}: {int(differs.sum())} of {differs.size} values differ; "
        f"the first at {first}: {actual[first]!r}, expected {expected[first]!r}."
    )


def assert_masked_images_equal(
    actual: MaskedImage, expected: MaskedImage, *, rtol: float = 0.0, atol: float = 0.0
) -> None:
    """Check that two masked images are equal: box, projection, image, variance and named mask planes.

    Parameters
    ----------
    actual, expected
        The images.
    rtol, atol
        Relative and absolute tolerance of image and variance (the latter in
        the unit of each plane); with both 0 they must agree to the last bit.

    Raises
    ------
    AssertionError
        Raised when they differ.
    """
    assert actual.sky_projection == expected.sky_projection, "the projections differ."
    _assert_planes_close(actual, expected, rtol, atol)


def _assert_planes_close(actual: MaskedImage, expected: MaskedImage, rtol: float, atol: float) -> None:
    assert actual.bbox == expected.bbox, f"box is {actual.bbox}; expected {expected.bbox}."
    assert actual.unit == expected.unit, f"unit is {actual.unit}; expected {expected.unit}."
    for name, a, b in (
        ("image", actual.image, expected.image),
        ("variance", actual.variance, expected.variance),
    ):
        if rtol == 0 and atol == 0:
            assert_bits_equal(a.array, b.array, name=name)
            continue
        close = np.isclose(a.array, b.array, rtol=rtol, atol=atol, equal_nan=True)
        _report(name, ~close, a.array, b.array)
    names, other = set(actual.mask.schema.names), set(expected.mask.schema.names)
    assert names == other, f"mask planes differ: {sorted(names ^ other)} are in one of them only."
    for plane in sorted(names):
        assert_bits_equal(actual.mask.get(plane), expected.mask.get(plane), name=f"mask plane {plane}")


def assert_projections_close(
    actual: SkyProjection[Any], expected: SkyProjection[Any], box: Box, *, tolerance: float = 1e-6
) -> None:
    """Check that two projections put the pixels of a box at the same places of the sky.

    Parameters
    ----------
    actual, expected
        The projections.
    box
        Where to compare them.
    tolerance
        Largest distance in pixels.

    Raises
    ------
    AssertionError
        Raised when they differ by more.
    """
    grid = box.meshgrid(9)
    sky = actual.pixel_to_sky_transform.apply_forward(x=grid.x.astype(float), y=grid.y.astype(float))
    back = expected.sky_to_pixel_transform.apply_forward(x=np.asarray(sky.x), y=np.asarray(sky.y))
    worst = float(np.max(np.hypot(np.asarray(back.x) - grid.x, np.asarray(back.y) - grid.y)))
    assert worst <= tolerance, f"the projections differ by {worst:.3g} px; expected at most {tolerance:g} px."


def assert_exposures_equal(actual: Exposure, expected: Exposure, *, tolerance: float = 1e-6) -> None:
    """Check that two exposures are the same, but for paths, filters, formats and notes.

    Use it to test a reader against `~lamella.testing.exposure.SimulatedExposure`:
    pixels must agree to the last bit.

    Parameters
    ----------
    actual, expected
        The exposures.
    tolerance
        For the projection in pixels, and relative for ``to_njy``.  The PSF at
        the centre must agree to a thousandth of its peak.

    Raises
    ------
    AssertionError
        Raised when they differ.
    """
    for field in ("band", "id", "bbox", "psf_fwhm", "times"):
        a, b = getattr(actual.info, field), getattr(expected.info, field)
        assert a == b, f"info.{field} is {a!r}; expected {b!r}."
    assert_projections_close(
        actual.info.projection, expected.info.projection, expected.info.bbox, tolerance=tolerance
    )
    _assert_planes_close(actual.pixels, expected.pixels, 0.0, 0.0)
    a, b = actual.to_njy, expected.to_njy
    fields = isinstance(a, BaseField) or isinstance(b, BaseField)
    same = a == b if fields else np.isclose(a, b, rtol=tolerance, atol=0.0)  # type: ignore[arg-type]
    assert same, f"to_njy is {a!r}; expected {b!r}."
    x, y = expected.info.bbox.x.center, expected.info.bbox.y.center
    a, b = (psf.compute_kernel_image(x=x, y=y).array for psf in (actual.psf, expected.psf))
    assert a.shape == b.shape, f"the PSF has shape {a.shape}; expected {b.shape}."
    _report("PSF at the centre", np.abs(a - b) > 1e-3 * b.max(), a, b)

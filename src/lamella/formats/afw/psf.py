"""PSF models in an archive: Gaussians, PSFEx, and those made of kernels; and the bounds of all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from lsst.images import Bounds, Box
from lsst.images.psfs import GaussianPointSpreadFunction, PiffWrapper, PointSpreadFunction

from ...errors import InvalidPsfError
from ...psf.base import StampPsf
from ...psf.basis import PolynomialBasisPsf
from ...psf.coadd import CoaddPsf
from ...psf.gaussian import DoubleGaussianPsf
from ...psf.psfex import PsfexPolynomial, PsfexPsf
from ...psf.warped import WarpedPsf
from .afw_archive import Archive, ObjectRecord
from .persistables import persistable
from .psf_kernels import MAX_VALUES, StoredKernel

if TYPE_CHECKING:
    from .exposure import AfwFile

__all__ = ("EVERYWHERE", "MAX_SIDE", "read_psf", "within")

EVERYWHERE = Box.factory[-(1 << 30) : 1 << 30, -(1 << 30) : 1 << 30]
"""Bounds of the PSF models that an archive returns: afw does not say where they are valid."""

MAX_SIDE = 2001
"""Pixels along a stamp; more is damage."""
_MIN_SIGMA = 0.05
"""Pixels; narrower Gaussians miss the centres of all pixels."""
_MAX_DEGREE = 20
_FIRST_PIXEL = 1.0
"""PSFEx counts pixels as FITS does, but its models were made here from positions that count from 0."""


def read_psf(file: AfwFile, bounds: Bounds | None = None) -> PointSpreadFunction | None:
    """Return the PSF of an exposure or a coadd, or `None` when it has none.

    Parameters
    ----------
    file
        The file.
    bounds
        Region where the PSF is wanted; by default the box of the image.

    Raises
    ------
    InputError
        Raised when the archive is damaged.
    MissingPartError
        Raised when the model is of a class that lamella does not know, or a
        pickle that was not asked for.
    """
    psf: PointSpreadFunction | None = file.component("PSF", PointSpreadFunction)
    return None if psf is None else within(psf, file.bbox if bounds is None else bounds)


def within(psf: PointSpreadFunction, bounds: Bounds) -> PointSpreadFunction:
    """Return the same PSF model with other bounds.

    Raises
    ------
    InvalidPsfError
        Raised when it is not a model of a kind that archives hold.
    """
    if isinstance(psf, StampPsf):
        return type(psf).from_parameters(psf.parameters(), bounds)
    if isinstance(psf, GaussianPointSpreadFunction):
        return GaussianPointSpreadFunction(psf.sigma, bounds, psf.kernel_bbox.x.size)
    if isinstance(psf, WarpedPsf):
        return psf.within(bounds)
    if isinstance(psf, CoaddPsf):
        return CoaddPsf(psf.components, psf.projection, bounds)
    if isinstance(psf, PiffWrapper):
        return PiffWrapper(psf.piff_psf, bounds, psf.kernel_bbox.x.size)
    raise InvalidPsfError(f"The bounds of a {type(psf).__name__} cannot be changed.")


@persistable("GaussianPsf", "SingleGaussianPsf")
def build_gaussian(record: ObjectRecord, archive: Archive) -> GaussianPointSpreadFunction:
    """Return a round Gaussian."""
    sigma = _width(record, "sigma")
    return GaussianPointSpreadFunction(sigma, EVERYWHERE, _stamp_side(record))


@persistable("DoubleGaussianPsf")
def build_double_gaussian(record: ObjectRecord, archive: Archive) -> DoubleGaussianPsf:
    """Return a Gaussian with a wing; afw writes a wing that is not there with a width of 0."""
    row = record.row()
    amplitude = row.number("b")
    sigma2 = 1.0 if amplitude == 0.0 == row.number("sigma2") else _width(record, "sigma2")
    return DoubleGaussianPsf(_width(record, "sigma1"), sigma2, amplitude, EVERYWHERE, _stamp_side(record))


def _width(record: ObjectRecord, name: str) -> float:
    value = record.row().number(name)
    if not _MIN_SIGMA <= value < math.inf:
        record.fail(found=f"{name} {value:g}", expected=f"{_MIN_SIGMA} pixels or more")
    return value


def _stamp_side(record: ObjectRecord) -> int:
    """Return the side of square stamps with a centre that hold those of the file."""
    width, height = (int(size) for size in record.row().point("dimensions"))
    side = max(width, height)
    if not 1 <= min(width, height) <= side <= MAX_SIDE:
        record.fail(found=f"stamps of {width} x {height} pixels", expected=f"1 to {MAX_SIDE} a side")
    return side + 1 - side % 2


@persistable("KernelPsf", "PcaPsf")
def build_kernel_psf(record: ObjectRecord, archive: Archive) -> PolynomialBasisPsf:
    """Return a PSF that is a kernel: an image, or a sum of images that varies over the field."""
    kernel = archive.require(record.row().integer("kernel"), StoredKernel)
    if kernel.side > MAX_SIDE or len(kernel.images) * kernel.side**2 > MAX_VALUES:
        record.fail(
            found=f"{len(kernel.images)} images that reach {kernel.side // 2} pixels from the centre",
            expected=f"{MAX_SIDE} pixels a side and {MAX_VALUES} in all at most",
        )
    images = kernel.centred_images()
    return PolynomialBasisPsf(images, kernel.coefficients, EVERYWHERE, zero=kernel.zero, scale=kernel.scale)


@persistable("PsfexPsf")
def build_psfex(record: ObjectRecord, archive: Archive) -> PsfexPsf:
    """Return a model of PSFEx.

    In the first table of afw are the sizes of the arrays in the second:
    degrees of polynomials, their groups (from 0), the samples (``_comp``, of
    the sizes ``_size``, that of x first), and zero and scale of positions.
    """
    sampling = record.row().number("_pixstep")
    row = record.row(1)
    sizes, degrees = row.array("_size").tolist(), row.array("degree").tolist()
    zero, scale = row.array("_context_first").tolist(), row.array("_context_second").tolist()
    groups = row.array("group").tolist()
    if not len(zero) == len(scale) == len(groups) == 2:
        record.fail(found=f"a model of {len(zero)} variables", expected="x and y")
    if not all(0 <= degree <= _MAX_DEGREE for degree in degrees):
        record.fail(found=f"polynomials of degree {degrees}", expected=f"0 to {_MAX_DEGREE}")
    samples = row.array("_comp")
    width, height, terms = [*sizes, 1][:3] if len(sizes) in (2, 3) else (0, 0, 0)
    if min(width, height, terms) < 1 or width * height * terms != samples.size:
        record.fail(found=f"{samples.size} samples of sizes {sizes}", expected="basis images")
    images = samples.astype(np.float64).reshape(terms, height, width)
    if not 0.0 < sampling * max(images.shape[1:]) <= MAX_SIDE:
        record.fail(
            found=f"{images.shape[-1]} samples, {sampling:g} pixels apart",
            expected=f"at most {MAX_SIDE} pixels",
        )
    polynomial = PsfexPolynomial(
        zero=(zero[0] + _FIRST_PIXEL, zero[1] + _FIRST_PIXEL),
        scale=(scale[0], scale[1]),
        groups=(groups[0] + 1, groups[1] + 1),
        degrees=tuple(degrees),
    )
    return PsfexPsf(images, polynomial, sampling, EVERYWHERE)

"""PSF models as afw holds them, as far as a class of afw can be what the model is."""

from __future__ import annotations

import numpy as np
from lsst.images import Box
from lsst.images.psfs import GaussianPointSpreadFunction, PointSpreadFunction

from ...errors import InvalidPsfError
from ...psf.basis import PolynomialBasisPsf, PolynomialImages
from ...psf.gaussian import DoubleGaussianPsf
from ...psf.gridded import GriddedPsf
from ...psf.psfex import PsfexPsf
from .plain_psf import sample_psf
from .write_tables import Field, OutputArchive, Part, point_fields

__all__ = ("add_psf",)

_SIZES = point_fields("dimensions", "width/height of realization of Psf")
_MIDDLE = point_fields("averagePosition", "average position of stars used to make the PSF", "D")
_KERNEL_SIZES = (
    *point_fields("dimensions", "size of the kernel"),
    *point_fields("center", "center of the kernel"),
)
_MAX_ORDER = 3
"""Order of the polynomials in x and in y that stand in for stamps on a grid."""
_MAX_RESIDUAL = 0.02
"""Difference from a stamp, relative to its peak, beyond which these do not stand in for it."""


def add_psf(archive: OutputArchive, psf: PointSpreadFunction, bbox: Box) -> tuple[int, str]:
    """Add a PSF model to an archive.

    Parameters
    ----------
    archive
        Where to add it.
    psf
        The model.
    bbox
        Pixels where it is needed.

    Returns
    -------
    `int`
        Number of the object.
    `str`
        What is to be said of it; empty where the model of afw is the same as ours.

    Raises
    ------
    InvalidPsfError
        Raised when no class of afw can be this model, nor come close to it.
    """
    if isinstance(psf, GaussianPointSpreadFunction):
        side = psf.kernel_bbox.x.size
        fields = (*_SIZES, Field("sigma", "D", "radius of Gaussian", "pixel"))
        row = {"dimensions_x": side, "dimensions_y": side, "sigma": psf.sigma}
        return archive.add("GaussianPsf", "lsst.afw.detection", Part(fields, [row])), ""
    if isinstance(psf, DoubleGaussianPsf):
        return _add_double_gaussian(archive, psf), ""
    if isinstance(psf, PsfexPsf):
        return _add_psfex(archive, psf, bbox), ""
    if isinstance(psf, PolynomialBasisPsf):
        return _add_kernel(archive, psf.basis, bbox), ""
    grid = psf if isinstance(psf, GriddedPsf) else sample_psf(psf, bbox)
    basis, residual = _fit_grid(grid)
    if grid is psf and residual == 0.0:
        return _add_kernel(archive, basis, bbox), ""
    name = type(psf).__name__
    if residual > _MAX_RESIDUAL:
        raise InvalidPsfError(f"No class of afw comes close to this {name}: {residual:.1%} off at the peak.")
    note = f"PSF ({name}) written as polynomials through samples, {residual:.1%} of the peak off at most."
    return _add_kernel(archive, basis, bbox), note


def _add_double_gaussian(archive: OutputArchive, psf: DoubleGaussianPsf) -> int:
    side = psf.kernel_bbox.x.size
    fields = (
        *_SIZES,
        Field("sigma1", "D", "radius of inner Gaussian", "pixel"),
        Field("sigma2", "D", "radius of outer Gaussian", "pixel"),
        Field("b", "D", "peak of the outer Gaussian relative to that of the inner one"),
    )
    row = {
        "dimensions_x": side,
        "dimensions_y": side,
        "sigma1": psf.sigma1,
        "sigma2": psf.sigma2,
        "b": psf.amplitude,
    }
    return archive.add("DoubleGaussianPsf", "lsst.meas.algorithms", Part(fields, [row]))


def _add_psfex(archive: OutputArchive, psf: PsfexPsf, bbox: Box) -> int:
    """Add a model of PSFEx; afw keeps samples, and their distance, in single precision.

    Positions count from 0 in afw, and from 1 in our models.
    """
    polynomial, images = psf.polynomial, psf.images
    degrees, terms = polynomial.degrees, len(images)
    sizes = {"ndim": 2, "ngroup": len(degrees), "ncoeff": terms}
    sizes |= {"_size_size": 3, "_comp_size": images.size, "_context_size": 2}
    first = (
        *(Field(name, "J", f"sizes of the model: {name.strip('_')}") for name in sizes),
        *_MIDDLE,
        Field("_pixstep", "E", "oversampling", "pixel"),
    )
    second = (
        Field("group", "J", "Groups (of coefficients?)", count=2, kind="Array"),
        Field("degree", "J", "Degree in each group", count=len(degrees), kind="Array"),
        Field("basis", "D", "Values of the basis functions", count=terms, kind="Array"),
        Field("coeff", "D", "Polynomial coefficients", count=terms, kind="Array"),
        Field("_size", "J", "PSF dimensions", count=3, kind="Array"),
        Field("_comp", "E", "Complete pixel data", count=images.size, kind="Array"),
        Field("_context_first", "D", "Offset to apply to context data", count=2, kind="Array"),
        Field("_context_second", "D", "Scale to apply to context data", count=2, kind="Array"),
    )
    row = {
        "group": [group - 1 for group in polynomial.groups],
        "degree": degrees,
        # Work space of PSFEx: afw computes the one anew, and does not use the other.
        "basis": np.zeros(terms),
        "coeff": np.zeros(terms),
        "_size": [images.shape[2], images.shape[1], terms],
        "_comp": images,
        "_context_first": np.asarray(polynomial.zero) - 1.0,
        "_context_second": polynomial.scale,
    }
    main = {**sizes, **_middle(bbox), "_pixstep": psf.sampling}
    return archive.add("PsfexPsf", "lsst.meas.extensions.psfex", Part(first, [main]), Part(second, [row]))


def _middle(bbox: Box) -> dict[str, float]:
    return {"averagePosition_x": float(bbox.x.center), "averagePosition_y": float(bbox.y.center)}


def _add_kernel(archive: OutputArchive, basis: PolynomialImages, bbox: Box) -> int:
    """Add images with polynomials of the position as their factors: a KernelPsf of a sum of kernels."""
    side = basis.side
    sizes = {"dimensions_x": side, "dimensions_y": side, "center_x": side // 2, "center_y": side // 2}
    fixed = (*_KERNEL_SIZES, Field("image", "D", "pixel values", count=side * side, kind="Array"))
    images = [
        archive.add("FixedKernel", "lsst.afw.math", Part(fixed, [{**sizes, "image": image}]))
        for image in basis.images
    ]
    count = len(images)
    functions = [_add_function(archive, basis, number, bbox) for number in range(count)]
    combination = (
        *_KERNEL_SIZES,
        Field(
            "spatialfunctions",
            "J",
            "archive IDs for the functions of the position",
            count=count,
            kind="Array",
        ),
        Field("components", "J", "archive IDs for the kernels", count=count, kind="Array"),
    )
    row = {**sizes, "spatialfunctions": functions, "components": images}
    kernel = archive.add("LinearCombinationKernel", "lsst.afw.math", Part(combination, [row]))
    fields = (Field("kernel", "J", "archive ID of nested kernel object"), *_MIDDLE)
    return archive.add(
        "KernelPsf", "lsst.meas.algorithms", Part(fields, [{"kernel": kernel, **_middle(bbox)}])
    )


def _add_function(archive: OutputArchive, basis: PolynomialImages, number: int, bbox: Box) -> int:
    """Add the polynomial of one image, as a sum of Chebyshev polynomials on the box."""
    rows = _to_chebyshev(basis, number, bbox)
    order = max((i + j for i, j in np.argwhere(rows != 0.0)), default=0)
    terms = [(power, total - power) for total in range(order + 1) for power in range(total + 1)]
    size = max(order + 1, *rows.shape)
    square = np.zeros((size, size))
    square[: rows.shape[0], : rows.shape[1]] = rows
    fields = (
        Field("coefficients", "D", "Chebyshev coefficients", count=len(terms), kind="Array"),
        *point_fields("min", "lower corner of the range", "D"),
        *point_fields("max", "upper corner of the range", "D"),
    )
    low, high = _range(bbox)
    row = {
        "coefficients": [square[powers] for powers in terms],
        "min_x": low[0],
        "min_y": low[1],
        "max_x": high[0],
        "max_y": high[1],
    }
    return archive.add("Chebyshev1Function2D", "lsst.afw.math", Part(fields, [row]))


def _range(bbox: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    x, y = bbox.x, bbox.y
    return (x.start - 0.5, y.start - 0.5), (x.stop - 0.5, y.stop - 0.5)


def _to_chebyshev(basis: PolynomialImages, number: int, bbox: Box) -> np.ndarray:
    """Return coefficients on the box: those of y, then of x."""
    low, high = _range(bbox)
    steps = []
    for axis, powers in ((1, basis.coefficients.shape[1]), (0, basis.coefficients.shape[2])):
        middle, half = 0.5 * (low[axis] + high[axis]), 0.5 * (high[axis] - low[axis])
        # The variable of the polynomial is a linear function of that of the range, which goes from -1 to 1.
        line = np.array([middle - basis.zero[axis], half]) / basis.scale[axis]
        matrix = np.zeros((powers, powers))
        power: np.ndarray = np.ones(1)
        for row in range(powers):
            matrix[row, : len(power)] = np.polynomial.chebyshev.poly2cheb(power)[: len(power)]
            power = np.polynomial.polynomial.polymul(power, line)
        steps.append(matrix)
    result: np.ndarray = steps[0].T @ basis.coefficients[number] @ steps[1]
    return result


def _fit_grid(grid: GriddedPsf) -> tuple[PolynomialImages, float]:
    """Return polynomials through the stamps on a grid, and how far they are off at most.

    With two nodes along an axis, or one, they are what is between the nodes, too.
    """
    if np.isnan(grid.stamps).any():
        raise InvalidPsfError("No class of afw can be a PSF that is not defined at some places.")
    zero, scale, designs, exact = [], [], [], True
    for nodes in (grid.x_nodes, grid.y_nodes):
        middle, half = 0.5 * (nodes[0] + nodes[-1]), max(0.5 * (nodes[-1] - nodes[0]), 1.0)
        zero.append(float(middle))
        scale.append(float(half))
        degree = min(len(nodes) - 1, _MAX_ORDER)
        designs.append(np.vander((nodes - middle) / half, degree + 1, increasing=True))
        exact &= len(nodes) <= 2
    solve = [np.linalg.pinv(design) for design in designs]
    images = np.einsum("iy,jx,yxab->ijab", solve[1], solve[0], grid.stamps)
    fitted = np.einsum("yi,xj,ijab->yxab", designs[1], designs[0], images)
    peaks = grid.stamps.max(axis=(2, 3), keepdims=True)
    residual = 0.0 if exact else float((np.abs(fitted - grid.stamps) / peaks).max())
    rows, columns = images.shape[:2]
    coefficients = np.zeros((rows * columns, rows, columns))
    for i in range(rows):
        for j in range(columns):
            coefficients[i * columns + j, i, j] = 1.0
    side = images.shape[-1]
    basis = PolynomialImages(
        images.reshape(-1, side, side), coefficients, (zero[0], zero[1]), (scale[0], scale[1])
    )
    return basis, residual

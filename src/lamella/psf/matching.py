"""Kernels that turn the PSF of an image into a model PSF.

For each position a kernel *K* is sought that makes :math:`K * P` the target
*T*: the square kernel of a given side, every pixel of it free, that minimises

.. math:: |K * P - T|^2 + \\lambda\\, |P|^2\\, |K|^2

among those with sum 1, so that fluxes are kept.  The second term is the noise that the kernel
would let through; where *P* has no power it keeps *K* at zero.  Compared with
the sums of Gaussians times polynomials of Alard and Lupton (1998, ApJ 503,
325), which are some of these kernels, the residual is no larger for the same
noise, often several times smaller, and nothing has to be tuned to the widths
of the PSFs.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import scipy
from lsst.images import Bounds
from lsst.images.psfs import PointSpreadFunction

from ..errors import ShapeError
from .gaussian import FWHM_PER_SIGMA, model_psf
from .match_control import MatchControl
from .measure import core_moments, effective_area

__all__ = (
    "KernelField",
    "MatchQuality",
    "fit_field",
    "kernel_side",
    "match_quality",
    "solve_bytes",
    "solve_kernels",
    "solve_large",
    "target_psf",
    "widest_fwhm",
)


@dataclasses.dataclass(frozen=True, slots=True)
class MatchQuality:
    """How well a PSF was matched.

    Attributes
    ----------
    residual
        Greatest difference between the matched PSF and the target, as a
        fraction of the target's peak.
    noise_gain
        Noise of a matched pixel relative to that of a pixel before, for
        noise that pixels do not share: below 1 where the match smooths.
    """

    residual: float
    noise_gain: float


def target_psf(fwhm: float, bounds: Bounds, control: MatchControl) -> PointSpreadFunction:
    """Return the PSF of a given width that warps are matched to."""
    return model_psf(fwhm, bounds, control.model)


def kernel_side(target: PointSpreadFunction, control: MatchControl) -> int:
    """Return the side of the kernels for a target, odd."""
    if control.kernel_size is not None:
        return control.kernel_size
    middle = target.bounds.bbox
    area = effective_area(target, float(middle.x.start), float(middle.y.start))
    # The width of the Gaussian of this area.
    side = math.ceil(control.kernel_factor * FWHM_PER_SIGMA * math.sqrt(area / (4.0 * math.pi)))
    return max(side + 1 - side % 2, 11)


def widest_fwhm(psf: PointSpreadFunction, x: float, y: float) -> float:
    """Return the full width at half maximum of a PSF along its long axis, in pixels.

    It is that of the elliptical Gaussian of the moments of its core.

    Raises
    ------
    InvalidPsfError
        Raised when the PSF has no finite positive value there.
    """
    m = core_moments(psf, x, y)
    mean, difference = 0.5 * (m.xx + m.yy), 0.5 * (m.xx - m.yy)
    return FWHM_PER_SIGMA * math.sqrt(mean + math.hypot(difference, m.xy))


def solve_kernels(stamps: np.ndarray, target: np.ndarray, side: int, ridge: float) -> np.ndarray:
    """Find the kernels that turn some PSFs into one.

    Parameters
    ----------
    stamps
        PSFs, shape (n, y, x), square with an odd side, each with sum 1.
    target
        The PSF to make, shape (y, x), square with an odd side, with sum 1.
    side
        Side of the kernels, odd.
    ridge
        The factor :math:`\\lambda` in the description of this module.

    Returns
    -------
    `numpy.ndarray` of float64, shape (n, side, side)
        The kernels, each with sum 1.

    Raises
    ------
    ShapeError
        Raised when a side is even.
    """
    for name, size in (("PSF stamps", stamps.shape[-1]), ("target", target.shape[-1]), ("kernel", side)):
        if size % 2 == 0:
            raise ShapeError(name, found=(size, size), expected="an odd side")
    normal, sides = _equations(stamps, target, side)
    if side <= _DENSE_SIDE:
        mean = np.mean(normal, axis=0)
        centre = side - 1
        # Pixel (y, x) with (v, u): the value at (y - v, x - u) from the centre.
        views = np.lib.stride_tricks.sliding_window_view(mean, (side, side))[::-1, ::-1]
        matrix = np.ascontiguousarray(views[::-1, ::-1, ::-1, ::-1]).reshape(side**2, side**2)
        matrix[np.diag_indices_from(matrix)] += ridge * mean[centre, centre]
        factor = scipy.linalg.cho_factor(matrix, overwrite_a=True, check_finite=False)
        best = _solve(normal, sides, ridge, factor)
        # The change of a kernel's sum that costs least; that for the mean PSF will do.
        change = scipy.linalg.cho_solve(factor, np.ones(side**2), check_finite=False).reshape(side, side)
    else:
        best = np.array([solve_large(*system, ridge) for system in zip(normal, sides, strict=True)])
        change = solve_large(np.mean(normal, axis=0), np.ones((side, side)), ridge)
    missing = 1.0 - best.sum(axis=(1, 2))
    kernels: np.ndarray = best + (missing / change.sum())[:, np.newaxis, np.newaxis] * change
    return kernels


def _equations(stamps: np.ndarray, target: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the normal equations of some PSFs: autocorrelations, and correlations with the target.

    Their shapes are (n, 2 * side - 1, 2 * side - 1) and (n, side, side); the offset 0 is in the middle.
    """
    # Long enough for the correlations not to wrap around.
    length = scipy.fft.next_fast_len(max(stamps.shape[-1], target.shape[-1]) * 2 + side, real=True)
    wanted = _transform(target, length)
    pairs = []
    for stamp in stamps:  # one transform at a time: all together take more memory than the rest
        power = _transform(stamp, length)
        pairs.append((_correlate(power, power, side - 1), _correlate(power, wanted, side // 2)))
    return np.array([normal for normal, _ in pairs]), np.array([side for _, side in pairs])


def solve_bytes(count: int, stamp: int, side: int) -> int:
    """Return how much memory `solve_kernels` takes.

    Parameters
    ----------
    count
        Number of PSFs.
    stamp, side
        Sides of the PSFs and of the kernels in pixels.
    """
    equations = count * ((2 * side) ** 2 + side**2) * 2
    transforms = 8 * (2 * stamp + side) ** 2
    matrix = 2 * side**4 if side <= _DENSE_SIDE else 0
    gradients = (10 if side > _DENSE_SIDE else 6 * count) * (3 * side) ** 2
    return 8 * (count * stamp**2 + equations + max(transforms, matrix + gradients))


def _transform(stamp: np.ndarray, length: int) -> np.ndarray:
    """Return the Fourier transform of a stamp whose centre is the origin."""
    padded = np.zeros((length, length))
    padded[: stamp.shape[0], : stamp.shape[1]] = stamp
    half = stamp.shape[0] // 2
    result: np.ndarray = scipy.fft.rfft2(np.roll(padded, (-half, -half), axis=(0, 1)))
    return result


def _correlate(first: np.ndarray, second: np.ndarray, reach: int) -> np.ndarray:
    """Return sum_x first(x) second(x + u) for all offsets u up to a reach, the offset 0 in the middle."""
    products = scipy.fft.irfft2(first.conj() * second, (first.shape[0],) * 2)
    index = np.arange(-reach, reach + 1)
    middle: np.ndarray = products[np.ix_(index, index)]
    return middle


_DENSE_SIDE = 55
"""Kernels up to this side (a target of 15 pixels) are found with the matrix of their equations, which then
takes 73 MB; it grows with the fourth power of the side."""
_ITERATIONS = 60
_TOLERANCE = 1e-5
_LARGE_ITERATIONS = 2000
_LARGE_TOLERANCE = 1e-6


def _solve(normal: np.ndarray, b: np.ndarray, ridge: float, factor: tuple[np.ndarray, bool]) -> np.ndarray:
    """Solve the normal equations of some PSFs by conjugate gradients, with those of a mean PSF as a guide."""
    n, side, _ = b.shape
    length = scipy.fft.next_fast_len(3 * side - 2, real=True)
    centre = side - 1
    spectra = scipy.fft.rfft2(normal, (length, length))
    damping = ridge * normal[:, centre, centre, np.newaxis, np.newaxis]

    def apply(kernels: np.ndarray) -> np.ndarray:
        products = scipy.fft.irfft2(spectra * scipy.fft.rfft2(kernels, (length, length)), (length, length))
        full: np.ndarray = products[:, centre : centre + side, centre : centre + side] + damping * kernels
        return full

    def guide(rests: np.ndarray) -> np.ndarray:
        solved: np.ndarray = scipy.linalg.cho_solve(factor, rests.reshape(n, -1).T, check_finite=False)
        return solved.T.reshape(n, side, side)

    kernels = guide(b)
    goals = _TOLERANCE**2 * _dots(b, kernels)
    rests = b - apply(kernels)
    steps = guided = guide(rests)
    norms = _dots(rests, guided)
    for _ in range(_ITERATIONS):
        going = norms > goals
        if not going.any():
            break
        applied = apply(steps)
        # A PSF that is done is left alone, so that it does not depend on its company.
        parts = np.where(going, norms / np.maximum(_dots(steps, applied), _TINY), 0.0)[
            :, np.newaxis, np.newaxis
        ]
        kernels = kernels + parts * steps
        rests = rests - parts * applied
        guided = guide(rests)
        norms, before = np.where(going, _dots(rests, guided), norms), norms
        steps = guided + (norms / np.maximum(before, _TINY))[:, np.newaxis, np.newaxis] * steps
    return kernels


def solve_large(normal: np.ndarray, b: np.ndarray, ridge: float) -> np.ndarray:
    """Solve the normal equations of one PSF without their matrix, in memory that grows with the pixels.

    These are conjugate gradients, as for small kernels.  The guide is the solution for a kernel without
    an edge, which the transforms give (the embedding in a circulant matrix: Chan and Ng 1996, SIAM Review 38,
    427); the edges cost a few hundred steps, whatever the width.

    Parameters
    ----------
    normal
        Autocorrelation of the PSF, shape (2 * side - 1, 2 * side - 1), the offset 0 in the middle.
    b
        Right-hand side, shape (side, side).
    ridge
        As for `solve_kernels`.

    Returns
    -------
    `numpy.ndarray` of float64, shape (side, side)
        The kernel, to a millionth of its norm in the equations.
    """
    side = len(b)
    centre = side - 1
    # Correlations of a kernel with offsets up to its side do not wrap around in this length.
    length = scipy.fft.next_fast_len(3 * side - 2, real=True)
    padded = np.zeros((length, length))
    padded[: 2 * side - 1, : 2 * side - 1] = normal
    # The power spectrum of the PSF; what its cut-off tails leave below zero is nothing.
    spectrum = scipy.fft.rfft2(np.roll(padded, (-centre, -centre), axis=(0, 1))).real
    damping = ridge * normal[centre, centre]
    inverse = 1.0 / (np.maximum(spectrum, 0.0) + damping)

    def filtered(kernel: np.ndarray, transfer: np.ndarray) -> np.ndarray:
        product = scipy.fft.irfft2(transfer * scipy.fft.rfft2(kernel, (length, length)), (length, length))
        corner: np.ndarray = product[:side, :side]
        return corner

    kernel, rest = np.zeros_like(b), b
    step = guided = filtered(rest, inverse)
    norm = float((rest * guided).sum())
    for _ in range(_LARGE_ITERATIONS):
        applied = filtered(step, spectrum) + damping * step
        size = norm / float((step * applied).sum())
        kernel, rest = kernel + size * step, rest - size * applied
        guided = filtered(rest, inverse)
        norm, before = float((rest * guided).sum()), norm
        if norm <= _LARGE_TOLERANCE**2 * float((b * kernel).sum()):
            break
        step = guided + (norm / before) * step
    return kernel


_TINY = np.finfo(np.float64).tiny


def _dots(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    sums: np.ndarray = np.einsum("nyx,nyx->n", first, second)
    return sums


def match_quality(stamp: np.ndarray, target: np.ndarray, kernel: np.ndarray) -> MatchQuality:
    """Return how close a kernel brings a PSF to the target, and what it does to noise."""
    length = scipy.fft.next_fast_len(stamp.shape[0] + target.shape[0] + kernel.shape[0], real=True)
    matched = _transform(stamp, length) * _transform(kernel, length)
    difference = scipy.fft.irfft2(matched - _transform(target, length), (length, length))
    residual = float(np.abs(difference).max() / target.max())
    return MatchQuality(residual, math.sqrt(float(np.square(kernel).sum())))


@dataclasses.dataclass(frozen=True, eq=False)
class KernelField:
    """Kernels that vary over a region as polynomials.

    Attributes
    ----------
    coefficients
        One image per term, shape (term, side, side).
    centre, half
        The polynomials are Chebyshev's, in ``(x - centre) / half``; (x, y) pairs.
    order
        Greatest sum of the orders in x and y.
    """

    coefficients: np.ndarray
    centre: tuple[float, float]
    half: tuple[float, float]
    order: int

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the kernels at some positions: shape (n, side, side)."""
        terms = _chebyshev_terms(x, y, self.centre, self.half, self.order)
        kernels: np.ndarray = np.tensordot(terms, self.coefficients, axes=1)
        return kernels


def fit_field(kernels: np.ndarray, x: np.ndarray, y: np.ndarray, order: int) -> KernelField:
    """Fit a field of kernels to those at some positions.

    The order is lowered until there are enough positions for its terms, and
    they are spread well enough, so that the fit is never undetermined.

    Parameters
    ----------
    kernels
        Kernels, shape (n, side, side).
    x, y
        Positions, shape (n,).
    order
        Greatest order of the polynomials.
    """
    centre = (0.5 * float(x.min() + x.max()), 0.5 * float(y.min() + y.max()))
    half = (max(0.5 * float(np.ptp(x)), 1.0), max(0.5 * float(np.ptp(y)), 1.0))
    while True:
        terms = _chebyshev_terms(x, y, centre, half, order)
        if order == 0 or (len(x) > terms.shape[1] and np.linalg.cond(terms) < _MAX_CONDITION):
            break
        order -= 1
    solved, *_ = np.linalg.lstsq(terms, kernels.reshape(len(kernels), -1), rcond=None)
    return KernelField(solved.reshape(-1, *kernels.shape[1:]), centre, half, order)


_MAX_CONDITION = 20.0
"""Of the terms at the positions: what a fit says between and beyond them is wrong by about so much more."""
_REACH = 1.5  # of the half side of the region of the fit


def _chebyshev_terms(
    x: np.ndarray, y: np.ndarray, centre: tuple[float, float], half: tuple[float, float], order: int
) -> np.ndarray:
    """Return products of Chebyshev polynomials in x and y up to a total order: shape (n, term).

    Far from where the field was fitted it does not change any more: a parabola would run away there.
    """
    across, up = (
        np.polynomial.chebyshev.chebvander(np.clip((at - middle) / size, -_REACH, _REACH), order)
        for at, middle, size in ((x, centre[0], half[0]), (y, centre[1], half[1]))
    )
    pairs = [(i, j) for j in range(order + 1) for i in range(order + 1 - j)]
    return np.stack([across[:, i] * up[:, j] for i, j in pairs], axis=1)

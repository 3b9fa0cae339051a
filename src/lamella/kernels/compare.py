"""Difference between an epoch and a template, and where it is larger than its noise."""

from __future__ import annotations

import numpy as np

from ._jit import jit

__all__ = (
    "BLIND",
    "HIGH",
    "LOW",
    "add_to_bins",
    "flag_direct",
    "flag_matched",
    "move_template",
    "subtract_template",
)

LOW = 1
"""Flag of pixels beyond the low threshold."""
HIGH = 2
"""Flag of pixels beyond the high threshold."""
BLIND = 4
"""Flag of pixels that cannot be tested well before matching, because a source is there."""

_LEAST_SHARE = 0.25  # of a variance that may remain when what two images share is taken off


@jit
def subtract_template(
    image: np.ndarray,
    variance: np.ndarray,
    mask: np.ndarray,
    bad: int,
    template: np.ndarray,
    template_variance: np.ndarray,
    shared_limit: float,
    difference: np.ndarray,
    noise: np.ndarray,
) -> None:
    """Write the difference between an epoch and the template, and its variance.

    A pixel of the epoch that is close to the template was averaged into it:
    the two share noise, and the variance of the difference is that of the
    epoch *less* that of the template.  A pixel that is far off was clipped from
    the template, and the variances add.

    Parameters
    ----------
    image, variance, mask
        The epoch, shape (y, x).
    bad
        Pixels with one of these mask bits are not compared.
    template, template_variance
        float32 of the same shape.
    shared_limit
        Limit, in sigma of the epoch, up to which a pixel counts as part of the template;
        0 when the epoch is not a part of it.
    difference, noise
        Written: float32, shape (y, x); NaN and +inf where there is nothing to compare.
    """
    limit = np.float32(shared_limit * shared_limit)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            d = image[y, x] - template[y, x]
            v = variance[y, x]
            t = template_variance[y, x]
            if mask[y, x] & bad != 0 or not (np.isfinite(d) and v + t < np.inf and v > 0.0):
                difference[y, x] = np.nan
                noise[y, x] = np.inf
                continue
            difference[y, x] = d
            # The variance of a mean that a value is part of is what the two share.
            shares = d * d <= limit * v
            noise[y, x] = max(v - t, np.float32(_LEAST_SHARE) * v) if shares else v + t


_TAPS = 6  # of the Lanczos-3 function


@jit
def _slope(before: np.floating, value: np.floating, after: np.floating) -> np.floating:
    """Return the slope at the middle of three pixels, of those that are finite; 0 where none is."""
    if np.isfinite(before) and np.isfinite(after):
        return np.float32(0.5) * (after - before)
    if np.isfinite(after):
        return after - value
    if np.isfinite(before):
        return value - before
    return np.float32(0.0)


@jit
def move_template(image: np.ndarray, source: np.ndarray, dx: float, dy: float, moved: np.ndarray) -> None:
    """Move the sources of a template by a part of a pixel, with the Lanczos-3 function.

    Parameters
    ----------
    image
        float32, shape (y, x).
    source
        Pixels whose value moves with a source, bool; the noise between them stays as it is.
    dx, dy
        By how much, in pixels.
    moved
        Written: float32, shape (y, x).  Next to what is not finite, and to the edge, the slope of the
        image has to do.
    """
    rows, columns = image.shape
    sx, sy = np.float32(dx), np.float32(dy)
    x0, y0 = int(np.floor(-dx)), int(np.floor(-dy))
    across, up = np.empty(_TAPS, np.float32), np.empty(_TAPS, np.float32)
    # Lanczos-3, sinc(u) sinc(u / 3), at the six pixels around a position; weights sum to one.
    for taps, offset in ((across, -dx - x0), (up, -dy - y0)):
        for k in range(_TAPS):
            u = np.pi * (k - 2 - offset)
            taps[k] = 1.0 if u == 0.0 else 3.0 * np.sin(u) * np.sin(u / 3.0) / (u * u)
        taps /= taps.sum()
    for y in range(rows):
        for x in range(columns):
            moved[y, x] = image[y, x]
            if not source[y, x]:
                continue
            i0, j0 = y + y0 - 2, x + x0 - 2
            total = np.float32(np.nan)
            if i0 >= 0 and j0 >= 0 and i0 + _TAPS <= rows and j0 + _TAPS <= columns:
                total = np.float32(0.0)
                for i in range(_TAPS):
                    row = np.float32(0.0)
                    for j in range(_TAPS):
                        row += across[j] * image[i0 + i, j0 + j]
                    total += up[i] * row
            if np.isfinite(total):
                moved[y, x] = total
                continue
            value = image[y, x]
            left = image[y, x - 1] if x > 0 else np.float32(np.nan)
            right = image[y, x + 1] if x + 1 < columns else np.float32(np.nan)
            low = image[y - 1, x] if y > 0 else np.float32(np.nan)
            high = image[y + 1, x] if y + 1 < rows else np.float32(np.nan)
            moved[y, x] = value - sx * _slope(left, value, right) - sy * _slope(low, value, high)


@jit
def flag_matched(
    difference: np.ndarray,
    noise: np.ndarray,
    factor: float,
    tolerance: np.ndarray,
    doubtful: np.ndarray,
    doubtful_tolerance: np.ndarray,
    template: np.ndarray,
    epochs: np.ndarray,
    low: float,
    high: float,
    flags: np.ndarray,
) -> None:
    """Flag pixels of a matched warp whose difference is larger than its noise allows.

    Only pixels that have the flag `BLIND` are looked at: the others were
    tested before matching, which spreads what is sharp over many pixels.

    Parameters
    ----------
    difference, noise
        As `subtract_template` writes them.  What the noise of a pixel is held to be in the end,
        tolerance and all, is written into ``noise``.
    factor
        Factor of the variances.
    tolerance
        Difference that is no sign of an artifact (one sigma), float32, shape (y, x).
    doubtful, doubtful_tolerance
        Pixels that have the other tolerance, bool, and that one.
    template
        The template, float32, shape (y, x).
    epochs
        Number of epochs that were compared, this one among them, int32, shape (y, x).  With a single
        one nothing is flagged; with two, only light that this one shows and the other excludes:
        what is brighter than the template, which is the lower of the two, and than an empty sky.
    low, high
        Thresholds in sigma.
    flags
        uint8, shape (y, x); `LOW` and `HIGH` are or-ed into it.
    """
    f = np.float32(factor)
    low2, high2 = np.float32(low * low), np.float32(high * high)
    for y in range(difference.shape[0]):
        for x in range(difference.shape[1]):
            d = difference[y, x]
            n = epochs[y, x]
            t = doubtful_tolerance[y, x] if doubtful[y, x] else tolerance[y, x]
            spread = f * noise[y, x] + t * t
            noise[y, x] = spread
            # NaN fails both tests.
            if n == 2:
                d += min(template[y, x], np.float32(0.0))
            square = d * d
            # Of two epochs nobody knows which is wrong, unless one shows light that the other excludes.
            counts = n > 2 or (n == 2 and d > 0.0)
            if counts and square > low2 * spread and flags[y, x] & BLIND != 0:
                flags[y, x] |= np.uint8(LOW)
                if square > high2 * spread:
                    flags[y, x] |= np.uint8(HIGH)


@jit
def flag_direct(
    difference: np.ndarray,
    noise: np.ndarray,
    factors: tuple[float, float],
    tolerance: np.ndarray,
    template: np.ndarray,
    epochs: np.ndarray,
    low: float,
    high: float,
    flags: np.ndarray,
) -> None:
    """Flag pixels of a warp that is not matched whose difference is larger than its noise allows.

    The difference of the pixel is tested, and the mean of that of the
    three by three pixels around it.

    Parameters
    ----------
    difference, noise, tolerance, template, epochs, low, high
        As for `flag_matched`.
    factors
        Factors of the variances of pixels, and of those of the means.
    flags
        uint8, shape (y, x); `LOW` and `HIGH` are or-ed into it, and `BLIND` where the tolerance
        is not less than the other noise.
    """
    f, g = np.float32(factors[0]), np.float32(factors[1])
    low2, high2 = np.float32(low * low), np.float32(high * high)
    rows, columns = difference.shape
    # Sums over the three rows, with nothing at either end.
    total = np.zeros(columns + 2, np.float32)
    variance = np.zeros(columns + 2, np.float32)
    number = np.zeros(columns + 2, np.float32)
    below = np.zeros(columns + 2, np.float32)
    # The noise that is read below must not have been written to yet.
    before = np.full(columns, np.inf, np.float32)
    for y in range(rows):
        total[:], variance[:], number[:], below[:] = 0.0, 0.0, 0.0, 0.0
        for k in range(max(y - 1, 0), min(y + 2, rows)):
            for x in range(columns):
                v = before[x] if k < y else noise[k, x]
                if v < np.inf:
                    total[x + 1] += difference[k, x]
                    variance[x + 1] += v
                    number[x + 1] += 1.0
                    below[x + 1] += min(template[k, x], np.float32(0.0))
        for x in range(columns):
            d, v = difference[y, x], noise[y, x]
            before[x] = v
            if not v < np.inf:
                continue
            t = tolerance[y, x] * tolerance[y, x]
            spread = f * v + t
            noise[y, x] = spread
            if t >= f * v:
                flags[y, x] |= np.uint8(BLIND)
            n = number[x] + number[x + 1] + number[x + 2]
            s = total[x] + total[x + 1] + total[x + 2]
            e = epochs[y, x]
            if e == 2:
                d += min(template[y, x], np.float32(0.0))
                s += below[x] + below[x + 1] + below[x + 2]
            # Variances of nine pixels add up; what is tolerated is common to them, and adds up linearly.
            wide = g * (variance[x] + variance[x + 1] + variance[x + 2]) + n * n * t
            counts = e > 2 or (e == 2 and s > 0.0)
            if counts and (d * d > low2 * spread or s * s > low2 * wide):
                flags[y, x] |= np.uint8(LOW)
                if d * d > high2 * spread or s * s > high2 * wide:
                    flags[y, x] |= np.uint8(HIGH)


@jit
def add_to_bins(
    difference: np.ndarray,
    noise: np.ndarray,
    tolerance: np.ndarray,
    sky_limit: float,
    left_out: np.ndarray,
    bin_size: int,
    first_row: int,
    first_column: int,
    sums: np.ndarray,
) -> None:
    """Add up the difference in square bins, where neither sources nor outliers are.

    Parameters
    ----------
    difference, noise, tolerance
        As `flag_direct` leaves them.
    sky_limit
        Pixels with a greater tolerance are sources.
    left_out
        Outliers, bool of shape (y, x).
    bin_size
        Side of the bins in pixels.
    first_row, first_column
        Place of the first pixel on the grid of the bins.
    sums
        Sums of difference, variance and one, float64, shape (3, bins in y, bins in x); added to.
    """
    for y in range(difference.shape[0]):
        i = (first_row + y) // bin_size
        for x in range(difference.shape[1]):
            d = difference[y, x]
            # The same pixels in all epochs, outliers apart: what sources leave is then common to them.
            if left_out[y, x] or tolerance[y, x] > sky_limit or not np.isfinite(d):
                continue
            j = (first_column + x) // bin_size
            sums[0, i, j] += d
            sums[1, i, j] += noise[y, x]
            sums[2, i, j] += 1.0

"""The contender numpy: the same statistics by blocks of rows, as one writes them without a library.

The definitions are those of lamella (weighted means; weights of warps, not of
pixels; variance from the input variances), so that results can be compared
pixel by pixel.  Masks are or-ed over the inputs that were used.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from .fits_planes import FitsPlane, WarpFiles, write_planes
from .phases import Stopwatch

ROWS = 64
SIGMAS = 3.0
PASSES = 2
TOLERANCE = 0.3
IQR_TO_SIGMA = 0.741301109252802
BAD_PLANES = ("NO_DATA", "BAD", "SAT", "EDGE")

Cube = np.ndarray
Statistic = Callable[[Cube, Cube, np.ndarray, Cube], tuple[np.ndarray, np.ndarray, Cube]]
"""Image, variance, weights and usable values in; image, variance and used values out."""


def sorted_quantile(ordered: Cube, count: np.ndarray, fraction: float) -> np.ndarray:
    """Return a quantile of the first ``count`` values of each column, interpolated."""
    place = fraction * np.maximum(count - 1, 0)
    low = place.astype(np.intp)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    below, above = (np.take_along_axis(ordered, k[np.newaxis], 0)[0] for k in (low, high))
    return below + (place - low) * (above.astype(np.float64) - below)


def sort_good(image: Cube, good: Cube) -> Cube:
    """Return the usable values in order along the first axis, and infinities behind them."""
    return np.sort(np.where(good, image, np.float32(np.inf)), axis=0)


def weighted_mean(
    image: Cube, variance: Cube, weights: np.ndarray, used: Cube
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of the used values and its variance; input by input, which spares temporary cubes."""
    total, first, second = (np.zeros(image.shape[1:]) for _ in range(3))
    for x, v, w, use in zip(image, variance, weights, used, strict=True):
        total += w * use
        first += np.where(use, w * x, 0.0)
        second += np.where(use, w * w * v, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return first / total, second / (total * total)


def mean(image: Cube, variance: Cube, weights: np.ndarray, good: Cube) -> tuple[np.ndarray, np.ndarray, Cube]:
    return *weighted_mean(image, variance, weights, good), good


def median(
    image: Cube, variance: Cube, weights: np.ndarray, good: Cube
) -> tuple[np.ndarray, np.ndarray, Cube]:
    centre = sorted_quantile(sort_good(image, good), good.sum(axis=0), 0.5)
    _, error = weighted_mean(image, variance, weights, good)
    return centre, 0.5 * np.pi * error, good


def meanclip(
    image: Cube, variance: Cube, weights: np.ndarray, good: Cube
) -> tuple[np.ndarray, np.ndarray, Cube]:
    ordered, count = sort_good(image, good), good.sum(axis=0)
    centre = sorted_quantile(ordered, count, 0.5)
    reach = IQR_TO_SIGMA * (sorted_quantile(ordered, count, 0.75) - sorted_quantile(ordered, count, 0.25))
    used = good
    for k in range(PASSES):
        used = good & (np.abs(image - centre) <= SIGMAS * reach)
        if k < PASSES - 1:
            centre, reach = scatter(image, weights, used)
    return *weighted_mean(image, variance, weights, used), used


def scatter(image: Cube, weights: np.ndarray, used: Cube) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean and the sample standard deviation of the used values."""
    w = weights[:, np.newaxis, np.newaxis] * used
    total = w.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.where(used, w * image, 0.0).sum(axis=0) / total
        squares = np.where(used, w * (image - centre) ** 2, 0.0).sum(axis=0)
        return centre, np.sqrt(squares * total / (total**2 - (w**2).sum(axis=0)))


def noiseclip(
    image: Cube, variance: Cube, weights: np.ndarray, good: Cube
) -> tuple[np.ndarray, np.ndarray, Cube]:
    centre = sorted_quantile(sort_good(image, good), good.sum(axis=0), 0.5)
    with np.errstate(divide="ignore"):
        noise = 0.5 * np.pi / np.where(good, 1.0 / variance, 0.0).sum(axis=0)
    used, limit = good, 1.5 * SIGMAS if PASSES > 1 else SIGMAS
    for _ in range(PASSES):
        with np.errstate(invalid="ignore"):
            spread = variance + (noise + (TOLERANCE * centre) ** 2)
            used = good & ((image - centre) ** 2 <= limit**2 * spread)
        centre, noise = weighted_mean(image, variance, weights, used)
        limit = SIGMAS
    return centre, noise, used


STATISTICS: dict[str, Statistic] = {
    "MEAN": mean,
    "MEDIAN": median,
    "MEANCLIP": meanclip,
    "NOISECLIP": noiseclip,
}


def run(folder: Path, n: int, combine: Statistic, output: Path) -> None:
    watch = Stopwatch()
    watch.lap("import")
    files = WarpFiles(folder, n)
    planes = [[FitsPlane(path) for path in files.names(kind)] for kind in ("image", "variance", "mask")]
    weights = np.array([plane.header["WEIGHT"] for plane in planes[0]])
    bits_in = planes[2][0].header
    bad = sum(1 << bits_in[f"MP_{name}"] for name in BAD_PLANES)
    no_data, clipped = (np.int32(1 << bits_in[f"MP_{name}"]) for name in ("NO_DATA", "CLIPPED"))
    shape = planes[0][0].shape
    result = {name: np.empty(shape, np.float32) for name in ("IMAGE", "VARIANCE")}
    result |= {name: np.empty(shape, np.int32) for name in ("MASK", "COUNT")}
    watch.lap("open")
    for y0 in range(0, shape[0], ROWS):
        rows = slice(y0, min(y0 + ROWS, shape[0]))
        image, variance, mask = (np.stack([plane.read(rows) for plane in kind]) for kind in planes)
        good = (mask & bad) == 0
        value, error, used = combine(image, variance, weights, good)
        count = used.sum(axis=0, dtype=np.int32)
        bits = np.bitwise_or.reduce(np.where(used, mask, 0), axis=0)
        bits |= np.where((good & ~used).any(axis=0), clipped, np.int32(0))
        result["IMAGE"][rows] = np.where(count > 0, value, np.nan)
        result["VARIANCE"][rows] = np.where(count > 0, error, np.inf)
        result["MASK"][rows] = np.where(count > 0, bits, no_data)
        result["COUNT"][rows] = count
    watch.lap("stack")
    write_planes(output, result)
    watch.lap("write")
    watch.report()


def main(known: Mapping[str, Statistic]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--statistic", choices=sorted(known), required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    run(args.folder, args.n, known[args.statistic], args.output)


if __name__ == "__main__":
    main(STATISTICS)

"""Which clip is best?  Noise and leaks of coadds with defects that nobody masked.

The warps of a simulated survey share one grid.  Each has its own noise, rejected
pixels that hold nonsense, harmless mask bits, unmasked outliers, and every fourth
one a trail.  For each statistic the table gives

noise
    robust scatter of (coadd - truth) over that of the best possible coadd, and
leak
    fraction of pixels more than five of those sigma away from the truth.

A second table shows what clips do to stars when the seeing differs between warps.

Usage: ``python benchmarks/clip_study.py [--pixels 4000000] [--inputs 3 5 10 30 100]``
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import numpy as np

from lamella.coadd.stack.stack import statistics_stack
from lamella.coadd.stack.stack_control import StackControl

STATISTICS = ("MEAN", "MEDIAN", "MEANCLIP", "NOISECLIP")
REJECTED = 1
HARMLESS = 32
WIDTH = 1000


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Defects of the simulated warps, as fractions of the pixels."""

    rejected: float = 0.025
    harmless: float = 0.05
    outliers: float = 0.001
    outlier_sigma: tuple[float, float] = (20.0, 500.0)
    trail_width: float = 7.0
    trail_flux: float = 150.0


def control(statistic: str, **changes: object) -> StackControl:
    options = {"bad_mask": REJECTED, "weighted": True, "error_from_input_variance": True, "clip_iter": 2}
    return StackControl(statistic=statistic, **(options | changes))


def make_strip(rng: np.random.Generator, n: int, y0: int, rows: int, recipe: Recipe = Recipe()):
    """Return image, mask, variance, weights and truth of a strip of rows."""
    shape = (n, rows, WIDTH)
    survey = np.random.default_rng(n)
    sigma = survey.uniform(5.0, 10.0, n).astype(np.float32)
    offset, slope = survey.uniform(0, 1000, n), survey.uniform(-0.5, 0.5, n)
    yy, xx = np.mgrid[y0 : y0 + rows, :WIDTH].astype(np.float32)
    truth = (20.0 * np.sin(yy / 40.0) * np.sin(xx / 55.0)).astype(np.float32)
    rowwise = 1.0 + 0.05 * np.sin(np.arange(y0, y0 + rows) + np.arange(n)[:, np.newaxis])
    variance = np.broadcast_to((sigma[:, None] ** 2 * rowwise)[:, :, None], shape).astype(np.float32)
    image = truth + rng.standard_normal(shape, np.float32) * np.sqrt(variance)
    hit = rng.random(shape, np.float32) < recipe.outliers
    image[hit] += (
        rng.uniform(*recipe.outlier_sigma, int(hit.sum())).astype(np.float32)
        * (np.broadcast_to(sigma[:, None, None], shape)[hit])
    )
    for i in range(0, n, 4):
        across = np.abs((yy - offset[i] - slope[i] * xx) / np.hypot(1.0, slope[i]))
        image[i][across < recipe.trail_width / 2] += recipe.trail_flux
    mask = np.where(rng.random(shape, np.float32) < recipe.harmless, HARMLESS, 0).astype(np.int32)
    bad = rng.random(shape, np.float32) < recipe.rejected
    mask[bad] |= REJECTED
    image[bad] = 1e4
    return image, mask, variance, 1.0 / sigma.astype(float) ** 2, truth


def study(n: int, pixels: int, controls: dict[str, StackControl], seed: int = 1):
    """Return noise, leak, bias and nanoseconds per input pixel of each control."""
    rng = np.random.default_rng(seed)
    rows = max(1, min(50, 400 // n * 10))
    pulls = {name: [] for name in controls}
    seconds = dict.fromkeys(controls, 0.0)
    done = 0
    while done < pixels:
        image, mask, variance, weights, truth = make_strip(rng, n, done // WIDTH, rows)
        good = (mask & REJECTED) == 0
        ideal = 1.0 / np.sqrt(np.maximum(np.sum(np.where(good, 1.0 / variance, 0.0), axis=0), 1e-30))
        some = good.any(axis=0)
        for name, how in controls.items():
            start = time.perf_counter()
            result = statistics_stack(image, mask, variance, weights, control=how)
            seconds[name] += time.perf_counter() - start
            pulls[name].append(((result.image - truth) / ideal)[some])
        done += rows * WIDTH
    table = {}
    for name, parts in pulls.items():
        pull = np.concatenate(parts)
        low, high = np.quantile(pull, [0.158655, 0.841345])
        leak = np.mean(np.abs(pull) > 5)
        core = pull[np.abs(pull) < 5]
        table[name] = (0.5 * (high - low), leak, core.mean(), 1e9 * seconds[name] / (done * n))
    return table


SEEING_CONTROLS = {
    "MEANCLIP": {"statistic": "MEANCLIP"},
    "NOISECLIP, flux 0, gradient 0": {
        "statistic": "NOISECLIP",
        "flux_tolerance": 0.0,
        "gradient_tolerance": 0.0,
    },
    "NOISECLIP, flux 0.3, gradient 0": {"statistic": "NOISECLIP", "gradient_tolerance": 0.0},
    "NOISECLIP": {"statistic": "NOISECLIP"},
}
STAMP = 41
FWHM = 4.0


def moffat(r2: np.ndarray, fwhm: np.ndarray, beta: float = 3.0) -> np.ndarray:
    """Return a Moffat profile of flux one."""
    alpha2 = fwhm**2 / (4.0 * (2.0 ** (1.0 / beta) - 1.0))
    return (beta - 1.0) / (np.pi * alpha2) * (1.0 + r2 / alpha2) ** -beta


def seeing_study(n: int, scatter: float, snr: float, stars: int = 400, seed: int = 1):
    """Return what clips do to stars of one brightness when the seeing differs.

    ``scatter`` is the relative scatter of the width of the PSF between the inputs, and
    ``snr`` the signal to noise of the peak pixel of one input.  Per control:
    clipped values in the core (within half a width) and in the wings (to two
    widths), as fractions, and bias of the flux within two widths, relative to MEAN.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:STAMP, :STAMP] - STAMP // 2
    r2 = np.tile((y**2 + x**2).astype(float), (1, stars))
    # Every star is seen in another set of nights.
    widths = FWHM * np.clip(1.0 + scatter * rng.standard_normal((n, 1, stars)), 0.6, None)
    flux = snr / moffat(np.zeros(1), np.array([FWHM]))[0]
    image = flux * moffat(r2, np.repeat(widths, STAMP, axis=2))
    image = (image + rng.standard_normal(image.shape)).astype(np.float32)
    planes = image, np.zeros(image.shape, np.int32), np.ones(image.shape, np.float32)
    core, wings = r2 <= (0.5 * FWHM) ** 2, (r2 > (0.5 * FWHM) ** 2) & (r2 <= (2.0 * FWHM) ** 2)
    mean = statistics_stack(*planes, np.ones(n), control=control("MEAN")).image
    table = {}
    for name, options in SEEING_CONTROLS.items():
        result = statistics_stack(*planes, np.ones(n), control=control(**options))
        lost = 1.0 - result.count / n
        bias = result.image[core | wings].sum() / mean[core | wings].sum() - 1.0
        table[name] = lost[core].mean(), lost[wings].mean(), bias
    return table


def print_seeing(n: int = 10) -> None:
    print("\n| seeing scatter | peak S/N | clip | lost in core | lost in wings | flux |")
    print("|---|---|---|---|---|---|")
    for scatter in (0.1, 0.2):
        for snr in (10.0, 100.0, 1000.0):
            for name, (core, wings, bias) in seeing_study(n, scatter, snr).items():
                print(f"| {scatter:.0%} | {snr:g} | {name} | {core:.2%} | {wings:.2%} | {bias:+.2%} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pixels", type=int, default=4_000_000, help="pixels per number of inputs")
    parser.add_argument("--inputs", type=int, nargs="+", default=[2, 3, 5, 10, 30, 100])
    args = parser.parse_args()
    controls = {name: control(name) for name in STATISTICS}
    for how in controls.values():
        image, mask, variance, weights, _ = make_strip(np.random.default_rng(0), 3, 0, 2)
        statistics_stack(image, mask, variance, weights, control=how)
    print_seeing()
    print("\n| n | statistic | noise | leak | mean pull | ns / input pixel |\n|---|---|---|---|---|---|")
    for n in args.inputs:
        for name, (noise, leak, bias, cost) in study(n, args.pixels, controls).items():
            print(f"| {n} | {name} | {noise:.4f} | {leak:.1e} | {bias:+.4f} | {cost:.1f} |", flush=True)


if __name__ == "__main__":
    main()

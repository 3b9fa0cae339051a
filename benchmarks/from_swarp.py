"""The same job for SWarp and lamella: a folder of images with ``.weight.fits`` and ``.head`` beside them.

The files are those of a user of SCAMP and SWarp: the WCS and FLXSCALE that hold
stand in the ``.head``, the header of the image is 2 arcsec off; weights are
relative, with zeros where columns are dead; the sky is in.  Both programs get
the folder and nothing else, but for the words without which SWarp takes no
notice of weights.  ``python -m benchmarks.from_swarp`` prints a table.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import sep
from astropy.io import fits
from astropy.wcs import WCS

from . import peers
from .contenders import LAMELLA
from .launch import Usage, run_measured

CENTRE, SCALE, SIDE = (150.1, 2.2), 0.3, 1024
SIGMA, NOISE, SKY = 1.6, 8.0, 400.0
STARS, STAMP = 14, 12
"""Stars along a side, and pixels to each side of one that it is drawn on."""
OFFSET = 2.0 / 3600.0
"""Degrees by which the WCS in the images is off."""


def make_exposure(folder: Path, number: int, ra: np.ndarray, dec: np.ndarray, flux: np.ndarray) -> None:
    """Write image, weight and ``.head``; ``flux`` is in units of the first exposure."""
    rng = np.random.default_rng((7, number))
    turn = math.radians(rng.uniform(-2, 2))
    scale = 0.8 + 0.4 * rng.random() if number else 1.0
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = np.array(CENTRE) + rng.uniform(-30, 30, 2) * SCALE / 3600
    wcs.wcs.crpix = [SIDE / 2 + 0.5, SIDE / 2 + 0.5]
    cos, sin = math.cos(turn) * SCALE / 3600, math.sin(turn) * SCALE / 3600
    wcs.wcs.cd = [[-cos, sin], [sin, cos]]
    image = SKY + rng.normal(0.0, NOISE, (SIDE, SIDE))
    offsets = np.arange(-STAMP, STAMP + 1)
    for x, y, counts in zip(*wcs.world_to_pixel_values(ra, dec), flux * scale, strict=True):
        i, j = round(float(x)), round(float(y))
        if not (STAMP < i < SIDE - STAMP and STAMP < j < SIDE - STAMP):
            continue
        profiles = [np.exp(-0.5 * ((at + offsets - centre) / SIGMA) ** 2) for at, centre in ((j, y), (i, x))]
        stamp = np.outer(*profiles)
        image[j - STAMP : j + STAMP + 1, i - STAMP : i + STAMP + 1] += counts * stamp / (2 * np.pi * SIGMA**2)
    weight = np.ones((SIDE, SIDE), np.float32)
    dead = rng.integers(STAMP, SIDE - STAMP, 3)
    weight[:, dead], image[:, dead] = 0.0, 60000.0
    cards = {"FILTER": "r", "EXPTIME": 100.0, "GAIN": 2.0, "INSTRUME": "MyCam", "DATE-OBS": _date(number)}
    head = wcs.to_header()
    wrong = head.copy()
    wrong["CRVAL2"] += OFFSET
    head["FLXSCALE"] = 1.0 / scale
    path = folder / f"exposure{number:02d}.fits"
    fits.PrimaryHDU(image.astype(np.float32), fits.Header({**wrong, **cards})).writeto(path)
    fits.PrimaryHDU(weight).writeto(path.with_suffix(".weight.fits"))
    path.with_suffix(".head").write_text(head.tostring(sep="\n", endcard=True, padding=False) + "\n")


def _date(number: int) -> str:
    return f"2026-03-{number + 1:02d}T03:12:00"


def make_folder(folder: Path, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write exposures, and return right ascensions, declinations and fluxes of their stars."""
    rng = np.random.default_rng(7)
    # On a loose grid, so that none is in the aperture of another.
    grid = (np.arange(STARS) - 0.5 * (STARS - 1)) * 0.9 * SIDE / STARS
    across, up = (axis.ravel() + rng.uniform(-8, 8, STARS**2) for axis in np.meshgrid(grid, grid))
    ra = CENTRE[0] + across * SCALE / 3600 / math.cos(math.radians(CENTRE[1]))
    dec = CENTRE[1] + up * SCALE / 3600
    flux = 10 ** rng.uniform(3.6, 5.0, STARS**2)
    for number in range(count):
        make_exposure(folder, number, ra, dec, flux)
    return ra, dec, flux


def run_swarp(program: str, folder: Path, output: Path) -> tuple[Usage, Path]:
    words = {
        "WEIGHT_TYPE": "MAP_WEIGHT", "RESCALE_WEIGHTS": "Y", "COMBINE_TYPE": "WEIGHTED", "NTHREADS": "2",
        "RESAMPLE_DIR": output, "IMAGEOUT_NAME": output / "coadd.fits", "WRITE_XML": "N",
        "WEIGHTOUT_NAME": output / "coadd.weight.fits",
    }  # fmt: skip
    images = [path for path in sorted(folder.glob("*.fits")) if ".weight" not in path.name]
    options = [str(word) for key, value in words.items() for word in (f"-{key}", value)]
    usage, _ = run_measured([program, *images, "-c", "/dev/null", *options])
    return usage, output / "coadd.fits"


def run_lamella(folder: Path, output: Path) -> tuple[Usage, Path]:
    usage, _ = run_measured([*LAMELLA, "coadd", folder, "-o", output, "--workers", "2", "--reject", "none"])
    return usage, next(output.glob("coadd-*-plain.fits"))


def measure(path: Path, ra: np.ndarray, dec: np.ndarray, flux: np.ndarray) -> dict[str, float]:
    """Compare the stars of a coadd with the truth, and blank pixels with its variance, if it has one."""
    with fits.open(path) as hdus:
        hdu = next(hdu for hdu in hdus if hdu.data is not None and hdu.data.ndim == 2)
        image = np.ascontiguousarray(hdu.data, np.float64)
        wcs = WCS(hdu.header)
        names = [other.name for other in hdus]
        variance = np.asarray(hdus["VARIANCE"].data, float) if "VARIANCE" in names else None
    bad = ~np.isfinite(image) | (image == 0)
    clean = np.where(bad, 0.0, image)
    x, y = wcs.world_to_pixel_values(ra, dec)
    margin = 40
    inside = (x > margin) & (x < image.shape[1] - margin) & (y > margin) & (y < image.shape[0] - margin)
    x, y, truth = x[inside], y[inside], flux[inside]
    sums, _, _ = sep.sum_circle(clean, x, y, 6.5 * SIGMA / 1.6, bkgann=(16.0, 24.0))
    expected = truth * (1.0 - math.exp(-0.5 * (6.5 / 1.6) ** 2))
    bright = truth > 1e4
    ratios = sums[bright] / expected[bright]
    xs, ys, _ = sep.winpos(clean, x[bright], y[bright], np.full(bright.sum(), SIGMA))
    shift = np.hypot(np.median(xs - x[bright]), np.median(ys - y[bright]))
    blank = ~bad
    for i, j in zip(x.round().astype(int), y.round().astype(int), strict=True):
        blank[max(j - 20, 0) : j + 21, max(i - 20, 0) : i + 21] = False
    values = clean[blank]
    sigma = _mad(values)
    ratio = math.nan if variance is None else _mad((values - np.median(values)) / np.sqrt(variance[blank]))
    worst = float(np.max(np.abs(ratios / np.median(ratios) - 1.0)))
    return {
        "flux": float(np.median(ratios)), "scatter": float(np.std(ratios)), "worst": worst,
        "shift_mas": float(shift) * SCALE * 1000, "sigma": sigma, "noise_ratio": ratio,
        "defects": float(np.count_nonzero(np.abs(values) > 8 * sigma)),
    }  # fmt: skip


def _mad(values: np.ndarray) -> float:
    """Return the scatter of values that outliers do not change."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=6, help="number of exposures")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    program = peers.find("SWarp")
    if program is None:
        sys.exit("SWarp is not installed")
    rows: dict[str, list[dict[str, Any]]] = {"SWarp": [], "lamella": []}
    with tempfile.TemporaryDirectory(prefix="lamella-swarp-") as name:
        folder = Path(name, "exposures")
        folder.mkdir()
        truth = make_folder(folder, args.count)
        for repeat in range(args.repeats):
            for peer, members in rows.items():
                output = Path(name, f"{peer}-{repeat}")
                output.mkdir()
                usage, path = (
                    run_swarp(program, folder, output) if peer == "SWarp" else run_lamella(folder, output)
                )
                members.append(
                    measure(path, *truth)
                    | {"cpu_s": usage.cpu_s, "wall_s": usage.wall_s, "peak_mb": usage.peak_mb}
                )
    keys = list(rows["SWarp"][0])
    print(f"| program | {' | '.join(keys)} |\n|{'---|' * (len(keys) + 1)}")
    for peer, members in rows.items():
        cells = (f"{statistics.median(row[key] for row in members):.4g}" for key in keys)
        print(f"| {peer} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

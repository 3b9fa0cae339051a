"""Lanczos-3 warping beside SWarp: time, and what it does to stars.

Exposures of noiseless Gaussian stars with TPV distortion are resampled to one
tangent-plane patch by both.  lamella makes image, mask and variance of each
exposure, SWarp image and weight; both on one thread.  Run as

    python benchmarks/warp_swarp.py --exposures 2 --output warp_swarp.json
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from lsst.images import Box, Image, Mask, MaskedImage, SkyProjection
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.coadd.inputs import Exposure, ExposureId, ExposureInfo
from lamella.coadd.warp import WarpControl, warp_exposure
from lamella.planes import make_schema
from lamella.sky.pixelmap import PixelMap
from lamella.sky.projection import projection_from_header, tan_projection

CENTRE = SkyCoord(150.0 * u.deg, 2.0 * u.deg)
SCALE = 0.2
SIGMA = 1.7
FLUX = 1e4
RADIUS = 10.0


def exposure_header(number: int, shape: tuple[int, int], seed: int = 1) -> dict[str, Any]:
    """Return a TPV header: up to 2 degrees of rotation, 0.1 % of scale, 2 pixels of distortion."""
    rng = np.random.default_rng((seed, number))
    turn = math.radians(rng.uniform(-2.0, 2.0))
    scale = SCALE / 3600 * (1.0 + rng.uniform(-1e-3, 1e-3))
    header = {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "CUNIT1": "deg", "CUNIT2": "deg"}
    offset = rng.uniform(-100.0, 100.0, 2) * SCALE / 3600
    header |= {"CRVAL1": CENTRE.ra.deg + offset[0], "CRVAL2": CENTRE.dec.deg + offset[1]}
    header |= {"CRPIX1": shape[1] / 2 + 0.5, "CRPIX2": shape[0] / 2 + 0.5}
    header |= {"CD1_1": -scale * math.cos(turn), "CD1_2": scale * math.sin(turn)}
    header |= {"CD2_1": scale * math.sin(turn), "CD2_2": scale * math.cos(turn)}
    half = SCALE / 3600 * max(shape) / 2
    for axis in (1, 2):
        header |= {f"PV{axis}_0": 0.0, f"PV{axis}_1": 1.0, f"PV{axis}_2": 0.0}
        for term in (4, 5, 6):
            header[f"PV{axis}_{term}"] = rng.uniform(-1.0, 1.0) * SCALE / 3600 / half**2
        for term in (7, 9):
            header[f"PV{axis}_{term}"] = rng.uniform(-0.5, 0.5) * SCALE / 3600 / half**3
    return header | {"RADESYS": "ICRS", "EQUINOX": 2000.0}


def draw_stars(shape: tuple[int, int], step: int = 50) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return an image of stars on a loose grid, and their positions."""
    rng = np.random.default_rng(7)
    ys, xs = np.mgrid[30 : shape[0] - 30 : step, 30 : shape[1] - 30 : step]
    x, y = (values.ravel() + rng.uniform(-0.5, 0.5, values.size) for values in (xs, ys))
    image = np.zeros(shape)
    for a, b in zip(x, y, strict=True):
        i, j = round(a) - 14, round(b) - 14
        px, py = (
            np.exp(-0.5 * ((np.arange(first, first + 29) - centre) / SIGMA) ** 2)
            for first, centre in ((i, a), (j, b))
        )
        image[j : j + 29, i : i + 29] += FLUX / (2 * math.pi * SIGMA**2) * np.outer(py, px)
    return image.astype(np.float32), x, y


def make_exposure(number: int, image: np.ndarray) -> Exposure:
    header = exposure_header(number, image.shape)
    box = Box.from_shape(image.shape)
    projection = projection_from_header(header, path=f"exposure{number}", hdu=0)
    pixels = MaskedImage(
        Image(image, bbox=box),
        mask=Mask(np.zeros((*image.shape, 1), np.int32), schema=make_schema(), bbox=box),
        variance=Image(np.ones(image.shape, np.float32), bbox=box),
    )
    psf = GaussianPointSpreadFunction(SIGMA, bounds=box, stamp_size=31)
    identity = ExposureId("Bench", number, 0)
    info = ExposureInfo(id=identity, path=f"exposure{number}", band="r", bbox=box, projection=projection)
    return Exposure(info=info, pixels=pixels, psf=psf, to_njy=1.0)


def measure_stars(
    image: np.ndarray,
    projection: SkyProjection[Any],
    source: SkyProjection[Any],
    x: np.ndarray,
    y: np.ndarray,
) -> np.ndarray:
    """Return relative flux error, centroid error (x, y) and width of stars; shape (n, 4).

    Flux and width are moments in an aperture, centroids are weighted with the profile.
    """
    rows = []
    for a, b in zip(*PixelMap(source, projection).to_destination(x, y), strict=True):
        i, j = round(a) - 14, round(b) - 14
        if min(i, j) < 0:
            continue
        stamp = image[j : j + 29, i : i + 29].astype(np.float64)
        if stamp.shape != (29, 29) or not np.isfinite(stamp).all() or (stamp == 0).mean() > 0.2:
            continue
        dy, dx = np.mgrid[j : j + 29, i : i + 29] - np.array([b, a])[:, np.newaxis, np.newaxis]
        r2 = dx**2 + dy**2
        inside = np.where(r2 <= RADIUS**2, stamp, 0.0)
        window = stamp * np.exp(-0.5 * r2 / SIGMA**2)
        centre = [2.0 * (window * d).sum() / window.sum() for d in (dx, dy)]
        rows.append((inside.sum() / FLUX - 1.0, *centre, math.sqrt((inside * r2).sum() / inside.sum() / 2.0)))
    return np.array(rows)


def summarise(stars: np.ndarray) -> dict[str, float]:
    return {
        "stars": len(stars),
        "flux_median": float(np.median(stars[:, 0])),
        "flux_scatter": float(stars[:, 0].std()),
        "flux_worst": float(np.abs(stars[:, 0]).max()),
        "centroid_rms_px": float(np.sqrt((stars[:, 1:3] ** 2).sum(axis=1).mean())),
        "width_px": float(np.median(stars[:, 3])),
    }


def timed(call: Callable[[], Any], who: int) -> tuple[Any, float, float]:
    """Return result, wall seconds, and CPU seconds of this process or its children."""

    def cpu() -> float:
        usage = resource.getrusage(who)
        return usage.ru_utime + usage.ru_stime

    wall, used = time.perf_counter(), cpu()
    result = call()
    return result, time.perf_counter() - wall, cpu() - used


def run_lamella(exposures: list[Exposure], size: int, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    projection = tan_projection(CENTRE, SCALE * u.arcsec, (size / 2 - 0.5, size / 2 - 0.5))
    box = Box.factory[0:size, 0:size]
    control = WarpControl()
    middle = Box.factory[size // 2 : size // 2 + 64, size // 2 : size // 2 + 64]
    _, compile_s, _ = timed(
        lambda: warp_exposure(exposures[0], projection, middle, control), resource.RUSAGE_SELF
    )
    stars, wall, cpu, pixels = [], 0.0, 0.0, 0
    for exposure in exposures:
        warp, wall_s, cpu_s = timed(
            lambda exposure=exposure: warp_exposure(exposure, projection, box, control), resource.RUSAGE_SELF
        )
        wall, cpu, pixels = wall + wall_s, cpu + cpu_s, pixels + warp.bbox.area
        local = np.array(warp.image.array)
        source = exposure.info.projection
        shift = np.array([warp.bbox.x.start, warp.bbox.y.start])
        near = tan_projection(CENTRE, SCALE * u.arcsec, tuple(size / 2 - 0.5 - shift))
        stars.append(measure_stars(local, near, source, x, y))
    return {
        "first_call_s": compile_s,
        "wall_s": wall,
        "cpu_s": cpu,
        "ns_per_pixel": cpu / pixels * 1e9,
        "output_pixels": pixels,
        **summarise(np.concatenate(stars)),
    }


def run_swarp(
    program: str, image: np.ndarray, count: int, size: int, x: np.ndarray, y: np.ndarray
) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="swarp-") as folder:
        names = []
        for number in range(count):
            header = fits.Header(list(exposure_header(number, image.shape).items()))
            names.append(f"exposure{number}.fits")
            fits.writeto(Path(folder, names[-1]), image, header)
            fits.writeto(Path(folder, f"exposure{number}.weight.fits"), np.ones_like(image), header)
        options = {
            "RESAMPLE": "Y", "COMBINE": "N", "RESAMPLING_TYPE": "LANCZOS3", "SUBTRACT_BACK": "N",
            "WEIGHT_TYPE": "MAP_WEIGHT", "FSCALASTRO_TYPE": "VARIABLE", "CELESTIAL_TYPE": "EQUATORIAL",
            "PROJECTION_TYPE": "TAN", "CENTER_TYPE": "MANUAL", "CENTER": f"{CENTRE.ra.deg},{CENTRE.dec.deg}",
            "PIXELSCALE_TYPE": "MANUAL", "PIXEL_SCALE": f"{SCALE}", "IMAGE_SIZE": f"{size},{size}",
            "NTHREADS": "1", "WRITE_XML": "N", "VERBOSE_TYPE": "QUIET", "DELETE_TMPFILES": "N",
        }  # fmt: skip
        words = [word for name, value in options.items() for word in (f"-{name}", value)]
        command = [program, *names, *words]
        _, wall, cpu = timed(
            lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True),
            resource.RUSAGE_CHILDREN,
        )
        stars, pixels = [], 0
        for number, name in enumerate(names):
            found, header = fits.getdata(Path(folder, name.replace(".fits", ".resamp.fits")), header=True)
            pixels += found.size
            target = projection_from_header(header, path=name, hdu=0)
            source = projection_from_header(exposure_header(number, image.shape), path=name, hdu=0)
            stars.append(measure_stars(found, target, source, x, y))
    return {
        "wall_s": wall,
        "cpu_s": cpu,
        "ns_per_pixel": cpu / pixels * 1e9,
        "output_pixels": pixels,
        **summarise(np.concatenate(stars)),
    }


def table(results: dict[str, dict[str, float]]) -> str:
    """Return the results as a Markdown table."""
    head = ["", "CPU s", "wall s", "ns per output pixel", "flux median", "flux scatter (worst)"]
    rows = [[*head, "centroid rms px", "width px"], ["---"] * 8]
    for name, r in results.items():
        times = [f"{r['cpu_s']:.2f}", f"{r['wall_s']:.2f}", f"{r['ns_per_pixel']:.0f}"]
        flux = [f"{r['flux_median']:+.1e}", f"{r['flux_scatter']:.1e} ({r['flux_worst']:.1e})"]
        rows.append([name, *times, *flux, f"{r['centroid_rms_px']:.4f}", f"{r['width_px']:.4f}"])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exposures", type=int, default=3, help="number of exposures")
    parser.add_argument("--width", type=int, default=2048, help="columns of an exposure")
    parser.add_argument("--height", type=int, default=4096, help="rows of an exposure")
    parser.add_argument("--size", type=int, default=4200, help="side of the patch in pixels")
    parser.add_argument(
        "--swarp", default=shutil.which("SWarp") or shutil.which("swarp"), help="SWarp program"
    )
    parser.add_argument("--output", type=Path, default=Path("warp_swarp.json"), help="JSON file to write")
    args = parser.parse_args()
    image, x, y = draw_stars((args.height, args.width))
    exposures = [make_exposure(number, image) for number in range(args.exposures)]
    results = {"lamella (image, mask, variance)": run_lamella(exposures, args.size, x, y)}
    if args.swarp:
        results["SWarp (image, weight; with files)"] = run_swarp(
            args.swarp, image, args.exposures, args.size, x, y
        )
    record = {
        "machine": platform.processor() or platform.machine(),
        "options": vars(args),
        "results": results,
    }
    args.output.write_text(json.dumps(record, indent=1, default=str))
    print(table(results))
    if not args.swarp:
        print("\nSWarp was not found: only lamella was run.")


if __name__ == "__main__":
    main()

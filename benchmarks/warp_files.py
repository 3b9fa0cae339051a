"""Simulated warps on one pixel grid, as plain FITS files: what the programs are given to stack.

Each warp has an image, a variance and a mask plane, and a weight map for the
programs that know no masks: the scalar weight of the warp where its pixel is
usable, zero elsewhere.  On top of the noise there are what makes stacks hard:
rejected pixels that hold nonsense, harmless mask bits, outliers that nobody
masked, and a trail in every fourth warp.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

from lamella.fits.headers import add_plane_cards
from lamella.planes import Layout, make_schema

from .fits_planes import FitsPlane, WarpFiles, create_plane
from .launch import run_measured

if TYPE_CHECKING:
    from lamella.data.warp import Warp

ROOT = Path(__file__).parents[1]
REJECTED_FRACTION = 0.025
HARMLESS_FRACTION = 0.05
OUTLIER_FRACTION = 0.001
OUTLIER_SIGMA = (20.0, 500.0)
TRAIL_WIDTH = 7.0
TRAIL_FLUX = 150.0
NONSENSE = 1e4
SCALE_DEG = 0.2 / 3600
STRIP = 256
BYTES_PER_PIXEL = 16
"""Of one warp: image, variance, mask and weight map."""
EXTRA_BYTES_PER_PIXEL = {"nan": 4, "archive": 12}
"""Of one warp: an image whose rejected pixels are NaN; an archive of lamella."""


class NoSpaceError(RuntimeError):
    """The disk is too small for the files of a benchmark."""


def check_space(folder: Path, needed: int) -> None:
    """Check that a folder's disk has room.

    Raises
    ------
    NoSpaceError
        Raised when it has not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpaceError(
            f"{folder}: the benchmark needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
            "choose another folder with --work, or a smaller --size or --n."
        )


def bytes_needed(size: int, n: int, extra: Collection[str]) -> int:
    """Return the size of the files of a benchmark, results included."""
    results = 4
    more = sum(EXTRA_BYTES_PER_PIXEL[kind] for kind in extra)
    return size * size * (BYTES_PER_PIXEL * (n + results) + more * n)


class WarpStore:
    """Warps that several benchmarks use; those of one size at a time are on the disk."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self._folder, self._tell = folder, tell
        self._made: tuple[int, int, frozenset[str]] = (0, 0, frozenset())

    def get(self, size: int, n: int, extra: Collection[str] = ()) -> WarpFiles:
        """Return warps; they are made when there are none of this size, or too few, or kinds lack.

        Raises
        ------
        NoSpaceError
            Raised when the disk has not the room.
        """
        old_size, old_n, old_extra = self._made
        files = WarpFiles(self._folder, n)
        if size == old_size and n <= old_n and old_extra.issuperset(extra):
            return files
        shutil.rmtree(self._folder, ignore_errors=True)
        self._made = (0, 0, frozenset())
        self._folder.mkdir()
        check_space(self._folder, bytes_needed(size, n, extra))
        self._tell(f"writing {n} warps of {size} x {size} pixels to {self._folder}")
        make = [sys.executable, "-m", "benchmarks.warp_files", self._folder, "--size", str(size)]
        run_measured([*make, "--n", str(n), "--extra", *sorted(extra)], cwd=ROOT)
        self._made = (size, n, frozenset(extra))
        return files


def grid_header(size: int) -> dict[str, object]:
    """Return the header of the pixel grid: a tangent plane."""
    centre = (size + 1) / 2
    return {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg", "RADESYS": "ICRS",
        "EQUINOX": 2000.0, "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": centre, "CRPIX2": centre,
        "CD1_1": -SCALE_DEG, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": SCALE_DEG,
    }  # fmt: skip


def make_warps(folder: Path, size: int, n: int, seed: int = 1, *, nan: bool = False) -> WarpFiles:
    """Write the warps, strip by strip; equal arguments give equal bits.

    With ``nan`` there is another image of each, with NaN where a pixel is rejected.
    """
    files = WarpFiles(folder, n)
    for i in range(n):
        rng = np.random.default_rng((seed, i))
        sigma = float(rng.uniform(5.0, 10.0))
        trail = (rng.uniform(0.0, size), rng.uniform(-0.5, 0.5)) if i % 4 == 0 else None
        weight = 1.0 / sigma**2
        header = fits.Header({**grid_header(size), "WEIGHT": weight, "VISIT": i + 1})
        add_plane_cards(header, make_schema())
        kinds = {"image": "f", "variance": "f", "mask": "i", "weight": "f"} | ({"nan": "f"} if nan else {})
        rejected = Layout.of().bits(("BAD",))
        with contextlib.ExitStack() as opened:
            write = {
                kind: opened.enter_context(create_plane(files.names(kind)[i], header, letter, (size, size)))
                for kind, letter in kinds.items()
            }
            for y0 in range(0, size, STRIP):
                rows = slice(y0, min(y0 + STRIP, size))
                image, variance, mask = make_strip(rng, i, rows, size, sigma, trail)
                bad = (mask & rejected) != 0
                write["image"](image)
                write["variance"](variance)
                write["mask"](mask)
                write["weight"](np.where(bad, np.float32(0.0), np.float32(weight)))
                if nan:
                    write["nan"](np.where(bad, np.float32(np.nan), image))
    return files


def make_strip(
    rng: np.random.Generator,
    i: int,
    rows: slice,
    size: int,
    sigma: float,
    trail: tuple[float, float] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return image, variance and mask of some rows of warp ``i``.

    ``trail`` is where the trail crosses the first column, and its slope.
    """
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, np.newaxis]
    x = np.arange(size, dtype=np.float32)
    shape = (y.size, size)
    variance = np.broadcast_to(sigma**2 * (1.0 + 0.05 * np.sin(y + i)), shape).astype(np.float32)
    image = (20.0 * np.sin(y / 40.0) * np.sin(x / 55.0)).astype(np.float32)
    image += rng.standard_normal(shape, np.float32) * np.sqrt(variance)
    # One draw for all defects, from both ends of its range.
    draw = rng.random(shape, np.float32)
    hit = draw > 1.0 - OUTLIER_FRACTION
    image[hit] += sigma * rng.uniform(*OUTLIER_SIGMA, int(hit.sum())).astype(np.float32)
    if trail is not None:
        across = np.abs(y - trail[0] - trail[1] * x) / np.hypot(1.0, trail[1])
        image[across < TRAIL_WIDTH / 2] += TRAIL_FLUX
    schema = make_schema()
    harmless = (draw >= REJECTED_FRACTION / 2) & (draw < REJECTED_FRACTION / 2 + HARMLESS_FRACTION)
    mask = harmless * np.int32(Layout(schema).bits(("DETECTED",)))
    bad = draw < REJECTED_FRACTION
    mask[bad] |= Layout(schema).bits(("BAD",))
    image[bad] = NONSENSE
    return image, variance, mask


def make_archives(files: WarpFiles) -> None:
    """Write the same warps as uncompressed archives of lamella."""
    from lamella.formats.archive.write import write_archive

    for i, path in enumerate(files.names("archive")):
        write_archive(read_warp(files, i), path, compress=False)


def read_warp(files: WarpFiles, i: int) -> Warp:
    """Return warp ``i`` of the files as one of lamella."""
    import astropy.units as u
    from lsst.images import Box, Image, Mask
    from lsst.images.psfs import GaussianPointSpreadFunction

    from lamella.data.detector import DetectorInput
    from lamella.data.exposure import ExposureId
    from lamella.data.warp import Warp
    from lamella.sky.projection import projection_from_header

    image, variance, mask = (FitsPlane(files.names(k)[i]) for k in ("image", "variance", "mask"))
    projection = projection_from_header(fits.getheader(image.path), path=image.path, hdu=0)
    box = Box.from_shape(image.shape)
    psf = GaussianPointSpreadFunction(2.0, bounds=box, stamp_size=25)
    detector = DetectorInput(
        id=ExposureId("Bench", i + 1, 0), band="r", bbox=box, projection=projection, psf=psf
    )
    return Warp(
        Image(image.read(), bbox=box, unit=u.nJy, sky_projection=projection),
        mask=Mask(mask.read()[..., np.newaxis], bbox=box, schema=make_schema()),
        variance=Image(variance.read(), bbox=box, unit=u.nJy**2),
        instrument="Bench",
        visit=i + 1,
        band="r",
        detectors=(detector,),
    )


def read_through(paths: Iterable[Path]) -> None:
    """Read files, so that they are in the page cache."""
    buffer = bytearray(1 << 24)
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def settle() -> None:
    """Wait until earlier results are on the disk, so that writing them costs nobody else's time."""
    os.sync()


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the warps of a benchmark.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--extra", choices=EXTRA_BYTES_PER_PIXEL, nargs="*", default=[])
    args = parser.parse_args()
    files = make_warps(args.folder, args.size, args.n, nan="nan" in args.extra)
    if "archive" in args.extra:
        make_archives(files)


if __name__ == "__main__":
    main()

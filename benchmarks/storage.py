"""Archives: reading and writing by lamella beside `lsst.images`, and what storage costs.

Everything happens in one warm process on one thread; the files are in the page
cache.  GB are those of the pixels: 12 bytes for each pixel of a warp.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from lsst.images import MaskedImage
from lsst.images import fits as image_fits
from lsst.images.serialization import read_archive

from lamella.data.warp import Warp
from lamella.fits.deflate import library_name
from lamella.formats.archive.products import ArchiveWarp
from lamella.formats.archive.write import write_archive
from lamella.image.planes import Planes, mask_plane_of

from .fits_planes import WarpFiles
from .warm import timed
from .warp_files import read_warp

STRIP = 64
"""Rows that lamella reads at a time, into one buffer."""
STORAGES = {"uncompressed": False, "GZIP_2": True}


def write_theirs(warp: Warp, path: Path, *, compress: bool) -> None:
    """Write as `lsst.images` does by itself."""
    path.unlink(missing_ok=True)
    options = {} if compress else dict.fromkeys(("image", "mask", "variance"))
    image_fits.write(warp, path, compression_options=options)


def read_ours(path: Path, check: Callable[[slice, Planes], None] | None = None) -> None:
    """Read a warp by strips into one buffer, as a stack does."""
    with ArchiveWarp(path) as warp:
        box = warp.bbox
        planes = [np.empty((STRIP, box.x.size), kind) for kind in Planes.TYPES]
        for y0 in range(box.y.start, box.y.stop, STRIP):
            part = box.factory[y0 : min(y0 + STRIP, box.y.stop), box.x.start : box.x.stop]
            rows = slice(0, part.y.size)
            view = Planes(part, *(plane[rows] for plane in planes))
            warp.fill(view)
            if check is not None:
                check(slice(y0 - box.y.start, part.y.stop - box.y.start), view)


def same_planes(warp: Warp, path: Path) -> bool:
    """Return whether `lsst.images` and the strips both find the pixels of a warp in a file."""
    expected = (warp.image.array, mask_plane_of(warp), warp.variance.array)
    theirs = read_archive(path, MaskedImage)
    equal = [
        np.array_equal(a, b)
        for a, b in zip(
            expected, (theirs.image.array, mask_plane_of(theirs), theirs.variance.array), strict=True
        )
    ]

    def check(rows: slice, found: Planes) -> None:
        ours = (found.image, found.mask, found.variance)
        equal.extend(np.array_equal(a[rows], b) for a, b in zip(expected, ours, strict=True))

    read_ours(path, check)
    return all(equal)


def measure(files: WarpFiles, folder: Path, repeats: int) -> list[dict[str, Any]]:
    """Return the CPU seconds of writing and reading one warp in each way."""
    warp = read_warp(files, 0)
    rows = []
    for storage, compress in STORAGES.items():
        ours, theirs = folder / f"{storage}.lamella.fits", folder / f"{storage}.lsst.fits"
        works: dict[tuple[str, str], Callable[[], object]] = {
            ("write", "lsst.images"): partial(write_theirs, warp, theirs, compress=compress),
            ("write", "lamella"): partial(write_archive, warp, ours, compress=compress),
            ("read", "lsst.images"): partial(read_archive, ours, MaskedImage),
            ("read", "lamella, strips"): partial(read_ours, ours),
        }
        runs: dict[tuple[str, str], list[float]] = {key: [] for key in works}
        for turn in range(repeats + 1):
            for key, work in works.items():
                _, used = timed(work)
                if turn > 0:
                    runs[key].append(used.cpu_s)
        equal = same_planes(warp, ours) and same_planes(warp, theirs)
        for (what, who), cpu_s in runs.items():
            path = theirs if (what, who) == ("write", "lsst.images") else ours
            pixels = 12 * warp.bbox.area
            rows.append(
                {
                    "what": what,
                    "storage": storage,
                    "who": who,
                    "cpu_s": cpu_s,
                    "gb_per_s": pixels / 1e9 / statistics.median(cpu_s),
                    "file_mb": os.path.getsize(path) / 1e6,
                    "pixels_mb": pixels / 1e6,
                    "equal": equal,
                    "library": library_name(),
                }
            )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table; ratios are to `lsst.images`."""
    lines = [
        "| | storage | by | CPU s | GB/s of pixels | times faster | file MB | same pixels |",
        "|---" * 8 + "|",
    ]
    theirs: dict[tuple[str, str], list[float]] = {}
    for row in sorted(rows, key=lambda r: (r["what"], r["storage"], r["who"] != "lsst.images")):
        key = row["what"], row["storage"]
        base = theirs.setdefault(key, row["cpu_s"])
        faster = statistics.median(a / b for a, b in zip(base, row["cpu_s"], strict=True))
        cells = [f"{statistics.median(row['cpu_s']):.3f}", f"{row['gb_per_s']:.2f}", f"{faster:.1f}"]
        cells += [f"{row['file_mb']:.0f}", "yes" if row["equal"] else "NO"]
        lines.append(f"| {row['what']} | {row['storage']} | {row['who']} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"lamella compresses and inflates with {rows[0]['library']}."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of warps; results go there, too")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    print(json.dumps(measure(WarpFiles(args.folder, 1), args.folder, args.repeats)))


if __name__ == "__main__":
    main()

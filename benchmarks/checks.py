"""What it costs to notice damage: checksums of archives, of compressed files and of FITS, hashes of a run.

Everything happens in one warm process; each measurement is made with checks and without in turn, and the
files are in the page cache.  CPU seconds of all threads, medians.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from lamella import file_states
from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.stack.prepare import target_around
from lamella.fits import hdus
from lamella.fits.datasum import collect_stale_sums
from lamella.fits.read import read_images
from lamella.formats.archive import products
from lamella.resources import Resources
from lamella.run.coadd_run import CoaddRun
from lamella.testing.survey import simulate_survey

from .fits_planes import WarpFiles
from .warp_files import WarpStore

ROWS = 2048
"""Height and width of the images that are read from a compressed file."""


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def compare(work: Callable[[], None], without: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Return the CPU seconds of some work with checks, and without what ``without`` replaces, in turn."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for number in range(repeats + 1):
        for checked in (True, False) if number % 2 else (False, True):
            with contextmanager(lambda: iter([None]))() if checked else without():
                start = time.process_time()
                work()
            seconds[checked].append(time.process_time() - start)
    # The first ones compile.
    with_checks, bare = (statistics.median(seconds[checked][1:]) for checked in (True, False))
    return {"with": with_checks, "without": bare, "ratio": with_checks / bare}


def stack(files: WarpFiles, statistic: str) -> None:
    """Stack archives."""
    warps = [products.ArchiveWarp(path) for path in files.names("archive")]
    for warp in warps:
        warp.__enter__()
    target = target_around([warp.bbox for warp in warps], warps[0].projection)
    inputs = [warp.as_input() for warp in warps]
    assemble(inputs, AssembleConfig(statistic=statistic), target=target, resources=Resources(threads=2))
    for warp in warps:
        warp.__exit__()


def write_packed(path: Path) -> None:
    """Write three images of noise, gzipped as a whole, with DATASUM."""
    random = np.random.default_rng(1)
    images = [
        fits.ImageHDU(random.normal(100, 5, (ROWS, ROWS)).astype(np.float32), name=name) for name in "ABC"
    ]
    plain = path.with_suffix("")
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(plain, checksum=True)
    path.write_bytes(gzip.compress(plain.read_bytes(), 1))


def read_packed(path: Path, names: str) -> None:
    """Read some of its images as if for the first time."""
    hdus._INTACT.clear()
    with collect_stale_sums():
        read_images([(path, name) for name in names])


def hashing(folder: Path) -> dict[str, float]:
    """Return the CPU seconds of a run on the simulated survey, and those of hashing in it."""
    survey = simulate_survey(folder / "survey")
    assert survey.table is not None
    hashed = [0.0]
    content_of = file_states._content_of.__wrapped__

    def timed(path: str, state: file_states.FileState) -> str:
        start = time.thread_time()
        content: str = content_of(path, state)
        hashed[0] += time.thread_time() - start
        return content

    total = 0.0
    for number in range(2):  # the first one compiles
        hashed[0], start = 0.0, time.process_time()
        with replaced(file_states, "_content_of", timed):
            CoaddRun(output=folder / f"run{number}", resources=Resources(threads=1))([survey.table])
        total = time.process_time() - start
    return {"run": total, "hashing": hashed[0], "part": hashed[0] / total}


def measure(folder: Path, size: int, n: int, repeats: int) -> dict[str, Any]:
    """Return all figures."""
    files = WarpStore(folder / "warps", print).get(size, n, ("archive",))
    results: dict[str, Any] = {}
    for statistic in ("MEANCLIP", "MEAN"):
        results[f"stack of {n} warps, {statistic}"] = compare(
            lambda statistic=statistic: stack(files, statistic),  # type: ignore[misc]
            lambda: replaced(products, "find_sums", lambda file: None),
            repeats,
        )
    packed = folder / "packed.fits.gz"
    write_packed(packed)
    for names in ("ABC", "A"):
        results[f"gzipped file, {len(names)} of 3 images"] = compare(
            lambda names=names: read_packed(packed, names),  # type: ignore[misc]
            lambda: replaced(hdus.Container, "check_packed", lambda file: None),
            repeats,
        )
    results["plain file, DATASUM"] = compare(
        lambda: read_packed(packed.with_suffix(""), "ABC"),
        lambda: replaced(hdus.Unit, "compare_datasum", lambda unit, data: None),
        repeats,
    )
    results["hashes of a run"] = hashing(folder)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what checks cost.")
    parser.add_argument("--size", type=int, default=2100)
    parser.add_argument("--n", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(measure(Path(name), args.size, args.n, args.repeats), indent=1))


if __name__ == "__main__":
    main()

"""CPU time of the headers of the first two HDUs of many files, as the recognition of a folder reads them.

A program of its own: ``python -m benchmarks.headers``.  Each file has a primary HDU without
pixels and two images, with the numbers of cards of a usual survey.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits

from lamella.formats.readers import FileHead

_CARDS = (120, 60, 20)
_PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data, 1),
    ".bz2": bz2.compress,
}


def _header(count: int) -> fits.Header:
    values = (f"text {count}", 1.5 * count, count, True)
    cards = [(f"KEY{n:05d}", values[n % 4], "what the card says") for n in range(count)]
    return fits.Header([fits.Card(*card) for card in cards])


def write_files(folder: Path, count: int, size: int) -> dict[str, list[Path]]:
    """Write files with images of ``size`` x ``size`` pixels, in each form, by the end of their names."""
    rng = np.random.default_rng(1)
    files: dict[str, list[Path]] = {".fits": [], ".fits.fz": [], ".fits.gz": [], ".fits.bz2": []}
    for number in range(count):
        image = rng.normal(100, 10, (size, size)).astype(np.int32)
        planes = [(image, "SCI"), ((image > 120).astype(np.int32), "DQ")]
        primary, *headers = map(_header, _CARDS)
        plain, tiled = (
            fits.HDUList(
                [fits.PrimaryHDU(header=primary)]
                + [kind(*plane[:1], header, plane[1]) for plane, header in zip(planes, headers, strict=True)]
            )
            for kind in (fits.ImageHDU, fits.CompImageHDU)
        )
        paths = {end: folder / f"{number:05d}{end}" for end in files}
        plain.writeto(paths[".fits"])
        tiled.writeto(paths[".fits.fz"])
        for end, pack in _PACKED.items():
            paths[f".fits{end}"].write_bytes(pack(paths[".fits"].read_bytes()))
        for end, path in paths.items():
            files[end].append(path)
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50, help="files of each form")
    parser.add_argument("--size", type=int, default=512, help="pixels along each side of an image")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for end, paths in write_files(Path(folder), args.count, args.size).items():
            begin = time.process_time()
            for path in paths:
                assert len(FileHead(path).headers) == 2
            spent = (time.process_time() - begin) / len(paths)
            print(f"| `{end}` | {1e3 * spent:.2f} |", flush=True)


if __name__ == "__main__":
    main()

"""The contender lamella: plain FITS files in, a FITS file with four planes out."""

from __future__ import annotations

import argparse
from pathlib import Path

from .phases import Stopwatch


def run(folder: Path, n: int, statistic: str, threads: int, output: Path, find_weights: bool) -> None:
    watch = Stopwatch()
    from lamella.coadd.assemble import assemble
    from lamella.coadd.assemble_control import AssembleConfig
    from lamella.resources import Resources

    from .fits_planes import WarpFiles, write_planes
    from .fits_warp import open_warps

    watch.lap("import")
    inputs, target = open_warps(WarpFiles(folder, n), find_weights=find_weights)
    watch.lap("open")
    config = AssembleConfig(statistic=statistic)
    coadd = assemble(inputs, config, target=target, resources=Resources(threads=threads))
    watch.lap("assemble")
    planes = {
        "IMAGE": coadd.image.array,
        "VARIANCE": coadd.variance.array,
        "MASK": coadd.mask.array[..., 0],
        "COUNT": coadd.exposure_count.array,
    }
    write_planes(output, planes)
    watch.lap("write")
    watch.report()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--statistic", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--find-weights", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    run(**vars(parse()))

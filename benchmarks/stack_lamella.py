"""The contender lamella: plain FITS files in, a FITS file with four planes out."""

from __future__ import annotations

import argparse
from pathlib import Path

from .phases import Stopwatch


def run(folder: Path, n: int, statistic: str, threads: int, output: Path, find_weights: bool) -> None:
    watch = Stopwatch()
    from lsst.images import Box

    from lamella.coadd.assemble import AssembleConfig, Resources, assemble
    from lamella.coadd.inputs import CoaddTarget, WarpInput
    from lamella.coadd.sources import Planes
    from lamella.formats.strips import open_strips
    from lamella.planes import make_schema
    from lamella.sky.projection import projection_from_header

    from .fits_planes import FitsPlane, WarpFiles, write_planes

    class FitsWarp:
        """A warp in three plain FITS files as a `lamella.coadd.inputs.WarpSource`."""

        def __init__(self, *paths: Path) -> None:
            opened = [open_strips(path, [""]) for path in paths]
            self._files = [strips for strips in opened if strips is not None]
            first = FitsPlane(paths[0])
            self.bbox, self.header = Box.from_shape(first.shape), first.header
            self.schema = make_schema()

        def read(self, box: Box) -> Planes:
            planes = Planes.unset((box.y.size, box.x.size))
            self.fill(box, planes)
            return planes

        def fill(self, box: Box, planes: Planes) -> None:
            at = box.slice_within(self.bbox)
            for strips, out in zip(self._files, (planes.image, planes.mask, planes.variance), strict=True):
                strips.read("", at.y, at.x, out)

    watch.lap("import")
    files = WarpFiles(folder, n)
    names = zip(files.names("image"), files.names("mask"), files.names("variance"), strict=True)
    sources = [FitsWarp(*paths) for paths in names]
    inputs = [
        WarpInput(
            instrument="Bench",
            visit=int(source.header["VISIT"]),
            band="r",
            source=source,
            weight=None if find_weights else float(source.header["WEIGHT"]),
        )
        for source in sources
    ]
    projection = projection_from_header(sources[0].header, path=files.names("image")[0], hdu=0)
    target = CoaddTarget(outer_bbox=sources[0].bbox, projection=projection)
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

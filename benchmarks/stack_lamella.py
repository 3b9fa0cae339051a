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
    from lamella.planes import make_schema
    from lamella.sky.projection import projection_from_header

    from .fits_planes import FitsPlane, WarpFiles, write_planes

    class FitsWarp:
        """A warp in three plain FITS files as a `lamella.coadd.inputs.WarpSource`."""

        def __init__(self, image: Path, mask: Path, variance: Path) -> None:
            self._planes = FitsPlane(image), FitsPlane(mask), FitsPlane(variance)
            self.bbox = Box.from_shape(self._planes[0].shape)
            self.schema = make_schema()
            self.header = self._planes[0].header

        def read(self, box: Box) -> Planes:
            at = box.slice_within(self.bbox)
            return Planes(*(plane.read(at.y, at.x) for plane in self._planes))

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

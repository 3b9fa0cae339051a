"""Resampling by lamella inside one warm process: reading, warping and writing apart, on one thread."""

from __future__ import annotations

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path

from lamella.coadd.warp.warp import make_warp
from lamella.formats.archive.write import write_archive
from lamella.formats.recognise import open_exposures
from lamella.sky.registry import load_skymap

from .warm import timed


def measure(table: Path, skymap: Path) -> dict[str, float]:
    """Return the CPU seconds of each step for all exposures of a table; one exposure before warms."""
    patch = load_skymap(skymap)[0].patch("0,0")
    sources = open_exposures([table]).sources
    seconds = {"read": 0.0, "warp": 0.0, "write": 0.0}
    with tempfile.TemporaryDirectory(dir=table.parent) as folder:
        for turn, source in enumerate([sources[0], *sources]):
            exposure, read = timed(source.read)
            warp, made = timed(partial(make_warp, [exposure], patch.projection, patch.outer_bbox))
            _, wrote = timed(partial(write_archive, warp, Path(folder, "warp.fits"), compress=False))
            if turn:
                for name, used in zip(seconds, (read, made, wrote), strict=True):
                    seconds[name] += used.cpu_s
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("skymap", type=Path)
    args = parser.parse_args()
    print(json.dumps(measure(args.table, args.skymap)))


if __name__ == "__main__":
    main()

"""The stack kernels alone: data in the cache, no files, no tiles.

Seconds are those of the processor that the threads spent, so that other work
on the machine disturbs little; they are per input pixel, which is one pixel of
one warp, whatever the number of threads.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

STATISTICS = ("MEAN", "MEANCLIP", "NOISECLIP", "MEDIAN")
PIXELS = (32, 512)
"""Per thread: large enough for the 30 microseconds of a call not to count, small enough for the cache."""


def make_cube(n: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return image, mask, variance and weights of n small warps, with the defects of the files."""
    from .warp_files import make_strip

    rng = np.random.default_rng(n)
    sigmas = rng.uniform(5.0, 10.0, n)
    strips = [make_strip(rng, i, slice(0, shape[0]), shape[1], sigma, None) for i, sigma in enumerate(sigmas)]
    image, variance, mask = (np.stack(planes) for planes in zip(*strips, strict=True))
    return image, mask, variance, 1.0 / sigmas**2


def time_kernel(statistic: str, n: int, threads: int, repeats: int) -> dict[str, Any]:
    """Return nanoseconds per input pixel of CPU (and wall) of a statistic: median, least, largest."""
    from lamella.coadd.assemble_control import AssembleConfig
    from lamella.coadd.stack.stack import statistics_stack
    from lamella.planes import Layout

    shape = (PIXELS[0] * threads, PIXELS[1])
    image, mask, variance, weights = make_cube(n, shape)
    control = AssembleConfig(statistic=statistic).stack_control(Layout.of())
    cpu, wall = [], []
    for _ in range(repeats + 2):
        start, used = time.perf_counter(), time.process_time()
        statistics_stack(image, mask, variance, weights, control=control, threads=threads)
        cpu.append(time.process_time() - used)
        wall.append(time.perf_counter() - start)
    # The first calls compile, and fill the cache.
    return {
        "statistic": statistic,
        "n": n,
        "threads": threads,
        "cpu_ns": [1e9 * f(cpu[2:]) / image.size for f in (np.median, np.min, np.max)],
        "wall_ns": [1e9 * f(wall[2:]) / image.size for f in (np.median, np.min, np.max)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, nargs="+", default=[10, 30])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--statistics", choices=STATISTICS, nargs="+", default=STATISTICS)
    parser.add_argument("--repeats", type=int, default=60)
    args = parser.parse_args()
    rows = [
        time_kernel(statistic, n, threads, args.repeats)
        for statistic in args.statistics
        for n in args.n
        for threads in args.threads
    ]
    print(json.dumps(rows))


if __name__ == "__main__":
    main()

"""The statistics of a stack by name: which kernels make them, and the threads that share their pixels."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from .clip import stack_clip
from .mean import stack_mean
from .median import stack_median
from .noise import Centres, find_centres, local_range, stack_noise_clip
from .pixelwise import KINDS, stack_pixelwise
from .rules import Stack
from .sort import sorting_network

__all__ = ("stack_pixels",)

_SORTED = {"MEDIAN": stack_median, "MEANCLIP": stack_clip}


def stack_pixels(
    stack: Stack, statistic: str, shape: tuple[int, int], *, strict: bool = False, threads: int = 1
) -> None:
    """Combine inputs on one pixel grid, pixel by pixel, and write the result to ``stack.out``.

    Images and variances are in any unit and its square; of neither does anything depend on the unit.

    Parameters
    ----------
    stack
        Planes of the inputs, of shape (n, pixels): float32, int32 and float32, in the order of rows; what is
        computed from them; and planes of shape (pixels,) to write to.
    statistic
        MEAN, MEANCLIP, MEDIAN, NOISECLIP, or another one of `pixelwise.KINDS`.
    shape
        Shape (y, x) of the image: NOISECLIP looks at the pixels around each.
    strict
        Whether to repeat the original pipelines bit for bit.
    threads
        Number of threads; the result does not depend on it.
    """
    pixels = shape[0] * shape[1]
    if strict or (statistic in KINDS and statistic not in ("MEAN", *_SORTED)):
        _share(partial(stack_pixelwise, stack, KINDS[statistic], strict), pixels, threads)
    elif statistic == "MEAN":
        _share(partial(stack_mean, stack), pixels, threads)
    else:
        ordered = stack._replace(network=sorting_network(stack.inputs.rows.size))
        if statistic == "NOISECLIP":
            lower, median, shared = np.empty((3, *shape))
            reach = np.zeros(shape)
            centres = Centres(lower.reshape(-1), median.reshape(-1), reach.reshape(-1))
            _share(partial(find_centres, ordered, centres, shared.reshape(-1)), reach.size, threads)
            if ordered.clip.gradient > 0.0:
                local_range(shared, reach)
            _share(partial(stack_noise_clip, ordered, centres), reach.size, threads)
        else:
            _share(partial(_SORTED[statistic], ordered), pixels, threads)


def _share(work: Callable[[int, int], None], pixels: int, threads: int) -> None:
    """Do the work on all pixels, in one range for each thread."""
    if threads <= 1:
        work(0, pixels)
        return
    edges = [pixels * k // threads for k in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        # list() so that an error in a thread reaches the caller.
        list(pool.map(work, edges[:-1], edges[1:]))

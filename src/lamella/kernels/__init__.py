"""Hot loops over pixels: arrays in, arrays out.

The operations below are the surface of this room, and the seam where another backend would hang: whoever
replaces them replaces all arithmetic on whole planes.  They are imported when they are first used.  Planes
have the axes (y, x), cubes (n, y, x), stacks of flattened planes (n, pixels); values and variances are
float32, masks int32, flags bool.  Arrays are C-contiguous and writable (`kernel_array`).  Values may be in
any unit, variances in its square; positions are in pixels, whose centres are whole numbers.

=====================  ============================================================================
`stack_pixels`         Statistics of inputs on one pixel grid: (n, pixels) to (pixels,)
`add_to_mean`          The mean of inputs that come one at a time; `read_mean` writes it
`resample_planes`      Image, mask and variance (y, x) through a grid of positions to a box
`warp_stamp`           A PSF stamp (y, x), float64, through an affine map
`put_best`             Pixels of an image (y, x) over those of others that are no better
`convolve_plane`       An image (y, x) with a kernel that varies over it
`fill_rows`            Runs of bad pixels along the rows of image, mask and variance (y, x)
`subtract_template`    The difference between an epoch and a template (y, x), and its variance
`strongest_lines`      The strongest sums along straight lines of a plane (row, column)
`clipped_mean`         Mean of a flat sample of float32 and its masks after clipping, exact
`median`               The median of the chosen values of a plane (y, x)
`translate_flags`      Flags of files (y, x) to the bits of a mask
`swap_words`           Big-endian words (n,), uint32, to those of the machine
`kernel_array`         Any array in the type and the layout that kernels take
=====================  ============================================================================
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES: dict[str, str] = {
    "add_to_mean": "stack.mean",
    "clipped_mean": "order.sample",
    "convolve_plane": "convolve",
    "fill_rows": "fill",
    "kernel_array": "arrays",
    "median": "order.median",
    "put_best": "resample.merge",
    "read_mean": "stack.mean",
    "resample_planes": "resample.resample",
    "stack_pixels": "stack.statistics",
    "strongest_lines": "lines",
    "subtract_template": "compare",
    "swap_words": "byteorder",
    "translate_flags": "flags",
    "warp_stamp": "resample.psfwarp",
}

__all__ = (*_HOMES,)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .arrays import kernel_array as kernel_array
    from .byteorder import swap_words as swap_words
    from .compare import subtract_template as subtract_template
    from .convolve import convolve_plane as convolve_plane
    from .fill import fill_rows as fill_rows
    from .flags import translate_flags as translate_flags
    from .lines import strongest_lines as strongest_lines
    from .order.median import median as median
    from .order.sample import clipped_mean as clipped_mean
    from .resample.merge import put_best as put_best
    from .resample.psfwarp import warp_stamp as warp_stamp
    from .resample.resample import resample_planes as resample_planes
    from .stack.mean import add_to_mean as add_to_mean
    from .stack.mean import read_mean as read_mean
    from .stack.statistics import stack_pixels as stack_pixels

_HOMES = {
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

__all__ = tuple(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

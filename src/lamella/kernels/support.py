"""Names of the resampling kernels, and how far they reach."""

from __future__ import annotations

__all__ = (
    "KERNELS",
    "kernel_half_width",
)

KERNELS = ("lanczos3", "lanczos4", "lanczos5", "bilinear", "nearest")
"""Names of the kernels."""


def kernel_half_width(kernel: str) -> int:
    """Return half the number of taps of a kernel in one dimension.

    Raises
    ------
    ValueError
        Raised when there is no such kernel.
    """
    if kernel not in KERNELS:
        raise ValueError(f"There is no kernel {kernel!r}; there are: {', '.join(KERNELS)}.")
    return int(kernel[-1]) if kernel.startswith("lanczos") else 1

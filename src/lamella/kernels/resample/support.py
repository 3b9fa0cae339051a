"""Names of the resampling kernels, how far they reach, and how one was used."""

from __future__ import annotations

import dataclasses

__all__ = (
    "CONSERVING",
    "KERNELS",
    "LANCZOS3",
    "ResamplingKernel",
    "kernel_half_width",
)

KERNELS = ("lanczos3", "lanczos4", "lanczos5", "bilinear", "nearest")
"""Names of the kernels that are one function each."""

CONSERVING = "conserving"
"""Name of the kernel that is made for the pixels of the source and those of the destination."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ResamplingKernel:
    """A kernel as it is used for one source image: all that its weights follow from.

    Attributes
    ----------
    name
        One of `KERNELS`, or `CONSERVING`.
    ratios
        Lengths of a destination pixel along its x and its y axis, in pixels of
        the source, where the kernel was chosen: for the record.
    bins
        Destination pixels are means of ``bins[0]`` times ``bins[1]`` points, evenly
        spread along their x and y axes, at each of which the kernel is applied.
    shapes
        Coefficients of `CONSERVING` along x and y of the source, see
        `lamella.kernels.resample.conserving`; empty for other kernels.
    """

    name: str = "lanczos3"
    ratios: tuple[float, float] = (1.0, 1.0)
    bins: tuple[int, int] = (1, 1)
    shapes: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    @property
    def half_width(self) -> int:
        """Half the number of taps in one dimension."""
        return kernel_half_width(self.name)

    @property
    def is_binned(self) -> bool:
        """Whether a destination pixel is a mean of several points."""
        return self.bins != (1, 1)


LANCZOS3 = ResamplingKernel()
"""What images were resampled with where nothing is on record."""


def kernel_half_width(kernel: str) -> int:
    """Return half the number of taps of a kernel in one dimension.

    Raises
    ------
    ValueError
        Raised when there is no such kernel.
    """
    if kernel == CONSERVING:
        return 3
    if kernel not in KERNELS:
        raise ValueError(f"There is no kernel {kernel!r}; there are: {', '.join(KERNELS)}.")
    return int(kernel[-1]) if kernel.startswith("lanczos") else 1

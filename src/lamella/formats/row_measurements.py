"""What was measured in the pixels of a row, kept in little memory, so that it is measured once."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..image.background import Background
from ..image.measured_noise import MeasuredNoise
from ..image.packed_plane import PackedPlane

__all__ = ("RowMeasurements",)


@dataclasses.dataclass(frozen=True)
class RowMeasurements:
    """What the pixels of a row tell; `None` for what nobody has asked them."""

    noise: MeasuredNoise | None = None
    sky_present: bool | None = None
    """Whether the image has its sky in."""
    sky: Background | None = None
    defects: tuple[tuple[str, PackedPlane], ...] | None = None
    """Pixels that are no measurements, by the names of their planes."""

    @property
    def nbytes(self) -> int:
        """Number of bytes that the arrays take."""
        parts = [
            0 if self.noise is None else self.noise.nbytes,
            0 if self.sky is None else self.sky.nodes.nbytes,
        ]
        return sum(parts) + sum(plane.nbytes for _, plane in self.defects or ())

    def defect_planes(self) -> dict[str, np.ndarray] | None:
        """Return the defects as bool arrays of shape (y, x)."""
        return None if self.defects is None else {name: plane.unpacked() for name, plane in self.defects}

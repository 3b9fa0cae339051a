"""Flags of pixels in little memory."""

from __future__ import annotations

import dataclasses
import zlib

import numpy as np

__all__ = ("PackedPlane",)


@dataclasses.dataclass(frozen=True)
class PackedPlane:
    """A plane of bool, deflated: few pixels that lie together take few bytes."""

    shape: tuple[int, ...]
    content: bytes = dataclasses.field(repr=False)

    @classmethod
    def of(cls, plane: np.ndarray) -> PackedPlane:
        """Pack a plane of bool, shape (y, x)."""
        return cls(plane.shape, zlib.compress(np.packbits(plane), 1))

    def unpacked(self) -> np.ndarray:
        """Return the plane."""
        bits = np.frombuffer(zlib.decompress(self.content), np.uint8)
        return np.unpackbits(bits, count=int(np.prod(self.shape))).view(bool).reshape(self.shape)

    @property
    def nbytes(self) -> int:
        """Number of bytes that it takes."""
        return len(self.content)

"""Data references to warps, and what is known of a warp without reading all of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from lsst.images import Box, Interval

from ...data.warp import Warp

__all__ = ("WarpRef", "data_refs", "is_warp", "sub_boxes", "warp_ref", "warp_refs")


_SMALL = 1 << 16
"""Pixels of a warp that is kept in memory: a thousand such are less than 1 GB."""


class WarpRef:
    """A data reference to a warp, or a warp in memory that stands in for one.

    Parameters
    ----------
    ref
        A data reference, with ``dataId``, ``datasetExists`` and ``get``, or a `lamella.Warp`.
    name
        Name of the warp's dataset type.
    """

    def __init__(self, ref: Any, name: str) -> None:
        self.ref = ref
        self.name = name

    def __getattr__(self, name: str) -> Any:
        # Tasks that others derive get references that are data references in all else.
        if name == "ref" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.ref, name)

    @property
    def dataId(self) -> dict[str, Any]:
        """Keys and values that tell which warp this is."""
        if isinstance(self.ref, Warp):
            return {"instrument": self.ref.instrument, "visit": self.ref.visit, "filter": self.ref.band}
        return dict(self.ref.dataId)

    def exists(self) -> bool:
        """Return whether there is such a warp."""
        return isinstance(self.ref, Warp) or bool(self.ref.datasetExists(self.name))

    def read(self, box: Box | None = None) -> Warp:
        """Return a copy of the warp, or of the part of it in a box inside of `bbox`."""
        if self._whole is not None:
            return (self._whole if box is None else self._whole[box]).copy()
        if box is None:
            return self._checked(self.ref.get(self.name, immediate=True))
        return self._checked(self.ref.get(f"{self.name}_sub", bbox=box, immediate=True))

    @cached_property
    def _whole(self) -> Warp | None:
        """The warp in memory, if it is given there, or small: its file takes longer to open than to read."""
        if isinstance(self.ref, Warp):
            return self.ref
        small = math.prod(self.bbox.shape) <= _SMALL
        return self._checked(self.ref.get(self.name, immediate=True)) if small else None

    def _checked(self, warp: Any) -> Warp:
        if not isinstance(warp, Warp):
            raise TypeError(f"{self.name} {self.dataId} is a {type(warp).__name__}; expected a lamella.Warp.")
        return warp

    @cached_property
    def bbox(self) -> Box:
        """Box of the pixels."""
        box = self.ref.bbox if isinstance(self.ref, Warp) else self.ref.get(f"{self.name}_bbox")
        assert isinstance(box, Box)
        return box

    @cached_property
    def header(self) -> Warp:
        """The warp cut down to one pixel, for all else that it holds."""
        y, x = self.bbox.y.start, self.bbox.x.start
        return self.read(Box.factory[y : y + 1, x : x + 1])

    @property
    def key(self) -> tuple[str, int]:
        """What orders the inputs of a coadd."""
        return self.header.instrument, self.header.visit


def gen3_id(ref: Any, name: str) -> dict[str, Any] | None:
    """Return today's identifier of a dataset, given a data reference; `None` where nobody translates it.

    Parameters
    ----------
    ref
        A data reference.
    name
        Name of the dataset type.

    Raises
    ------
    LookupError
        Raised when the repository does not know what the reference names.
    """
    butler = ref.getButler() if hasattr(ref, "getButler") else None
    translate = getattr(butler, "dataCoordinate", None)
    return None if translate is None else dict(translate(name, ref.dataId))


def is_warp(item: Any) -> bool:
    """Tell whether something is a warp, or a data reference to one: to a visit on a patch."""
    if isinstance(item, Warp | WarpRef):
        return True
    return {"tract", "patch", "visit"} <= set(getattr(item, "dataId", ()))


def warp_refs(refs: Iterable[Any], name: str) -> list[WarpRef]:
    """Return data references, or warps, as references to warps of a dataset type."""
    return [warp_ref(ref, name) for ref in refs]


def warp_ref(ref: Any, name: str) -> WarpRef:
    """Return a data reference, or a warp, as a reference to a warp of a dataset type."""
    return ref if isinstance(ref, WarpRef) else WarpRef(ref, name)


def data_refs(refs: Iterable[Any]) -> list[Any]:
    """Return the data references, or warps, that references to warps stand for."""
    return [ref.ref if isinstance(ref, WarpRef) else ref for ref in refs]


def sub_boxes(bbox: Box, size: tuple[int, int]) -> list[Box]:
    """Cut a box into smaller ones.

    Parameters
    ----------
    bbox
        Box to cut.
    size
        Largest width and height.

    Returns
    -------
    list of lsst.images.Box
        Row by row; the last ones of a row and a column may be smaller.
    """
    width, height = size
    return [
        Box(Interval(y, min(y + height, bbox.y.stop)), Interval(x, min(x + width, bbox.x.stop)))
        for y in range(bbox.y.start, bbox.y.stop, height)
        for x in range(bbox.x.start, bbox.x.stop, width)
    ]

"""Warps on disk, of lamella and of afw, as inputs of a coadd."""

from __future__ import annotations

from os import PathLike
from typing import Any, Protocol, Self

from lsst.images import SkyProjection
from lsst.images.psfs import PointSpreadFunction

from ...data.detector import DetectorInput
from ...data.inputs import WarpInput, WarpSource
from .products import ArchiveWarp, afw

__all__ = ("WarpFile", "open_warp")


class WarpFile(WarpSource, Protocol):
    """A warp on disk, of any layout; as a context manager, it may keep its file open."""

    path: str
    instrument: str
    visit: int
    band: str
    detectors: tuple[DetectorInput, ...]
    matched_psf: PointSpreadFunction | None
    projection: SkyProjection[Any]

    def __enter__(self) -> Self: ...

    def __exit__(self, *problem: object) -> None: ...

    def as_input(self) -> WarpInput:
        """Return the record of this warp for `lamella.assemble`."""
        ...


def open_warp(path: str | PathLike[str]) -> WarpFile:
    """Open a warp that `lamella warp` wrote, or the C++ stack, or `lamella export`.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, damaged, or not a warp.
    InputError
        Raised when it is of afw, and lacks what a warp needs.

    Examples
    --------
    >>> import lamella
    >>> sources = lamella.open_exposures(["demo/survey/exposures.ecsv"]).sources
    >>> patch = lamella.skymap_from_exposures([source.info for source in sources])[0].patch("0,0")
    >>> warp = lamella.make_warp([sources[0].read()], patch.projection, patch.outer_bbox)
    >>> lamella.write_archive(warp, "warp.fits")
    >>> opened = lamella.open_warp("warp.fits")
    >>> target = lamella.CoaddTarget(outer_bbox=patch.outer_bbox, projection=patch.projection)
    >>> coadd = lamella.assemble([opened.as_input()], target=target)
    >>> opened.bbox == warp.bbox, coadd.bbox == patch.outer_bbox
    (True, True)
    """
    if not afw("kinds").is_afw_image(path):
        return ArchiveWarp(path)  # which says what is wrong with a damaged file
    warp: WarpFile = afw("warps").AfwWarp(path)
    return warp

"""Warps on disk, of lamella and of afw, as inputs of a coadd."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

from ..afw.kinds import is_afw_image
from .products import ArchiveWarp

if TYPE_CHECKING:
    from ..afw.warps import AfwWarp

__all__ = ("open_warp",)


def open_warp(path: str | PathLike[str]) -> ArchiveWarp | AfwWarp:
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
    """
    if not is_afw_image(path):
        return ArchiveWarp(path)  # which says what is wrong with a damaged file
    from ..afw.warps import AfwWarp  # a tenth of a second that archives need not wait for

    return AfwWarp(path)

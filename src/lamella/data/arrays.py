"""An image in memory, and what its owner says of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.io import fits
from lsst.images.psfs import PointSpreadFunction

__all__ = ("Arrays", "Known")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Arrays:
    """An image in memory, and what its owner says of it; what nobody says is measured, as in files.

    The arrays are of the owner of this value, and nobody else changes them.
    """

    image: np.ndarray
    """Shape (y, x), with or without its sky; NaN is no measurement."""
    header: fits.Header
    """Cards of the image: its projection to the sky, and whatever else is known."""
    tables: tuple[fits.ImageHDU, ...] = ()
    """Tables of distortions that the header refers to."""
    noise: tuple[str, np.ndarray] | None = None
    """``"variance"``, ``"stddev"`` or ``"weight"``, and its plane, shape (y, x); `None` if not known."""
    mask: np.ndarray | None = None
    """Integers of shape (y, x); `None` if it is not known."""
    flags: str = "NONZERO=BAD"
    """What they mean, as exposure tables have it."""
    psf: PointSpreadFunction | np.ndarray | None = None
    """Model, or a stamp of shape (y, x); `None` if it is not known, or a width is among the cells."""
    cells: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Cells of exposure tables that say more than the header: ``zero_point``, ``band``, ``visit`` ..."""
    reads_as_file: bool = False
    """Whether the planes are described as in a file of `astropy.nddata.CCDData`, and read so."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Known:
    """What an owner says of an image beside its pixels, as it was given; `None` is not known."""

    variance: Any = None
    mask: Any = None
    psf: Any = None
    fwhm: Any = None
    zero_point: Any = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

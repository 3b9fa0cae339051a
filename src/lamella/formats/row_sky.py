"""The sky of the exposure of a row: in the pixels, subtracted, or a map."""

from __future__ import annotations

import dataclasses
import functools
import math
from pathlib import Path

import numpy as np

from ..errors import InputError, MissingPartError
from ..fits.read import ImageData, require_shape
from ..image.background import Background, fit_background
from .read_control import ReadControl
from .row_cells import RowCells
from .row_measurements import RowMeasurements

__all__ = ("STATES", "RowSky", "sky_state")

STATES = ("subtracted", "present", "file", "measured")
"""What the column sky may say."""
_SAMPLE = 2**18
"""Rows with about so many pixels tell the level of the sky to a few thousandths of the noise."""
_PRESENT = 3.0
"""A sky of so many standard deviations of a pixel was not subtracted."""


def sky_state(cells: RowCells) -> str:
    """Return whether the sky is in the pixels, and whether a map of it is to be subtracted.

    Raises
    ------
    InputError
        Raised when the cell says something else.
    MissingPartError
        Raised when there is no map where there must be one.
    """
    has_map = "sky_hdu" in cells or "sky_file" in cells
    state = cells.text("sky", "file" if has_map else "subtracted")
    if state not in STATES:
        raise cells.error("sky", repr(state), "'subtracted', 'present', 'file' or 'measured'")
    if state == "file" and not has_map:
        raise cells.error("sky", "'file' without sky_hdu or sky_file", "one of them", MissingPartError)
    if state != "file" and has_map:
        raise cells.error("sky", f"{state!r} beside a map of the sky", "'file'")
    return state


def _stands_out(image: np.ndarray, bad: np.ndarray) -> bool:
    """Return whether the median of the pixels is further from zero than their noise allows."""
    rows = slice(None, None, image.size // _SAMPLE + 1)
    values = image[rows][~bad[rows] & np.isfinite(image[rows])]
    if not values.size:
        return False
    middle = float(np.median(values))
    steps = np.diff(values[: values.size // 2 * 2].reshape(-1, 2).astype(np.float64), axis=1)
    sigma = 1.4826 * float(np.median(np.abs(steps))) / math.sqrt(2.0)
    return abs(middle) > _PRESENT * sigma


@dataclasses.dataclass
class RowSky:
    """The sky of an image, which is fitted when it is first asked for."""

    image: np.ndarray
    """Shape (y, x), as in the file."""
    bad: np.ndarray
    """True where a pixel is no measurement."""
    state: str
    control: ReadControl
    path: Path
    plane: ImageData | None = None
    """The map, where there is one."""
    measurements: RowMeasurements = dataclasses.field(default_factory=RowMeasurements)
    """What was measured before."""

    def __post_init__(self) -> None:
        if self.state == "measured":
            present = self.measurements.sky_present
            self.present = _stands_out(self.image, self.bad) if present is None else present
            self.state = "present" if self.present else "subtracted"

    present: bool | None = None
    """Whether the image has its sky in, where that was to be measured."""

    @functools.cached_property
    def fitted(self) -> Background:
        """The sky of meshes."""
        if self.measurements.sky is not None:
            return self.measurements.sky.without_level()
        return fit_background(self.image, self.bad, self.control, self.path)

    @functools.cached_property
    def map(self) -> np.ndarray:
        """The map of the sky.

        Raises
        ------
        ShapeError
            Raised when it has another shape than the image.
        """
        assert self.plane is not None
        require_shape(f"{self.path}: sky", self.plane.pixels, self.image.shape)
        return self.plane.pixels

    @property
    def measured(self) -> Background | None:
        """The sky of meshes, if anybody has asked for it, in little memory."""
        fitted: Background | None = self.__dict__.get("fitted")
        return fitted and fitted.without_level()

    def level(self) -> np.ndarray:
        """Return the sky that is in the pixels, for their noise.

        Raises
        ------
        InputError
            Raised when it was subtracted and nobody says how much it was.
        """
        if self.state == "file":
            return self.map
        if self.state == "present":
            return self.fitted.level
        expected = "pixels with their sky, or its map, as its photons make the noise"
        raise InputError(
            self.path, where="noise = counts", found="a sky that is subtracted", expected=expected
        )

    def subtracted(self) -> tuple[np.ndarray, str]:
        """Return the image without sky, as the options want it, and a note."""
        choice = self.control.subtract_background
        if choice == "never" or (choice == "auto" and self.state == "subtracted"):
            return self.image, "" if self.state == "subtracted" else "Sky left in."
        if choice == "auto" and self.state == "file":
            level = self.map
            return self.image - level, f"Sky of {np.nanmedian(level):.6g} (median) subtracted, from its map."
        return self.image - self.fitted.level, self.fitted.note

"""Whether the sources of a visit are as bright as those of the others: a check of its photometric scale."""

from __future__ import annotations

import numpy as np
from lsst.images import Box

from .compare_control import FluxControl
from .template import Template

__all__ = ("BrightPixels",)

_ROWS = 4  # every so many rows are looked at
_LEAST = 50  # pixels that a median is taken of


class BrightPixels:
    """The bright pixels of a template.

    Parameters
    ----------
    template
        The static sky.
    control
        Options.
    """

    def __init__(self, template: Template, control: FluxControl) -> None:
        rows = slice(None, None, _ROWS)
        sky, variance, epochs = (
            plane[rows] for plane in (template.image, template.variance, template.epochs)
        )
        with np.errstate(invalid="ignore"):  # where there is no epoch
            bright = (epochs > 1) & (sky > control.significance * np.sqrt(variance * epochs))
        y, self._x = np.nonzero(bright)
        self._y = y * _ROWS
        self._sky = sky[bright]
        self._bbox = template.bbox

    def deviation(self, difference: np.ndarray, exact: np.ndarray, box: Box) -> float:
        """Return by what part a visit is brighter than the template.

        It is the median over pixels, so that single sources that vary do not
        matter.  The visit is a part of the template, and differs more from the other visits.

        Parameters
        ----------
        difference
            Matched warp less template, shape (y, x).
        exact
            Which pixels of it are not spoiled by lost ones, bool of the same shape.
        box
            Box of these two.

        Returns
        -------
        float
            NaN where too few pixels are bright.
        """
        y = self._y + (self._bbox.y.start - box.y.start)
        x = self._x + (self._bbox.x.start - box.x.start)
        inside = (y >= 0) & (y < box.y.size) & (x >= 0) & (x < box.x.size)
        y, x, sky = y[inside], x[inside], self._sky[inside]
        good = exact[y, x] & np.isfinite(difference[y, x])
        if np.count_nonzero(good) < _LEAST:
            return float("nan")
        return float(np.median(difference[y, x][good] / sky[good]))

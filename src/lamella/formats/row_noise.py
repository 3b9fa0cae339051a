"""The variance of the exposure of a row, from whatever its cells say about the noise."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import MissingPartError
from ..fits.read import ImageData, require_shape
from ..image.blank_pixels import BlankSky, find_blank_sky
from ..image.measured_noise import MeasuredNoise, noise_of_sky, noise_of_weights, without_weight
from ..kernels.order.median import median
from .cards import Cards
from .noise_maps import check_signs, variance_from_weight
from .row_cells import RowCells
from .row_places import NOISE_MAPS

__all__ = ("KINDS", "RowNoise", "RowVariance", "noise_kind", "variance_of_counts", "variance_of_map")

KINDS = ("measured", "counts")
"""What the column noise may say."""
_SIGNIFICANT = 3.0
"""Pixels brighter than so many standard deviations of the sky are taken for light, those below for noise."""


def noise_kind(cells: RowCells) -> str:
    """Return the kind of noise that a row states: one of `NOISE_MAPS` or of `KINDS`.

    Of several maps the first is taken.

    Raises
    ------
    MissingPartError
        Raised when there is none.
    InputError
        Raised when there are a map and another kind, or the column noise says something else.
    """
    maps = [kind for kind in NOISE_MAPS if f"{kind}_hdu" in cells or f"{kind}_file" in cells]
    told = cells.text("noise", "").lower()
    if told and told not in KINDS:
        raise cells.error("noise", repr(told), " or ".join(map(repr, KINDS)))
    if told and maps:
        raise cells.error("noise", f"{told!r} beside {maps[0]}_hdu", "one of them")
    if not told and not maps:
        columns = ", ".join(f"{kind}_hdu" for kind in NOISE_MAPS)
        expected = f"one of them, or {columns.split(', ', 2)[2]}, or noise = measured"
        raise cells.error("", "neither variance_hdu nor weight_hdu", expected, MissingPartError)
    return told or maps[0]


def variance_of_map(kind: str, values: np.ndarray, path: Path) -> tuple[np.ndarray, str]:
    """Return the variance of a map of variances, standard deviations or weights, and a note on its signs.

    Raises
    ------
    InputError
        Raised when most values are negative, or no weight is positive.
    """
    if kind == "weight":
        return variance_from_weight(values, path)
    note = check_signs(values, "standard deviation" if kind == "stddev" else kind, path)
    if kind == "variance":
        return values, note
    # A negative one is bad, and its square would not show it.
    squared = np.square(values.astype(np.float32, copy=False))
    return np.where(values > 0, squared, np.float32(np.inf)), note


def variance_of_counts(
    image: np.ndarray, sky: np.ndarray | float, gain: float, read_noise: float
) -> np.ndarray:
    """Return the variance of counts: of the photons of sky and sources, and of reading out.

    The noise of a pixel must not be in its own variance, or low pixels would count for more: the light of
    sources is taken where it is significant, and the sky is a smooth model.

    Parameters
    ----------
    image
        Shape (y, x), with the sky.
    sky
        The sky in it, shape (y, x), or a number.
    gain
        Electrons per unit of the image.
    read_noise
        Electrons.

    Returns
    -------
    `numpy.ndarray`
        float32, shape (y, x), in units of the image squared.
    """
    blank = np.maximum(sky, 0.0) / gain + (read_noise / gain) ** 2
    light = image - sky
    with np.errstate(invalid="ignore"):
        significant = light > _SIGNIFICANT * np.sqrt(blank)
    return np.asarray(blank + np.where(significant, light, 0.0) / gain, dtype=np.float32)


class RowVariance(NamedTuple):
    """The variance of the pixels of a row, and what was measured for it."""

    pixels: np.ndarray
    """Shape (y, x)."""
    note: str
    noise: MeasuredNoise | None = None
    blank: BlankSky | None = None
    """The blank sky of the image, where it was looked for."""


@dataclasses.dataclass(frozen=True)
class RowNoise:
    """What the cells of a row say about noise, and how it becomes a variance."""

    cells: RowCells
    cards: Cards
    kind: str
    """One of `NOISE_MAPS` or of `KINDS`, or ``"equal"``: 1 for all pixels."""
    gain: float | None
    read_noise: float

    @classmethod
    def of(cls, cells: RowCells, cards: Cards) -> RowNoise:
        """Take the noise from the cells of a row.

        Raises
        ------
        InputError
            Raised as by `noise_kind`, when counts have no gain, or a gain is not positive.
        """
        kind = noise_kind(cells)
        gain, read_noise = cells.optional("gain", cards), cells.optional("read_noise", cards)
        if kind == "counts" and gain is None:
            raise cells.error("gain", "an empty cell beside noise = counts", "a number", MissingPartError)
        for column, value in (("gain", gain), ("read_noise", read_noise)):
            if value is not None and (value < 0 or (column == "gain" and value == 0)):
                raise cells.error(column, f"{value:g}", "a positive number")
        return cls(cells, cards, kind, gain, read_noise or 0.0)

    @classmethod
    def equal(cls, cells: RowCells, cards: Cards) -> RowNoise:
        """Return a noise that is 1 for all pixels."""
        return cls(cells, cards, "equal", None, 0.0)

    def with_samples(self, samples: int) -> RowNoise:
        """Return the noise of super-pixels that are four times the mean of some pixels."""
        gain = None if self.gain is None else self.gain * samples / 4.0
        return dataclasses.replace(self, gain=gain, read_noise=self.read_noise * samples**0.5)

    def variance(
        self,
        image: np.ndarray,
        bad: np.ndarray,
        plane: ImageData | None,
        sky: Callable[[], np.ndarray | float],
        noise: MeasuredNoise | None = None,
    ) -> RowVariance:
        """Return the variance of an image that is not from a map of it.

        Parameters
        ----------
        image
            Shape (y, x), with its sky.
        bad
            True where a pixel is no measurement.
        plane
            The relative weights, if the noise has some.
        sky
            Returns the sky in the image.
        noise
            What was measured in it before.

        Raises
        ------
        ShapeError
            Raised when the weights have another shape.
        InputError, NoiseError
            Raised when there is no noise to measure.
        """
        path = self.cards.path
        if self.kind == "equal":
            return RowVariance(np.ones(image.shape, np.float32), "")
        if self.kind == "counts":
            assert self.gain is not None
            by = f"a gain of {self.gain:g} and a read noise of {self.read_noise:g} electrons"
            note = f"Noise from counts, {by}."
            return RowVariance(variance_of_counts(image, sky(), self.gain, self.read_noise), note)
        weights = None if plane is None else plane.pixels
        if weights is not None:
            require_shape(f"{path}: confidence", weights, image.shape)
        blank = None
        if noise is None:
            lost = bad if weights is None else without_weight(bad, weights)
            blank = find_blank_sky(image, lost, path=path)
            noise = (
                noise_of_sky(blank, gain=self.gain, path=path)
                if weights is None
                else noise_of_weights(blank, weights, gain=self.gain, path=path)
            )
        variance = noise.variance(image, bad, weights, residual=None if blank is None else blank.residual)
        if weights is None:
            middle = median(variance, np.ones(variance.shape, bool)) ** 0.5
            note = f"Noise measured in the pixels: {middle:.4g} (median){self._of_sources()}."
        else:
            note = f"Relative weights put on the measured noise{self._of_sources()}."
        return RowVariance(variance, note, noise, blank)

    def _of_sources(self) -> str:
        return "" if self.gain is None else f", that of sources by a gain of {self.gain:g}"

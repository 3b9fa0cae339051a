"""The pixels of a row: image, variance and flags, with everything that its cells say about them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from ..fits.read import ImageData, read_images, require_shape
from ..image.packed_plane import PackedPlane
from .bayer import super_pixels, worst_of_super_pixels
from .noise_maps import usable, without_marks
from .pixels import Flags
from .read_control import ReadControl
from .row_flags import find_row_defects, flags_of_values, read_mask, unusable
from .row_measurements import RowMeasurements
from .row_noise import RowNoise, variance_of_map
from .row_places import NOISE_MAPS, RowPlaces
from .row_scale import linear_from_asinh, softening_of
from .row_sky import RowSky, sky_state

__all__ = ("RowPixels", "read_row_pixels")

type _Planes = dict[str, ImageData]


@dataclasses.dataclass(frozen=True)
class RowPixels:
    """What the pixels of a row are."""

    image: np.ndarray
    """Shape (y, x), in the unit of the file, less the sky where the cells and options say so."""
    variance: np.ndarray
    """In that unit squared."""
    flags: Flags | None
    notes: tuple[str, ...]
    measurements: RowMeasurements
    """What was measured in them."""
    residual: np.ndarray | None = None
    """The image less the smooth sky of `lamella.image.blank_pixels`, where that was looked for."""


def read_row_pixels(
    places: RowPlaces,
    control: ReadControl,
    noise: RowNoise | None = None,
    measurements: RowMeasurements | None = None,
) -> RowPixels:
    """Read the pixels of a row; nothing is asked of its WCS and PSF.

    Parameters
    ----------
    places
        Files and headers of the row.
    control
        Options, of which those of the sky matter.
    noise
        What becomes the variance; by default what the cells say.
    measurements
        What was measured in these pixels before.

    Raises
    ------
    InputError
        Raised when a plane is absent, or what a cell says of it cannot be.
    ShapeError
        Raised when a plane has another shape than the image.
    """
    noise = noise or RowNoise.of(places.cells, places.cards)
    return _RowReader(places, control, noise, measurements or RowMeasurements()).read()


class _RowReader:
    """The pixels of a row while they are read."""

    def __init__(
        self, places: RowPlaces, control: ReadControl, noise: RowNoise, measurements: RowMeasurements
    ) -> None:
        self.places, self.cells, self.cards = places, places.cells, places.cards
        self.control, self.measurements = control, measurements
        self.notes: list[str] = []
        self.noise = noise
        if places.pattern is not None and places.color is not None:
            self.noise = self.noise.with_samples(places.pattern.count(places.color))

    def read(self) -> RowPixels:
        places, cells = self.places, self.cells
        located = places.planes()
        planes = self._read(located)
        image = planes["image"].pixels
        flags, undefined = self._flags(planes, image)
        image = self._reduced(self._linear("image", planes, image))
        bad = unusable(flags, image.shape)
        variance = None
        if self.noise.kind in planes and self.noise.kind != "confidence":
            variance = without_marks(self._variance_of_map(self.noise.kind, planes))
            require_shape(f"{located[self.noise.kind][0]}: {self.noise.kind}", variance, image.shape)
            bad |= ~usable(variance)
        sky = RowSky(
            image, bad, sky_state(cells), self.control, places.path, planes.get("sky"), self.measurements
        )
        told = None
        if variance is None:
            weights = self._weights(planes)
            told = self.noise.variance(image, bad, weights, sky.level, self.measurements.noise)
            variance = told.pixels
            self.notes.append(told.note)
        if undefined is not None and undefined.shape == variance.shape:
            # Nobody says what such a pixel is.
            variance = np.where(undefined, np.float32(np.inf), variance)
        image, sky_note = sky.subtracted()
        residual = None if told is None or told.blank is None else told.blank.residual
        image, variance, residual = self._per_area(image, variance, residual, planes)
        self.measurements = dataclasses.replace(
            self.measurements,
            noise=None if told is None else told.noise,
            sky=sky.measured,
            sky_present=sky.present,
        )
        return RowPixels(image, variance, flags, (*self.notes, sky_note), self.measurements, residual)

    def _read(self, located: dict[str, tuple[Path, str | int]]) -> _Planes:
        """Read all planes but those that others read, and the one of several noise maps that is used."""
        skipped = {"psf_stamp", *NOISE_MAPS} - {self.noise.kind}
        places = {kind: place for kind, place in located.items() if kind not in skipped}
        noise = [place for kind, place in places.items() if kind in NOISE_MAPS]
        masks = [places["mask"]] if "mask" in places else []
        color = self.places.color if self.places.pattern is None else None
        layer = None if color is None else "RGB".index(color)
        images = read_images([*places.values()], noise=noise, flags=masks, layer=layer)
        return dict(zip(places, images, strict=True))

    def _flags(self, planes: _Planes, image: np.ndarray) -> tuple[Flags | None, np.ndarray | None]:
        flags, undefined = None, None
        if "mask" in planes:
            place = self.places.planes()["mask"]
            flags, note, undefined = read_mask(self.places, place, planes["mask"], image.shape)
            self.notes.append(note)
        if undefined is not None:
            lost = f"{np.count_nonzero(undefined)} pixels whose flags are undefined (BLANK) taken as bad."
            self.notes.append(lost)
        defects = self.measurements.defect_planes()
        if defects is None:
            defects = find_row_defects(image, self.cells, self.cards)
            packed = tuple((name, PackedPlane.of(plane)) for name, plane in (defects or {}).items())
            self.measurements = dataclasses.replace(self.measurements, defects=packed)
        more, notes = flags_of_values(image, self.cells, self.cards, defects)
        self.notes += notes
        if more:
            pattern, color = self.places.pattern, self.places.color
            if pattern is not None and color is not None:
                more = {name: worst_of_super_pixels(plane, pattern, color) for name, plane in more.items()}
            shape = next(iter(more.values())).shape
            flags = (flags or Flags(np.zeros(shape, np.int32), {})).with_planes(more)
        return flags, undefined

    def _linear(self, kind: str, planes: _Planes, values: np.ndarray) -> np.ndarray:
        """Return the values of a plane, made linear where it is asinh."""
        own = self.cards
        if kind != "image":
            path = self.places.planes()[kind][0]
            own = dataclasses.replace(own, path=path, headers=(planes[kind].header,))
        softening = softening_of(self.cells, self.cards, own)
        return values if softening is None else linear_from_asinh(values, *softening)

    def _variance_of_map(self, kind: str, planes: _Planes) -> np.ndarray:
        values = self._linear(kind, planes, planes[kind].pixels)
        variance, note = variance_of_map(kind, values, self.places.planes()[kind][0])
        self.notes.append(note)
        return self._reduced(variance, is_variance=True)

    def _reduced(self, values: np.ndarray, *, is_variance: bool = False) -> np.ndarray:
        """Return a plane of the super-pixels, where the image is a mosaic."""
        pattern, color = self.places.pattern, self.places.color
        if pattern is None or color is None:
            return values
        return super_pixels(values, pattern, color, is_variance=is_variance)

    def _weights(self, planes: _Planes) -> ImageData | None:
        """Return the relative weights of the image's pixels, or super-pixels; `None` without any."""
        plane = planes.get("confidence")
        return None if plane is None else plane._replace(pixels=self._reduced(plane.pixels))

    def _per_area(
        self, image: np.ndarray, variance: np.ndarray, residual: np.ndarray | None, planes: _Planes
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Turn surface brightness into flux where pixels differ in area."""
        if "pixel_area" not in planes:
            return image, variance, residual
        area = planes["pixel_area"].pixels
        require_shape(f"{self.places.planes()['pixel_area'][0]}: pixel_area", area, image.shape)
        self.notes.append(f"Pixels multiplied by their area, {np.nanmedian(area):.4g} (median).")
        return image * area, variance * area**2, None if residual is None else residual * area

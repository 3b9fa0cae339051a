"""One row of an exposure table, and the exposure that it describes."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
from lsst.images import Box

from ..data.exposure import Exposure, ExposureId, ExposureInfo
from ..data.times import ExposureTimes, mjd_from_text
from ..fits.read import ImageData, parsed, read_images, require_shape
from ..sky.projection import projection_notes
from .bayer import super_pixels, worst_of_super_pixels
from .noise_maps import usable
from .pixels import Flags, detector_projection, make_exposure
from .read_control import ReadControl
from .row_cells import RowCells
from .row_check import check_cells
from .row_flags import flags_of_values, read_mask, unusable
from .row_noise import RowNoise, variance_of_map
from .row_places import NOISE_MAPS, RowPlaces
from .row_psf import row_fwhm, row_psf
from .row_scale import RowScale, linear_from_asinh, row_flux_unit, row_scale, softening_of
from .row_sky import RowSky, sky_state
from .table_columns import COLUMNS, QUALITY_PREFIX
from .time_cards import times_from_headers

__all__ = ("COLUMNS", "QUALITY_PREFIX", "TableRow")

type _Planes = dict[str, ImageData]

_FILES = (
    "file",
    *(f"{kind}_file" for kind in (*NOISE_MAPS, "mask", "sky", "pixel_area", "psf_stamp", "psf")),
)


@dataclasses.dataclass(frozen=True)
class TableRow:
    """How to read the exposure of one row."""

    table: Path
    number: int
    """Number of the row, counted from 1; 0 for a row that a description gave."""
    values: dict[str, str]
    """Cells that are not empty."""
    control: ReadControl
    format: str = "table"
    """Name of the format that gave the row."""

    @property
    def cells(self) -> RowCells:
        """The cells."""
        return RowCells(self.table, self.number, self.values)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold the exposure; the cells of the table are in ``values``."""
        columns = (*_FILES, "wcs_head")
        return tuple(self.table.parent / self.cells.text(name) for name in columns if name in self.values)

    def describe(self) -> ExposureInfo:
        """Read headers only.

        Raises
        ------
        FaultsError
            Raised when cells are not what they must be: it holds one error for each.
        """
        check_cells(self.cells)
        return _describe(RowPlaces(self.cells), self.format)

    def load(self, info: ExposureInfo) -> Exposure:
        """Read the pixels, and apply the cells of the row."""
        return _RowPixels(RowPlaces(self.cells), self.control, info).exposure()

    def image_place(self) -> tuple[Path, int]:
        """Return file and HDU of the image."""
        places = RowPlaces(self.cells)
        return places.path, places.index


def _describe(places: RowPlaces, format: str) -> ExposureInfo:
    cells, cards = places.cells, places.cards
    bbox = Box.from_shape(places.shape)
    instrument = cells.text("instrument", str(cards.get("INSTRUME") or "unknown"))
    identity = ExposureId(instrument, cells.integer("visit", cards), cells.integer("detector", cards))
    path, hdu, header = places.wcs
    projection = detector_projection(header, identity, bbox, path=path, hdu=hdu)
    return ExposureInfo(
        id=identity,
        path=str(places.path),
        band=cells.text("band"),
        physical_filter=cells.text("physical_filter", ""),
        bbox=bbox,
        projection=projection,
        psf_fwhm=row_fwhm(cells, cards, projection, bbox),
        quality=cells.quality(),
        times=_times(places),
        format=format,
        flux_unit=row_flux_unit(cells, cards),
        origins=cells.origins(cards),
    )


def _times(places: RowPlaces) -> ExposureTimes:
    """Return the times of the cells; without a date, or an exposure time, those of the headers."""
    cells, cards = places.cells, places.cards
    headers = [places.header, parsed(places.headers[0], places.path)]
    stated = times_from_headers(headers, cells.optional("exposure_time", cards))
    middle, begin = cells.optional("mjd", cards), None
    if "date" in cells:
        begin = mjd_from_text(cells.text("date"))
    if middle is None and begin is None:
        return stated
    return ExposureTimes.of(begin=begin, middle=middle, exposure_time=stated.exposure_time)


class _RowPixels:
    """The pixels of a row while they become an exposure."""

    def __init__(self, places: RowPlaces, control: ReadControl, info: ExposureInfo) -> None:
        self.places, self.cells, self.cards = places, places.cells, places.cards
        self.control, self.info = control, info
        self.notes: list[str] = ["WCS taken from the primary header."] if places.inherits else []
        path, hdu, header = places.wcs
        self.notes += projection_notes(header, path=path, hdu=hdu)
        self.noise = RowNoise.of(self.cells, self.cards)
        if places.pattern is not None and places.color is not None:
            self.noise = self.noise.with_samples(places.pattern.count(places.color))

    def exposure(self) -> Exposure:
        places, cells = self.places, self.cells
        located = places.planes()
        planes = self._read(located)
        image = planes["image"].pixels
        scale = self._scale()
        psf, psf_note = row_psf(places, self.info)
        flags, undefined = self._flags(planes, image)
        image = self._reduced(self._linear("image", planes, image))
        bad = unusable(flags, image.shape)
        variance = None
        if self.noise.kind in planes and self.noise.kind != "confidence":
            variance = self._variance_of_map(self.noise.kind, planes)
            require_shape(f"{located[self.noise.kind][0]}: {self.noise.kind}", variance, image.shape)
            bad |= ~usable(variance)
        sky = RowSky(image, bad, sky_state(cells), self.control, places.path, planes.get("sky"))
        if variance is None:
            variance, note = self.noise.variance(image, bad, planes.get("confidence"), sky.level)
            self.notes.append(note)
        if undefined is not None and undefined.shape == variance.shape:
            # Nobody says what such a pixel is.
            variance = np.where(undefined, np.float32(np.inf), variance)
        image, sky_note = sky.subtracted()
        image, variance = self._per_area(image, variance, planes)
        self.notes += [sky_note, scale.note, psf_note]
        return make_exposure(
            self.info,
            (image, variance, flags or {}),
            psf=psf,
            to_njy=scale.factor,
            edge_width=self.control.edge_width,
            notes=self.notes,
        )

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

    def _scale(self) -> RowScale:
        info = self.info
        scale = row_scale(self.cells, self.cards, info.projection, info.bbox)
        if math.isnan(scale.factor):
            expected = "stars in common with other exposures, or a number"
            raise self.cells.error("flux_scale", "'measured', but no stars", expected)
        return scale

    def _flags(self, planes: _Planes, image: np.ndarray) -> tuple[Flags | None, np.ndarray | None]:
        flags, undefined = None, None
        if "mask" in planes:
            place = self.places.planes()["mask"]
            flags, note, undefined = read_mask(self.places, place, planes["mask"], image.shape)
            self.notes.append(note)
        if undefined is not None:
            lost = f"{np.count_nonzero(undefined)} pixels whose flags are undefined (BLANK) taken as bad."
            self.notes.append(lost)
        more, notes = flags_of_values(image, self.cells, self.cards)
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
            own = dataclasses.replace(own, path=path, headers=(parsed(planes[kind].header, path),))
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

    def _per_area(
        self, image: np.ndarray, variance: np.ndarray, planes: _Planes
    ) -> tuple[np.ndarray, np.ndarray]:
        """Turn surface brightness into flux where pixels differ in area."""
        if "pixel_area" not in planes:
            return image, variance
        area = planes["pixel_area"].pixels
        require_shape(f"{self.places.planes()['pixel_area'][0]}: pixel_area", area, image.shape)
        self.notes.append(f"Pixels multiplied by their area, {np.nanmedian(area):.4g} (median).")
        return image * area, variance * area**2

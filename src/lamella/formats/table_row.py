"""One row of an exposure table, and the exposure that it describes."""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path

from lsst.images import Box
from lsst.images.psfs import PointSpreadFunction

from ..data.exposure import Exposure, ExposureId, ExposureInfo
from ..data.times import ExposureTimes, mjd_from_text
from ..sky.projection import projection_notes
from .head_shift import told_shift
from .pixels import detector_projection, make_exposure
from .read_control import ReadControl
from .row_cells import RowCells
from .row_check import check_cells
from .row_measurements import RowMeasurements
from .row_pixels import read_row_pixels
from .row_places import NOISE_MAPS, RowPlaces
from .row_psf import row_fwhm, row_psf
from .row_scale import RowScale, row_flux_unit, row_scale
from .table_columns import COLUMNS, QUALITY_PREFIX
from .time_cards import times_from_headers

__all__ = ("COLUMNS", "QUALITY_PREFIX", "TableRow")

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

    def cells_from(self, folder: Path) -> dict[str, str]:
        """Return the cells with names of files as they are seen from a folder."""
        here = folder.absolute()
        return {
            column: os.path.relpath((self.table.parent / text).absolute(), here)
            if column in (*_FILES, "wcs_head")
            else text
            for column, text in self.values.items()
        }

    def describe(self) -> ExposureInfo:
        """Read headers only.

        Raises
        ------
        FaultsError
            Raised when cells are not what they must be: it holds one error for each.
        """
        check_cells(self.cells)
        return _describe(RowPlaces(self.cells), self.format)

    def load(self, info: ExposureInfo, measurements: RowMeasurements | None = None) -> Exposure:
        """Read the pixels, and apply the cells of the row.

        Parameters
        ----------
        info
            Description of the exposure.
        measurements
            What was measured in the pixels before.
        """
        places = RowPlaces(self.cells)
        # Before the pixels, which take longer.
        scale = _known_scale(places, info)
        psf, psf_note = self.psf(places, info)
        path, hdu, header = places.wcs
        pixels = read_row_pixels(places, self.control, measurements=measurements)
        return make_exposure(
            info,
            (pixels.image, pixels.variance, pixels.flags or {}),
            psf=psf,
            to_njy=scale.factor,
            edge_width=self.control.edge_width,
            notes=(
                "WCS taken from the primary header." if places.inherits else "",
                _note_on_head(places),
                *projection_notes(header, path=path, hdu=hdu),
                *pixels.notes,
                scale.note,
                psf_note,
            ),
        )

    def psf(self, places: RowPlaces, info: ExposureInfo) -> tuple[PointSpreadFunction, str]:
        """Return the PSF, and a note on it."""
        return row_psf(places, info)

    def image_place(self) -> tuple[Path, int]:
        """Return file and HDU of the image."""
        places = RowPlaces(self.cells)
        return places.path, places.index


def _note_on_head(places: RowPlaces) -> str:
    if "wcs_head" not in places.cells:
        return ""
    return f"WCS of {places.cells.text('wcs_head')}{told_shift(places)}."


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


def _known_scale(places: RowPlaces, info: ExposureInfo) -> RowScale:
    scale = row_scale(places.cells, places.cards, info.projection, info.bbox)
    if isinstance(scale.factor, float) and math.isnan(scale.factor):
        expected = "stars in common with other exposures, or a number"
        raise places.cells.error("flux_scale", "'measured', but no stars", expected)
    return scale


def _times(places: RowPlaces) -> ExposureTimes:
    """Return the times of the cells; without a date, or an exposure time, those of the headers."""
    cells, cards = places.cells, places.cards
    headers = [places.header, places.headers[0]]
    stated = times_from_headers(headers, cells.optional("exposure_time", cards))
    middle, begin = cells.optional("mjd", cards), None
    if "date" in cells:
        begin = mjd_from_text(cells.text("date"))
    if middle is None and begin is None:
        return stated
    return ExposureTimes.of(begin=begin, middle=middle, exposure_time=stated.exposure_time)

"""One row of an exposure table, and the exposure that it describes."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from pathlib import Path

import astropy.units as u
import numpy as np
from lsst.images import Box
from lsst.images.psfs import PointSpreadFunction

from ..coadd.select.quality import QUALITY
from ..data.exposure import Exposure, ExposureId, ExposureInfo
from ..data.flux_unit import NJY, FluxUnit
from ..data.photometry import njy_per_count
from ..data.times import ExposureTimes, mjd_from_text
from ..errors import InputError, MissingPartError, UnitError, UnreadableFileError
from ..fits.read import (
    Header,
    ImageData,
    hdu_label,
    header_text,
    optional_number,
    parsed,
    raw_headers,
    read_images,
    require_shape,
)
from ..image.background import fit_background
from ..sky.footprint import pixel_scale
from .noise_maps import check_signs, usable, variance_from_weight
from .pixels import Flags, detector_projection, gaussian_psf, make_exposure
from .psfex import read_psfex
from .read_control import ReadControl
from .table_cells import parse_integer, parse_number
from .table_flags import Location, decode_mask
from .table_hdus import (
    default_image,
    flat_shape,
    hdu_index,
    inherits_wcs,
    require_distinct,
    wcs_index,
)
from .time_cards import times_from_headers
from .units import is_counts, relative_unit

__all__ = ("COLUMNS", "QUALITY_PREFIX", "TableRow")

COLUMNS: dict[str, str] = {
    "file": "FITS file of the image (required)",
    "band": "short name of the passband (required)",
    "visit": "number of the visit (required)",
    "detector": "number of the detector (required)",
    "image_hdu": "name or index of the image's HDU; default: the first 2-d image",
    "variance_hdu": "HDU of the variance (this or weight_hdu is required)",
    "variance_file": "file of the variance, if another",
    "weight_hdu": "HDU of the inverse variance, zero where there is no measurement",
    "weight_file": "file of the weight, if another",
    "mask_hdu": "HDU of integer flags",
    "mask_file": "file of the flags, if another",
    "flags": "meaning of the flags, NAME=value ..., e.g. 'BAD=1 SATURATED=2 IGNORE=4', where IGNORE is "
    "harmless; others are BAD; default: MP_ or MSKN cards",
    "zero_point": "AB magnitude of one count (this, unit, flux_scale or BUNIT in the header is required)",
    "unit": "unit of the pixels, if it is one of flux density, e.g. nJy; with flux_scale that of the "
    "reference exposure, e.g. adu",
    "flux_scale": "units of the reference exposure per unit of the pixels, where no zero point is known",
    "flux_reference": "name of the reference exposure, with flux_scale",
    "psf_fwhm": "full width at half maximum of the PSF in arcseconds (this or psf_file is required)",
    "psf_file": "PSFEx file",
    "instrument": "name of the instrument; default: INSTRUME of the header, or 'unknown'",
    "physical_filter": "full name of the filter",
    "mjd": "modified Julian date (UTC) of the middle of the exposure; default, as date: dates of the header",
    "date": "date and time (UTC) of the begin of the exposure, e.g. 2024-01-31T03:00:00",
    "exposure_time": "seconds; default: EXPTIME, XPOSURE or EXPOSURE of the header",
    "sky": "'subtracted' (default) or 'present'",
    **{name: f"{meaning}; for selection" for name, meaning in QUALITY.items()},
}
"""Columns of an exposure table, and their meanings."""

QUALITY_PREFIX = "quality_"
"""Columns of this beginning hold further numbers for selection, which go by the rest of the name."""

_SKY = ("subtracted", "present")
_OTHER_UNITS = {
    "nmgy": "3630.7805477010024 nJy",
    "nanomaggy": "3630.7805477010024 nJy",
    "nanomaggies": "3630.7805477010024 nJy",
}
"""Names of units that surveys use and astropy does not know."""

type _Places = dict[str, tuple[Path, str | int]]
"""File and HDU of each plane."""
type _Planes = dict[str, ImageData]


@dataclasses.dataclass(frozen=True)
class TableRow:
    """How to read the exposure of one row."""

    table: Path
    number: int
    """Number of the row, counted from 1."""
    values: dict[str, str]
    """Cells that are not empty."""
    control: ReadControl

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold the exposure; the cells of the table are in ``values``."""
        columns = ("file", "variance_file", "weight_file", "mask_file", "psf_file")
        return tuple(self.table.parent / self._text(name) for name in columns if name in self.values)

    def describe(self) -> ExposureInfo:
        """Read headers only."""
        path, hdu, header = self._image_header()
        shape = flat_shape(header)
        if shape is None:
            raise InputError(path, where=hdu_label(hdu), found="no 2-d image", expected="one")
        bbox = Box.from_shape(shape)
        instrument = self._text("instrument", header_text(header, "INSTRUME") or "unknown")
        identity = ExposureId(instrument, self._integer("visit"), self._integer("detector"))
        wcs_path, wcs_hdu, wcs_header = self._wcs_header()
        try:
            width = self._optional("psf_fwhm")
        except InputError:  # costs the exposure when its pixels are read, not the run
            width = math.nan
        return ExposureInfo(
            id=identity,
            path=str(path),
            band=self._text("band"),
            physical_filter=self._text("physical_filter", ""),
            bbox=bbox,
            projection=detector_projection(wcs_header, identity, bbox, path=wcs_path, hdu=wcs_hdu),
            psf_fwhm=width,
            quality=self._quality(),
            times=self._times(path, header),
            format="table",
            flux_unit=self._flux_unit(path, hdu, header),
        )

    def load(self, info: ExposureInfo) -> Exposure:
        """Read the pixels, and apply the cells of the row."""
        places = self._places()
        noise = [location for kind, location in places.items() if kind in ("variance", "weight")]
        masks = [places["mask"]] if "mask" in places else []
        planes = dict(zip(places, read_images([*places.values()], noise=noise, flags=masks), strict=True))
        (image, header, _), (path, hdu) = planes["image"], places["image"]
        variance, noise_note = self._variance(places, planes)
        flags, flag_note = self._flags(places, planes)
        scale = self._scale(path, hdu, header)
        psf, psf_note = self._psf(info)
        image, sky_note = self._subtract_sky(image, variance, flags, path)
        headers = raw_headers(path)
        inherited = inherits_wcs(headers, hdu_index(headers, hdu, path), path)
        wcs_note = "WCS taken from the primary header." if inherited else ""
        return make_exposure(
            info,
            (image, variance, flags or {}),
            psf=psf,
            to_njy=scale,
            edge_width=self.control.edge_width,
            notes=(wcs_note, noise_note, flag_note, sky_note, psf_note),
        )

    # Cells.

    def _where(self, column: str) -> str:
        return f"row {self.number}, column {column!r}"

    def _error(
        self, where: str, content: str, expected: str, kind: type[InputError] = MissingPartError
    ) -> InputError:
        """Return an error of the row, or of a column."""
        location = self._where(where) if where else f"row {self.number}"
        return kind(self.table, where=location, found=content, expected=expected)

    def _text(self, column: str, default: str | None = None) -> str:
        if column not in self.values:
            if default is None:
                raise self._error(column, "an empty cell", COLUMNS[column])
            return default
        return str(self.values[column]).strip()  # recipes of old repositories have numbers

    def _number(self, column: str) -> float:
        text = self._text(column)
        value = parse_number(text)
        if value is None or not math.isfinite(value):
            raise self._error(column, repr(text), "a finite number", InputError)
        return value

    def _positive(self, column: str) -> float:
        value = self._number(column)
        if value <= 0.0:
            raise self._error(column, repr(self._text(column)), "a positive number", InputError)
        return value

    def _optional(self, column: str) -> float | None:
        return self._number(column) if column in self.values else None

    def _quality(self) -> dict[str, float]:
        """Return the numbers for selection; "nan" means measured but invalid, unlike an empty cell."""
        numbers: dict[str, float] = {}
        for column in sorted(self.values):
            if column in QUALITY or column.startswith(QUALITY_PREFIX):
                text = self._text(column)
                value = parse_number(text)
                if value is None:
                    raise self._error(column, repr(text), "a number", InputError)
                numbers[column.removeprefix(QUALITY_PREFIX)] = value
        return numbers

    def _integer(self, column: str) -> int:
        text = self._text(column)
        value = parse_integer(text)
        if value is None:
            self._number(column)
            raise self._error(column, text, "a whole number of at most 64 bits, in digits", InputError)
        return value

    def _hdu(self, column: str) -> str | int:
        text = self._text(column)
        return int(text) if text.isascii() and text.isdecimal() else text

    def _file(self, column: str, default: Path) -> Path:
        name = self._text(column, "")
        return self.table.parent / name if name else default

    # Parts of the exposure.

    def _image_header(self) -> tuple[Path, str | int, Header]:
        path = self.table.parent / self._text("file")
        try:
            headers = raw_headers(path)
        except UnreadableFileError as err:
            raise self._error("file", str(err).rstrip("."), "an image", UnreadableFileError) from err
        others = self._other_indices(path)
        hdu: str | int
        if "image_hdu" in self.values:
            hdu = self._hdu("image_hdu")
            index = hdu_index(headers, hdu, path)
        else:
            hdu = index = default_image(headers, [at for file, at in others.values() if file == path], path)
        require_distinct((path, index), others, f"{self.table}, row {self.number}")
        return path, hdu, parsed(headers[index], path)

    def _other_indices(self, image: Path) -> dict[str, tuple[Path, int]]:
        """Return file and HDU of the planes that are not the image, as far as the row names them rightly."""
        places: dict[str, tuple[Path, int]] = {}
        for kind in ("variance", "weight", "mask"):
            if f"{kind}_hdu" in self.values:
                path = self._file(f"{kind}_file", image)
                # What is not there is told when it is read.
                with contextlib.suppress(MissingPartError, UnreadableFileError):
                    places[kind] = path, hdu_index(raw_headers(path), self._hdu(f"{kind}_hdu"), path)
        return places

    def image_place(self) -> tuple[Path, int]:
        """Return file and HDU of the image."""
        path, hdu, _ = self._image_header()
        return path, hdu_index(raw_headers(path), hdu, path)

    def _times(self, path: Path, header: Header) -> ExposureTimes:
        """Return the times of the cells; without a date, or an exposure time, those of the headers."""
        stated = times_from_headers(
            [header, parsed(raw_headers(path)[0], path)], self._optional("exposure_time")
        )
        middle, begin = self._optional("mjd"), None
        if "date" in self.values:
            begin = mjd_from_text(self._text("date"))
            if begin is None:
                expected = "date and time, e.g. 2024-01-31T03:00:00"
                raise self._error("date", repr(self._text("date")), expected, InputError)
        if middle is None and begin is None:
            return stated
        return ExposureTimes.of(begin=begin, middle=middle, exposure_time=stated.exposure_time)

    def _wcs_header(self) -> tuple[Path, str | int, Header]:
        """Return file, HDU and header of the WCS: the image, or a primary HDU that it inherits from."""
        path, hdu, header = self._image_header()
        headers = raw_headers(path)
        image, others = hdu_index(headers, hdu, path), self._other_indices(path).values()
        taken = [index for file, index in others if file == path]
        if wcs_index(headers, image, taken, path, named="image_hdu" in self.values) == image:
            return path, hdu, header
        return path, 0, parsed(headers[0], path)

    def _places(self) -> _Places:
        """Return where the planes are."""
        if "image_hdu" in self.values:
            places: _Places = {"image": (self.table.parent / self._text("file"), self._hdu("image_hdu"))}
        else:
            places = {"image": self._image_header()[:2]}
        for kind in ("variance", "weight"):
            if f"{kind}_hdu" in self.values:
                places[kind] = self._file(f"{kind}_file", places["image"][0]), self._hdu(f"{kind}_hdu")
                break
        else:
            raise self._error("", "neither variance_hdu nor weight_hdu", "one of them")
        if "mask_hdu" in self.values:
            places["mask"] = self._file("mask_file", places["image"][0]), self._hdu("mask_hdu")
        return places

    def _variance(self, places: _Places, planes: _Planes) -> tuple[np.ndarray, str]:
        kind = "variance" if "variance" in planes else "weight"
        path, values = places[kind][0], planes[kind].pixels
        require_shape(f"{path}: {kind}", values, planes["image"].pixels.shape)
        if kind == "weight":
            variance, note = variance_from_weight(values, path)
        else:
            variance, note = values, check_signs(values, kind, path)
        undefined = planes["mask"].undefined if "mask" in planes else None
        if undefined is None or undefined.shape != variance.shape:
            return variance, note
        # Nobody says what such a pixel is.
        lost = f"{np.count_nonzero(undefined)} pixels whose flags are undefined (BLANK) taken as bad."
        return np.where(undefined, np.float32(np.inf), variance), f"{note} {lost}".strip()

    def _flags(self, places: _Places, planes: _Planes) -> tuple[Flags | None, str]:
        if "mask" not in planes:
            return None, ""
        (path, hdu), (mask, header, undefined) = places["mask"], planes["mask"]
        require_shape(f"{path}: mask", mask, planes["image"].pixels.shape)
        image_hdu, cell = Location(path, hdu_label(hdu)), Location(self.table, self._where("flags"))
        told = self._text("flags", "")
        if undefined is not None:
            mask = np.where(undefined, mask.dtype.type(0), mask)
        return decode_mask(mask, header if told else parsed(header, path), told, image_hdu, cell)

    def _flux_unit(self, path: Path, hdu: str | int, header: Header) -> FluxUnit:
        """Return nJy, or the unit in which exposures without a zero point are tied to each other."""
        reference = self._text("flux_reference", "")
        if "flux_scale" not in self.values:
            if reference:
                raise self._error("flux_reference", repr(reference), "a column flux_scale with it")
            return NJY
        if "zero_point" in self.values:
            raise self._error("flux_scale", "a number beside zero_point", "one of them", InputError)
        if "unit" in self.values:
            name, location = self._text("unit"), (self.table, self._where("unit"))
        else:
            name, location = header_text(header, "BUNIT"), (path, f"{hdu_label(hdu)}, BUNIT")
        return relative_unit(name, reference, path=location[0], where=location[1])

    def _scale(self, path: Path, hdu: str | int, header: Header) -> float:
        if "flux_scale" in self.values:
            return self._positive("flux_scale")
        if "zero_point" in self.values:
            return njy_per_count(self._number("zero_point"))
        if "unit" in self.values:
            return _njy_per_unit(self._text("unit"), self.table, self._where("unit"))
        unit = header_text(parsed(header, path), "BUNIT")
        if not unit:
            missing = "neither a zero point nor a unit, nor BUNIT in the header"
            raise self._error("zero_point", missing, "one of them")
        return _njy_per_unit(unit, path, f"{hdu_label(hdu)}, BUNIT")

    def _psf(self, info: ExposureInfo) -> tuple[PointSpreadFunction, str]:
        if "psf_file" in self.values:
            return self._psfex(info), ""
        if "psf_fwhm" not in self.values:
            raise self._error("", "neither psf_fwhm nor psf_file", "one of them")
        arcsec, where = self._number("psf_fwhm"), self._where("psf_fwhm")
        pixels = arcsec / pixel_scale(info.projection, info.bbox)
        psf = gaussian_psf(pixels, info.bbox, path=self.table, where=where, told=f"{arcsec:g} arcsec")
        return psf, f"PSF taken as a Gaussian of {arcsec:.3g} arcsec FWHM."

    def _psfex(self, info: ExposureInfo) -> PointSpreadFunction:
        """Read the model of the CCD; its numbers are those of the headers, if these have some."""
        path, _, header = self._image_header()
        headers = header, parsed(raw_headers(path)[0], path)

        def integer(key: str, default: int) -> int:
            numbers = (optional_number(header, key) for header in headers)
            return next((int(n) for n in numbers if n is not None and n == int(n)), default)

        return read_psfex(
            self._file("psf_file", self.table),
            bounds=info.bbox,
            ccd=[header_text(header, key) for key in ("CCDNAME", "DETPOS", "EXTNAME")],
            number=integer("CCDNUM", info.id.detector),
            exposure=integer("EXPNUM", info.id.visit),
            trust_single=True,
        )

    def _subtract_sky(
        self, image: np.ndarray, variance: np.ndarray, flags: Flags | None, path: Path
    ) -> tuple[np.ndarray, str]:
        sky = self._text("sky", "subtracted")
        if sky not in _SKY:
            raise self._error("sky", repr(sky), " or ".join(map(repr, _SKY)), InputError)
        choice = self.control.subtract_background
        if choice == "never" or (choice == "auto" and sky == "subtracted"):
            return image, "" if sky == "subtracted" else "Sky left in."
        ignore = ~usable(variance)
        if flags is not None:
            unusable = {name: 1 for name in flags.planes if not name.startswith("DETECTED")}
            ignore |= flags.translate(unusable) != 0
        background = fit_background(image, ignore, self.control, path)
        return image - background.level, background.note


def _njy_per_unit(text: str, path: Path, where: str) -> float:
    if is_counts(text):
        expected = "a unit of flux density, e.g. nJy, or a column zero_point that says what a count is"
        raise UnitError(path, where=where, found=f"{text!r}, which is a count", expected=expected)
    try:
        unit = u.Unit(_OTHER_UNITS.get(text.lower(), text))
        return float(unit.to(u.nJy))
    except (ValueError, TypeError, u.UnitConversionError):
        expected = "a unit of flux density, e.g. nJy"
        raise UnitError(path, where=where, found=repr(text), expected=expected) from None

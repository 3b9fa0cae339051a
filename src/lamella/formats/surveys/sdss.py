"""Corrected frames (fpC) of the imaging survey of SDSS, up to data release 7.

A frame comes with masks (``fpM``), the PSF, gain and noise of its field
(``psField``) and the calibration of its field (``tsField``).
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from lsst.images import Box

from ...data.exposure import Exposure, ExposureId, ExposureInfo, ExposureSource
from ...data.photometry import njy_per_count
from ...data.times import ExposureTimes
from ...errors import InputError, LamellaError, MissingPartError
from ...fits.read import Header, header_number, header_text, image_shape, read_headers, read_image
from ...image.background import fit_background
from ...psf.measure import fwhm
from ...sky.footprint import pixel_scale
from ..file_index import FileIndex, bare_name
from ..pixels import detector_projection, make_exposure
from ..read_control import ReadControl
from ..readers import FileHead, Format, Opening, Role
from ..source import FileSource
from .sdss_astrometry import fit_projection
from .sdss_field import BANDS, BandRow, photon_variance, read_astrometry, read_psf
from .sdss_mask import read_mask

__all__ = ("FORMAT", "SdssFrame")

_INSTRUMENT = "SDSS"
_FRAME = re.compile(r"^fpC-(\d{6})-([ugriz])(\d)-(\d{4})\.fit")
_COMPANION = re.compile(
    r"^(fpM|fpAtlas|fpObjc|fpFieldStat|psField|psObjc|tsField|tsObj|drField|asTrans|fpBIN)-"
)
_SECONDS_PER_DAY = 86400.0
_FIELDS_PER_RUN = 10_000


def _recognise(head: FileHead) -> Role:
    if not head.is_fits:
        return Role.FOREIGN
    name = bare_name(head.path)
    if _COMPANION.match(name):
        return Role.COMPANION
    return Role.EXPOSURE if _FRAME.match(name) else Role.FOREIGN


def _open(path: Path, opening: Opening) -> Iterator[ExposureSource]:
    matched = _FRAME.match(bare_name(path))
    if matched is None:
        expected = "fpC-run-bandcamcol-field.fit"
        raise InputError(path, where="file name", found="another name", expected=expected)
    run, band, column, field = matched.groups()
    files = opening.files
    # Of the calibrations of a field, that of the latest rerun.
    calibrations = files.starting_with(f"tsField-{run}-{column}-", near=path)
    reruns = [table for table in calibrations if bare_name(table).endswith(f"-{field}.fit")]
    yield FileSource(
        SdssFrame(
            image=path,
            mask=_require(path, f"fpM-{run}-{band}{column}-{field}.fit", files),
            psf=_require(path, f"psField-{run}-{column}-{field}.fit", files),
            field=max(reruns, key=bare_name, default=None),
            control=opening.control,
        )
    )


def _require(path: Path, name: str, files: FileIndex) -> Path:
    companion = files.find(name, near=path)
    if companion is None:
        raise MissingPartError(path, found=f"no file {name}", expected="fpC with fpM and psField")
    return companion


@dataclasses.dataclass(frozen=True)
class SdssFrame:
    """How to read one frame."""

    image: Path
    mask: Path
    psf: Path
    field: Path | None
    control: ReadControl

    def image_place(self) -> tuple[Path, int]:
        """Return file and HDU of the image."""
        return self.image, 0

    def describe(self) -> ExposureInfo:
        """Read headers only."""
        header = read_headers(self.image)[0]
        shape = image_shape(header)
        if shape is None:
            raise InputError(self.image, where="HDU 0", found="no 2-d image", expected="a frame")
        bbox = Box.from_shape(shape)
        band = self._band(header)
        identity = self._identity(header)
        solved = header
        if self.field is not None:
            solved, _ = fit_projection(read_astrometry(self.field, band), bbox.shape, self.field)
        projection = detector_projection(solved, identity, bbox, path=self.image, hdu=0)
        width: float | None
        try:
            # The width that the survey quotes is that of the noise-equivalent area, wings included.
            width = fwhm(read_psf(self.psf, band, bbox), bbox.x.center, bbox.y.center)
        except LamellaError:  # told when the pixels are read; it costs this exposure, not the run
            width = None
        seconds = header_number(header, "EXPTIME", path=self.image)
        return ExposureInfo(
            id=identity,
            path=str(self.image),
            band=band,
            physical_filter=f"SDSS {band}",
            bbox=bbox,
            projection=projection,
            psf_fwhm=None if width is None else width * pixel_scale(projection, bbox),
            times=self._times(header, shape, seconds),
            format=FORMAT.name,
        )

    def load(self, info: ExposureInfo) -> Exposure:
        """Read the pixels, subtract the sky, and find variance, zero point and PSF."""
        raw, header = read_image(self.image, 0)
        counts = raw.astype(np.float32) - np.float32(header_number(header, "SOFTBIAS", path=self.image))
        variance = photon_variance(counts, self.psf, info.band)
        flags = read_mask(self.mask, (raw.shape[0], raw.shape[1]))
        sky_note = "Sky left in."
        if self.control.subtract_background != "never":
            ignore = flags["INTERPOLATED"] | flags["SATURATED"] | flags["DETECTED"]
            background = fit_background(counts, ignore, self.control, self.image)
            counts, sky_note = counts - background.level, background.note
        zero_point, scale_note = self._zero_point(header, info)
        position_note = "Positions from the header of the frame: no tsField file."
        if self.field is not None:
            _, error = fit_projection(read_astrometry(self.field, info.band), info.bbox.shape, self.field)
            position_note = f"Positions of {self.field}, fitted with TAN-SIP to {error:.2g} mas."
        return make_exposure(
            info,
            (counts, variance, flags),
            psf=read_psf(self.psf, info.band, info.bbox),
            to_njy=njy_per_count(zero_point),
            edge_width=self.control.edge_width,
            notes=(scale_note, sky_note, f"PSF model of {self.psf}.", position_note),
        )

    def _band(self, header: Header) -> str:
        band = header_text(header, "FILTER")
        if band not in tuple(BANDS):
            raise InputError(self.image, where="FILTER", found=repr(band), expected=f"one of {BANDS}")
        return band

    def _identity(self, header: Header) -> ExposureId:
        # The FRAME of the header is that of the scan: a field has another one in each band.
        matched = _FRAME.match(bare_name(self.image))
        assert matched is not None, "Only files of this name are opened."
        run, field = int(matched[1]), int(matched[4])
        column = int(header_number(header, "CAMCOL", path=self.image))
        # The six columns of the camera have five CCDs each, one per band.
        detector = 10 * column + BANDS.index(self._band(header))
        return ExposureId(_INSTRUMENT, run * _FIELDS_PER_RUN + field, detector)

    def _times(self, header: Header, shape: tuple[int, int], seconds: float) -> ExposureTimes:
        """Return the times of a drift scan: rows are read one after another, each when its exposure ends."""
        first = header_number(header, "TAI", path=self.image)
        last = first + 1e-6 * header_number(header, "C_OBS", path=self.image) * shape[0]
        return ExposureTimes.of(
            begin=(first - seconds) / _SECONDS_PER_DAY,
            middle=(0.5 * (first + last) - 0.5 * seconds) / _SECONDS_PER_DAY,
            end=last / _SECONDS_PER_DAY,
            exposure_time=seconds,
            scale="tai",
        )

    def _zero_point(self, header: Header, info: ExposureInfo) -> tuple[float, str]:
        if self.field is None:
            zero_point = 20.0 + 2.5 * math.log10(header_number(header, "FLUX20", path=self.image))
            note = f"Zero point {zero_point:.4f} AB mag from FLUX20 of the header: no tsField file."
            return zero_point, note
        row = BandRow(self.field, info.band)
        seconds = header_number(header, "EXPTIME", path=self.image)
        extinction = row.number("kk") * row.number("airmass")
        zero_point = 2.5 * math.log10(seconds) - row.number("aa") - extinction
        return zero_point, f"Zero point {zero_point:.4f} AB mag from {self.field}."


FORMAT = Format(
    name="sdss",
    description="SDSS corrected frames (fpC) with their fpM, psField and tsField files",
    recognise=_recognise,
    open=_open,
)

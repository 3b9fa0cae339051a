"""Exposures of the Dark Energy Camera, as its Community Pipeline delivers them.

An exposure comes as three files with the same HDUs, one per CCD: science
(``_ooi_`` in the name), inverse variance (``_oow_``, zero where bad) and data
quality (``_ood_``).  PSF models (PSFEx), sky models and zero points are taken
from the companions of the Legacy Surveys where those lie beside the images.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from lsst.images import Box
from lsst.images.psfs import PointSpreadFunction

from ...data.exposure import Exposure, ExposureId, ExposureInfo, ExposureSource
from ...data.photometry import njy_per_count
from ...errors import InputError, MissingPartError, UnitError
from ...fits.read import (
    Header,
    hdu_label,
    header_integer,
    header_number,
    header_text,
    image_shape,
    optional_number,
    read_flags,
    read_headers,
    read_image,
    require_shape,
)
from ...image.background import fit_background
from ...sky.footprint import pixel_scale
from ..file_index import FileIndex, bare_name
from ..noise_maps import usable, variance_from_weight
from ..pixels import detector_projection, gaussian_psf, make_exposure
from ..psfex import read_psfex
from ..read_control import ReadControl
from ..readers import FileHead, Format, Opening, Role
from ..source import FileSource
from ..time_cards import times_from_headers
from ..units import is_counts
from .decam_flags import decode_flags
from .decam_survey import CcdRecord, find_ccd, read_spline_sky

__all__ = ("FORMAT", "DecamCcd")

_INSTRUMENT = "DECam"
_TRIPLET = re.compile(r"_oo([idw])_")
_COMPANION = re.compile(r"(-psfex|-splinesky)\.fits|^(survey-ccds|survey-bricks|ccds-annotated)")
_PRODUCTS = {"image": Role.EXPOSURE, "wtmap": Role.COMPANION, "dqmask": Role.COMPANION}


def _recognise(head: FileHead) -> Role:
    if not head.is_fits:
        return Role.FOREIGN
    name = bare_name(head.path)
    if _COMPANION.search(name):
        return Role.COMPANION
    primary = head.headers[0]
    # A file of afw has the cards of the image that it was made from, too.
    if header_text(primary, "INSTRUME").lower() != _INSTRUMENT.lower() or "AR_HDU" in primary:
        return Role.FOREIGN
    letter = _TRIPLET.search(name)
    if letter is not None:
        return Role.EXPOSURE if letter[1] == "i" else Role.COMPANION
    if header_text(primary, "PROCTYPE").lower() != "instcal":
        return Role.FOREIGN
    return _PRODUCTS.get(header_text(primary, "PRODTYPE").lower(), Role.FOREIGN)


def _open(path: Path, opening: Opening) -> Iterator[ExposureSource]:
    headers, files = read_headers(path), opening.files
    weight, quality = (_sibling(path, letter, files) for letter in "wd")
    images = [index for index, header in enumerate(headers) if image_shape(header) is not None]
    if not images:
        raise MissingPartError(path, found="no HDU with a 2-d image", expected="one HDU per CCD")
    number = optional_number(headers[0], "EXPNUM")
    tables = files.starting_with("survey-ccds", near=path) if number is not None else ()
    for index in images:
        name = header_text(headers[index], "EXTNAME")
        records = (find_ccd(table, int(number or 0), name) for table in tables)
        yield FileSource(
            DecamCcd(
                image=path,
                weight=weight,
                quality=quality,
                index=index,
                ccd=name,
                psf=_find_companion(path, name, "psfex", files),
                sky=_find_companion(path, name, "splinesky", files),
                record=next((record for record in records if record), None),
                control=opening.control,
            )
        )


def _sibling(path: Path, letter: str, files: FileIndex) -> Path:
    """Return the file of weights or of data quality beside a science file."""
    name = _TRIPLET.sub(f"_oo{letter}_", path.name)
    sibling = files.find(name, near=path) if name != path.name else None
    if sibling is None:
        kind = {"w": "weights (_oow_)", "d": "data quality (_ood_)"}[letter]
        raise MissingPartError(
            path, found=f"no file {name} with its {kind}", expected="science, weight and quality"
        )
    return sibling


def _find_companion(path: Path, ccd: str, kind: str, files: FileIndex) -> Path | None:
    stem = path.name.split(".", 1)[0]
    names = (f"{stem}-{ccd}-{kind}.fits", f"{stem}-{kind}.fits")
    return next((companion for name in names if (companion := files.find(name, near=path))), None)


@dataclasses.dataclass(frozen=True)
class DecamCcd:
    """How to read one CCD of an exposure."""

    image: Path
    weight: Path
    quality: Path
    index: int
    """Index of the HDU in ``image``; the other files have it under the same name."""
    ccd: str
    """Name of the CCD (EXTNAME), e.g. ``"N3"``."""
    psf: Path | None
    sky: Path | None
    record: CcdRecord | None
    control: ReadControl

    @property
    def _same_hdu(self) -> str | int:
        return self.ccd or self.index

    def image_place(self) -> tuple[Path, int]:
        """Return file and HDU of the image."""
        return self.image, self.index

    def describe(self) -> ExposureInfo:
        """Read headers only."""
        headers = read_headers(self.image)
        primary, header = headers[0], headers[self.index]
        shape = image_shape(header)
        assert shape is not None, "Only HDUs with images are opened."
        bbox = Box.from_shape(shape)
        visit = header_integer(primary, "EXPNUM", path=self.image)
        detector = header_integer(header, "CCDNUM", path=self.image, where=hdu_label(self._same_hdu))
        identity = ExposureId(_INSTRUMENT, visit, detector)
        projection = detector_projection(
            self._moved(header), identity, bbox, path=self.image, hdu=self._same_hdu
        )
        header_number(primary, "EXPTIME", path=self.image)
        fwhm = self._fwhm(header)
        words = header_text(primary, "FILTER").split() or header_text(primary, "BAND").split()
        if not words:
            raise MissingPartError(self.image, where="FILTER", found="no filter", expected="its name")
        return ExposureInfo(
            id=identity,
            path=str(self.image),
            band=words[0],
            physical_filter=header_text(primary, "FILTER"),
            bbox=bbox,
            projection=projection,
            psf_fwhm=None if fwhm is None else fwhm * pixel_scale(projection, bbox),
            times=times_from_headers([primary]),
            format=FORMAT.name,
        )

    def load(self, info: ExposureInfo) -> Exposure:
        """Read the pixels, subtract the sky, and find zero point and PSF."""
        headers = read_headers(self.image)
        primary, header = headers[0], headers[self.index]
        image, _ = read_image(self.image, self.index)
        unit = header_text(header, "BUNIT")
        if unit and not is_counts(unit):
            where = f"{hdu_label(self._same_hdu)}, BUNIT"
            raise UnitError(self.image, where=where, found=repr(unit), expected="counts")
        weight, _ = read_image(self.weight, self._same_hdu, is_noise=True)
        require_shape(f"{self.weight}: weight", weight, image.shape)
        quality = read_flags(self.quality, self._same_hdu)
        require_shape(f"{self.quality}: data quality", quality.pixels, image.shape)
        version = header_text(primary, "PLVER")
        flags = decode_flags(quality.pixels, version, self.quality, quality.undefined)
        variance, weight_note = variance_from_weight(weight, self.weight)
        zero_point, scale_note = self._zero_point(primary)
        image, sky_note = self._subtract_sky(image, ~usable(variance) | flags.get("NO_DATA", False))
        psf, psf_note = self._read_psf(header, info.bbox)
        position_note = ""
        if self.record is not None and self.record.offset != (0.0, 0.0):
            east, north = (f"{1000 * offset:.0f}" for offset in self.record.offset)
            position_note = (
                f"Position moved by {east} mas east and {north} mas north, as {self.record.table} says."
            )
        return make_exposure(
            info,
            (image, variance, flags),
            psf=psf,
            to_njy=njy_per_count(zero_point),
            edge_width=self.control.edge_width,
            notes=(scale_note, weight_note, sky_note, psf_note, position_note),
        )

    def _moved(self, header: Header) -> Header:
        """Return the header with the position that the survey measured against a reference catalogue."""
        if self.record is None or "CRVAL1" not in header or "CRVAL2" not in header:
            return header
        east, north = (offset / 3600.0 for offset in self.record.offset)
        moved = header.copy()
        moved["CRVAL1"] += east / math.cos(math.radians(moved["CRVAL2"]))
        moved["CRVAL2"] += north
        return moved

    def _fwhm(self, header: Header) -> float | None:
        if self.record is not None and self.record.fwhm is not None:
            return self.record.fwhm
        width = optional_number(header, "FWHM")
        return width if width is not None and width > 0 else None

    def _zero_point(self, primary: Header) -> tuple[float, str]:
        if self.record is not None:
            return (
                self.record.zero_point,
                f"Zero point {self.record.zero_point:.4f} AB mag from {self.record.table}.",
            )
        zero_point = optional_number(primary, "MAGZERO")
        if zero_point is None:
            raise MissingPartError(
                self.image,
                where="MAGZERO",
                found="no zero point in the header, nor this CCD in a survey-ccds table",
                expected="the AB magnitude of one count",
            )
        return zero_point, f"Zero point {zero_point:.4f} AB mag from MAGZERO of the header."

    def _subtract_sky(self, image: np.ndarray, ignore: np.ndarray) -> tuple[np.ndarray, str]:
        choice = self.control.subtract_background
        if choice == "never":
            return image, "Sky left in."
        if choice == "auto" and self.sky is not None:
            sky = read_spline_sky(self.sky, image.shape, self.ccd)
            return image - sky, f"Sky of {np.median(sky):.6g} (median) subtracted: spline of {self.sky}."
        background = fit_background(image, ignore, self.control, self.image)
        return image - background.level, background.note

    def _read_psf(self, header: Header, bbox: Box) -> tuple[PointSpreadFunction, str]:
        if self.psf is not None:
            exposure = optional_number(read_headers(self.image)[0], "EXPNUM")
            number = None if exposure is None else int(exposure)
            psf = read_psfex(self.psf, bounds=bbox, ccd=self.ccd, exposure=number)
            return psf, f"PSF model of {self.psf}."
        fwhm, where = self._fwhm(header), f"{hdu_label(self._same_hdu)}, FWHM"
        if fwhm is None:
            lack = "neither a PSFEx file nor a width"
            raise InputError(self.image, where=where, found=lack, expected="a PSF")
        return gaussian_psf(
            fwhm, bbox, path=self.image, where=where
        ), f"PSF taken as a Gaussian of {fwhm:.3f} pixels FWHM: no PSFEx file."


FORMAT = Format(
    name="decam",
    description="DECam Community Pipeline: science, weight and data-quality files (_ooi_, _oow_, _ood_)",
    recognise=_recognise,
    open=_open,
    companion_folders=("psfex", "splinesky"),
)

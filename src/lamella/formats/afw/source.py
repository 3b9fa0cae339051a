"""Exposures that afw wrote as inputs of coadds, and the visit summaries beside them."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lsst.images import Box, Polygon

from ...coadd.select.quality import standard_quality
from ...data.exposure import Exposure, ExposureInfo, ExposureSource
from ...errors import InvalidPsfError
from ...psf.gaussian import FWHM_PER_SIGMA
from ...psf.measure import fwhm
from ...sky.footprint import pixel_scale
from ..pixels import make_archived_exposure
from ..read_control import ReadControl
from ..readers import FileHead, Format, Opening, Role
from ..source import FileSource
from .calibration import missing_parts, scale_to_njy
from .catalogs import ExposureCatalog, read_coadd_inputs
from .exposure import AfwFile
from .identity import identify
from .kinds import Kind, kind_of_headers
from .masks import read_flags
from .plain_psf import plain_psf
from .psf import read_psf
from .summaries import DetectorSummary, VisitSummary

__all__ = ("FORMAT", "AfwExposure", "merge_summary")


def _recognise(head: FileHead) -> Role:
    kind = kind_of_headers(head.headers) if head.is_fits else None
    if kind is None:
        return Role.FOREIGN
    return Role.EXPOSURE if kind is Kind.IMAGE else Role.COMPANION


def _open(path: Path, opening: Opening) -> Iterator[ExposureSource]:
    source = FileSource(AfwExposure(path, opening.control))
    for summary in _only_summaries(opening.companions):
        if _row_of(summary, source.info) is not None:
            source = FileSource(AfwExposure(path, opening.control, summary))
            break
    yield source


@functools.lru_cache(maxsize=4)
def _only_summaries(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    heads = [FileHead(path) for path in paths]
    return tuple(h.path for h in heads if h.is_fits and kind_of_headers(h.headers) is Kind.CATALOG)


def _row_of(path: Path, info: ExposureInfo) -> DetectorSummary | None:
    stamp = path.stat()
    summary = _read_summary(path, (stamp.st_mtime_ns, stamp.st_size))
    row = None if summary is None else summary.find(info.id.visit, info.id.detector)
    if row is None:
        return None
    instrument = row.visit_info.instrument
    instruments = {instrument, info.id.instrument} - {"", "unknown"}
    return row if len(instruments) < 2 else None


@functools.lru_cache(maxsize=64)
def _read_summary(path: Path, stamp: tuple[int, int]) -> VisitSummary | None:
    """Read a visit summary; `None` for a catalogue of exposures that is none."""
    catalog = ExposureCatalog.read(path)
    return VisitSummary(catalog, path) if "visit" in catalog.names else None


def merge_summary(info: ExposureInfo, row: DetectorSummary) -> ExposureInfo:
    """Return the description of an exposure of any format, with the numbers of a visit summary for selection.

    Parameters
    ----------
    info
        The exposure.
    row
        What a visit summary says of it.

    Returns
    -------
    ExposureInfo
        ``quality`` and ``psf_fwhm`` are those of the summary where it has
        them; geometry and all else stay.
    """
    width = row.psf_fwhm
    measured = width is not None and math.isfinite(width) and width > 0
    return dataclasses.replace(
        info, quality={**info.quality, **row.quality}, psf_fwhm=width if measured else info.psf_fwhm
    )


@dataclasses.dataclass(frozen=True)
class AfwExposure:
    """How to read one exposure that afw wrote."""

    path: Path
    control: ReadControl
    summary: Path | None = None
    """Visit summary that numbers for selection are taken from."""

    def image_place(self) -> tuple[Path, int]:
        """Return file and HDU of the image."""
        return self.path, self._file().image_hdu.index

    def describe(self) -> ExposureInfo:
        """Read headers and components, but no pixels.

        Raises
        ------
        MissingPartError
            Raised when the file lacks what a coadd needs; the message names all that is missing.
        InputError
            Raised when a component is damaged, or the file is a coadd.
        """
        file = self._file()
        _require_parts(file)
        scale_to_njy(file)
        identity = identify(file)
        bbox, projection = file.bbox, file.projection
        visit = file.visit_info
        # The width of the PSF in arcseconds: that of the summary statistics, else that of the model.
        sigma = math.nan if file.summary is None else file.summary.psfSigma
        width = sigma * FWHM_PER_SIGMA
        if not (math.isfinite(sigma) and sigma > 0):
            psf = read_psf(file)
            try:
                width = math.nan if psf is None else fwhm(psf, bbox.x.center, bbox.y.center)
            except InvalidPsfError:
                width = math.nan
        info = ExposureInfo(
            id=identity.id,
            path=str(self.path),
            band=identity.band,
            physical_filter=file.filter.physical,
            bbox=bbox,
            projection=projection,
            polygon=_polygon(file, bbox),
            psf_fwhm=width * pixel_scale(file.projection, bbox) if 0 < width < math.inf else None,
            quality=_quality(file),
            times=visit.times,
            format=FORMAT.name,
        )
        row = None if self.summary is None else _row_of(self.summary, info)
        return info if row is None else merge_summary(info, row)

    def load(self, info: ExposureInfo) -> Exposure:
        """Read the pixels, the PSF and the photometric scaling."""
        file = self._file()
        _require_parts(file)
        psf = read_psf(file)
        assert psf is not None, "It is required above."
        psf, psf_note = plain_psf(psf, info.bbox)
        to_njy, scale_note = scale_to_njy(file)
        planes = file.read()
        summary = f"Numbers for selection from {self.summary}." if self.summary is not None else ""
        return make_archived_exposure(
            info,
            (planes.image.array, planes.variance.array, read_flags(file.container)),
            self.control,
            psf=psf,
            to_njy=to_njy,
            notes=(*identify(file).notes, psf_note, scale_note),
            more_notes=(summary, *file.notes),
        )

    def _file(self) -> AfwFile:
        return AfwFile(self.path, trust_pickles=self.control.trust_pickles)


def _require_parts(file: AfwFile) -> None:
    """Refuse coadds, and files without a part that a coadd cannot be made without."""
    inputs = read_coadd_inputs(file)
    if inputs is not None and len(inputs.detectors):
        raise file.container.problem(
            f"a warp or a coadd of {len(inputs.detectors)} detector images", "an exposure", "COADD_INPUTS"
        )
    missing = list(missing_parts(file))
    if missing:
        *first, last = (f"no {name}" for name in missing)
        stated = f"{', '.join(first)} and {last}" if first else last
        hint = " (or a row of an exposure table, with psf_fwhm)" if missing == ["PSF"] else ""
        raise file.container.missing(stated, f"an exposure with all its parts{hint}")


_SLIVER = 1e-3
"""Square pixels that rounding may cut off."""


def _polygon(file: AfwFile, bbox: Box) -> Polygon | None:
    """Return the part of the valid region within the pixels; `None` where that is all of them."""
    polygon = file.valid_polygon
    if polygon is None:
        return None
    outline = Polygon.from_box(bbox)
    region = polygon.intersection(outline)
    if region.area > outline.area - _SLIVER:
        return None
    if region.area <= 0:
        raise file.container.problem("no pixel inside", "at least one", "VALID_POLYGON")
    # Rounding may leave corners a hair beyond the box; several parts stay the polygon that they are of.
    return region if isinstance(region, Polygon) else polygon


def _quality(file: AfwFile) -> dict[str, float]:
    """Return the numbers for selection that the summary statistics hold."""
    if file.summary is None:
        return {}
    values: dict[str, Any] = file.summary.model_dump()
    numbers = {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, float) or (name.startswith("n") and isinstance(value, int) and value > 0)
    }
    return standard_quality({name: value for name, value in numbers.items() if np.isfinite(value)})


FORMAT = Format(
    name="afw",
    description="exposures that afw wrote: calexps and visit images of HSC, DECam, LSST; visit summaries",
    recognise=_recognise,
    open=_open,
)

"""Visit images of the Rubin Observatory and HSC, in the archives of `lsst.images` (FITS, JSON)."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import astropy.units as u
from lsst.images import Box, DetectorFrame, Polygon, SkyProjection
from lsst.images.psfs import PointSpreadFunction
from lsst.images.serialization import ArchiveReadError, Reader, open_archive

from ...astlock import guard_ast
from ...coadd.select.quality import SUMMARY_NAMES
from ...data.exposure import Exposure, ExposureId, ExposureInfo
from ...data.times import ExposureTimes
from ...errors import (
    InputError,
    LamellaError,
    MissingPartError,
    ProjectionError,
    UnitError,
    UnknownFormatError,
    UnreadableFileError,
)
from ...fits.read import header_text, read_headers
from ...psf.gaussian import FWHM_PER_SIGMA
from ...sky.footprint import pixel_scale
from ...texts import parse_json, read_text
from ..file_index import is_fits_name
from ..pixels import make_archived_exposure
from ..read_control import ReadControl
from ..readers import FileHead, Format, Role
from ..source import FileSource

if TYPE_CHECKING:
    from lsst.images import VisitImage

__all__ = (
    "FORMAT",
    "VisitImageFile",
    "VisitRecords",
    "describe_visit_image",
    "exposure_of_visit_image",
)

guard_ast()

_SCHEMA = "visit_image"
_SCHEMA_URL = re.compile(r"schemas/(\w+)-\d")
_QUALITY = ("psfStarDeltaE1Median", "psfStarDeltaE2Median", *SUMMARY_NAMES, "effTime")


def _recognise(head: FileHead) -> Role:
    schema = None
    if head.is_fits:
        schema = _schema_name(head.headers[0].get("DATAMODL"))
    elif head.path.suffix.lower() == ".json":
        schema = _schema_in_json(head.path)
    if schema is None:
        return Role.FOREIGN
    return Role.EXPOSURE if schema == _SCHEMA else Role.COMPANION


def _schema_name(url: object) -> str | None:
    schema = _SCHEMA_URL.search(str(url))
    return None if schema is None else schema[1]


def _schema_in_json(path: Path) -> str | None:
    expected = "a JSON file"
    text = read_text(path, expected)
    # Only the outermost tree counts, and its address may follow megabytes of pixels.
    tree = parse_json(text, path, expected) if _SCHEMA_URL.search(text) else None
    return _schema_name(tree.get("schema_url")) if isinstance(tree, dict) else None


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[Reader[Any]]:
    """Open an archive and turn its errors into ours."""
    try:
        with open_archive(str(path)) as reader:
            yield reader
    except LamellaError:
        raise
    except FileNotFoundError as err:
        raise UnreadableFileError(path, found="no such file", expected="an archive of lsst-images") from err
    except Exception as err:
        # The readers of the archive let errors of astropy, pydantic, json and AST through.
        reason = " ".join(str(err).split())[:200].rstrip(".") or type(err).__name__
        raise UnreadableFileError(path, found=reason, expected="an archive of lsst-images") from err


@dataclasses.dataclass(frozen=True)
class VisitImageFile:
    """How to read one visit image."""

    path: Path
    control: ReadControl

    def image_place(self) -> tuple[Path, int] | None:
        """Return file and HDU of the image; `None` when it is no FITS file."""
        if not is_fits_name(self.path):
            return None
        names = [header_text(header, "EXTNAME") for header in read_headers(self.path)]
        return (self.path, names.index("IMAGE")) if "IMAGE" in names else None

    def describe(self) -> ExposureInfo:
        """Read the tree of the archive, but no pixels."""
        with _reading(self.path) as reader:
            if reader.info.schema_name != _SCHEMA:
                kind = f"an archive of {reader.info.schema_name}"
                raise UnknownFormatError(self.path, found=kind, expected=f"one of {_SCHEMA}")
            tree: Any = reader.get_tree()
            projection, bounds = (reader.get_component(name) for name in ("sky_projection", "bounds"))
        records = VisitRecords(tree.obs_info, tree.summary_stats, tree.bbox, tree.band, projection, bounds)
        return describe_visit_image(str(self.path), records)

    def load(self, info: ExposureInfo) -> Exposure:
        """Read the pixels, the PSF and the photometric scaling."""
        with _reading(self.path) as reader:
            visit_image = reader.read()
        return exposure_of_visit_image(visit_image, info, self.control)


class VisitRecords(NamedTuple):
    """What a visit image says of itself, without pixels."""

    obs_info: Any
    summary_stats: Any
    bbox: Box
    band: str
    sky_projection: SkyProjection[Any]
    bounds: Any


def describe_visit_image(path: str, records: VisitRecords) -> ExposureInfo:
    """Return the description of a visit image.

    Parameters
    ----------
    path
        Where it is, for the record and for errors.
    records
        What it says of itself.

    Raises
    ------
    InputError
        Raised when it does not say which detector and visit it is of, or when its projection is not finite.
    """
    observed, summary, bbox, band, projection, bounds = records
    centre = projection.pixel_to_sky(x=bbox.x.center, y=bbox.y.center)
    if not (math.isfinite(centre.ra.deg) and math.isfinite(centre.dec.deg)):
        raise ProjectionError(path, found="a position that is not finite", expected="pixels to sky")
    quality = {name: float(getattr(summary, name, math.nan)) for name in _QUALITY}
    if quality["nPsfStar"] == 0:  # the default: it was not counted
        del quality["nPsfStar"]
    width = summary.psfSigma * FWHM_PER_SIGMA * pixel_scale(projection, bbox)
    begin, end = observed.datetime_begin, observed.datetime_end
    seconds = observed.exposure_time
    return ExposureInfo(
        id=_identity(path, projection, observed),
        path=path,
        band=band,
        physical_filter=observed.physical_filter or "",
        bbox=bbox,
        projection=projection,
        polygon=bounds if isinstance(bounds, Polygon) else None,
        psf_fwhm=width if 0 < width < math.inf else None,
        quality={name: value for name, value in quality.items() if math.isfinite(value)},
        times=ExposureTimes.of(
            begin=None if begin is None else float(begin.utc.mjd),
            end=None if end is None else float(end.utc.mjd),
            exposure_time=None if seconds is None else float(seconds.to_value(u.s)),
        ),
        format=FORMAT.name,
    )


def _identity(path: str, projection: SkyProjection[Any], observed: Any) -> ExposureId:
    frame = projection.pixel_frame
    if not isinstance(frame, DetectorFrame):
        kind = type(frame).__name__
        raise InputError(path, where="sky_projection", found=kind, expected="pixels of a detector")
    visit = frame.visit if frame.visit is not None else observed.visit_id
    if visit is None:
        raise MissingPartError(path, where="visit", found="no visit number", expected="one")
    return ExposureId(frame.instrument, int(visit), frame.detector)


def exposure_of_visit_image(visit_image: VisitImage, info: ExposureInfo, control: ReadControl) -> Exposure:
    """Return a visit image in memory as an exposure.

    Parameters
    ----------
    visit_image
        The visit image; its pixels may be changed.
    info
        Its description.
    control
        How it is read.

    Raises
    ------
    InputError
        Raised when its PSF cannot be read, or its pixels cannot be put in nJy.
    """
    try:
        psf: PointSpreadFunction = visit_image.psf
    except (ArchiveReadError, ImportError) as err:
        reason = " ".join(str(err).split())
        raise MissingPartError(info.path, where="psf", found=reason, expected="a readable PSF") from err
    scale, unit_note = _to_njy(visit_image, info.path)
    flags = {name: visit_image.mask.get(name) for name in visit_image.mask.schema.names}
    return make_archived_exposure(
        info,
        (visit_image.image.array, visit_image.variance.array, flags),
        control,
        psf=psf,
        to_njy=scale,
        notes=(unit_note,),
        descriptions=dict(visit_image.mask.schema.descriptions),
    )


def _to_njy(visit_image: VisitImage, path: str) -> tuple[Any, str]:
    unit, scaling = visit_image.unit, visit_image.photometric_scaling
    if unit.is_equivalent(u.nJy):
        return float(unit.to(u.nJy)), ""
    if scaling is None:
        raise UnitError(path, where="unit", found=f"{unit} without a scaling", expected="nJy")
    if not (unit * scaling.unit).is_equivalent(u.nJy):
        units = f"{unit} with a scaling in {scaling.unit}"
        raise UnitError(path, where="unit", found=units, expected="nJy")
    field = scaling * float((unit * scaling.unit).to(u.nJy))
    note = f"Pixels in {unit} scaled to nJy with the image's photometric scaling."
    if field.is_constant:
        box = visit_image.bbox
        return float(field(x=box.x.center, y=box.y.center)), note
    return field, note


FORMAT = Format(
    name="lsst-images",
    description="visit images in the archives of lsst-images (FITS, JSON)",
    recognise=_recognise,
    open=lambda path, opening: [FileSource(VisitImageFile(path, opening.control))],
)

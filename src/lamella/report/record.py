"""Records of runs and coadds for the report: plain values that survive in JSON files.

A `CoaddRecord` is stored beside each coadd, so that a later run that finds the
coadd finished can put it on its page without opening it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from astropy.table import Table
from lsst.images import Box, SkyProjection

from ..causes import by_cause, cause_of
from ..coadd.reject.artifact_masks import ArtifactMasks, rejection_notes
from ..coadd.summary import CoaddSummary
from ..coadd.warp_planes import plane_notices
from ..config import PlainValues, plain
from ..data.coadd import PatchCoadd
from ..data.origins import OriginSummary
from ..data.tables import INPUT_COLUMNS, REJECTION_COLUMNS, REMOVAL_COLUMNS
from ..data.visit_check import visit_warnings
from ..errors import UnreadableFileError
from ..file_states import note_states, see_files, settle
from ..files import write_text
from ..texts import read_json
from .artifact_picture import artifact_picture, before_picture, removed_picture
from .picture import (
    Picture,
    count_picture,
    image_picture,
    mask_picture,
    psf_picture,
    variance_picture,
)
from .picture_files import PictureRecord, data_uri, embed_pictures, remove_pictures, write_pictures

__all__ = (
    "CoaddRecord",
    "PictureRecord",
    "RunRecord",
    "Skipped",
    "SkyPosition",
    "alike_once",
    "coadd_pictures",
    "coadd_record",
    "picture_record",
    "read_record",
    "write_record",
)

_IMAGE_SIDE = 1200
_MAP_SIDE = 600


@dataclasses.dataclass(frozen=True, kw_only=True)
class SkyPosition(PlainValues):
    """Where the pixels of a coadd are on the sky: ICRS, in degrees."""

    center: tuple[float, float]
    """Right ascension and declination of the centre of the outer box."""
    corners: tuple[tuple[float, float], ...]
    """The same of its outer edges, counted around from the first column and row along the columns."""

    @classmethod
    def of(cls, bbox: Box, projection: SkyProjection[Any] | None) -> SkyPosition | None:
        """Return the position of a box of pixels; `None` where a corner is not on the sky."""
        if projection is None:
            return None
        left, right = bbox.x.start - 0.5, bbox.x.stop - 0.5
        below, above = bbox.y.start - 0.5, bbox.y.stop - 0.5
        x = np.array([bbox.x.center, left, right, right, left])
        y = np.array([bbox.y.center, below, below, above, above])
        sky = projection.pixel_to_sky(x=x, y=y).icrs
        positions = [(float(ra), float(dec)) for ra, dec in zip(sky.ra.deg, sky.dec.deg, strict=True)]
        if not np.isfinite(positions).all():
            return None
        return cls(center=positions[0], corners=tuple(positions[1:]))


@dataclasses.dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is not in the results, and why."""

    what: str
    """A file, an exposure or a coadd."""
    reason: str


def alike_once(items: Iterable[Skipped]) -> list[Skipped]:
    """Return things that are not in the results so that each cause is told once, with a count.

    Things of one cause are those whose reasons differ in numbers and in their own name only.
    """
    groups = by_cause(items, lambda item: cause_of(item.reason, item.what))
    return [
        Skipped(f"{first.what} and {len(others)} more" if others else first.what, first.reason)
        for first, *others in groups
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoaddRecord(PlainValues):
    """Numbers, tables and pictures of a coadd."""

    name: str
    summary: CoaddSummary
    inputs: tuple[dict[str, Any], ...]
    """One mapping of column to value per detector that is in the coadd."""
    rejected: tuple[dict[str, Any], ...]
    """The same per exposure that is not."""
    position: SkyPosition | None = None
    """Where it is on the sky; `None` in records of version 0.1.0."""
    grid: str = ""
    """Identity of the sky map, which names its pixels; empty where it is not known."""
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    artifacts: tuple[dict[str, Any], ...] = ()
    """One mapping of column to value per visit: what it lost to artifacts."""
    warnings: tuple[Skipped, ...] = ()
    """Visits that a user should look at, and why."""
    visit_checks: tuple[dict[str, Any], ...] = ()
    """One mapping per visit: how positions, fluxes and noise compare with the coadd."""
    matching: dict[str, Any] = dataclasses.field(default_factory=dict)
    """How visits were matched to a common PSF, if they were."""
    planes: dict[str, str] = dataclasses.field(default_factory=dict)
    """Meaning of the mask planes that have pixels."""
    origins: tuple[OriginSummary, ...] = ()
    """Where values of the exposures come from, as far as their reader chose or measured them."""
    files: dict[str, str] = dataclasses.field(default_factory=dict)
    """Files that belong to the coadd: what it is, and the path relative to the page."""
    kept: bool = False
    """Whether an earlier run made it, and this one found it finished."""
    earlier: bool = False
    """Whether an earlier run made it, and this one has not to do with it."""
    fingerprint: str = ""
    """Text that differs when the inputs or options of the coadd differ."""
    states: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Of the files that it was made of (``inputs``) and those that were made (``products``), by name: size,
    times of writing and of change, inode, and hash of the content; empty in records of version 0.1.0."""
    pictures: tuple[PictureRecord, ...] = ()

    def picture(self, name: str) -> PictureRecord | None:
        """Return a picture by name, or `None` if there is none."""
        return next((picture for picture in self.pictures if picture.name == name), None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord(PlainValues):
    """Contents of the page of a run."""

    title: str
    command: str = ""
    """The command line."""
    started: str = ""
    """Date and time, as text."""
    seconds: float | None = None
    """Wall time of the whole run."""
    skymap: str = ""
    """What the sky map is, in words."""
    coadds: tuple[CoaddRecord, ...] = ()
    origins: tuple[OriginSummary, ...] = ()
    """Where values of the exposures come from, as far as their reader chose or measured them."""
    rejections: tuple[str, ...] = ()
    """How artifacts are left out and why so, where that was left open: one line per choice."""
    notices: tuple[str, ...] = ()
    """What a person may not expect of the run, in sentences."""
    skipped: tuple[Skipped, ...] = ()
    """Inputs that could not be used at all."""
    failures: tuple[Skipped, ...] = ()
    """Coadds that could not be made."""
    empty: tuple[Skipped, ...] = ()
    """Coadds of patches in which no selected exposure has a valid pixel: there is nothing to make."""
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    pictures: tuple[PictureRecord, ...] = ()
    """Pictures of several bands."""


def coadd_record(
    coadd: PatchCoadd,
    summary: CoaddSummary,
    *,
    pictures: Iterable[Picture] | None = None,
    files: Mapping[str, str] | None = None,
) -> CoaddRecord:
    """Make the record of a coadd.

    Parameters
    ----------
    coadd
        A coadd in memory.
    summary
        Its numbers, from `lamella.coadd.summary.summarize`.
    pictures
        Pictures to keep; by default those of `coadd_pictures`.
    files
        What belongs to the coadd: its meaning, and the path relative to the page.
    """
    pictures = coadd_pictures(coadd, summary) if pictures is None else pictures
    meanings = coadd.mask.schema.descriptions
    settings = plain(coadd.settings)
    planes = tuple(Skipped("warps", notice) for notice in plane_notices(coadd.settings))
    notes = (Skipped("artifacts", note) for note in rejection_notes(coadd.settings, coadd.removals))
    # Of a single visit the note says it all.
    removals = coadd.removals if len(coadd.removals) > 1 else ()
    visits = (Skipped(*warning) for warning in visit_warnings(coadd.visit_checks, removals))
    return CoaddRecord(
        name=coadd.name,
        summary=summary,
        inputs=_rows(coadd.inputs),
        rejected=_rows(coadd.rejected),
        position=SkyPosition.of(coadd.bbox, coadd.sky_projection),
        notes=tuple(coadd.notes),
        settings={name: value for name, value in settings.items() if name != "matching"},
        artifacts=_rows(coadd.artifacts),
        warnings=(*planes, *notes, *visits),
        visit_checks=tuple(dataclasses.asdict(check) for check in coadd.visit_checks),
        matching=settings.get("matching", {}),
        versions=dict(coadd.versions),
        planes={name: meanings[name] for name in summary.mask_fractions},
        files=dict(files or {}),
        pictures=tuple(picture_record(picture) for picture in pictures),
    )


def coadd_pictures(
    coadd: PatchCoadd, summary: CoaddSummary, artifacts: ArtifactMasks | None = None
) -> tuple[Picture, ...]:
    """Draw image, count, variance, mask, PSF and artifacts of a coadd, in the sizes of the page."""
    maps = (count_picture, variance_picture, mask_picture)
    pictures = [
        image_picture(coadd, max_side=_IMAGE_SIDE),
        *(draw(coadd, max_side=_MAP_SIDE) for draw in maps),
    ]
    if summary.psf_position is not None and coadd.psf is not None:
        x, y = summary.psf_position
        pictures.append(psf_picture(coadd.psf.compute_kernel_image(x=float(x), y=float(y)).array))
    if artifacts is not None:
        draws = (artifact_picture, removed_picture)
        pictures += [draw(coadd, artifacts, max_side=_MAP_SIDE) for draw in draws]
        if artifacts.before is not None:
            pictures.append(before_picture(coadd, artifacts.before))
    return tuple(pictures)


def picture_record(picture: Picture) -> PictureRecord:
    """Encode a picture: as JPEG if it is grainy, as PNG otherwise."""
    content = picture.jpeg() if picture.photographic else picture.png()
    kind = "jpeg" if picture.photographic else "png"
    return PictureRecord(
        name=picture.name,
        title=picture.title,
        alt=picture.alt,
        width=picture.pixels.shape[1],
        height=picture.pixels.shape[0],
        source=data_uri(content, f"image/{kind}"),
        swatches=picture.swatches,
        scale=picture.scale,
    )


def write_record(path: str | PathLike[str], record: CoaddRecord) -> None:
    """Write a record to a JSON file, all or nothing, after its pictures, which are files below `PICTURES`.

    It notes what its files and pictures are like, which are beside it by then.

    Raises
    ------
    OutputError
        Raised when the file cannot be written.
    """
    path = Path(path)
    remove_pictures(path.parent, path.stem)
    stored = write_pictures(record.pictures, path.parent, path.stem)
    names = (*record.files.values(), *(picture.source for picture in stored))
    products = note_states(settle(see_files(path.parent, names), folder=path.parent))
    states = {**record.states, "products": {**record.states.get("products", {}), **products}}
    values = dataclasses.replace(record, pictures=stored, states=states).to_dict()
    values |= {_CHECKSUM: _checksum(values)}
    write_text(path, json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


_CHECKSUM = "checksum"


def _checksum(values: Mapping[str, Any]) -> str:
    """Return a hash of the values of a record, XXH3 with 128 bits, in hexadecimal digits."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return str(xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass")))


def read_record(path: str | PathLike[str]) -> CoaddRecord:
    """Read a record from a JSON file, with its pictures.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, damaged or holds something else.
    """
    expected = "JSON of a CoaddRecord"
    content = read_json(path, expected)
    if isinstance(content, dict):
        content.pop(_CHECKSUM, None)  # a later run compares it, see `is_as_written`
    try:
        return CoaddRecord.from_dict(embed_pictures(_with_all_columns(content), Path(path).parent))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as err:
        reason = " ".join(str(err).split())
        raise UnreadableFileError(path, found=reason, expected=expected) from err


def is_as_written(path: str | PathLike[str]) -> bool:
    """Return whether the values of a record that can be read are those that were written.

    Records of version 0.1.0 do not tell: then it is.
    """
    content = dict(read_json(path, "JSON of a CoaddRecord"))
    stated = content.pop(_CHECKSUM, None)
    return stated is None or stated == _checksum(content)


def _with_all_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record that was read with the columns that its version of lamella did not have yet."""
    tables = {"inputs": INPUT_COLUMNS, "rejected": REJECTION_COLUMNS, "artifacts": REMOVAL_COLUMNS}
    filled = {
        name: [dict.fromkeys(columns) | row for row in values.get(name, ())]
        for name, columns in tables.items()
    }
    return {**values, **filled}


def _rows(table: Table) -> tuple[dict[str, Any], ...]:
    return tuple({name: plain(row[name]) for name in table.colnames} for row in table)

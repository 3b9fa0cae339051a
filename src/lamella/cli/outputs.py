"""The files that the commands write, and whether they are there already."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..coadd.archive import PatchCoadd, Warp
from ..coadd.assemble import Resources
from ..coadd.inputs import ExposureSource
from ..coadd.summary import summarize
from ..errors import UnreadableFileError
from ..files import make_folder, write_text
from ..formats.archives import read_image, read_metadata
from ..formats.export import write_archive, write_plain_fits
from ..report.composite import composite
from ..report.picture import image_picture, write_png
from ..report.record import (
    CoaddRecord,
    PictureRecord,
    coadd_pictures,
    coadd_record,
    picture_record,
    read_record,
    write_record,
)
from ..run.fingerprint import fingerprint, warp_fingerprint
from ..run.jobs import PatchConfig, PatchJob
from ..run.patch import PatchWork, make_patch, visits_of
from ..sky.skymap import SkyMap

__all__ = (
    "PRODUCTS",
    "CoaddFiles",
    "CoaddWork",
    "finished_record",
    "make_color_pictures",
    "save_skymap",
    "warp_is_finished",
    "warp_path",
    "write_warp",
)

PRODUCTS = re.compile(r"((coadd|color|warp)-.*|skymap\.json|index\.html)", re.DOTALL)
"""Names of all files that the commands write into the folder of a run."""

_FINGERPRINT = "lamella_fingerprint"
_WITH_WARPS = "+warps"
_PAGE_SIDE = 1200


@dataclasses.dataclass(frozen=True)
class CoaddFiles:
    """Where the products of one coadd are."""

    folder: Path
    name: str

    @property
    def archive(self) -> Path:
        """The coadd with all its parts, for lamella and `lsst.images`."""
        return self.folder / f"coadd-{self.name}.fits"

    @property
    def plain(self) -> Path:
        """The coadd for every other tool."""
        return self.folder / f"coadd-{self.name}-plain.fits"

    @property
    def picture(self) -> Path:
        """The picture."""
        return self.folder / f"coadd-{self.name}.png"

    @property
    def record(self) -> Path:
        """Numbers and small pictures for the page; written last, so that it says that all is done."""
        return self.folder / f"coadd-{self.name}.json"

    @property
    def described(self) -> dict[str, str]:
        """The files by what they are, relative to the folder."""
        return {
            "archive": self.archive.name,
            "plain FITS": self.plain.name,
            "picture": self.picture.name,
        }


@dataclasses.dataclass(frozen=True)
class CoaddWork:
    """Make the coadd of a job and write its files; can be sent to another process."""

    folder: Path
    config: PatchConfig
    resources: Resources
    keep_warps: bool = False
    on_visit: Callable[[], None] | None = None

    def __call__(self, job: PatchJob) -> CoaddRecord:
        """Do the work and return the record of the coadd."""
        start = time.perf_counter()
        # Before anything is read: what changes meanwhile makes the coadd outdated.
        stamp = fingerprint(job, self.config) + (_WITH_WARPS if self.keep_warps else "")
        work = PatchWork(
            resources=self.resources,
            scratch=self.folder,
            keep_warp=self._warp_writer(job) if self.keep_warps else None,
            on_visit=self.on_visit,
        )
        coadd = make_patch(job, self.config, work)
        return self._write(coadd, CoaddFiles(self.folder, job.name), stamp, start)

    def _write(self, coadd: PatchCoadd, files: CoaddFiles, stamp: str, start: float) -> CoaddRecord:
        # An older record would vouch for the new files while they are being written.
        files.record.unlink(missing_ok=True)
        write_archive(coadd, files.archive)
        write_plain_fits(coadd, files.plain)
        write_png(files.picture, image_picture(coadd))
        summary = summarize(coadd, seconds=time.perf_counter() - start)
        record = coadd_record(coadd, summary, pictures=coadd_pictures(coadd, summary), files=files.described)
        record = dataclasses.replace(record, name=files.name, fingerprint=stamp)
        write_record(files.record, record)
        return record

    def _warp_writer(self, job: PatchJob) -> Callable[[Warp], None]:
        folder = make_folder(self.folder / "warps")
        stamps = {_visit(visit[0]): warp_fingerprint(job, visit, self.config) for visit in visits_of(job)}

        def write(warp: Warp) -> None:
            key = warp.instrument, warp.visit
            write_warp(warp, warp_path(folder, job, *key), stamps[key])

        return write


def _visit(source: ExposureSource) -> tuple[str, int]:
    return source.info.id.instrument, source.info.id.visit


def finished_record(
    job: PatchJob, config: PatchConfig, folder: Path, *, keep_warps: bool = False
) -> CoaddRecord | None:
    """Return the record of a coadd that an earlier run finished with the same inputs and options.

    With ``keep_warps``, its warps must be there, too.
    """
    files = CoaddFiles(folder, job.name)
    if not all(path.exists() for path in (files.archive, files.plain, files.picture, files.record)):
        return None
    try:
        record = read_record(files.record, CoaddRecord)
    except UnreadableFileError:  # of another version, or damaged: made again
        return None
    stamp = fingerprint(job, config)
    if record.fingerprint.removesuffix(_WITH_WARPS) != stamp:
        return None
    if keep_warps and not _has_warps(record, job, folder / "warps"):
        return None
    return dataclasses.replace(record, kept=True)


def _has_warps(record: CoaddRecord, job: PatchJob, folder: Path) -> bool:
    visits = {(row["instrument"], row["visit"]) for row in record.inputs}
    return record.fingerprint.endswith(_WITH_WARPS) and all(
        warp_path(folder, job, *visit).exists() for visit in visits
    )


def warp_path(folder: Path, job: PatchJob, instrument: str, visit: int) -> Path:
    """Return where the warp of a visit is."""
    return folder / f"warp-{job.name}-{instrument.replace('/', '_')}-{visit}.fits"


def write_warp(warp: Warp, path: Path, stamp: str, *, compress: bool = False) -> None:
    """Write a warp with a note of what it was made from."""
    warp.metadata[_FINGERPRINT] = stamp
    write_archive(warp, path, compress=compress)


def warp_is_finished(path: Path, stamp: str) -> bool:
    """Return whether a warp is there that was made from the same inputs with the same options."""
    try:
        return path.exists() and read_metadata(path).get(_FINGERPRINT) == stamp
    except UnreadableFileError:  # damaged: made again
        return False


def save_skymap(skymap: SkyMap[Any], folder: Path) -> None:
    """Write a sky map beside what was made on it, unless it is there."""
    path, text = folder / "skymap.json", skymap.to_json()
    if not (path.exists() and path.read_bytes() == text.encode()):
        write_text(path, text)


def make_color_pictures(records: Sequence[CoaddRecord], folder: Path) -> tuple[PictureRecord, ...]:
    """Draw one colour picture per patch that has several bands, and write it into the folder.

    A picture that was drawn of the same coadds is kept.

    Returns
    -------
    tuple of PictureRecord
        Smaller ones for the page.
    """

    def place(record: CoaddRecord) -> tuple[int, tuple[int, int]]:
        return record.summary.tract, record.summary.patch

    pictures = []
    for (tract, patch), group in itertools.groupby(sorted(records, key=place), key=place):
        bands = {record.summary.band: record for record in group}
        if len(bands) > 1:
            picture = _color_picture(bands, folder, f"color-{tract}-{patch[0]},{patch[1]}")
            pictures += [picture] if picture is not None else []
    return tuple(pictures)


def _color_picture(bands: Mapping[str, CoaddRecord], folder: Path, name: str) -> PictureRecord | None:
    path, note = folder / f"{name}.png", folder / f"{name}.json"
    made_of = {band: record.fingerprint.removesuffix(_WITH_WARPS) for band, record in sorted(bands.items())}
    kept = _read_color(note) if path.exists() else None
    if kept is not None and kept[0] == made_of:
        return kept[1]
    images = {band: read_image(CoaddFiles(folder, record.name).archive) for band, record in bands.items()}
    picture, small = composite(images), composite(images, max_side=_PAGE_SIDE)
    if picture is None or small is None:
        return None
    record = picture_record(small)
    note.unlink(missing_ok=True)
    write_png(path, picture)
    write_text(note, json.dumps({"coadds": made_of, "picture": record.to_dict()}))
    return record


def _read_color(note: Path) -> tuple[dict[str, str], PictureRecord] | None:
    try:
        content = json.loads(note.read_text(encoding="utf-8"))
        return content["coadds"], PictureRecord.from_dict(content["picture"])
    except (OSError, ValueError, KeyError, TypeError):  # absent, damaged, of another version: drawn again
        return None

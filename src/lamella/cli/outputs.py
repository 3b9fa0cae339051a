"""The files of one coadd, and whether they are done."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..coadd.archive import PatchCoadd, Warp
from ..coadd.assemble import Resources
from ..coadd.summary import summarize
from ..errors import UnreadableFileError
from ..files import make_folder
from ..formats.archives import read_image
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
from ..run.jobs import PatchConfig, PatchJob, fingerprint
from ..run.patch import PatchWork, make_patch

__all__ = ("CoaddFiles", "CoaddWork", "finished_record", "make_color_pictures")


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
        work = PatchWork(
            resources=self.resources,
            scratch=self.folder,
            keep_warp=self._warp_writer(job) if self.keep_warps else None,
            on_visit=self.on_visit,
        )
        print_of_job = fingerprint(job, self.config)
        coadd = make_patch(job, self.config, work)
        return self._write(coadd, CoaddFiles(self.folder, job.name), print_of_job, start)

    def _write(self, coadd: PatchCoadd, files: CoaddFiles, print_of_job: str, start: float) -> CoaddRecord:
        # An older record would vouch for the new files while they are being written.
        files.record.unlink(missing_ok=True)
        write_archive(coadd, files.archive)
        write_plain_fits(coadd, files.plain)
        write_png(files.picture, image_picture(coadd))
        summary = summarize(coadd, seconds=time.perf_counter() - start)
        record = coadd_record(coadd, summary, pictures=coadd_pictures(coadd, summary), files=files.described)
        record = dataclasses.replace(record, name=files.name, fingerprint=print_of_job)
        write_record(files.record, record)
        return record

    def _warp_writer(self, job: PatchJob) -> Callable[[Warp], None]:
        folder = make_folder(self.folder / "warps")

        def write(warp: Warp) -> None:
            instrument = warp.instrument.replace("/", "_")
            write_archive(warp, folder / f"warp-{job.name}-{instrument}-{warp.visit}.fits", compress=False)

        return write


def finished_record(job: PatchJob, config: PatchConfig, files: CoaddFiles) -> CoaddRecord | None:
    """Return the record of a coadd that an earlier run finished with the same inputs and options."""
    if not all(path.exists() for path in (files.archive, files.plain, files.picture, files.record)):
        return None
    try:
        record = read_record(files.record, CoaddRecord)
    except UnreadableFileError:  # of another version, or damaged: made again
        return None
    if record.fingerprint != fingerprint(job, config):
        return None
    return dataclasses.replace(record, kept=True)


def make_color_pictures(records: Sequence[CoaddRecord], folder: Path) -> tuple[PictureRecord, ...]:
    """Draw one colour picture per patch that has several bands, and write it into the folder.

    Returns
    -------
    tuple of PictureRecord
        Smaller ones for the page.
    """

    def place(record: CoaddRecord) -> tuple[int, tuple[int, int]]:
        return record.summary.tract, record.summary.patch

    pictures = []
    for (tract, patch), group in itertools.groupby(sorted(records, key=place), key=place):
        bands = {record.summary.band: CoaddFiles(folder, record.name) for record in group}
        if len(bands) < 2:
            continue
        images = {band: read_image(files.archive) for band, files in bands.items()}
        picture = composite(images)
        small = composite(images, max_side=_PAGE_SIDE)
        if picture is not None and small is not None:
            write_png(folder / f"color-{tract}-{patch[0]},{patch[1]}.png", picture)
            pictures.append(picture_record(small))
    return tuple(pictures)

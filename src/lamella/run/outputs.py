"""The files that the commands write, and whether they are there already."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..coadd.reject.artifact_masks import ArtifactMasks
from ..coadd.reject.reject import Findings
from ..coadd.summary import summarize
from ..data.coadd import PatchCoadd
from ..data.origins import summarize_origins
from ..data.warp import Warp
from ..errors import UnreadableFileError
from ..file_states import changes_of, note_states, read_states, see_files, settle
from ..filenames import coadd_stem
from ..files import make_folder, write_text
from ..formats.archive.artifact_files import write_artifacts
from ..formats.archive.products import read_image
from ..formats.archive.write import write_archive, write_plain_fits
from ..kernels.watch import watch
from ..report.artifact_picture import artifact_picture
from ..report.composite import composite
from ..report.picture import image_picture, write_png
from ..report.picture_files import embed_pictures, remove_pictures, write_pictures
from ..report.record import (
    CoaddRecord,
    PictureRecord,
    coadd_pictures,
    coadd_record,
    is_as_written,
    picture_record,
    read_record,
    write_record,
)
from ..resources import Resources
from ..texts import read_json
from .attempts import Attempt, Finished, unseen
from .events import COMPILED, Relay
from .fingerprint import fingerprint, input_files, see_inputs
from .jobs import PatchJob
from .patch import PatchWork, make_patch
from .patch_config import PatchConfig
from .rejection import settled_config
from .warp_files import WarpFiles

__all__ = (
    "PRODUCTS",
    "CoaddFiles",
    "CoaddWork",
    "Earlier",
    "StagedWork",
    "find_finished",
    "make_color_pictures",
)

PRODUCTS = re.compile(r"((coadd|color|matched|warp)-.*|skymap\.json|index\.html)", re.DOTALL)
"""Names of all files that the commands write into the folder of a run."""

_WITH_WARPS = "+warps"
_WARPS = "warps"
"""Folder of warps in that of a run."""
_PAGE_SIDE = 1200


@dataclasses.dataclass(frozen=True)
class CoaddFiles:
    """Where the products of one coadd are."""

    folder: Path
    name: str

    @property
    def archive(self) -> Path:
        """The coadd with all its parts, for lamella and `lsst.images`."""
        return self._path(".fits")

    @property
    def plain(self) -> Path:
        """The coadd for every other tool."""
        return self._path("-plain.fits")

    @property
    def picture(self) -> Path:
        """The picture."""
        return self._path(".png")

    @property
    def record(self) -> Path:
        """Numbers and small pictures for the page; written last, so that it says that all is done."""
        return self._path(".json")

    @property
    def artifacts(self) -> Path:
        """What was left out as artifacts, where they were looked for."""
        return self._path("-artifacts.fits")

    @property
    def artifact_picture(self) -> Path:
        """The picture of that."""
        return self._path("-artifacts.png")

    def _path(self, ending: str) -> Path:
        return self.folder / f"coadd-{coadd_stem(self.name)}{ending}"

    def described(self, *, artifacts: bool) -> dict[str, Path]:
        """Return the files that are written before the record, by what they are."""
        files = {"archive": self.archive, "plain FITS": self.plain, "picture": self.picture}
        if artifacts:
            files |= {"artifacts": self.artifacts, "picture of artifacts": self.artifact_picture}
        return files


@dataclasses.dataclass(frozen=True)
class CoaddWork:
    """Make the coadd of a job and write its files; can be sent to another process."""

    folder: Path
    config: PatchConfig
    resources: Resources
    keep_warps: bool = False
    on_step: Relay | None = None
    """Called with the name of the coadd and what `lamella.resources.OnStep` gets."""
    strict: bool = False

    def __call__(self, job: PatchJob) -> CoaddRecord:
        """Do the work and return the record of the coadd."""
        if self.on_step is not None:
            told = self.resources.replace(on_step=functools.partial(self.on_step, job.name))
            try:
                return dataclasses.replace(self, resources=told, on_step=None)(job)
            finally:
                self.on_step(job.name, COMPILED, os.getpid(), round(1000 * watch.seconds()))
        start = watch.clock()
        # Before anything is read: what changes meanwhile makes the coadd outdated.
        seen = see_inputs(job.sources)
        findings: list[Findings] = []
        keep: Callable[[Warp], None] | None = None
        warps: list[Path] = []
        if self.keep_warps:
            keep = WarpFiles.of(make_folder(self.folder / _WARPS), job, self.config, written=warps).write
        work = PatchWork(
            resources=self.resources,
            scratch=self.folder,
            keep_warp=keep,
            keep_matched=keep if settled_config(job, self.config).needs_matched else None,
            on_findings=findings.append,
            strict=self.strict,
        )
        coadd = make_patch(job, self.config, work)
        masks = ArtifactMasks.of(coadd, findings[0])
        files = CoaddFiles(self.folder, job.name)
        record = self._write(coadd, masks, files, start)
        # Now they come from memory: they were read.
        inputs = settle(seen)
        products = see_files(self.folder, [path.relative_to(self.folder).as_posix() for path in warps])
        states = {"inputs": inputs, "products": settle(products, folder=self.folder)}
        record = dataclasses.replace(
            record,
            name=files.name,
            fingerprint=fingerprint(job, self.config, inputs) + (_WITH_WARPS if self.keep_warps else ""),
            states={kind: note_states(noted) for kind, noted in states.items()},
            grid=job.skymap.identity,
            origins=summarize_origins(source.info.origins for source in job.sources),
        )
        write_record(files.record, record)
        return record

    def _write(
        self, coadd: PatchCoadd, masks: ArtifactMasks | None, files: CoaddFiles, start: float
    ) -> CoaddRecord:
        # An older record would vouch for the new files while they are being written.
        files.record.unlink(missing_ok=True)
        self.resources.tell("writing", 0, 2)
        write_archive(coadd, files.archive, threads=self.resources.threads)
        write_plain_fits(coadd, files.plain)
        self.resources.tell("writing", 1, 2)
        write_png(files.picture, image_picture(coadd))
        if masks is None:  # those of an earlier run would be taken for those of this coadd
            files.artifacts.unlink(missing_ok=True)
            files.artifact_picture.unlink(missing_ok=True)
        else:
            write_artifacts(masks, files.artifacts)
            write_png(files.artifact_picture, artifact_picture(coadd, masks))
        summary = summarize(coadd, seconds=watch.clock() - start)
        return coadd_record(
            coadd,
            summary,
            pictures=coadd_pictures(coadd, summary, masks),
            files={what: path.name for what, path in files.described(artifacts=masks is not None).items()},
        )


@dataclasses.dataclass(frozen=True)
class StagedCoadd:
    """A coadd whose files wait to be put in their place."""

    record: CoaddRecord
    files: Finished

    def put_in_place(self, folder: Path) -> CoaddRecord:
        """Replace what an earlier run made of the coadd."""
        products = CoaddFiles(folder, self.record.name)
        products.record.unlink(missing_ok=True)
        for path in (products.artifacts, products.artifact_picture):
            if path.name not in self.files.names:
                path.unlink(missing_ok=True)
        remove_pictures(folder, products.record.stem)
        self.files.put_in_place(folder, products.record.name)
        return self.record


@dataclasses.dataclass(frozen=True)
class StagedWork:
    """Make the coadd of a job aside, on another machine that sees the same files."""

    work: CoaddWork
    absent: frozenset[str]
    """Files of exposures that the machine of the run does not see, either."""

    @classmethod
    def of(cls, work: CoaddWork, jobs: Sequence[PatchJob]) -> StagedWork:
        """Take note of what is to be seen of the exposures of some jobs."""
        files = {file for job in jobs for file in _files_of(job)}
        return cls(work, frozenset(file for file in files if not os.path.exists(file)))

    def __call__(self, job: PatchJob, attempt: Attempt, resources: Resources) -> StagedCoadd:
        """Do the work in the folder of an attempt.

        Raises
        ------
        ClusterError
            Raised when this machine does not see a file.
        """
        for file in sorted(_files_of(job) - self.absent):
            if not os.path.exists(file):
                raise unseen(Path(file))

        def step(stage: str, done: int, total: int) -> None:
            attempt.require_run()
            resources.tell(stage, done, total)

        watched = resources.replace(on_step=step)
        record = dataclasses.replace(self.work, folder=attempt.folder, resources=watched)(job)
        return StagedCoadd(record, attempt.finish())


def _files_of(job: PatchJob) -> frozenset[str]:
    return frozenset(file for source in job.sources for file in input_files(source))


@dataclasses.dataclass(frozen=True)
class Earlier:
    """What an earlier run left of a coadd."""

    record: CoaddRecord | None = None
    """Its record, if it need not be made again."""
    damage: str = ""
    """What happened to its files since, where that is why it must be made again."""


def find_finished(job: PatchJob, config: PatchConfig, folder: Path, *, keep_warps: bool = False) -> Earlier:
    """Return the record of a coadd that an earlier run finished with the same inputs and options.

    Its files must be what they were when they were written; with ``keep_warps``, its warps, too.
    """
    files = CoaddFiles(folder, job.name)
    if not files.record.exists():
        return Earlier()
    try:
        record = read_record(files.record)
    except UnreadableFileError as err:  # of another version, or damaged
        return Earlier(damage=str(err).rstrip("."))
    if not is_as_written(files.record):
        return Earlier(damage=f"{files.record.name} has another content")
    noted = {kind: read_states(values) for kind, values in record.states.items()}
    states = settle(see_inputs(job.sources), noted.get("inputs"))
    if record.fingerprint.removesuffix(_WITH_WARPS) != fingerprint(job, config, states):
        return Earlier()
    if keep_warps and not _has_warps(record, job, folder):
        return Earlier()
    # Records of version 0.1.0 know the names of the files only.
    products = {
        name: state
        for name, state in noted.get("products", {}).items()
        if keep_warps or not name.startswith(f"{_WARPS}/")
    }
    missing = [name for name in record.files.values() if not os.path.exists(folder / name)]
    changes = changes_of(folder, products) or [f"{name} is no longer there" for name in missing]
    if changes:
        return Earlier(damage="; ".join(changes))
    return Earlier(dataclasses.replace(record, kept=True))


def _has_warps(record: CoaddRecord, job: PatchJob, folder: Path) -> bool:
    visits = {(row["instrument"], row["visit"]) for row in record.inputs}
    paths = [WarpFiles.path_of(folder / _WARPS, job, visit) for visit in visits]
    if record.matching:
        unmatched = {(row["instrument"], row["visit"]) for row in record.matching.get("unmatched", ())}
        paths += [
            WarpFiles.path_of(folder / _WARPS, job, visit, matched=True) for visit in visits - unmatched
        ]
    return record.fingerprint.endswith(_WITH_WARPS) and all(path.exists() for path in paths)


def make_color_pictures(records: Sequence[CoaddRecord], folder: Path) -> tuple[PictureRecord, ...]:
    """Draw one colour picture per patch that has several bands, and write it into the folder.

    A picture that was drawn of the same coadds is kept.

    Returns
    -------
    tuple of PictureRecord
        Smaller ones for the page.
    """

    def patch_of(record: CoaddRecord) -> tuple[int, tuple[int, int]]:
        return record.summary.tract, record.summary.patch

    pictures = []
    for (tract, patch), group in itertools.groupby(sorted(records, key=patch_of), key=patch_of):
        bands = {record.summary.band: record for record in group}
        if len(bands) > 1:
            picture = _color_picture(bands, folder, f"color-{tract}-{patch[0]},{patch[1]}")
            pictures += [picture] if picture is not None else []
    return tuple(pictures)


def _color_picture(bands: Mapping[str, CoaddRecord], folder: Path, name: str) -> PictureRecord | None:
    path, note = folder / f"{name}.png", folder / f"{name}.json"
    made_of = {band: record.fingerprint.removesuffix(_WITH_WARPS) for band, record in sorted(bands.items())}
    if path.exists():
        # One that is damaged or of another version is drawn again.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            content = read_json(note, "the note of a picture")
            if content["coadds"] == made_of and not changes_of(folder, read_states(content["states"])):
                (stored,) = embed_pictures({"pictures": [content["picture"]]}, folder)["pictures"]
                return PictureRecord.from_dict(stored)
    images = {band: read_image(CoaddFiles(folder, record.name).archive) for band, record in bands.items()}
    picture, small = composite(images), composite(images, max_side=_PAGE_SIDE)
    if picture is None or small is None:
        return None
    record = picture_record(small)
    note.unlink(missing_ok=True)
    write_png(path, picture)
    (stored,) = write_pictures([record], folder, name)
    states = note_states(settle(see_files(folder, [path.name, stored.source]), folder=folder))
    write_text(note, json.dumps({"coadds": made_of, "picture": stored.to_dict(), "states": states}))
    return record

"""Files of the warps of a patch, each with a note of its inputs and options, so that a rerun keeps it."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from lsst.images.psfs import PointSpreadFunction

from ..data.exposure import ExposureSource
from ..data.warp import Warp
from ..errors import UnreadableFileError
from ..file_states import States, settle
from ..filenames import coadd_stem, file_word
from ..formats.archive.archive_tree import check_archive
from ..formats.archive.products import read_metadata
from ..formats.archive.write import write_archive
from .fingerprint import matched_fingerprint, see_inputs, warp_fingerprint
from .jobs import PatchJob
from .patch import visit_of, visits_of
from .patch_config import PatchConfig

__all__ = ("Visit", "WarpFiles")

_FINGERPRINT = "lamella_fingerprint"

_LOG = logging.getLogger(__name__)

type Visit = tuple[str, int]
"""Instrument and number."""


@dataclasses.dataclass(frozen=True)
class WarpFiles:
    """The warps of the visits of a patch, and those that are matched to a common PSF."""

    folder: Path
    job: PatchJob
    config: PatchConfig
    states: Mapping[Visit, States]
    """What the files of each visit were like before they were read."""
    compress: bool = False
    written: list[Path] | None = None
    """Where the paths of warps that were written are added."""

    @classmethod
    def of(
        cls,
        folder: Path,
        job: PatchJob,
        config: PatchConfig,
        *,
        compress: bool = False,
        written: list[Path] | None = None,
    ) -> WarpFiles:
        """Take the state of the inputs as it is now: what changes later makes the warps outdated."""
        states = {visit_of(sources[0]): see_inputs(sources) for sources in visits_of(job)}
        return cls(folder, job, config, states, compress, written)

    @functools.cached_property
    def _sources(self) -> Mapping[Visit, Sequence[ExposureSource]]:
        return {visit_of(sources[0]): sources for sources in visits_of(self.job)}

    @staticmethod
    def path_of(folder: Path, job: PatchJob, visit: Visit, *, matched: bool = False) -> Path:
        """Return the path of the warp of a visit, or of its matched one."""
        instrument, number = visit
        kind = "matched" if matched else "warp"
        return folder / f"{kind}-{coadd_stem(job.name)}-{file_word(instrument)}-{number}.fits"

    def path(self, visit: Visit, psf: PointSpreadFunction | None = None) -> Path:
        """Return the path of the warp of a visit; with a PSF, of the one that is matched to it."""
        return self.path_of(self.folder, self.job, visit, matched=psf is not None)

    def has(self, visit: Visit, psf: PointSpreadFunction | None = None) -> bool:
        """Return whether a warp is there that was made from the same inputs with the same options."""
        path = self.path(visit, psf)
        try:
            if not path.exists() or read_metadata(path).get(_FINGERPRINT) != self._stamp(visit, psf):
                return False
            check_archive(path)
        except UnreadableFileError as err:
            _LOG.warning("A warp is made again: %s", err)
            return False
        return True

    def write(self, warp: Warp) -> None:
        """Write a warp, direct or matched."""
        visit, psf = (warp.instrument, warp.visit), warp.matched_psf
        warp.metadata[_FINGERPRINT] = self._stamp(visit, psf)
        write_archive(warp, self.path(visit, psf), compress=self.compress)
        if self.written is not None:
            self.written.append(self.path(visit, psf))

    def _stamp(self, visit: Visit, psf: PointSpreadFunction | None) -> str:
        stamp = warp_fingerprint(self.job, self._sources[visit], self.config, settle(self.states[visit]))
        return stamp if psf is None else matched_fingerprint(stamp, psf, self.config)

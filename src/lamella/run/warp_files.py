"""Files of the warps of a patch, each with a note of its inputs and options, so that a rerun keeps it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from lsst.images.psfs import PointSpreadFunction

from ..data.warp import Warp
from ..errors import UnreadableFileError
from ..formats.archive.products import read_metadata
from ..formats.archive.write import write_archive
from .fingerprint import matched_fingerprint, warp_fingerprint
from .jobs import PatchJob
from .patch import visits_of
from .patch_config import PatchConfig

__all__ = ("Visit", "WarpFiles")

_FINGERPRINT = "lamella_fingerprint"

type Visit = tuple[str, int]
"""Instrument and number."""


@dataclasses.dataclass(frozen=True)
class WarpFiles:
    """The warps of the visits of a patch, and those that are matched to a common PSF."""

    folder: Path
    job: PatchJob
    config: PatchConfig
    stamps: Mapping[Visit, str]
    """Text of each visit that differs when its warp would differ."""
    compress: bool = False

    @classmethod
    def of(cls, folder: Path, job: PatchJob, config: PatchConfig, *, compress: bool = False) -> WarpFiles:
        """Take the state of the inputs as it is now: what changes later makes the warps outdated."""
        stamps = {
            (sources[0].info.id.instrument, sources[0].info.id.visit): warp_fingerprint(job, sources, config)
            for sources in visits_of(job)
        }
        return cls(folder, job, config, stamps, compress)

    @staticmethod
    def path_of(folder: Path, job: PatchJob, visit: Visit, *, matched: bool = False) -> Path:
        """Return the path of the warp of a visit, or of its matched one."""
        instrument, number = visit
        kind = "matched" if matched else "warp"
        return folder / f"{kind}-{job.name}-{instrument.replace('/', '_')}-{number}.fits"

    def path(self, visit: Visit, psf: PointSpreadFunction | None = None) -> Path:
        """Return the path of the warp of a visit; with a PSF, of the one that is matched to it."""
        return self.path_of(self.folder, self.job, visit, matched=psf is not None)

    def has(self, visit: Visit, psf: PointSpreadFunction | None = None) -> bool:
        """Return whether a warp is there that was made from the same inputs with the same options."""
        path = self.path(visit, psf)
        try:
            return path.exists() and read_metadata(path).get(_FINGERPRINT) == self._stamp(visit, psf)
        except UnreadableFileError:  # damaged: made again
            return False

    def write(self, warp: Warp) -> None:
        """Write a warp, direct or matched."""
        visit, psf = (warp.instrument, warp.visit), warp.matched_psf
        warp.metadata[_FINGERPRINT] = self._stamp(visit, psf)
        write_archive(warp, self.path(visit, psf), compress=self.compress)

    def _stamp(self, visit: Visit, psf: PointSpreadFunction | None) -> str:
        stamp = self.stamps[visit]
        return stamp if psf is None else matched_fingerprint(stamp, psf, self.config)

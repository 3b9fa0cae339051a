"""How far a run is: the stages of its coadds, and how much of all is done."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Self

from .events import COMPILED, COMPILING
from .jobs import PatchJob
from .patch import visits_of
from .patch_config import PatchConfig
from .rejection import settled_config

__all__ = ("Progress", "ProgressCounter", "stages_of")

_SHARES = {"warping": 1.0, "matching": 1.0, "comparing": 1.0, "stacking": 0.4, "writing": 0.4}
"""About how long a stage takes per visit, in units of reading an exposure and warping it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """A step of a run that is done."""

    job: str
    """Name of the coadd, e.g. ``r-0-5,4``; empty where it is not about one."""
    stage: str
    """``warping`` (exposures are read and resampled), ``matching``, ``comparing``, ``stacking``,
    ``writing``; ``compiling`` when a kernel begins to be compiled."""
    done: int
    """Number of steps of the stage that are done: visits, but tiles in ``stacking``."""
    total: int
    """Number of all steps of the stage."""
    fraction: float
    """How much of the run is done, about, from 0 to 1."""
    visits: int
    """Number of visits of all coadds of the run; a visit counts once for each."""


def stages_of(config: PatchConfig) -> tuple[str, ...]:
    """Return the stages of a coadd in their order."""
    method = config.assemble.reject.method
    matching = ("matching",) if config.needs_matched else ()
    comparing = ("comparing",) if method != "none" else ()
    return ("warping", *matching, *comparing, "stacking", "writing")


class ProgressCounter:
    """Puts the steps of the coadds of a run together; several threads may tell it of steps.

    Parameters
    ----------
    coadds
        Names of the coadds, with the number of visits and the stages of each.
    tell
        Called with each step.
    """

    @classmethod
    def of(
        cls, jobs: Iterable[PatchJob], config: PatchConfig, tell: Callable[[Progress], None] | None
    ) -> Self:
        """Make the counter of the jobs of a run."""
        coadds = {job.name: (len(visits_of(job)), stages_of(settled_config(job, config))) for job in jobs}
        return cls(coadds, tell)

    def __init__(
        self,
        coadds: Mapping[str, tuple[int, Sequence[str]]],
        tell: Callable[[Progress], None] | None = None,
    ) -> None:
        self._tell = tell
        self._visits = {job: visits for job, (visits, _) in coadds.items()}
        self._stages = {job: tuple(stages) for job, (_, stages) in coadds.items()}
        self._done = dict.fromkeys(coadds, 0.0)
        self._compiled: dict[int, int] = {}
        self._lock = threading.Lock()

    def step(self, job: str, stage: str, done: int, total: int) -> None:
        """Note a step, as `lamella.resources.OnStep` gets it."""
        with self._lock:
            if stage == COMPILED:
                self._compiled[done] = total
                return
            if job in self._done and stage in self._stages[job]:
                part = _part(self._stages[job], stage, done / total if total else 1.0)
                self._done[job] = max(self._done[job], part)
            self._say(job, stage, done, total)

    def skip(self, job: str) -> None:
        """Note that a coadd is not made, because it is there."""
        with self._lock:
            self._visits.pop(job, None)
            self._done.pop(job, None)

    def finish(self, job: str) -> None:
        """Note that a coadd is done, or cannot be made."""
        with self._lock:
            self._done[job] = 1.0
            self._say(job, "writing", 2, 2)

    @property
    def compiled_elsewhere(self) -> float:
        """Seconds that other processes waited for kernels to be compiled, at most."""
        others = (spent for process, spent in self._compiled.items() if process != os.getpid())
        return max(others, default=0) / 1000.0

    def _say(self, job: str, stage: str, done: int, total: int) -> None:
        if self._tell is None:
            return
        visits = sum(self._visits.values())
        parts = sum(self._visits[name] * part for name, part in self._done.items())
        fraction = parts / visits if visits and stage != COMPILING else 0.0
        self._tell(Progress(job, stage, done, total, fraction, visits))


def _part(stages: Sequence[str], stage: str, done: float) -> float:
    """Return which part of a coadd is done, when a part of a stage is."""
    before = sum(_SHARES[name] for name in stages[: stages.index(stage)])
    return (before + done * _SHARES[stage]) / sum(_SHARES[name] for name in stages)

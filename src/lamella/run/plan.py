"""The jobs of a run: which exposures, on which patches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..coadd.reject.choice import RejectionChoice
from ..data.exposure import ExposureId
from ..data.origins import OriginSummary, summarize_origins
from ..errors import GeometryError, NoInputsError
from ..formats.recognise import InputProblem, Inputs, open_exposures
from ..report.record import Skipped
from ..sky.skymap import SkyMap
from .choose_grid import GridOptions, choose_skymap
from .jobs import PatchJob, plan_jobs
from .patch_config import CoaddConfig
from .rejection import rejections_of

__all__ = ("RunPlan", "plan_run")


@dataclasses.dataclass(frozen=True)
class RunPlan:
    """The jobs of a run, and the exposures and pixels that they follow from."""

    inputs: Inputs
    skymap: SkyMap[Any]
    jobs: tuple[PatchJob, ...]
    rejections: Mapping[str, RejectionChoice] = dataclasses.field(default_factory=dict)
    """How artifacts are left out, by band, where the options leave that open."""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Files that cannot be used, and why."""
        return tuple(Skipped(problem.path, str(problem.error)) for problem in self.inputs.problems)

    @property
    def notices(self) -> tuple[str, ...]:
        """What a person may not expect of the plan, in sentences."""
        tracts: dict[ExposureId, set[int]] = {}
        for job in self.jobs:
            for source in job.sources:
                tracts.setdefault(source.info.id, set()).add(job.tract)
        several = [numbers for numbers in tracts.values() if len(numbers) > 1]
        if not several:
            return ()
        numbers = sorted(set().union(*several))
        return (
            f"{len(several)} of {len(tracts)} exposures lie on several tracts of the sky map, which overlap "
            f"({', '.join(map(str, numbers))}). They are coadded on each; --tract chooses one.",
        )

    @property
    def origins(self) -> tuple[OriginSummary, ...]:
        """Where values of the exposures come from, as far as their reader chose or measured them."""
        return summarize_origins(source.info.origins for source in self.inputs.sources)


def plan_run(
    paths: Sequence[Path],
    config: CoaddConfig,
    grid: GridOptions,
    *,
    format: str | None = None,
    strict: bool = False,
    leave_out: Path | None = None,
    measure: bool = True,
    on_measured: Callable[[int, int], None] | None = None,
) -> RunPlan:
    """Open the exposures in files and folders, and plan the work on the patches that they overlap.

    Parameters
    ----------
    paths
        Files and folders; the products will name them as absolute paths.
    config
        Options, of which those of reading and selection are used.
    grid
        The pixels, and the bands and patches on them.
    format
        Name of the format of the exposures; `None` to recognise it.
    strict
        Whether a file that cannot be used, and a value that no header tells, is an error.
    leave_out
        Folder of results: that its files are no exposures is no news.
    measure
        Whether pixels of exposures that do not tell all are read; otherwise they cannot be coadded.
    on_measured
        As in `lamella.formats.recognise.open_exposures`.

    Returns
    -------
    RunPlan
        An exposure whose place on the sky cannot be told is among the problems.

    Raises
    ------
    NoInputsError
        Raised when there is no exposure.
    InputError
        Raised when a file that was named cannot be used; with ``strict``, for every file, and for an
        exposure that needs a value measured or assumed.
    GeometryError
        With ``strict``, raised for an exposure whose place on the sky cannot be told.
    """
    opened = open_exposures(
        [path.absolute() for path in paths],
        format=format,
        control=config.read,
        strict=strict or None,
        measure=measure,
        on_measured=on_measured,
    )
    results = leave_out.absolute() if leave_out is not None else None
    problems = [
        problem
        for problem in opened.problems
        if results is None or not Path(problem.path).absolute().is_relative_to(results)
    ]
    sources = []
    for source in opened.sources:
        try:
            _ = source.info.footprint  # which is kept, and looked at again
        except GeometryError as err:
            if strict:
                raise
            problems.append(InputProblem(source.info.path, err))
        else:
            sources.append(source)
    if not sources:
        raise NoInputsError(f"No exposure has a place on the sky: {problems[0]}")
    skymap = choose_skymap(grid, [source.info for source in sources])
    jobs = plan_jobs(
        sources, skymap, config.select, bands=grid.bands, tracts=grid.tracts, patches=grid.patches
    )
    reading = config.read.to_dict()
    return RunPlan(
        Inputs(tuple(sources), tuple(problems)),
        skymap,
        tuple(dataclasses.replace(job, reading=reading) for job in jobs),
        rejections_of(jobs, config),
    )

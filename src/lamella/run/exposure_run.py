"""What the runs over exposures in files have in common: their options, the plan, and the preview."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from ..resources import Resources
from .choose_grid import GridOptions
from .contents import require_same_skymap
from .cost import PatchCost
from .jobs import PatchJob
from .patch_config import CoaddConfig
from .plan import RunPlan, plan_run
from .preview import RunPreview, preview_run

__all__ = ("ExposureRun",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExposureRun(abc.ABC):
    """A run that makes something of the exposures on each patch, and keeps what an earlier one made."""

    output: Path
    """Folder of the results."""
    config: CoaddConfig = dataclasses.field(default_factory=CoaddConfig)
    """All that changes the result."""
    grid: GridOptions = dataclasses.field(default_factory=GridOptions)
    """Pixels, bands and patches; by default all, on one tract around the exposures."""
    resources: Resources = dataclasses.field(default_factory=Resources)
    """Threads and memory."""
    format: str | None = None
    """Name of the format of the exposures; `None` to recognise it."""
    strict: bool = False
    """Whether an exposure that cannot be used, or a value that no header tells, ends the run."""
    overwrite: bool = False
    """Whether results are made again that are done."""
    on_measured: Callable[[int, int], None] | None = None
    """Called with the number of exposures whose pixels were measured, and that of all that are."""

    def preview(self, exposures: Sequence[Path]) -> RunPreview:
        """Say what a call would do; no pixels are read, and nothing is written.

        Parameters
        ----------
        exposures
            Files, folders and tables of exposures.

        Raises
        ------
        NoInputsError
            Raised when there are no exposures.
        NoOverlapError
            Raised when coadds are to be made, and no exposure overlaps a chosen patch.
        OutputError
            Raised when the folder holds results on another sky map.
        """
        plan = self._plan(exposures, measure=False)
        require_same_skymap(self.output, plan.skymap)
        return preview_run(plan, self._cost, self._is_done, self.resources, self.output, self._notes(plan))

    def _plan(self, exposures: Sequence[Path], *, measure: bool = True) -> RunPlan:
        return plan_run(
            exposures,
            self.config,
            self.grid,
            format=self.format,
            strict=self.strict,
            leave_out=self.output,
            measure=measure,
            on_measured=self.on_measured,
        )

    @abc.abstractmethod
    def _cost(self, job: PatchJob, share: Resources) -> PatchCost:
        """Return what a job costs with its share of the resources."""

    @abc.abstractmethod
    def _is_done(self, job: PatchJob) -> bool:
        """Return whether a call would keep what an earlier one made of a job."""

    def _notes(self, plan: RunPlan) -> tuple[str, ...]:
        """Return what else a preview says."""
        return plan.notices

"""The coadd as PipelineTasks: one visit to warp, visits to select, one patch to coadd, a table of inputs."""

from .assemble_coadd import AssembleCoaddPipelineConfig, AssembleCoaddPipelineTask, AssembleWarpsTask
from .input_summary import CoaddInputSummaryConfig, CoaddInputSummaryTask
from .make_warp import MakeWarpConfig, MakeWarpTask, WarpVisitTask
from .select import SelectDeepCoaddVisitsConfig, SelectDeepCoaddVisitsTask, SelectExposuresTask

__all__ = (
    "AssembleCoaddPipelineConfig",
    "AssembleCoaddPipelineTask",
    "AssembleWarpsTask",
    "CoaddInputSummaryConfig",
    "CoaddInputSummaryTask",
    "MakeWarpConfig",
    "MakeWarpTask",
    "SelectDeepCoaddVisitsConfig",
    "SelectDeepCoaddVisitsTask",
    "SelectExposuresTask",
    "WarpVisitTask",
)

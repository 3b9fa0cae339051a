"""The coadd as PipelineTasks: one visit to warp, visits to select, one patch to coadd, tables of inputs."""

from .assemble_coadd import AssembleCoaddPipelineConfig, AssembleCoaddPipelineTask, AssembleWarpsTask
from .input_summary import (
    CoaddInputSummaryConfig,
    CoaddInputSummaryTask,
    ConsolidateCoaddInputSummaryConfig,
    ConsolidateCoaddInputSummaryTask,
)
from .make_warp import MakeWarpConfig, MakeWarpTask, MatchWarpTask, WarpVisitTask
from .select import SelectDeepCoaddVisitsConfig, SelectDeepCoaddVisitsTask, SelectExposuresTask

__all__ = (
    "AssembleCoaddPipelineConfig",
    "AssembleCoaddPipelineTask",
    "AssembleWarpsTask",
    "CoaddInputSummaryConfig",
    "CoaddInputSummaryTask",
    "ConsolidateCoaddInputSummaryConfig",
    "ConsolidateCoaddInputSummaryTask",
    "MakeWarpConfig",
    "MakeWarpTask",
    "MatchWarpTask",
    "SelectDeepCoaddVisitsConfig",
    "SelectDeepCoaddVisitsTask",
    "SelectExposuresTask",
    "WarpVisitTask",
)

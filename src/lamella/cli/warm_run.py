"""A little of everything that lamella computes, so that all of it is compiled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ..coadd.assemble_control import AssembleConfig
from ..coadd.reject.reject_control import RejectControl
from ..coadd.stack.stack_control import Statistic
from ..coadd.warp.warp_control import ImageKernel, WarpControl
from ..formats.archive.products import read_product
from ..formats.archive.write import write_archive
from ..formats.recognise import open_exposures
from ..run.coadds import coadd_exposures
from ..run.patch_config import PatchConfig
from ..sky.field import skymap_from_exposures
from ..testing.config import SurveyConfig
from ..testing.survey import simulate_survey
from .warm_formats import formats_done

__all__ = ("do_everything",)

_SURVEY = SurveyConfig(
    bands=("r",), visits_per_band=3, detector_grid=(1, 1), detector_shape=(150, 150), stars=20, galaxies=10
)
_SEVERAL = _SURVEY.replace(detector_grid=(1, 2), detector_shape=(150, 75))
"""Visits of several detectors, whose weights differ: stacks are compiled for these, too."""
_STATISTICS: tuple[Statistic, ...] = ("NOISECLIP", "MEANCLIP", "MEDIAN", "MEAN", "STDEVCLIP")
_COARSE = 0.5
"""Arcseconds: pixels larger than those of the survey are means of several points."""
_KERNELS: tuple[ImageKernel, ...] = ("lanczos5", "bilinear")
_METHODS: tuple[Literal["safe_clip", "compare_warp"], ...] = ("safe_clip", "compare_warp")


def do_everything(folder: Path) -> Iterator[str]:
    """Do a little of everything, and yield what was done."""
    survey = simulate_survey(folder / "survey", _SURVEY)
    several = simulate_survey(folder / "several", _SEVERAL)
    yield "simulated survey"
    statistics = {
        f"statistic {name}": PatchConfig(assemble=AssembleConfig(statistic=name)) for name in _STATISTICS
    }
    kernels = {f"kernel {name}": PatchConfig(warp=WarpControl(kernel=name)) for name in _KERNELS}
    rejections = {
        f"rejection {name}": PatchConfig(
            assemble=AssembleConfig(statistic="MEAN", reject=RejectControl(method=name))
        )
        for name in _METHODS
    }
    for what, config in (statistics | kernels | rejections).items():
        for coadd in coadd_exposures(open_exposures([survey.table]).sources, config=config):
            write_archive(coadd, folder / "coadd.fits")
        yield what
    for config in statistics.values():
        for _ in coadd_exposures(open_exposures([several.table]).sources, config=config):
            pass
    yield "several detectors"
    sources = open_exposures([survey.table]).sources
    coarse = skymap_from_exposures((source.info for source in sources), pixel_scale=_COARSE)
    for _ in coadd_exposures(sources, coarse):
        yield "larger pixels"
    read_product(folder / "coadd.fits")
    yield "reading and writing"
    yield from formats_done(folder)

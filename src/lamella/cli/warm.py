"""``lamella warm``: compile everything once."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import click
from rich.console import Console
from rich.table import Table

from ..coadd.assemble import AssembleConfig
from ..coadd.reject import RejectControl
from ..coadd.resampling import ImageKernel, WarpControl
from ..coadd.stack import Statistic
from ..formats.archives import read_product
from ..formats.export import write_archive
from ..formats.recognise import open_exposures
from ..run.coadds import coadd_exposures
from ..run.jobs import PatchConfig
from ..testing.config import SurveyConfig
from ..testing.survey import simulate_survey

__all__ = ("command",)

_SURVEY = SurveyConfig(
    bands=("r",), visits_per_band=3, detector_grid=(1, 1), detector_shape=(150, 150), stars=20, galaxies=10
)
_STATISTICS: tuple[Statistic, ...] = ("NOISECLIP", "MEANCLIP", "MEDIAN", "MEAN", "STDEVCLIP")
_KERNELS: tuple[ImageKernel, ...] = ("lanczos5", "bilinear")


@click.command("warm")
def command() -> None:
    """Compile what lamella computes with, so that no later run has to wait for it.

    The compiled code is kept beside the package, or where the environment
    variable NUMBA_CACHE_DIR says. What was compiled before takes no time.
    """
    table = Table("What", "Seconds", title="Compiled")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="lamella") as folder:
        for what in _steps(Path(folder)):
            now = time.perf_counter()
            table.add_row(what, f"{now - start:.1f}")
            start = now
    Console().print(table)


def _steps(folder: Path) -> Iterator[str]:
    """Do a little of everything, and yield what was done."""
    survey = simulate_survey(folder / "survey", _SURVEY)
    yield "simulated survey"
    for what, config in _configs():
        for coadd in coadd_exposures(open_exposures([survey.table]).sources, config=config):
            write_archive(coadd, folder / "coadd.fits")
        yield what
    read_product(folder / "coadd.fits")
    yield "reading and writing"


def _configs() -> Iterator[tuple[str, PatchConfig]]:
    for statistic in _STATISTICS:
        yield f"statistic {statistic}", PatchConfig(assemble=AssembleConfig(statistic=statistic))
    for kernel in _KERNELS:
        yield f"kernel {kernel}", PatchConfig(warp=WarpControl(kernel=kernel))
    methods: tuple[Literal["safe_clip", "compare_warp"], ...] = ("safe_clip", "compare_warp")
    for method in methods:
        reject = AssembleConfig(statistic="MEAN", reject=RejectControl(method=method))
        yield f"rejection {method}", PatchConfig(assemble=reject)

"""``lamella warp``: from exposures to warps."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ..coadd.inputs import ExposureSource
from ..coadd.warp import make_warp
from ..errors import NoInputsError
from ..files import make_folder
from ..formats.export import write_archive
from ..formats.recognise import open_exposures
from ..run.jobs import PatchJob, plan_jobs
from .grid import GridOptions, choose_skymap, grid_options
from .options import build_config, config_file_options, config_options
from .settings import READ_OPTIONS, SELECT_OPTIONS, WARP_OPTIONS, CoaddConfig

__all__ = ("command",)

_OPTIONS = (*WARP_OPTIONS, *SELECT_OPTIONS, *READ_OPTIONS)


@click.command("warp")
@click.argument("exposures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the warps.")
@click.option("--format", "format_name", help="Format of the exposures.  [default: recognised]")
@grid_options
@click.option("--band", "bands", multiple=True, help="This band only. Can be repeated.")
@click.option("--patch", "patches", multiple=True, help='This patch only, e.g. "5,4". Can be repeated.')
@config_options(CoaddConfig, _OPTIONS)
@config_file_options
@click.option("--compress/--no-compress", default=False, show_default=True, help="Compress the files.")
@click.option("--overwrite", is_flag=True, help="Make warps again that are there.")
def command(
    exposures: tuple[Path, ...],
    output: Path,
    format_name: str | None,
    bands: tuple[str, ...],
    patches: tuple[str, ...],
    config_values: dict[str, Any],
    settings: tuple[str, ...],
    compress: bool,
    overwrite: bool,
    **given: Any,
) -> None:
    """Resample EXPOSURES to the pixels of the patches that they overlap: one warp per visit and patch."""
    grid = GridOptions.take(given)
    config = build_config(CoaddConfig, _OPTIONS, given=given, nested=config_values, settings=settings)
    folder = make_folder(output)
    sources = open_exposures(exposures, format=format_name, control=config.read).sources
    skymap = choose_skymap(grid, [source.info for source in sources])
    skymap.save(folder / "skymap.json")
    table = Table("warp", "detectors", "pixels", box=None, pad_edge=False)
    for job in plan_jobs(sources, skymap, config.select, bands=bands, patches=patches):
        for row in _warp_patch(job, config, folder, compress=compress, overwrite=overwrite):
            table.add_row(*row)
    if not table.row_count:
        raise NoInputsError("No warp was made: no exposure has valid data on a patch.")
    Console(stderr=True).print(table)


def _warp_patch(
    job: PatchJob, config: CoaddConfig, folder: Path, *, compress: bool, overwrite: bool
) -> list[tuple[str, str, str]]:
    rows = []
    target = job.target()
    for (instrument, visit), group in itertools.groupby(job.sources, key=_visit_of):
        path = folder / f"warp-{job.name}-{instrument.replace('/', '_')}-{visit}.fits"
        if path.exists() and not overwrite:
            rows.append((path.name, "kept", ""))
            continue
        warp = make_warp(
            [source.read() for source in group], target.projection, target.outer_bbox, config.warp
        )
        if warp is None:
            continue
        write_archive(warp, path, compress=compress)
        good = sum(detector.good_pixels for detector in warp.detectors)
        rows.append((path.name, str(len(warp.detectors)), str(good)))
    return rows


def _visit_of(source: ExposureSource) -> tuple[str, int]:
    return source.info.id.instrument, source.info.id.visit

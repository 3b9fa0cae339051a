"""``lamella inspect``: say what a file holds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console, RenderableType
from rich.table import Table

from ..coadd.archive import PatchCoadd, Warp
from ..coadd.inputs import Exposure, ExposureSource
from ..coadd.summary import summarize
from ..formats.archives import is_product, read_product
from ..formats.recognise import open_exposures
from ..report.console import summary_table
from ..report.record import coadd_record
from ..sky.registry import load_skymap
from .skymap import describe_skymap

__all__ = ("command",)


@click.command("inspect")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--pixels", is_flag=True, help="Read the pixels of exposures, too: noise, masked parts, PSF.")
@click.option("--format", "format_name", help="Format of exposures.  [default: recognised from the headers]")
def command(files: tuple[Path, ...], pixels: bool, format_name: str | None) -> None:
    """Say what FILES hold: exposures, warps, coadds or sky maps."""
    console = Console()
    exposures = [file for file in files if not _show_product(console, file)]
    if exposures:
        inputs = open_exposures(exposures, format=format_name)
        console.print(_exposure_table(inputs.sources))
        for source in inputs.sources if pixels else ():
            console.print(_pixel_table(source.read()))


def _show_product(console: Console, file: Path) -> bool:
    """Print what lamella made; return whether the file is of that kind."""
    if file.suffix == ".json":
        console.print(describe_skymap(load_skymap(file)))
        return True
    if not is_product(file):
        return False
    product = read_product(file)
    console.print(product.describe())
    if isinstance(product, PatchCoadd):
        _show_coadd(console, product)
    else:
        console.print(_rows_table("Detectors", _detector_rows(product)))
    return True


def _show_coadd(console: Console, coadd: PatchCoadd) -> None:
    record = coadd_record(coadd, summarize(coadd), pictures=())
    console.print(summary_table([record]))
    columns = ("visit", "detector", "weight", "good_pixels", "psf_fwhm", "path")
    console.print(_rows_table("Inputs", [{name: row[name] for name in columns} for row in record.inputs]))
    if record.rejected:
        console.print(_rows_table("Left out", record.rejected))
    fractions = [
        {"plane": name, "pixels": f"{100 * part:.3g} %", "meaning": record.planes[name]}
        for name, part in record.summary.mask_fractions.items()
    ]
    console.print(_rows_table("Mask planes", fractions))


def _detector_rows(warp: Warp) -> list[dict[str, Any]]:
    return [
        {"detector": d.id.detector, "good pixels": d.good_pixels, "PSF FWHM": d.psf_fwhm, "file": d.path}
        for d in warp.detectors
    ]


def _exposure_table(sources: Iterable[ExposureSource]) -> Table:
    rows = []
    for source in sources:
        info = source.info
        centre = info.projection.pixel_to_sky(x=info.bbox.x.center, y=info.bbox.y.center)
        rows.append(
            {
                "exposure": str(info.id),
                "band": info.band,
                "size": f"{info.bbox.x.size} x {info.bbox.y.size}",
                "centre": f"{centre.ra.deg:.5f} {centre.dec.deg:+.5f}",
                "PSF ″": "" if info.psf_fwhm is None else f"{info.psf_fwhm:.2f}",
                "format": info.format,
                "file": Path(info.path).name,
            }
        )
    return _rows_table("Exposures", rows)


def _pixel_table(exposure: Exposure) -> Table:
    pixels = exposure.pixels
    good = np.isfinite(pixels.image.array) & np.isfinite(pixels.variance.array)
    noise = float(np.sqrt(np.median(pixels.variance.array[good]))) if good.any() else np.nan
    rows = [
        {"what": "pixels with data", "value": f"{100 * good.mean():.2f} %"},
        {"what": "noise per pixel (from the variance)", "value": f"{noise:.4g} {pixels.unit or 'counts'}"},
    ]
    if isinstance(exposure.to_njy, float):
        rows.append({"what": "nJy per unit", "value": f"{exposure.to_njy:.6g}"})
    for name in pixels.mask.schema.names:
        part = pixels.mask.get(name).mean()
        if part:
            rows.append({"what": f"mask {name}", "value": f"{100 * part:.3g} %"})
    rows += [{"what": "note", "value": note} for note in exposure.notes]
    return _rows_table(str(exposure.info.id), rows)


def _rows_table(title: str, rows: Iterable[dict[str, Any]]) -> RenderableType:
    rows = list(rows)
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in rows[0] if rows else ("nothing",):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    return table


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return "" if value is None else str(value)

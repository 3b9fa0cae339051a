"""Descriptions of files of all kinds on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ..data.coadd import PatchCoadd
from ..errors import LamellaError
from ..formats.archive.artifact_files import is_artifact_file, read_artifacts
from ..formats.archive.products import is_product, read_product
from ..formats.contents import contents_of
from ..formats.file_index import is_fits_name
from ..formats.readers import Role
from ..formats.recognise import open_exposures, recognise
from ..report.record import Skipped
from ..sky.registry import load_skymap
from .describe_afw import describe_afw
from .describe_artifacts import describe_artifacts
from .describe_fits import describe_fits
from .describe_products import (
    describe_coadd,
    describe_exposure,
    describe_plain_fits,
    describe_warp,
    exposure_table,
    is_plain_fits,
)
from .describe_skymap import describe_skymap
from .progress import show_progress

__all__ = ("show_files",)


def show_files(
    files: Sequence[Path], format_name: str | None, *, pixels: bool, verbose: bool
) -> list[Skipped]:
    """Describe files on the terminal; exposures come last, in one table.

    Parameters
    ----------
    files
        Exposures, warps, coadds, artifacts or sky maps.
    format_name
        Name of the format of the exposures; `None` to recognise it.
    pixels
        Whether the pixels of exposures are read, too.
    verbose
        Whether all inputs are shown with their files, options and versions.

    Returns
    -------
    list of Skipped
        Files that were not understood, and why.
    """
    console = Console()
    exposures, failures = [], []
    for file in files:
        try:
            description, is_exposure = describe_afw(file, verbose=verbose) or (None, True)
            if description is not None:
                console.print(description)
            # Exposures of afw are listed with others, too.
            if is_exposure and not _show_own(console, file, verbose):
                if format_name is None and file.is_file() and _is_other_fits(file):
                    console.print(describe_fits(contents_of(file)))
                else:
                    exposures.append(file)
        except LamellaError as err:
            failures.append(Skipped(str(file), str(err)))
    if exposures:
        with show_progress() as reporter:
            inputs = open_exposures(
                exposures, format=format_name, strict=False, measure=pixels, on_measured=reporter.measured
            )
        console.print(exposure_table(inputs.sources, verbose=verbose))
        failures += [Skipped(problem.path, str(problem.error)) for problem in inputs.problems]
        for source in inputs.sources if pixels else ():
            try:
                console.print(describe_exposure(source.read()))
            except LamellaError as err:
                failures.append(Skipped(source.info.path, str(err)))
    return failures


def _show_own(console: Console, file: Path, verbose: bool) -> bool:
    """Describe what lamella wrote; return whether the file is of that kind."""
    if file.suffix == ".json":
        console.print(describe_skymap(load_skymap(file)))
        return True
    if is_artifact_file(file):
        console.print(describe_artifacts(read_artifacts(file), file))
        return True
    if is_plain_fits(file):
        console.print(describe_plain_fits(file))
        return True
    if not is_product(file):
        return False
    product = read_product(file)
    if isinstance(product, PatchCoadd):
        console.print(describe_coadd(product, file, verbose=verbose))
    else:
        console.print(describe_warp(product, file, verbose=verbose))
    return True


def _is_other_fits(file: Path) -> bool:
    """Return whether a file is FITS and neither an exposure nor of lamella: a companion, or anything else."""
    if not is_fits_name(file):
        return False
    format, role = recognise(file)
    if role is not Role.EXPOSURE or format is None:
        return True
    # Any image is taken for a plain exposure until its WCS is asked for.
    return format.last_resort and bool(contents_of(file).missing)

"""Descriptions of files of all kinds on the terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ..coadd.reject.artifact_masks import ArtifactMasks
from ..data.coadd import PatchCoadd
from ..data.exposure import ExposureSource
from ..data.warp import Warp
from ..errors import LamellaError
from ..formats.archive.artifact_files import is_artifact_file, read_artifacts
from ..formats.archive.products import is_product, read_product
from ..formats.contents import FitsContents, contents_of
from ..formats.file_index import is_fits_name
from ..formats.readers import Role
from ..formats.recognise import open_exposures, recognise
from ..report.console import summary_table
from ..report.record import CoaddRecord, Skipped, read_record
from ..sky.registry import load_skymap
from ..sky.skymap import SkyMap
from .console import Console
from .describe_afw import afw_product, describe_afw
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
from .describe_skymap import describe_skymap, first_tracts
from .inspect_values import (
    artifact_values,
    coadd_values,
    exposure_values,
    fits_values,
    pixel_values,
    plain_fits_values,
    record_values,
    skymap_values,
    warp_values,
)
from .json_out import print_json
from .progress import show_progress

__all__ = ("show_files",)


def show_files(
    files: Sequence[Path], format_name: str | None, *, pixels: bool, verbose: bool, as_json: bool = False
) -> list[Skipped]:
    """Describe files on the terminal; exposures come last, in one table.

    Parameters
    ----------
    files
        Exposures, warps, coadds, artifacts, sky maps, or folders of exposures or results.
    format_name
        Name of the format of the exposures; `None` to recognise it.
    pixels
        Whether the pixels of exposures are read, too.
    verbose
        Whether all inputs are shown with their files, options and versions.
    as_json
        Whether one list of JSON is printed, with all that is known.

    Returns
    -------
    list of Skipped
        Files that were not understood, and why.
    """
    view: _View = _Values() if as_json else _Screen(verbose)
    exposures, failures = [], []
    for file in files:
        try:
            # Exposures of afw are listed with others, too.
            if view.show_afw(file) and not _show_own(view, file):
                if format_name is None and os.path.isfile(file) and _is_other_fits(file):
                    view.show_fits(contents_of(file))
                else:
                    exposures.append(file)
        except LamellaError as err:
            failures.append(Skipped(str(file), str(err)))
    try:
        if exposures:
            with show_progress() as reporter:
                inputs = open_exposures(
                    exposures, format=format_name, strict=False, measure=pixels, on_measured=reporter.measured
                )
            failures += [Skipped(problem.path, str(problem.error)) for problem in inputs.problems]
            failures += view.show_exposures(inputs.sources, pixels=pixels)
    finally:
        view.end()
    return failures


def _show_own(view: _View, file: Path) -> bool:
    """Describe what lamella wrote; return whether the file is of that kind."""
    if os.path.isdir(file):
        records = sorted(file.glob("coadd-*.json"))
        for path in records:
            view.show_record(read_record(path), path)
        return bool(records)
    if file.suffix == ".json":
        view.show_skymap(load_skymap(file), file)
    elif is_artifact_file(file):
        view.show_artifacts(read_artifacts(file), file)
    elif is_plain_fits(file):
        view.show_plain(file)
    elif is_product(file):
        product = read_product(file)
        if isinstance(product, PatchCoadd):
            view.show_coadd(product, file)
        else:
            view.show_warp(product, file)
    else:
        return False
    return True


class _View(Protocol):
    """Takes what files hold."""

    def show_afw(self, file: Path) -> bool:
        """Describe a file of afw; return whether it may be an exposure, or is none of afw."""

    def show_record(self, record: CoaddRecord, path: Path) -> None: ...

    def show_skymap(self, skymap: SkyMap[Any], path: Path) -> None: ...

    def show_artifacts(self, masks: ArtifactMasks, path: Path) -> None: ...

    def show_plain(self, path: Path) -> None: ...

    def show_coadd(self, coadd: PatchCoadd, path: Path) -> None: ...

    def show_warp(self, warp: Warp, path: Path) -> None: ...

    def show_fits(self, contents: FitsContents) -> None: ...

    def show_exposures(self, sources: Sequence[ExposureSource], *, pixels: bool) -> list[Skipped]:
        """Describe exposures; return those whose pixels cannot be read."""

    def end(self) -> None:
        """Print what has waited for the end."""


class _Screen:
    """Prints tables."""

    def __init__(self, verbose: bool) -> None:
        self._console, self._verbose = Console(), verbose
        self._records: list[CoaddRecord] = []

    def show_afw(self, file: Path) -> bool:
        description, is_exposure = describe_afw(file, verbose=self._verbose) or (None, True)
        if description is not None:
            self._console.print(description)
        return is_exposure

    def show_record(self, record: CoaddRecord, path: Path) -> None:
        self._records.append(record)

    def show_skymap(self, skymap: SkyMap[Any], path: Path) -> None:
        self._console.print(describe_skymap(skymap))

    def show_artifacts(self, masks: ArtifactMasks, path: Path) -> None:
        self._console.print(describe_artifacts(masks, path))

    def show_plain(self, path: Path) -> None:
        self._console.print(describe_plain_fits(path))

    def show_coadd(self, coadd: PatchCoadd, path: Path) -> None:
        self._console.print(describe_coadd(coadd, path, verbose=self._verbose))

    def show_warp(self, warp: Warp, path: Path) -> None:
        self._console.print(describe_warp(warp, path, verbose=self._verbose))

    def show_fits(self, contents: FitsContents) -> None:
        self._console.print(describe_fits(contents))

    def show_exposures(self, sources: Sequence[ExposureSource], *, pixels: bool) -> list[Skipped]:
        self._console.print(exposure_table(sources, verbose=self._verbose))
        failures = []
        for source in sources if pixels else ():
            try:
                self._console.print(describe_exposure(source.read()))
            except LamellaError as err:
                failures.append(Skipped(source.info.path, str(err)))
        return failures

    def end(self) -> None:
        if self._records:
            self._console.print(summary_table(self._records))


class _Values:
    """Collects values, and prints them as JSON."""

    def __init__(self) -> None:
        self._values: list[dict[str, Any]] = []

    def show_afw(self, file: Path) -> bool:
        product = afw_product(file)
        if isinstance(product, PatchCoadd):
            self.show_coadd(product, file)
        elif product is not None:
            self.show_warp(product, file)
        return product is None

    def show_record(self, record: CoaddRecord, path: Path) -> None:
        self._values.append(record_values(record, path))

    def show_skymap(self, skymap: SkyMap[Any], path: Path) -> None:
        self._values.append({"file": str(path), **skymap_values(skymap, first_tracts(skymap))})

    def show_artifacts(self, masks: ArtifactMasks, path: Path) -> None:
        self._values.append(artifact_values(masks, path))

    def show_plain(self, path: Path) -> None:
        self._values.append(plain_fits_values(path))

    def show_coadd(self, coadd: PatchCoadd, path: Path) -> None:
        self._values.append(coadd_values(coadd, path))

    def show_warp(self, warp: Warp, path: Path) -> None:
        self._values.append(warp_values(warp, path))

    def show_fits(self, contents: FitsContents) -> None:
        self._values.append(fits_values(contents))

    def show_exposures(self, sources: Sequence[ExposureSource], *, pixels: bool) -> list[Skipped]:
        failures = []
        for source in sources:
            values = exposure_values(source)
            try:
                self._values.append(values | (pixel_values(source.read()) if pixels else {}))
            except LamellaError as err:
                failures.append(Skipped(source.info.path, str(err)))
        return failures

    def end(self) -> None:
        print_json(self._values)


def _is_other_fits(file: Path) -> bool:
    """Return whether a file is FITS and neither an exposure nor of lamella: a companion, or anything else."""
    if not is_fits_name(file):
        return False
    format, role = recognise(file)
    if role is not Role.EXPOSURE or format is None:
        return True
    # Any image is taken for a plain exposure until its WCS is asked for.
    return format.last_resort and bool(contents_of(file).missing)

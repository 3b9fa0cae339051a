"""From inputs of any kind to coadds in one call, for programs."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from ..coadd.reject.reject import Findings
from ..coadd.stack.combination import Combine, require_function
from ..data.coadd import PatchCoadd
from ..data.exposure import Exposure, ExposureSource
from ..data.origins import summarize_origins
from ..errors import WrongTypeError
from ..formats.given.folder import GivenFolder
from ..formats.given.inputs import open_inputs
from ..formats.read_control import ReadControl
from ..formats.recognise import Inputs
from ..resources import Resources
from ..sky.field import skymap_from_exposures
from ..sky.skymap import SkyMap
from .jobs import PatchJob, plan_jobs
from .patch import PatchWork, make_patch
from .patch_config import CoaddConfig, PatchConfig

if TYPE_CHECKING:
    import astropy.units as u
    import numpy as np
    from astropy.io import fits
    from astropy.nddata import NDData, NDUncertainty
    from astropy.wcs import WCS

    type Projection = WCS | fits.Header
    type Plane = np.ndarray | u.Quantity
    type Hdu = fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU | fits.HDUList
    type Input = (
        str | PathLike[str]
        | tuple[Plane, Projection] | tuple[Plane, Projection, Plane | NDUncertainty | float | None]
        | NDData | Hdu | Exposure | ExposureSource
    )  # fmt: skip

__all__ = ("coadd_exposures",)

_LOG = logging.getLogger(__name__)


def coadd_exposures(
    inputs: Input | Inputs | Iterable[Input | Iterable[Input]],
    skymap: SkyMap[Any] | None = None,
    config: PatchConfig | None = None,
    *,
    bands: Iterable[str] = (),
    resources: Resources | None = None,
    on_findings: Callable[[Findings], None] | None = None,
    combine: Combine | None = None,
) -> Iterator[PatchCoadd]:
    """Make the coadds of exposures of any kind: one per band and patch.

    They have the same bits as those that ``lamella coadd`` makes of the same images in files.  What an input
    does not tell (noise, bad pixels, sky, PSF, relative scale) is measured in the pixels of all of them, as
    for files, and said in the notes of the coadds.

    Parameters
    ----------
    inputs
        In any mixture: names of files and folders, also with ``*``; ``(array, wcs)`` and
        ``(array, wcs, variance)``; `~astropy.nddata.NDData` and `~astropy.nddata.CCDData`; HDUs and HDU lists
        of `astropy.io.fits`, which are taken as their file would be; `lamella.Exposure`; exposure sources,
        such as `lamella.open_exposures` returns.  They are looked at during the call, in which arrays are
        copied to a temporary folder: they may be changed afterwards.
    skymap
        Tracts and patches; by default one tract around the exposures.
    config
        Which exposures are used, and how; of a `lamella.run.patch_config.CoaddConfig` also how they are read.
    bands
        Make coadds of these bands only; empty means all.
    resources
        Threads and memory; the results do not depend on them.
    on_findings
        Called for each coadd, before it is given, with the artifacts that were
        found; `lamella.ArtifactMasks.of` puts both together.
    combine
        A statistic of one's own, as `lamella.assemble` takes it; like another statistic it means that no
        artifacts are looked for unless ``config`` says how.

    Returns
    -------
    Iterator of PatchCoadd
        Sorted by band, tract and patch; each is made when it is asked for.

    Raises
    ------
    WrongTypeError
        Raised when an input is of another kind; like all errors about arrays it names the index of the input.
    InputError
        Raised when an input cannot be used.
    NoInputsError
        Raised when there are no exposures, or, when a coadd is asked for, none is left for it.

    Examples
    --------
    >>> import lamella
    >>> (coadd,) = lamella.coadd_exposures(["demo/survey/exposures.ecsv"], bands=["r"])
    >>> coadd.band, str(coadd.unit), int(coadd.exposure_count.array.min())
    ('r', 'nJy', 0)
    """
    config = _checked(config, combine)
    control = config.read if isinstance(config, CoaddConfig) else ReadControl()
    folder = GivenFolder()
    try:
        opened = open_inputs(inputs, folder, control=control)
        if skymap is None:
            skymap = skymap_from_exposures(source.info for source in opened)
        jobs = plan_jobs(opened.sources, skymap, config.select, bands=bands)
    except BaseException:
        folder.close()
        raise
    if isinstance(config, CoaddConfig):
        jobs = tuple(dataclasses.replace(job, reading=control.to_dict()) for job in jobs)
        config = config.patch_config()
    work = PatchWork(resources=resources or Resources(), on_findings=on_findings)
    make = functools.partial(make_patch, config=config, work=work, combine=combine)
    return _coadds(jobs, make, _left_out(opened), folder)


def _checked(config: PatchConfig | None, combine: Combine | None) -> PatchConfig:
    if not isinstance(config, PatchConfig | None):
        raise WrongTypeError.of(config, "config", expected="a PatchConfig")
    config = config or PatchConfig()
    if combine is None:
        return config
    require_function(combine)
    return config.settled("none")


def _left_out(opened: Inputs) -> tuple[str, ...]:
    """Tell which inputs are left out, and return that as notes."""
    notes = tuple(f"Left out: {problem}" for problem in opened.problems)
    for note in notes:
        _LOG.warning(note)
    return notes


def _coadds(
    jobs: Sequence[PatchJob],
    make: Callable[[PatchJob], PatchCoadd],
    notes: Sequence[str],
    folder: GivenFolder,
) -> Iterator[PatchCoadd]:
    with folder:
        for job in jobs:
            coadd = make(job)
            yield coadd.replace(notes=(*coadd.notes, *_guesses(job), *notes))


def _guesses(job: PatchJob) -> tuple[str, ...]:
    """Return what was measured or assumed of the exposures of a coadd, as notes."""
    guessed = (
        {name: item for name, item in source.info.origins.items() if item.guessed} for source in job.sources
    )
    return tuple(
        f"{item.name[0].upper()}{item.name[1:]} {item.kind} {item.how}"
        f"{f': {item.values}' if item.values else ''} ({item.count} exposure{'s' if item.count > 1 else ''})."
        for item in summarize_origins(guessed)
    )

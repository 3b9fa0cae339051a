"""Exposures made of arrays: what is not said is measured in the pixels."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

from astropy.nddata import NDData

from ...data.arrays import Arrays, Known
from ...data.exposure import Exposure
from ...errors import WrongTypeError
from ..measure import measure_sources
from ..read_control import ReadControl
from .folder import GivenFolder
from .images import arrays_of_image, arrays_of_nddata
from .opening import GivenOpening, open_arrays

__all__ = ("exposure_from_arrays", "exposure_from_ccddata")

_numbers = itertools.count(1)
"""Those of exposures that have no other, so that each of a process has an identity."""


def exposure_from_arrays(image: Any, wcs: Any, known: Known | None = None) -> Exposure:
    """Make the exposure of an array, see `lamella.Exposure.from_arrays`."""
    number = next(_numbers)
    label = f"array {number}"
    return _exposure(arrays_of_image(image, wcs, known or Known(), label), label, number)


def exposure_from_ccddata(data: NDData, known: Known | None = None) -> Exposure:
    """Make the exposure of an image of `astropy.nddata`, see `lamella.Exposure.from_ccddata`."""
    number = next(_numbers)
    label = f"array {number}"
    if not isinstance(data, NDData):
        raise WrongTypeError.of(data, "ccd", expected="an image of astropy.nddata, e.g. a CCDData")
    return _exposure(arrays_of_nddata(data, known or Known(), label), label, number)


def _exposure(arrays: Arrays, label: str, number: int) -> Exposure:
    with GivenFolder() as folder:
        sources = open_arrays(arrays, label, number, GivenOpening(folder, ReadControl()))
        measured = measure_sources(sources, threads=1)
        for _, error in measured.faults:
            raise folder.renamed(error)
        (source,) = measured.sources
        exposure = source.read()
    depends = _depends_on_others(exposure)
    return dataclasses.replace(exposure, given=arrays if depends else None)


def _depends_on_others(exposure: Exposure) -> bool:
    """Return whether other exposures would tell something that this one does not."""
    origins = exposure.info.origins
    told = (origins.get(name) for name in ("relative scale", "PSF"))
    return not exposure.info.flux_unit.is_absolute or any(item is not None and item.guessed for item in told)

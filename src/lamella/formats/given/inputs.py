"""Inputs of any kind, in any mixture: files, arrays, images of astropy, exposures and their sources."""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.nddata import NDData
from lsst.images import MaskedImage

from ...data.arrays import Known
from ...data.exposure import Exposure, ExposureInfo, ExposureSource
from ...errors import InputError, LamellaError, NoInputsError, WrongTypeError
from ..read_control import ReadControl
from ..recognise import InputProblem, Inputs, open_exposures
from .folder import GivenFolder
from .images import arrays_of_image, arrays_of_nddata
from .opening import GivenOpening, open_arrays, open_hdus
from .projections import is_projection

__all__ = ("open_inputs",)

_WANTED = (
    "the name of a file or folder, (array, wcs), (array, wcs, variance), NDData or CCDData, an HDU or "
    "HDUList of astropy, an Exposure, or an exposure source"
)
_PATTERN = set("*?[")
_SEVERAL = "a list of them"


@dataclasses.dataclass(frozen=True)
class ExposureValue:
    """An exposure in memory as an exposure source."""

    exposure: Exposure

    @property
    def info(self) -> ExposureInfo:
        """Its description."""
        return self.exposure.info

    def read(self) -> Exposure:
        """Return the exposure, which is not to be changed."""
        return self.exposure


def open_inputs(
    inputs: Any,
    folder: GivenFolder,
    *,
    control: ReadControl | None = None,
    on_measured: Callable[[int, int], None] | None = None,
) -> Inputs:
    """Open inputs of any kind as exposures; what none of them says is measured, in all of them together.

    Parameters
    ----------
    inputs
        One input, or several in any mixture, also of lists.
    folder
        Takes copies of what is in memory.
    control
        How exposures are read.
    on_measured
        As in `lamella.formats.recognise.open_exposures`.

    Returns
    -------
    Inputs
        The exposures, and files that were skipped.

    Raises
    ------
    WrongTypeError
        Raised for an input of another kind; it names its index, as do all errors about what is in memory.
    InputError
        Raised when an input cannot be used.
    NoInputsError
        Raised when there are none.
    """
    sorter = _Sorter(GivenOpening(folder, control or ReadControl()))
    try:
        for visit, (label, item) in enumerate(_flattened(inputs, "inputs")):
            sorter.add(item, label, visit)
        if not sorter.paths and not sorter.sources:
            raise NoInputsError("There are no exposures: no inputs were given.")
        opened = open_exposures(
            sorter.paths, control=control, on_measured=on_measured, sources=sorter.sources
        )
    except LamellaError as err:
        raise folder.renamed(err) from err.__cause__
    problems = (InputProblem(item.path, folder.renamed(item.error)) for item in opened.problems)
    return Inputs(opened.sources, tuple(problems))


def _flattened(inputs: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield all inputs with their names; of lists in lists with all indices."""
    if _is_one(inputs):
        yield name, inputs
        return
    if not isinstance(inputs, Iterable) or isinstance(inputs, bytes | np.ndarray | dict):
        raise WrongTypeError(name, found=_told(inputs), expected=f"{_WANTED}, or {_SEVERAL}")
    for index, item in enumerate(inputs):
        yield from _flattened(item, f"{name}[{index}]")


def _is_one(item: Any) -> bool:
    """Return whether a value is one input."""
    kinds = (str, os.PathLike, NDData, fits.HDUList, MaskedImage, Exposure)
    return isinstance(item, kinds) or _is_hdu(item) or _is_source(item) or _is_image(item)


def _is_hdu(item: Any) -> bool:
    return isinstance(item, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU)


def _is_source(item: Any) -> bool:
    return not isinstance(item, type) and callable(getattr(item, "read", None)) and hasattr(item, "info")


def _is_image(item: Any) -> bool:
    """Return whether a value is an array with its projection, or means to be."""
    if not isinstance(item, tuple) or not item:
        return False
    is_array = not isinstance(item[0], str | tuple) and (
        hasattr(item[0], "__array__") or hasattr(item[0], "shape")
    )
    return is_array or any(is_projection(part) for part in item)


def _told(item: Any) -> str:
    kinds = f" of {', '.join(type(part).__name__ for part in item)}" if isinstance(item, tuple) else ""
    shape = f" of shape {item.shape}, without a WCS" if isinstance(item, np.ndarray) else ""
    return f"a value of type {type(item).__name__}{kinds}{shape}"


@dataclasses.dataclass
class _Sorter:
    """Names of files, and open exposures, while they are sorted."""

    opening: GivenOpening
    paths: list[Path] = dataclasses.field(default_factory=list)
    sources: list[ExposureSource] = dataclasses.field(default_factory=list)

    def add(self, item: Any, label: str, visit: int) -> None:
        """Sort one input."""
        if isinstance(item, str | os.PathLike):
            self.paths += _files(item, label)
        elif isinstance(item, Exposure):
            self.sources += self._exposures(item, label, visit)
        elif isinstance(item, NDData):
            self._open(arrays_of_nddata(item, Known(), label), label, visit)
        elif isinstance(item, MaskedImage):
            known = Known(variance=item.variance.array, mask=item.mask)
            self._open(arrays_of_image(item.image.quantity, item.sky_projection, known, label), label, visit)
        elif isinstance(item, fits.HDUList) or _is_hdu(item):
            hdus = item if isinstance(item, fits.HDUList) else _list_of(item)
            self.sources += open_hdus(hdus, label, visit, self.opening)
        elif _is_source(item):
            self.sources.append(item)
        else:
            self._add_image(item, label, visit)

    def _add_image(self, item: tuple[Any, ...], label: str, visit: int) -> None:
        if len(item) not in (2, 3) or not is_projection(item[1]):
            raise WrongTypeError(label, found=_told(item), expected=_WANTED)
        known = Known(variance=item[2] if len(item) == 3 else None)
        self._open(arrays_of_image(item[0], item[1], known, label), label, visit)

    def _open(self, arrays: Any, label: str, visit: int) -> None:
        self.sources += open_arrays(arrays, label, visit, self.opening)

    def _exposures(self, exposure: Exposure, label: str, visit: int) -> list[ExposureSource]:
        """Return an exposure as a source, or what it was made of where other exposures tell more of it."""
        if exposure.given is not None:
            return open_arrays(exposure.given, label, visit, self.opening)
        origin = exposure.info.origins.get("visit")
        if origin is None or origin.kind != "assumed":
            return [ExposureValue(exposure)]
        identity = dataclasses.replace(exposure.info.id, visit=visit)
        info = dataclasses.replace(exposure.info, id=identity, path=label)
        return [ExposureValue(dataclasses.replace(exposure, info=info))]


def _list_of(hdu: Any) -> fits.HDUList:
    """Return one HDU as a file of it."""
    return fits.HDUList([hdu] if isinstance(hdu, fits.PrimaryHDU) else [fits.PrimaryHDU(), hdu])


def _files(name: str | os.PathLike[str], label: str) -> list[Path]:
    """Return the files that a name with * ? or [ matches, or the one file or folder."""
    path = Path(name)
    if _PATTERN.isdisjoint(str(name)) or os.path.exists(path):
        return [path]
    matches = sorted(glob.glob(str(name), recursive=True))
    if not matches:
        raise InputError(label, found=f"{name}, which no file matches", expected="names of files or folders")
    return [Path(match) for match in matches]

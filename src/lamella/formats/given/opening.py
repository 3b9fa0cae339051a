"""From arrays and HDUs in memory to exposures, through files that their owner never sees."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import numpy as np
from astropy.io import fits
from lsst.images.psfs import PointSpreadFunction

from ...data.arrays import Arrays
from ...data.exposure import ExposureSource
from ...errors import UnknownFormatError
from ..contents import contents_of
from ..file_index import FileIndex, is_fits_name
from ..plain.fits import FORMAT as PLAIN
from ..read_control import ReadControl
from ..readers import Opening, Role
from ..roles import recognise
from ..source import FileSource
from ..table_row import TableRow
from .folder import GivenFolder, told_as
from .rows import GivenRecipe, given_row

__all__ = ("GivenOpening", "open_arrays", "open_hdus")

_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|EXTEND|BZERO|BSCALE|BLANK|CHECKSUM|DATASUM|EXTNAME|"
    r"EXTVER|EXTLEVEL|INHERIT|NEXTEND|(TTYPE|TFORM|TDIM|TNULL)\d+|THEAP|Z(IMAGE|TENSION|SIMPLE|BITPIX|NAXIS\d*)|"
    r"Z(PCOUNT|GCOUNT|TILE\d+|CMPTYPE|NAME\d+|VAL\d+|QUANTIZ|DITHER0|HECKSUM|DATASUM|BLANK|EXTEND)"
)
"""Cards that say how pixels are stored."""
_UTYPES = {"stddev": "StdDevUncertainty", "variance": "VarianceUncertainty", "weight": "InverseVariance"}
_STAMP = "PSFIMAGE"


@dataclasses.dataclass(frozen=True)
class GivenOpening:
    """Where given images wait, and how they are read."""

    folder: GivenFolder
    control: ReadControl


def open_arrays(arrays: Arrays, label: str, visit: int, opening: GivenOpening) -> list[ExposureSource]:
    """Return the exposures of arrays: one, or three of an image in three colours.

    Parameters
    ----------
    arrays
        The planes, and what is known of them.
    label
        What their owner calls them.
    visit
        Number of the visit, where nobody says it.
    opening
        Folder and options.

    Raises
    ------
    InputError
        Raised when they are no exposure; it names the label.
    """
    path = opening.folder.write(_hdus_of(arrays), label)
    cells = {**_plane_cells(arrays), **arrays.cells}
    model = arrays.psf if isinstance(arrays.psf, PointSpreadFunction) else None
    given = _Given(label, visit, cells, model)
    return list(_open(path, given, opening, None if arrays.reads_as_file else PLAIN.open))


def open_hdus(hdus: fits.HDUList, label: str, visit: int, opening: GivenOpening) -> list[ExposureSource]:
    """Return the exposures of HDUs, as if their file were read.

    Parameters
    ----------
    hdus
        As in a file; if they are of one, its name counts.
    label, visit, opening
        As in `open_arrays`.

    Raises
    ------
    InputError
        Raised when they are no exposure; it names the label.
    """
    name = Path(hdus.filename() or "").name
    path = opening.folder.write(hdus, label, name if is_fits_name(Path(name)) else "input.fits")
    return list(_open(path, _Given(label, visit, {}, None), opening, None))


def _hdus_of(arrays: Arrays) -> fits.HDUList:
    header = arrays.header.copy(strip=True)
    for key in {str(key) for key in header if _STRUCTURE.fullmatch(str(key))}:
        header.remove(key, remove_all=True)
    hdus = [fits.PrimaryHDU(arrays.image, header)]
    if arrays.mask is not None:
        hdus.append(fits.ImageHDU(arrays.mask, name="MASK"))
    if arrays.noise is not None:
        kind, plane = arrays.noise
        hdus.append(fits.ImageHDU(plane, name=_noise_name(arrays)))
        hdus[-1].header["UTYPE"] = _UTYPES[kind]
    if isinstance(arrays.psf, np.ndarray):
        hdus.append(fits.ImageHDU(arrays.psf, name=_STAMP))
    return fits.HDUList([*hdus, *arrays.tables])


def _noise_name(arrays: Arrays) -> str:
    return "UNCERT" if arrays.reads_as_file or arrays.noise is None else arrays.noise[0].upper()


def _plane_cells(arrays: Arrays) -> dict[str, str]:
    cells = {}
    if arrays.noise is not None:
        cells[f"{arrays.noise[0]}_hdu"] = _noise_name(arrays)
    if arrays.mask is not None:
        cells |= {"mask_hdu": "MASK", "flags": arrays.flags}
    if isinstance(arrays.psf, np.ndarray):
        cells["psf_stamp_hdu"] = _STAMP
    return cells


@dataclasses.dataclass(frozen=True)
class _Given:
    """What an owner says of an image."""

    label: str
    visit: int
    cells: Mapping[str, str]
    model: PointSpreadFunction | None


def _open(
    path: Path,
    given: _Given,
    opening: GivenOpening,
    reader: Callable[[Path, Opening], Iterable[ExposureSource]] | None,
) -> Iterator[ExposureSource]:
    """Yield the exposures of a file that holds what was given."""
    with told_as(path, given.label):
        if reader is None:
            format, role = recognise(path)
            if format is None or role is not Role.EXPOSURE:
                _refuse(path, given.label)
            reader = format.open
        sources = list(reader(path, Opening(FileIndex(), opening.control)))
        if not sources:
            _refuse(path, given.label)
    for source in sources:
        assert isinstance(source, FileSource)  # as all readers of files make them
        recipe = source.recipe
        if isinstance(recipe, TableRow):
            yield FileSource(given_row(recipe, given.cells, given.visit, given.label, given.model))
        else:
            yield FileSource(GivenRecipe(recipe, path, given.label))


def _refuse(path: Path, label: str) -> NoReturn:
    contents = contents_of(path)
    lacking = f"; there is not {' nor '.join(contents.missing)}" if contents.missing else ""
    found = f"HDUs that no reader recognises ({contents}){lacking}"
    raise UnknownFormatError(label, found=found, expected="an image with a projection to the sky")

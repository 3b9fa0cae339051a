"""From a file of a described survey to rows of an exposure table."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ...errors import InputError, MissingPartError
from ...fits.read import hdu_label, header_text, read_headers
from ..cards import Cards
from ..file_index import FileIndex
from ..row_cells import RowCells
from ..row_places import RowPlaces
from ..table_flags import CODES, HARMLESS, NONZERO
from ..table_hdus import hdu_index
from .description import Description
from .sections import NOISE_MAPS, Mask, Noise, Plane, Psf
from .siblings import ImagePlace, companion_name, find_companion, images_of
from .values import Cell, Value

__all__ = ("companions_of", "described_rows")

_UTYPES = {
    "stddevuncertainty": "stddev",
    "varianceuncertainty": "variance",
    "inversevariance": "weight",
}
"""Kinds of noise by what the uncertainties of astropy write into the card UTYPE."""

type Row = dict[str, str]


def described_rows(path: Path, description: Description, files: FileIndex) -> Iterator[Row | InputError]:
    """Iterate over the exposures of a file.

    Parameters
    ----------
    path
        The file.
    description
        That of its survey.
    files
        Where companions are looked up.

    Yields
    ------
    dict or InputError
        The cells of each exposure, with files relative to the folder of the image; or why it has none.

    Raises
    ------
    InputError
        Raised when the file is damaged, or has no image.
    """
    for place in images_of(path, description):
        try:
            yield _RowMaker(place, description, files).row()
        except InputError as err:
            yield err


def companions_of(path: Path, description: Description, files: FileIndex) -> Iterator[Path]:
    """Iterate over the files there are that belong to a file of a described survey."""
    for companion in description.companions.values():
        file = find_companion(path, companion, files)
        if file is not None:
            yield file


class _RowMaker:
    """The row of one image while it is filled."""

    def __init__(self, place: ImagePlace, description: Description, files: FileIndex) -> None:
        self.place, self.description, self.files = place, description, files
        self.cells: Row = {"file": place.path.name, "image_hdu": place.hdu}
        self.origins: dict[str, str] = {}
        if (head := description.wcs.head) is not None and (file := self._file(head)) is not None:
            self.cells["wcs_head"] = self._relative(file)
            self.origins["WCS"] = f"file {file.suffix}"
        places = RowPlaces(RowCells(place.path, 0, self.cells))
        self.cards = places.cards

    def row(self) -> Row:
        """Return all cells.

        Raises
        ------
        InputError
            Raised when the survey says that the exposure must not be used, or something is missing.
        """
        self._refuse()
        self._identity()
        self._flux()
        self._first("noise", self.description.noise, self._noise)
        if self.description.mask:
            self._first("mask", self.description.mask, self._mask)
        self._first("psf", self.description.psf, self._psf)
        self._sky()
        if (radesys := self.description.wcs.radesys) is not None:
            self.cells["radesys"] = radesys
        self.cells["notes"] = "; ".join(f"{name}: {origin}" for name, origin in self.origins.items())
        return self.cells

    def _refuse(self) -> None:
        for refusal in self.description.refuse:
            if all(condition.holds(self.cards.get(key)) for key, condition in refusal.when.items()):
                told = ", ".join(f"{key} = {self.cards.get(key)}" for key in refusal.when)
                expected = f"an exposure to use: {refusal.because}"
                raise InputError(self.place.path, where=self.cards.where, found=told, expected=expected)

    # Values.

    def _number(self, column: str, value: Value | None, name: str = "") -> None:
        if value is not None:
            self._set(column, value.number(self.cards, self.description.tables), name)

    def _set(self, column: str, cell: Cell, name: str = "") -> None:
        self.cells[column] = cell.text
        if name:
            self.origins[name] = cell.origin.replace(";", ",")

    def _optional(self, column: str, value: Value | None, name: str = "") -> None:
        """Fill a cell if the cards for it are there."""
        try:
            self._number(column, value, name)
        except MissingPartError:
            return

    def _identity(self) -> None:
        identity = self.description.identity
        for column, value in (("band", identity.band), ("instrument", identity.instrument)):
            if value is not None:
                self._set(column, value.text(self.cards), "band" if column == "band" else "")
        self._number("visit", identity.visit, "visit")
        if identity.detector is not None:
            self._number("detector", identity.detector)
        else:
            self.cells["detector"] = str(self.place.count)
        for column in ("physical_filter", "date"):
            value = getattr(identity, column)
            if value is not None and (cell := _or_none(value.text, self.cards)) is not None:
                self._set(column, cell)
        self._optional("exposure_time", identity.exposure_time)
        self._optional("mjd", identity.mjd)

    def _flux(self) -> None:
        flux = self.description.flux
        if not self._scale():
            return
        self._optional("pixel_area", flux.pixel_area)
        if flux.pixel_area_map is not None:
            with contextlib.suppress(MissingPartError):
                self._plane("pixel_area", flux.pixel_area_map)
        self._optional("softening", flux.softening)
        if "softening" in self.cells:
            self._optional("offset", flux.offset)

    def _scale(self) -> bool:
        """Fill the cells of the first scale that can be had."""
        flux = self.description.flux
        missing: MissingPartError | None = None
        for column, name in (
            ("zero_point", "zero point"),
            ("unit", "unit"),
            ("flux_scale", "relative scale"),
        ):
            value = getattr(flux, column)
            try:
                if column == "unit" and value is not None:
                    self._set(column, value.text(self.cards), name)
                else:
                    self._number(column, value, name)
            except MissingPartError as err:
                missing = missing or err
            if column in self.cells:
                return True
        if flux.measured:
            self.cells["flux_scale"] = "measured"
            return True
        if missing is not None:
            raise missing
        return True

    # Planes and files.

    def _file(self, name: str) -> Path | None:
        """Return a companion; `None` for an optional one that is not there.

        Raises
        ------
        MissingPartError
            Raised when it is not there and not optional.
        """
        companion = self.description.companions[name]
        file = find_companion(self.place.path, companion, self.files)
        if file is None and not companion.optional:
            wanted = companion_name(self.place.path, companion)
            found = f"no file {wanted}" if wanted else "a name that the rule for it does not fit"
            expected = "it in the same folder, or among the files given"
            raise MissingPartError(self.place.path, where=f"companion {name}", found=found, expected=expected)
        return file

    def _relative(self, file: Path) -> str:
        """Return the name of a file, as seen from the folder of the image."""
        return os.path.relpath(file.absolute(), self.place.path.absolute().parent)

    def _plane(self, kind: str, plane: Plane | Mask) -> bool:
        """Fill the cells of a plane; false when it lies in an optional companion that is not there."""
        file = None
        if plane.file is not None:
            file = self._file(plane.file)
            if file is None:
                return False
        hdu = self.place.sibling(plane.hdu, file)
        if file is not None:
            self.cells[f"{kind}_file"] = self._relative(file)
        self.cells[f"{kind}_hdu"] = hdu
        return True

    def _first[T](self, word: str, entries: Sequence[T], fill: Callable[[T], bool]) -> None:
        """Fill the cells from the first entry of a list whose HDU, file and cards are there."""
        missing: MissingPartError | None = None
        for entry in entries:
            before = dict(self.cells), dict(self.origins)
            try:
                if fill(entry):
                    return
            except MissingPartError as err:
                missing = missing or err
            self.cells, self.origins = before
        if missing is not None:
            raise missing
        if word != "mask":
            where = f"{self.cards.where}, {word}"
            expected = f"the file of one that the description {self.description.name} names"
            raise MissingPartError(self.place.path, where=where, found="nothing", expected=expected)

    def _noise(self, noise: Noise) -> bool:
        if noise.measured or noise.counts:
            self.cells["noise"] = "measured" if noise.measured else "counts"
        elif noise.utype is not None:
            if not self._plane("uncertainty", noise.utype):
                return False
            self._rename_uncertainty()
        else:
            (kind,) = noise.given(*NOISE_MAPS)
            if not self._plane(kind, getattr(noise, kind)):
                return False
        if noise.counts:
            self._number("gain", noise.gain)
            self._number("read_noise", noise.read_noise)
        else:
            self._optional("gain", noise.gain)
        self._optional("saturation", noise.saturation)
        return True

    def _rename_uncertainty(self) -> None:
        """Give the plane of an uncertainty the kind that its card UTYPE tells."""
        name = self.cells.pop("uncertainty_file", "")
        path = self.place.path.parent / name if name else self.place.path
        hdu = self.cells.pop("uncertainty_hdu")
        headers = read_headers(path)
        index = hdu_index(headers, int(hdu) if hdu.isdecimal() else hdu, path)
        told = header_text(headers[index], "UTYPE")
        if told.lower() not in _UTYPES:
            expected = "StdDevUncertainty, VarianceUncertainty or InverseVariance"
            where = f"{hdu_label(hdu)}, UTYPE"
            raise InputError(
                path, where=where, found=repr(told) if told else "no such card", expected=expected
            )
        kind = _UTYPES[told.lower()]
        self.cells[f"{kind}_hdu"] = hdu
        if name:
            self.cells[f"{kind}_file"] = name

    def _mask(self, mask: Mask) -> bool:
        if mask.bad_value is not None:
            self.cells["bad_value"] = repr(mask.bad_value)
        if mask.hdu is not None or mask.file is not None:
            try:
                if not self._plane("mask", mask):
                    return False
            except MissingPartError:
                if not mask.optional:
                    raise
                return True
        if flags := flags_text(mask):
            self.cells["flags"] = flags
        return True

    def _psf(self, psf: Psf) -> bool:
        if psf.measured:
            self.cells["psf_fwhm"] = "measured"
            return True
        if psf.file is not None:
            file = self._file(psf.file)
            if file is not None:
                self.cells["psf_file"] = self._relative(file)
                self.origins["PSF"] = "file PSFEx"
            return file is not None
        if psf.stamp is not None:
            self.origins["PSF"] = "file a stamp"
            return self._plane("psf_stamp", psf.stamp)
        column, value = (
            ("psf_fwhm", psf.fwhm) if psf.fwhm is not None else ("psf_fwhm_pixels", psf.fwhm_pixels)
        )
        try:
            self._number(column, value)
            return RowCells(self.place.path, 0, self.cells).number_of(column, self.cards) > 0
        except MissingPartError:
            raise
        except InputError as err:
            # Pipelines write -1, NaN or a text where they could not measure it.
            raise MissingPartError(
                self.place.path, where=self.cards.where, found=str(err).rstrip("."), expected="a width"
            ) from err

    def _sky(self) -> None:
        sky = self.description.sky
        if sky is None:
            self.cells["sky"] = "measured"
            return
        if sky.state is not None:
            self._set("sky", sky.state.text(self.cards))
        elif not self._plane("sky", Plane(hdu=sky.hdu, file=sky.file)):
            self.cells["sky"] = "measured"


def flags_text(mask: Mask) -> str:
    """Return the meaning of flags as the column ``flags`` of a table has it; empty where nobody says it."""
    if mask.nonzero is not None:
        return f"{NONZERO}={mask.nonzero}"
    planes: Mapping[str, tuple[int, ...] | None] = mask.flags or mask.bits or mask.codes or {}
    words = []
    for name, values in planes.items():
        if values is None:
            words.append(f"{HARMLESS}=*")
        elif mask.codes is not None:
            words += [f"{name}={value}" for value in values if value]
        elif total := _union(values):
            words.append(f"{name}={total}")
    return " ".join([CODES, *words] if mask.codes is not None else words)


def _union(values: Sequence[int]) -> int:
    total = 0
    for value in values:
        total |= value
    return total


def _or_none(get: Callable[[Cards], Cell], cards: Cards) -> Cell | None:
    try:
        return get(cards)
    except MissingPartError:
        return None

"""From a file of a described survey to rows of an exposure table."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ...errors import InputError, MissingPartError
from ...fits.read import hdu_label, header_text, read_headers
from ...texts import hdu_of
from ..cards import Cards
from ..file_index import FileIndex
from ..noise_maps import KIND_BY_UTYPE
from ..row_cells import RowCells
from ..table_flags import CODES, HARMLESS, NONZERO
from ..table_hdus import hdu_index
from .description import Description
from .row_draft import Row, RowDraft
from .sections import NOISE_MAPS, Mask, Noise, Plane, Psf
from .siblings import find_companion, images_of, products_like
from .values import Cell

__all__ = ("companions_of", "described_rows", "products_of")


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
            yield _row(RowDraft(place, description, files))
        except InputError as err:
            yield err


def companions_of(path: Path, description: Description, files: FileIndex) -> Iterator[Path]:
    """Iterate over the files there are that belong to a file of a described survey."""
    for companion in description.companions.values():
        file = None if companion.product else find_companion(path, companion, files)
        if file is not None:
            yield file


def products_of(path: Path, description: Description, files: FileIndex) -> Iterator[tuple[Path, str]]:
    """Iterate over the files that were made of a file of a described survey and others, and what they are."""
    for companion in description.companions.values():
        if companion.product:
            yield from ((file, companion.product) for file in products_like(path, companion, files))


def _row(draft: RowDraft) -> Row:
    """Return all cells.

    Raises
    ------
    InputError
        Raised when the survey says that the exposure must not be used, or something is missing.
    """
    _refuse(draft)
    _fill_identity(draft)
    _fill_flux(draft)
    draft.first("noise", draft.description.noise, functools.partial(_fill_noise, draft))
    if draft.description.mask:
        draft.first("mask", draft.description.mask, functools.partial(_fill_mask, draft))
    draft.first("psf", draft.description.psf, functools.partial(_fill_psf, draft))
    _fill_sky(draft)
    if (radesys := draft.description.wcs.radesys) is not None:
        draft.cells["radesys"] = radesys
    draft.cells["notes"] = "; ".join(f"{name}: {origin}" for name, origin in draft.origins.items())
    return draft.cells


def _refuse(draft: RowDraft) -> None:
    for refusal in draft.description.refuse:
        if all(condition.holds(draft.cards.get(key)) for key, condition in refusal.when.items()):
            told = ", ".join(f"{key} = {draft.cards.get(key)}" for key in refusal.when)
            expected = f"an exposure to use: {refusal.because}"
            raise InputError(draft.place.path, where=draft.cards.where, found=told, expected=expected)


def _fill_identity(draft: RowDraft) -> None:
    identity = draft.description.identity
    for column, value in (("band", identity.band), ("instrument", identity.instrument)):
        if value is not None:
            draft.set(column, value.text(draft.cards), "band" if column == "band" else "")
    draft.number("visit", identity.visit, "visit")
    if identity.detector is not None:
        draft.number("detector", identity.detector)
    else:
        draft.cells["detector"] = str(draft.place.count)
    for column in ("physical_filter", "date"):
        value = getattr(identity, column)
        if value is not None and (cell := _or_none(value.text, draft.cards)) is not None:
            draft.set(column, cell)
    draft.optional("exposure_time", identity.exposure_time)
    draft.optional("mjd", identity.mjd)


def _fill_flux(draft: RowDraft) -> None:
    flux = draft.description.flux
    if not _fill_scale(draft):
        return
    draft.optional("pixel_area", flux.pixel_area)
    if flux.pixel_area_map is not None:
        with contextlib.suppress(MissingPartError):
            draft.plane("pixel_area", flux.pixel_area_map)
    draft.optional("softening", flux.softening)
    if "softening" in draft.cells:
        draft.optional("offset", flux.offset)


def _fill_scale(draft: RowDraft) -> bool:
    """Fill the cells of the first scale that can be had."""
    flux = draft.description.flux
    missing: MissingPartError | None = None
    for column, name in (
        ("zero_point", "zero point"),
        ("unit", "unit"),
        ("flux_scale", "relative scale"),
    ):
        value = getattr(flux, column)
        try:
            if column == "unit" and value is not None:
                draft.set(column, value.text(draft.cards), name)
            else:
                draft.number(column, value, name)
        except MissingPartError as err:
            missing = missing or err
        if column in draft.cells:
            return True
    if flux.measured:
        draft.cells["flux_scale"] = "measured"
        return True
    if missing is not None:
        raise missing
    return True


def _fill_noise(draft: RowDraft, noise: Noise) -> bool:
    if noise.measured or noise.counts:
        draft.cells["noise"] = "measured" if noise.measured else "counts"
    elif noise.utype is not None:
        if not draft.plane("uncertainty", noise.utype):
            return False
        _rename_uncertainty(draft)
    else:
        (kind,) = noise.given(*NOISE_MAPS)
        if not draft.plane(kind, getattr(noise, kind)):
            return False
    if noise.counts:
        draft.number("gain", noise.gain)
        draft.number("read_noise", noise.read_noise)
    else:
        draft.optional("gain", noise.gain)
    draft.optional("saturation", noise.saturation)
    return True


def _rename_uncertainty(draft: RowDraft) -> None:
    """Give the plane of an uncertainty the kind that its card UTYPE tells."""
    name = draft.cells.pop("uncertainty_file", "")
    path = draft.place.path.parent / name if name else draft.place.path
    hdu = draft.cells.pop("uncertainty_hdu")
    headers = read_headers(path)
    index = hdu_index(headers, hdu_of(hdu), path)
    told = header_text(headers[index], "UTYPE")
    if told.lower() not in KIND_BY_UTYPE:
        expected = "StdDevUncertainty, VarianceUncertainty or InverseVariance"
        where = f"{hdu_label(hdu)}, UTYPE"
        raise InputError(path, where=where, found=repr(told) if told else "no such card", expected=expected)
    kind = KIND_BY_UTYPE[told.lower()]
    draft.cells[f"{kind}_hdu"] = hdu
    if name:
        draft.cells[f"{kind}_file"] = name


def _fill_mask(draft: RowDraft, mask: Mask) -> bool:
    if mask.bad_value is not None:
        draft.cells["bad_value"] = repr(mask.bad_value)
    if mask.hdu is not None or mask.file is not None:
        try:
            if not draft.plane("mask", mask):
                return False
        except MissingPartError:
            if not mask.optional:
                raise
            return True
    if flags := flags_text(mask):
        draft.cells["flags"] = flags
    return True


def _fill_psf(draft: RowDraft, psf: Psf) -> bool:
    if psf.measured:
        draft.cells["psf_fwhm"] = "measured"
        return True
    if psf.file is not None:
        file = draft.file(psf.file)
        if file is not None:
            draft.cells["psf_file"] = draft.relative(file)
            draft.origins["PSF"] = "file PSFEx"
        return file is not None
    if psf.stamp is not None:
        draft.origins["PSF"] = "file a stamp"
        return draft.plane("psf_stamp", psf.stamp)
    column, value = ("psf_fwhm", psf.fwhm) if psf.fwhm is not None else ("psf_fwhm_pixels", psf.fwhm_pixels)
    try:
        draft.number(column, value)
        return RowCells(draft.place.path, 0, draft.cells).number_of(column, draft.cards) > 0
    except MissingPartError:
        raise
    except InputError as err:
        # Pipelines write -1, NaN or a text where they could not measure it.
        raise MissingPartError(
            draft.place.path, where=draft.cards.where, found=str(err).rstrip("."), expected="a width"
        ) from err


def _fill_sky(draft: RowDraft) -> None:
    sky = draft.description.sky
    if sky is None:
        draft.cells["sky"] = "measured"
        return
    if sky.state is not None:
        draft.set("sky", sky.state.text(draft.cards))
    elif not draft.plane("sky", Plane(hdu=sky.hdu, file=sky.file)):
        draft.cells["sky"] = "measured"


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

"""Arrays with a WCS, and images of `astropy.nddata`, as one kind of value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import astropy.units as u
from astropy.nddata import NDData

from ...data.arrays import Arrays, Known
from ...errors import ConfigError, ProjectionError
from ..row_scale import is_flux_unit
from .facts import fact_cells, psf_of, zero_point_cells
from .planes import image_plane, mask_plane, noise_plane, unit_card
from .projections import header_of, wcs_cards, without_wcs

__all__ = ("arrays_of_image", "arrays_of_nddata")


def arrays_of_image(image: Any, wcs: Any, known: Known, name: str) -> Arrays:
    """Return an image and what is known of it, in copies.

    Parameters
    ----------
    image, wcs, known
        As `lamella.Exposure.from_arrays` has them.
    name
        What the user calls the image, for errors.

    Raises
    ------
    LamellaError
        Raised when one of them is not what it must be; it names the image.
    """
    plane, unit = image_plane(image, name)
    facts = dict(known.facts)
    if facts.get("unit") is not None:
        unit = _unit(unit, facts.pop("unit"), name)
    header, tables = wcs_cards(wcs, name, plane.shape)
    _set_unit(header, unit, name)
    return _with_known(Arrays(image=plane, header=header, tables=tables), known, facts, unit, name)


def arrays_of_nddata(data: NDData, known: Known, name: str) -> Arrays:
    """Return an image of `astropy.nddata` and what it says of itself, in copies.

    Its uncertainty, mask, unit, WCS, header and PSF count where ``known`` says nothing else.

    Raises
    ------
    LamellaError
        As in `arrays_of_image`.
    """
    plane, _ = image_plane(data.data, name)
    facts = dict(known.facts)
    unit = data.unit if facts.get("unit") is None else _unit(data.unit, facts.pop("unit"), name)
    header, tables = header_of(data.meta), ()
    if data.wcs is not None:
        cards, tables = wcs_cards(data.wcs, name, plane.shape)
        header = without_wcs(header)
        header.update(cards)
    elif "CTYPE1" not in header:
        raise ProjectionError(name, where="WCS", found="none", expected="a projection to the sky")
    _set_unit(header, unit, name)
    arrays = Arrays(image=plane, header=header, tables=tables)
    if known.mask is None and data.mask is not None:
        arrays = _with_mask(arrays, data.mask, name)
    if known.variance is None and data.uncertainty is not None:
        noise = noise_plane(data.uncertainty, plane.shape, unit, name)
        arrays = dataclasses.replace(arrays, noise=noise, reads_as_file=True)
    stamp = getattr(data, "psf", None)
    if known.psf is None and known.fwhm is None and stamp is not None:
        arrays = dataclasses.replace(arrays, psf=psf_of(stamp, None, name)[0])
    return _with_known(arrays, known, facts, unit, name)


def _with_known(
    arrays: Arrays, known: Known, facts: Mapping[str, Any], unit: u.UnitBase | None, name: str
) -> Arrays:
    """Return arrays with what an owner says over what they say of themselves."""
    shape = arrays.image.shape
    cells = fact_cells(facts, name) | zero_point_cells(known.zero_point, name)
    if "zero_point" in cells and unit is not None and is_flux_unit(unit.to_string()):
        message = f"{name}: zero_point beside pixels in {unit}, which have magnitudes; expected one of them."
        raise ConfigError(message, option="zero_point", found=known.zero_point)
    if unit is not None and is_flux_unit(unit.to_string()):
        cells["unit"] = str(unit.to_string())
    if known.variance is not None:
        noise = noise_plane(known.variance, shape, unit, name)
        arrays = dataclasses.replace(arrays, noise=noise)
    if known.mask is not None:
        arrays = _with_mask(arrays, known.mask, name)
    psf, width = psf_of(known.psf, known.fwhm, name)
    if psf is not None:
        arrays = dataclasses.replace(arrays, psf=psf)
    return dataclasses.replace(arrays, cells=cells | width)


def _with_mask(arrays: Arrays, mask: Any, name: str) -> Arrays:
    plane, flags = mask_plane(mask, arrays.image.shape, name)
    return dataclasses.replace(arrays, mask=plane, flags=flags)


def _unit(unit: u.UnitBase | None, told: Any, name: str) -> u.UnitBase:
    if unit is not None:
        message = f"{name}: unit beside an image that has one, {unit}; expected one of them."
        raise ConfigError(message, option="unit", found=told)
    try:
        return u.Unit(told)
    except (ValueError, TypeError):
        raise ConfigError(f"{name}: unit: {told!r} is none.", option="unit", found=told) from None


def _set_unit(header: Any, unit: u.UnitBase | None, name: str) -> None:
    text = unit_card(unit, name)
    if text:
        header["BUNIT"] = text
    elif unit is not None:
        header.remove("BUNIT", ignore_missing=True)

"""Warps and coadds that afw wrote, as `lamella.Warp` and `lamella.PatchCoadd`."""

from __future__ import annotations

import dataclasses
import re
from os import PathLike
from typing import Any

import astropy.units as u
import numpy as np
from lsst.images import Box, Image, MaskedImage
from lsst.images.fields import BaseField
from lsst.images.psfs import PointSpreadFunction

from ...data.coadd import PatchCoadd, PatchId, Provenance
from ...data.detector import DetectorInput
from ...data.exposure import ExposureId
from ...data.times import UNKNOWN_TIMES
from ...data.warp import Warp
from ...errors import MissingPartError
from ...fits.read import header_text
from ...fits.text import own_text
from ...planes import Layout
from ...psf.coadd import CoaddPsf
from ...psf.warped import WarpedPsf
from .calibration import scale_to_njy
from .catalogs import CoaddInputs, ExposureRecord, read_coadd_inputs
from .coverage import count_visits
from .exposure import AfwFile
from .identity import band_of, instrument_of
from .kinds import Kind, kind_of
from .own import card_to_box, is_own, own_flux_unit, own_projection
from .plain_psf import plain_psf
from .psf import read_psf

__all__ = ("inputs_of", "is_afw_product", "product_scale", "read_afw_product", "read_planes")


def is_afw_product(path: str | PathLike[str]) -> bool:
    """Return whether a file is a warp or a coadd of afw: an image with a record of what went into it.

    Raises
    ------
    InputError
        Raised when the file is damaged.
    """
    return kind_of(path) is Kind.IMAGE and inputs_of(AfwFile(path)) is not None


def inputs_of(file: AfwFile) -> CoaddInputs | None:
    """Return what went into a warp or a coadd; `None` for an exposure, which may have an empty record."""
    inputs = read_coadd_inputs(file)
    return inputs if inputs is not None and len(inputs.detectors) else None


def read_afw_product(
    path: str | PathLike[str], *, bbox: Box | None = None, trust_pickles: bool = False
) -> Warp | PatchCoadd:
    """Read a warp or a coadd of afw, or a box of it.

    Parameters
    ----------
    path
        The file.
    bbox
        Part to read; by default all of it.
    trust_pickles
        Whether PSF models that are Python pickles may be loaded; see
        `lamella.formats.afw.exposure.AfwFile`.

    Returns
    -------
    `Warp` or `PatchCoadd`
        A warp where the file has one visit, in which all detectors have the
        weight 1.  Pixels are put in nJy, unless lamella wrote
        them in the unit of a reference exposure.  What a coadd of afw does not say is
        left open: the place in a sky map is tract 0 of ``"none"``, and visits
        are counted by the outlines of the inputs.  Notes (of a warp, those in
        its metadata) say so.

    Raises
    ------
    MissingPartError
        Raised when there is no record of inputs, no calibration, or no band.
    InputError
        Raised when the file is damaged.
    """
    file = AfwFile(path, trust_pickles=trust_pickles)
    inputs = inputs_of(file)
    if inputs is None:
        raise MissingPartError(path, where="COADD_INPUTS", found="no inputs", expected="a warp or a coadd")
    band = band_of(file.filter)
    if not band:
        bands = {entry.row.text("filter", "") for entry in (*inputs.visits, *inputs.detectors)} - {""}
        band = bands.pop() if len(bands) == 1 else ""
    if not band:
        raise MissingPartError(
            path, where="filter", found=f"filter {file.filter.physical!r}", expected="a passband"
        )
    to_njy, note = product_scale(file)
    notes = [note] if note else []
    detectors = _detectors(file, inputs, band, notes)
    complete = len(detectors) == len(inputs.detectors)
    model = _model_psf(file, notes, complete=complete)
    planes = read_planes(file, bbox, to_njy)
    visit = _visit_of_warp(file, inputs)
    if visit is not None:
        return Warp(
            planes.image,
            mask=planes.mask,
            variance=planes.variance,
            instrument=instrument_of(file),
            visit=visit,
            band=band,
            detectors=detectors,
            matched_psf=model,
            metadata={"notes": "\n".join((*notes, *file.notes))},
        )
    return _coadd(file, planes, band, detectors, model, notes)


def product_scale(file: AfwFile) -> tuple[float | BaseField, str]:
    """Return nJy per unit of the image, and what is to be said of it.

    In a file that lamella wrote without a zero point it is 1, of the unit of the reference exposure.

    Raises
    ------
    MissingPartError, UnitError
        Raised as by `lamella.formats.afw.calibration.scale_to_njy`.
    """
    unit = own_flux_unit(file)
    return scale_to_njy(file) if unit.is_absolute else (1.0, unit.note)


def _visit_of_warp(file: AfwFile, inputs: CoaddInputs) -> int | None:
    """Return the visit where the file is a warp; `None` for a coadd."""
    visits = {entry.row.integer("visit", entry.id) for entry in inputs.detectors}
    if is_own(file):
        is_warp = header_text(file.container.primary, "PRODUCT") == "warp"
    else:
        is_warp = all(entry.row.number("weight", 1.0) == 1.0 for entry in inputs.detectors)
    return visits.pop() if is_warp and len(visits) == 1 else None


def _coadd(
    file: AfwFile,
    planes: MaskedImage,
    band: str,
    detectors: list[DetectorInput],
    model: PointSpreadFunction | None,
    notes: list[str],
) -> PatchCoadd:
    box = planes.bbox
    counts = count_visits(detectors, file.projection, box)
    counts[planes.mask.get("NO_DATA")] = 0
    notes.append("Visits per pixel are counted by the outlines of the inputs: the file does not say more.")
    # Where in a sky map the coadd is; afw does not say, but files that lamella wrote do.
    header = file.container.primary
    patch: dict[str, Any] = {"skymap": "none", "tract": 0, "patch": (0, 0)}
    if not is_own(file) or "PATCH" not in header:
        notes.append("Sky map, tract and patch are not in the file.")
    else:
        index, tract = re.fullmatch(r"(\d{1,6}),(\d{1,6})", header_text(header, "PATCH")), header.get("TRACT")
        if index is None or isinstance(tract, bool) or not isinstance(tract, int):
            raise file.container.problem(f"tract {tract!r}, patch {header['PATCH']!r}", "numbers", "PATCH")
        inner = card_to_box(file, "INNERBOX")
        patch = {"skymap": own_text(header, "SKYMAP"), "tract": tract}
        patch |= {"patch": (int(index[1]), int(index[2]))} | ({} if inner is None else {"inner_bbox": inner})
    return PatchCoadd(
        planes.image,
        mask=planes.mask,
        variance=planes.variance,
        exposure_count=Image(counts, bbox=box),
        exposure_count_unmasked=Image(counts.copy(), bbox=box),
        id=PatchId(band, **{"inner_bbox": box, **patch}),
        provenance=Provenance(detectors=tuple(detectors), notes=(*notes, *file.notes), matched_psf=model),
    )


def read_planes(file: AfwFile, bbox: Box | None, to_njy: float | BaseField) -> MaskedImage:
    """Read pixels in nJy: NO_DATA and a variance of +inf wherever there is no measurement.

    Those of files that lamella wrote stay in their unit.

    Parameters
    ----------
    file
        The file.
    bbox
        Part to read; by default all of it.
    to_njy
        nJy per unit of the image.

    Raises
    ------
    InputError
        Raised when a plane is damaged, or no pixel has a value and a variance.
    """
    planes = file.read(bbox)
    box = planes.bbox
    if is_own(file):
        unit = own_flux_unit(file).unit
        own = Image(planes.image.array, bbox=box, unit=unit)
        noise = Image(planes.variance.array, bbox=box, unit=unit**2)
        return MaskedImage(own, mask=planes.mask, variance=noise, sky_projection=own_projection(file))
    scale: Any = to_njy.render(box).array if isinstance(to_njy, BaseField) else to_njy
    image = (planes.image.array * scale).astype(np.float32)
    variance = (planes.variance.array * scale**2).astype(np.float32)
    bits = planes.mask.array[..., 0]
    no_data = np.int32(Layout(planes.mask.schema).no_data)
    missing = (bits & no_data != 0) | ~np.isfinite(image) | ~(np.isfinite(variance) & (variance > 0))
    if bbox is None and missing.all():
        raise file.container.problem("no pixel with a value and a variance", "at least one")
    bits[missing] |= no_data
    image[~np.isfinite(image)] = np.nan
    variance[missing] = np.inf
    return MaskedImage(
        Image(image, bbox=box, unit=u.nJy),
        mask=planes.mask,
        variance=Image(variance, bbox=box, unit=u.nJy**2),
        sky_projection=file.projection,
    )


def _detectors(file: AfwFile, inputs: CoaddInputs, band: str, notes: list[str]) -> list[DetectorInput]:
    """Return the inputs whose PSF and projection are in the catalogue, or in the PSF of the file."""
    instrument = instrument_of(file)
    psf = read_psf(file)
    others = {entry.label: entry for entry in psf.components} if isinstance(psf, CoaddPsf) else {}
    unit = own_flux_unit(file)
    records = (_detector(entry, others, instrument, band) for entry in inputs.detectors)
    detectors = [None if entry is None else dataclasses.replace(entry, flux_unit=unit) for entry in records]
    complete = sorted((entry for entry in detectors if entry is not None), key=lambda entry: entry.id)
    count, absent = len(detectors), len(detectors) - len(complete)
    if len({entry.id for entry in complete}) < len(complete):
        raise file.container.problem("an input twice", "each once", "COADD_INPUTS")
    if absent:
        notes.append(f"{absent} of {count} inputs have no PSF or no projection.")
    return complete


def _detector(
    entry: ExposureRecord, others: dict[str, Any], instrument: str, band: str
) -> DetectorInput | None:
    other = others.get(f"input {entry.id}")
    psf, projection, bbox, polygon = entry.psf, entry.projection, entry.bbox, entry.polygon
    if (psf is None or projection is None) and other is not None:
        psf, projection, bbox, polygon = other.psf, other.projection, other.bbox, other.polygon
    if psf is None or projection is None or bbox is None:
        return None
    plain, note = plain_psf(psf, bbox)
    visit = entry.visit_info
    name = visit.instrument if visit is not None and visit.instrument else instrument
    return DetectorInput(
        id=ExposureId(name, entry.row.integer("visit", entry.id), entry.row.integer("ccd", 0)),
        band=band,
        bbox=bbox,
        projection=projection,
        psf=plain,
        polygon=polygon,
        good_pixels=entry.row.integer("goodpix", 0),
        weight=entry.row.number("weight", 1.0),
        times=UNKNOWN_TIMES if visit is None else visit.times,
        notes=(note,) if note else (),
    )


def _model_psf(file: AfwFile, notes: list[str], *, complete: bool) -> PointSpreadFunction | None:
    """Return the PSF where the inputs do not make it: a model that pixels were matched to, or samples."""
    psf = read_psf(file)
    if psf is None:
        if not complete:
            notes.append("There is no PSF: the file has none, and its inputs have none on record.")
        return None
    if complete and isinstance(psf, CoaddPsf | WarpedPsf):
        return None
    plain, note = plain_psf(psf, file.bbox)
    if note:
        notes.append(note)
    return plain

"""Descriptions of files that afw wrote: components, notes, and whether they can go into a coadd."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
from astropy.coordinates import SkyCoord
from lsst.images import ObservationSummaryStats
from rich.console import Group, RenderableType
from rich.text import Text

from ..data.coadd import PatchCoadd
from ..data.exposure import ExposureInfo
from ..data.warp import Warp
from ..errors import InputError, LamellaError
from ..fits.hdus import Container
from ..formats.afw.afw_archive import Archive, ArchiveWarning
from ..formats.afw.background import Background
from ..formats.afw.catalogs import ExposureCatalog, read_coadd_inputs
from ..formats.afw.exposure import AfwFile
from ..formats.afw.identity import identify
from ..formats.afw.kinds import Kind, kind_of
from ..formats.afw.photo import PhotoCalib
from ..formats.afw.plane_hdus import find_plane
from ..formats.afw.products import is_afw_product, read_afw_product
from ..formats.afw.psf import read_psf
from ..formats.afw.source import AfwExposure
from ..formats.afw.summaries import VisitSummary
from ..formats.read_control import ReadControl
from ..formats.source import FileSource
from ..report.wording import number
from .describe_products import describe_coadd, describe_warp
from .terminal import box_text, facts_table, place_facts, rows_table

__all__ = ("afw_product", "describe_afw", "describe_afw_object")

_FEW = 12
_LONG = 60
"""Characters of an object's own words; of longer ones only the type is told."""


def afw_product(path: Path) -> PatchCoadd | Warp | None:
    """Return the warp or coadd that a file of afw holds; `None` for any other file.

    Raises
    ------
    InputError
        Raised when the file is damaged.
    """
    return read_afw_product(path) if path.is_file() and is_afw_product(path) else None


def describe_afw(path: Path, *, verbose: bool = False) -> tuple[RenderableType, bool] | None:
    """Describe a file of afw; `None` for another file, or one whose beginning cannot be read.

    Returns
    -------
    rich.console.RenderableType
        The description; what cannot be read is named in it.
    bool
        Whether the file is an exposure that can go into a coadd.

    Raises
    ------
    InputError
        Raised when the file is damaged as a whole.
    """
    try:
        kind = kind_of(path)
    except InputError:
        return None  # those who look at it next say what is wrong
    if kind is None:
        return None
    with warnings.catch_warnings():
        # What is not known is among the notes.
        warnings.simplefilter("ignore", ArchiveWarning)
        if kind is Kind.CATALOG:
            return _describe_catalog(path, verbose=verbose), False
        if kind is Kind.BACKGROUND:
            return _describe_background(path), False
        if kind is Kind.TABLE:
            container = Container(path)
            header = container.units[1].cards
            names = [
                str(header.get(f"TTYPE{number + 1}", "?")) for number in range(int(header.get("TFIELDS", 0)))
            ]
            facts = {
                "table": f"of afw, {header.get('NAXIS2', 0)} rows; lamella has no use for it",
                "columns": ", ".join(names[:_FEW])
                + (f" and {len(names) - _FEW} more" if len(names) > _FEW else ""),
            }
            return facts_table(path, facts), False
        if kind is Kind.OBJECT:
            return describe_afw_object(path), False
        return _describe_image(path, verbose=verbose)


def describe_afw_object(path: Path) -> RenderableType:
    """Describe an archive without an image: what each object in it is."""
    file = AfwFile(path)
    archive = file.archive
    rows = [] if archive is None else [_object(archive, id) for id in archive.ids]
    facts = {"objects": f"{len(rows)} in an archive of afw, without an image", "notes": _notes(file)}
    return Group(facts_table(path, facts), rows_table(rows) if rows else Text("No objects."))


def _object(archive: Archive, id: int) -> dict[str, str]:
    holds = _try(lambda: _say(archive.get(id)))
    return {"object": str(id), "class": archive.record(id).name, "holds": holds}


def _describe_image(path: Path, *, verbose: bool) -> tuple[RenderableType, bool]:
    file = AfwFile(path)
    product: ExposureInfo | Warp | PatchCoadd | None = None
    notes: tuple[str, ...] = ()
    try:
        if is_afw_product(path):
            product = read_afw_product(path)
            use = f"a {type(product).__name__}, see below"
        else:
            product, notes = FileSource(AfwExposure(path, ReadControl())).info, identify(file).notes
            width = number(product.psf_fwhm)
            use = f"an exposure: {product.id}, band {product.band}, PSF {width} arcsec"
    except LamellaError as err:
        product, use = None, f"not usable: {str(err).removeprefix(str(path)).lstrip(',: ')}"
    facts = {
        "written by": "afw" + _try(lambda: f", layout {file.layout}"),
        "pixels": _try(lambda: box_text(file.bbox)),
        "planes": ", ".join(
            name.lower() for name in ("IMAGE", "MASK", "VARIANCE") if find_plane(file.container, name)
        ),
        "unit": _try(lambda: str(file.unit or "not given")),
        "projection": _try(lambda: _place(file)),
        "PSF": _try(lambda: _psf(file)),
        "calibration": _try(lambda: _say(file.photo_calib)),
        "filter": _try(lambda: f"band {file.filter.band or '?'}, filter {file.filter.physical or '?'}"),
        "visit": _try(lambda: _visit(file)),
        "detector": _try(lambda: f"{file.detector.id}, {file.detector.name}" if file.detector else "none"),
        "valid region": _try(lambda: _polygon(file)),
        "aperture corrections": _try(lambda: _corrections(file)),
        "statistics": _try(lambda: _statistics(file.summary)),
        "inputs": _try(lambda: _inputs(file)),
        "here": use,
    }
    parts: list[RenderableType] = [facts_table(path, facts | {"notes": _notes(file, notes)})]
    if isinstance(product, PatchCoadd):
        parts.append(describe_coadd(product, path, verbose=verbose))
    elif isinstance(product, Warp):
        parts.append(describe_warp(product, path, verbose=verbose))
    return Group(*parts), isinstance(product, ExposureInfo)


def _try(say: Callable[[], str]) -> str:
    """Return what is said of a component, or why nothing can be."""
    try:
        return say()
    except LamellaError as err:
        return f"cannot be read: {err}"


def _say(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, PhotoCalib):
        kind = "everywhere" if value.field is None else "on average; it varies over the pixels"
        return f"{value.mean:.6g} nJy per unit {kind} (zero point {value.zero_point:.4f} AB mag)"
    text = str(value)
    return text if len(text) <= _LONG else type(value).__name__


def _place(file: AfwFile) -> str:
    source = "archive" if file.component_id("SKYWCS") else "header"
    return f"{place_facts(file.bbox, file.projection)['centre']}, from the {source}"


def _psf(file: AfwFile) -> str:
    psf = read_psf(file)
    return "none" if psf is None else f"{type(psf).__name__}, stamps of {psf.kernel_bbox.x.size} pixels"


def _visit(file: AfwFile) -> str:
    visit = file.visit_info
    texts = [
        f"number {visit.id}" if visit.id else "",
        f"exposure {visit.exposure_id}" if visit.exposure_id else "",
        visit.instrument,
        f"{visit.exposure_time:g} s" if math.isfinite(visit.exposure_time) else "",
        f"MJD {visit.mjd:.5f} (TAI)" if math.isfinite(visit.mjd) else "",
    ]
    return ", ".join(filter(None, texts)) or "nothing is said"


def _polygon(file: AfwFile) -> str:
    polygon = file.valid_polygon
    return "all pixels" if polygon is None else f"a polygon of {polygon.n_vertices} corners"


def _corrections(file: AfwFile) -> str:
    names = {name.removesuffix("Err").removesuffix("_instFlux") for name in file.aperture_corrections}
    return f"of {len(names)} fluxes" if names else "none"


def _statistics(summary: ObservationSummaryStats | None) -> str:
    values = {} if summary is None else summary.model_dump()
    texts = [
        f"{name} {value:.5g}"
        for name, value in values.items()
        if isinstance(value, float) and math.isfinite(value)
    ]
    return ", ".join(texts[:4]) or "none"


def _inputs(file: AfwFile) -> str:
    inputs = read_coadd_inputs(file)
    if inputs is None:
        return "none"
    return f"{len(inputs.detectors)} detector images of {len(inputs.visits)} visits"


def _notes(file: AfwFile, more: tuple[str, ...] = ()) -> str:
    prefix = f"{file.container.path}: "
    return "\n".join((*more, *(note.removeprefix(prefix) for note in file.notes))) or "none"


def _describe_catalog(path: Path, *, verbose: bool) -> RenderableType:
    catalog = ExposureCatalog.read(path)
    if "visit" not in catalog.names:
        count = f"{len(catalog)} exposures, no visit summary"
        facts = {"catalogue": count, "columns": ", ".join(catalog.names)}
        return facts_table(path, facts)
    summary = VisitSummary(catalog, path)
    usable = sum(detector.usable for detector in summary)
    visits = ", ".join(str(visit) for visit in summary.visits)
    facts = {
        "visit summary": f"{len(summary)} detectors of visit {visits}",
        "usable": f"{usable} of them have pixels, a projection and a calibration",
        "use": "give it to lamella coadd beside the exposures; it has numbers for their selection",
    }
    rows = [
        {
            "det": str(detector.detector),
            "band": detector.band or "?",
            "first corner (deg)": _position(detector.corners[0]) if detector.corners is not None else "",
            "PSF ″": number(detector.psf_fwhm),
            "zero point": number(detector.zero_point),
        }
        for detector in list(summary)[: None if verbose else _FEW]
    ]
    more = len(summary) - len(rows)
    parts = [facts_table(path, facts), rows_table(rows)] if rows else [facts_table(path, facts)]
    return Group(*parts, *([f"and {more} more (-v shows all)"] if more else []))


def _position(corner: SkyCoord) -> str:
    return f"{corner.ra.to_value(u.deg):.4f} {corner.dec.to_value(u.deg):+.4f}"


def _describe_background(path: Path) -> RenderableType:
    background = Background.read(path)
    facts = {
        "background": f"{len(background)} layers, which were subtracted from an exposure",
        "pixels": box_text(background.bbox),
    }
    rows = [
        {
            "layer": str(index),
            "cells": f"{layer.values.shape[1]}×{layer.values.shape[0]}",
            "between them": f"polynomial of order {layer.order}"
            if layer.style is None
            else layer.style.name.lower().replace("_", " "),
        }
        for index, layer in enumerate(background)
    ]
    return Group(facts_table(path, facts), rows_table(rows))

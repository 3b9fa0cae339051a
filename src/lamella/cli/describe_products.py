"""Descriptions of exposures, warps and coadds for the terminal: short, in 80 columns."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from astropy.io import fits
from lsst.images import Mask, MaskSchema
from rich.console import Group, RenderableType
from rich.text import Text

from ..coadd.summary import CoaddSummary, summarize
from ..data.coadd import PatchCoadd
from ..data.detector import DetectorInput
from ..data.exposure import Exposure, ExposureId, ExposureSource
from ..data.times import ExposureTimes, TotalTimes
from ..data.warp import Warp
from ..errors import UnreadableFileError
from ..fits.read import open_fits, read_cards, read_headers
from ..fits.text import from_fits
from ..formats.cards import Cards
from ..report.wording import (
    ABSENT,
    depth,
    depth_stated,
    exposed,
    number,
    percent,
    plain,
    reasons,
    significant,
    span,
)
from .describe_artifacts import match_facts, matching_facts, removals_table
from .terminal import box_text, facts_table, place_facts, rows_table

__all__ = (
    "describe_coadd",
    "describe_exposure",
    "describe_plain_fits",
    "describe_warp",
    "exposure_table",
    "is_plain_fits",
    "plane_fractions",
)

_FEW_NOTES = 4
_FEW = 12
"""Number of inputs that are listed unless all are asked for."""


def describe_coadd(coadd: PatchCoadd, path: Path, *, verbose: bool = False) -> RenderableType:
    """Describe a coadd: place, coverage, depth, inputs, what was left out, mask planes."""
    summary = summarize(coadd)
    notes = (*coadd.notes, *summary.notes)
    few = verbose or len(notes) <= _FEW_NOTES
    facts = {
        "coadd": f"band {coadd.band}, tract {coadd.tract}, patch {coadd.patch[0]},{coadd.patch[1]} "
        f"of sky map {coadd.skymap}",
        **place_facts(coadd.bbox, coadd.sky_projection),
        "inner box": "the same" if coadd.inner_bbox == coadd.bbox else box_text(coadd.inner_bbox),
        **_quality(summary),
        "inputs": f"{summary.detectors} detector images of {summary.visits} visits",
        "taken": f"{span(summary.times, summary.visits)} (UTC)",
        "exposure": f"{exposed(summary.times, summary.visits)} in all",
        "left out": "\n".join(reasons(summary.rejected)) or "none",
        "statistic": str(coadd.settings.get("assemble", {}).get("statistic", "unknown")),
        **matching_facts(coadd.settings.get("matching", {})),
        "made by": f"lamella {coadd.versions.get('lamella', '?')}",
        "notes": ("\n".join(notes) or "none") if few else f"{len(notes)} about the inputs (-v shows them)",
    }
    parts = [facts_table(path, facts), _planes(coadd.mask.schema, summary.mask_fractions)]
    if coadd.removals:
        parts.append(removals_table(coadd.removals))
    parts.append(_detectors(coadd.detectors, verbose=verbose))
    if verbose:
        left_out = [
            (item.id, {"left out": item.stage, "reason": item.reason, "file": item.path})
            for item in coadd.rejections
        ]
        parts.append(_by_instrument(left_out))
        parts.append(Text(yaml.safe_dump({"settings": coadd.settings, "versions": coadd.versions})))
    return Group(*parts)


def describe_warp(warp: Warp, path: Path, *, verbose: bool = False) -> RenderableType:
    """Describe a warp: place, detectors, mask planes."""
    good = np.isfinite(warp.variance.array)
    noise = float(np.sqrt(np.median(warp.variance.array[good]))) if good.any() else None
    times = TotalTimes.of([warp.detectors] if warp.detectors else [])
    facts = {
        "warp": f"{warp.instrument} visit {warp.visit}, band {warp.band}",
        "taken": f"{span(times, 1)} (UTC)",
        "exposure": exposed(times, 1),
        **place_facts(warp.bbox, warp.sky_projection),
        "data": f"{percent(float(good.mean()))} of the pixels",
        "noise": f"{significant(noise)} {warp.flux_unit} per pixel, by the variance",
        **match_facts(warp),
    }
    return Group(
        facts_table(path, facts),
        _planes(warp.mask.schema, plane_fractions(warp.mask)),
        _detectors(warp.detectors, verbose=verbose, weights=False),
    )


def exposure_table(sources: Iterable[ExposureSource], *, verbose: bool = False) -> RenderableType:
    """List exposures by what their headers say."""
    rows = []
    for source in sources:
        info = source.info
        centre = info.projection.pixel_to_sky(x=info.bbox.x.center, y=info.bbox.y.center)
        row = {"band": info.band, "centre (deg)": f"{centre.ra.deg:.3f} {centre.dec.deg:+.3f}"}
        if verbose:
            row["pixels"] = f"{info.bbox.x.size}×{info.bbox.y.size}"
            row |= _times(info.times)
        row |= {"PSF ″": number(info.psf_fwhm), "file": info.path if verbose else Path(info.path).name}
        rows.append((info.id, row))
    return _by_instrument(rows) if rows else Text("No exposures.")


def describe_exposure(exposure: Exposure) -> RenderableType:
    """Describe the pixels of an exposure: noise, photometric scale, masked parts, notes."""
    pixels = exposure.pixels
    good = np.isfinite(pixels.image.array) & np.isfinite(pixels.variance.array)
    noise = float(np.sqrt(np.median(pixels.variance.array[good]))) if good.any() else None
    facts = {
        "data": f"{percent(float(good.mean()))} of the pixels",
        "noise": f"{significant(noise)} {pixels.unit or 'counts'} per pixel, by the variance",
        "scale": f"{exposure.to_njy:.6g} {exposure.info.flux_unit} per unit"
        if isinstance(exposure.to_njy, float)
        else "varies over the pixels",
        "notes": "\n".join(exposure.notes) or "none",
    }
    planes = _planes(pixels.mask.schema, plane_fractions(pixels.mask))
    return Group(facts_table(exposure.info.id, facts), planes)


def is_plain_fits(path: Path) -> bool:
    """Return whether a file is a plain FITS file of a coadd that lamella wrote."""
    try:
        (header,) = read_cards(path, 1)
    except UnreadableFileError:
        return False
    return str(header.get("CREATOR", "")).startswith("lamella") and "PATCH" in header


def describe_plain_fits(path: Path) -> RenderableType:
    """Describe a plain FITS file of a coadd: its identity, and what its HDUs hold.

    Raises
    ------
    InputError
        Raised when it is damaged, or its header lacks some of that.
    """
    primary = read_headers(path, 1)[0]
    head = Cards(path, "HDU 0", (primary,))
    with open_fits(path) as hdus:
        facts = {
            "coadd": f"band {from_fits(head.text('BAND'))}, tract {head.text('TRACT')}, "
            f"patch {head.text('PATCH')} of sky map {from_fits(head.text('SKYMAP'))}",
            "inputs": f"{head.text('NVISITS')} visits",
            "taken": f"{primary.get('DATE-BEG', ABSENT)} to {primary.get('DATE-END', ABSENT)} (UTC)",
            "exposure": f"{plain(primary.get('EXPTIME'))} s in all",
            "made by": head.text("CREATOR"),
        }
        rows = [
            {
                "HDU": f"{index} {hdu.name}",
                "holds": f"{len(hdu.data)} rows"
                if isinstance(hdu, fits.BinTableHDU)
                else "×".join(str(size) for size in reversed(hdu.shape)),
                "unit": str(hdu.header.get("BUNIT", "")),
            }
            for index, hdu in enumerate(hdus)
            if hdu.data is not None
        ]
    return Group(facts_table(path, facts), rows_table(rows))


# Parts of the descriptions.


def _times(times: ExposureTimes) -> dict[str, str]:
    middle = ABSENT if times.middle is None else f"{times.middle:.5f}"
    return {"MJD (UTC)": middle, "s": plain(times.exposure_time)}


def _by_instrument(rows: Sequence[tuple[ExposureId, dict[str, str]]]) -> RenderableType:
    """Put rows of exposures that are sorted by identity into one table per instrument."""
    tables = []
    for instrument, group in itertools.groupby(rows, key=lambda row: row[0].instrument):
        members = [{"visit": str(id.visit), "det": str(id.detector), **row} for id, row in group]
        tables.append(rows_table(members, title=instrument))
    return Group(*tables)


def _quality(summary: CoaddSummary) -> dict[str, str]:
    factor, correction = summary.variance_factor, summary.variance_correction
    absolute = summary.fluxes.is_absolute
    return {
        "data": f"{percent(summary.covered_fraction)} of the pixels; visits per pixel: "
        f"median {number(summary.median_count, 0)}, at most {summary.max_count}",
        "PSF": f"{number(summary.psf_fwhm)} arcsec full width at half maximum, at the centre of the data",
        "depth": f"{depth(summary)}{' (AB)' if absolute else ''} for a point source of 5 sigma at blank "
        f"places; {depth_stated(summary)} by the variance plane",
        **({} if absolute else {"fluxes": f"in {summary.fluxes}, without magnitudes"}),
        "noise": f"{significant(summary.pixel_noise)} {summary.flux_unit} per pixel of blank sky; "
        f"{number(summary.noise_ratio)} of what the variance says",
        "errors": f"of point-source fluxes are {number(summary.psf_noise_ratio)} of what the variance says"
        + (f", which was multiplied by {factor:.4g} ({correction})" if correction != "none" else ""),
    }


def plane_fractions(mask: Mask) -> dict[str, float]:
    """Return the fraction of the pixels that each plane of a mask of any type covers, if it covers any."""
    fractions = {name: float(mask.get(name).mean()) for name in mask.schema.names}
    return {name: fraction for name, fraction in fractions.items() if fraction}


def _planes(schema: MaskSchema, fractions: Mapping[str, float]) -> RenderableType:
    rows = [
        {"mask plane": name, "pixels": percent(fraction), "meaning": schema.descriptions[name]}
        for name, fraction in fractions.items()
    ]
    return rows_table(rows) if rows else Text("No pixel is masked.")


def _detectors(detectors: Sequence[DetectorInput], *, verbose: bool, weights: bool = True) -> RenderableType:
    shown = detectors if verbose else detectors[:_FEW]
    rows = []
    for detector in shown:
        row = {"weight": significant(detector.weight)} if weights else {}
        row |= {"good pixels": str(detector.good_pixels), "PSF ″": number(detector.psf_fwhm)}
        if verbose:
            row |= _times(detector.times)
        rows.append((detector.id, row | {"file": detector.path if verbose else Path(detector.path).name}))
    more = len(detectors) - len(shown)
    return Group(_by_instrument(rows), *([f"and {more} more (-v shows all)"] if more else []))

"""What files hold, as plain values for JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..coadd.reject.artifact_masks import ArtifactMasks
from ..coadd.summary import summarize
from ..data.coadd import PatchCoadd
from ..data.exposure import Exposure, ExposureSource
from ..data.warp import Warp
from ..errors import InputError
from ..fits.read import header_integer, read_headers
from ..fits.text import from_fits
from ..formats.cards import Cards
from ..formats.contents import FitsContents
from ..report.record import CoaddRecord, SkyPosition, coadd_record
from ..sky.skymap import SkyMap
from ..sky.tract import Tract
from ..texts import parse_whole
from .describe_products import plane_fractions

__all__ = (
    "artifact_values",
    "coadd_values",
    "exposure_values",
    "fits_values",
    "pixel_values",
    "plain_fits_values",
    "record_values",
    "skymap_values",
    "stack_values",
    "warp_values",
)

_OF_A_RUN = ("pictures", "earlier", "kept", "fingerprint", "files", "states")
"""Fields of a record that belong to a run."""


def exposure_values(source: ExposureSource) -> dict[str, Any]:
    """Return what is known of an exposure without its pixels."""
    info = source.info
    return {
        "kind": "exposure",
        "file": info.path,
        "format": info.format,
        "instrument": info.id.instrument,
        "visit": info.id.visit,
        "detector": info.id.detector,
        "band": info.band,
        "physical_filter": info.physical_filter,
        "width": info.bbox.x.size,
        "height": info.bbox.y.size,
        "position": _plain(SkyPosition.of(info.bbox, info.projection)),
        "psf_fwhm": info.psf_fwhm,
        "times": dataclasses.asdict(info.times),
        "flux_unit": str(info.flux_unit),
        "origins": {name: dataclasses.asdict(origin) for name, origin in info.origins.items()},
    }


def pixel_values(exposure: Exposure) -> dict[str, Any]:
    """Return what the pixels of an exposure add to that."""
    return {
        "scale": exposure.to_njy if isinstance(exposure.to_njy, float) else None,
        "mask_fractions": plane_fractions(exposure.pixels.mask),
        "notes": list(exposure.notes),
    }


def coadd_values(coadd: PatchCoadd, path: Path) -> dict[str, Any]:
    """Return the record of a coadd in a file."""
    return record_values(coadd_record(coadd, summarize(coadd), pictures=()), path)


def record_values(record: CoaddRecord, path: Path) -> dict[str, Any]:
    """Return a record in a folder of results as plain values; its file says the name."""
    values = stack_values(record)
    del values["name"]
    return {"kind": "coadd", "file": str(path), **values}


def stack_values(record: CoaddRecord) -> dict[str, Any]:
    """Return a record of a coadd that belongs to no run as plain values."""
    return {name: value for name, value in record.to_dict().items() if name not in _OF_A_RUN}


def warp_values(warp: Warp, path: Path) -> dict[str, Any]:
    """Return what a warp holds."""
    return {
        "kind": "warp",
        "file": str(path),
        "instrument": warp.instrument,
        "visit": warp.visit,
        "band": warp.band,
        "width": warp.bbox.x.size,
        "height": warp.bbox.y.size,
        "position": _plain(SkyPosition.of(warp.bbox, warp.sky_projection)),
        "matched": warp.matched_psf is not None,
        "flux_unit": warp.flux_unit,
        "detectors": [
            {
                "detector": detector.id.detector,
                "file": detector.path,
                "good_pixels": detector.good_pixels,
                "psf_fwhm": detector.psf_fwhm,
            }
            for detector in warp.detectors
        ],
        "mask_fractions": plane_fractions(warp.mask),
    }


def artifact_values(masks: ArtifactMasks, path: Path) -> dict[str, Any]:
    """Return what was left out of a coadd."""
    return {
        "kind": "artifacts",
        "file": str(path),
        "band": masks.band,
        "skymap": masks.skymap,
        "tract": masks.tract,
        "patch": masks.patch,
        "method": masks.method,
        "planes": masks.plane_names,
        "visits": [dataclasses.asdict(removal) for removal in masks.removals],
    }


def plain_fits_values(path: Path) -> dict[str, Any]:
    """Return what the header of a plain FITS file of a coadd says.

    Raises
    ------
    InputError
        Raised when the header lacks some of that, or it has no sense.
    """
    (header,) = read_headers(path, 1)
    head = Cards(path, "HDU 0", (header,))
    label = head.text("PATCH")
    patch = [parse_whole(word) for word in label.split(",")]
    if len(patch) != 2 or None in patch:
        raise InputError(path, where="HDU 0, PATCH", found=repr(label), expected="column,row such as 5,4")
    return {
        "kind": "plain coadd",
        "file": str(path),
        "band": from_fits(head.text("BAND")),
        "skymap": from_fits(head.text("SKYMAP")),
        "tract": header_integer(header, "TRACT", path=path, where="HDU 0"),
        "patch": patch,
        "visits": header_integer(header, "NVISITS", path=path, where="HDU 0"),
        "creator": head.text("CREATOR"),
    }


def skymap_values(skymap: SkyMap[Any], tracts: Sequence[Tract]) -> dict[str, Any]:
    """Return a sky map and some of its tracts."""
    return {
        "kind": "sky map",
        "name": skymap.name,
        "skymap_kind": skymap.kind,
        "identity": skymap.identity,
        "options": skymap.config.to_dict(),
        "tract_count": len(skymap),
        "tracts": [
            {
                "tract": tract.id,
                "center": [float(tract.center.icrs.ra.deg), float(tract.center.icrs.dec.deg)],
                "width": tract.bbox.x.size,
                "height": tract.bbox.y.size,
                "patches": [tract.n_patches.x, tract.n_patches.y],
            }
            for tract in tracts
        ],
    }


def fits_values(contents: FitsContents) -> dict[str, Any]:
    """Return the HDUs of a FITS file that is none of these, and what a coadd lacks in it."""
    return {
        "kind": "FITS",
        "file": str(contents.path),
        "hdus": [dataclasses.asdict(hdu) for hdu in contents.hdus],
        "missing": list(contents.missing),
    }


def _plain(position: SkyPosition | None) -> dict[str, Any] | None:
    return None if position is None else position.to_dict()

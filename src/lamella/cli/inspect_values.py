"""What files hold, as plain values for JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from astropy.io import fits

from ..coadd.reject.artifact_masks import ArtifactMasks
from ..coadd.summary import summarize
from ..data.coadd import PatchCoadd
from ..data.exposure import Exposure, ExposureSource
from ..data.warp import Warp
from ..fits.text import from_fits
from ..formats.contents import FitsContents
from ..report.record import CoaddRecord, SkyPosition, coadd_record
from ..sky.skymap import SkyMap
from ..sky.tract import Tract
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
    """Return what the header of a plain FITS file of a coadd says."""
    head = fits.getheader(path, 0)
    column, row = str(head["PATCH"]).split(",")
    return {
        "kind": "plain coadd",
        "file": str(path),
        "band": from_fits(head["BAND"]),
        "skymap": from_fits(head["SKYMAP"]),
        "tract": head["TRACT"],
        "patch": [int(column), int(row)],
        "visits": head["NVISITS"],
        "creator": head["CREATOR"],
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

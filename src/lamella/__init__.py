"""lamella: deep coadds of astronomical exposures, with mask, variance, PSF and provenance.

The public names of this module are imported when they are first used, so that
``import lamella`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

from .startup import lighten_imports

__version__ = "0.1.0"

_HOMES: dict[str, str] = {
    "ArchiveWarp": "formats.archive.products",
    "ArtifactMasks": "coadd.reject.artifact_masks",
    "AssembleConfig": "coadd.assemble_control",
    "CoaddTarget": "data.inputs",
    "Exposure": "data.exposure",
    "ExposureId": "data.exposure",
    "ExposureInfo": "data.exposure",
    "LamellaError": "errors",
    "PatchCoadd": "data.coadd",
    "PatchConfig": "run.patch_config",
    "PatchId": "data.coadd",
    "Provenance": "data.coadd",
    "Resources": "resources",
    "SkyMap": "sky.skymap",
    "StackControl": "coadd.stack.stack_control",
    "StackResult": "coadd.stack.stack",
    "StreamingMean": "coadd.stack.stack",
    "Warp": "data.warp",
    "WarpControl": "coadd.warp.warp_control",
    "WarpInput": "data.inputs",
    "assemble": "coadd.assemble",
    "coadd_exposures": "run.coadds",
    "fill_gaps": "image.gaps",
    "load_skymap": "sky.registry",
    "make_skymap": "sky.registry",
    "make_warp": "coadd.warp.warp",
    "open_exposures": "formats.recognise",
    "open_warp": "formats.archive.open_warp",
    "read_artifacts": "formats.archive.artifact_files",
    "read_product": "formats.archive.products",
    "select_exposures": "coadd.select.select",
    "skymap_from_exposures": "sky.field",
    "statistics_stack": "coadd.stack.stack",
    "summarize": "coadd.summary",
    "write_afw": "formats.afw.write",
    "write_archive": "formats.archive.write",
    "write_artifacts": "formats.archive.artifact_files",
    "write_plain_fits": "formats.archive.write",
}

__all__ = ("__version__", *_HOMES)

lighten_imports()


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

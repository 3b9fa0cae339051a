"""lamella: deep coadds of astronomical exposures, with mask, variance, PSF and provenance.

The public names of this module are imported when they are first used, so that
``import lamella`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:  # the same names for type checkers and editors
    from .coadd.assemble import assemble as assemble
    from .coadd.assemble_control import AssembleConfig as AssembleConfig
    from .coadd.reject.artifact_masks import ArtifactMasks as ArtifactMasks
    from .coadd.select.select import select_exposures as select_exposures
    from .coadd.stack.stack import StackResult as StackResult
    from .coadd.stack.stack import StreamingMean as StreamingMean
    from .coadd.stack.stack import statistics_stack as statistics_stack
    from .coadd.stack.stack_control import StackControl as StackControl
    from .coadd.summary import summarize as summarize
    from .coadd.warp.warp import make_warp as make_warp
    from .coadd.warp.warp_control import WarpControl as WarpControl
    from .data.coadd import PatchCoadd as PatchCoadd
    from .data.coadd import PatchId as PatchId
    from .data.coadd import Provenance as Provenance
    from .data.exposure import Exposure as Exposure
    from .data.exposure import ExposureId as ExposureId
    from .data.exposure import ExposureInfo as ExposureInfo
    from .data.inputs import CoaddTarget as CoaddTarget
    from .data.inputs import WarpInput as WarpInput
    from .data.warp import Warp as Warp
    from .errors import LamellaError as LamellaError
    from .formats.afw.write import write_afw as write_afw
    from .formats.archive.artifact_files import read_artifacts as read_artifacts
    from .formats.archive.artifact_files import write_artifacts as write_artifacts
    from .formats.archive.open_warp import open_warp as open_warp
    from .formats.archive.products import ArchiveWarp as ArchiveWarp
    from .formats.archive.products import read_product as read_product
    from .formats.archive.write import write_archive as write_archive
    from .formats.archive.write import write_plain_fits as write_plain_fits
    from .formats.recognise import open_exposures as open_exposures
    from .image.gaps import fill_gaps as fill_gaps
    from .resources import Resources as Resources
    from .run.coadds import coadd_exposures as coadd_exposures
    from .run.patch_config import PatchConfig as PatchConfig
    from .sky.field import skymap_from_exposures as skymap_from_exposures
    from .sky.registry import load_skymap as load_skymap
    from .sky.registry import make_skymap as make_skymap
    from .sky.skymap import SkyMap as SkyMap

__all__ = ("__version__", *_HOMES)

lighten_imports()


if not TYPE_CHECKING:  # or a name that there is not would be of any type

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

"""Names that the LSST Science Pipelines have and the middleware has not, and what lamella has for them.

One table serves configuration files, ``retarget``, saved configurations, and,
on request, the imports of a script (`lamella.tasks.manual.lsst_names`).  It
holds names only: nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

from ...errors import ConfigError
from ...suggestions import nearest

__all__ = ("MODULES", "SINGLE_NAMES", "find_name", "is_ours", "offer")

_MANUAL = "lamella.tasks.manual"
_CMDLINE = "lamella.tasks.cmdline"
_ASSEMBLERS = tuple(
    f"{_MANUAL}.{name}"
    for name in (
        "assembleCoadd",
        "assembleCoaddConfig",
        "safeClipAssembleCoadd",
        "compareWarpAssembleCoadd",
    )
)

MODULES: dict[str, tuple[str, ...]] = {
    "lsst.coadd.utils.coaddDataIdContainer": (f"{_CMDLINE}.data_ids",),
    "lsst.drp.tasks.assemble_coadd": _ASSEMBLERS,
    "lsst.pipe.base.argumentParser": (f"{_CMDLINE}.argument_parser", f"{_CMDLINE}.data_ids"),
    "lsst.pipe.base.cmdLineTask": (f"{_CMDLINE}.task", f"{_CMDLINE}.runner"),
    "lsst.pipe.base.timer": ("lsst.utils.timer",),
    "lsst.pipe.tasks.assembleCoadd": _ASSEMBLERS,
    **{
        f"lsst.pipe.tasks.{name}": (f"{_MANUAL}.{name}",)
        for name in (
            "coaddBase",
            "coaddInputRecorder",
            "interpImage",
            "makeCoaddTempExp",
            "makeDiscreteSkyMap",
            "makeSkyMap",
            "scaleZeroPoint",
            "selectImages",
            "warpAndPsfMatch",
        )
    },
    "lsst.pipe.tasks.script.registerSkymap": (f"{_MANUAL}.makeSkyMap",),
}
"""Modules of the pipelines, and the modules that have the classes of the same names here."""

SINGLE_NAMES: dict[str, str] = {
    "lsst.coadd.utils.CoaddDataIdContainer": f"{_CMDLINE}.data_ids",
    "lsst.pipe.base.ArgumentParser": f"{_CMDLINE}.argument_parser",
    "lsst.pipe.base.CmdLineTask": f"{_CMDLINE}.task",
    "lsst.pipe.base.DataIdContainer": f"{_CMDLINE}.data_ids",
    "lsst.pipe.base.TaskRunner": f"{_CMDLINE}.runner",
    "lsst.pipe.base.timeMethod": "lsst.utils.timer",
}
"""Names that packages have directly, and the module that has each here."""


def is_ours(path: str) -> bool:
    """Whether a dotted name is one of the pipelines that has, or should have, a counterpart here."""
    return path in SINGLE_NAMES or path.rpartition(".")[0] in MODULES


def find_name(path: str) -> Any:
    """Return what stands behind a name of the pipelines.

    Parameters
    ----------
    path
        ``lsst.pipe.tasks.assembleCoadd.AssembleCoaddTask``, one for which `is_ours` is true.

    Raises
    ------
    ConfigError
        Raised when there is nothing of that name; the message says what is nearest.
    """
    module, _, name = path.rpartition(".")
    sources = (SINGLE_NAMES[path],) if path in SINGLE_NAMES else MODULES[module]
    offered: list[str] = []
    for source in sources:
        here = importlib.import_module(source)
        if name in here.__all__:
            return getattr(here, name)
        offered += here.__all__
    text = f"{path}: lamella has no {name} in {', '.join(sources)}{nearest(name, offered)}."
    raise ConfigError(text, found=path)


def offer(module: str) -> str:
    """Return a sentence on what lamella has in place of the modules of the pipelines that are not here."""
    if module.startswith("lsst.pipe.tasks."):
        names = sorted(name[16:] for name in MODULES if re.fullmatch(r"lsst\.pipe\.tasks\.\w+", name))
        return f"lamella has {', '.join(names)} of lsst.pipe.tasks"
    return (
        "lamella has nothing in its place, but images in lsst.images, the tasks of lsst.pipe.tasks that "
        f"make warps and coadds, and {', '.join(SINGLE_NAMES)}; see What is not here in its documentation"
    )

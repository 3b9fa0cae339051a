"""lamella: deep coadds of astronomical exposures, with mask, variance, PSF and provenance.

The public names of this module are imported when they are first used, so that
``import lamella`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES: dict[str, str] = {
    "StackControl": "coadd.stack",
    "statistics_stack": "coadd.stack",
}

__all__ = ("__version__", *_HOMES)


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

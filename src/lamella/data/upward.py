"""Methods of values whose work is done on the floors above, by name.

Values are used from everywhere and import nothing above them.  What a value shows of itself, or is made from
by measuring, is the work of rooms above: this is the one place through which they are called.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

__all__ = ("WORKERS", "above")

WORKERS: dict[str, str] = {
    "exposure_from_arrays": "lamella.formats.given.exposures",
    "exposure_from_ccddata": "lamella.formats.given.exposures",
    "coadd_ccddata": "lamella.formats.archive.values",
    "coadd_hdus": "lamella.formats.archive.values",
    "plot_image": "lamella.report.figures",
    "coadd_html": "lamella.report.notebook",
    "warp_html": "lamella.report.notebook",
    "exposure_html": "lamella.report.notebook",
}
"""Functions of rooms above, and the modules that hold them."""


def above(name: str) -> Callable[..., Any]:
    """Return a function of `WORKERS`; its module is imported now."""
    function: Callable[..., Any] = getattr(importlib.import_module(WORKERS[name]), name)
    return function

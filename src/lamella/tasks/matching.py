"""Warps that are matched to one PSF, and the account of the match that a coadd gives."""

from __future__ import annotations

from typing import Any

from ..coadd.warp.pairs import Pairs
from .history import warp_settings

__all__ = ("MODEL_FWHM", "pair_settings")

MODEL_FWHM = 7.7
"""Width of the target in pixels where no other is given: that of the original pipelines."""


def pair_settings(pairs: Pairs) -> dict[str, Any]:
    """Return what a coadd tells of the match: its options, the common width, and the quality."""
    options = warp_settings(pairs).get("match", {})
    matching = pairs.matching(options.get("fwhm"))
    if matching is None:
        return {}
    return {**({"match": options} if options else {}), "matching": matching.to_dict()}

"""What is said of artifacts and of PSF matching in the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ..coadd.reject.artifact_masks import ArtifactMasks
from ..data.removals import KINDS, Removal
from ..data.warp import MatchRecord, Warp
from ..psf.gaussian import FWHM_PER_SIGMA
from ..psf.parameters import psf_to_parameters
from ..report.wording import percent
from .terminal import facts_table, place_facts, rows_table

__all__ = ("describe_artifacts", "match_facts", "matching_facts", "removals_table")


def describe_artifacts(masks: ArtifactMasks, path: Path) -> RenderableType:
    """Describe the artifacts of a coadd: where, how they were found, what each visit lost."""
    counts = masks.counts()
    facts = {
        "artifacts": f"of the coadd in band {masks.band}, tract {masks.tract}, patch {masks.patch[0]},"
        f"{masks.patch[1]} of sky map {masks.skymap}",
        "found by": masks.method,
        **place_facts(masks.bbox, masks.projection),
        "left out": f"at {percent(float((counts > 0).mean()))} of the pixels; at most "
        f"{int(counts.max(initial=0))} visits at one",
        "planes": ", ".join(masks.plane_names) or "none",
    }
    return Group(facts_table(path, facts), removals_table(masks.removals))


def removals_table(removals: Sequence[Removal]) -> RenderableType:
    """List what each visit lost to artifacts, by kind."""
    kinds = [kind for kind in KINDS if any(getattr(one, kind) for one in removals)]
    rows = []
    for one in removals:
        parts = {kind: percent(getattr(one, kind) / one.valid if one.valid else 0.0) for kind in kinds}
        rows.append(
            {"visit": f"{one.instrument} {one.visit}", "left out": percent(one.fraction)}
            | parts
            | ({"displaced": _shift(one)} if any(one.shift_x is not None for one in removals) else {})
            | {"warning": one.warning}
        )
    return rows_table(rows, title="artifacts") if rows else Text("No visit.")


def _shift(one: Removal) -> str:
    """Say by how much the sources of a visit are displaced, along x and y."""
    if one.shift_x is None or one.shift_y is None:
        return "–"
    return f"{one.shift_x:+.3f}, {one.shift_y:+.3f} px"


def match_facts(warp: Warp) -> dict[str, str]:
    """Say what a warp was matched to, and how well; nothing of a direct warp."""
    if warp.matched_psf is None:
        return {}
    _, numbers = psf_to_parameters(warp.matched_psf)  # a Gaussian, or two
    width = FWHM_PER_SIGMA * float(numbers.get("sigma1", numbers.get("sigma", math.nan)))
    facts = {"matched": f"to a PSF of {width:.2f} pixels full width at half maximum"}
    records = warp.match_records
    return facts | ({"residual": _match_quality(records)} if records else {})


def _match_quality(records: Sequence[MatchRecord]) -> str:
    residual, gain = (max(getattr(one, name) for one in records) for name in ("residual", "noise_gain"))
    return f"at most {percent(residual)} of the peak of the PSF; noise at most × {gain:.2f}"


def matching_facts(matching: Mapping[str, Any]) -> dict[str, str]:
    """Say how many visits of a coadd were matched, and why others were not."""
    if not matching:
        return {}
    failed = [f"visit {one['visit']}: {one['reason']}" for one in matching["unmatched"]]
    visits = {(one["instrument"], one["visit"]) for one in matching["detectors"]}
    text = f"{len(visits)} visits to a PSF of {matching['fwhm']:.2f} pixels full width at half maximum"
    return {"matched": "\n".join([text, *(f"not {one}" for one in failed)])}

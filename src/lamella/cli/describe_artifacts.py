"""Descriptions of artifacts and of PSF matching for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ..coadd.reject.artifact_masks import ArtifactMasks
from ..data.removals import KINDS, Removal
from ..data.warp import Warp
from ..psf.gaussian import FWHM_PER_SIGMA
from ..psf.parameters import psf_to_parameters
from ..report.wording import ABSENT, percent
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
    kinds = [kind for kind in KINDS if any(getattr(removal, kind) for removal in removals)]
    measured = any(removal.shift_x is not None for removal in removals)
    rows = []
    for removal in removals:
        row = {"visit": f"{removal.instrument} {removal.visit}", "left out": percent(removal.fraction)}
        for kind in kinds:
            row[kind] = percent(getattr(removal, kind) / removal.valid if removal.valid else 0.0)
        if measured:
            x, y = removal.shift_x, removal.shift_y
            row["displaced"] = ABSENT if x is None or y is None else f"{x:+.3f}, {y:+.3f} px"
        rows.append(row | {"warning": removal.warning})
    return rows_table(rows, title="artifacts") if rows else Text("No visit.")


def match_facts(warp: Warp) -> dict[str, str]:
    """Say what a warp was matched to, and how well; nothing of a direct warp."""
    if warp.matched_psf is None:
        return {}
    _, numbers = psf_to_parameters(warp.matched_psf)  # a Gaussian, or two
    width = FWHM_PER_SIGMA * float(numbers.get("sigma1", numbers.get("sigma", math.nan)))
    facts = {"matched": f"to a PSF of {width:.2f} pixels full width at half maximum"}
    if warp.match_records:
        residual = percent(max(record.residual for record in warp.match_records))
        gain = max(record.noise_gain for record in warp.match_records)
        facts["residual"] = f"at most {residual} of the peak of the PSF; noise at most × {gain:.2f}"
    return facts


def matching_facts(matching: Mapping[str, Any]) -> dict[str, str]:
    """Say how many visits of a coadd were matched, and why others were not."""
    if not matching:
        return {}
    failed = [f"not visit {visit['visit']}: {visit['reason']}" for visit in matching["unmatched"]]
    visits = {(detector["instrument"], detector["visit"]) for detector in matching["detectors"]}
    text = f"{len(visits)} visits to a PSF of {matching['fwhm']:.2f} pixels full width at half maximum"
    return {"matched": "\n".join([text, *failed])}

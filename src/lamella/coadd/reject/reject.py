"""Rejection of artifacts: which pixels of which visit are left out of a coadd, and the account of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from lsst.images import Box, MaskSchema, SkyProjection

from ...data.inputs import WarpInput
from ...data.removals import Removal, VisitArtifacts
from ...image.runs import no_runs, pixels_of, shared_runs, united_runs
from ...image.spans import Runs, SpanMask
from ...planes import make_schema
from ...resources import Resources
from .reject_control import RejectControl
from .widths import measured_widths

if TYPE_CHECKING:
    from ..assemble_control import AssembleConfig

__all__ = ("Findings", "find_rejections")


@dataclasses.dataclass(frozen=True)
class Findings:
    """What was found in all inputs of a coadd.

    Attributes
    ----------
    artifacts
        For each input, in their order, the planes to be or-ed into its mask: CLIPPED for
        artifacts, STREAK for those that are streaks, NO_DATA for what could not be tested.
    removals
        For each input, how much of it is removed; nothing if no artifacts were looked for.
    edges
        Where a matched warp ended, and the coadd is made from it up to there.
    removed
        For each input, its unmasked pixels that are removed.
    """

    artifacts: tuple[SpanMask, ...]
    removals: tuple[Removal, ...]
    edges: Runs
    removed: tuple[Runs, ...]

    @classmethod
    def of(cls, inputs: Sequence[WarpInput], found: Sequence[VisitArtifacts], control: RejectControl) -> Self:
        """Give account of what was found in each input.

        Parameters
        ----------
        inputs
            The inputs.
        found
            What was found in each of them.
        control
            Says from when on a visit has a warning.
        """
        removals = [
            Removal.of(one.instrument, one.visit, artifacts, control.warn_fraction)
            for one, artifacts in zip(inputs, found, strict=True)
        ]
        return cls(
            artifacts=tuple(_planes(artifacts) for artifacts in found),
            removals=tuple(removals),
            edges=united_runs(no_runs(), *(one.edges for one in found if one.edges is not None)),
            removed=tuple(shared_runs(one.removed, one.valid) for one in found),
        )

    def counts(self, bbox: Box) -> np.ndarray:
        """Return how many visits were rejected at each pixel of a box: int32 of shape (y, x)."""
        counts = np.zeros(bbox.shape, dtype=np.int32)
        for runs in self.removed:
            y, x, _ = pixels_of(runs.y, runs.x0, runs.x1, bbox)
            counts[y, x] += 1
        return counts

    def apply(self, inputs: Sequence[WarpInput]) -> tuple[WarpInput, ...]:
        """Return the inputs with their artifacts as alternate planes."""
        return tuple(
            dataclasses.replace(one, alternate=_joined(one.alternate, found)) if found.planes else one
            for one, found in zip(inputs, self.artifacts, strict=True)
        )


def find_rejections(
    inputs: Sequence[WarpInput],
    bbox: Box,
    schema: MaskSchema,
    config: AssembleConfig,
    resources: Resources | None = None,
    projection: SkyProjection[Any] | None = None,
) -> Findings:
    """Find the artifacts of all inputs of a coadd.

    The result does not depend on threads, tiles, or the order of the inputs.

    Parameters
    ----------
    inputs
        Warps with weights, in the order of their identities; for compare_warp with matched ones.
    bbox
        Box of the coadd.
    schema
        A schema with all planes of the inputs.
    config
        How the coadd is made; ``config.reject`` says how artifacts are found.
    resources
        Threads and memory.
    projection
        Coadd pixels to ICRS; without it inputs count as having no PSF model.

    Raises
    ------
    NoMatchedWarpsError
        Raised when warps are to be compared and none is matched.
    """
    control, resources = config.reject, resources or Resources()
    names = {name for one in inputs if one.matched is not None for name in one.matched.schema.names}
    schema = make_schema({*schema.names, *names})
    if control.method == "none":
        return Findings((SpanMask({}),) * len(inputs), (), no_runs(), (no_runs(),) * len(inputs))
    measured = measured_widths(inputs, projection, control.default_fwhm)
    widths = [width for width, _ in measured]
    # Imported here, because most coadds are made without.
    if control.method == "safe_clip":
        from .safeclip import safe_clip

        found = safe_clip(inputs, bbox, schema, config, control.safe_clip, resources, widths)
    else:
        from .compare_warps import compare_warps

        found = compare_warps(inputs, bbox, schema, config, control.compare_warp, resources, widths)
    found = [
        dataclasses.replace(artifacts, notes=(*artifacts.notes, note)) if note else artifacts
        for artifacts, (_, note) in zip(found, measured, strict=True)
    ]
    return Findings.of(inputs, found, control)


def _planes(found: VisitArtifacts) -> SpanMask:
    kinds = {kind: runs for kind, runs in found.kinds.items() if kind != "untested"}
    planes = {
        "CLIPPED": united_runs(no_runs(), *kinds.values()),
        "STREAK": kinds.get("streak", no_runs()),
        "NO_DATA": found.kinds.get("untested", no_runs()),
    }
    return SpanMask({name: runs for name, runs in planes.items() if runs.area})


def _joined(first: SpanMask | None, second: SpanMask) -> SpanMask:
    if first is None:
        return second
    names = dict.fromkeys((*first.planes, *second.planes))
    both = {name: [mask.planes[name] for mask in (first, second) if name in mask.planes] for name in names}
    return SpanMask({name: united_runs(*sets) for name, sets in both.items()})

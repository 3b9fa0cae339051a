"""Rejection of artifacts: which pixels of which visit are left out of a coadd, and the account of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Self

from lsst.images import Image

from ...data.inputs import WarpInput
from ...data.removals import Removal, VisitArtifacts
from ...image.spans import Runs, SpanMask, no_runs, shared_runs, united_runs
from .reject_control import RejectControl
from .scene import Scene

__all__ = ("Findings", "find_rejections")


@dataclasses.dataclass(frozen=True)
class Findings:
    """The artifacts of all inputs of a coadd.

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
    before
        An example of the coadd as it would be with the artifacts in it, where one was asked for.
    """

    artifacts: tuple[SpanMask, ...]
    removals: tuple[Removal, ...]
    edges: Runs
    removed: tuple[Runs, ...]
    before: Image | None = None

    @classmethod
    def of(
        cls, inputs: Sequence[WarpInput], artifacts: Sequence[VisitArtifacts], control: RejectControl
    ) -> Self:
        """Give account of the artifacts of each input.

        Parameters
        ----------
        inputs
            The inputs.
        artifacts
            The artifacts of each of them.
        control
            Says from when on a visit has a warning.
        """
        removals = [
            Removal.of(warp.instrument, warp.visit, visit, control.warn_fraction)
            for warp, visit in zip(inputs, artifacts, strict=True)
        ]
        masks = []
        for visit in artifacts:
            # Untested pixels show no artifact: to the coadd they are as good as lost.
            kinds = {kind: runs for kind, runs in visit.kinds.items() if kind != "untested"}
            planes = {
                "CLIPPED": united_runs(no_runs(), *kinds.values()),
                "STREAK": kinds.get("streak", no_runs()),
                "NO_DATA": visit.kinds.get("untested", no_runs()),
            }
            masks.append(SpanMask({name: runs for name, runs in planes.items() if runs.area}))
        return cls(
            artifacts=tuple(masks),
            removals=tuple(removals),
            edges=united_runs(no_runs(), *(visit.edges for visit in artifacts if visit.edges is not None)),
            removed=tuple(shared_runs(visit.removed, visit.valid) for visit in artifacts),
        )

    def apply(self, inputs: Sequence[WarpInput]) -> tuple[WarpInput, ...]:
        """Return the inputs with their artifacts as alternate planes."""
        applied = []
        for warp, mask in zip(inputs, self.artifacts, strict=True):
            planes = {} if warp.alternate is None else dict(warp.alternate.planes)
            for name, runs in mask.planes.items():
                planes[name] = united_runs(planes.get(name, no_runs()), runs)
            applied.append(dataclasses.replace(warp, alternate=SpanMask(planes)) if mask.planes else warp)
        return tuple(applied)


def find_rejections(scene: Scene) -> Findings:
    """Find the artifacts of all inputs of a coadd.

    The result does not depend on threads, tiles, or the order of the inputs.

    Parameters
    ----------
    scene
        The inputs, and how artifacts are found.

    Raises
    ------
    NoMatchedWarpsError
        Raised when warps are to be compared and none is matched.
    """
    count = len(scene.inputs)
    if scene.control.method == "none":
        return Findings((SpanMask({}),) * count, (), no_runs(), (no_runs(),) * count)
    # Imported here, because most coadds are made without.
    if scene.control.method == "safe_clip":
        from .safeclip import safe_clip as find
    else:
        from .compare_warps import compare_warps as find
    artifacts = [
        dataclasses.replace(visit, notes=(*visit.notes, note)) if note else visit
        for visit, note in zip(find(scene), scene.notes, strict=True)
    ]
    return Findings.of(scene.inputs, artifacts, scene.control)

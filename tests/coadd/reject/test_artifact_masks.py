"""Artifacts of all visits as one value."""

from __future__ import annotations

import numpy as np
import pytest
from lsst.images import Box

from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.reject.artifact_masks import ArtifactMasks, rejection_notes
from lamella.coadd.reject.reject import Findings
from lamella.coadd.reject.reject_control import RejectControl
from lamella.coadd.reject.scene import count_visits
from lamella.data.coadd import PatchCoadd
from lamella.data.inputs import CoaddTarget
from lamella.data.removals import Removal
from lamella.data.visit_check import ASTROMETRY, ZERO_POINT, VisitCheck, visit_warnings


def found_in(epochs, maker, n: int, method: str = "compare_warp") -> tuple[PatchCoadd, Findings, np.ndarray]:  # type: ignore[no-untyped-def]
    """Coadd some visits with one transient each, in a row; return also where these are."""
    visits = epochs(n)
    for visit in range(n):
        visits.add(visit, visits.star(75.0, 15.0 + 28 * visit, 3000.0, visits.sigma(visit)))
    seen: list[Findings] = []
    coadd = assemble(
        visits.inputs(),
        AssembleConfig(fill_gaps=False, reject=RejectControl(method=method)),
        target=CoaddTarget(
            outer_bbox=visits.bbox, projection=maker.projection, skymap="s", tract=3, patch=(1, 2)
        ),
        on_findings=seen.append,
    )
    return coadd, seen[0], np.array([15 + 28 * visit for visit in range(n)])


@pytest.mark.parametrize("method", ["compare_warp", "safe_clip"])
def test_each_visit_has_its_own_artifact(epochs, maker, method: str) -> None:  # type: ignore[no-untyped-def]
    coadd, findings, columns = found_in(epochs, maker, 5, method)
    masks = ArtifactMasks.of(coadd, findings)
    assert masks is not None
    assert (masks.method, masks.skymap, masks.tract, masks.patch) == (method, "s", 3, (1, 2))
    assert masks.removals == coadd.removals
    assert masks.bbox == coadd.bbox
    np.testing.assert_array_equal(masks.counts(), count_visits(findings.removed, coadd.bbox))
    for visit, column in zip(masks.visits, columns, strict=True):
        own = visit.removed.to_array(masks.bbox)
        assert own[75, column]
        assert not own[75, columns[columns != column]].any()
        assert own.sum() == visit.removal.removed
    np.testing.assert_array_equal(masks.counts("CLIPPED"), masks.counts())
    assert masks.counts("STREAK").sum() == masks.counts("nonsense").sum() == 0
    assert masks.plane_names == ("CLIPPED",)


def test_without_a_rejection_there_are_none(epochs, maker) -> None:  # type: ignore[no-untyped-def]
    coadd, findings, _ = found_in(epochs, maker, 3, "none")
    assert ArtifactMasks.of(coadd, findings) is None


def removal(visit: int, warning: str = "") -> Removal:
    return Removal(instrument="Cam", visit=visit, valid=10, removed=1, warning=warning)


def test_a_single_visit_gets_a_note() -> None:
    compared, clipped = ({"assemble": {"reject": {"method": m}}} for m in ("compare_warp", "safe_clip"))
    (note,) = rejection_notes(compared, [removal(7)])
    assert "Cam visit 7 is the only visit" in note
    assert rejection_notes(compared, [removal(7), removal(8)]) == ()
    assert rejection_notes({}, []) == ()
    (limits,) = rejection_notes(clipped, [removal(7), removal(8)])
    assert "moves by less than its own width" in limits


def test_warnings_name_their_visits() -> None:
    assert visit_warnings([], [removal(1), removal(2, "look")]) == [("Cam visit 2", "look")]


@pytest.mark.parametrize("advice", [ASTROMETRY, ZERO_POINT])
def test_what_is_wrong_with_a_visit_is_told_once(advice: str) -> None:
    check = VisitCheck(instrument="Cam", visit=2, warning=f"Its sources are off: {advice}")
    much = "9.1 % of its pixels were removed, more than 5.0 %: look at its photometric scale, sky and PSF."
    removals = [removal(2, f"Its sources are 0.5 off: {advice} {much}"), removal(3, f"Off: {advice}")]
    assert visit_warnings([check], removals) == [
        ("Cam visit 2", check.warning),
        ("Cam visit 2", much),
        ("Cam visit 3", f"Off: {advice}"),
    ]


def test_counts_are_those_of_the_box_alone(epochs, maker) -> None:  # type: ignore[no-untyped-def]
    coadd, findings, _ = found_in(epochs, maker, 5)
    y, x = coadd.bbox.y.start, coadd.bbox.x.start
    masks = ArtifactMasks.of(coadd[Box.factory[y + 70 : y + 80, x : x + 40]], findings)
    assert masks is not None
    np.testing.assert_array_equal(masks.counts(), count_visits(findings.removed, coadd.bbox)[70:80, :40])
    assert masks.counts().any()

"""Pictures of artifacts: the right colour at the right place, also when large images are shrunk."""

from __future__ import annotations

import numpy as np
import pytest
from lsst.images import Box, Image
from PIL import ImageColor

from lamella.coadd.reject.artifact_masks import ArtifactMasks, VisitMask
from lamella.data.removals import Removal
from lamella.image.spans import Runs, SpanMask
from lamella.report.artifact_picture import artifact_picture, before_picture, removed_picture
from lamella.report.palette import NO_DATA_COLOR, hex_color, plane_color


def make_masks(coadd, visits: int = 3, method: str = "compare_warp") -> ArtifactMasks:
    """All visits lose a block, and the first one a streak of a single column."""
    block, streak = np.zeros((2, *coadd.bbox.shape), dtype=bool)
    block[300:340, 400:440] = True
    streak[:, 300] = True
    found = []
    for visit in range(visits):
        planes = {"CLIPPED": block | streak, "STREAK": streak} if visit == 0 else {"CLIPPED": block}
        sets = {name: Runs.from_array(where, coadd.bbox) for name, where in planes.items()}
        removal = Removal(instrument="Cam", visit=visit, valid=100, removed=10)
        found.append(VisitMask(removal=removal, planes=SpanMask(sets), removed=sets["CLIPPED"]))
    return ArtifactMasks(
        band="r", skymap="s", tract=0, patch=(0, 0), method=method, bbox=coadd.bbox,
        projection=coadd.sky_projection, visits=tuple(found),
    )  # fmt: skip


def test_streaks_and_others_have_their_colours(coadd) -> None:
    picture = artifact_picture(coadd, make_masks(coadd))
    rows = picture.pixels[::-1].astype(int)
    near = {name: np.abs(rows - plane_color(name)).max(axis=-1) < 45 for name in ("CLIPPED", "STREAK")}
    assert near["CLIPPED"][320, 420]
    assert near["STREAK"][500, 300]
    assert not near["CLIPPED"][500, 300]
    assert not near["CLIPPED"][200, 200]
    assert [swatch.label for swatch in picture.swatches] == ["transient or ghost", "streak"]
    assert picture.swatches[1].color == hex_color(plane_color("STREAK"))
    assert "streak" in picture.alt
    assert artifact_picture(coadd, make_masks(coadd, method="safe_clip")).swatches[0].label == "clipped"


def test_a_thin_streak_is_seen_on_a_small_picture(coadd) -> None:
    for draw in (artifact_picture, removed_picture):
        pixels = draw(coadd, make_masks(coadd), max_side=120).pixels.astype(int)
        assert pixels.shape == (90, 120, 3)
        line, beside = pixels[20, 50], pixels[20, 44]
        assert np.ptp(line) > 25 > np.ptp(beside)


def test_counts_have_the_colours_of_the_legend(coadd) -> None:
    picture = removed_picture(coadd, make_masks(coadd))
    rows = picture.pixels[::-1]
    assert [swatch.label for swatch in picture.swatches] == ["1", "3"]
    for place, swatch in (((500, 300), picture.swatches[0]), ((320, 420), picture.swatches[1])):
        assert tuple(rows[place]) == ImageColor.getrgb(swatch.color)
    assert np.ptp(rows[200, 200]) == 0


def test_many_visits_get_a_scale(coadd) -> None:
    picture = removed_picture(coadd, make_masks(coadd, 20))
    assert picture.swatches == ()
    assert picture.scale is not None
    assert picture.scale.ticks[-1] == (1, "20")


@pytest.mark.parametrize("draw", [artifact_picture, removed_picture])
def test_pixels_without_data_are_slate_unless_something_was_taken_away(coadd, draw) -> None:
    masks = make_masks(coadd)
    rows = draw(coadd, masks).pixels[::-1]
    empty = np.isnan(coadd.image.array) & (masks.counts() == 0)
    assert (rows[empty] == NO_DATA_COLOR).all()
    nothing = make_masks(coadd, 0)
    assert draw(coadd, nothing).swatches == ()


def test_before_and_after_lie_side_by_side_in_one_stretch(coadd) -> None:
    box = Box.factory[
        coadd.bbox.y.start + 100 : coadd.bbox.y.start + 180,
        coadd.bbox.x.start + 50 : coadd.bbox.x.start + 150,
    ]
    values = coadd.image[box].array.copy()
    values[40, :] += 100 * np.nanstd(values)
    picture = before_picture(coadd, Image(values, bbox=box))
    rows = picture.pixels[::-1].astype(int)
    assert rows.shape == (80, 208, 3)
    assert (rows[:, 100:108] == NO_DATA_COLOR).all()
    before, after = rows[:, :100], rows[:, 108:]
    assert (np.delete(before, 40, axis=0) == np.delete(after, 40, axis=0)).all()
    assert (before[40] > after[40]).mean() > 0.9

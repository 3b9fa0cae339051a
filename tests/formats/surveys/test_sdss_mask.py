from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lamella.errors import InputError, MissingPartError
from lamella.formats.surveys.sdss_mask import PLANES, read_mask

SHAPE = (12, 20)
type Span = tuple[int, int, int]


def write(path: Path, spans: dict[str, list[list[Span]]], names: tuple[str, ...] = tuple(PLANES)) -> Path:
    """Write an fpM file: for each kind of mask, objects made of spans (row, first, last column)."""
    primary = fits.PrimaryHDU(header=fits.Header({"MASKROWS": SHAPE[0], "MASKCOLS": SHAPE[1]}))
    hdus: list[Any] = [primary]
    for name in names:
        objects = spans.get(name, [])
        packed = np.empty(len(objects), dtype=object)
        for n, runs in enumerate(objects):
            packed[n] = np.frombuffer(np.array(runs, dtype=">i2").tobytes(), dtype=np.uint8)
        columns = [
            fits.Column(c, "J", array=np.zeros(len(objects), dtype=np.int32)) for c in ("row0", "col0")
        ]
        columns.append(fits.Column("s", "PB()", array=packed))
        hdus.append(fits.BinTableHDU.from_columns(columns))
    kinds = [*names, "S_NMASK_TYPES"]
    hdus.append(
        fits.BinTableHDU.from_columns(
            [
                fits.Column("defName", "31A", array=["S_MASKTYPE"] * len(kinds)),
                fits.Column("attributeName", "31A", array=kinds),
                fits.Column("Value", "J", array=np.arange(len(kinds))),
            ]
        )
    )
    fits.HDUList(hdus).writeto(path)
    return path


def test_spans_become_pixels(tmp_path: Path) -> None:
    path = write(
        tmp_path / "fpM.fit",
        {
            "S_MASK_CR": [[(3, 4, 6), (4, 5, 5)], [(11, 19, 19)]],
            "S_MASK_OBJECT": [[(0, 0, 19)]],
            "S_MASK_BRIGHTOBJECT": [[(1, 0, 1)]],
        },
    )
    planes = read_mask(path, SHAPE)
    assert np.argwhere(planes["COSMIC_RAY"]).tolist() == [[3, 4], [3, 5], [3, 6], [4, 5], [11, 19]]
    assert planes["DETECTED"].sum() == 22
    assert planes["DETECTED"][0].all()
    assert not planes["SATURATED"].any()


def test_overlapping_spans_are_one_area(tmp_path: Path) -> None:
    path = write(tmp_path / "fpM.fit", {"S_MASK_SATUR": [[(2, 3, 9)], [(2, 5, 12)], [(2, 3, 9)]]})
    assert np.argwhere(read_mask(path, SHAPE)["SATURATED"])[:, 1].tolist() == list(range(3, 13))


def test_spans_that_reach_beyond_the_frame_are_clipped(tmp_path: Path) -> None:
    spans: list[list[Span]] = [
        [(3, -1, 2), (4, 18, 20), (-1, 0, 5), (12, 3, 4)],
        [(5, -1, 20), (6, -1, -1), (7, 20, 20)],
    ]
    planes = read_mask(
        write(tmp_path / "fpM.fit", {"S_MASK_CR": spans, "S_MASK_OBJECT": [[(0, 0, 0)]]}), SHAPE
    )
    expected = np.zeros(SHAPE, bool)
    expected[3, :3] = expected[4, 18:] = expected[5] = True
    np.testing.assert_array_equal(planes["COSMIC_RAY"], expected)


@pytest.mark.parametrize("span", [(3, 4, 21), (14, 1, 2), (-2, 1, 2), (3, -2, 2), (3, 9, 4)])
def test_spans_far_outside_of_the_frame_are_refused(tmp_path: Path, span: Span) -> None:
    path = write(tmp_path / "fpM.fit", {"S_MASK_CR": [[span]]})
    with pytest.raises(InputError, match=f"S_MASK_CR: found row {span[0]}, columns {span[1]} to {span[2]}"):
        read_mask(path, SHAPE)


def test_masks_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="MASKROWS, MASKCOLS: found 12, 20; expected 13, 20"):
        read_mask(write(tmp_path / "fpM.fit", {}), (13, 20))


def test_unknown_kinds_of_masks_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "fpM.fit", {}, names=("S_MASK_CR", "S_MASK_NEW"))
    with pytest.raises(InputError, match="the unknown S_MASK_NEW"):
        read_mask(path, SHAPE)


def test_masks_without_definitions_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "fpM.fit", {})
    with fits.open(path) as hdus:
        fits.HDUList(hdus[:-1]).writeto(tmp_path / "cut.fit")
    with pytest.raises(MissingPartError, match="no table of definitions"):
        read_mask(tmp_path / "cut.fit", SHAPE)


def test_real_masks_cover_what_their_objects_count(shared: Path) -> None:
    path = shared / "data" / "sdss" / "fpM-004192-r4-0300.fit"
    planes = read_mask(path, (1489, 2048))
    with fits.open(path) as hdus:
        # Cosmic rays of this frame do not overlap: pixels and their sum over objects are equal.
        assert planes["COSMIC_RAY"].sum() == hdus[10].data["npix"].sum() == 557
    # The frame has all of them repaired.
    assert planes["INTERPOLATED"][planes["COSMIC_RAY"]].all()

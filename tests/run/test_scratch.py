"""Warps on disk give back what was put there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lsst.images import Box

from lamella.errors import OutputError
from lamella.image.planes import Planes
from lamella.planes import make_schema
from lamella.run.scratch import write_scratch

from ..processes import limited_files

BOX = Box.factory[100:137, 50:91]


class MadeWarp:
    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self.bbox = BOX
        self.schema = make_schema(["EXTRA"])
        image = rng.normal(size=BOX.shape).astype(np.float32)
        image[3, 4] = np.nan
        variance = rng.random(BOX.shape).astype(np.float32)
        variance[3, 4] = np.inf
        self.planes = Planes(BOX, image, rng.integers(-(2**31), 2**31, BOX.shape, dtype=np.int32), variance)

    def read(self, box: Box) -> Planes:
        return self.planes.part(box)


@pytest.mark.parametrize("box", [BOX, Box.factory[103:104, 54:55], Box.factory[110:137, 50:60]])
def test_boxes_have_the_same_bits(tmp_path: Path, box: Box) -> None:
    warp = MadeWarp()
    kept = write_scratch(warp, tmp_path / "a.warp")
    assert (kept.bbox, kept.schema) == (warp.bbox, warp.schema)
    found, expected = kept.read(box), warp.read(box)
    for name in ("image", "mask", "variance"):
        assert getattr(found, name).tobytes() == getattr(expected, name).tobytes()
        assert getattr(found, name).dtype == getattr(expected, name).dtype
    found.image[:] = 0  # the caller may change what it got
    assert kept.read(box).image.tobytes() == expected.image.tobytes()


def test_a_full_disk_is_an_output_error_and_leaves_nothing(tmp_path: Path) -> None:
    with limited_files(5000), pytest.raises(OutputError, match=r"a\.warp: cannot be written"):
        write_scratch(MadeWarp(), tmp_path / "a.warp")
    assert list(tmp_path.iterdir()) == []

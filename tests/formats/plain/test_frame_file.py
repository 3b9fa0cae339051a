"""The file of a stack of frames: the header of the first, and planes with names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from lsst.images import Box

from lamella.coadd.frame_stack import FrameStack
from lamella.coadd.stack.tiles import StackedPlanes
from lamella.data.coadd import Rejection
from lamella.data.exposure import ExposureId
from lamella.data.inputs import WarpInput
from lamella.errors import OutputError
from lamella.formats.plain.frame_file import write_frame_stack
from lamella.formats.plain.frames import Frame, open_frames
from lamella.planes import Layout, make_schema

SHAPE = (20, 30)


@pytest.fixture
def frames(tmp_path: Path) -> tuple[Frame, ...]:
    """Two compressed images whose primary headers say more."""
    values = np.arange(600, dtype=np.int16).reshape(SHAPE)
    for name in "ab":
        primary = fits.PrimaryHDU()
        primary.header.update({"TELESCOP": "One", "EXPTIME": 30.0, "HISTORY": "made"})
        image = fits.CompImageHDU(values, name="SCI")
        image.header.update({"EXPTIME": 60.0, "CRVAL1": 3.5, "BUNIT": "adu", "INHERIT": True})
        image.header["HIERARCH LONG KEYWORD"] = 7
        fits.HDUList([primary, image]).writeto(tmp_path / f"{name}.fits")
    return open_frames([tmp_path / "a.fits", tmp_path / "b.fits"])


def stack_of(count: int) -> FrameStack:
    planes = StackedPlanes.unset(Box.from_shape(SHAPE))
    for number, plane in enumerate((*planes.arrays, planes.count, planes.unmasked)):
        plane[...] = number + 1
    inputs = [
        WarpInput(instrument="", visit=n, band="", source=None, weight=0.5, scale=2.0) for n in range(count)
    ]  # type: ignore[arg-type]
    lost = Rejection(ExposureId("", 1, -1), "", "weight", "no good pixel")
    return FrameStack(planes, Layout(make_schema()), tuple(inputs), (lost,) if count < 2 else ())


def test_cards_of_the_first_stay_and_those_of_its_storage_go(
    frames: tuple[Frame, ...], tmp_path: Path
) -> None:
    write_frame_stack(tmp_path / "out.fits", stack_of(2), frames, [["x"], []], "what was done")
    with fits.open(tmp_path / "out.fits", checksum=True) as hdus:
        hdus.verify("exception")
        head = hdus[0].header
        assert (head["TELESCOP"], head["EXPTIME"], head["CRVAL1"], head["LONG KEYWORD"]) == (
            "One",
            60.0,
            3.5,
            7,
        )
        assert list(head["HISTORY"]) == ["made", "what was done"]
        assert head["NCOMBINE"] == 2
        assert not {"ZIMAGE", "ZCMPTYPE", "EXTNAME", "INHERIT", "XTENSION", "TFIELDS"} & set(head)
        assert (head["BITPIX"], hdus[0].data.shape) == (-32, SHAPE)
        assert [float(hdu.data.mean()) for hdu in hdus[:4]] == [1.0, 2.0, 3.0, 4.0]
        assert hdus["MASK"].header["MP_BAD"] == 0
        assert hdus["VARIANCE"].header["BUNIT"] == "adu2"


def test_images_that_were_left_out_have_a_reason_and_no_weight(
    frames: tuple[Frame, ...], tmp_path: Path
) -> None:
    write_frame_stack(tmp_path / "out.fits", stack_of(1), frames, [["x"], []], "")
    rows = fits.getdata(tmp_path / "out.fits", "INPUTS")
    assert tuple(rows[0])[1:4] == (1, 2.0, 0.5)
    assert (rows["weight"][1], rows["notes"][1]) == (0.0, "Left out: no good pixel.")
    assert rows["notes"][0] == "x"


def test_a_folder_that_is_not_there_is_an_output_error(frames: tuple[Frame, ...], tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"):
        write_frame_stack(tmp_path / "nowhere" / "out.fits", stack_of(2), frames, [[], []], "")

"""Plain images of one shape: where noise, flags and scales come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lamella.errors import DuplicateInputError, InputError, LamellaError, MissingPartError
from lamella.formats.frame_control import FrameControl
from lamella.formats.plain.frames import Frame, open_frames
from lamella.planes import Layout

SHAPE = (60, 80)
NOISE = 3.0


def pixels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100.0, NOISE, SHAPE).astype(np.float32)


def write(path: Path, *planes: fits.ImageHDU, image: np.ndarray | None = None, **cards: Any) -> Path:
    """Write an image, with planes beside it."""
    values = pixels() if image is None else image
    fits.HDUList([fits.PrimaryHDU(values, fits.Header(cards)), *planes]).writeto(path)
    return path


def plane(name: str, value: Any, **cards: Any) -> fits.ImageHDU:
    return fits.ImageHDU(np.broadcast_to(value, SHAPE).astype(np.float32), fits.Header(cards), name=name)


def only(path: Path, **options: Any) -> Frame:
    (frame,) = open_frames([path], FrameControl(**options))
    return frame


def variance_of(path: Path, **options: Any) -> float:
    image, _ = only(path, **options).read()
    return float(np.median(image.variance.array))


@pytest.mark.parametrize(
    ("beside", "variance"),
    [
        (plane("VAR", 4.0), 4.0),
        (plane("stddev", 4.0), 16.0),
        (plane("ERR", 4.0), 16.0),
        (plane("IVAR", 4.0), 0.25),
        (plane("UNCERT", 4.0), 16.0),
        (plane("UNCERT", 4.0, UTYPE="VarianceUncertainty"), 4.0),
    ],
    ids=["variance", "stddev", "error", "inverse", "uncertainty", "utype"],
)
def test_noise_is_that_of_an_hdu_by_its_name(tmp_path: Path, beside: fits.ImageHDU, variance: float) -> None:
    path = write(tmp_path / "a.fits", beside)
    assert variance_of(path) == variance
    # Options are stronger, and no noise is one for all.
    assert variance_of(path, noise="measured") == pytest.approx(NOISE**2, rel=0.1)
    assert variance_of(path, noise="none") == 1.0


def test_without_a_map_noise_is_measured_or_from_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", RDNOISE=8.0)
    assert variance_of(path) == pytest.approx(NOISE**2, rel=0.1)
    counts = variance_of(path, noise="counts", gain="2", read_noise="RDNOISE")
    assert counts == pytest.approx(100 / 2 + (8 / 2) ** 2, rel=0.05)
    with pytest.raises(MissingPartError, match="column 'gain'"):
        only(path, noise="counts").read()


def test_relative_weights_are_put_on_the_measured_noise(tmp_path: Path) -> None:
    weight = np.full(SHAPE, 7.0)
    weight[:, 40:] = 28.0
    weight[5, 5] = 0.0
    image = pixels() - 100.0
    image[:, 40:] /= 2.0
    path = write(tmp_path / "a.fits", image=image.astype(np.float32))
    fits.PrimaryHDU(weight.astype(np.float32)).writeto(tmp_path / "a.weight.fits")
    frames = open_frames(sorted(tmp_path.glob("*.fits")))
    assert [frame.path for frame in frames] == [path]  # the weights are no image
    planes, notes = frames[0].read()
    assert np.median(planes.variance.array[:, :40]) == pytest.approx(NOISE**2, rel=0.1)
    assert np.median(planes.variance.array[:, 40:]) == pytest.approx(NOISE**2 / 4, rel=0.1)
    assert np.isnan(planes.image.array[5, 5])
    assert any("Relative weights" in note for note in notes)


def test_flags_are_bad_or_what_their_cards_say(tmp_path: Path) -> None:
    mask = np.zeros(SHAPE, np.int16)
    mask[3, 4], mask[3, 5] = 1, 2
    first = write(tmp_path / "a.fits", fits.ImageHDU(mask, name="BPM"))
    second = write(tmp_path / "b.fits", fits.ImageHDU(mask, fits.Header({"MP_SAT": 1}), name="MASK"))
    third = write(tmp_path / "c.fits", SATLEVEL=104.0)
    planes = [frame.read()[0].mask for frame in open_frames([first, second, third])]
    for number, name, places in (
        (0, "BAD", [[3, 4], [3, 5]]),
        (1, "SATURATED", [[3, 5]]),
        (1, "BAD", [[3, 4]]),
    ):
        bit = Layout(planes[number].schema).bits([name])
        assert np.argwhere(planes[number].array[..., 0] & bit).tolist() == places
    image, _ = only(third, saturation="SATLEVEL").read()
    marked = image.mask.array[..., 0] & Layout(image.mask.schema).bits(["SATURATED"]) != 0
    np.testing.assert_array_equal(marked, pixels() >= 104.0)


def test_nothing_is_flagged_at_the_rim_and_the_sky_stays(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits")
    image, notes = only(path).read()
    np.testing.assert_array_equal(image.image.array, pixels())
    assert not image.mask.array.any()
    assert image.sky_projection is None
    assert not any("Sky" in note for note in notes)
    image, notes = only(path, sky="subtract").read()
    assert abs(np.median(image.image.array)) < 0.5
    assert any("Sky" in note or "sky" in note for note in notes)


def test_cells_of_a_table_go_before_options_and_files(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / f"{name}.fits", plane("VAR", 4.0), plane("OTHER", 9.0), GAIN=2.0)
    rows = [
        {"file": "b.fits", "variance_hdu": "OTHER", "noise": "", "flux_scale": "2 * GAIN", "sky": ""},
        {"file": "a.fits", "variance_hdu": "", "noise": "measured", "flux_scale": "", "sky": "present"},
    ]
    Table(rows).write(tmp_path / "frames.csv")
    first, second = open_frames([tmp_path / "frames.csv"])
    assert (first.path.name, second.path.name) == ("a.fits", "b.fits")
    image, _ = first.read()
    assert np.median(image.variance.array) == pytest.approx(NOISE**2, rel=0.1)
    assert abs(np.median(image.image.array)) < 0.5
    assert np.median(second.read()[0].variance.array) == 9.0
    assert (first.is_scaled, second.is_scaled, second.scale) == (False, True, 4.0)


def test_images_are_in_the_order_of_files_and_count_once(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{name}.fits") for name in "cab"]
    frames = open_frames([*paths, *paths[::-1]])
    assert [frame.path.name for frame in frames] == ["a.fits", "b.fits", "c.fits"]
    Table([{"file": "a.fits"}]).write(tmp_path / "frames.csv")
    with pytest.raises(DuplicateInputError, match=r"a\.fits: found one image twice"):
        open_frames([paths[1], tmp_path / "frames.csv"])


def test_one_row_may_be_several_hdus(tmp_path: Path) -> None:
    hdus = [plane(f"CCD{n}", n) for n in (1, 2)]
    write(tmp_path / "a.fits", *hdus)
    Table([{"file": "a.fits", "image_hdu": "CCD*", "noise": "counts", "gain": "1"}]).write(tmp_path / "t.csv")
    assert [frame.places.index for frame in open_frames([tmp_path / "t.csv"])] == [1, 2]


def test_another_shape_is_one_error_that_names_both(tmp_path: Path) -> None:
    first = write(tmp_path / "a.fits")
    other = write(tmp_path / "b.fits", image=np.zeros((60, 70), np.float32))
    with pytest.raises(InputError) as caught:
        open_frames([other, first])
    assert caught.value.path == str(other)
    assert caught.value.found == "an image of 70 x 60 pixels"
    assert caught.value.expected == f"80 x 60, as in {first}"


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"file": "none.fits"}, "none.fits"),
        ({"file": "a.fits", "image_hdu": "SCI"}, "HDU SCI"),
        ({"file": "a.fits", "noise": "loud"}, "column 'noise': found 'loud'"),
        ({"file": "a.fits", "varience_hdu": "X"}, "variance_hdu"),
        ({"image_hdu": "SCI"}, "no column file"),
        ({"file": "a.fits", "gain": "1 +"}, "column 'gain'"),
    ],
)
def test_faults_of_tables_are_told(tmp_path: Path, cells: dict[str, str], words: str) -> None:
    write(tmp_path / "a.fits")
    Table([cells]).write(tmp_path / "frames.csv")
    with pytest.raises(LamellaError) as caught:
        _ = [frame.read() for frame in open_frames([tmp_path / "frames.csv"])]
    assert words in str(caught.value)


def test_a_file_without_an_image_is_told(tmp_path: Path) -> None:
    fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / "a.fits")
    with pytest.raises(InputError, match=r"a\.fits"):
        open_frames([tmp_path / "a.fits"])

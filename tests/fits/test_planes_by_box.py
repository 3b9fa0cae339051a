"""Boxes of planes, read without astropy."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.errors import UnreadableFileError
from lamella.fits.compression import submit_tiles
from lamella.fits.hdus import Container
from lamella.fits.planes_by_box import open_planes
from lamella.fits.write import format_cards, write_tiles

SHAPE = (37, 53)
NAMES = ("IMAGE", "MASK")


def planes() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    image = rng.normal(0, 30, SHAPE).astype(np.float32)
    image[3, 4], image[5, 6] = np.nan, -np.inf
    return {"IMAGE": image, "MASK": rng.integers(0, 2**31, SHAPE).astype(np.int32)}


def compressed(kind: str, tile: tuple[int, int] | None) -> Callable[..., fits.CompImageHDU]:
    def make(plane: np.ndarray, name: str) -> fits.CompImageHDU:
        return fits.CompImageHDU(plane, name=name, compression_type=kind, tile_shape=tile, quantize_level=0.0)

    return make


FORMS: dict[str, Callable[..., fits.ImageHDU | fits.CompImageHDU]] = {
    "plain": fits.ImageHDU,
    "rows": compressed("GZIP_2", None),
    "blocks": compressed("GZIP_2", (10, 16)),
    "whole": compressed("GZIP_1", SHAPE),
}


def write(path: Path, form: str) -> Path:
    hdus = [FORMS[form](plane, name=name) for name, plane in planes().items()]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("strips")
    return {form: write(folder / f"{form}.fits", form) for form in FORMS}


def read(path: Path, name: str, rows: slice, columns: slice) -> np.ndarray:
    with Container(path) as file:
        planes = open_planes(file, NAMES)
        assert planes is not None
        assert planes[name].shape == SHAPE
        out = np.empty((rows.stop - rows.start, columns.stop - columns.start), planes[name].dtype)
        planes[name].read(rows, columns, out)
    return out


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_box_has_the_bits_that_were_written(
    files: dict[str, Path], form: str, data: st.DataObject
) -> None:
    parts = []
    for size in SHAPE:
        start = data.draw(st.integers(0, size - 1))
        parts.append(slice(start, data.draw(st.integers(start + 1, size))))
    for name, plane in planes().items():
        assert read(files[form], name, *parts).tobytes() == plane[tuple(parts)].tobytes()


def test_a_primary_image_has_no_name(tmp_path: Path) -> None:
    fits.PrimaryHDU(planes()["IMAGE"]).writeto(tmp_path / "a.fits")
    opened = open_planes(Container(tmp_path / "a.fits"), [""])
    assert opened is not None
    out = np.empty(SHAPE, np.float32)
    opened[""].read(slice(0, SHAPE[0]), slice(0, SHAPE[1]), out)
    assert out.tobytes() == planes()["IMAGE"].tobytes()


@pytest.mark.parametrize(
    "hdu",
    [
        fits.ImageHDU(np.zeros(SHAPE, np.uint32), name="IMAGE"),
        fits.ImageHDU(np.zeros((2, *SHAPE), np.float32), name="IMAGE"),
        fits.CompImageHDU(np.zeros(SHAPE, np.int32), name="IMAGE", compression_type="RICE_1"),
        fits.CompImageHDU(planes()["IMAGE"], name="IMAGE", quantize_level=4),
        fits.BinTableHDU.from_columns([fits.Column("A", "E", array=np.zeros(3))], name="IMAGE"),
        fits.ImageHDU(np.zeros(SHAPE, np.float32), name="ANOTHER"),
    ],
    ids=["unsigned", "cube", "rice", "quantised", "table", "absent"],
)
def test_other_forms_are_left_to_others(hdu: fits.ImageHDU, tmp_path: Path) -> None:
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "a.fits")
    assert open_planes(Container(tmp_path / "a.fits"), ["IMAGE"]) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float64])
@pytest.mark.parametrize("form", FORMS)
def test_pixels_of_other_sizes_have_the_bits_that_were_written(
    form: str, dtype: type, tmp_path: Path
) -> None:
    plane = np.random.default_rng(2).integers(0, 100, SHAPE).astype(dtype)
    fits.HDUList([fits.PrimaryHDU(), FORMS[form](plane, name="A")]).writeto(tmp_path / "a.fits")
    opened = open_planes(Container(tmp_path / "a.fits"), ["A"])
    assert opened is not None
    out = np.empty((20, 30), opened["A"].dtype)
    opened["A"].read(slice(7, 27), slice(3, 33), out)
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, plane[7:27, 3:33])


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_planes_said_not_to_be_quantised_are_read(dtype: type, tmp_path: Path) -> None:
    plane = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(dtype)
    with (tmp_path / "a.fits").open("wb") as stream, ThreadPoolExecutor(1) as pool:
        stream.write(fits.PrimaryHDU().header.tostring().encode())
        cards = format_cards([("ZQUANTIZ", "NONE", "as afw says of planes without loss")])
        write_tiles(stream, plane, submit_tiles(plane, pool), [("EXTNAME", "A", "")], cards)
    opened = open_planes(Container(tmp_path / "a.fits"), ["A"])
    assert opened is not None
    out = np.empty(SHAPE, dtype)
    opened["A"].read(slice(0, SHAPE[0]), slice(0, SHAPE[1]), out)
    assert out.tobytes() == plane.tobytes()


def read_all(path: Path) -> None:
    with Container(path) as file:
        for plane in (open_planes(file, NAMES) or {}).values():
            plane.read(slice(0, plane.shape[0]), slice(0, plane.shape[1]), np.empty(plane.shape, plane.dtype))


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_ends_too_early_is_named(files: dict[str, Path], form: str, tmp_path: Path) -> None:
    content = files[form].read_bytes()
    with fits.open(files[form], disable_image_compression=True) as hdus:
        places = hdus[2].fileinfo()
    damaged = tmp_path / "cut.fits"
    # Less than the last block, which may be nothing but padding.
    damaged.write_bytes(content[: (places["datLoc"] + places["datSpan"]) - 2880 - 100])
    with pytest.raises(UnreadableFileError, match=r"cut\.fits"):
        read_all(damaged)
    damaged.write_bytes(content[: places["hdrLoc"]])
    assert open_planes(Container(damaged), NAMES) is None


def test_a_file_that_is_cut_while_it_is_open_ends_in_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", "plain")
    opened = open_planes(Container(path), NAMES)
    assert opened is not None
    with path.open("r+b") as stream:
        stream.truncate(3 * 2880)
        with pytest.raises(UnreadableFileError, match=r"the end at byte|another file than before"):
            opened["MASK"].read(slice(0, SHAPE[0]), slice(0, SHAPE[1]), np.empty(SHAPE, np.int32))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"none\.fits"):
        open_planes(Container(tmp_path / "none.fits"), NAMES)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1), bit=st.integers(0, 7))
def test_flipped_bits_give_an_answer_or_a_typed_error(
    files: dict[str, Path], form: str, place: float, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(files[form].read_bytes())
    content[min(int(place * len(content)), len(content) - 1)] ^= 1 << bit
    path = tmp_path_factory.mktemp("flipped") / "a.fits"
    path.write_bytes(content)
    with contextlib.suppress(UnreadableFileError):
        read_all(path)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ("NAXIS2  =                10000", "bytes"),
        ("ZNAXIS2 =                10000", "tiles"),
        ("ZTILE2  =                    0", "tiles"),
        ("NAXIS1  =              'seven'", "whole number"),
    ],
)
def test_sizes_that_contradict_each_other_are_told(
    files: dict[str, Path], card: str, words: str, tmp_path: Path
) -> None:
    content = files["blocks" if card.startswith("Z") else "plain"].read_bytes()
    place = content.index(card[:8].encode() + b"=", 2880)
    (tmp_path / "a.fits").write_bytes(content[:place] + card.encode() + content[place + len(card) :])
    with pytest.raises(UnreadableFileError, match=words):
        read_all(tmp_path / "a.fits")

"""Archives: parts of them, and what damaged ones give."""

from __future__ import annotations

import dataclasses
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.images import Box, Mask, MaskSchema
from lsst.images.fits import FitsCompressionOptions

from lamella.coadd.assemble_control import BAD_MASK_PLANES
from lamella.coadd.stack.prepare import input_of, weigh
from lamella.coadd.stack.sources import ImageSource
from lamella.data.coadd import PatchCoadd
from lamella.data.exposure import ExposureId
from lamella.data.options import WeightControl
from lamella.data.warp import Warp
from lamella.errors import UnreadableFileError
from lamella.formats.archive.products import ArchiveWarp, is_product, read_image, read_metadata, read_product
from lamella.formats.archive.write import write_archive
from lamella.planes import make_schema

from ... import makers
from .test_write import BOX, make_coadd, make_projection


def make_warp() -> Warp:
    rng = np.random.default_rng(1)
    projection = make_projection()
    image, variance = rng.normal(size=BOX.shape), rng.uniform(1, 2, BOX.shape)
    image[3:6, 10:20], variance[3:6, 10:20] = np.nan, np.inf
    schema = make_schema(["EXTRA_PLANE"])
    mask = rng.integers(0, 2**24, BOX.shape, dtype=np.int32)
    planes = makers.make_planes(
        image, variance, mask, box=BOX, schema=schema, unit=u.nJy, projection=projection
    )
    detector = makers.make_detector(12, 7, BOX, projection, good_pixels=1000, path="a.fits")
    return makers.make_warp(planes, 12, [detector], metadata={"note": "kept"})


@pytest.fixture(scope="module")
def warp() -> Warp:
    return make_warp()


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "compressed"])
def path(warp: Warp, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("archives") / "warp.fits"
    write_archive(warp, file, compress=request.param)
    return file


@pytest.fixture(scope="module")
def coadd_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("archives") / "coadd.fits"
    write_archive(make_coadd(), file)
    return file


@pytest.mark.parametrize("opened", [False, True])
@settings(max_examples=8)
@given(data=st.data())
def test_a_box_of_a_warp_is_its_slice(path: Path, warp: Warp, opened: bool, data: st.DataObject) -> None:
    y0, y1 = sorted(data.draw(st.lists(st.integers(0, 40), min_size=2, max_size=2, unique=True)))
    x0, x1 = sorted(data.draw(st.lists(st.integers(0, 50), min_size=2, max_size=2, unique=True)))
    box = Box.factory[1000 + y0 : 1000 + y1, 2000 + x0 : 2000 + x1]
    archive, expected = ArchiveWarp(path), ImageSource(warp).read(box)
    if opened:
        with archive:
            planes = archive.read(box)
    else:
        planes = archive.read(box)
    for name, kind in (("image", np.float32), ("mask", np.int32), ("variance", np.float32)):
        ours, theirs = getattr(planes, name), getattr(expected, name)
        assert ours.dtype == kind
        assert ours.flags.c_contiguous
        assert ours.flags.writeable
        assert np.array_equal(ours, theirs, equal_nan=kind == np.float32)


def test_what_is_known_of_a_warp_without_its_pixels(path: Path, warp: Warp) -> None:
    archive = ArchiveWarp(path)
    assert (archive.instrument, archive.visit, archive.band) == ("Cam", 12, "r")
    assert archive.bbox == BOX
    assert archive.schema == warp.mask.schema
    assert archive.projection == warp.sky_projection
    assert [d.id for d in archive.detectors] == [ExposureId("Cam", 12, 7, "r")]
    record = archive.as_input()
    assert (record.key, record.weight, record.source) == (("Cam", 12), None, archive)
    assert read_metadata(path) == {"note": "kept"}


@pytest.mark.parametrize("compress", [False, True])
def test_an_archive_knows_the_mean_variance_of_its_pixels(tmp_path: Path, compress: bool) -> None:
    warp = make_warp()
    write_archive(warp, tmp_path / "a.fits", compress=compress)
    record = ArchiveWarp(tmp_path / "a.fits").as_input()
    assert record.mean_variance is not None
    fresh = weigh(input_of(warp), WeightControl(rule="variance"), BAD_MASK_PLANES)
    unread = dataclasses.replace(record, source=cast("Any", None))
    assert weigh(unread, WeightControl(rule="variance"), BAD_MASK_PLANES).weight == fresh.weight
    # Pixels that change have another mean when they are written again.
    warp.variance.array[...] *= 2
    write_archive(warp, tmp_path / "b.fits", compress=compress)
    other = ArchiveWarp(tmp_path / "b.fits").as_input().mean_variance
    assert other is not None
    assert other.mean == pytest.approx(2 * record.mean_variance.mean)


def test_the_mean_variance_does_not_depend_on_how_a_mask_is_stored(tmp_path: Path) -> None:
    warp = make_warp()
    fresh = weigh(input_of(warp), WeightControl(rule="variance"), BAD_MASK_PLANES)
    packed = Mask(0, bbox=BOX, schema=MaskSchema(list(warp.mask.schema)[::-1], dtype=np.uint8))
    packed.update(warp.mask)
    warp._mask = packed
    write_archive(warp, tmp_path / "a.fits")
    unread = dataclasses.replace(ArchiveWarp(tmp_path / "a.fits").as_input(), source=cast("Any", None))
    assert weigh(unread, WeightControl(rule="variance"), BAD_MASK_PLANES).weight == fresh.weight


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux, to count open files")
def test_a_file_that_is_read_in_another_way_is_closed(
    path: Path, warp: Warp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamella.formats.archive.products.open_planes", lambda *_: None)
    archive, before = ArchiveWarp(path), len(os.listdir("/proc/self/fd"))
    assert np.array_equal(archive.read(BOX).image, warp.image.array, equal_nan=True)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_warp_without_a_good_pixel_has_no_mean_variance(tmp_path: Path) -> None:
    warp = make_warp()
    warp.variance.array[...] = np.inf
    write_archive(warp, tmp_path / "a.fits")
    assert ArchiveWarp(tmp_path / "a.fits").as_input().mean_variance is None


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1"])
def test_planes_in_other_forms_are_read_too(tmp_path: Path, warp: Warp, kind: str) -> None:
    # Rice compression takes whole numbers; the mask is one of them.
    option = FitsCompressionOptions(algorithm=kind)
    warp.write(
        str(tmp_path / "a.fits"), compression_options={"image": None, "variance": None, "mask": option}
    )
    with ArchiveWarp(tmp_path / "a.fits") as archive:
        planes = archive.read(BOX)
    assert np.array_equal(planes.mask, warp.mask.array[..., 0])
    assert np.array_equal(planes.image, warp.image.array, equal_nan=True)


def test_threads_may_read_at_a_time(path: Path, warp: Warp) -> None:
    boxes = [Box.factory[y : y + 1, 2000:2050] for y in range(1000, 1040)]
    with ArchiveWarp(path) as archive, ThreadPoolExecutor(4) as pool:
        rows = [planes.image for planes in pool.map(archive.read, boxes)]
    assert np.array_equal(np.concatenate(rows), warp.image.array, equal_nan=True)


def test_after_its_block_a_warp_can_still_be_read(path: Path, warp: Warp) -> None:
    with ArchiveWarp(path) as archive:
        pass
    assert np.array_equal(archive.read(BOX).image, warp.image.array, equal_nan=True)


def test_a_warp_whose_file_was_replaced_is_not_mixed_with_the_new_one(path: Path, tmp_path: Path) -> None:
    other = tmp_path / path.name
    other.write_bytes(path.read_bytes())
    source = ArchiveWarp(other)
    box = Box.factory[source.bbox.y.start : source.bbox.y.start + 2, source.bbox.x.start : source.bbox.x.stop]
    before = source.read(box)
    (tmp_path / "new").write_bytes(path.read_bytes()[:-2880])
    (tmp_path / "new").replace(other)
    with pytest.raises(UnreadableFileError, match="another file than before"):
        source.read(box)
    assert np.array_equal(ArchiveWarp(path).read(box).image, before.image, equal_nan=True)


def test_an_error_of_the_user_is_not_taken_for_a_damaged_file(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), ArchiveWarp(path):
        1 / 0  # noqa: B018


def test_parts_of_a_coadd(coadd_path: Path) -> None:
    whole = read_product(coadd_path)
    assert isinstance(whole, PatchCoadd)
    box = Box.factory[1003:1010, 2001:2020]
    cutout = read_product(coadd_path, bbox=box)
    assert isinstance(cutout, PatchCoadd)
    assert cutout.bbox == box
    for name in ("image", "variance", "exposure_count"):
        expected = getattr(whole, name)[box].array
        assert np.array_equal(getattr(cutout, name).array, expected, equal_nan=expected.dtype.kind == "f")
    assert np.array_equal(cutout.mask.array, whole.mask[box].array)
    assert np.array_equal(read_image(coadd_path).array, whole.image.array, equal_nan=True)


def test_products_are_recognised(path: Path, coadd_path: Path, tmp_path: Path) -> None:
    assert is_product(path)
    assert is_product(coadd_path)
    other = tmp_path / "other.fits"
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(other)
    (tmp_path / "text.fits").write_text("nonsense")
    for wrong in (other, tmp_path / "text.fits", tmp_path / "absent.fits", tmp_path):
        assert not is_product(wrong)
        for read in (read_product, read_image, read_metadata, ArchiveWarp):
            with pytest.raises(UnreadableFileError, match=str(wrong)):
                read(wrong)


@pytest.mark.parametrize("content", [b"", b"nonsense", bytes(100), b"SIMPLE is not enough".ljust(2880)])
def test_a_file_that_is_not_fits_is_called_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "warp.fits"
    path.write_bytes(content)
    for read in (read_product, read_image, read_metadata, ArchiveWarp):
        with pytest.raises(UnreadableFileError, match=r"warp\.fits: found no FITS header; expected a warp"):
            read(path)


def test_a_coadd_is_not_a_warp(coadd_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="coadd"):
        ArchiveWarp(coadd_path)


def test_a_box_outside_is_an_error(path: Path) -> None:
    with pytest.raises((UnreadableFileError, ValueError, IndexError)):
        ArchiveWarp(path).read(Box.factory[0:5, 0:5])


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")
@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.8])
def test_a_truncated_archive_is_a_typed_error(path: Path, tmp_path: Path, share: float) -> None:
    cut = _truncate(path, tmp_path, share)
    with pytest.raises(UnreadableFileError, match=r"cut\.fits"):
        ArchiveWarp(cut)
    with pytest.raises(UnreadableFileError, match=r"cut\.fits"):
        read_product(cut)


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")
@pytest.mark.parametrize("share", [0.85, 0.9, 0.95, 0.98, 0.999])
def test_no_truncated_archive_gives_other_pixels(
    path: Path, warp: Warp, tmp_path: Path, share: float
) -> None:
    # The last bytes are an index and padding, which reading can do without.
    try:
        planes = ArchiveWarp(_truncate(path, tmp_path, share)).read(BOX)
    except UnreadableFileError:
        return
    assert np.array_equal(planes.image, warp.image.array, equal_nan=True)
    assert np.array_equal(planes.mask, warp.mask.array[..., 0])
    assert np.array_equal(planes.variance, warp.variance.array)


def _truncate(path: Path, folder: Path, share: float) -> Path:
    content = path.read_bytes()
    cut = folder / "cut.fits"
    cut.write_bytes(content[: int(len(content) * share)])
    return cut


@settings(max_examples=20)
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), in_tree=st.booleans())
def test_flipped_bits_give_an_answer_or_a_typed_error(
    path: Path, position: float, bit: int, in_tree: bool
) -> None:
    content = bytearray(path.read_bytes())
    start = content.rfind(b"XTENSION") if in_tree else 0  # the last HDU names all parts
    content[start + int(position * (len(content) - start))] ^= 1 << bit
    damaged = path.with_name("damaged.fits")
    damaged.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        is_product(damaged)
        try:
            archive = ArchiveWarp(damaged)
            shape = archive.read(archive.bbox).image.shape
        except UnreadableFileError:
            return
        assert shape == archive.bbox.shape


@pytest.mark.parametrize("compress", [False, True])
def test_a_flipped_bit_gives_no_other_pixels(compress: bool, warp: Warp, tmp_path: Path) -> None:
    path, damaged, random = tmp_path / "warp.fits", tmp_path / "damaged.fits", np.random.default_rng(4)
    write_archive(warp, path, compress=compress)
    content, refused = path.read_bytes(), 0
    for index in map(int, random.integers(2880, len(content), size=24)):
        flipped = bytearray(content)
        flipped[index] ^= 1 << int(random.integers(8))
        damaged.write_bytes(flipped)
        try:
            boxes = ArchiveWarp(damaged).read(BOX)
        except UnreadableFileError:
            refused += 1
        else:
            for plane, expected in zip(boxes.arrays, ImageSource(warp).read(BOX).arrays, strict=True):
                np.testing.assert_array_equal(plane, expected)
    assert refused > 4


@pytest.mark.parametrize("read", [read_product, read_image])
def test_a_flipped_bit_is_told_by_whoever_reads_all(read: Any, warp: Warp, tmp_path: Path) -> None:
    path = tmp_path / "warp.fits"
    write_archive(warp, path, compress=False)
    content = bytearray(path.read_bytes())
    content[content.index(warp.image.array[20, 20:22].astype(">f4").tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"HDU 1 .IMAGE.: .* checksum differ"):
        read(path)


def test_an_archive_without_checksums_is_read(warp: Warp, tmp_path: Path) -> None:
    """As lamella 0.1.0 and `lsst.images` write them."""
    path = tmp_path / "warp.fits"
    write_archive(warp, path, compress=False)
    with fits.open(path) as hdus:
        end = hdus["CHECKSUMS"]._header_offset
    path.write_bytes(path.read_bytes()[:end])
    np.testing.assert_array_equal(read_product(path).image.array, warp.image.array)
    np.testing.assert_array_equal(ArchiveWarp(path).read(BOX).image, warp.image.array)

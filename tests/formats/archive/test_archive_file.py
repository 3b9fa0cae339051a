"""Archives are those that `lsst.images` writes, and it reads them."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from astropy.io import fits
from lsst.images.fits import ExtensionKey, FitsInputArchive, PointerModel
from lsst.images.serialization import open_archive

from lamella.data.coadd import PatchCoadd
from lamella.data.detector import DetectorInput
from lamella.data.times import ExposureTimes
from lamella.data.warp import Warp, WarpSerializationModel
from lamella.formats.archive.archive_file import ArchiveFile
from lamella.formats.archive.products import read_product
from lamella.formats.archive.write import write_archive, write_plain_fits
from lamella.formats.time_cards import set_time_cards

from .test_products import make_warp
from .test_write import make_coadd, make_projection

PLANES = ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked")


def cards_of(hdu: Any) -> list[str]:
    return [str(card) for card in hdu.header.cards if card.keyword != "DATE"]


@pytest.mark.parametrize("make", [make_warp, make_coadd])
@pytest.mark.parametrize("again", [False, True])
def test_plain_archives_are_those_of_lsst_images(make: Any, again: bool, tmp_path: Path) -> None:
    product = make()
    product.metadata["observer"] = "Leavitt"
    if again:  # with headers of the archive that it came from
        write_archive(product, tmp_path / "first.fits")
        product = read_product(tmp_path / "first.fits")
        product._opaque_metadata.headers[ExtensionKey()]["TELESCOP"] = "Bruce"
        product._opaque_metadata.headers[ExtensionKey("IMAGE")]["HIERARCH a long keyword"] = 4
    write_archive(product, tmp_path / "ours.fits", compress=False)
    product.write(
        str(tmp_path / "theirs.fits"),
        compression_options=dict.fromkeys((*PLANES, "detectors/numbers")),
        update_header=partial(set_time_cards, times=product.times),
    )
    with fits.open(tmp_path / "ours.fits") as ours, fits.open(tmp_path / "theirs.fits") as theirs:
        assert [hdu.name for hdu in ours] == [*(hdu.name for hdu in theirs), "CHECKSUMS"]
        for mine, other in zip(ours[:-1], theirs, strict=True):
            assert cards_of(mine) == cards_of(other)
            assert mine.data is other.data is None or mine.data.tobytes() == other.data.tobytes()
        assert ("TELESCOP" in ours[0].header) is again


TIMES = (
    ExposureTimes.of(begin=60000.25, exposure_time=100.0),
    ExposureTimes.of(begin=60001.25, exposure_time=50.0),
)


def time_cards_of(path: Path) -> dict[str, Any]:
    header = fits.getheader(path, 0)
    names = ("DATE-", "MJD-", "TIMES", "EXPTI", "XPOSU", "TELAP", "NDATE")
    return {card.keyword: card.value for card in header.cards if card.keyword.startswith(names)}


def test_the_primary_header_of_a_coadd_has_the_times_of_its_plain_file(tmp_path: Path) -> None:
    coadd = make_coadd()
    coadd = coadd.replace(detectors=tuple(map(replace_times, coadd.detectors, TIMES)))
    write_archive(coadd, tmp_path / "archive.fits")
    write_plain_fits(coadd, tmp_path / "plain.fits")
    cards = time_cards_of(tmp_path / "archive.fits")
    assert cards == time_cards_of(tmp_path / "plain.fits")
    assert (cards["DATE-OBS"], cards["TIMESYS"]) == ("2023-02-25T06:00:00.000", "UTC")
    assert (cards["MJD-BEG"], cards["EXPTIME"], cards["NDATED"]) == (60000.25, 150.0, 2)
    assert cards["MJD-END"] == pytest.approx(60001.25 + 50 / 86400, abs=1e-9)
    assert cards["MJD-AVG"] == pytest.approx(60000.75 + 37.5 / 86400, abs=1e-9)


def test_the_primary_header_of_a_warp_has_the_times_of_its_visit_however_often_it_is_written(
    tmp_path: Path,
) -> None:
    warp = make_warp()
    write_archive(warp, tmp_path / "undated.fits")
    assert time_cards_of(tmp_path / "undated.fits") == {"NDATED": 0}
    for times in TIMES:
        warp.detectors = tuple(replace_times(detector, times) for detector in warp.detectors)
        write_archive(warp, tmp_path / "warp.fits")
        cards = time_cards_of(tmp_path / "warp.fits")
        assert (cards["MJD-BEG"], cards["MJD-AVG"], cards["MJD-END"]) == (
            times.begin,
            times.middle,
            times.end,
        )
        assert (cards["EXPTIME"], cards["NDATED"]) == (times.exposure_time, 1)
        header = fits.getheader(tmp_path / "warp.fits", 0)
        assert [header.count(key) for key in cards] == [1] * len(cards)
        warp = cast("Warp", read_product(tmp_path / "warp.fits"))


@pytest.mark.parametrize("make", [make_warp, make_coadd])
def test_archives_without_cards_of_time_are_read(make: Any, tmp_path: Path) -> None:
    product = make()
    product.write(str(tmp_path / "old.fits"))
    assert "NDATED" not in fits.getheader(tmp_path / "old.fits", 0)
    again = read_product(tmp_path / "old.fits")
    assert (type(again), again.times) == (type(product), product.times)
    write_archive(again, tmp_path / "new.fits")
    assert read_product(tmp_path / "new.fits").image.array.tobytes() == product.image.array.tobytes()


def replace_times(detector: DetectorInput, times: ExposureTimes) -> DetectorInput:
    return dataclasses.replace(detector, times=times)


@pytest.mark.parametrize("threads", [1, 3])
def test_compressed_archives_hold_the_same(threads: int, tmp_path: Path) -> None:
    coadd = make_coadd()
    write_archive(coadd, tmp_path / "a.fits", threads=threads)
    write_archive(coadd, tmp_path / "b.fits", compress=False)
    with open_archive(str(tmp_path / "a.fits"), PatchCoadd) as a, open_archive(str(tmp_path / "b.fits")) as b:
        assert a.get_tree().model_dump_json() == b.get_tree().model_dump_json()
        for name in PLANES:
            first, second = (reader.get_component(name).array for reader in (a, b))
            assert first.tobytes() == second.tobytes()
    with fits.open(tmp_path / "a.fits") as hdus:
        hdus.verify("exception")
        assert [isinstance(hdus[name.upper()], fits.CompImageHDU) for name in PLANES] == [True] * 5


def test_threads_do_not_change_a_file(tmp_path: Path) -> None:
    warp = make_warp()
    for threads in (1, 3):
        write_archive(warp, tmp_path / f"{threads}.fits", threads=threads)
    with fits.open(tmp_path / "1.fits", disable_image_compression=True) as single:
        dates = {hdu.header["DATE"] for hdu in single[:-1]}
        end = single["CHECKSUMS"]._header_offset  # of the dates, too
    first, second = ((tmp_path / f"{threads}.fits").read_bytes()[:end] for threads in (1, 3))
    assert len(dates) == 1
    (date,) = dates
    with fits.open(tmp_path / "3.fits") as hdus:
        assert first.replace(date.encode(), hdus[0].header["DATE"].encode()) == second


def test_parts_of_one_name_are_told_apart() -> None:
    archive = ArchiveFile(None)
    sources = [archive.add_array(np.zeros(2), name="data").source for _ in range(2)]
    assert sources == ["fits:DATA", "fits:DATA,2"]


@pytest.mark.parametrize("array", [np.zeros(2, np.complex64), np.zeros(2, bool)])
def test_arrays_that_fits_cannot_hold_are_refused(array: np.ndarray) -> None:
    with pytest.raises(TypeError, match=str(array.dtype)):
        ArchiveFile(None).add_array(array, name="data")


def test_tables_are_refused() -> None:
    with pytest.raises(TypeError, match="no tables"):
        ArchiveFile(None).add_table(None, name="data")
    with pytest.raises(TypeError, match="no tables"):
        ArchiveFile(None).add_structured_array(np.zeros(2), name="data")


def test_shared_parts_are_written_once(tmp_path: Path) -> None:
    warp, projection = make_warp(), make_projection()
    archive = ArchiveFile(None)
    saved = [archive.serialize_pointer("sky", projection.serialize, key=key) for key in (1, 1)]
    assert saved[0] is saved[1]
    frames: Any = object()
    pointer = archive.serialize_frame_set("frames", frames, projection.serialize, key=2)
    assert list(archive.iter_frame_sets()) == [(frames, pointer)]
    assert [saved[0].row, pointer.row] == [1, 2]
    with (tmp_path / "a.fits").open("wb") as stream:
        archive.write(stream, archive.serialize_root(warp))
    with FitsInputArchive.open(str(tmp_path / "a.fits")) as reader:
        model = WarpSerializationModel[PointerModel].model_fields["sky_projection"].annotation.__args__[0]
        for address in (saved[0], pointer):
            read = reader.deserialize_pointer(address, model, lambda tree, source: tree.deserialize(source))
            assert read.pixel_to_sky(x=3.0, y=4.0) == projection.pixel_to_sky(x=3.0, y=4.0)


def test_numbers_are_not_compressed(tmp_path: Path) -> None:
    numbers = np.arange(5.0)
    with ThreadPoolExecutor(1) as pool:
        archive = ArchiveFile(pool)
        model = archive.add_array(numbers, name="detectors/numbers")
        with (tmp_path / "a.fits").open("wb") as stream:
            archive.write(stream, archive.serialize_root(make_warp()))
    with fits.open(tmp_path / "a.fits") as hdus:
        assert not isinstance(hdus["DETECTORS/NUMBERS"], fits.CompImageHDU)
        assert isinstance(hdus["IMAGE"], fits.CompImageHDU)
    with FitsInputArchive.open(str(tmp_path / "a.fits")) as reader:
        np.testing.assert_array_equal(reader.get_array(model), numbers)

"""Archives are those that `lsst.images` writes, and it reads them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from lsst.images.fits import ExtensionKey, FitsInputArchive, PointerModel
from lsst.images.serialization import open_archive

from lamella.coadd.archive import PatchCoadd, WarpSerializationModel
from lamella.formats.archive_file import ArchiveFile
from lamella.formats.archives import read_product
from lamella.formats.export import write_archive

from .test_archives import make_warp
from .test_export import make_coadd, make_projection

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
        str(tmp_path / "theirs.fits"), compression_options=dict.fromkeys((*PLANES, "detectors/numbers"))
    )
    with fits.open(tmp_path / "ours.fits") as ours, fits.open(tmp_path / "theirs.fits") as theirs:
        assert [hdu.name for hdu in ours] == [hdu.name for hdu in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert cards_of(one) == cards_of(other)
            assert one.data is other.data is None or one.data.tobytes() == other.data.tobytes()
        assert ("TELESCOP" in ours[0].header) is again


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
    with fits.open(tmp_path / "1.fits", disable_image_compression=True) as one:
        dates = {hdu.header["DATE"] for hdu in one}
    first, second = ((tmp_path / f"{threads}.fits").read_bytes() for threads in (1, 3))
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
        for one in (saved[0], pointer):
            found = reader.deserialize_pointer(one, model, lambda tree, source: tree.deserialize(source))
            assert found.pixel_to_sky(x=3.0, y=4.0) == projection.pixel_to_sky(x=3.0, y=4.0)


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

"""Masks on their way into an archive."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from lsst.images import Mask, MaskSchema

from lamella.formats.archive.flatmask import FlatMask, is_flat, with_flat_mask
from lamella.formats.archive.products import ArchiveWarp, read_product
from lamella.formats.archive.write import write_archive
from lamella.planes import make_schema

from .test_products import make_warp
from .test_write import BOX


def test_archives_are_those_of_lsst_images(tmp_path: Path) -> None:
    warp = make_warp()
    write_archive(warp, tmp_path / "ours.fits", compress=False)
    names = ("image", "mask", "variance", "detectors/numbers")
    warp.write(str(tmp_path / "theirs.fits"), compression_options=dict.fromkeys(names))
    with fits.open(tmp_path / "ours.fits") as ours, fits.open(tmp_path / "theirs.fits") as theirs:
        assert [hdu.name for hdu in ours] == [*(hdu.name for hdu in theirs), "CHECKSUMS"]
        # The cards of time are lamella's; here there is one, since no date is known.
        assert ours[0].header.pop("NDATED") == 0
        for hdu, other in zip(ours[:-1], theirs, strict=True):
            cards = [[str(c) for c in x.header.cards if c.keyword != "DATE"] for x in (hdu, other)]
            assert cards[0] == cards[1]
            assert hdu.data is other.data is None or hdu.data.tobytes() == other.data.tobytes()


def test_the_image_itself_stays_as_it_is() -> None:
    warp = make_warp()
    flat = with_flat_mask(warp)
    assert type(flat.mask) is FlatMask
    assert type(warp.mask) is Mask
    assert np.shares_memory(flat.mask.array, warp.mask.array)


@pytest.mark.parametrize("compress", [False, True])
def test_masks_with_gaps_are_stored_by_name(tmp_path: Path, compress: bool) -> None:
    warp = make_warp()
    schema = MaskSchema([None, *make_schema()], dtype=np.int32)
    array = warp.mask.array & np.int32((1 << len(list(make_schema()))) - 1)
    warp._mask = Mask(array << 1, bbox=BOX, schema=schema)
    assert not is_flat(warp.mask.schema)
    assert with_flat_mask(warp) is warp
    write_archive(warp, tmp_path / "a.fits", compress=compress)
    again = read_product(tmp_path / "a.fits")
    for name in warp.mask.schema.names:
        np.testing.assert_array_equal(again.mask.get(name), warp.mask.get(name))
    archive = ArchiveWarp(tmp_path / "a.fits")
    np.testing.assert_array_equal(archive.read(BOX).mask, again.mask.array[..., 0])

"""Planes that are compressed here, as others read them."""

import numpy as np
import pytest
from astropy.io import fits
from lsst.images.fits import FitsOpaqueMetadata

from lamella.formats.compression import compress_plane, with_compressed


def plane_of(shape: tuple[int, int], dtype: type) -> np.ndarray:
    rng = np.random.default_rng(3)
    if dtype is np.int32:
        return rng.integers(-(2**31), 2**31, shape, dtype=np.int64).astype(np.int32)
    plane = rng.normal(0, 30, shape).astype(np.float32)
    plane[0, 0], plane[-1, -1], plane[0, -1] = np.nan, np.inf, -0.0
    return plane


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("shape", [(5, 7), (300, 500), (1, 70_000), (70_000, 1)])
def test_astropy_reads_the_same_bits(shape: tuple[int, int], dtype: type, tmp_path) -> None:
    plane = plane_of(shape, dtype)
    image = compress_plane(plane)
    hdu = fits.BinTableHDU(image.data, header=image.header, name="IMAGE")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as hdus:
        assert isinstance(hdus[1], fits.CompImageHDU)
        read = np.ascontiguousarray(hdus[1].data)
        assert read.astype(dtype).tobytes() == plane.tobytes()


def test_threads_do_not_change_a_byte() -> None:
    plane = plane_of((700, 500), np.float32)
    first, second = (compress_plane(plane, threads).data for threads in (1, 3))
    assert [row.tobytes() for row in first["COMPRESSED_DATA"]] == [
        row.tobytes() for row in second["COMPRESSED_DATA"]
    ]


def test_a_part_of_a_larger_array_is_compressed_as_it_is() -> None:
    plane = plane_of((40, 60), np.int32)
    part, whole = compress_plane(plane[3:30, 5:50]), compress_plane(plane[3:30, 5:50].copy())
    assert part.data["COMPRESSED_DATA"][0].tobytes() == whole.data["COMPRESSED_DATA"][0].tobytes()


def test_headers_of_the_object_are_kept() -> None:
    opaque = FitsOpaqueMetadata()
    opaque.add_header(fits.Header({"OBSERVER": "Leavitt"}), name="", ver=1)
    found = with_compressed(opaque, {"IMAGE": plane_of((5, 7), np.float32)})
    assert found.headers == opaque.headers
    assert list(found.precompressed) == ["IMAGE"]
    assert with_compressed(None, {}).precompressed == {}

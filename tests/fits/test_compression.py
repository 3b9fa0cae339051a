"""Tiles of planes: that astropy reads their bits is tested with `lamella.fits.write`."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lamella.fits.compression import compress_tiles, submit_tiles
from lamella.fits.deflate import inflate


def plane_of(shape: tuple[int, int], dtype: type) -> np.ndarray:
    rng = np.random.default_rng(3)
    if dtype is np.int32:
        return rng.integers(-(2**31), 2**31, shape, dtype=np.int64).astype(np.int32)
    plane = rng.normal(0, 30, shape).astype(np.float32)
    plane[0, 0], plane[-1, -1], plane[0, -1] = np.nan, np.inf, -0.0
    return plane


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("shape", [(5, 7), (300, 500), (1, 70_000), (70_000, 1), (1400, 500)])
def test_tiles_hold_the_bytes_of_a_plane_by_significance(shape: tuple[int, int], dtype: type) -> None:
    plane = plane_of(shape, dtype)
    tiles = compress_tiles(plane)
    assert len(tiles.data) == -(-shape[0] // tiles.rows)
    for index, tile in enumerate(tiles.data):
        rows = plane[index * tiles.rows : (index + 1) * tiles.rows]
        expected = rows.astype(rows.dtype.newbyteorder(">")).reshape(-1).view(np.uint8).reshape(-1, 4).T
        assert inflate(tile, rows.nbytes) == expected.tobytes()


def test_threads_do_not_change_a_byte() -> None:
    plane = plane_of((3000, 500), np.float32)
    first, second = (compress_tiles(plane, threads) for threads in (1, 3))
    assert len(first.data) > 20
    assert first == second


def test_a_part_of_a_larger_array_is_compressed_as_it_is() -> None:
    plane = plane_of((40, 60), np.int32)
    assert compress_tiles(plane[3:30, 5:50]) == compress_tiles(plane[3:30, 5:50].copy())


def test_the_number_of_tiles_is_known_before_they_are() -> None:
    plane = plane_of((1401, 500), np.float32)
    with ThreadPoolExecutor(2) as pool:
        pending = submit_tiles(plane, pool)
        tiles = [tile for job in pending.jobs for tile in job.result()]
    assert pending.number == len(tiles)
    assert (pending.rows, tiles) == compress_tiles(plane)

"""Tiles of planes: that astropy reads their bits is tested with `lamella.fits.write`."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lamella.fits.compression import submit_tiles
from lamella.fits.deflate import inflate


def plane_of(shape: tuple[int, int], dtype: type) -> np.ndarray:
    rng = np.random.default_rng(3)
    if dtype is np.int32:
        return rng.integers(-(2**31), 2**31, shape, dtype=np.int64).astype(np.int32)
    plane = rng.normal(0, 30, shape).astype(np.float32)
    plane[0, 0], plane[-1, -1], plane[0, -1] = np.nan, np.inf, -0.0
    return plane


def compress(plane: np.ndarray, threads: int = 1) -> tuple[int, list[bytes]]:
    """Return the rows of a tile, and the tiles."""
    with ThreadPoolExecutor(threads) as pool:
        tiles = submit_tiles(plane, pool)
        data = [tile for job in tiles.jobs for tile in job.result()]
    assert tiles.number == len(data)
    return tiles.rows, data


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("shape", [(5, 7), (300, 500), (1, 70_000), (70_000, 1), (1400, 500)])
def test_tiles_hold_the_bytes_of_a_plane_by_significance(shape: tuple[int, int], dtype: type) -> None:
    plane = plane_of(shape, dtype)
    height, tiles = compress(plane)
    assert len(tiles) == -(-shape[0] // height)
    for index, tile in enumerate(tiles):
        rows = plane[index * height : (index + 1) * height]
        expected = rows.astype(rows.dtype.newbyteorder(">")).reshape(-1).view(np.uint8).reshape(-1, 4).T
        assert inflate(tile, rows.nbytes) == expected.tobytes()


def test_threads_do_not_change_a_byte() -> None:
    plane = plane_of((3000, 500), np.float32)
    first, second = (compress(plane, threads) for threads in (1, 3))
    assert len(first[1]) > 20
    assert first == second


def test_a_part_of_a_larger_array_is_compressed_as_it_is() -> None:
    plane = plane_of((40, 60), np.int32)
    assert compress(plane[3:30, 5:50]) == compress(plane[3:30, 5:50].copy())

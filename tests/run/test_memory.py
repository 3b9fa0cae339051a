"""What a process takes."""

from __future__ import annotations

from lsst.images import Box

from lamella.psf.match_control import MatchControl
from lamella.resources import Resources
from lamella.run.memory import matching_bytes, matching_threads, room_for_tiles, room_for_warps


def test_memory_is_that_of_the_process() -> None:
    pixels = 10**8
    one, two = (room_for_warps(Resources(memory=8000, threads=n), pixels, pixels // 2) for n in (1, 2))
    # With one thread the coadd takes most, with two the exposures.
    assert one > two > 0
    assert room_for_warps(Resources(memory=8001, threads=2), pixels, pixels // 2) == two + 2**20
    assert room_for_warps(Resources(memory=200), 0, 0) < 0


def test_tiles_have_what_the_coadd_leaves() -> None:
    pixels = 2**24
    given = Resources(memory=2048, threads=8, streaming=True)
    left = room_for_tiles(given, pixels)
    assert left == given.replace(memory=left.memory)
    assert 0 < left.memory < 2048 - pixels * 24 / 2**20
    assert room_for_tiles(given.replace(memory=2049.0), pixels).memory == left.memory + 1
    # Beside tiles of the usual size warps have room as soon as there is more than that.
    assert room_for_warps(given, pixels, 0) == (left.memory - 8 * 64) * 2**20


def test_there_is_a_least_that_tiles_need() -> None:
    assert room_for_tiles(Resources(memory=16, threads=3), 2**24).memory == 3 * 16


def test_matching_is_counted() -> None:
    control, box = MatchControl(), Box.factory[0:4000, 0:4000]
    narrow, wide = (matching_bytes(fwhm, control, box) for fwhm in (4.0, 30.0))
    assert 0 < narrow < wide
    # It grows with the pixels of the kernel, not with their square.
    assert matching_bytes(60.0, control, Box.factory[0:200, 0:200]) < 6 * matching_bytes(
        30.0, control, Box.factory[0:200, 0:200]
    )
    given = Resources(memory=2048, threads=8)
    assert matching_threads(given, 0, narrow) > matching_threads(given, 0, wide) >= 1
    assert matching_threads(given, 2**40, wide) == 1
    assert matching_threads(given.replace(memory=10**6), 0, wide) == 8
    # A match for each thread takes more than their tiles.
    assert room_for_warps(given, 0, 0, 2**27) == room_for_warps(given, 0, 0) - 8 * (2**27 - 64 * 2**20)

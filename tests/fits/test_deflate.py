"""The library that compresses tiles, whichever it is."""

import gzip
import importlib
import sys

import pytest

from lamella.fits import deflate

DATA = bytes(range(256)) * 40


@pytest.fixture(params=["isal", "zlib_ng", "zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """The module with one of the libraries, the faster ones being absent."""
    if request.param != "zlib":
        pytest.importorskip(request.param)
    order = ["isal", "zlib_ng", "zlib"]
    for name in order[: order.index(request.param)]:
        for module in [name, *(known for known in sys.modules if known.startswith(f"{name}."))]:
            monkeypatch.setitem(sys.modules, module, None)
    module = importlib.reload(deflate)
    assert module.library_name() == request.param
    yield module
    monkeypatch.undo()
    importlib.reload(deflate)


def test_what_is_compressed_is_a_gzip_file(library) -> None:
    compressed = library.deflate(DATA)
    assert len(compressed) < len(DATA) / 2
    assert gzip.decompress(compressed) == DATA


def test_gzip_files_of_any_level_are_inflated(library) -> None:
    for level in (0, 1, 9):
        assert library.inflate(gzip.compress(DATA, level), len(DATA)) == DATA


def test_damage_is_told(library) -> None:
    damaged = bytearray(gzip.compress(DATA))
    damaged[20] ^= 0xFF
    for data in (bytes(damaged), b"no gzip file", gzip.compress(DATA)[:-30]):
        with pytest.raises(library.DeflateError):
            library.inflate(data, len(DATA))

"""Damaged variants of what lamella reads, and the program that makes them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import fuzz as module
from benchmarks.fuzz import Member, fuzz, members, variant_of
from lamella.errors import InputError

SEED = 20


@pytest.mark.filterwarnings("ignore")
def test_a_hundred_damaged_files_are_read_or_end_in_a_typed_error(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    folder = tmp_path / "variants"
    folder.mkdir()
    assert list(fuzz(members(tmp_path), 108, SEED, folder)) == []


def raise_typed(path: Path) -> None:
    raise InputError(path, found="damage", expected="none")


def raise_bare(path: Path) -> None:
    raise KeyError("a name that was not there")


def wait(path: Path) -> None:
    time.sleep(5)


@pytest.mark.parametrize(
    ("read", "what"),
    [(raise_typed, []), (Path.read_bytes, []), (raise_bare, "KeyError"), (wait, "TimeoutError")],
)
def test_what_is_no_typed_error_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object], what: str
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.05)
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}')
    folder = tmp_path / "variants"
    folder.mkdir()
    faults = [fault.what.split(":")[0] for fault in fuzz({"a": Member(path, read)}, 1, 1, folder)]
    assert faults == ([what] if what else [])
    assert (folder / "a-1-0").exists() == bool(what)


@pytest.mark.parametrize(
    ("name", "content"), [("a.json", b'{"a": 1}'), ("a.fits", b"BITPIX  =  8".ljust(5760))]
)
def test_variants_follow_from_the_seed_and_differ(name: str, content: bytes) -> None:
    variants = [variant_of(content, name, random.Random(f"1 {number}")) for number in range(20)]
    assert variants == [variant_of(content, name, random.Random(f"1 {number}")) for number in range(20)]
    assert len({*variants, content}) > 10

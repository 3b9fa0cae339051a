"""Readers paste what pages show: every program and every command runs, and prints what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from .blocks import ELSEWHERE, MIDDLEWARE, NOTEBOOKS, PAGES, ROOT, RUN, SHOWN, Block, page_blocks, page_name
from .compare import difference
from .reader import Desk
from .sites import SITES

pytestmark = pytest.mark.slow


def all_blocks() -> list[Block]:
    return [block for path in PAGES for block in page_blocks(path)]


def readable(path: Path) -> bool:
    name = page_name(path)
    return name not in (*MIDDLEWARE, *ELSEWHERE) and any(block.is_run for block in page_blocks(path))


@pytest.mark.parametrize("path", list(filter(readable, [*PAGES, *NOTEBOOKS])), ids=page_name)
def test_the_blocks_of_a_page_run(path: Path, desk: Desk) -> None:
    """All of them, one after the other, in a folder where the demo has been."""
    desk.read(path, SITES.get(page_name(path)))


def test_every_block_says_what_it_is() -> None:
    """What is not run is in a language that is only read, or has a reason."""
    for block in all_blocks():
        where = f"{block.page}:{block.line}"
        assert block.language in (*RUN, *SHOWN), f"{where} has the language {block.language!r}"
        assert block.mark != "not run" or block.value, f"{where} is not run without a reason"
        assert block.mark not in ("file", "output") or block.language in SHOWN, where


def test_most_blocks_are_run() -> None:
    runnable = [block for block in all_blocks() if block.language in RUN]
    assert sum(block.is_run for block in runnable) > 0.8 * len(runnable)


def test_pages_that_are_run_elsewhere_are() -> None:
    for page, test in ELSEWHERE.items():
        assert (ROOT / test).is_file(), page


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a  b\n", "x\na b\ny\n", True),
        ("a\nb\n", "b\na\n", False),
        ("depth 24.50 mag, 0.7 s", "depth 24.51 mag, 11.2 s", True),
        ("depth 24.50 mag", "depth 27.0 mag", False),
        ("20 exposures", "21 exposures", False),
        ("one ... three", "one two three", True),
        ("first\n...\nlast", "first\nmiddle\nlast", True),
    ],
)
def test_output_is_compared_by_lines_in_order(shown: str, printed: str, same: bool) -> None:
    assert (difference(shown, printed) == "") == same

"""Readers paste what pages show: every program and every command runs, and prints what is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..once import made_once
from .blocks import PAGES, RUN, SHOWN, Block, page_blocks, page_name
from .compare import difference
from .reader import read_page
from .server import command_server
from .sites import SITES, copy_linked

pytestmark = pytest.mark.slow

MIDDLEWARE = ("docs/manual.md", "docs/pipelines.md")
"""Pages that need the extra [lsst]: `tests/tasks/test_pages.py`."""
ELSEWHERE = {"docs/manual-example.md": "tests/tasks/test_manual_example.py"}
"""Pages of which every block is run by tests of their own."""


def all_blocks() -> list[Block]:
    return [block for path in PAGES for block in page_blocks(path)]


def readable(path: Path) -> bool:
    name = page_name(path)
    return name not in (*MIDDLEWARE, *ELSEWHERE) and any(block.is_run for block in page_blocks(path))


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with command_server(tmp_path_factory.mktemp("server")) as folder:
        yield folder


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, scripts: Path) -> Path:
    """A folder where ``lamella demo`` has been."""

    def make(folder: Path) -> None:
        block = Block("the demo", 1, "console", "$ lamella demo\n")
        assert read_page([block], folder, scripts, folder / "log") == ""

    return made_once(tmp_path_factory, "docs-demo", make) / "demo"


@pytest.mark.parametrize("path", list(filter(readable, PAGES)), ids=page_name)
def test_the_blocks_of_a_page_run(path: Path, demo: Path, scripts: Path, tmp_path: Path) -> None:
    """All of them, one after the other, in a folder where the demo has been."""
    folder = tmp_path / "here"
    folder.mkdir()
    copy_linked(demo, folder / "demo")
    SITES.get(page_name(path), lambda folder: None)(folder)
    told = read_page(page_blocks(path), folder, scripts, tmp_path / "log")
    if told:
        pytest.fail(told, pytrace=False)


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
    root = Path(__file__).parents[2]
    assert all(Path(page).name in (root / "docs" / Path(page).name).name for page in ELSEWHERE)
    for page, test in ELSEWHERE.items():
        assert (root / test).is_file(), page


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

"""A desk at which pages are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..once import made_once
from .blocks import Block
from .reader import Desk, read_blocks
from .server import command_server


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with command_server(tmp_path_factory.mktemp("server")) as folder:
        yield folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, scripts: Path) -> Path:
    """What ``lamella demo`` leaves, from a smaller survey."""

    def make(folder: Path) -> None:
        block = Block("the demo", 1, "console", "$ lamella demo\n")
        assert read_blocks([block], folder, scripts, folder / "log") == ""

    return made_once(tmp_path_factory, "docs-demo", make) / "demo"


@pytest.fixture
def desk(demo: Path, scripts: Path, tmp_path: Path) -> Desk:
    return Desk(demo, scripts, tmp_path)

"""Coadds of real exposures, made by the command as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamella.cli.main import main


def run_command(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code in (0, None)


@pytest.fixture(scope="session")
def decam(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the coadds of the DECam exposures, with the warps."""
    folder = tmp_path_factory.mktemp("decam")
    run_command("coadd", str(shared / "data" / "decam"), "-o", str(folder), "--keep-warps", "-q")
    return folder


@pytest.fixture(scope="session")
def sdss(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the coadds of the SDSS frames."""
    folder = tmp_path_factory.mktemp("sdss")
    run_command("coadd", str(shared / "data" / "sdss"), "-o", str(folder), "-q")
    return folder

"""Coadds of real exposures, made by the command as a user types it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.cli.main import main


def run_command(*arguments: str) -> None:
    # One worker is this process, which has the kernels in memory for further tests.
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--workers", "1"])
    assert ended.value.code in (0, None)


@pytest.fixture(scope="session")
def decam(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the coadds of the DECam exposures, with the warps."""
    folder = tmp_path_factory.mktemp("decam")
    run_command(
        "coadd", str(shared / "data" / "decam"), "-o", str(folder), "--keep-warps", "--reject", "none", "-q"
    )
    return folder


@pytest.fixture(scope="session")
def decam_with_cosmic_rays(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The DECam exposures as if no cosmic ray had been found in them (code 5 of the data quality)."""
    folder = tmp_path_factory.mktemp("unflagged")
    shutil.copytree(shared / "data" / "decam", folder, copy_function=shutil.copyfile, dirs_exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for path in sorted(folder.glob("images/*_ood_*")):
        weights = path.with_name(path.name.replace("_ood_", "_oow_"))
        with fits.open(path, "update", memmap=False) as quality, fits.open(weights, "update") as weight:
            hit = quality[1].data == 5
            quality[1].data[hit] = 0
            weight[1].data[hit] = np.median(weight[1].data[weight[1].data > 0])
    return folder


@pytest.fixture(scope="session")
def sdss(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the coadds of the SDSS frames, whose visits are compared."""
    folder = tmp_path_factory.mktemp("sdss")
    words = ("--statistic", "MEAN", "--reject", "compare-warp", "-q")
    run_command("coadd", str(shared / "data" / "sdss"), "-o", str(folder), *words)
    return folder

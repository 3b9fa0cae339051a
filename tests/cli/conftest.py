"""The command as a user types it, on a tiny simulated survey."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.cli.main import main
from lamella.cli.progress import PREFIX
from lamella.testing.survey import Survey, simulate_survey

from ..surveys import TINY


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str
    """What went to standard error, but progress."""
    progress: str = ""


def lamella(*arguments: object) -> Ended:
    """Run the command here, and return how it ended."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = end.code
    assert isinstance(status, int)
    lines = err.getvalue().splitlines(keepends=True)
    told = [line for line in lines if line.startswith(PREFIX)]
    return Ended(status, out.getvalue(), "".join(line for line in lines if line not in told), "".join(told))


def lamella_ok(*arguments: object) -> str:
    """Run the command here; it must end well and say nothing of problems."""
    ended = lamella(*arguments)
    assert (ended.status, ended.err) == (0, "")
    return ended.out


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of change of all files below a folder."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def fits_bits(path: Path) -> list[object]:
    """Return all that a FITS file holds but the time at which it was written."""
    content: list[object] = []
    with fits.open(path, memmap=False) as hdus:
        for hdu in hdus:
            cards = [
                str(card) for card in hdu.header.cards if card.keyword not in ("DATE", "CHECKSUM", "DATASUM")
            ]
            # A hash, because a comparison that fails prints all that differs.
            content += [
                cards,
                None if hdu.data is None else hashlib.sha256(np.asarray(hdu.data).tobytes()).hexdigest(),
            ]
    return content


def product_bits(folder: Path) -> dict[str, object]:
    """Return the content of all products in a folder and below, by name; not that of reports."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        if path.parent.name == "pictures":  # of the page
            continue
        if path.name.endswith("plain.fits") or path.suffix == ".png" or path.name == "skymap.json":
            found[str(path.relative_to(folder))] = path.read_bytes()
        elif path.suffix == ".fits":
            found[str(path.relative_to(folder))] = fits_bits(path)
    return found


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Two visits in each of two bands, with two detectors of 90 x 80 pixels each."""
    return simulate_survey(tmp_path_factory.mktemp("survey"), TINY.replace(bands=("g", "r")))


@pytest.fixture
def own_survey(survey: Survey, tmp_path: Path) -> Survey:
    """A copy of the survey that a test may change."""
    assert survey.folder is not None
    shutil.copytree(survey.folder, tmp_path / "survey")
    return dataclasses.replace(survey, folder=tmp_path / "survey")


@pytest.fixture(scope="session")
def patches(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sky map of four patches around the survey."""
    path = tmp_path_factory.mktemp("skymap") / "four.json"
    lamella_ok(
        "skymap", "make", survey.table, "-o", path, "--set", "patch_size=100", "--set", "patch_border=10"
    )
    return path


@pytest.fixture(scope="session")
def coadds(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the coadds of the survey, with its warps; not to be changed."""
    folder = tmp_path_factory.mktemp("coadds")
    lamella_ok("coadd", survey.table, "-o", folder, "--workers", 1, "--keep-warps")
    return folder


@pytest.fixture(scope="session")
def patch_coadds(survey: Survey, patches: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the coadds of one band in several patches; not to be changed."""
    folder = tmp_path_factory.mktemp("patch_coadds")
    lamella_ok("coadd", survey.table, "-o", folder, "--skymap", patches, "--workers", 1, "--band", "r")
    return folder


@pytest.fixture
def finished(coadds: Path, tmp_path: Path) -> Path:
    """A copy of the folder of coadds, with the times of change kept."""
    shutil.copytree(coadds, tmp_path / "out")
    return tmp_path / "out"


Change = Callable[[fits.HDUList], object]


def change_fits(path: Path, change: Change) -> None:
    """Change a FITS file in place."""
    with fits.open(path, memmap=False) as hdus:
        change(hdus)
        hdus.writeto(path, overwrite=True)

"""``lamella butler``: a repository from empty to exported."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.cli.main import main
from lamella.sky.registry import load_skymap
from lamella.testing.survey import Survey

from .conftest import lamella, lamella_ok

WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("lsst.daf", "lsst.pipe", "lsst.pex", "lsst.sphgeom", "sqlalchemy")):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from lamella.cli.main import main
main(["butler", "create", "never"])
"""


@pytest.fixture(autouse=True)
def _fresh_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that ran in this process before may have turned the middleware's log on."""
    for name in ("", "lsst", "lsst.daf.butler", "lamella"):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "handlers", [])
        monkeypatch.setattr(logger, "level", logging.NOTSET if name else logging.WARNING)


def test_without_the_middleware_it_says_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: This command needs the LSST middleware: pip install 'lamella[lsst]'.\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("function", ["make_sky_map", "make_coadd_temp_exp", "assemble_coadd"])
def test_the_commands_of_the_manual_say_what_to_install(function: str, tmp_path: Path) -> None:
    start = WITHOUT.partition("from lamella.cli.main")[0]
    code = f"{start}from lamella.tasks.manual import commands\ncommands.{function}(['--legacyCoadd', 'REPO'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (253, "")
    assert done.stderr == "Error: This command needs the LSST middleware: pip install 'lamella[lsst]'.\n"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")
    root = tmp_path_factory.mktemp("site") / "repo"
    assert lamella_ok("butler", "create", root) == f"Made the repository {root}.\n"
    return root


def test_exposures_are_files_of_this_machine(repository: Path, survey: Survey) -> None:
    ended = lamella("butler", "ingest", repository, "s3://bucket/exposures.ecsv")
    assert (ended.status, ended.out) == (2, "")
    assert "s3://bucket/exposures.ecsv: exposures are read from files of this machine" in ended.err
    told = lamella_ok("butler", "ingest", repository.as_uri(), survey.table.as_uri())
    assert told == "The repository has 8 exposures of 4 visits in LamellaSim/calexp.\n"


def test_a_repository_is_filled_and_filling_it_again_changes_nothing(
    repository: Path, survey: Survey, tmp_path: Path
) -> None:
    for _ in range(2):
        told = lamella_ok("butler", "ingest", repository, survey.table)
        assert told == "The repository has 8 exposures of 4 visits in LamellaSim/calexp.\n"
    lamella_ok("skymap", "make", survey.table, "-o", tmp_path / "sky.json", "--name", "field")
    for _ in range(2):
        told = lamella_ok("butler", "skymap", repository, tmp_path / "sky.json")
        assert told == "The repository has the sky map field with 1 tract of this call.\n"
    (tmp_path / "BrightObjectMask-0-0,0-r.reg").write_text("wcs; fk5\ncircle(1d, 2d, 3d) # ID: 1\n")
    told = lamella_ok(
        "butler", "regions", repository, tmp_path / "BrightObjectMask-0-0,0-r.reg", "--skymap", "field"
    )
    assert told == "The repository has 1 mask of bright objects of this call.\n"
    assert lamella_ok("butler", "clean", repository, "--older-than", 0) == "Removed 0 files.\n"


def test_copies_go_into_the_repository(repository: Path, survey: Survey) -> None:
    told = lamella_ok(
        "butler", "ingest", repository, survey.file(100, 0).parent.parent, "--copy", "--run", "own"
    )
    assert told == "The repository has 8 exposures of 4 visits in own.\n"
    assert len(list((repository / "own").rglob("*.fits"))) == 8


def test_exposures_that_cannot_be_used_are_told_once_per_cause(
    repository: Path, survey: Survey, tmp_path: Path
) -> None:
    shutil.copytree(survey.table.parent, tmp_path / "survey")
    for detector in (0, 1):
        path = tmp_path / "survey" / survey.file(100, detector).relative_to(survey.table.parent)
        with fits.open(path, mode="update") as hdus:
            hdus["IMAGE"].data[:] = np.nan
    table = tmp_path / "survey" / survey.table.name
    ended = lamella("butler", "ingest", repository, table, "--check", "--run", "checked")
    assert (ended.status, ended.out) == (0, "The repository has 6 exposures of 3 visits in checked.\n")
    assert "Not added, for no coadd can use them: 2 exposures" in ended.err
    assert ended.err.count("visit 100") == 1  # with a count of the others


def test_of_a_sky_map_of_the_whole_sky_the_tracts_with_exposures_are_added(
    repository: Path, tmp_path: Path
) -> None:
    settings = ("--set", "num_rings=12", "--set", "patches={inner: [20000, 20000]}")
    lamella_ok("skymap", "make", "--kind", "rings", *settings, "-o", tmp_path / "sky.json")
    assert len(load_skymap(tmp_path / "sky.json")) > 100
    told = lamella_ok("butler", "skymap", repository, tmp_path / "sky.json", "--name", "all")
    assert told == "The repository has the sky map all with 1 tract of this call.\n"
    told = lamella_ok("butler", "skymap", repository, tmp_path / "sky.json", "--name", "all", "--tract", 3)
    assert told == "The repository has the sky map all with 1 tract of this call.\n"


def test_failures_are_told_in_one_line(repository: Path, tmp_path: Path) -> None:
    ended = lamella("butler", "create", repository)
    assert (ended.status, ended.err) == (
        1,
        f"Error: {repository}: cannot be written: it is a repository already.\n",
    )
    ended = lamella("butler", "export", repository, tmp_path / "x", "-i", "skymaps")
    assert (ended.status, ended.err) == (1, "Error: There is no deepCoadd in the collections ['skymaps'].\n")
    ended = lamella("butler", "export", repository, tmp_path / "x", "-i", "absent")
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "absent" in ended.err
    ended = lamella("butler", "clean", tmp_path / "nothing")
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "expected a Butler repository" in ended.err


def test_cleaning_names_what_it_removes(repository: Path) -> None:
    orphan = repository / "skymaps" / "x.tmp.json"
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_text("half")
    os.utime(orphan, (0, 0))
    told = lamella_ok("butler", "clean", repository, "--dry-run")
    assert told == f"{orphan.resolve()}\nWould remove 1 file.\n"
    assert orphan.exists()
    assert lamella_ok("butler", "clean", repository) == f"{orphan.resolve()}\nRemoved 1 file.\n"
    assert not orphan.exists()


def test_the_folder_of_configurations_is_printed(repository: Path) -> None:
    folder = Path(lamella_ok("butler", "config").strip())
    assert {"storageClasses.yaml", "datastore.yaml"} <= {path.name for path in folder.iterdir()}
    assert str(folder) == importlib.import_module("lamella.tasks.repository").CONFIG_FOLDER


def test_it_is_among_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "butler" in capsys.readouterr().out

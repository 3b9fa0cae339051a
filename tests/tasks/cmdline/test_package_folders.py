"""Folders of packages are those given, then those of the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.errors import ConfigError, UnreadableFileError
from lamella.tasks.cmdline.package_folders import PackageFolders


def test_what_is_given_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBS_CAM_DIR", "/environment")
    assert PackageFolders().find("obs_cam") == "/environment"
    folders = PackageFolders.parse(["obs_cam=/", f"obs_cam={tmp_path}"])
    assert folders.find("obs_cam") == str(tmp_path)
    assert folders.of_variable("OBS_CAM_DIR") == str(tmp_path)


@pytest.mark.parametrize("item", ["obs_cam", "=folder", "obs_cam=", "obs cam=/"])
def test_what_is_no_pair_is_refused(item: str) -> None:
    with pytest.raises(ConfigError, match="is not PACKAGE=FOLDER"):
        PackageFolders.parse([item])


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"none.*the folder of obs_cam"):
        PackageFolders.parse([f"obs_cam={tmp_path / 'none'}"])


def test_other_variables_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    with pytest.raises(ConfigError, match="only folders of packages"):
        PackageFolders().of_variable("SECRET")

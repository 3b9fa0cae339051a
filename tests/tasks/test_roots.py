"""Roots of repositories as people write them: paths of all kinds, addresses, and what is none."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.resources import ResourcePath

from lamella.errors import ConfigError, OutputError
from lamella.formats.recognise import open_exposures
from lamella.tasks.failures import address_errors
from lamella.tasks.ingest import Transfer, ingest_exposures
from lamella.tasks.repository import clean_orphans, create_repository, open_repository
from lamella.testing.asserts import assert_bits_equal

from .small import SmallSurvey, files_of, make_survey


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> SmallSurvey:
    return make_survey(tmp_path_factory.mktemp("a survey é"))


def roots(folder: Path) -> dict[str, str | Path]:
    """Return folders as people write them."""
    return {
        "relative": "repo",
        "below others": "one/two/repo",
        "path": folder / "path",
        "blanks and accents": "Größe 1/日本 é",
        "address": (folder / "address").as_uri(),
        "quoted address": (folder / "ein Süd-Blick").as_uri(),
    }


@pytest.mark.parametrize("kind", list(roots(Path("/"))))
@pytest.mark.parametrize("transfer", ["direct", "copy"])
def test_any_way_to_write_a_folder_is_a_root(
    kind: str, transfer: Transfer, survey: SmallSurvey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = roots(tmp_path)[kind]
    create_repository(root)
    sources = open_exposures([os.path.relpath(survey.table)]).sources[:1]
    with open_repository(root, writeable=True) as butler:
        (ref,) = ingest_exposures(butler, sources, transfer=transfer)
        left = files_of(butler)[0].parent / "left"
        left.touch()
        assert clean_orphans(butler, older_than=0) == [str(left.resolve())]
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    monkeypatch.chdir("/")  # what is referred to is found from anywhere
    with open_repository(root if kind == "path" or "address" in kind else tmp_path / root) as butler:
        found = butler.get(ref)
    assert_bits_equal(found.pixels.image.array, survey.sources[0].read().pixels.image.array)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="it is a repository already"):
        create_repository(root)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize("name", ["a#b", "a?b=1", "a%20b"])
def test_paths_that_would_be_read_as_addresses_are_refused(name: str, tmp_path: Path) -> None:
    for root in (tmp_path / name, (tmp_path / name).as_uri()):
        with pytest.raises(ConfigError, match=f"must be without {re.escape(name[1])}"):
            create_repository(root)
    assert list(tmp_path.iterdir()) == []


def test_addresses_that_cannot_be_reached_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "S3_", "LSST_RESOURCES_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    for use in (create_repository, open_repository):
        for root, error, reason in (
            ("foo://host/repo", ConfigError, "No URI support for scheme: 'foo'"),
            ("s3://lamella-bucket/repo", OutputError, "Unable to locate credentials"),
        ):
            with pytest.raises(error) as caught:
                use(root)
            assert str(caught.value).startswith(f"{root}: ")
            assert reason in str(caught.value)


def test_a_store_whose_client_is_not_installed_is_told() -> None:
    with pytest.raises(ConfigError, match="gs://b/x: no client"), address_errors("gs://b/x"):
        raise ImportError("no client")
    with pytest.raises(ImportError), address_errors("/a/folder"):  # a broken installation
        raise ImportError("numpy")


def test_files_of_this_machine_are_not_referred_to_from_elsewhere(survey: SmallSurvey) -> None:
    elsewhere: Any = SimpleNamespace(
        get_datastore_roots=lambda: {"memory": None, "files": ResourcePath("https://localhost/repo")}
    )
    with pytest.raises(ConfigError, match="https://localhost/repo is not a folder of this machine") as caught:
        ingest_exposures(elsewhere, survey.sources)
    assert caught.value.option == "copy"

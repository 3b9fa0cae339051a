from __future__ import annotations

from pathlib import Path

import pytest

from lamella.formats.file_index import FileIndex, bare_name, is_fits_name, walk


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz", "a.fits.fz", "a.fits.bz2"])
def test_compressed_or_not_a_file_has_one_bare_name(name: str) -> None:
    assert bare_name(name) == "a.fits"
    assert is_fits_name(Path(name))


def test_tables_and_texts_are_not_fits() -> None:
    assert not any(is_fits_name(Path(name)) for name in ("README.md", "a.ecsv", "a.txt.gz", "fits"))


def test_walking_leaves_out_what_is_hidden(tmp_path: Path) -> None:
    for name in ("b/2.fits", "a/1.fits", ".trash/3.fits", "a/.4.fits"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in walk(tmp_path)] == ["a/1.fits", "b/2.fits"]


def test_the_nearest_of_some_files_of_a_name_is_found() -> None:
    index = FileIndex([Path("/data/n1/calib/w.fits"), Path("/data/n2/calib/w.fits.gz")])
    assert index.find("w.fits", near=Path("/data/n2/images/i.fits")) == Path("/data/n2/calib/w.fits.gz")
    assert index.find("w.fits", near=Path("/data/n1/images/i.fits")) == Path("/data/n1/calib/w.fits")
    assert index.find("x.fits", near=Path("/data/n1/images/i.fits")) is None


def test_files_are_found_by_the_start_of_their_name_nearest_first() -> None:
    index = FileIndex(
        [Path("/d/survey-ccds-1.fits"), Path("/d/n/survey-ccds-2.fits.gz"), Path("/d/n/i.fits")]
    )
    paths = index.starting_with("survey-ccds", near=Path("/d/n/i.fits"))
    assert [path.name for path in paths] == ["survey-ccds-2.fits.gz", "survey-ccds-1.fits"]


def test_files_are_found_by_a_pattern_in_their_names_also_those_that_are_added_later() -> None:
    index = FileIndex([Path("/d/b1_drc.fits.gz"), Path("/d/a2_DRC.fits"), Path("/d/a1_flc.fits")])
    assert [path.name for path in index.matching(r"\w\d_drc\.fits$")] == ["a2_DRC.fits", "b1_drc.fits.gz"]
    index.add(Path("/d/a0_drc.fits"))
    assert len(index.matching(r"\w\d_drc\.fits$")) == 3


def test_an_absent_folder_adds_no_file(tmp_path: Path) -> None:
    index = FileIndex()
    index.add_folder(tmp_path / "absent")
    assert index.starting_with("", near=tmp_path / "x") == []


def test_a_file_that_is_nearer_to_another_of_the_same_name_belongs_to_that() -> None:
    index = FileIndex(Path("/data") / name for name in ("n1/x.fits", "n2/x.fits", "n2/x.head"))
    assert index.find("x.head", near=Path("/data/n1/x.fits")) is None
    assert index.find("x.head", near=Path("/data/n2/x.fits")) == Path("/data/n2/x.head")


def test_groups_follow_what_is_added() -> None:
    def first_letter(path: Path) -> list[str]:
        return [path.name[0]]

    index = FileIndex([Path("b.fits"), Path("a2.fits")])
    assert index.group(first_letter) == {"a": [Path("a2.fits")], "b": [Path("b.fits")]}
    index.add(Path("a1.fits"))
    assert index.group(first_letter)["a"] == [Path("a1.fits"), Path("a2.fits")]

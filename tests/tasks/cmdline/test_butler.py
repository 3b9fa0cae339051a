"""Today's Butler with the manual's words."""

from __future__ import annotations

import argparse
import pickle
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.pipe.base import TaskMetadata

from lamella.errors import SkyMapError
from lamella.sky.discrete import FieldConfig, FieldSkyMap
from lamella.tasks.cmdline.butler import CommandButler
from lamella.tasks.cmdline.data_ids import DataIdContainer
from lamella.tasks.cmdline.data_ref import DataRef
from lamella.tasks.cmdline.locations import find_location
from lamella.tasks.manual.coaddBase import groupPatchExposures
from lamella.tasks.repository import open_repository, register_skymap


@pytest.fixture
def butler(repo: Path) -> CommandButler:
    return CommandButler(find_location(str(repo), rerun="x"))


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("calexp", ["filter", "visit", "ccd"]),
        ("deepCoadd", ["tract", "patch", "filter"]),
        ("goodSeeingCoadd", ["tract", "patch", "filter"]),
        ("deepCoadd_directWarp", ["tract", "patch", "filter", "visit"]),
        ("deepCoadd_tempExp", ["tract", "patch", "filter", "visit"]),
        ("deepCoadd_skyMap", []),
        ("brightObjectMask", ["tract", "patch", "filter"]),
    ],
)
def test_keys(butler: CommandButler, name: str, keys: list[str]) -> None:
    assert list(butler.getKeys(name)) == keys


def test_key_types(butler: CommandButler) -> None:
    assert butler.getKeys("deepCoadd_directWarp") == {"tract": int, "patch": str, "filter": str, "visit": int}


def test_unknown_dataset_type(butler: CommandButler) -> None:
    with pytest.raises(LookupError, match="deepNothing"):
        butler.getKeys("deepNothing")
    assert not butler.datasetExists("deepNothing", {})


@pytest.mark.parametrize(
    ("given", "patch", "band"),
    [
        ({"tract": 0, "patch": "0,0", "filter": "HSC-I"}, 0, "i"),
        ({"tract": "0", "patch": "2,1", "filter": "HSC-R"}, 5, "r"),
        ({"tract": 0, "patch": "1,1", "filter": "r"}, 4, "r"),
        ({"tract": 0, "patch": 3, "band": "i"}, 3, "i"),
        ({"tract": 0, "patch": "3", "physical_filter": "HSC-I"}, 3, "i"),
    ],
)
def test_patches_and_filters(butler: CommandButler, given: dict[str, Any], patch: int, band: str) -> None:
    found = butler.dataCoordinate("deepCoadd", given)
    assert found == {"skymap": "toys", "tract": 0, "patch": patch, "band": band}


def test_warps_have_no_filter_of_their_own(butler: CommandButler) -> None:
    found = butler.dataCoordinate(
        "deepCoadd_directWarp", {"tract": 0, "patch": "1,0", "filter": "HSC-I"}, visit=101
    )
    assert {key: found[key] for key in ("instrument", "skymap", "tract", "patch", "visit")} == {
        "instrument": "HSC",
        "skymap": "toys",
        "tract": 0,
        "patch": 1,
        "visit": 101,
    }


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"patch": "3,0"}, "no patch 3,0"),
        ({"patch": "6"}, "no patch 6"),
        ({"patch": "a,b"}, "not a patch"),
        ({"patch": "1,1,1"}, "not a patch"),
        ({"tract": 1}, "The sky map toys has no tract 1"),
        ({"filter": "HSC-Z"}, "no filter 'HSC-Z'; there are: HSC-I, HSC-R, HSC-R2"),
        ({"skymap": "other"}, "no sky map other; there are: toys"),
    ],
)
def test_what_is_not_there(butler: CommandButler, given: dict[str, Any], reason: str) -> None:
    with pytest.raises(SkyMapError, match=reason):
        butler.dataRef("deepCoadd", {"tract": 0, "patch": "0,0", "filter": "HSC-I"} | given)


def test_several_sky_maps(butler: CommandButler, repo: Path) -> None:
    with open_repository(repo, writeable=True) as other:
        config = FieldConfig(ra=50.0, dec=0.0, width=100, height=100, pixel_scale=0.1)
        register_skymap(other, FieldSkyMap(config), name="more")
    given = {"tract": 0, "patch": "0,0", "filter": "HSC-I"}
    with pytest.raises(SkyMapError, match=r"more than one sky map: more, toys\. Say which with skymap=NAME"):
        butler.dataRef("deepCoadd", given)
    ref = butler.dataRef("deepCoadd", given, skymap="more")
    assert butler.dataCoordinate("deepCoadd", ref.dataId)["skymap"] == "more"


def test_one_sky_map_of_several_has_the_tract(butler: CommandButler, repo: Path) -> None:
    with open_repository(repo, writeable=True) as other:
        for name, ra in (("more", 50.0), ("most", 60.0)):
            config = FieldConfig(ra=ra, dec=0.0, width=100, height=100, pixel_scale=0.1)
            register_skymap(other, FieldSkyMap(config), name=name)
    ref = butler.dataRef("deepCoadd", tract=0, patch="2,1", filter="HSC-I")
    assert ref.dataId == {"tract": 0, "patch": "2,1", "filter": "HSC-I", "skymap": "toys"}
    assert ref.get("deepCoadd_skyMap").name == "toys"
    ref = butler.dataRef("toyCoadd_sum", tract=0, patch="0,0", filter="HSC-I", skymap="most")
    ref.put({"sum": 1})
    assert butler.subset("toyCoadd_sum", tract=0, patch="0,0", skymap="most") == [ref]
    assert not butler.subset("toyCoadd_sum", tract=0, patch="0,0", skymap="more")
    with pytest.raises(SkyMapError, match="more than one sky map: more, most, toys"):
        butler.get("deepCoadd_skyMap")


def test_exposures_of_several_instruments_say_whose_they_are(butler: CommandButler, repo: Path) -> None:
    with open_repository(repo, writeable=True) as other:
        insert = other.registry.insertDimensionData
        whose = {"instrument": "Other"}
        insert(
            "instrument",
            {"name": "Other", "class_name": "lamella.tasks.instruments.Other", "visit_system": 0},
        )
        insert("physical_filter", {**whose, "name": "O-I", "band": "i"})
        insert("detector", {**whose, "id": 4, "full_name": "4"})
        insert("day_obs", {**whose, "id": 20200101})
        insert("visit", {**whose, "id": 101, "name": "101", "physical_filter": "O-I", "day_obs": 20200101})
        other.put({"value": 0}, "toyInput", **whose, visit=101, detector=4, run="HSC/inputs")
    assert [ref.dataId["instrument"] for ref in butler.subset("toyInput", visit=101, instrument="Other")] == [
        "Other"
    ]
    refs = butler.subset("toyInput", visit=101, filter="HSC-I")
    assert [ref.dataId for ref in refs] == [
        {"filter": "HSC-I", "visit": 101, "ccd": ccd, "instrument": "HSC"} for ccd in (4, 10)
    ]
    patch = butler.dataRef("deepCoadd", tract=0, patch="1,0", filter="HSC-I")
    ((warp, members),) = groupPatchExposures(patch, refs, "deepCoadd", "deepCoadd_directWarp")
    assert members == refs
    assert warp == {"tract": 0, "patch": "1,0", "filter": "HSC-I", "visit": 101, "instrument": "HSC"}


def test_exposures_are_selected_with_a_sky_map(butler: CommandButler) -> None:
    ids = DataIdContainer()
    ids.setDatasetType("toyInput")
    ids.idList = [{"visit": 101}, {"visit": 101, "skymap": "toys"}, {"visit": 102, "skymap": "toys"}]
    ids.makeDataRefList(argparse.Namespace(butler=butler))
    assert [(ref.dataId["visit"], ref.dataId["ccd"]) for ref in ids.refList] == [
        (101, 4), (101, 10), (102, 4), (102, 10),
    ]  # fmt: skip


def test_references_are_written_as_column_and_row(butler: CommandButler) -> None:
    ref = butler.dataRef("deepCoadd", tract=0, patch=4, band="i")
    assert ref.dataId == {"tract": 0, "patch": "1,1", "filter": "i"}


def test_subset(butler: CommandButler) -> None:
    found = [ref.dataId for ref in butler.subset("toyInput", {"filter": "HSC-I", "ccd": 10})]
    assert found == [{"filter": "HSC-I", "visit": visit, "ccd": 10} for visit in (101, 102, 103)]
    assert len(butler.subset("toyInput", filter="r")) == 2
    assert len(butler.subset("toyInput")) == 8
    assert butler.subset("toyInput", visit=999) == []
    assert butler.subset("deepCoadd", {"tract": 0}) == []


def test_put_get_exists(butler: CommandButler) -> None:
    ref = butler.dataRef("toyCoadd_sum", tract=0, patch="1,0", filter="HSC-R")
    assert not ref.datasetExists()
    ref.put({"sum": 1})
    assert butler.run is not None
    assert butler.run.startswith("rerun/x/")
    assert ref.datasetExists()
    assert ref.datasetExists(write=True)
    assert ref.get() == {"sum": 1}
    handle = ref.get("toyCoadd_sum", immediate=False)
    assert handle.get() == {"sum": 1}
    assert not ref.datasetExists(patch="0,0")
    (path,) = ref.get("toyCoadd_sum_filename")
    assert Path(path).is_relative_to(Path(butler.root) / "rerun" / "x")
    (found,) = butler.subset("toyCoadd_sum", {"tract": 0})
    assert found.dataId == {"tract": 0, "patch": "1,0", "filter": "r"}
    assert found.get() == {"sum": 1}


def test_filter_of_a_band_with_one_filter(butler: CommandButler) -> None:
    butler.put({"sum": 1}, "toyCoadd_sum", tract=0, patch="1,0", filter="HSC-I")
    (found,) = butler.subset("toyCoadd_sum", tract=0)
    assert found.dataId["filter"] == "HSC-I"


def test_put_again_replaces(butler: CommandButler) -> None:
    ref = butler.dataRef("toyCoadd_sum", tract=0, patch="1,0", filter="HSC-R")
    ref.put({"sum": 1})
    assert ref.get() == {"sum": 1}
    ref.put({"sum": 2})
    assert ref.get() == {"sum": 2}


def test_a_dataset_is_looked_up_once(butler: CommandButler, monkeypatch: pytest.MonkeyPatch) -> None:
    (first, *rest) = butler.subset("toyInput", visit=101)
    # By its identifier alone, whatever else is said of the dataset.
    refs = [first, butler.dataRef("toyInput", first.dataId), *rest]
    monkeypatch.setattr(type(butler.butler), "find_dataset", lambda *args, **options: pytest.fail("a search"))
    for ref in refs:
        assert ref.datasetExists()
        assert ref.get() == ref.get("toyInput", immediate=False).get()


def test_datasets_are_those_found_first_until_they_are_forgotten(butler: CommandButler) -> None:
    key: dict[str, Any] = {"tract": 0, "patch": "1,0", "filter": "HSC-R"}
    CommandButler(butler.location).put({"sum": 1}, "toyCoadd_sum", key)
    assert butler.get("toyCoadd_sum", key) == {"sum": 1}
    butler.start()
    CommandButler(butler.location, butler.run).put({"sum": 2}, "toyCoadd_sum", key)
    assert butler.get("toyCoadd_sum", key) == {"sum": 1}
    butler.forget()
    assert butler.get("toyCoadd_sum", key) == {"sum": 2}


def test_later_commands_leave_earlier_runs(butler: CommandButler, repo: Path) -> None:
    key = {"tract": 0, "patch": "1,0", "filter": "HSC-R"}
    butler.put({"sum": 1}, "toyCoadd_sum", key)
    later = CommandButler(find_location(str(repo), rerun="x"))
    assert later.get("toyCoadd_sum", key) == {"sum": 1}
    assert not later.datasetExists("toyCoadd_sum", key, write=True)
    later.put({"sum": 2}, "toyCoadd_sum", key)
    assert later.get("toyCoadd_sum", key) == {"sum": 2}
    kept = butler.butler.get(
        "toyCoadd_sum", butler.dataCoordinate("toyCoadd_sum", key), collections=butler.run
    )
    assert kept == {"sum": 1}


def test_clobber_output(butler: CommandButler, repo: Path) -> None:
    key = {"tract": 0, "patch": "1,0", "filter": "HSC-R"}
    butler.put({"sum": 1}, "toyCoadd_sum", key)
    butler.records.write("config/toy.py", "x")
    butler.close()
    later = CommandButler(find_location(str(repo), rerun="x"))
    later.start(clobber=True)
    assert not later.datasetExists("toyCoadd_sum", key)
    assert later.records.read("config/toy.py") is None
    assert len(later.subset("toyInput")) == 8


def test_get_what_is_not_there(butler: CommandButler) -> None:
    with pytest.raises(LookupError):
        butler.get("toyInput", visit=101, ccd=99)
    with pytest.raises(LookupError, match="toyInput has no wcs"):
        butler.get("toyInput_wcs", visit=101, ccd=4)


def test_metadata(butler: CommandButler) -> None:
    ref = butler.dataRef("toyCoadd_sum", tract=0, patch="1,0", filter="HSC-R")
    metadata = TaskMetadata()
    metadata["a"] = 1
    butler.putMetadata(metadata, "toy_metadata", ref)
    assert butler.get("toy_metadata", ref.dataId)["a"] == 1


def test_sky_map(butler: CommandButler) -> None:
    assert butler.get("deepCoadd_skyMap", {"tract": 0, "patch": "0,0"}).name == "toys"


def test_copies_in_another_process_share_one_butler(butler: CommandButler) -> None:
    refs = [butler.dataRef("toyCoadd_sum", tract=0, patch=patch, filter="r") for patch in range(3)]
    refs[0].put({"sum": 5})
    copies: list[DataRef] = pickle.loads(pickle.dumps(refs))
    assert copies == refs
    assert copies[0].butler is copies[2].butler
    assert copies[0].getButler().run == butler.run
    assert copies[0].get() == {"sum": 5}
    copies[1].put({"sum": 6})
    assert refs[1].get() == {"sum": 6}


def test_reading_writes_nothing(butler: CommandButler, repo: Path) -> None:
    before = sorted(path for path in repo.rglob("*") if not path.name.startswith("gen3.sqlite3-"))
    butler.subset("toyInput")
    butler.dataRef("toyCoadd_sum", tract=0, patch="1,0", filter="HSC-R").datasetExists()
    assert sorted(path for path in repo.rglob("*") if not path.name.startswith("gen3.sqlite3-")) == before
    assert not butler.butler.collections.query("rerun/*")

import warnings

import numpy as np
import pytest

from lamella.errors import InputError, MissingPartError
from lamella.fits.hdus import Container
from lamella.formats.afw import afw_archive as module
from lamella.formats.afw import persistables as registry
from lamella.formats.afw.afw_archive import Archive, ArchiveWarning, UnknownObject


@pytest.fixture
def nodes(monkeypatch):
    """A class of objects that hold a number and another object; counts how often each is built."""
    built = []

    def build(record, archive):
        built.append(record.id)
        row = record.row()
        if row.integer("value") < 0:
            raise ZeroDivisionError("a value below zero.")
        return row.integer("value"), archive.get(row.integer("next"))

    monkeypatch.setitem(registry._BUILDERS, "Node", build)
    return built


def node(value, next):
    return {"value": np.array([value], np.int32), "next": np.array([next], np.int32)}


def test_objects_are_built_when_asked_for_once_and_nested(writer, nodes):
    writer.add("Node", node(5, 2))
    writer.add("Node", node(6, 0))
    archive = writer.archive()
    assert archive.ids == (1, 2)
    assert nodes == []
    assert archive.get(1) == (5, (6, None))
    assert archive.get(2) is archive.get(1)[1]
    assert sorted(nodes) == [1, 2]
    assert archive.get(0) is None


def test_objects_that_share_a_table_have_rows_of_their_own(writer, nodes):
    both = {"value": np.array([5, 6], np.int32), "next": np.array([0, 1], np.int32)}
    writer.add("Node", both)
    writer.index = [(1, 1, 0, 0, 1, "Node", ""), (2, 1, 0, 1, 1, "Node", "")]
    assert writer.archive().get(2) == (6, (5, None))


def test_damage_of_one_object_leaves_the_others_usable(writer, nodes):
    writer.add("Node", node(-1, 0))
    writer.add("Node", node(7, 0))
    writer.add("Node", node(8, 1))
    archive = writer.archive()
    for _ in range(2):
        with pytest.raises(InputError, match=r"object 1 \(Node\): found a value below zero; expected"):
            archive.get(1)
    with pytest.raises(InputError, match=r"object 1 \(Node\)"):
        archive.get(3)
    assert archive.get(2) == (7, None)
    assert nodes.count(1) == 1


def test_objects_that_contain_themselves_are_refused(writer, nodes):
    for next in (2, 3, 1):
        writer.add("Node", node(1, next))
    archive = writer.archive()
    with pytest.raises(InputError, match=r"contain themselves \(1 -> 2 -> 3 -> 1\)"):
        archive.get(1)
    writer.index.clear(), writer.tables.clear()
    writer.add("Node", node(1, 1))
    with pytest.raises(InputError, match="contain themselves"):
        writer.archive().get(1)


def test_a_chain_that_would_exhaust_the_stack_is_refused(writer, nodes):
    count = 200
    writer.add("Node", {"value": np.ones(count, np.int32), "next": np.arange(2, count + 2, dtype=np.int32)})
    writer.index = [(n, 1, 0, n - 1, 1, "Node", "") for n in range(1, count + 1)]
    archive = writer.archive()
    with pytest.raises(InputError, match="more than 64 objects"):
        archive.get(1)
    # One that ends within the limit reads.
    with pytest.raises(MissingPartError, match="object 201"):
        archive.get(count)


def test_unknown_classes_are_named_once_and_leave_the_rest_usable(writer, nodes):
    for _ in range(2):
        writer.add("Alien", node(1, 0), module="lsst.elsewhere")
    writer.add("Node", node(2, 1))
    archive = writer.archive()
    with pytest.warns(ArchiveWarning, match=r"class Alien of lsst\.elsewhere") as caught:
        objects = [archive.get(id) for id in (1, 3, 2)]
    assert objects[0] == UnknownObject(1, "Alien", "lsst.elsewhere")
    assert objects[1] == (2, objects[0])
    assert len(caught) == 1
    assert len(archive.notes) == 1
    with pytest.raises(MissingPartError, match=r"class Alien of lsst\.elsewhere; expected a tuple"):
        archive.get(1, tuple)


def test_kinds_are_checked_and_required_objects_must_be_there(writer, nodes):
    writer.add("Node", node(1, 0))
    archive = writer.archive()
    assert archive.get(1, tuple) == (1, None)
    assert archive.get(0, tuple) is None
    with pytest.raises(InputError, match=r"object 1 \(Node\): found a tuple; expected a dict"):
        archive.get(1, dict)
    with pytest.raises(MissingPartError, match="expected a tuple"):
        archive.require(0, tuple)
    with pytest.raises(MissingPartError, match="object 9"):
        archive.get(9)


def test_an_object_without_state(writer, monkeypatch):
    monkeypatch.setitem(registry._BUILDERS, "Empty", lambda record, archive: ("empty", len(record)))
    writer.add("Empty")
    archive = writer.archive()
    assert archive.get(1) == ("empty", 0)
    with pytest.raises(InputError, match="0 tables"):
        archive.record(1).row()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ((1, 1, 0, 0, 2, "Node", ""), "1 rows; expected rows 0 to 1"),
        ((1, 1, 0, 5, 1, "Node", ""), "1 rows"),
        ((1, 1, 0, -1, 1, "Node", ""), "1 rows"),
        ((1, 1, 0, 0, 2**31 - 1, "Node", ""), "1 rows"),
        ((1, 7, 0, 0, 1, "Node", ""), "table 7 of the archive"),
        ((1, 1, 0, 0, 0, "Node", ""), "0 rows"),
    ],
)
def test_rows_that_are_not_there(writer, nodes, entry, message):
    writer.add("Node", node(1, 0))
    writer.index = [entry]
    with pytest.raises(InputError, match=message):
        writer.archive().get(1)


@pytest.mark.parametrize(
    "entries",
    [
        [(1, 1, 0, 0, 1, "Node", ""), (1, 1, 0, 0, 1, "Node", "")],
        [(1, 1, 0, 0, 1, "Node", ""), (1, 1, 1, 0, 1, "Other", "")],
        [(0, 1, 0, 0, 1, "Node", "")],
        [(-4, 1, 0, 0, 1, "Node", "")],
    ],
)
def test_an_index_that_contradicts_itself_is_refused(writer, nodes, entries):
    writer.add("Node", node(1, 0))
    writer.index = entries
    with pytest.raises(InputError, match="contradicting rows of object"):
        writer.archive()


def test_the_index_is_found_by_the_card_or_by_its_kind(writer, nodes):
    writer.add("Node", node(1, 0))
    path = writer.write()
    data = path.read_bytes()
    card = b"AR_HDU  =                    2"
    assert card in data
    path.write_bytes(data.replace(card, b"AR_HDX  =                    2"))
    assert Archive.find(Container(path)).get(1) == (1, None)
    for wrong in (
        b"AR_HDU  =                    3",
        b"AR_HDU  =                   99",
        b"AR_HDU  =                  1.5",
    ):
        path.write_bytes(data.replace(card, wrong))
        with pytest.raises(InputError, match="AR_HDU"):
            Archive.find(Container(path))


def test_a_file_without_an_archive(tmp_path):
    from astropy.io import fits

    path = tmp_path / "plain.fits"
    fits.PrimaryHDU().writeto(path)
    assert Archive.find(Container(path)) is None
    with pytest.raises(MissingPartError, match="no archive index"):
        Archive(Container(path))


def test_two_builders_of_one_class_are_a_mistake():
    registry.find_builder("PhotoCalib")
    with pytest.raises(ValueError, match="two builders of 'PhotoCalib'"):
        registry.persistable("PhotoCalib")(lambda record, archive: None)
    assert registry.find_builder("NoSuchClass") is None


def test_every_object_that_afw_wrote_is_read_or_refused_for_its_reason(afw_files):
    refused, unknown, count = {}, set(), 0
    for path in sorted(afw_files.glob("*.fits*")):
        archive = Archive.find(Container(path))
        for id in archive.ids if archive is not None else ():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ArchiveWarning)
                try:
                    value = archive.get(id)
                except InputError as err:
                    refused[path.name] = str(err)
                    continue
            if isinstance(value, UnknownObject):
                unknown.add(value.name)
            count += 1
    assert sorted(refused) == ["afw_photoCalib-noversion.fits", "afw_photoCalib-version0.fits"]
    assert all("in maggies" in message for message in refused.values())
    assert not unknown & {
        "SkyWcs",
        "TanWcs",
        "PhotoCalib",
        "Calib",
        "Polygon",
        "VisitInfo",
        "Detector",
        "ApCorrMap",
    }
    assert count > 1500


def test_nothing_that_a_file_names_is_imported(writer, monkeypatch):
    writer.add("system", node(1, 0), module="os")
    imported = []
    monkeypatch.setattr(module.find_builder.__globals__["importlib"], "import_module", imported.append)
    with pytest.warns(ArchiveWarning, match="class system of os"):
        writer.archive().get(1)
    assert "os" not in imported

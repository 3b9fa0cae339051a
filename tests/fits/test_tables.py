import numpy as np
import pytest
from astropy.io import fits
from lsst.images import Box

from lamella.errors import InputError, MissingPartError, UnreadableFileError
from lamella.fits.hdus import Container
from lamella.fits.tables import Table


def make(path, columns, **cards):
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header.update(cards)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)
    container = Container(path)
    return Table(container.unit(1))


@pytest.fixture
def table(tmp_path):
    arrays = np.empty(3, dtype=object)
    arrays[:] = [np.arange(4.0), np.arange(0.0), np.arange(2.0) + 7]
    texts = np.array(["one", "", "three"], dtype=object)
    return make(
        tmp_path / "t.fits",
        [
            fits.Column("flags", "10X", array=np.eye(3, 10, 8, dtype=bool)),
            fits.Column("k", "K", array=np.array([1, -(2**62), 3])),
            fits.Column("u", "I", bzero=32768, array=np.array([0, 40000, 65535], dtype=np.uint16)),
            fits.Column("e", "2E", array=np.arange(6, dtype=np.float32).reshape(3, 2)),
            fits.Column("m", "4D", dim="(2,2)", array=np.arange(12.0).reshape(3, 2, 2)),
            fits.Column("l", "L", array=np.array([True, False, True])),
            fits.Column("s", "8A", array=np.array(["ab", "cd ", ""])),
            fits.Column("vd", "PD()", array=arrays),
            fits.Column("va", "QA()", array=texts),
            fits.Column("p_x", "D", array=np.arange(3.0)),
            fits.Column("p_y", "D", array=np.arange(3.0) * 2),
            fits.Column("old", "2J", array=np.arange(6, dtype=np.int32).reshape(3, 2)),
        ],
        TFLAG1="first",
        TFLAG9="ninth",
        TFLAG12="nowhere",
    )


def test_columns_come_as_they_were_written(table):
    rows = table.rows()
    assert len(rows) == len(table) == 3
    assert rows.column("k").tolist() == [1, -(2**62), 3]
    assert rows.column("u").tolist() == [0, 40000, 65535]
    np.testing.assert_array_equal(rows.column("e"), np.arange(6).reshape(3, 2))
    np.testing.assert_array_equal(rows.column("m"), np.arange(12).reshape(3, 2, 2))
    assert rows.column("e").dtype == np.dtype("=f4")
    assert rows.column("l").tolist() == [True, False, True]
    assert rows.column("s").tolist() == ["ab", "cd", ""]
    assert [v.tolist() for v in rows.column("vd")] == [[0, 1, 2, 3], [], [7, 8]]
    assert rows.column("va") == ["one", "", "three"]


def test_flags_are_columns_of_their_own(table):
    assert table.flags == {"first": 0, "ninth": 8}
    rows = table.rows()
    assert rows.column("ninth").tolist() == [True, False, False]
    assert rows.column("first").tolist() == [False] * 3
    assert "ninth" in rows
    assert "nowhere" not in rows


def test_some_rows_are_read_without_the_others(table):
    rows = table.rows(1, 2)
    assert rows.column("va") == ["", "three"]
    assert rows[1].integer("k") == 3
    for first, count in ((0, 4), (3, 1), (-1, 1), (1, -1)):
        with pytest.raises(InputError, match="3 rows"):
            table.rows(first, count)


def test_rows_have_typed_fields(table):
    row = table.rows()[2]
    assert row.integer("k") == 3
    assert row.number("p_y") == 4.0
    assert row.text("va") == "three"
    assert row.flag("ninth") is False
    assert row.array("k").tolist() == [3]
    assert row.point("p") == (2.0, 4.0)
    assert row.point("old") == (4.0, 5.0)
    assert row.integer("none", 5) == 5
    assert (row.text("none", "x"), row.number("none", 1.5), row.flag("none", True)) == ("x", 1.5, True)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("integer", "p_x"),
        ("integer", "e"),
        ("text", "k"),
        ("flag", "k"),
        ("number", "s"),
        ("array", "va"),
        ("point", "m"),
    ],
)
def test_a_field_of_another_kind_is_refused_by_name(table, method, name):
    with pytest.raises(InputError, match=f"HDU 1, {name}"):
        getattr(table.rows()[0], method)(name)


def test_an_absent_column_and_an_absent_row(table):
    with pytest.raises(MissingPartError, match="none"):
        table.rows()[0].value("none")
    with pytest.raises(InputError, match="row 3"):
        table.rows()[3]


def test_boxes_of_both_layouts_and_empty_ones(tmp_path):
    new = make(
        tmp_path / "a.fits",
        [
            fits.Column(f"bbox_{end}_{axis}", "J", array=np.array([value, 0], dtype=np.int32))
            for (end, axis), value in zip(
                [("min", "x"), ("min", "y"), ("max", "x"), ("max", "y")], [10, -3, 19, 4], strict=True
            )
        ],
    )
    new_row = new.rows()[0]
    assert new_row.box("bbox") == Box.factory[-3:5, 10:20]
    old = make(
        tmp_path / "b.fits",
        [
            fits.Column("bbox_min", "2J", array=np.array([[10, -3], [0, 0]], dtype=np.int32)),
            fits.Column("bbox_max", "2J", array=np.array([[19, 4], [-1, -1]], dtype=np.int32)),
        ],
    )
    assert old.rows()[0].box("bbox") == Box.factory[-3:5, 10:20]
    assert old.rows()[1].box("bbox") is None


def replace_bytes(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    container = Container(path)
    return Table(container.unit(1)).rows()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"TFORM2  = 'K       '", b"TFORM2  = 'J       '"),
        (b"TFORM2  = 'K       '", b"TFORM2  = 'Z       '"),
        (b"TFORM2  = 'K       '", b"TFORM2  = '9999999K'"),
        (b"TFIELDS =                   12", b"TFIELDS =                   13"),
        (b"TTYPE2  = 'k       '", b"TTYPE2  = 'u       '"),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(table, old, new):
    with pytest.raises(InputError, match="HDU 1"):
        replace_bytes(table.unit.container.path, old, new)


def test_an_array_outside_of_the_heap_is_refused(table):
    rows = table.rows()
    descriptor = np.array([4, 0], ">i4").tobytes()
    for wrong in ([40000, 0], [4, 2**30], [-4, 0], [2**31 - 1, 2**31 - 1]):
        path = table.unit.container.path
        data = path.read_bytes()
        broken = path.with_name("broken.fits")
        broken.write_bytes(data)
        damaged = replace_bytes(broken, descriptor, np.array(wrong, ">i4").tobytes())
        with pytest.raises(UnreadableFileError, match="HDU 1, vd"):
            damaged.column("vd")
        assert damaged.column("k").tolist() == rows.column("k").tolist()

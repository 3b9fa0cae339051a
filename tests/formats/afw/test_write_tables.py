"""Tables as afw lays them out: what was put in comes out, and what does not fit is refused."""

import numpy as np
import pytest
from astropy.io import fits

from lamella.fits.hdus import Container
from lamella.fits.tables import Table
from lamella.formats.afw.write_tables import Field, OutputArchive, Part, box_fields, box_values, point_fields

PRIMARY = fits.PrimaryHDU().header.tostring().encode()
FIELDS = (
    Field("good", "X", "a flag"),
    Field("bad", "X", "another flag"),
    Field("number", "K", "an integer of 64 bits"),
    Field("ratio", "E", "a number in single precision"),
    Field("angle", "D", "an angle", "rad", kind="Angle"),
    Field("label", "A", "a text", count=8),
    Field("story", "A", "a text of any length", count=0),
    Field("blob", "B", "bytes of any length", count=0),
    Field("vector", "D", "three numbers", count=3, kind="Array"),
    *point_fields("place", "a point", "D"),
    *box_fields(),
)
ROWS = [
    {
        "good": row == 0,
        "bad": row == 1,
        "number": 2**40 + row,
        "ratio": 0.5 * row,
        "angle": 1.25,
        "label": "a" * (row + 1),
        "story": "e" * row,
        "blob": bytes(range(row * 3)),
        "vector": [row, 2.0, np.nan],
        "place_x": -3.5,
        "place_y": 1e300,
        **box_values(None),
    }
    for row in range(3)
]


@pytest.fixture
def written(tmp_path):
    archive = OutputArchive()
    assert archive.add("Thing", "lsst.thing", Part(FIELDS, ROWS[:2])) == 1
    assert archive.add("Thing", "lsst.thing", Part(FIELDS, ROWS[2:])) == 2
    assert archive.add("Empty", "lsst.thing", Part(FIELDS, [])) == 3
    path = tmp_path / "a.fits"
    with path.open("wb") as stream:
        stream.write(PRIMARY)
        archive.write(stream)
    return path


def test_our_reader_gets_what_was_written(written):
    container = Container(written)
    rows = Table(container.units[2]).rows()
    assert len(rows) == 3
    for row, wanted in zip(rows, ROWS, strict=True):
        assert (row.flag("good"), row.flag("bad")) == (wanted["good"], wanted["bad"])
        assert (row.integer("number"), row.number("ratio")) == (wanted["number"], wanted["ratio"])
        assert (row.text("label"), row.text("story")) == (wanted["label"], wanted["story"])
        assert row.array("blob").tobytes() == wanted["blob"]
        np.testing.assert_array_equal(row.array("vector"), wanted["vector"])
        assert row.point("place") == (-3.5, 1e300)
        assert row.box("bbox") is None
    assert len(Table(container.units[3]).rows()) == 0


def test_astropy_gets_what_was_written(written):
    with fits.open(written) as hdus:
        hdus.verify("exception")
        assert [hdu.header.get("AR_NAME") for hdu in hdus[1:]] == [None, "Thing", "Empty"]
        table = hdus[2]
        assert table.header["NAXIS1"] == table.data.dtype.itemsize == 117
        assert hdus[3].header["NAXIS1"] == 117
        assert table.data["number"].tolist() == [2**40 + row for row in range(3)]
        assert table.data["flags"].tolist() == [[True, False], [False, True], [False, False]]
        assert [bytes(blob) for blob in table.data["blob"]] == [blob["blob"] for blob in ROWS]
        kinds = {table.header[f"TTYPE{n}"]: table.header.get(f"TCCLS{n}") for n in range(1, 15)}
        assert kinds["flags"] is None
        assert (kinds["number"], kinds["angle"], kinds["label"]) == ("Scalar", "Angle", "String")
        assert (kinds["vector"], kinds["blob"]) == ("Array", "Array")
        index = [(row["id"], row["row0"], row["nrows"]) for row in hdus[1].data]
        assert index == [(1, 0, 2), (2, 2, 1), (3, 0, 0)]


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("label", "nine long", ValueError),
        ("label", "ééé", ValueError),  # twelve bytes, as escapes
        ("vector", [1.0, 2.0], ValueError),
        ("number", 2**70, OverflowError),
        ("bbox_min_x", 2**40, OverflowError),
    ],
)
def test_values_that_do_not_fit_are_refused(name, value, kind):
    with pytest.raises(kind):
        OutputArchive().add("Thing", "lsst.thing", Part(FIELDS, [ROWS[0] | {name: value}]))

"""Region files of bright objects: the grammar, its errors, and real catalogues."""

from __future__ import annotations

import math
import pickle

import pytest

from lamella.coadd.brightmask import BrightObject
from lamella.errors import InputError, MissingPartError, UnreadableFileError
from lamella.formats.regions import read_bright_objects

HEADER = "# TRACT: 9813\n# PATCH: 5,4\n# FILTER: HSC-I\nwcs; fk5\n"


@pytest.fixture
def read(tmp_path):
    def read_text(*lines: str, header: str = HEADER):
        path = tmp_path / "mask.reg"
        path.write_text(header + "\n".join(lines))
        return read_bright_objects(path)

    return read_text


@pytest.mark.parametrize(
    "line",
    [
        "circle(150.5,-1.25,0.02d)  # ID:  77, mag:11.5",
        "circle(150.5d, -1.25d, 2.0e-2d) # ID: 77, mag: 11.5",
        "circle 150.5 -1.25 .02 # ID: 77, mag:11.5",
        "  CIRCLE( 150.5 , -1.25 , 0.02 )# ID:77 , mag: 1.15E1  ",
        "circle(+150.5 -1.25,0.02)   #ID: 77 mag: 11.5",
    ],
)
def test_forms_of_a_circle(read, line):
    (region,) = read(line)
    assert region == BrightObject(id=77, ra=150.5, dec=-1.25, shape="circle", radius=0.02, mag=11.5)


@pytest.mark.parametrize("end", ["", ",0", ", 0.0d", " 0"])
def test_forms_of_a_box(read, end):
    (region,) = read(f"box(150.5,-1.25,0.001d,0.25d{end}) # ID: 8, mag: 9")
    assert region == BrightObject(id=8, ra=150.5, dec=-1.25, shape="box", width=0.001, height=0.25, mag=9)


def test_magnitude_may_be_missing(read):
    (region,) = read("circle(1,2,3) # ID: 2686323686542153088")
    assert math.isnan(region.mag)
    assert region.id == 2686323686542153088


@pytest.mark.parametrize("frame", ["wcs; fk5", "WCS;FK5", "  wcs ;  fk5 "])
def test_frame_in_any_spelling(read, frame):
    assert len(read("circle(1,2,3) # ID: 1", header=f"{frame}\n")) == 1


def test_comments_become_metadata(read):
    catalog = read("", "# Made by hand", "#filter : HSC-R", "# BRIGHT STAR CATALOG: Goulding S18A", "#")
    assert dict(catalog.metadata) == {
        "tract": 9813,
        "patch": "5,4",
        "filter": "HSC-R",
        "bright star catalog": "Goulding S18A",
    }
    assert len(catalog) == 0


@pytest.mark.parametrize(
    "line",
    [
        "circle(150,2,0.1)",
        "circle(150,2,0.1) # mag: 3",
        "circle(150,2,0.1) # ID: x7",
        "circle(150,2,0.1) # ID: 7, mag: bright",
        "circle(150,2,0.1,0) # ID: 7",
        "circle(150,2) # ID: 7",
        "circle(150,2,-0.1) # ID: 7",
        "circle(150,95,0.1) # ID: 7",
        "circle(10:00:00,2,0.1) # ID: 7",
        'circle(150,2,6") # ID: 7',
        "circle(150,2,nan) # ID: 7",
        "circle(150,2,0.1 # ID: 7",
        "box(150,2,0.1) # ID: 7",
        "box(150,2,0.1,0.2,30) # ID: 7",
        "box(150,2,0.1,0.2,0,0) # ID: 7",
        "ellipse(150,2,0.1,0.2,0) # ID: 7",
        "wcs; icrs",
        "# TRACT: many",
    ],
)
def test_a_line_that_cannot_be_understood_is_an_error(read, line):
    with pytest.raises(InputError, match=r"line 6: found 1 line that is not understood") as caught:
        read("circle(1,2,3) # ID: 1", line, "circle(1,2,3) # ID: 2")
    assert line[:20] in str(caught.value)


def test_errors_are_counted_and_the_first_one_named(read):
    with pytest.raises(InputError) as caught:
        read("circle(1,2,3) # ID: 1", "first", "", "circle(1,2,3)", "last")
    assert caught.value.where == "line 6"
    assert "3 lines that are not understood, the first being 'first'" in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


def test_frame_is_mandatory(read):
    with pytest.raises(MissingPartError, match="wcs; fk5"):
        read("circle(1,2,3) # ID: 1", header="# TRACT: 1\n")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UnreadableFileError, match=r"absent\.reg"):
        read_bright_objects(tmp_path / "absent.reg")
    (tmp_path / "image.reg").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(UnreadableFileError, match=r"image\.reg"):
        read_bright_objects(tmp_path / "image.reg")


@pytest.mark.parametrize(
    ("name", "circles", "boxes", "tract", "patch"),
    [
        ("BrightObjectMask-0-5,4-HSC-I.reg", 3823, 231, 0, "5,4"),
        ("BrightObjectMask-0-5,4-HSC-R.reg", 3967, 231, 0, "5,4"),
        ("brightObjectMask_9813_28_i.reg", 1613, 104, 9813, "1,3"),
        ("brightObjectMask_9813_40_i.reg", 1677, 86, 9813, "4,4"),
    ],
)
def test_real_catalogues_are_read_completely(shared, name, circles, boxes, tract, patch):
    path = shared / "data" / "psf_and_regions" / name
    catalog = read_bright_objects(path)
    lines = path.read_text().splitlines()
    for shape, count in (("circle", circles), ("box", boxes)):
        assert sum(region.shape == shape for region in catalog) == count
        assert sum(line.startswith(shape) for line in lines) == count
    assert (catalog.metadata["tract"], catalog.metadata["patch"]) == (tract, patch)


def test_radii_of_a_real_catalogue_follow_its_law(shared):
    """The README of the files: log10(radius in degrees) = a - 0.146 G, with a = -0.01 in i."""
    catalog = read_bright_objects(shared / "data" / "psf_and_regions" / "brightObjectMask_9813_28_i.reg")
    for region in catalog:
        if region.shape == "circle":
            assert math.log10(region.radius) == pytest.approx(-0.01 - 0.146 * region.mag, abs=0.03)

from __future__ import annotations

import base64
import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image as PillowImage

from lamella.coadd.summary import summarize
from lamella.data.removals import Removal
from lamella.errors import OutputError, UnreadableFileError
from lamella.report.picture import count_picture
from lamella.report.record import (
    CoaddRecord,
    Skipped,
    coadd_record,
    is_as_written,
    picture_record,
    read_record,
    write_record,
)


def test_record_of_a_coadd_has_all_that_the_coadd_says(coadd, records):
    record = records[1]
    assert record.name == "r_0_5,4"
    assert [picture.name for picture in record.pictures] == ["image", "count", "variance", "mask", "psf"]
    assert len(record.inputs) == 10
    assert record.inputs[3]["visit"] == 700001
    assert record.inputs[3]["weight"] == pytest.approx(1.2e-4)
    assert record.inputs[3]["notes"] == "sky subtracted"
    assert [row["reason"] for row in record.rejected][:2] == [
        "PSF of 1.82 arcsec is wider than 1.5 arcsec",
        "does not overlap the patch",
    ]
    assert record.settings["stack"]["sigma_clip"] == 3.0
    assert record.planes.keys() == record.summary.mask_fractions.keys()
    assert record.picture("count").title == "Exposures per pixel"
    assert record.picture("absent") is None


def test_a_width_that_is_not_known_is_null(records):
    assert records[0].inputs[0]["psf_fwhm"] is None
    assert records[0].inputs[2]["psf_fwhm"] == pytest.approx(0.78)


def test_pictures_of_a_record_are_files(coadd):
    picture = count_picture(coadd)
    record = picture_record(picture)
    head, _, content = record.source.partition(",")
    assert head == "data:image/png;base64"
    with PillowImage.open(io.BytesIO(base64.b64decode(content))) as found:
        np.testing.assert_array_equal(np.asarray(found), picture.pixels)
    assert (record.width, record.height) == (720, 540)


def test_records_survive_json_files(records, tmp_path):
    write_record(tmp_path / "record.json", records[0])
    assert without_products(read_record(tmp_path / "record.json")) == records[0]


def without_products(record):
    """Return a record without what was noted of its files when it was written."""
    assert set(record.states) == {"products"}
    return dataclasses.replace(record, states={})


def test_a_record_that_was_changed_is_told(records, tmp_path):
    path = tmp_path / "record.json"
    write_record(path, records[0])
    text = path.read_text()
    path.write_text(text.replace('"depth": 27.7', '"depth": 27.6'))
    assert not is_as_written(path)
    path.write_text(text)
    assert is_as_written(path)
    # Those of version 0.1.0 have no checksum.
    values = json.loads(text)
    del values["checksum"], values["states"]
    path.write_text(json.dumps(values))
    assert is_as_written(path)
    assert read_record(path) == records[0]


def test_the_head_of_the_json_is_for_people(records, tmp_path):
    write_record(tmp_path / "record.json", records[0])
    head = (tmp_path / "record.json").read_text()[:3000]
    assert '"depth": 27.7' in head
    assert "base64" not in head


def test_a_coadd_without_psf_has_no_picture_of_it(coadd):
    bare = coadd.replace(detectors=())
    record = coadd_record(bare, summarize(bare))
    assert record.picture("psf") is None
    assert record.summary.psf_fwhm is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"name": 3}', "\udcff"])
def test_a_damaged_file_is_named(content, tmp_path):
    path = tmp_path / "record.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UnreadableFileError, match=r"record\.json.*: found .*; expected JSON of"):
        read_record(path)


def test_a_truncated_or_absent_file_is_named(records, tmp_path):
    path = tmp_path / "record.json"
    write_record(path, records[0])
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UnreadableFileError):
        read_record(path)
    with pytest.raises(UnreadableFileError):
        read_record(tmp_path / "absent.json")


def test_unknown_and_wrong_values_are_refused(records):
    values = records[0].to_dict()
    with pytest.raises(ValueError, match="color"):
        CoaddRecord.from_dict(values | {"color": 1})
    with pytest.raises(ValueError, match="inputs"):
        CoaddRecord.from_dict(values | {"inputs": 4})


def test_a_folder_that_is_absent_is_an_output_error(records, tmp_path):
    with pytest.raises(OutputError):
        write_record(tmp_path / "absent" / "record.json", records[0])


def test_numpy_values_become_plain(coadd):
    odd = coadd.replace(
        settings={"a": np.float32(2), "b": (np.int64(3), np.nan), "c": {"d": np.bool_(True)}, "e": b"x"}
    )
    record = coadd_record(odd, summarize(odd), pictures=())
    assert json.loads(json.dumps(record.to_dict()))["settings"] == {
        "a": 2.0,
        "b": [3, None],
        "c": {"d": True},
        "e": "x",
    }
    assert dataclasses.replace(record, kept=True).kept


def removed(visit: int, warning: str = "") -> Removal:
    return Removal(instrument="Cam", visit=visit, valid=200, removed=10, transient=10, warning=warning)


def test_what_visits_lost_is_on_record_with_warnings(coadd, tmp_path):
    odd = coadd.replace(
        removals=(removed(1), removed(2, "look at it")),
        settings={"matching": {"fwhm": np.float64(5), "detectors": [], "unmatched": []}, "a": 1},
    )
    record = coadd_record(odd, summarize(odd), pictures=())
    assert [(row["visit"], row["transient"], row["fraction"]) for row in record.artifacts] == [
        (1, 10, 0.05), (2, 10, 0.05)
    ]  # fmt: skip
    assert record.warnings == (Skipped("Cam visit 2", "look at it"),)
    assert record.matching == {"fwhm": 5.0, "detectors": [], "unmatched": []}
    assert record.settings == {"a": 1}
    write_record(tmp_path / "a.json", record)
    assert without_products(read_record(tmp_path / "a.json")) == record


def test_a_single_visit_that_was_to_be_compared_is_warned_of(coadd):
    odd = coadd.replace(removals=(removed(1),), settings={"assemble": {"reject": {"method": "safe_clip"}}})
    (warning,) = coadd_record(odd, summarize(odd), pictures=()).warnings
    assert "Cam visit 1 is the only visit" in warning.reason
    odd = odd.replace(settings={})
    assert coadd_record(odd, summarize(odd), pictures=()).warnings == ()

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lamella.data.exposure import ExposureSource
from lamella.errors import (
    ConfigError,
    DuplicateInputError,
    MissingPartError,
    NoInputsError,
    ProjectionError,
    UnknownFormatError,
    UnreadableFileError,
)
from lamella.formats import readers as registry
from lamella.formats.read_control import ReadControl
from lamella.formats.readers import (
    FileHead,
    Format,
    Opening,
    Role,
    find_format,
    format_names,
    known_formats,
    register_format,
)
from lamella.formats.recognise import open_exposures
from lamella.testing.contracts import check_exposure_source

from .conftest import DecamWriter


def test_a_folder_gives_its_exposures_in_the_order_of_their_identities(decam: DecamWriter) -> None:
    decam.write("c4d_a_ooi_r_v1.fits", visit=30)
    decam.write("c4d_b_ooi_r_v1.fits", visit=10)
    decam.write("c4d_c_ooi_r_v1.fits", visit=20, ccds={"N4": 35, "N3": 34})
    inputs = open_exposures([decam.folder])
    assert [(s.info.id.visit, s.info.id.detector) for s in inputs] == [(10, 34), (20, 34), (20, 35), (30, 34)]
    assert inputs.problems == ()
    assert len(inputs) == 4


def test_the_order_of_the_paths_does_not_matter(decam: DecamWriter) -> None:
    paths = [decam.write(f"c4d_{name}_ooi_r_v1.fits", visit=n) for n, name in enumerate("abc")]
    forth, back = open_exposures(paths), open_exposures(paths[::-1])
    assert [s.info.id for s in forth] == [s.info.id for s in back]


def test_companions_and_texts_in_a_folder_are_left_alone(decam: DecamWriter) -> None:
    decam.write()
    (decam.folder / "README.md").write_text("about")
    (decam.folder / "survey-bricks.fits").write_bytes(b"")
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1])])
    table.writeto(decam.folder / "catalogue.fits")
    (decam.folder / "list.csv").write_text("name,value\na,1\n")
    assert open_exposures([decam.folder]).problems == ()


def test_companions_may_be_named_together_with_their_exposures(decam: DecamWriter) -> None:
    decam.write()
    assert len(open_exposures(sorted(decam.folder.iterdir()))) == 1


def test_a_path_that_is_given_twice_is_one_exposure(decam: DecamWriter) -> None:
    path = decam.write()
    assert len(open_exposures([path, decam.folder, path])) == 1


def test_two_exposures_of_one_identity_are_an_error_that_names_both(decam: DecamWriter) -> None:
    first, second = decam.write("c4d_a_ooi_r_v1.fits"), decam.write("c4d_b_ooi_r_v2.fits")
    with pytest.raises(DuplicateInputError) as caught:
        open_exposures([decam.folder])
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)
    assert "DECam visit 100 detector 34" in str(caught.value)


def test_what_is_wrong_in_a_folder_is_skipped_and_reported(decam: DecamWriter) -> None:
    decam.write()
    lonely = decam.write("c4d_b_ooi_r_v1.fits", visit=2, leave_out="w")
    image = decam.folder / "picture.fits"
    fits.PrimaryHDU(np.zeros((4, 4), dtype=np.float32)).writeto(image)
    cut = decam.folder / "x.fits"
    cut.write_bytes(image.read_bytes()[:3000])
    inputs = open_exposures([decam.folder])
    assert len(inputs) == 1
    errors = {problem.path: type(problem.error) for problem in inputs.problems}
    assert errors == {
        str(lonely): MissingPartError,
        str(image): ProjectionError,
        str(cut): UnreadableFileError,
    }
    assert all(str(problem).startswith(problem.path) for problem in inputs.problems)


def test_folders_that_cannot_be_listed_are_told_and_stop_a_strict_run(
    decam: DecamWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    decam.write()
    closed = decam.folder / "closed"
    closed.mkdir()
    scan = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    inputs = open_exposures([decam.folder])
    assert len(inputs.sources) == 1
    (problem,) = inputs.problems
    assert (problem.path, "Permission denied" in str(problem.error)) == (str(closed), True)
    for paths, strict in (([closed], None), ([decam.folder], True)):
        with pytest.raises(UnreadableFileError, match="closed: found Permission denied"):
            open_exposures(paths, strict=strict)


def test_what_is_wrong_with_a_named_file_is_an_error(decam: DecamWriter) -> None:
    decam.write()
    lonely = decam.write("c4d_b_ooi_r_v1.fits", visit=2, leave_out="w")
    with pytest.raises(MissingPartError, match="c4d_b_oow"):
        open_exposures([decam.folder, lonely])
    assert len(open_exposures([decam.folder, lonely], strict=False).problems) == 1
    with pytest.raises(MissingPartError):
        open_exposures([decam.folder], strict=True)


def test_a_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="no such file"):
        open_exposures([tmp_path / "absent.fits"])


def test_an_unknown_file_says_what_it_is_and_where_the_formats_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "catalog.fits"
    fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0])]).writeto(path)
    listed = f"one of the {len(known_formats())} formats that `lamella formats` lists"
    with pytest.raises(UnknownFormatError, match=rf"no reader recognises .*{listed}"):
        open_exposures([path])
    notes = tmp_path / "notes.md"
    notes.write_text("no exposure")
    with pytest.raises(
        UnknownFormatError, match=f"neither that of FITS nor that of a table; expected {listed}"
    ):
        open_exposures([notes])


def test_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoInputsError, match=f"no exposures in {tmp_path}"):
        open_exposures([tmp_path])
    with pytest.raises(NoInputsError, match="no exposures in nothing"):
        open_exposures([])


def test_nothing_usable_tells_why(decam: DecamWriter) -> None:
    for n in range(5):
        decam.write(f"c4d_{n}_ooi_r_v1.fits", visit=n, leave_out="w")
    with pytest.raises(NoInputsError, match=r"Skipped 5: .*c4d_0_ooi.* \(the same for 4 others\)\.$"):
        open_exposures([decam.folder])


def test_only_the_format_that_is_asked_for_is_tried(decam: DecamWriter) -> None:
    path = decam.write()
    assert len(open_exposures([path], format="decam")) == 1
    with pytest.raises(UnknownFormatError, match="expected one of: sdss"):
        open_exposures([path], format="sdss")
    names = "there are: decam, sdss, afw, lsst-images, table"
    with pytest.raises(ConfigError, match=f"no format 'hubble'; {names}"):
        open_exposures([path], format="hubble")


def test_a_folder_with_an_exposure_table_is_what_the_table_says(decam: DecamWriter) -> None:
    decam.write("c4d_a_ooi_r_v1.fits", visit=1)
    decam.write("c4d_b_ooi_r_v1.fits", visit=2)
    fits.PrimaryHDU(np.zeros((4, 4), dtype=np.float32)).writeto(decam.folder / "truth.fits")
    row = "file,weight_file,weight_hdu,zero_point,psf_fwhm,band,visit,detector\n"
    row += "c4d_b_ooi_r_v1.fits,c4d_b_oow_r_v1.fits,1,30,1,r,2,34\n"
    (decam.folder / "exposures.csv").write_text(row)
    inputs = open_exposures([decam.folder])
    assert [(s.info.id.visit, s.info.format) for s in inputs] == [(2, "table")]
    assert inputs.problems == ()


def test_a_name_that_no_file_can_have_is_told_like_an_absent_one(decam: DecamWriter) -> None:
    decam.write()
    row = "file,weight_file,weight_hdu,zero_point,psf_fwhm,band,visit,detector\n"
    row += f"{'a' * 300}.fits,b.fits,1,30,1,r,2,34\n"
    (decam.folder / "exposures.csv").write_text(row)
    with pytest.raises(UnreadableFileError, match=f"{'a' * 300}"):
        open_exposures([decam.folder / "exposures.csv"])
    with pytest.raises(UnreadableFileError, match="no such file"):
        open_exposures(["b" * 300])


def test_a_damaged_header_field_spoils_one_exposure_only(decam: DecamWriter) -> None:
    decam.write("c4d_a_ooi_r_v1.fits", visit=1)
    decam.write("c4d_b_ooi_r_v1.fits", visit=2, header={"CRVAL1": "NaN"})
    inputs = open_exposures([decam.folder])
    assert len(inputs) == 1
    assert [Path(problem.path).name for problem in inputs.problems] == ["c4d_b_ooi_r_v1.fits"]


@dataclasses.dataclass
class FakeSource:
    info: Any

    def read(self) -> Any:
        raise NotImplementedError


@pytest.fixture
def clean_registry() -> Iterator[None]:
    yield
    registry._ADDED.clear()


@pytest.mark.usefixtures("clean_registry")
def test_others_can_add_a_format(tmp_path: Path, decam: DecamWriter) -> None:
    (decam_source,) = open_exposures([decam.write()])

    def recognise(head: FileHead) -> Role:
        return Role.EXPOSURE if head.path.suffix == ".mine" and head.text.startswith("MINE") else Role.FOREIGN

    def read(path: Path, opening: Opening) -> list[ExposureSource]:
        assert opening.control.edge_width == 9
        identity = dataclasses.replace(decam_source.info.id, instrument="Mine")
        return [FakeSource(dataclasses.replace(decam_source.info, id=identity, path=str(path)))]

    mine = Format(name="mine", description="my files", recognise=recognise, open=read)
    register_format(mine)
    register_format(mine)
    path = tmp_path / "a.mine"
    path.write_text("MINE")
    (source,) = open_exposures([path], control=ReadControl(edge_width=9))
    assert source.info.id.instrument == "Mine"
    assert find_format("mine") is mine
    assert known_formats()[0] is mine
    assert format_names()[0] == "mine"
    with pytest.raises(ConfigError, match="There is a format 'mine' already"):
        register_format(dataclasses.replace(mine, description="another"))
    with pytest.raises(ConfigError, match="'decam' already"):
        register_format(dataclasses.replace(mine, name="decam"))


def test_formats_describe_themselves() -> None:
    names = [format.name for format in known_formats()]
    assert names == [*format_names()]
    assert names[:5] == ["decam", "sdss", "afw", "lsst-images", "table"]
    assert {"ztf", "jwst"} <= set(names[5:])
    assert all(format.description for format in known_formats())


def test_options_have_help_and_units() -> None:
    assert ReadControl.units() == {
        "edge_width": "pixel",
        "background_mesh": "pixel",
        "background_filter": "mesh",
    }
    with pytest.raises(ConfigError, match="subtract_background"):
        ReadControl(subtract_background="maybe")


def test_the_folders_of_both_surveys_can_be_mixed(shared: Path) -> None:
    inputs = open_exposures([shared / "data" / "sdss", shared / "data" / "decam"])
    assert [source.info.id.instrument for source in inputs] == ["DECam"] * 9 + ["SDSS"] * 4
    assert inputs.problems == ()


def test_real_sources_keep_the_promises_of_sources(shared: Path) -> None:
    for source in open_exposures([shared / "data" / "decam"]).sources[:4]:
        check_exposure_source(source)
    check_exposure_source(open_exposures([shared / "data" / "sdss"]).sources[0])

"""Bad input through the command: one clear error, or a reported skip; nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lamella.testing.survey import Survey

from .conftest import Ended, change_fits, lamella, product_bits

VISIT, DETECTOR = 101, 0


def cut(part: float) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * part)])

    return change


def on_hdus(change: Callable[[fits.HDUList], object]) -> Callable[[Path], None]:
    return lambda path: change_fits(path, change)


def drop_wcs(hdus: fits.HDUList) -> None:
    for name in ("CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2"):
        for hdu in hdus:
            hdu.header.remove(name, ignore_missing=True)


def set_card(name: str, value: object, hdu: str = "IMAGE") -> Callable[[fits.HDUList], object]:
    return lambda hdus: hdus[hdu].header.set(name, value)


def crop_mask(hdus: fits.HDUList) -> None:
    hdus["MASK"].data = hdus["MASK"].data[:-1]


def fill(hdu: str, value: float) -> Callable[[fits.HDUList], object]:
    return lambda hdus: hdus[hdu].data.fill(value)


def fractional_flags(hdus: fits.HDUList) -> None:
    hdus["MASK"].data = hdus["MASK"].data + np.float32(0.5)


def damage_a_tile(path: Path) -> None:
    """Compress the image by tiles, and overwrite what a few of them hold."""
    with fits.open(path) as hdus:
        image = hdus["IMAGE"]
        tiles = fits.CompImageHDU(image.data, image.header, name="IMAGE", compression_type="RICE_1")
        fits.HDUList([tiles if hdu is image else hdu.copy() for hdu in hdus]).writeto(path, overwrite=True)
    with fits.open(path, disable_image_compression=True) as hdus:
        place = hdus["IMAGE"].fileinfo()
    content = bytearray(path.read_bytes())
    middle = place["datLoc"] + place["datSpan"] // 2
    content[middle : middle + 500] = b"\xff" * 500
    path.write_bytes(content)


def coadd(survey: Survey, out: Path, *options: object, where: Path | None = None) -> Ended:
    return lamella("coadd", where or survey.table.parent, "-o", out, "--band", "r", "--workers", 1, *options)


def one_line(ended: Ended) -> str:
    """The command must have failed with a single line; return it."""
    assert ended.status == 1
    assert ended.out == ""
    assert ended.err.startswith("Error: ")
    assert ended.err.count("\n") == 1
    return ended.err


def squeezed(text: str) -> str:
    return "".join(text.split())


def no_leftovers(folder: Path) -> bool:
    return not list(folder.rglob(".lamella*"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (on_hdus(lambda hdus: hdus.pop(hdus.index_of("VARIANCE"))), "VARIANCE"),
        (on_hdus(crop_mask), "shape"),
        (on_hdus(fill("VARIANCE", 0.0)), "foundnopixel"),
        (on_hdus(fill("VARIANCE", -1.0)), "variance"),
        (on_hdus(fill("IMAGE", np.nan)), "foundnopixel"),
        (on_hdus(fractional_flags), "HDUMASK:found"),
        (damage_a_tile, "HDU"),
    ],
    ids=["missing HDU", "shapes", "zero variance", "negative variance", "all NaN", "flags", "tile"],
)
def test_an_exposure_with_bad_pixels_is_a_reported_rejection(
    own_survey: Survey, tmp_path: Path, change: Callable[[Path], None], reason: str
) -> None:
    change(own_survey.file(VISIT, DETECTOR))
    out = tmp_path / "out"
    ended = coadd(own_survey, out)
    assert ended.status == 0
    record = json.loads((out / "coadd-r-0-0,0.json").read_text())
    assert record["summary"]["detectors"] == 3
    (row,) = record["rejected"]
    assert (row["visit"], row["detector"], row["stage"]) == (VISIT, DETECTOR, "read")
    assert reason in squeezed(row["reason"])
    assert squeezed(row["reason"])[:40] in squeezed((out / "index.html").read_text())
    assert squeezed("1 ×") in squeezed(ended.out)
    assert no_leftovers(out)
    # Nothing is left out under --strict, nor is a coadd kept that lacks it.
    preview = json.loads(coadd(own_survey, out, "--strict", "--dry-run", "--json").out)
    assert [patch["kept"] for patch in preview["patches"]] == [False]
    strict = coadd(own_survey, out, "--strict")
    assert strict.status == 1
    assert reason in squeezed(strict.err)
    assert "strict" in strict.err


@pytest.mark.parametrize(
    ("change", "reason", "is_damage"),
    [
        (cut(0.02), "", True),
        (cut(0.7), "complete", True),
        (lambda path: path.unlink(), "Nosuchfile", False),
        (lambda path: path.write_text("<html>404</html>"), "noFITSheader", True),
        (on_hdus(drop_wcs), "projection", False),
        (on_hdus(set_card("CRVAL1", "nan")), "CRVAL1", False),
        (on_hdus(set_card("CTYPE1", "RA---ZPX")), "", False),
    ],
    ids=["truncated header", "truncated pixels", "absent", "not FITS", "no WCS", "NaN WCS", "unknown WCS"],
)
def test_an_exposure_with_a_bad_header_is_skipped_and_of_a_table_when_it_is_damaged(
    own_survey: Survey, tmp_path: Path, change: Callable[[Path], None], reason: str, is_damage: bool
) -> None:
    path = own_survey.file(VISIT, DETECTOR)
    change(path)
    out = tmp_path / "out"
    ended = coadd(own_survey, out)
    assert ended.status == 0
    assert "Skipped" in ended.err
    for text in (ended.err, (out / "index.html").read_text()):
        assert path.name in squeezed(text)
        assert reason in squeezed(text)
    assert json.loads((out / "coadd-r-0-0,0.json").read_text())["summary"]["detectors"] == 3
    for where in (own_survey.table, own_survey.table.parent):
        assert path.name in one_line(coadd(own_survey, tmp_path / "strict", "--strict", where=where))
    assert not (tmp_path / "strict").exists()
    tabled = coadd(own_survey, tmp_path / "tabled", where=own_survey.table)
    if not is_damage:
        assert path.name in one_line(tabled)
        return
    assert tabled.status == 0
    assert path.name in squeezed(tabled.err)
    assert product_bits(tmp_path / "tabled") == product_bits(out)


def test_a_damaged_file_among_others_by_name_is_skipped(own_survey: Survey, tmp_path: Path) -> None:
    files = [own_survey.file(visit, detector) for visit in (101, 103) for detector in (0, 1)]
    own_survey.table.unlink()
    cut(0.7)(files[0])
    ended = lamella("coadd", *files, "-o", tmp_path / "out", "--workers", 1)
    assert ended.status == 0
    assert files[0].name in squeezed(ended.err)
    assert files[0].name in one_line(lamella("coadd", *files, "-o", tmp_path / "strict", "--strict"))
    assert files[0].name in one_line(lamella("coadd", files[0], "-o", tmp_path / "alone"))


def test_pixels_that_differ_from_their_datasum_are_told_and_stop_a_strict_run(
    own_survey: Survey, tmp_path: Path
) -> None:
    path, out = own_survey.file(VISIT, DETECTOR), tmp_path / "out"
    with fits.open(path) as hdus:
        hdus.writeto(path, overwrite=True, checksum=True)
    with fits.open(path) as hdus:
        start = hdus["IMAGE"].fileinfo()["datLoc"] + 4003
    assert coadd(own_survey, out, "--strict").status == 0
    content = bytearray(path.read_bytes())
    content[start] ^= 1
    path.write_bytes(content)
    assert coadd(own_survey, out).status == 0
    record = json.loads((out / "coadd-r-0-0,0.json").read_text())
    assert record["summary"]["detectors"] == 4
    (note,) = [note for note in record["notes"] if "DATASUM" in note]
    assert path.name in note
    assert squeezed(note) in squeezed((out / "index.html").read_text())
    strict = coadd(own_survey, out, "--strict")
    assert strict.status == 1
    assert "DATASUM" in strict.err


def edit_table(survey: Survey, change: Callable[[Table], object]) -> None:
    table = Table.read(survey.table)
    change(table)
    table.write(survey.table, overwrite=True)


def test_a_truncated_companion_is_a_reported_rejection(own_survey: Survey, tmp_path: Path) -> None:
    def change(table: Table) -> None:
        table["variance_file"] = table["file"]
        table["variance_file"][table["visit"] == VISIT] = "cut.fits"

    (own_survey.table.parent / "cut.fits").write_bytes(own_survey.file(VISIT, 0).read_bytes())
    edit_table(own_survey, change)
    cut(0.7)(own_survey.table.parent / "cut.fits")
    ended = coadd(own_survey, tmp_path / "out", where=own_survey.table)
    assert ended.status == 0
    record = json.loads((tmp_path / "out" / "coadd-r-0-0,0.json").read_text())
    assert [(row["visit"], row["detector"], row["stage"]) for row in record["rejected"]] == [
        (VISIT, 0, "read"),
        (VISIT, 1, "read"),
    ]
    assert all("cut.fits" in row["reason"] for row in record["rejected"])


def test_wrong_units_are_a_reported_rejection(own_survey: Survey, tmp_path: Path) -> None:
    edit_table(own_survey, lambda table: table.remove_column("zero_point"))
    for visit in (101, 103):
        for detector in (0, 1):
            unit = "s" if (visit, detector) == (VISIT, DETECTOR) else "nJy"
            change_fits(own_survey.file(visit, detector), set_card("BUNIT", unit))
    ended = coadd(own_survey, tmp_path / "out")
    assert ended.status == 0
    (row,) = json.loads((tmp_path / "out" / "coadd-r-0-0,0.json").read_text())["rejected"]
    assert (row["visit"], row["detector"], row["stage"]) == (VISIT, DETECTOR, "read")
    assert "BUNIT: found 's'; expected a unit of flux density, e.g. nJy" in row["reason"]


def test_two_exposures_of_one_identity_are_an_error_that_names_both(
    own_survey: Survey, tmp_path: Path
) -> None:
    def change(table: Table) -> None:
        table["visit"][table["visit"] == 103] = 101

    edit_table(own_survey, change)
    message = one_line(coadd(own_survey, tmp_path / "out"))
    assert "visit-0101-detector-00.fits" in message
    assert "visit-0103-detector-00.fits" in message
    assert not (tmp_path / "out").exists()


def test_all_exposures_broken_means_failure(own_survey: Survey, tmp_path: Path) -> None:
    for visit in (101, 103):
        for detector in (0, 1):
            change_fits(own_survey.file(visit, detector), fill("VARIANCE", 0.0))
    ended = coadd(own_survey, tmp_path / "out")
    assert ended.status == 1
    assert "No coadd was made" in ended.err
    cause = "found no pixel with a value and a weight; expected at least one"
    assert ended.err.endswith(f"{cause} (the same for 3 others).\n")
    assert not list((tmp_path / "out").glob("coadd-*"))
    assert no_leftovers(tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--center", "10,20", "--size", "0.01"], "overlaps a chosen patch"),
        (["--patch", "7,7"], "There is no patch '7,7' in tract 0"),
        (["--band", "R"], "No exposure is in band 'R'; there are 'g', 'r'; did you mean r?"),
        (["--skymap", "absent.json"], "absent.json"),
        (["--bright-objects", "absent.reg"], "absent.reg"),
        (["--format", "decam"], "expected one of: decam"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_options_that_lead_to_nothing_are_one_clear_error(
    survey: Survey, tmp_path: Path, options: list[str], message: str
) -> None:
    assert message in one_line(coadd(survey, tmp_path / "out", *options, where=survey.table))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "content"),
    [
        ("--skymap", "{"),
        ("--skymap", '{"format": "something else"}'),
        ("--bright-objects", "wcs; fk5\ncircle(1,2)\n"),
        ("--bright-objects", "circle(150.1,2.2,0.01) # ID: 1\n"),
    ],
)
def test_broken_files_beside_the_exposures_are_one_clear_error(
    survey: Survey, tmp_path: Path, option: str, content: str
) -> None:
    path = tmp_path / "broken"
    path.write_text(content)
    assert str(path) in one_line(coadd(survey, tmp_path / "out", option, path, where=survey.table))
    assert not (tmp_path / "out").exists()


def test_a_sky_map_whose_numbers_were_changed_is_refused(
    survey: Survey, patches: Path, tmp_path: Path
) -> None:
    path = tmp_path / "map.json"
    path.write_text(patches.read_text().replace('"pixel_scale": 0.2', '"pixel_scale": 0.3'))
    message = one_line(coadd(survey, tmp_path / "out", "--skymap", path, where=survey.table))
    assert "identity" in message


def test_an_empty_folder_and_an_absent_file(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "absent.fits"):
        message = one_line(lamella("coadd", path, "-o", tmp_path / "out"))
        assert str(path) in message
    assert not (tmp_path / "out").exists()

"""Files of artifacts: the same value back, astropy reads them, and damage is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lsst.images import SkyProjection, TractFrame

from lamella.coadd.reject.artifact_masks import ArtifactMasks, VisitMask
from lamella.data.removals import Removal
from lamella.errors import (
    InputError,
    LamellaError,
    MissingPartError,
    OutputError,
    ProjectionError,
    UnreadableFileError,
)
from lamella.formats.archive.artifact_files import is_artifact_file, read_artifacts, write_artifacts
from lamella.image.spans import Runs, SpanMask

from .test_write import BOX, make_projection


def make_visit(visit: int, planes: dict[str, np.ndarray], instrument: str = "Cam") -> VisitMask:
    every = np.logical_or.reduce([np.zeros(BOX.shape, dtype=bool), *planes.values()])
    every[0] = False  # as if masked before
    removal = Removal(
        instrument=instrument, visit=visit, valid=1000, removed=int(every.sum()), transient=5, warning="look"
    )
    sets = {name: Runs.from_array(where, BOX) for name, where in planes.items() if where.any()}
    return VisitMask(removal=removal, planes=SpanMask(sets), removed=Runs.from_array(every, BOX))


def make_masks(*visits: VisitMask, **changes: Any) -> ArtifactMasks:
    values: dict[str, Any] = {
        "band": "r", "skymap": "test", "tract": 3, "patch": (4, 5), "method": "compare_warp",
        "bbox": BOX, "projection": make_projection(), "visits": visits,
    }  # fmt: skip
    return ArtifactMasks(**values | changes)


@pytest.fixture
def masks() -> ArtifactMasks:
    clipped, streak = np.zeros((2, *BOX.shape), dtype=bool)
    clipped[10:14, 20:30] = clipped[0, :4] = True
    streak[:, 7] = True
    return make_masks(
        make_visit(11, {"CLIPPED": clipped | streak, "STREAK": streak}),
        make_visit(12, {}),
        make_visit(2**40, {"CLIPPED": clipped}, instrument="Other"),
    )


def bits(masks: ArtifactMasks) -> list[Any]:
    return [
        (visit.removal, {name: runs.to_array(BOX).tobytes() for name, runs in visit.planes.planes.items()},
         visit.removed.to_array(BOX).tobytes())
        for visit in masks.visits
    ]  # fmt: skip


def check_round_trip(masks: ArtifactMasks, path: Path) -> None:
    write_artifacts(masks, path)
    again = read_artifacts(path)
    for name in ("band", "skymap", "tract", "patch", "method", "bbox"):
        assert getattr(again, name) == getattr(masks, name)
    assert bits(again) == bits(masks)


def test_the_same_value_comes_back(masks: ArtifactMasks, tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    check_round_trip(masks, path)
    assert is_artifact_file(path)
    again = read_artifacts(path)
    x, y = np.array([2000.0, 2049.0, 2010.5]), np.array([1000.0, 1001.0, 1039.0])
    ours, theirs = (artifacts.projection.pixel_to_sky(x=x, y=y) for artifacts in (masks, again))
    assert ours.separation(theirs).to_value(u.arcsec).max() < 1e-6
    assert again.projection.pixel_frame == TractFrame(skymap="test", tract=3, bbox=BOX)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(planes=hnp.arrays(bool, (2, *BOX.shape)), names=st.permutations(["CLIPPED", "STREAK", "NO_DATA"]))
def test_any_pixels_come_back(planes: np.ndarray, names: list[str], tmp_path: Path) -> None:
    visit = make_visit(1, dict(zip(names[:2], planes, strict=True)))
    check_round_trip(make_masks(visit), tmp_path / "a.fits")


def test_no_artifacts_are_a_file_too(tmp_path: Path) -> None:
    check_round_trip(make_masks(make_visit(1, {})), tmp_path / "a.fits")
    assert len(Table.read(tmp_path / "a.fits", hdu="RUNS")) == 0


def test_equal_masks_are_equal_files(masks: ArtifactMasks, tmp_path: Path) -> None:
    for name in "ab":
        write_artifacts(masks, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_astropy_alone_can_draw_them(masks: ArtifactMasks, tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    write_artifacts(masks, path)
    header, runs = fits.getheader(path), Table.read(path, hdu="RUNS")
    drawn = np.zeros((header["BOXNY"], header["BOXNX"]), dtype=int)
    for row in runs[runs["plane"] == "REMOVED"]:
        drawn[row["y"] - header["BOXY0"], row["x0"] - header["BOXX0"] : row["x1"] - header["BOXX0"]] += 1
    np.testing.assert_array_equal(drawn, masks.counts())
    visits = Table.read(path, hdu="VISITS")
    assert visits["visit"].tolist() == [11, 12, 2**40]
    assert visits["removed"].tolist() == [removal.removed for removal in masks.removals]
    sky = masks.projection.pixel_to_sky(x=2003.0, y=1004.0)
    with fits.open(path) as hdus:
        np.testing.assert_array_equal(hdus["COUNT"].data, masks.counts())
        wcs = WCS(hdus["COUNT"].header)
    x, y = wcs.world_to_pixel(SkyCoord(sky.ra, sky.dec))
    assert (float(x), float(y)) == (pytest.approx(3.0, abs=1e-4), pytest.approx(4.0, abs=1e-4))


Change = Callable[[fits.HDUList], object]


def drop_column(hdus: fits.HDUList) -> None:
    hdus["RUNS"] = fits.BinTableHDU.from_columns(hdus["RUNS"].columns[:-1], name="RUNS")


def float_column(hdus: fits.HDUList) -> None:
    table = Table(hdus["VISITS"].data)
    table["visit"] = table["visit"].astype(float)
    hdus["VISITS"] = fits.table_to_hdu(table, name="VISITS")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda hdus: hdus[0].header.remove("LAMELLA"), InputError, "expected artifacts"),
        (lambda hdus: hdus.pop(2), MissingPartError, "RUNS"),
        (drop_column, MissingPartError, "x1"),
        (float_column, InputError, "whole numbers"),
        (lambda hdus: hdus["RUNS"].data["y"].__setitem__(3, 5), InputError, "row 3: found y 5"),
        (lambda hdus: hdus["RUNS"].data["x1"].__setitem__(0, 2051), InputError, "row 0"),
        (lambda hdus: hdus["RUNS"].data["visit"].__setitem__(0, 9), InputError, "Cam visit 9"),
        (lambda hdus: hdus[0].header.set("BOXNX", "wide"), InputError, "BOXNX: found 'wide'"),
        (lambda hdus: hdus[0].header.set("BOXNX", -1), InputError, "pixels in it"),
        (lambda hdus: hdus[0].header.set("BAND", 3), InputError, "BAND"),
        (lambda hdus: hdus["COUNT"].header.remove("CTYPE1"), InputError, "projection"),
        (lambda hdus: hdus.pop(1), MissingPartError, "COUNT"),
    ],
)
def test_a_bad_file_is_a_clear_error(
    masks: ArtifactMasks, tmp_path: Path, change: Change, error: type[LamellaError], message: str
) -> None:
    path = tmp_path / "a.fits"
    write_artifacts(masks, path)
    with fits.open(path, memmap=False) as hdus:
        change(hdus)
        hdus.writeto(path, overwrite=True)
    with pytest.raises(error, match=message) as caught:
        read_artifacts(path)
    assert str(path) in str(caught.value)


def test_damaged_and_foreign_files(masks: ArtifactMasks, tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    write_artifacts(masks, path)
    content = path.read_bytes()
    for size in (1, 3000, 6000, len(content) - 2880):
        path.write_bytes(content[:size])
        with pytest.raises(InputError):
            read_artifacts(path)
    with pytest.raises(UnreadableFileError):
        read_artifacts(tmp_path / "absent.fits")
    assert not is_artifact_file(tmp_path / "absent.fits")
    path.write_text("nonsense")
    assert not is_artifact_file(path)


def test_bytes_that_are_no_ascii_are_named(masks: ArtifactMasks, tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    write_artifacts(masks, path)
    with fits.open(path) as hdus:
        start = hdus["VISITS"].fileinfo()["datLoc"]
    content = bytearray(path.read_bytes())
    content[content.index(b"Cam", start)] = 0xCC
    # As if the sum had been made of the damaged bytes.
    path.write_bytes(bytes(content).replace(b"DATASUM =", b"OTHERSUM="))
    with pytest.raises(UnreadableFileError, match="VISITS, instrument: found a byte 0xcc; expected ASCII"):
        read_artifacts(path)


@pytest.mark.parametrize("name", ["RUNS", "VISITS"])
def test_a_table_that_differs_from_its_datasum_is_told(
    masks: ArtifactMasks, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.fits"
    write_artifacts(masks, path)
    with fits.open(path) as hdus:
        last = hdus[name].fileinfo()["datLoc"] + hdus[name].size - 1
    content = bytearray(path.read_bytes())
    content[last] ^= 1
    path.write_bytes(content)
    with pytest.raises(LamellaError, match=r"a\.fits"):
        read_artifacts(path)


def test_nothing_is_half_written(
    masks: ArtifactMasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OutputError):
        write_artifacts(masks, tmp_path / "absent" / "a.fits")
    path = tmp_path / "a.fits"
    path.write_text("mine")
    monkeypatch.setattr(SkyProjection, "as_fits_wcs", lambda *arguments, **options: None)
    with pytest.raises(ProjectionError, match=r"a\.fits, the WCS: "):
        write_artifacts(masks, path)
    assert path.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["a.fits"]

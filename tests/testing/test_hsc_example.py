"""The exposures of the manual's example lie where the records say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

try:
    PLACE = importlib.util.find_spec("lsst.daf.butler")
except ModuleNotFoundError:
    PLACE = None
if PLACE is None:
    pytest.skip("needs the extra [lsst]: the records are in lsst-daf-butler", allow_module_level=True)

from lamella.data.exposure import ExposureSource
from lamella.errors import MissingPartError
from lamella.formats.recognise import open_exposures
from lamella.sky.footprint import corner_vectors, footprint_polygon, pixel_scale
from lamella.sky.registry import load_skymap
from lamella.testing import hsc_records as records_module
from lamella.testing.hsc_example import HscExample, write_hsc_example
from lamella.testing.hsc_grid import hsc_skymap
from lamella.testing.hsc_records import hsc_records


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> HscExample:
    return write_hsc_example(tmp_path_factory.mktemp("hsc"))


@pytest.fixture(scope="module")
def sources(example: HscExample) -> tuple[ExposureSource, ...]:
    return open_exposures([example.table]).sources


def arcseconds_to_nearest(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    distances = np.linalg.norm(points[:, None] - corners[None], axis=-1)
    return np.degrees(distances.min(axis=0)) * 3600.0


def test_the_records_are_eleven_visits_with_33_regions() -> None:
    records = hsc_records()
    assert len(records.visits) == 11
    assert len(records.regions) == 33
    assert {one.band for one in records.visits.values()} == {"r", "i"}
    first = records.visits[903334]
    assert (first.physical_filter, first.exposure_time) == ("HSC-R", 30.0)
    # 13:29:27.267 TAI is 35 seconds earlier in UTC.
    assert first.mjd == pytest.approx(56460 + (13 * 3600 + 29 * 60 + 27.267 - 35) / 86400, abs=1e-8)


def test_records_that_are_absent_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPartError, match=r"lsst\.daf\.butler"):
        records_module._folder()


def test_a_pair_of_each_filter_is_there(example: HscExample) -> None:
    assert {name: len(pairs) for name, pairs in example.pairs.items()} == {"HSC-R": 17, "HSC-I": 16}
    assert (903986, 100) in example.pairs["HSC-I"]


def test_corners_of_the_pixels_lie_on_those_of_the_regions(sources: tuple[ExposureSource, ...]) -> None:
    regions = {(one.visit, one.detector): one for one in hsc_records().regions}
    assert {(s.info.id.visit, s.info.id.detector) for s in sources} == regions.keys()
    for source in sources:
        found = corner_vectors(source.info.projection, source.info.bbox)
        wanted = regions[source.info.id.visit, source.info.id.detector].corners
        assert arcseconds_to_nearest(found, wanted).max() < 1e-6


def test_pixels_are_seen_from_inside_and_all_alike(sources: tuple[ExposureSource, ...]) -> None:
    for source in sources:
        info = source.info
        assert pixel_scale(info.projection, info.bbox) == pytest.approx(8.3, abs=0.1)
        assert info.bbox.y.size > 1.7 * info.bbox.x.size
        a, b, _, d = corner_vectors(info.projection, info.bbox)
        # Counterclockwise in pixels is clockwise as seen from outside of the sphere.
        assert np.dot(np.cross(b - a, d - a), a) < 0


def test_the_tract_is_the_recorded_one() -> None:
    skymap = hsc_skymap()
    (tract,) = skymap
    assert (skymap.name, tuple(tract.n_patches)) == ("discrete/ci_hsc", (16, 16))
    corners = corner_vectors(tract.projection, tract.bbox)
    assert arcseconds_to_nearest(corners, hsc_records().tract).max() < 0.01


def test_patch_5_4_overlaps_all_33_and_its_neighbours_fewer(example: HscExample) -> None:
    tract = load_skymap(example.skymap_file)[0]
    polygons = [one.polygon for one in hsc_records().regions]
    counts = {
        patch.label: sum(patch.polygon.overlaps(polygon) for polygon in polygons)
        for patch in tract
        if abs(patch.index[0] - 5) <= 2 and abs(patch.index[1] - 4) <= 2
    }
    assert counts.pop("5,4") == 33
    assert max(counts.values()) < 33
    near = {f"{x},{y}" for x in (4, 5, 6) for y in (3, 4, 5)}
    assert {label for label, count in counts.items() if count} == near - {"5,4"}


def test_footprints_overlap_as_the_regions_do(sources: tuple[ExposureSource, ...]) -> None:
    tract = hsc_skymap()[0]
    regions = {(one.visit, one.detector): one.polygon for one in hsc_records().regions}
    for label in ("5,4", "4,4", "5,5"):
        patch = tract.patch(label)
        for source in sources:
            region = regions[source.info.id.visit, source.info.id.detector]
            assert footprint_polygon(source.info).overlaps(patch.polygon) == region.overlaps(patch.polygon)


def test_exposures_hold_stars_noise_and_flags(sources: tuple[ExposureSource, ...]) -> None:
    for source in sources[::8]:
        exposure = source.read()
        pixels = exposure.pixels
        good = np.isfinite(pixels.image.array) & ~pixels.mask.get("COSMIC_RAY")
        significance = (pixels.image.array / np.sqrt(pixels.variance.array))[good]
        # The lower half of the pixels is sky: noise as the variance says.
        low = np.percentile(significance, 15.87) - np.median(significance)
        assert -1.6 < low < -0.8
        assert significance.max() > 50
        assert pixels.mask.get("BAD").sum() == source.info.bbox.y.size
        assert 0 < pixels.mask.get("COSMIC_RAY").sum() <= 3
        assert exposure.to_njy == pytest.approx(57.5, rel=0.25)
    assert {s.info.physical_filter for s in sources} == {"HSC-I", "HSC-R"}


def test_the_bytes_are_always_the_same(example: HscExample, tmp_path: Path) -> None:
    again = write_hsc_example(tmp_path)
    files = sorted(p.relative_to(tmp_path) for p in again.folder.rglob("*") if p.is_file())
    assert len(files) == 33 + 2
    assert sum((tmp_path / name).stat().st_size for name in files) < 4e6
    for name in files:
        assert (again.folder / name).read_bytes() == (example.folder / name).read_bytes(), name

"""The directory layout of the original pipelines, and masks of bright objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from astropy.io import fits

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.daf.butler import Butler

from lamella.data.coadd import PatchCoadd
from lamella.data.exposure import ExposureInfo
from lamella.data.warp import Warp
from lamella.errors import ConfigError, DuplicateInputError, InputError, MissingPartError, NoInputsError
from lamella.formats.archive.products import read_product
from lamella.sky.registry import load_skymap
from lamella.tasks.bright_objects import ingest_bright_objects
from lamella.tasks.datasets import coadd_datasets
from lamella.tasks.export import export_coadds, layout_path
from lamella.tasks.ingest import ingest_exposures
from lamella.tasks.repository import register_skymap
from lamella.testing.asserts import assert_bits_equal

from .registries import Registry
from .small import SmallSurvey, changed, new_repository

type Products = tuple[PatchCoadd, list[Warp]]

REGIONS = "wcs; fk5\ncircle(150.1d, 2.2d, 0.001d) # ID: 3, mag: 12.5\n"


@pytest.fixture(scope="module")
def products(survey: SmallSurvey) -> Products:
    return survey.make_products()


@pytest.fixture(scope="module")
def butler(
    registry: Registry, tmp_path_factory: pytest.TempPathFactory, survey: SmallSurvey, products: Products
) -> Iterator[Butler]:
    coadd, warps = products
    place = {"skymap": survey.skymap.name, "tract": 0, "patch": 0}
    assert (coadd.tract, coadd.patch) == (0, (0, 0))
    with new_repository(tmp_path_factory.mktemp("repo"), registry) as opened:
        ingest_exposures(opened, survey.sources)
        register_skymap(opened, survey.skymap)
        for dataset in coadd_datasets():
            opened.registry.registerDatasetType(dataset.make_type(opened.dimensions))
        opened.collections.register("out")
        for warp in warps:
            visit = {"instrument": warp.instrument, "visit": warp.visit}
            opened.put(warp, "deepCoadd_directWarp", {**place, **visit}, run="out")
        opened.put(coadd, "deepCoadd", {**place, "band": "r"}, run="out")
        opened.put(coadd.exposure_count_unmasked, "deepCoadd_nImage", {**place, "band": "r"}, run="out")
        yield opened


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("deepCoadd", "deepCoadd/HSC-I/0/5,4.fits"),
        ("deepCoadd_nImage", "deepCoadd/HSC-I/0/5,4_nImage.fits"),
        ("deepCoadd_directWarp", "deepCoadd/HSC-I/0/5,4/warp-HSC-I-0-5,4-903986.fits"),
        ("deepCoadd_psfMatchedWarp", "deepCoadd/HSC-I/0/5,4/psfMatchedWarp-HSC-I-0-5,4-903986.fits"),
        ("deepCoaddPsfMatched", "deepCoadd/HSC-I/0/psfMatched-5,4.fits"),
        ("deepCoadd_calexp", "deepCoadd-results/HSC-I/0/5,4/calexp-HSC-I-0-5,4.fits"),
        ("brightObjectMask", "deepCoadd/BrightObjectMasks/0/BrightObjectMask-0-5,4-HSC-I.reg"),
        ("skyMap", "deepCoadd/skyMap.json"),
    ],
)
def test_every_dataset_has_its_place(name: str, expected: str) -> None:
    found = layout_path(name, filter="HSC-I", tract=0, patch="5,4", visit=903986)
    assert found == Path(expected)


def test_other_datasets_have_none() -> None:
    with pytest.raises(ConfigError, match="no place for 'calexp'"):
        layout_path("calexp")
    assert layout_path("goodCoadd", coadd_name="good", filter="r").parts[0] == "goodCoadd"


@pytest.mark.any_database
def test_coadds_are_exported(butler: Butler, survey: SmallSurvey, tmp_path: Path) -> None:
    mask = tmp_path / "BrightObjectMask-0-0,0-r.reg"
    mask.write_text(REGIONS)
    ingest_bright_objects(butler, [mask], skymap="small")
    for _ in range(2):  # a second export replaces the first
        files = export_coadds(butler, tmp_path / "x", collections="out", warps=True)
    assert {path.relative_to(tmp_path / "x").as_posix() for path in files} == {
        "deepCoadd/r/0/0,0.fits",
        "deepCoadd/r/0/0,0_nImage.fits",
        "deepCoadd/r/0/0,0/warp-r-0-0,0-101.fits",
        "deepCoadd/r/0/0,0/warp-r-0-0,0-103.fits",
        "deepCoadd/skyMap.json",
        "deepCoadd/BrightObjectMasks/0/BrightObjectMask-0-0,0-r.reg",
        "deepCoadd-results/r/0/0,0/calexp-r-0-0,0.fits",
    }
    assert sorted(path for path in (tmp_path / "x").rglob("*") if path.is_file()) == files
    coadd = butler.get("deepCoadd", skymap="small", tract=0, patch=0, band="r", collections="out")
    for name in ("deepCoadd/r/0/0,0.fits", "deepCoadd-results/r/0/0,0/calexp-r-0-0,0.fits"):
        assert_bits_equal(read_product(tmp_path / "x" / name).image.array, coadd.image.array)
    assert load_skymap(tmp_path / "x" / "deepCoadd" / "skyMap.json") == survey.skymap


@pytest.mark.parametrize(
    ("filters", "folder"),
    [
        ({"r": "HSC-R"}, "HSC-R"),
        ({"r": "HSC-R2", "g": "HSC-G"}, "HSC-R2"),
        ({101: "HSC-R", 103: "HSC-R2"}, "r"),
    ],
    ids=["one filter", "one filter per band", "two filters of the band"],
)
def test_folders_have_the_names_of_filters(
    filters: dict[str | int, str], folder: str, survey: SmallSurvey, products: Products, tmp_path: Path
) -> None:
    """As the original pipelines had them: HSC-R for a coadd of the band r."""

    def filter_of(info: ExposureInfo) -> str:
        return filters.get(info.band, filters.get(info.id.visit, ""))

    sources = [changed(source, physical_filter=filter_of(source.info)) for source in survey.sources]
    coadd, warps = products
    place = {"skymap": survey.skymap.name, "tract": 0, "patch": 0}
    mask = tmp_path / f"BrightObjectMask-0-0,0-{folder}.reg"
    mask.write_text(REGIONS)
    with new_repository(tmp_path / "repo") as butler:
        ingest_exposures(butler, sources, transfer="copy")
        register_skymap(butler, survey.skymap)
        for dataset in coadd_datasets():
            butler.registry.registerDatasetType(dataset.make_type(butler.dimensions))
        butler.collections.register("out")
        for warp in warps:
            visit = {"instrument": warp.instrument, "visit": warp.visit}
            butler.put(warp, "deepCoadd_directWarp", {**place, **visit}, run="out")
        butler.put(coadd, "deepCoadd", {**place, "band": "r"}, run="out")
        (ref,) = ingest_bright_objects(butler, [mask], skymap="small")
        assert ref.dataId["band"] == "r"
        files = export_coadds(butler, tmp_path / "x", collections="out", warps=True)
    names = {visit: filters.get("r", filters.get(visit)) for visit in (101, 103)}
    assert {path.relative_to(tmp_path / "x").as_posix() for path in files} == {
        f"deepCoadd/{folder}/0/0,0.fits",
        f"deepCoadd-results/{folder}/0/0,0/calexp-{folder}-0-0,0.fits",
        f"deepCoadd/BrightObjectMasks/0/BrightObjectMask-0-0,0-{folder}.reg",
        "deepCoadd/skyMap.json",
        *(f"deepCoadd/{name}/0/0,0/warp-{name}-0-0,0-{visit}.fits" for visit, name in names.items()),
    }


@pytest.mark.any_database
def test_plain_files_need_nothing_of_lamella(butler: Butler, tmp_path: Path) -> None:
    files = export_coadds(butler, tmp_path, collections=["out"], results=False, form="plain")
    assert not (tmp_path / "deepCoadd-results").exists()
    (path,) = [path for path in files if path.name == "0,0.fits"]
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus[1:4]] == ["IMAGE", "MASK", "VARIANCE"]
        assert hdus["MASK"].header["MP_SAT"] == 1
    assert not list(tmp_path.rglob("warp-*"))


@pytest.mark.any_database
def test_coadds_and_warps_are_exported_for_the_stack(butler: Butler, tmp_path: Path) -> None:
    files = export_coadds(butler, tmp_path, collections=["out"], warps=True, form="afw")
    coadds = [path for path in files if path.name in ("0,0.fits", "calexp-r-0-0,0.fits")]
    warps = [path for path in files if path.name.startswith("warp-")]
    assert (len(coadds), len(warps)) == (2, 2)
    for path in (*coadds, *warps):
        with fits.open(path) as hdus:
            assert "ARCHIVE_INDEX" in [hdu.header.get("EXTTYPE") for hdu in hdus]
    coadd = butler.get("deepCoadd", skymap="small", tract=0, patch=0, band="r", collections="out")
    assert_bits_equal(read_product(coadds[0]).image.array, coadd.image.array)


@pytest.mark.any_database
def test_nothing_to_export_is_an_error(butler: Butler, tmp_path: Path) -> None:
    with pytest.raises(NoInputsError, match="no deepCoadd in the collections skymaps"):
        export_coadds(butler, tmp_path, collections="skymaps")


@pytest.mark.any_database
def test_masks_of_bright_objects_say_what_they_are_for(butler: Butler, tmp_path: Path) -> None:
    remarks = tmp_path / "mask.reg"
    remarks.write_text("# tract: 0\n# patch: 1,0\n# filter: g\n" + REGIONS)
    (ref,) = ingest_bright_objects(butler, [remarks], skymap="small")
    assert dict(ref.dataId.mapping) == {"skymap": "small", "tract": 0, "patch": 1, "band": "g"}
    assert butler.get(ref).objects[0].radius == 0.001
    assert ingest_bright_objects(butler, [remarks], skymap="small") == [ref]
    remarks.write_text(remarks.read_text() + "circle(1d, 2d, 3d) # ID: 4\n")
    with pytest.raises(DuplicateInputError, match="tract 0 patch 1 band g"):
        ingest_bright_objects(butler, [remarks], skymap="small")
    nameless = tmp_path / "nameless.reg"
    nameless.write_text(REGIONS)
    with pytest.raises(MissingPartError, match="# tract"):
        ingest_bright_objects(butler, [nameless], skymap="small")
    unknown = tmp_path / "BrightObjectMask-0-0,0-K.reg"
    unknown.write_text(REGIONS)
    with pytest.raises(InputError, match="found K; expected one of: g, r"):
        ingest_bright_objects(butler, [unknown], skymap="small")

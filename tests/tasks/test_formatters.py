"""Warps, coadds, sky maps and region files through a repository."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from lsst.images import Box

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.daf.butler import Butler, DatasetProvenance, DatasetRef

from lamella.coadd.brightmask import BrightObject, BrightObjectCatalog
from lamella.coadd.stack.sources import ImageSource
from lamella.data.coadd import PatchCoadd
from lamella.data.times import ExposureTimes
from lamella.data.warp import Warp
from lamella.formats.archive.products import ArchiveWarp, read_product
from lamella.formats.regions import read_bright_objects, regions_to_text
from lamella.tasks.datasets import coadd_datasets
from lamella.tasks.ingest import ingest_exposures
from lamella.tasks.repository import register_skymap
from lamella.testing.asserts import assert_bits_equal

from .small import SmallSurvey, new_repository

BOX = Box.factory[30:55, 40:70]
RUN = "out"


@pytest.fixture(scope="module")
def products(survey: SmallSurvey) -> tuple[PatchCoadd, list[Warp]]:
    return survey.make_products()


@pytest.fixture(scope="module")
def butler(tmp_path_factory: pytest.TempPathFactory, survey: SmallSurvey) -> Iterator[Butler]:
    with new_repository(tmp_path_factory.mktemp("repo")) as opened:
        ingest_exposures(opened, survey.sources)
        register_skymap(opened, survey.skymap)
        for dataset in coadd_datasets():
            opened.registry.registerDatasetType(dataset.make_type(opened.dimensions))
        opened.collections.register(RUN)
        yield opened


def place(product: PatchCoadd, survey: SmallSurvey) -> dict[str, Any]:
    patch = survey.skymap[product.tract].patch(product.patch)
    return {"skymap": survey.skymap.name, "tract": product.tract, "patch": patch.sequential}


@pytest.fixture(scope="module")
def warp_ref(butler: Butler, products: tuple[PatchCoadd, list[Warp]], survey: SmallSurvey) -> DatasetRef:
    coadd, (warp, *_) = products
    visit = {"instrument": warp.instrument, "visit": warp.visit}
    return butler.put(warp, "deepCoadd_directWarp", {**place(coadd, survey), **visit}, run=RUN)


@pytest.fixture(scope="module")
def coadd_ref(
    butler: Butler, products: tuple[PatchCoadd, list[Warp]], survey: SmallSurvey, warp_ref: DatasetRef
) -> DatasetRef:
    coadd = products[0]
    provenance = DatasetProvenance(inputs=[warp_ref.to_simple()])
    where = {**place(coadd, survey), "band": "r"}
    return butler.put(coadd, "deepCoadd", where, run=RUN, provenance=provenance)


def assert_same_planes(found: Any, expected: Any) -> None:
    assert found.bbox == expected.bbox
    found, expected = (ImageSource(image).read(image.bbox) for image in (found, expected))
    for plane in ("image", "mask", "variance"):
        assert_bits_equal(getattr(found, plane), getattr(expected, plane))


def test_warps_come_back_whole_and_in_parts(
    butler: Butler, warp_ref: DatasetRef, products: tuple[PatchCoadd, list[Warp]]
) -> None:
    warp = products[1][0]
    found = butler.get(warp_ref)
    assert type(found) is Warp
    assert (found.instrument, found.visit, found.band) == (warp.instrument, warp.visit, warp.band)
    assert_same_planes(found, warp)
    assert_same_planes(butler.get(warp_ref, parameters={"bbox": BOX}), warp[BOX])
    assert butler.get(warp_ref.makeComponentRef("bbox")) == warp.bbox
    assert dict(butler.get(warp_ref.makeComponentRef("metadata"))) == dict(found.metadata)
    detectors = butler.get(warp_ref.makeComponentRef("detectors"))
    assert [(d.id, d.good_pixels) for d in detectors] == [(d.id, d.good_pixels) for d in warp.detectors]
    cut = butler.getDeferred(warp_ref).get(component="variance", parameters={"bbox": BOX})
    assert_bits_equal(cut.array, warp[BOX].variance.array)


def test_the_file_of_a_warp_is_one_that_the_core_reads(
    butler: Butler, warp_ref: DatasetRef, products: tuple[PatchCoadd, list[Warp]]
) -> None:
    source = ArchiveWarp(butler.getURI(warp_ref).ospath)
    expected = ImageSource(products[1][0]).read(BOX)
    assert_bits_equal(source.read(BOX).image, expected.image)
    assert_bits_equal(source.read(BOX).mask, expected.mask)


def test_coadds_come_back_whole_and_in_parts(
    butler: Butler, coadd_ref: DatasetRef, products: tuple[PatchCoadd, list[Warp]]
) -> None:
    coadd = products[0]
    found = butler.get(coadd_ref)
    assert type(found) is PatchCoadd
    assert_same_planes(found, coadd)
    assert_bits_equal(found.exposure_count.array, coadd.exposure_count.array)
    assert (found.settings, found.notes, found.patch) == (coadd.settings, coadd.notes, coadd.patch)
    for name in ("inner_bbox", "settings", "versions", "notes"):
        assert butler.get(coadd_ref.makeComponentRef(name)) == getattr(coadd, name)
    assert butler.get(coadd_ref.makeComponentRef("rejected")) == coadd.rejections
    assert dict(butler.get(coadd_ref.makeComponentRef("metadata"))) == dict(found.metadata)
    for name in ("inputs", "artifacts"):
        table, expected = butler.get(coadd_ref.makeComponentRef(name)), getattr(coadd, name)
        assert table.pformat(show_unit=True, max_width=-1) == expected.pformat(show_unit=True, max_width=-1)
    counts = butler.get(coadd_ref.makeComponentRef("exposure_count"), parameters={"bbox": BOX})
    assert_bits_equal(counts.array, coadd.exposure_count[BOX].array)
    assert [d.weight for d in butler.get(coadd_ref.makeComponentRef("detectors"))] == [
        d.weight for d in coadd.detectors
    ]


def test_the_psf_is_a_component(
    butler: Butler, coadd_ref: DatasetRef, products: tuple[PatchCoadd, list[Warp]]
) -> None:
    psf = butler.get(coadd_ref.makeComponentRef("psf"))
    assert psf.bounds == products[0].bbox
    expected = products[0].psf.compute_kernel_image(x=60, y=50).array
    assert psf.compute_kernel_image(x=60, y=50).array == pytest.approx(expected, abs=1e-12)


def test_unknown_parts_and_parameters_are_refused(butler: Butler, coadd_ref: DatasetRef) -> None:
    with pytest.raises(KeyError, match="size"):
        butler.get(coadd_ref, parameters={"size": 3})
    with pytest.raises(KeyError, match="wcs"):
        coadd_ref.makeComponentRef("wcs")


def test_files_name_their_inputs(butler: Butler, coadd_ref: DatasetRef, warp_ref: DatasetRef) -> None:
    header = fits.getheader(butler.getURI(coadd_ref).ospath, 0)
    assert header["LSST BUTLER ID"] == str(coadd_ref.id)
    assert header["LSST BUTLER INPUT 0 ID"] == str(warp_ref.id)
    assert header["LSST BUTLER INPUT 0 DATASETTYPE"] == "deepCoadd_directWarp"


def test_files_have_the_times_of_their_inputs(
    butler: Butler, survey: SmallSurvey, products: tuple[PatchCoadd, list[Warp]]
) -> None:
    times = ExposureTimes.of(begin=60000.25, exposure_time=100.0)
    warp = products[1][0].copy()
    warp.detectors = tuple(dataclasses.replace(one, times=times) for one in warp.detectors)
    visit = {"instrument": warp.instrument, "visit": warp.visit}
    butler.collections.register("dated")
    ref = butler.put(warp, "deepCoadd_directWarp", {**place(products[0], survey), **visit}, run="dated")
    header = fits.getheader(butler.getURI(ref).ospath, 0)
    assert (header["MJD-BEG"], header["MJD-END"]) == (times.begin, times.end)
    assert (header["DATE-OBS"], header["EXPTIME"]) == ("2023-02-25T06:00:00.000", 100.0)


@pytest.mark.parametrize(("recipe", "compressed"), [("uncompressed", False), ("lossless", True)])
def test_compression_is_an_option_of_the_repository(
    tmp_path: Path,
    survey: SmallSurvey,
    products: tuple[PatchCoadd, list[Warp]],
    recipe: str,
    compressed: bool,
) -> None:
    with new_repository(tmp_path):
        pass
    with (tmp_path / "butler.yaml").open() as stream:
        text = stream.read()
    formatter = "lamella.tasks.formatters.ArchiveFormatter"
    entry = f"LamellaPatchCoadd: {formatter}"
    changed = f"LamellaPatchCoadd: {{formatter: {formatter}, parameters: {{recipe: {recipe}}}}}"
    assert entry in text
    (tmp_path / "butler.yaml").write_text(text.replace(entry, changed))
    with Butler.from_config(tmp_path, writeable=True, run=RUN) as butler:
        ingest_exposures(butler, survey.sources)
        register_skymap(butler, survey.skymap)
        butler.registry.registerDatasetType(
            next(d for d in coadd_datasets() if d.name == "deepCoadd").make_type(butler.dimensions)
        )
        ref = butler.put(products[0], "deepCoadd", {**place(products[0], survey), "band": "r"})
        with fits.open(butler.getURI(ref).ospath, disable_image_compression=True) as hdus:
            assert ("ZIMAGE" in hdus["IMAGE"].header) is compressed
        assert_same_planes(butler.get(ref), products[0])
        assert_same_planes(read_product(butler.getURI(ref).ospath), products[0])


def test_bright_objects_come_back(
    butler: Butler, survey: SmallSurvey, products: tuple[PatchCoadd, list[Warp]]
) -> None:
    objects = (
        BrightObject(id=7, ra=150.1, dec=2.2, shape="circle", radius=0.1 / 3, mag=9.25),
        BrightObject(id=8, ra=150.2, dec=-1e-7, shape="box", width=0.01, height=0.02, mag=1e-3),
    )
    catalog = BrightObjectCatalog(objects=objects, metadata={"tract": 0, "patch": "0,0", "filter": "r"})
    ref = butler.put(catalog, "brightObjectMask", {**place(products[0], survey), "band": "r"}, run=RUN)
    assert butler.get(ref) == catalog
    assert butler.getURI(ref).getExtension() == ".reg"


def test_region_files_without_magnitudes_are_read_back(tmp_path: Path) -> None:
    region = BrightObject(id=1, ra=359.5, dec=1.0, shape="circle", radius=0.5)
    path = tmp_path / "x.reg"
    path.write_text(regions_to_text(BrightObjectCatalog(objects=(region,))))
    (found,) = read_bright_objects(path)
    assert (found.id, found.ra, found.radius) == (1, 359.5, 0.5)
    assert found.mag != found.mag

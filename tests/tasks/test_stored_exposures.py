"""Exposures of other software in a repository: converted, described and coadded as they are."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import astropy.units as u
import pytest

pytest.importorskip("lsst.ctrl.mpexec", reason="needs the extra [lsst]")

from lsst.ctrl.mpexec.cli.pipetask import cli as pipetask
from lsst.daf.butler import Butler, DatasetType
from lsst.daf.butler.cli.utils import LogCliRunner
from lsst.images import VisitImage
from lsst.resources import ResourcePath

from lamella.data.exposure import Exposure
from lamella.errors import InputError, UnitError, UnknownFormatError
from lamella.formats.recognise import open_exposures
from lamella.run.coadds import coadd_exposures
from lamella.run.patch_config import PatchConfig
from lamella.sky.field import skymap_from_exposures
from lamella.sky.skymap import SkyMap
from lamella.tasks.repository import CONFIG_FOLDER, open_repository, register_skymap
from lamella.tasks.stored_exposures import convert_visit_image, open_stored
from lamella.tasks.visit_records import group_visits, insert_visit
from lamella.testing.asserts import assert_bits_equal

from ..formats.surveys.test_visit_image import make_visit_image, write
from ..same import COUNTS, assert_same_planes

VISITS = (7, 8, 9)
RUN = "Cam/runs/DRP"
PLACE = {"skymap": "around", "tract": 0, "patch": 0, "band": "r"}


def visit_images() -> list[VisitImage]:
    """Return three visits, one of them in another unit."""
    return [make_visit_image(visit=visit, unit=u.uJy if visit == 8 else u.nJy) for visit in VISITS]


@dataclasses.dataclass(frozen=True)
class Site:
    """A repository of a plain ``butler create`` with visit images, and a sky map of lamella's."""

    repo: Path
    skymap: SkyMap[Any]

    @property
    def stored(self) -> Path:
        """Folder of the visit images."""
        return self.repo / RUN / "visit_image"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("rubin")
    paths = [
        write(image, folder, f"{visit}.fits") for visit, image in zip(VISITS, visit_images(), strict=True)
    ]
    sources = open_exposures(paths).sources
    skymap = skymap_from_exposures([source.info for source in sources], name="around")
    Butler.makeRepo(folder / "repo")
    with Butler.from_config(folder / "repo", writeable=True, run=RUN) as butler:
        record = {"visit_max": 100, "exposure_max": 100, "detector_max": 10, "visit_system": 0}
        cls = "lsst.obs.lsst.LsstCam"
        butler.registry.insertDimensionData("instrument", {"name": "Cam", "class_name": cls, **record})
        dimensions = ["instrument", "visit", "detector"]
        kind = DatasetType("visit_image", dimensions, "VisitImage", universe=butler.dimensions)
        butler.registry.registerDatasetType(kind)
        for visit, image in zip(group_visits(sources), visit_images(), strict=True):
            insert_visit(butler, visit)
            butler.put(image, kind, {**visit.key, "detector": 3})
    with open_repository(folder / "repo", writeable=True) as butler:
        register_skymap(butler, skymap)
    return Site(folder / "repo", skymap)


def test_a_visit_image_becomes_the_exposure_of_its_file(site: Site) -> None:
    sources = open_exposures([site.stored]).sources
    with Butler.from_config(site.repo, collections=RUN, searchPaths=[CONFIG_FOLDER]) as butler:
        for source in sources:
            key = {"instrument": "Cam", "visit": source.info.id.visit, "detector": 3}
            found = butler.get("visit_image", key, storageClass="LamellaExposure")
            wanted = source.read()
            assert isinstance(found, Exposure)
            assert dataclasses.replace(found.info, path=wanted.info.path) == wanted.info
            assert found.to_njy == wanted.to_njy
            for plane in ("image", "mask", "variance"):
                assert_bits_equal(getattr(found.pixels, plane).array, getattr(wanted.pixels, plane).array)


def test_the_description_is_read_without_pixels(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    (source, *_) = open_exposures([site.stored]).sources
    with Butler.from_config(site.repo, collections=RUN) as butler:
        (ref, *_) = sorted(butler.query_datasets("visit_image", with_dimension_records=True))
        with caplog.at_level(logging.WARNING):
            info = open_stored(butler.getDeferred(ref)).info
        assert info == source.info
    assert caplog.records == []


def test_what_a_visit_image_lacks_is_told() -> None:
    with pytest.raises(UnitError, match="found electron without a scaling; expected nJy"):
        convert_visit_image(make_visit_image(unit=u.electron))


def test_the_pipeline_coadds_visit_images(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAF_BUTLER_CONFIG_PATH", CONFIG_FOLDER)
    pipeline = "resource://lamella/pipelines/coadd-noiseclip.yaml"
    arguments = f"-b {site.repo} -i {RUN},skymaps -o u/me/coadd -p {pipeline} --register-dataset-types"
    options = ["-c", "parameters:exposures=visit_image", "-d", "skymap = 'around'"]
    done = LogCliRunner().invoke(pipetask, ["run", *arguments.split(), *options])
    assert done.exit_code == 0, done.output
    assert "entire dataset must" not in done.output
    (expected,) = coadd_exposures(open_exposures([site.stored]).sources, site.skymap, PatchConfig())
    with open_repository(site.repo, collections="u/me/coadd") as butler:
        coadd = butler.get("deepCoadd", PLACE)
    assert_same_planes(coadd, expected, *COUNTS)
    assert [(d.id, d.weight) for d in coadd.detectors] == [(d.id, d.weight) for d in expected.detectors]
    assert [d.id.visit for d in coadd.detectors] == list(VISITS)


@pytest.mark.parametrize(
    ("address", "error"),
    [("broken.fits", InputError), ("s3://bucket/calexp.fits", UnknownFormatError)],
)
def test_what_is_no_file_of_afw_is_told(address: str, error: type[InputError], tmp_path: Path) -> None:
    (tmp_path / "broken.fits").write_bytes(b"SIMPLE  =")
    uri = ResourcePath(address if "://" in address else str(tmp_path / address))
    kind = SimpleNamespace(storageClass_name="ExposureF")
    handle: Any = SimpleNamespace(
        ref=SimpleNamespace(datasetType=kind), butler=SimpleNamespace(getURI=lambda ref: uri)
    )
    with pytest.raises(error, match=Path(address).name):
        open_stored(handle)

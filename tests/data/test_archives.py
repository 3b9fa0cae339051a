"""Archives are versioned documents: their layout is frozen, and files of all versions are read."""

from __future__ import annotations

import dataclasses
import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAliasType

import numpy as np
import pytest
from lsst.images import MaskedImage, MaskedImageSerializationModel
from lsst.images.serialization import ArrayReferenceModel, open_archive

from lamella.data.coadd import PatchCoaddSerializationModel
from lamella.data.detector import DetectorInput
from lamella.data.exposure_archive import ExposureImage, ExposureSerializationModel
from lamella.data.flux_unit import NJY
from lamella.data.times import UNKNOWN_TIMES, ExposureTimes
from lamella.data.warp import WarpSerializationModel
from lamella.formats.archive.artifact_files import read_artifacts
from lamella.formats.archive.products import read_product
from lamella.psf.parameters import psf_to_parameters

from . import archived

HERE = Path(__file__).parent
VERSIONS = sorted(folder.name for folder in (HERE / "archives").iterdir())
MODELS = (WarpSerializationModel, PatchCoaddSerializationModel, ExposureSerializationModel)


@pytest.fixture(params=VERSIONS)
def unpack(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that gives the path of a file of a version."""

    def file(name: str) -> Path:
        path = tmp_path / f"{name}.fits"
        path.write_bytes(
            gzip.decompress((HERE / "archives" / request.param / f"{path.name}.gz").read_bytes())
        )
        return path

    file.first = request.param == "0.1.0"  # type: ignore[attr-defined]
    # The older ones know nJy only.
    file.fluxes = archived.FLUXES if request.param in ("flux-units", "origins") else NJY  # type: ignore[attr-defined]
    file.origins = archived.ORIGINS if request.param == "origins" else {}  # type: ignore[attr-defined]
    return file


def numbers_of(psf: Any) -> tuple[str, dict[str, Any]]:
    kind, parameters = psf_to_parameters(psf)
    return kind, {name: np.asarray(value).tolist() for name, value in parameters.items()}


def plain(detector: DetectorInput, *, first: bool) -> dict[str, Any]:
    later = {"times": UNKNOWN_TIMES, "information": None} if first else {}
    fields = {name: getattr(detector, name) for name in DetectorInput.__dataclass_fields__}
    return {**fields, **later, "psf": numbers_of(detector.psf), "polygon": str(detector.polygon)}


def assert_same_planes(image: MaskedImage, expected: MaskedImage) -> None:
    assert image.bbox == expected.bbox
    assert image.unit == expected.unit
    assert image.sky_projection == expected.sky_projection
    np.testing.assert_array_equal(image.image.array, expected.image.array)
    np.testing.assert_array_equal(image.variance.array, expected.variance.array)
    assert image.mask.schema == expected.mask.schema
    np.testing.assert_array_equal(image.mask.array, expected.mask.array)


def assert_same_detectors(detectors: Any, expected: Any, *, first: bool) -> None:
    assert [plain(one, first=False) for one in detectors] == [plain(one, first=first) for one in expected]


@pytest.mark.parametrize("name", ["warp", "matched_warp"])
def test_warps_of_all_versions_are_read(unpack: Any, name: str) -> None:
    warp, expected = (
        read_product(unpack(name)),
        archived.warp(matched=name == "matched_warp", fluxes=unpack.fluxes),
    )
    assert warp.flux_unit == unpack.fluxes
    assert_same_planes(warp, expected)
    assert (warp.instrument, warp.visit, warp.band) == ("Cam", 7, "r")
    assert warp.metadata["settings"] == expected.metadata["settings"]
    assert_same_detectors(warp.detectors, expected.detectors, first=unpack.first)
    for record, wanted in zip(warp.match_records, expected.match_records, strict=True):
        assert (record.residual, record.noise_gain) == (wanted.residual, wanted.noise_gain)
        assert str(record.id) == str(wanted.id)
    if expected.matched_psf is not None:
        assert numbers_of(warp.matched_psf) == numbers_of(expected.matched_psf)
    if unpack.first:
        assert (warp.owners, warp.bad_mask_planes) == (None, None)
        return
    assert warp.bad_mask_planes == ("SATURATED",)
    if expected.owners is not None:
        np.testing.assert_array_equal(warp.owners.to_array(warp.bbox), expected.owners.to_array(warp.bbox))


def test_coadds_of_all_versions_are_read(unpack: Any) -> None:
    coadd, expected = read_product(unpack("coadd")), archived.coadd(unpack.fluxes)
    assert coadd.flux_unit == unpack.fluxes
    assert_same_planes(coadd, expected)
    for name in ("exposure_count", "exposure_count_unmasked"):
        np.testing.assert_array_equal(getattr(coadd, name).array, getattr(expected, name).array)
    assert coadd.id == expected.id
    assert_same_detectors(coadd.detectors, expected.detectors, first=unpack.first)
    assert numbers_of(coadd.matched_psf) == numbers_of(expected.matched_psf)
    if unpack.first:
        expected = expected.replace(
            noise=dataclasses.replace(expected.noise, flux_noise=None),
            removals=tuple(dataclasses.replace(r, shift_x=None, shift_y=None) for r in expected.removals),
            visit_checks=(),
        )
    for name in ("rejections", "settings", "versions", "notes", "noise", "removals", "visit_checks"):
        assert getattr(coadd, name) == getattr(expected, name), name


def test_exposures_of_all_versions_are_read(unpack: Any) -> None:
    with open_archive(str(unpack("exposure")), ExposureImage) as reader:
        exposure = reader.read().exposure
    expected = archived.exposure(unpack.fluxes)
    assert_same_planes(exposure.pixels, expected.pixels)
    assert numbers_of(exposure.psf) == numbers_of(expected.psf)
    assert (exposure.to_njy, exposure.notes) == (expected.to_njy, expected.notes)
    times = ExposureTimes.of(middle=60310.25, exposure_time=43200.0) if unpack.first else archived.TIMES
    assert exposure.info.origins == unpack.origins
    for name in set(expected.info.__dataclass_fields__) - {"times", "polygon", "origins"}:
        assert getattr(exposure.info, name) == getattr(expected.info, name), name
    assert exposure.info.times == times
    assert str(exposure.info.polygon) == str(expected.info.polygon)


def test_artifacts_of_all_versions_are_read(unpack: Any) -> None:
    masks, expected = read_artifacts(unpack("artifacts")), archived.artifacts()
    for name in ("band", "skymap", "tract", "patch", "method", "bbox", "plane_names"):
        assert getattr(masks, name) == getattr(expected, name), name
    for plane in (None, "CLIPPED", "STREAK"):
        np.testing.assert_array_equal(masks.counts(plane), expected.counts(plane))
    removals = expected.removals
    if unpack.first:
        removals = tuple(dataclasses.replace(one, shift_x=None, shift_y=None) for one in removals)
    assert masks.removals == removals


def layout(schema: Any, definitions: dict[str, Any]) -> Any:
    """Return a JSON schema with our own models in place of their names, without titles and descriptions."""
    if isinstance(schema, list):
        return [layout(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return layout(definitions[name], definitions) if name in definitions else f"lsst.images {name}"
    told = {"title", "description", "$defs", "$schema", "$id"}
    return {
        key: {name: layout(item, definitions) for name, item in value.items()}
        if key == "properties"
        else layout(value, definitions)
        for key, value in schema.items()
        if key not in told
    }


def test_layouts_are_frozen() -> None:
    """Who changes one gives it a new version, adds files of it to ``archives``, and writes it down here."""
    modules = [module for name, module in sys.modules.items() if name.startswith("lamella.")]
    own = {
        name
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type | TypeAliasType) and value.__module__.startswith("lamella.")
    }
    inherited = set(MaskedImageSerializationModel.model_fields)
    frozen = {}
    for model in MODELS:
        schema = model[ArrayReferenceModel].model_json_schema()
        ours = {name: body for name, body in schema["$defs"].items() if name.partition("_")[0] in own}
        fields = {name: body for name, body in schema["properties"].items() if name not in inherited}
        frozen[f"{model.SCHEMA_NAME} {model.SCHEMA_VERSION}"] = {
            "required": sorted(set(schema["required"]) - inherited),
            "properties": {name: layout(body, ours) for name, body in fields.items()},
        }
    assert frozen == json.loads((HERE / "layouts.json").read_text())

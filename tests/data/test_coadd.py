"""Warps and coadds come back from archives as they were, whole, by box and by part."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from lsst.images import Box, MaskedImage, MaskedImageSerializationModel
from lsst.images.serialization import open_archive

from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.data.coadd import (
    PatchCoadd,
    PatchCoaddSerializationModel,
    PatchId,
    Provenance,
    Rejection,
    RejectionModel,
)
from lamella.data.detector import DetectorModel
from lamella.data.exposure import ExposureId
from lamella.data.warp import Warp, WarpSerializationModel
from lamella.errors import InvalidPsfError, ShapeError
from lamella.formats.archive.write import write_archive


@pytest.fixture
def coadd(maker) -> PatchCoadd:
    warps = [maker.warp(visit, extra=("CUSTOM",)) for visit in (1, 2, 3)]
    maker.flag(warps[0], "BAD", (slice(5, 8), slice(10, 20)))
    maker.flag(warps[1], "CUSTOM", (slice(0, 2), slice(0, 2)))
    rejected = [Rejection(ExposureId("Cam", 9, 3, "r"), "visit9.fits", "select", "PSF too wide")]
    return assemble(warps, AssembleConfig(statistic="MEAN"), rejected=rejected)


def assert_same_planes(first: MaskedImage, second: MaskedImage) -> None:
    assert first.bbox == second.bbox
    np.testing.assert_array_equal(first.image.array, second.image.array)
    np.testing.assert_array_equal(first.variance.array, second.variance.array)
    assert first.mask == second.mask
    assert first.unit == second.unit
    assert first.sky_projection == second.sky_projection


def test_a_warp_comes_back(maker, tmp_path: Path) -> None:
    warp = maker.warp(7)
    maker.flag(warp, "SAT", (slice(0, 3), slice(0, 3)))
    write_archive(warp, tmp_path / "warp.fits")
    again = Warp.read(str(tmp_path / "warp.fits"))
    assert_same_planes(again, warp)
    assert (again.instrument, again.visit, again.band) == ("Cam", 7, "r")
    assert again.mask.array.dtype == np.int32
    (detector,), (before,) = again.detectors, warp.detectors
    assert detector.id == before.id
    assert detector.projection == before.projection
    assert (detector.good_pixels, detector.path, detector.psf_fwhm) == (2000, "visit7.fits", 0.7)
    assert detector.notes == before.notes
    assert detector.psf == before.psf


def test_a_coadd_comes_back_with_everything(coadd: PatchCoadd, tmp_path: Path) -> None:
    write_archive(coadd, tmp_path / "coadd.fits")
    again = PatchCoadd.read(str(tmp_path / "coadd.fits"))
    assert_same_planes(again, coadd)
    assert "CUSTOM" in again.mask.schema
    np.testing.assert_array_equal(again.exposure_count.array, coadd.exposure_count.array)
    np.testing.assert_array_equal(again.exposure_count_unmasked.array, coadd.exposure_count_unmasked.array)
    assert again.exposure_count.array.dtype == np.int32
    for name in ("band", "skymap", "tract", "patch", "inner_bbox", "settings", "versions", "notes"):
        assert getattr(again, name) == getattr(coadd, name)
    assert again.rejections == coadd.rejections
    # As text, because times that are not known are NaN.
    assert [str(row) for row in again.inputs] == [str(row) for row in coadd.inputs]
    first, second = (c.psf.compute_kernel_image(x=220, y=120).array for c in (again, coadd))
    np.testing.assert_array_equal(first, second)


def test_a_box_is_read_without_the_rest(coadd: PatchCoadd, tmp_path: Path) -> None:
    write_archive(coadd, tmp_path / "coadd.fits")
    box = Box.factory[104:110, 205:222]
    part = PatchCoadd.read(str(tmp_path / "coadd.fits"), bbox=box)
    assert_same_planes(part, coadd[box])
    np.testing.assert_array_equal(part.exposure_count.array, coadd[box].exposure_count.array)


def test_the_tools_of_lsst_images_read_parts(coadd: PatchCoadd, tmp_path: Path) -> None:
    write_archive(coadd, tmp_path / "coadd.fits")
    box = Box.factory[104:110, 205:222]
    with open_archive(tmp_path / "coadd.fits") as reader:
        assert reader.info.schema_name == "lamella_patch_coadd"
        count = reader.get_component("exposure_count", bbox=box)
        np.testing.assert_array_equal(count.array, coadd.exposure_count[box].array)
        assert reader.get_component("band") == "r"
        assert reader.get_component("rejected") == coadd.rejections
        assert len(reader.get_component("detectors")) == 3


def test_slices_and_copies_keep_the_parts(coadd: PatchCoadd) -> None:
    part = coadd[Box.factory[104:110, 205:222]]
    assert isinstance(part, PatchCoadd)
    assert part.exposure_count.bbox == part.bbox
    copy = coadd.copy()
    copy.image.array[:] = 0
    assert coadd.image.array.mean() > 5
    assert copy.settings == coadd.settings


def test_tables_say_what_is_in_and_what_is_not(coadd: PatchCoadd) -> None:
    assert list(coadd.inputs["visit"]) == [1, 2, 3]
    assert coadd.inputs["weight"].unit == "arcsec2 nJy-2"
    assert list(coadd.rejected["reason"]) == ["PSF too wide"]
    assert coadd.notes[-1] == "sky subtracted"


def test_a_coadd_without_records_has_no_psf(maker) -> None:
    warp = maker.warp(1)
    bare = Warp(warp.image, mask=warp.mask, variance=warp.variance, instrument="Cam", visit=1, band="r")
    with pytest.raises(InvalidPsfError, match="no input is on record"):
        _ = bare.psf
    assert len(assemble([bare]).inputs) == 0


def test_counts_must_have_the_box_of_the_image(coadd: PatchCoadd) -> None:
    small = coadd.exposure_count[Box.factory[104:110, 205:222]]
    with pytest.raises(ShapeError, match="exposure_count"):
        PatchCoadd(
            coadd.image,
            mask=coadd.mask,
            variance=coadd.variance,
            exposure_count=small,
            exposure_count_unmasked=coadd.exposure_count_unmasked,
            id=coadd.id,
        )


def test_models_share_what_pydantic_makes_of_their_parts() -> None:
    (base,) = {model.__bases__[0] for model in (WarpSerializationModel, PatchCoaddSerializationModel)}
    assert issubclass(base, MaskedImageSerializationModel)
    assert base is not MaskedImageSerializationModel


def test_records_of_the_first_version_have_neither_bands_of_rejections_nor_times() -> None:
    """Files of version 0.1.0 lack them: the band is that of the coadd, and times are not known."""
    row = {"instrument": "Cam", "visit": 9, "detector": 3, "path": "a", "stage": "read", "reason": "cut"}
    assert RejectionModel.model_validate(row).to_value("r").id == ExposureId("Cam", 9, 3, "r")
    written = {**row, "band": "i"}
    assert RejectionModel.model_validate(written).to_value("r").id == ExposureId("Cam", 9, 3, "i")
    assert not DetectorModel.model_fields["times"].is_required()
    assert DetectorModel.model_fields["times"].default is None


FIELDS = [field.name for kind in (PatchId, Provenance) for field in dataclasses.fields(kind)]


@pytest.mark.parametrize("name", [*FIELDS, "id", "provenance", "exposure_count", "exposure_count_unmasked"])
def test_nothing_is_set_on_a_coadd(coadd: PatchCoadd, name: str) -> None:
    before = getattr(coadd, name)
    with pytest.raises(AttributeError, match=r"made once: replace\(\)"):
        setattr(coadd, name, before)
    assert getattr(coadd, name) is before


def test_another_record_is_another_coadd_of_the_same_pixels(coadd: PatchCoadd) -> None:
    psf, record = coadd.psf, coadd.provenance
    other = coadd.replace(tract=9, notes=("new",))
    assert (other.tract, other.notes, other.detectors) == (9, ("new",), coadd.detectors)
    assert (coadd.tract, coadd.provenance) == (0, record)
    assert other.image.array is coadd.image.array
    assert other.exposure_count is coadd.exposure_count
    assert other.psf is psf
    assert coadd.replace(detectors=coadd.detectors[:1]).psf != psf
    with pytest.raises(TypeError, match="colour"):
        coadd.replace(colour="r")

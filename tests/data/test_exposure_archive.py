"""Exposures in archives: whole, by box, by part."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from lsst.images import Box, Polygon
from lsst.images.fields import ChebyshevField
from lsst.images.serialization import open_archive

from lamella.data.exposure import Exposure
from lamella.data.exposure_archive import ExposureImage, ExposureSerializationModel
from lamella.errors import InvalidPsfError
from lamella.psf.coadd import CoaddPsf, PsfComponent
from lamella.testing.asserts import assert_bits_equal
from lamella.testing.config import SurveyConfig
from lamella.testing.survey import Survey

BOX = Box.factory[5:30, 12:40]


@pytest.fixture(scope="module")
def exposure() -> Exposure:
    config = SurveyConfig(bands=("r",), visits_per_band=1, detector_shape=(60, 70), stars=3, galaxies=2)
    read = Survey(config).exposures()[0].read()
    corners = np.array([[3.0, 3.0], [60.0, 4.0], [55.0, 50.0], [2.0, 48.0]])
    polygon = Polygon(x_vertices=corners[:, 0], y_vertices=corners[:, 1])
    info = dataclasses.replace(read.info, polygon=polygon, quality={"effTime": 12.5}, physical_filter="r2")
    return dataclasses.replace(read, info=info, notes=("one", "two"))


def write(exposure: Exposure, path: Path) -> Path:
    ExposureImage(exposure).write(str(path))
    return path


def read(path: Path, **parameters: Box) -> Exposure:
    with open_archive(str(path), ExposureImage) as reader:
        return reader.read(**parameters).exposure


def test_the_schema_is_ours() -> None:
    assert ExposureSerializationModel.SCHEMA_NAME == "lamella_exposure"
    assert ExposureSerializationModel.PUBLIC_TYPE is ExposureImage


def test_an_exposure_comes_back(exposure: Exposure, tmp_path: Path) -> None:
    found = read(write(exposure, tmp_path / "e.fits"))
    for plane in ("image", "variance", "mask"):
        assert_bits_equal(getattr(found.pixels, plane).array, getattr(exposure.pixels, plane).array)
    assert found.pixels.mask.schema == exposure.pixels.mask.schema
    assert (found.to_njy, found.notes) == (exposure.to_njy, exposure.notes)
    names = set(exposure.info.__dataclass_fields__) - {"projection"}
    assert {n: getattr(found.info, n) for n in names} == {n: getattr(exposure.info, n) for n in names}
    kernel = exposure.psf.compute_kernel_image(x=20, y=20)
    assert_bits_equal(found.psf.compute_kernel_image(x=20, y=20).array, kernel.array)
    here, there = (one.info.projection.pixel_to_sky(x=30.0, y=9.0) for one in (found, exposure))
    assert here.separation(there) < 1e-9 * u.arcsec


def test_a_box_is_an_exposure_of_these_pixels(exposure: Exposure, tmp_path: Path) -> None:
    found = read(write(exposure, tmp_path / "e.fits"), bbox=BOX)
    assert found.info.bbox == found.pixels.bbox == BOX
    assert_bits_equal(found.pixels.image.array, exposure.pixels[BOX].image.array)
    cut = ExposureImage(exposure)[BOX].exposure
    assert_bits_equal(found.pixels.mask.array, cut.pixels.mask.array)
    assert cut.info.bbox == BOX


def test_parts_are_read_alone(exposure: Exposure, tmp_path: Path) -> None:
    with open_archive(str(write(exposure, tmp_path / "e.fits")), ExposureImage, partial=True) as reader:
        assert reader.get_component("info").quality == {"effTime": 12.5}
        assert reader.get_component("to_njy") == exposure.to_njy
        assert_bits_equal(reader.get_component("mask").array, exposure.pixels.mask.array)
        assert_bits_equal(
            reader.get_component("masked_image", bbox=BOX).variance.array, exposure.pixels[BOX].variance.array
        )
        kernel = exposure.psf.compute_kernel_image(x=20, y=20)
        assert_bits_equal(reader.get_component("psf").compute_kernel_image(x=20, y=20).array, kernel.array)


def test_a_scale_that_varies_comes_back(exposure: Exposure, tmp_path: Path) -> None:
    field = ChebyshevField(exposure.info.bbox, np.array([[2.0, 0.25], [0.5, 0.0]]))
    found = read(write(dataclasses.replace(exposure, to_njy=field), tmp_path / "e.fits"))
    assert not isinstance(found.to_njy, float)
    assert float(found.to_njy(x=50, y=40)) == float(field(x=50, y=40)) != float(field(x=5, y=4))


def test_a_copy_shares_nothing(exposure: Exposure) -> None:
    image = ExposureImage(exposure)
    copy = image.copy()
    copy.exposure.pixels.image.array[...] = 0.0
    assert np.any(image.image.array != 0.0)
    assert np.all(copy.image.array == 0.0)


def test_a_psf_that_is_not_made_of_numbers_is_refused(exposure: Exposure, tmp_path: Path) -> None:
    info = exposure.info
    part = PsfComponent(
        label="one", psf=exposure.psf, projection=info.projection, bbox=info.bbox, polygon=None
    )
    odd = dataclasses.replace(exposure, psf=CoaddPsf([part], info.projection, info.bbox))
    with pytest.raises(InvalidPsfError, match="CoaddPsf cannot be written as numbers"):
        write(odd, tmp_path / "e.fits")

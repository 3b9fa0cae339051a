"""Photometric factors against magnitudes."""

from __future__ import annotations

import dataclasses
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.images import Image, MaskedImage
from lsst.pipe.base import Struct

from lamella.data.exposure import Exposure, ExposureId, ExposureInfo
from lamella.data.flux_unit import FluxUnit
from lamella.errors import CalibrationError, NoInputsError, ShapeError
from lamella.tasks.manual.scaleZeroPoint import (
    ImageScaler,
    PhotoCalib,
    ScaleZeroPointTask,
    SelectFluxMag0Task,
    SpatialImageScaler,
    SpatialScaleZeroPointTask,
)


def counts_image(maker: Any, zero_point: float) -> MaskedImage:
    warp = maker.warp(1, value=10.0, variance=4.0, noise=False)
    image = Image(warp.image.array, bbox=warp.bbox, unit=u.ct, sky_projection=maker.projection)
    variance = Image(warp.variance.array, bbox=warp.bbox, unit=u.ct**2)
    metadata = {"fluxMag0": 10 ** (0.4 * zero_point)}
    return MaskedImage(image, mask=warp.mask, variance=variance, metadata=metadata)


@pytest.mark.parametrize("out_zero_point", [23.0, 24.0])
@pytest.mark.parametrize("in_zero_point", [24.0, 25.5])
def test_images_are_put_on_the_zero_point(maker, in_zero_point: float, out_zero_point: float) -> None:
    config = ScaleZeroPointTask.ConfigClass()
    config.zeroPoint = out_zero_point
    task = ScaleZeroPointTask(config=config)
    assert task.getPhotoCalib().getMagnitude(1.0) == pytest.approx(out_zero_point, abs=1e-9)
    assert task.getCalib() is task.getPhotoCalib()
    calib = PhotoCalib.from_flux_mag0(10 ** (0.4 * in_zero_point))
    scale = 1.0 / calib.magnitudeToInstFlux(out_zero_point)
    for found in (task.scaleFromPhotoCalib(calib), task.scaleFromCalib(calib)):
        assert found.scale == pytest.approx(scale, rel=1e-12)
    assert task.scaleFromFluxMag0(calib.getFluxMag0()).scale == pytest.approx(scale, rel=1e-12)
    image = counts_image(maker, in_zero_point)
    scaler = task.run(image).imageScaler
    assert scaler.scale == pytest.approx(scale, rel=1e-6)
    np.testing.assert_allclose(image.image.array, 10 * scale, rtol=1e-6)
    np.testing.assert_allclose(image.variance.array, 4 * scale**2, rtol=1e-6)


def test_exposures_in_njy_and_exposures_with_a_scale(maker) -> None:
    warp = maker.warp(1)
    assert PhotoCalib.from_exposure(warp).getCalibrationMean() == 1.0
    info = ExposureInfo(
        id=ExposureId("Cam", 1, 1), path="", band="r", bbox=warp.bbox, projection=maker.projection
    )
    exposure = Exposure(info=info, pixels=warp, psf=maker.psf(), to_njy=57.5)
    # 57.5 nJy per count is a zero point of 31.4 - 2.5 log10(57.5).
    assert PhotoCalib.from_exposure(exposure).getMagnitude(1.0) == pytest.approx(27.0, abs=1e-3)
    assert PhotoCalib.from_exposure(exposure).getInstFluxAtZeroMagnitude() == pytest.approx(
        10**10.8, rel=1e-3
    )
    relative = dataclasses.replace(info, flux_unit=FluxUnit("adu", "a.fits"))
    with pytest.raises(CalibrationError, match="no magnitudes"):
        PhotoCalib.from_exposure(dataclasses.replace(exposure, info=relative))
    unknown = counts_image(maker, 25.0)
    del unknown.metadata["fluxMag0"]
    with pytest.raises(CalibrationError, match="expected nJy"):
        PhotoCalib.from_exposure(unknown)
    with pytest.raises(CalibrationError, match="positive"):
        PhotoCalib.from_flux_mag0(0.0)


def test_a_scaler_of_one_changes_nothing(maker) -> None:
    warp = maker.warp(1)
    before = warp.image.array.copy()
    ImageScaler().scaleMaskedImage(warp)
    np.testing.assert_array_equal(warp.image.array, before)


def test_the_spatial_scaler_applies_the_mean(maker) -> None:
    warp = maker.warp(1, noise=False)
    SpatialImageScaler("CONSTANT", [1.0, 2.0], [1.0, 2.0], [2.0, 4.0]).scaleMaskedImage(warp)
    np.testing.assert_array_equal(warp.image.array, 30.0)
    np.testing.assert_array_equal(warp.variance.array, 36.0)
    with pytest.raises(ShapeError, match="yList"):
        SpatialImageScaler("CONSTANT", [1.0], [], [2.0])
    with pytest.raises(NoInputsError):
        SpatialImageScaler("CONSTANT", [], [], [])


class TwoPoints(SelectFluxMag0Task):
    """Knows of two scales in every exposure."""

    def run(self, dataId: Any, coordList: Any = ()) -> Struct:
        where = SkyCoord([149.99, 149.991], [2.005, 2.006], unit="deg")
        infos = [Struct(fluxMag0=10 ** (0.4 * zero), coordList=list(where)) for zero in (25.0, 26.0)]
        return Struct(fluxMagInfoList=infos)


def test_the_spatial_task_uses_what_its_subtask_finds(maker) -> None:
    config = SpatialScaleZeroPointTask.ConfigClass()
    with pytest.raises(NoInputsError, match="retarget selectFluxMag0"):
        SpatialScaleZeroPointTask(config=config).computeImageScaler(maker.warp(1))
    config.selectFluxMag0.retarget(TwoPoints)
    warp = maker.warp(1, noise=False)
    scaler = SpatialScaleZeroPointTask(config=config).run(warp, dataRef=None).imageScaler
    expected = [10**0.8, 10**0.4]
    np.testing.assert_allclose(scaler.scaleList, expected, rtol=1e-12)
    np.testing.assert_allclose(warp.image.array, 10 * np.mean(expected), rtol=1e-6)
    x = maker.projection.sky_to_pixel(SkyCoord(149.9905, 2.0055, unit="deg")).x
    np.testing.assert_allclose(scaler.xList, x, atol=1e-3)

"""Values by formula, of which ``archives/`` holds files of every version of their archived form.

Where a new version changes a layout, ``python tests/data/archived.py FOLDER`` writes files of it; compressed
with ``gzip -9n`` they are added beside the older ones, which stay as they are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.wcs import WCS
from lsst.images import Box, Image, Mask, MaskedImage, Polygon, SkyProjection, TractFrame
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.coadd.reject.artifact_masks import ArtifactMasks, VisitMask
from lamella.data.coadd import PatchCoadd, PatchId, Provenance, Rejection
from lamella.data.detector import DetectorInput
from lamella.data.exposure import Exposure, ExposureId, ExposureInfo
from lamella.data.exposure_archive import ExposureImage
from lamella.data.flux_unit import FluxUnit
from lamella.data.noise import SkyNoise
from lamella.data.origins import Origin
from lamella.data.owners import Owners
from lamella.data.removals import Removal
from lamella.data.times import ExposureTimes
from lamella.data.visit_check import VisitCheck
from lamella.data.warp import MatchRecord, Warp
from lamella.formats.archive.artifact_files import write_artifacts
from lamella.formats.archive.write import write_archive
from lamella.image.spans import Runs, SpanMask
from lamella.planes import Layout, make_schema
from lamella.psf.gridded import GriddedPsf

BOX = Box.factory[100:116, 200:220]
FLUXES = FluxUnit("adu", "visit7-1.fits")
ORIGINS = {"PSF": Origin("assumed", "width of the median", "0.7"), "noise": Origin("header", "RDNOISE")}
TIMES = ExposureTimes(begin=60310.0, middle=60310.25, end=60310.5, exposure_time=43200.0)
SETTINGS = {"assemble": {"statistic": "MEAN", "weights": {"rule": "variance"}}, "select": {"max_fwhm": None}}
REMOVALS = (
    Removal(
        instrument="Cam", visit=1, valid=320, removed=12, transient=8, streak=4, shift_x=0.5, shift_y=-0.25
    ),
    Removal(instrument="Cam", visit=2, valid=300, removed=0, alone=7, warning="Look at it."),
)
CHECKS = (
    VisitCheck(instrument="Cam", visit=1, sources=9, dx=0.125, dy=-0.5, flux=1.0625, warning="Bright."),
)


def projection() -> SkyProjection[Any]:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 2.0]
    wcs.wcs.crpix = [1.0, 1.0]
    wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    return SkyProjection.from_fits_wcs(wcs, TractFrame(skymap="test", tract=3, bbox=BOX))


def planes(unit: Any = u.nJy) -> MaskedImage:
    schema = make_schema(("CUSTOM",))
    number = np.arange(BOX.area).reshape(BOX.shape)
    image = (number % 37 - 18).astype(np.float32) / 8
    variance = (number % 11 + 1).astype(np.float32) / 4
    mask = np.where(number % 5 == 0, Layout(schema).bits(("SATURATED", "CUSTOM")), 0).astype(np.int32)
    image[0], variance[0], mask[0] = np.nan, np.inf, Layout(schema).bits(("NO_DATA",))
    return MaskedImage(
        Image(image, bbox=BOX, unit=unit, sky_projection=projection()),
        mask=Mask(mask[..., np.newaxis], bbox=BOX, schema=schema),
        variance=Image(variance, bbox=BOX, unit=unit**2),
    )


def psf() -> GriddedPsf:
    stamp = np.outer([1.0, 4.0, 6.0, 4.0, 1.0], [1.0, 4.0, 6.0, 4.0, 1.0]) / 256
    return GriddedPsf(np.array([[stamp, stamp.T], [stamp, stamp]]), [200, 219], [100, 115], BOX)


def detectors(fluxes: FluxUnit = FLUXES) -> list[DetectorInput]:
    corners = np.array([[200.0, 100.0], [218.0, 101.0], [217.0, 114.0], [201.0, 113.0]])
    return [
        DetectorInput(
            id=ExposureId("Cam", 7, number),
            band="r",
            bbox=BOX,
            projection=projection(),
            psf=psf() if number == 1 else GaussianPointSpreadFunction(1.5, BOX, 7),
            polygon=Polygon(x_vertices=corners[:, 0], y_vertices=corners[:, 1]) if number == 1 else None,
            good_pixels=150 + number,
            weight=0.5 * number,
            information=None if number == 1 else 0.75,
            path=f"visit7-{number}.fits",
            psf_fwhm=0.7 if number == 1 else None,
            times=TIMES,
            notes=("sky subtracted", "second note"),
            flux_unit=fluxes,
        )
        for number in (1, 2)
    ]


def warp(*, matched: bool = False, fluxes: FluxUnit = FLUXES) -> Warp:
    pixels, records = planes(fluxes.unit), [MatchRecord(ExposureId("Cam", 7, 1, "r"), 0.015625, 0.5)]
    owner = np.zeros(BOX.shape, np.int32)
    owner[:, 9:] = 1
    return Warp(
        pixels.image,
        mask=pixels.mask,
        variance=pixels.variance,
        instrument="Cam",
        visit=7,
        band="r",
        detectors=detectors(fluxes),
        owners=None if matched else Owners.from_array(owner, BOX),
        matched_psf=GaussianPointSpreadFunction(2.5, BOX, 21) if matched else None,
        match_records=records if matched else (),
        bad_mask_planes=("SATURATED",),
        metadata={"settings": '{"warp": 1}'},
    )


def coadd(fluxes: FluxUnit = FLUXES) -> PatchCoadd:
    pixels = planes(fluxes.unit)
    count = np.arange(BOX.area, dtype=np.int32).reshape(BOX.shape) % 4
    return PatchCoadd(
        pixels.image,
        mask=pixels.mask,
        variance=pixels.variance,
        exposure_count=Image(count, bbox=BOX),
        exposure_count_unmasked=Image(count + 1, bbox=BOX),
        id=PatchId("r", "test", 3, (5, 4), Box.factory[102:114, 203:218]),
        provenance=Provenance(
            detectors=tuple(detectors(fluxes)),
            rejections=(Rejection(ExposureId("Cam", 9, 3, "r"), "visit9.fits", "select", "PSF too wide"),),
            settings=SETTINGS,
            versions={"lamella": "0.1.0"},
            notes=("sky subtracted",),
            noise=SkyNoise(pixel_noise=1.5, pixel=1.25, psf=2.5, flux_noise=3.5, correction="psf"),
            removals=REMOVALS,
            visit_checks=CHECKS,
            matched_psf=GaussianPointSpreadFunction(2.5, BOX, 21),
        ),
    )


def exposure(fluxes: FluxUnit = FLUXES) -> Exposure:
    (detector, _), pixels = detectors(fluxes), planes(u.ct)
    info = ExposureInfo(
        id=detector.id,
        path=detector.path,
        band="r",
        bbox=BOX,
        projection=projection(),
        physical_filter="r sdss",
        polygon=detector.polygon,
        psf_fwhm=0.7,
        quality={"effTime": 12.5},
        times=TIMES,
        format="table",
        flux_unit=fluxes,
        origins=ORIGINS,
    )
    return Exposure(info=info, pixels=pixels, psf=psf(), to_njy=57.5, notes=detector.notes)


def artifacts() -> ArtifactMasks:
    clipped, streak = np.zeros((2, *BOX.shape), bool)
    clipped[3:5, 6:9] = streak[:, 7] = True
    sets = {"CLIPPED": Runs.from_array(clipped | streak, BOX), "STREAK": Runs.from_array(streak, BOX)}
    return ArtifactMasks(
        band="r",
        skymap="test",
        tract=3,
        patch=(5, 4),
        method="compare_warp",
        bbox=BOX,
        projection=projection(),
        visits=(
            VisitMask(removal=REMOVALS[0], planes=SpanMask(sets), removed=Runs.from_array(clipped, BOX)),
            VisitMask(
                removal=REMOVALS[1], planes=SpanMask({}), removed=Runs.from_array(clipped & ~clipped, BOX)
            ),
        ),
    )


def write(folder: Path) -> None:
    """Write the files of this version of the code."""
    write_archive(warp(), folder / "warp.fits")
    write_archive(warp(matched=True), folder / "matched_warp.fits")
    write_archive(coadd(), folder / "coadd.fits")
    ExposureImage(exposure()).write(str(folder / "exposure.fits"))
    write_artifacts(artifacts(), folder / "artifacts.fits")


if __name__ == "__main__":
    write(Path(sys.argv[1]))

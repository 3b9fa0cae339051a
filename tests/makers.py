"""Images, exposures, detectors and coadds made by hand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import astropy.units as u
import numpy as np
from lsst.images import Box, Image, Mask, MaskedImage, MaskSchema, SkyProjection
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.data.coadd import PatchCoadd, PatchId
from lamella.data.detector import DetectorInput
from lamella.data.exposure import Exposure, ExposureId, ExposureInfo
from lamella.data.warp import Warp
from lamella.planes import Layout, make_schema

from .projections import turned_tan


def make_planes(
    image: Any,
    variance: Any,
    mask: Any = 0,
    *,
    box: Box | None = None,
    schema: MaskSchema | None = None,
    unit: Any = None,
    projection: SkyProjection[Any] | None = None,
) -> MaskedImage:
    """Return three planes from arrays of shape (y, x), or numbers for variance and mask."""
    box = box or Box.from_shape(image.shape)
    bits = np.broadcast_to(mask, box.shape).astype(np.int32)
    spread = np.broadcast_to(variance, box.shape).astype(np.float32)
    return MaskedImage(
        Image(image.astype(np.float32), bbox=box, unit=unit, sky_projection=projection),
        mask=Mask(bits[..., np.newaxis], bbox=box, schema=schema or make_schema()),
        variance=Image(spread, bbox=box, unit=None if unit is None else unit**2),
    )


def make_exposure(
    planes: MaskedImage,
    *,
    visit: int = 7,
    detector: int = 1,
    sigma: float = 1.5,
    side: int = 21,
    to_njy: Any = 1.0,
    notes: Iterable[str] = (),
    **info: Any,
) -> Exposure:
    """Return an exposure with the PSF of a Gaussian; ``info`` are fields of `ExposureInfo`."""
    box = planes.bbox
    values = {"path": f"{visit}-{detector}.fits", "band": "r", "projection": planes.sky_projection} | info
    return Exposure(
        info=ExposureInfo(id=ExposureId("Cam", visit, detector), bbox=box, **values),
        pixels=planes,
        psf=GaussianPointSpreadFunction(sigma, bounds=box, stamp_size=side),
        to_njy=to_njy,
        notes=tuple(notes),
    )


def make_detector(
    visit: int,
    detector: int,
    box: Box,
    projection: SkyProjection[Any],
    *,
    instrument: str = "Cam",
    sigma: float = 2.0,
    side: int = 21,
    **values: Any,
) -> DetectorInput:
    """Return the record of a detector with the PSF of a Gaussian, in band r."""
    psf = GaussianPointSpreadFunction(sigma, box, side)
    identity = ExposureId(instrument, visit, detector)
    return DetectorInput(id=identity, bbox=box, projection=projection, **({"band": "r", "psf": psf} | values))


def make_warp(planes: MaskedImage, visit: int, detectors: Iterable[DetectorInput], **values: Any) -> Warp:
    """Return a warp of three planes."""
    return Warp(
        planes.image,
        mask=planes.mask,
        variance=planes.variance,
        visit=visit,
        detectors=[*detectors],
        **({"instrument": "Cam", "band": "r"} | values),
    )


def make_coadd(planes: MaskedImage, count: np.ndarray, **values: Any) -> PatchCoadd:
    """Return a coadd of three planes and a count; ``values`` replace planes and fields of its records."""
    counts = Image(np.asarray(count, dtype=np.int32), bbox=planes.bbox)
    parts = {
        "image": planes.image,
        "mask": planes.mask,
        "variance": planes.variance,
        "exposure_count": counts,
        "exposure_count_unmasked": counts.copy(),
    }
    pixels = {name: values.pop(name, plane) for name, plane in parts.items()}
    identity = PatchId("", "", 0, (0, 0), planes.bbox)
    coadd = PatchCoadd(pixels.pop("image"), **pixels, id=identity, metadata=values.pop("metadata", None))
    values = {"inner_bbox": planes.bbox} | values
    return coadd.replace(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


class WarpMaker:
    """Makes small warps on one pixel grid."""

    def __init__(self, shape: tuple[int, int] = (40, 50), start: tuple[int, int] = (100, 200)) -> None:
        self.bbox = Box.from_shape(shape, start=start)
        self.projection = turned_tan(150.0, 2.0, x=0.0, y=0.0, tract=self.bbox)

    def psf(self, sigma: float = 2.0) -> GaussianPointSpreadFunction:
        return GaussianPointSpreadFunction(sigma, self.bbox, 21)

    def detector(self, visit: int, sigma: float = 2.0) -> DetectorInput:
        return make_detector(
            visit, 3, self.bbox, self.projection, sigma=sigma,
            good_pixels=self.bbox.area, path=f"visit{visit}.fits", psf_fwhm=0.7, notes=("sky subtracted",),
        )  # fmt: skip

    def warp(
        self,
        visit: int,
        *,
        value: float = 10.0,
        variance: float = 4.0,
        noise: bool = True,
        bbox: Box | None = None,
        extra: tuple[str, ...] = (),
    ) -> Warp:
        bbox = bbox or self.bbox
        image = np.full(bbox.shape, value, dtype=np.float32)
        if noise:
            rng = np.random.default_rng(visit)
            image += rng.normal(0, np.sqrt(variance), bbox.shape).astype(np.float32)
        schema = make_schema(extra)
        planes = make_planes(image, variance, box=bbox, schema=schema, unit=u.nJy, projection=self.projection)
        return make_warp(planes, visit, [self.detector(visit)])

    @staticmethod
    def flag(warp: Warp, plane: str, where: tuple[slice, slice]) -> None:
        warp.mask.array[(*where, 0)] |= Layout(warp.mask.schema).bits((plane,))


def varied_warps(maker: WarpMaker, n: int = 6) -> list[Warp]:
    """Return warps with defects of all kinds; the last one is smaller than the patch."""
    warps = [maker.warp(visit, variance=2.0 + visit) for visit in range(n)]
    maker.flag(warps[0], "BAD", (slice(3, 9), slice(4, 30)))
    maker.flag(warps[1], "SAT", (slice(5, 20), slice(0, 12)))
    maker.flag(warps[2], "EDGE", (slice(0, 40), slice(0, 5)))
    warps[3].image.array[10:12, 10:40] = np.nan
    warps[4].image.array[20, 20] = 5000.0
    for warp in warps:
        maker.flag(warp, "NO_DATA", (slice(30, 33), slice(40, 44)))
    warps[-1] = warps[-1][Box.factory[105:140, 200:230]]
    return warps


@dataclasses.dataclass(frozen=True)
class Held:
    """An exposure in memory, as a source."""

    exposure: Exposure
    reads_afresh: bool = False

    @property
    def info(self) -> ExposureInfo:
        return self.exposure.info

    def read(self) -> Exposure:
        return self.exposure


def moffat(
    fwhm: float, ratio: float = 1.0, turn: float = 0.0, beta: float = 3.0, side: int = 51
) -> np.ndarray:
    """A Moffat profile; the wings are those of seeing."""
    half = side // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    scale = fwhm / 2 / math.sqrt(2 ** (1 / beta) - 1)
    profile: np.ndarray = (1 + (u**2 + (v / ratio) ** 2) / scale**2) ** -beta
    return profile / profile.sum()

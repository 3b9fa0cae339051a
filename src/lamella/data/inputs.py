"""Warps on their way into a coadd, and the grid that the coadd is made on."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol, Self

from lsst.images import Box, MaskSchema, SkyProjection
from lsst.images.psfs import PointSpreadFunction

from ..image.planes import Planes
from ..image.spans import SpanMask
from ..sky.footprint import pixel_scale
from .detector import DetectorInput
from .flux_unit import FluxUnit, flux_unit_of
from .owners import Owners
from .weights import MeanVariance

__all__ = ("CoaddTarget", "WarpInput", "WarpRecord", "WarpSource")


class WarpSource(Protocol):
    """Where the pixels of a warp come from; algorithms ask it for boxes and never open files."""

    @property
    def bbox(self) -> Box:
        """Box of the pixels that the warp holds, in the tract's pixel frame."""
        ...

    @property
    def schema(self) -> MaskSchema:
        """Schema of the int32 mask."""
        ...

    def read(self, box: Box) -> Planes:
        """Return the planes of a box inside of `bbox`.

        The image and variance are float32, the mask is int32.  The caller may
        change the arrays.
        """
        ...


class WarpRecord(Protocol):
    """What is known of a warp beside its pixels; see `lamella.data.warp.Warp`."""

    instrument: str
    visit: int
    band: str
    detectors: tuple[DetectorInput, ...]
    owners: Owners | None
    matched_psf: PointSpreadFunction | None
    bad_mask_planes: tuple[str, ...] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarpInput:
    """One warp on its way into a coadd."""

    instrument: str
    visit: int
    band: str
    source: WarpSource
    detectors: tuple[DetectorInput, ...] = ()
    weight: float | None = None
    """Weight of all pixels of this warp, with ``owners`` the mean of the weights; `None` to have it found."""
    owners: Owners | None = None
    """Which detector each pixel is from, where pixels have the weights of their detectors; of an input
    without a weight, what is known of that.  An input whose weight is given has none."""
    pixel_area: float | None = None
    """Area of a pixel of the warp in square arcseconds, where it is known."""
    mean_variance: MeanVariance | None = None
    """Mean variance of ``source``, where it is on record: saves a walk over its pixels for the weight."""
    scale: float = 1.0
    """Factor that puts the pixels on the photometric scale of the coadd."""
    model_psf: PointSpreadFunction | None = None
    """PSF that the pixels of ``source`` were matched to; `None` where they were not."""
    matched: WarpSource | None = None
    """The same visit, matched to the PSF in which visits are compared; `None` where it was not made."""
    matched_scale: float = 1.0
    """Factor that puts the pixels of ``matched`` on the photometric scale of the coadd: its own, never
    that of ``source``."""
    alternate: SpanMask | None = None
    """Further planes (e.g. artifacts found later) to be or-ed into the mask."""
    bad_mask_planes: tuple[str, ...] | None = None
    """Planes whose pixels had no influence on others when the warp was made; `None` if it is not known."""

    @property
    def flux_unit(self) -> FluxUnit:
        """Unit of the fluxes of ``source``; nJy where no detector is on record."""
        return flux_unit_of(self.detectors)

    @classmethod
    def of(
        cls,
        warp: WarpRecord,
        source: WarpSource,
        projection: SkyProjection[Any] | None,
        mean_variance: MeanVariance | None = None,
    ) -> Self:
        """Return the record of a warp, without a weight.

        Parameters
        ----------
        warp, source
            The warp, and its pixels.
        projection
            Pixels to ICRS, where it is known.
        mean_variance
            Mean variance of the pixels, where it is on record.
        """
        return cls(
            instrument=warp.instrument,
            visit=warp.visit,
            band=warp.band,
            source=source,
            detectors=warp.detectors,
            owners=warp.owners,
            pixel_area=None if projection is None else pixel_scale(projection, source.bbox) ** 2,
            mean_variance=mean_variance,
            model_psf=warp.matched_psf,
            bad_mask_planes=warp.bad_mask_planes,
        )

    @property
    def key(self) -> tuple[str, int]:
        """Key by which the inputs of a coadd are ordered."""
        return (self.instrument, self.visit)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoaddTarget:
    """The pixel grid that a coadd is made on, and its place in a sky map."""

    outer_bbox: Box
    """Box of the coadd, in the tract's pixel frame."""
    projection: SkyProjection[Any]
    """Tract pixels to ICRS."""
    inner_bbox: Box | None = None
    """Part that belongs to this patch alone; `None` means all of it."""
    skymap: str = "none"
    tract: int = 0
    patch: tuple[int, int] = (0, 0)
    """Column and row of the patch."""
